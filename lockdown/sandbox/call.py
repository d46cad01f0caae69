"""One ARM request, and the answer to it, without HTTP machinery."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from lockdown.sandbox.arm_error import ArmError, bad_request, subscription_not_found
from lockdown.sandbox.kind import Context
from lockdown.sandbox.operations import Operations
from lockdown.sandbox.settings import Settings
from lockdown.sandbox.state import Authorship, Document, Principal, State, subscription_of


@dataclass(frozen=True)
class Answer:
    """What goes back. ``body`` None means an empty one."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A request that has passed the gate.

    Attributes:
        path: percent-decoded, without trailing slash.
        query: lower-case names to values; the last one given counts.
        headers: lower-case names.
        client: who the User-Agent says it is.
        number: which of all requests that arrived it is.
        failing: the code with which the operation that this request starts is to fail at its end, or ''.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    principal: Principal
    client: str
    correlation_id: str
    state: State
    settings: Settings
    operations: Operations
    number: int = 0
    failing: str = ""

    @property
    def version(self) -> str:
        """The api-version as given."""
        return self.query.get("api-version", "")

    def who(self, operation: str) -> Authorship:
        """Return the authorship of a mutation under this request."""
        return Authorship(
            by=self.principal,
            client=self.client,
            operation=operation,
            correlation_id=self.correlation_id,
            number=self.number,
            request=f"{self.method} {self.path}",
        )

    def context(self, operation: str) -> Context:
        """Return what a provider may touch while it does ``operation`` for this request."""
        return Context(self.state, self.who(operation), self.settings, self.operations)

    def demand(self, operation: str, scope: str) -> None:
        """Go on only if the caller may do ``operation`` at ``scope``.

        Raises:
            ArmError: 404 for a subscription that does not exist, 403 without the right.
        """
        subscription = subscription_of(scope)
        if subscription and not self.state.exists(f"/subscriptions/{subscription}"):
            raise subscription_not_found(subscription)
        if not self.state.allows(self.principal, operation, scope):
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{self.principal.client_id}' with object id '{self.principal.object_id}' does not have "
                f"authorization to perform action '{operation}' over scope '{scope or '/'}' or the scope is invalid. "
                "If access was recently granted, please refresh your credentials.",
            )

    def document(self) -> Document:
        """Return the body as a JSON object.

        Raises:
            ArmError: it is not one, or holds what no answer could (a lone surrogate, an integer beyond 64 bits).
        """
        if not self.body:
            raise bad_request("The request content is empty; a JSON object is expected.")
        try:
            value = json.loads(self.body)
            orjson.dumps(value)
        except (ValueError, TypeError, RecursionError) as error:
            raise bad_request(f"The request content was invalid and could not be deserialized: '{error}'.") from error
        if not isinstance(value, dict):
            raise bad_request("The request content was invalid: a JSON object is expected.")
        return value
