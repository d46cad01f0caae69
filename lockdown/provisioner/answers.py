"""What Azure Resource Manager answers: what is there, or why not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from azure.core.rest import HttpResponse

from lockdown.provisioner.graph import Body

_NOT_FOUND = 404
_UNREGISTERED = frozenset({"missingsubscriptionregistration", "subscriptionnotregistered"})
_NO_SUBSCRIPTION = frozenset({"subscriptionnotfound", "invalidsubscriptionid"})


@dataclass(frozen=True)
class Found:
    """What a GET showed. ``status`` is 200, or 404 if there is nothing."""

    status: int
    body: Body
    code: str = ""

    @property
    def there(self) -> bool:
        """Whether there is something."""
        return self.status != _NOT_FOUND


class RefusedError(Exception):
    """Azure refused a request, an operation failed, or there was no answer at all (status 0).

    Attributes:
        code, message: ARM's; hostile text for a terminal.
        request_id: ARM's request id, for Microsoft's support.
        id: what the request was about.
        retry_after: the seconds after which the server wants to be asked again, if it says so.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        request_id: str,
        id: str,  # noqa: A002 - ARM's word
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.id = id
        self.retry_after = retry_after


def is_absent(error: RefusedError) -> bool:
    """Tell whether a refusal says that there is nothing, and not that nobody may know.

    Where a resource provider is not registered, none of its resources exists.
    """
    code = error.code.lower()
    return code in _UNREGISTERED or (error.status == _NOT_FOUND and code not in _NO_SUBSCRIPTION)


def json_of(response: HttpResponse) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON body of an answer, or None if it has none."""
    content = response.content
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except ValueError:
        return None


def code_of(response: HttpResponse) -> str:
    """Return ARM's error code in an answer, or ''."""
    return _error(json_of(response))[0]


def request_id(response: HttpResponse) -> str:
    """Return the id by which Microsoft finds a request."""
    headers = response.headers
    return headers.get("x-ms-request-id") or headers.get("x-ms-correlation-request-id") or ""


def refused(response: HttpResponse, id: str) -> RefusedError:  # noqa: A002
    """Return the error that an answer is: a refusal, or the end of an operation that failed."""
    code, message = _error(json_of(response))
    status = response.status_code
    return RefusedError(
        status,
        code or f"HTTP{status}",
        message or "The answer does not say why.",
        request_id(response),
        id,
        _seconds(response.headers.get("Retry-After", "")),
    )


def _seconds(text: str) -> float | None:
    return float(text) if text.isdecimal() else None


def _error(body: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON
    """Find code and message in ARM's form, in a provider's own, or in a document that failed."""
    if not isinstance(body, dict):
        return "", ""
    found = body.get("error") or body.get("Error") or body
    if not isinstance(found, dict):
        return "", str(found)
    code, message = str(found.get("code") or found.get("Code") or ""), str(found.get("message") or "")
    details = found.get("details")
    inner = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
    told = str(inner.get("message") or "")
    if told and told not in message:
        message = f"{message} {told}".strip()
    if not code:
        properties = body.get("properties")
        state = properties.get("provisioningState") if isinstance(properties, dict) else body.get("status")
        code = f"Provisioning{state}" if state in ("Failed", "Canceled") else ""
    return code, message
