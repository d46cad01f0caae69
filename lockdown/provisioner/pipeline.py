"""What stands in the pipeline beside azure-core's own policies: what may be repeated, and the request log."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import HTTPPolicy, RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse

from lockdown.provisioner.answers import code_of, request_id
from lockdown.provisioner.ledger import Entry

_TOO_MANY = 429
_ERRORS = 400
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
"""PATCH too: the provisioner only sends what is the same when it is sent again."""


class Retries(RetryPolicy[HttpRequest, HttpResponse]):
    """azure-core's retries, but that an action is only repeated when Azure says that it was not begun."""

    def configure_retries(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return azure-core's settings, with PATCH among what is repeated."""
        return {**super().configure_retries(options), "methods": _REPEATABLE}

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Tell whether a request is sent again after this answer."""
        if response.http_request.method == "POST":
            return bool(settings["total"] > 0 and response.http_response.status_code == _TOO_MANY)
        return super().is_retry(settings, response)


class Ledgering(HTTPPolicy[HttpRequest, HttpResponse]):
    """Logs every request as often as it is sent."""

    def __init__(self, log: Callable[[Entry], None]) -> None:
        super().__init__()
        self._log = log

    def send(self, request: PipelineRequest[HttpRequest]) -> PipelineResponse[HttpRequest, HttpResponse]:
        """Send a request, and log what came of it."""
        sent, began = datetime.now(UTC), time.monotonic()
        status, code, found = 0, "", ""
        try:
            answer = self.next.send(request)
            status, found = answer.http_response.status_code, request_id(answer.http_response)
            code = code_of(answer.http_response) if status >= _ERRORS else ""
        except BaseException as error:
            code = type(error).__name__
            raise
        finally:
            http = request.http_request
            parts = urlsplit(http.url)
            content = http.content
            data = content.encode() if isinstance(content, str) else content
            self._log(
                Entry(
                    time=sent.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    method=http.method,
                    path=parts.path,
                    api_version=parse_qs(parts.query).get("api-version", [""])[0],
                    status=status,
                    code=code,
                    request_id=found,
                    seconds=round(time.monotonic() - began, 3),
                    body_sha256=sha256(data).hexdigest() if isinstance(data, bytes) else "",
                )
            )
        return answer
