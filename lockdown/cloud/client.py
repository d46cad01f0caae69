"""One HTTP pipeline to Azure Resource Manager: tokens, retries, and a pace that all threads share.

Source: "Understand how Azure Resource Manager throttles requests" on Microsoft Learn: for each subscription and
identity a bucket of 250 reads that gains 25 a second; what is left of it is in a response header. A request too many
is answered with 429 and Retry-After, by Resource Manager or by the provider behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from threading import Event, Lock
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    HeadersPolicy,
    HTTPPolicy,
    RequestIdPolicy,
    RetryPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.core import ARMPipelineClient

from lockdown import __version__
from lockdown.cloud.credentials import scope as token_scope
from lockdown.cloud.request_log import Request
from lockdown.errors import ToolError
from lockdown.model import Cloud

REMAINING = "x-ms-ratelimit-remaining-subscription-reads"
REFILL = 25.0
RESERVE = 25
_TOO_MANY = 429


class NoAnswerError(Exception):
    """A request got no answer, however often it was sent; the message says why in one line."""


class Client:
    """Sends requests to Azure Resource Manager in one cloud. Use as a context manager; thread-safe."""

    def __init__(self, cloud: Cloud, credential: TokenCredential, log: Callable[[Request], None]) -> None:
        self.base = cloud.resource_manager
        self._log = log
        self._closing = Event()
        retries = RetryPolicy(retry_total=6, retry_backoff_factor=0.5)
        self._client: ARMPipelineClient[HttpRequest, HttpResponse] = ARMPipelineClient(
            cloud.resource_manager,
            transport=_Transport(self._closing),
            policies=[
                RequestIdPolicy(),
                HeadersPolicy(),
                UserAgentPolicy(f"lockdown/{__version__}"),
                retries,
                BearerTokenCredentialPolicy(credential, token_scope(cloud)),
                _Pacing(SubscriptionPace(self._closing.wait), retries),
            ],
        )

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._client.__exit__(kind, error, trace)

    def send(self, request: HttpRequest, **options: Any) -> tuple[HttpResponse, bytes]:  # noqa: ANN401 - azure-core's
        """Return the answer to ``request`` and its body, whatever its status.

        Raises:
            NoAnswerError: there is none.
            ToolError: no token could be had.
        """
        try:
            response = self._client.send_request(request, **options)
            content = response.content
        except ClientAuthenticationError as error:
            raise ToolError(f"Azure refused the credential: {_line(error)}", "Run az login again.") from error
        except AzureError as error:
            raise NoAnswerError(_line(error)) from error
        return response, content

    def log(self, response: HttpResponse, content: bytes, api_version: str, rows: int) -> None:
        """Add a request to the log of the run, with what came back."""
        headers = response.headers
        self._log(
            Request(
                method=str(response.request.method),
                path=urlsplit(str(response.request.url)).path,
                api_version=api_version,
                status=response.status_code,
                request_id=headers.get("x-ms-request-id") or headers.get("x-ms-correlation-request-id") or "",
                date=headers.get("Date", ""),
                body_sha256=sha256(content).hexdigest(),
                rows=rows,
            )
        )

    def log_silence(self, request: HttpRequest, api_version: str) -> None:
        """Add a request that got no answer to the log of the run."""
        path = urlsplit(str(request.url)).path
        self._log(Request(str(request.method), path, api_version, 0, "", "", sha256(b"").hexdigest(), 0))


class SubscriptionPace:
    """Holds the requests to each subscription back, so that they stay inside its quota.

    While more than ``RESERVE`` reads are left, nothing waits; below that, requests go out as fast as the quota fills up
    again. A refusal with 429 holds every thread back until the time that it names.

    Args:
        wait: waits that many seconds; True ends the waiting for good.
    """

    def __init__(self, wait: Callable[[float], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._wait = wait
        self._clock = clock
        self._lock = Lock()
        self._due: dict[str, float] = {}
        self._gap: dict[str, float] = {}

    def wait(self, subscription: str) -> None:
        """Return when a request to the subscription may be sent."""
        with self._lock:
            now = self._clock()
            due = max(now, self._due.get(subscription, now))
            self._due[subscription] = due + self._gap.get(subscription, 0.0)
        if due > now and self._wait(due - now):
            raise StoppedError

    def learn(self, subscription: str, status: int, remaining: str, retry_after: float | None) -> None:
        """Take the quota from an answer."""
        with self._lock:
            if remaining.isdecimal():
                self._gap[subscription] = 0.0 if int(remaining) > RESERVE else 1 / REFILL
            if status == _TOO_MANY:
                pause = self._clock() + (retry_after or 1.0)
                self._due[subscription] = max(pause, self._due.get(subscription, 0.0))


class StoppedError(Exception):
    """The client was closed while a thread waited: what it waits for is not wanted any more."""


class _Pacing(HTTPPolicy[HttpRequest, HttpResponse]):
    """Paces every try of a request that is about one subscription."""

    def __init__(self, pace: SubscriptionPace, retries: RetryPolicy[HttpRequest, HttpResponse]) -> None:
        super().__init__()
        self._pace = pace
        self._retries = retries

    def send(self, request: PipelineRequest[HttpRequest]) -> PipelineResponse[HttpRequest, HttpResponse]:
        steps = urlsplit(str(request.http_request.url)).path.lower().split("/")
        if steps[1:2] != ["subscriptions"] or len(steps) < 3:  # noqa: PLR2004 - '', subscriptions, its id
            return self.next.send(request)
        self._pace.wait(steps[2])
        answer = self.next.send(request)
        response = answer.http_response
        remaining = response.headers.get(REMAINING, "")
        self._pace.learn(steps[2], response.status_code, remaining, self._retries.get_retry_after(answer))
        return answer


class _Transport(RequestsTransport):  # type: ignore[misc]  # azure-core exports it without its type
    """A transport whose waits between tries end when the client is closed."""

    def __init__(self, closing: Event) -> None:
        super().__init__()
        self._closing = closing

    def sleep(self, duration: float) -> None:
        if self._closing.wait(duration):
            raise StoppedError


def _line(error: AzureError) -> str:
    return str(error.message).splitlines()[0] if error.message else type(error).__name__
