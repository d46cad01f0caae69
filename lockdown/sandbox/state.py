"""Everything that exists in the sandbox, and everything that happened to it."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import RLock
from typing import Any, NotRequired, TypedDict, Unpack

from lockdown.sandbox import policies, rbac, roles
from lockdown.sandbox.clock import Clock

Document = dict[str, Any]

_GOVERNING = frozenset({rbac.ASSIGNMENT, rbac.DEFINITION, rbac.MANAGEMENT_GROUP_MEMBER})


@dataclass(frozen=True)
class Principal:
    """Somebody who can hold a token.

    Attributes:
        object_id: the id that role assignments name.
        client_id: the application id.
        name: what a person calls it.
        kind: ``ServicePrincipal`` or ``User``.
    """

    object_id: str
    client_id: str
    name: str
    kind: str


@dataclass(frozen=True)
class Change:
    """One thing that happened to one document, as ``resourcechanges`` tells it.

    Attributes:
        time: when, UTC.
        type: the resource type as its document writes it.
        kind: ``Create``, ``Update`` or ``Delete``.
        before: the document before, without internal keys; None for Create.
        after: the document after, without internal keys; None for Delete.
        client: ``Azure CLI``, ``Azure Portal``, ``Python SDK`` or the first product of the User-Agent.
        operation: such as ``Microsoft.Storage/storageAccounts/write``.
        number: of the request that asked for it, among all that arrived; 0 where none did.
        request: its method and path.
    """

    time: datetime
    resource_id: str
    type: str
    kind: str
    before: Document | None
    after: Document | None
    principal: Principal
    client: str
    operation: str
    correlation_id: str
    number: int = 0
    request: str = ""


class Authorship(TypedDict):
    """Who did something and how: the keywords of every mutation. The fields are those of ``Change``."""

    by: Principal
    client: str
    operation: str
    correlation_id: str
    number: NotRequired[int]
    request: NotRequired[str]


class State:
    """All ARM documents of one tenant: subscriptions, resource groups, resources of any depth, role assignments.

    A document is the ARM body with its full ``id`` as the provider wrote it, plus internal keys that begin with ``_``
    and are never shown. Stored documents are never changed in place: ``documents`` and ``as_of`` yield the stored
    objects, to be read only; ``get`` returns a copy. Thread-safe.

    Attributes:
        tenant: the tenant id.
        revision: grows with every change.
        denied: lower-case ids of subscriptions that nobody can read.
    """

    def __init__(
        self,
        tenant: str,
        documents: Iterable[Document] = (),
        *,
        changes: Iterable[Change] = (),
        denied: Iterable[str] = (),
        clock: Clock | None = None,
    ) -> None:
        self.tenant = tenant
        self.denied = frozenset(subscription.lower() for subscription in denied)
        self.clock = clock or Clock()
        self.revision = 0
        self._lock = RLock()
        self._documents: dict[str, Document] = {
            found["id"].lower(): found for found in (*roles.documents(), *policies.built_in())
        }
        self._documents.update((document["id"].lower(), document) for document in documents)
        self._changes = list(changes)
        self._grants = rbac.grants(self._governing())

    def seed(self, documents: Iterable[Document]) -> None:
        """Add documents that were there before anything happened; no change tells of them."""
        with self._lock:
            self._documents.update((document["id"].lower(), document) for document in documents)
            self._grants = rbac.grants(self._governing())

    def get(self, resource_id: str) -> Document | None:
        """Return a copy of the document with this id, or None. Ids compare case-insensitively."""
        with self._lock:
            return copy.deepcopy(self._documents.get(resource_id.lower()))

    def exists(self, resource_id: str) -> bool:
        """Tell whether there is a document with this id."""
        with self._lock:
            return resource_id.lower() in self._documents

    def put(self, document: Document, **who: Unpack[Authorship]) -> None:
        """Store a document, new or in the place of the one with its id.

        A document equal to the stored one but for internal keys is no change.
        """
        stored = copy.deepcopy(document)
        key = str(stored["id"]).lower()
        with self._lock:
            previous = self._documents.get(key)
            self._documents[key] = stored
            before, after = visible(previous), visible(stored)
            if before == after:
                return
            self._record(stored, before, after, who)

    def delete(self, resource_id: str, **who: Unpack[Authorship]) -> None:
        """Remove the document with this id and everything below it. Removing what is not there is no change."""
        key = resource_id.lower()
        with self._lock:
            doomed = [found for found in self._documents if found == key or found.startswith(f"{key}/")]
            for found in sorted(doomed, key=len, reverse=True):
                gone = self._documents.pop(found)
                self._record(gone, visible(gone), None, who)

    def documents(self) -> Iterator[Document]:
        """Iterate over every document as it is now, read only."""
        with self._lock:
            return iter(tuple(self._documents.values()))

    def below(self, resource_id: str) -> Iterator[Document]:
        """Iterate over every document below this id, read only."""
        prefix = f"{resource_id.lower().rstrip('/')}/"
        with self._lock:
            return iter([document for key, document in self._documents.items() if key.startswith(prefix)])

    def as_of(self, seconds: float) -> Iterator[Document]:
        """Iterate over every document as it was ``seconds`` ago, read only."""
        with self._lock:
            past = self._documents
            if seconds > 0:
                cutoff = self.clock.now() - timedelta(seconds=seconds)
                past = dict(past)
                for change in reversed(self._changes):
                    if change.time <= cutoff:
                        break
                    _undo(past, change)
            return iter(tuple(past.values()))

    def changes(self) -> tuple[Change, ...]:
        """Return everything that happened, oldest first."""
        with self._lock:
            return tuple(self._changes)

    def history(self) -> tuple[list[Document], tuple[Change, ...]]:
        """Return the documents that were there before anything happened, and everything that happened, oldest first."""
        with self._lock:
            past = dict(self._documents)
            for change in reversed(self._changes):
                _undo(past, change)
            return list(past.values()), tuple(self._changes)

    def can_read(self, principal: Principal, resource_id: str) -> bool:
        """Tell whether the principal can read this resource or scope, by role assignments, inherited."""
        return self.allows(principal, "*/read", resource_id)

    def allows(self, principal: Principal, operation: str, resource_id: str) -> bool:
        """Tell whether the principal may do ``operation`` there. Nobody may do anything in a denied subscription."""
        if self.denied and subscription_of(resource_id).lower() in self.denied:
            return False
        return self._grants.allow(principal.object_id, operation, resource_id)

    def permissions(self, principal: Principal, scope: str) -> tuple[rbac.Permission, ...]:
        """Return everything that the principal's roles grant at a scope."""
        return tuple(self._grants.permissions(principal.object_id, scope))

    def granted(self, object_id: str, operation: str, resource_id: str, *, data: bool = False) -> bool:
        """Tell whether the principal with this object id may do ``operation`` there, or on what the resource holds."""
        return self._grants.allow(object_id, operation, resource_id, data=data)

    def allows_data(self, principal: Principal, operation: str, resource_id: str) -> bool:
        """Tell whether the principal may do ``operation`` on what a resource holds."""
        return self._grants.allow(principal.object_id, operation, resource_id, data=True)

    def sees_any(self, principal: Principal, scope: str) -> bool:
        """Tell whether the principal can read the scope or holds a role on something in it."""
        denied = self.denied and subscription_of(scope).lower() in self.denied
        return self.can_read(principal, scope) or (not denied and self._grants.below(principal.object_id, scope))

    def _record(self, document: Document, before: Document | None, after: Document | None, who: Authorship) -> None:
        self.revision += 1
        kind = "Create" if before is None else "Delete" if after is None else "Update"
        self._changes.append(
            Change(
                time=self.clock.now(),
                resource_id=str(document["id"]),
                type=str(document["type"]),
                kind=kind,
                before=before,
                after=after,
                principal=who["by"],
                client=who["client"],
                operation=who["operation"],
                correlation_id=who["correlation_id"],
                number=who.get("number", 0),
                request=who.get("request", ""),
            )
        )
        if str(document["type"]).lower() in _GOVERNING:
            self._grants = rbac.grants(self._governing())

    def _governing(self) -> list[Document]:
        return [found for found in self._documents.values() if str(found.get("type", "")).lower() in _GOVERNING]


def visible(document: Document | None) -> Document | None:
    """Return the document without internal keys."""
    return None if document is None else {key: value for key, value in document.items() if not key.startswith("_")}


def subscription_of(resource_id: str) -> str:
    """Return the subscription id in a resource id as it is written there, or ''."""
    prefix = "/subscriptions/"
    if resource_id[: len(prefix)].lower() != prefix:
        return ""
    return resource_id[len(prefix) :].partition("/")[0]


def _undo(documents: dict[str, Document], change: Change) -> None:
    key = change.resource_id.lower()
    if change.before is None:
        documents.pop(key, None)
    else:
        documents[key] = change.before
