"""Azure Resource Manager, to read and to write: one pipeline that every request of the provisioner goes through.

A write returns when its long-running operation has ended, polled at the intervals that the server names. What is safe
to repeat is repeated here, as azure-core does it: reads, PUT, PATCH and DELETE after 408, 429, 5xx and lost
connections. An action (POST) is only repeated after 429, which says that it was not begun.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, local
from types import TracebackType
from typing import Any, Self, cast
from uuid import uuid4

import requests
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    HeadersPolicy,
    RequestIdPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.polling.arm_polling import ARMPolling

from lockdown import __version__
from lockdown.cloud.credentials import scope as token_scope
from lockdown.errors import ToolError
from lockdown.model import Cloud
from lockdown.provisioner.answers import Found, RefusedError, is_absent, json_of, refused
from lockdown.provisioner.graph import Body
from lockdown.provisioner.ledger import Entry
from lockdown.provisioner.pace import Pace, Pacing
from lockdown.provisioner.pipeline import Ledgering, Retries

__all__ = ["Arm", "Found", "RefusedError", "StoppedError"]

CONNECTIONS = 32
_POLL = 15
"""Seconds between looks at an operation whose server names no interval."""


class StoppedError(Exception):
    """The run is being stopped: what this thread waits for is not waited for any more. Azure goes on with it."""


@dataclass(frozen=True)
class _Answer:
    status: int
    body: Any


class Arm:
    """Reads and writes resources in one cloud. Use as a context manager; thread-safe.

    Args:
        log: is given every request, as often as it is sent.
        sleep: passes time; in a test it may be simulated. Without it, waiting ends at once when the run is stopped.
        now: seconds that go with ``sleep``.
        transport: what sends; it must wait with ``sleep`` itself.

    Attributes:
        correlation: the correlation id of all requests, by which the activity log names this run.
    """

    def __init__(
        self,
        cloud: Cloud,
        credential: TokenCredential,
        log: Callable[[Entry], None],
        *,
        sleep: Callable[[float], None] | None = None,
        now: Callable[[], float] = time.monotonic,
        transport: RequestsTransport | None = None,
    ) -> None:
        self.base = cloud.resource_manager
        self._credential = credential
        self.now = now
        self.correlation = str(uuid4())
        self._sleep = sleep
        self._here = local()
        self._never = Event()
        retries = Retries(retry_total=6, retry_backoff_factor=0.5)
        self._client: ARMPipelineClient[HttpRequest, HttpResponse] = ARMPipelineClient(
            cloud.resource_manager,
            transport=transport or _Transport(self.wait),
            policies=[
                RequestIdPolicy(),
                HeadersPolicy({"x-ms-correlation-request-id": self.correlation}),
                UserAgentPolicy(f"lockdown/{__version__}"),
                retries,
                BearerTokenCredentialPolicy(credential, token_scope(cloud)),
                Pacing(Pace(now, self.wait), retries),
                Ledgering(log),
            ],
        )

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.__exit__(kind, error, trace)

    def get(self, id: str, api_version: str) -> Found:  # noqa: A002 - ARM's word
        """Return what is at ``id``, or that nothing is (status 404).

        Raises:
            RefusedError: Azure did not say.
        """
        try:
            answer = self._send("GET", id, api_version, None)
        except RefusedError as error:
            if is_absent(error):
                return Found(404, {}, error.code)
            raise
        return Found(answer.status, answer.body if isinstance(answer.body, dict) else {})

    def items(self, path: str, api_version: str, **query: str) -> Iterator[Body]:
        """Yield the items of a collection, page after page.

        Raises:
            RefusedError: a page could not be read.
        """
        target, parameters = path, {**query, "api-version": api_version}
        while target:
            page = self._send("GET", target, api_version, None, parameters).body
            yield from (item for item in (page.get("value") or ()) if isinstance(item, dict))
            target, parameters = str(page.get("nextLink") or ""), {}

    def put(self, id: str, api_version: str, body: Body) -> Body:  # noqa: A002
        """Create or replace a resource; return its document once the operation has ended.

        Raises:
            RefusedError: Azure refused it, or the operation failed.
            StoppedError: the run is being stopped.
        """
        found = self._send("PUT", id, api_version, body).body
        return found if isinstance(found, dict) and found.get("id") else self.get(id, api_version).body

    def patch(self, id: str, api_version: str, body: Body) -> Body:  # noqa: A002
        """Change part of a resource, as ``put``."""
        found = self._send("PATCH", id, api_version, body).body
        return found if isinstance(found, dict) and found.get("id") else self.get(id, api_version).body

    def post(self, path: str, api_version: str, body: Body) -> Body:
        """Do an action; return what it answers once its operation has ended, as ``put``."""
        found = self._send("POST", path, api_version, body).body
        return found if isinstance(found, dict) else {}

    def delete(self, id: str, api_version: str) -> None:  # noqa: A002
        """Remove a resource, as ``put``. One that is not there is no error."""
        try:
            self._send("DELETE", id, api_version, None)
        except RefusedError as error:
            if not is_absent(error):
                raise

    def token(self, audience: str) -> str:
        """Return a token of the caller for another application than Resource Manager.

        Raises:
            ToolError: none could be had.
        """
        try:
            return self._credential.get_token(f"{audience}/.default").token
        except ClientAuthenticationError as error:
            raise ToolError(f"Azure refused the credential: {_line(error)}", "Run az login again.") from error

    def wait(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            StoppedError: the run is being stopped.
        """
        stop = getattr(self._here, "stop", self._never)
        if self._sleep is None:
            stop.wait(seconds)
        elif not stop.is_set():
            self._sleep(seconds)
        if stop.is_set():
            raise StoppedError

    @contextmanager
    def until(self, stop: Event) -> Iterator[None]:
        """Let all waiting of this thread end with ``StoppedError`` once ``stop`` is set."""
        self._here.stop = stop
        try:
            yield
        finally:
            self._here.stop = self._never

    def _send(
        self, method: str, path: str, version: str, body: Body | None, query: Mapping[str, str] | None = None
    ) -> _Answer:
        url = path if path.startswith("https://") else self.base + path
        request = HttpRequest(method, url, params=query or {"api-version": version}, json=body)
        if path.startswith("https://"):
            self._check_host(url)
            request = HttpRequest(method, url)
        try:
            first = cast(
                "PipelineResponse[HttpRequest, HttpResponse]",
                self._client.send_request(request, _return_pipeline_response=True),
            )
            response = first.http_response
            if response.status_code >= 400:  # noqa: PLR2004 - HTTP's errors
                raise refused(response, path)
            if method == "GET":
                return _Answer(response.status_code, json_of(response))
            return _Answer(response.status_code, self._ended(first))
        except ClientAuthenticationError as error:
            raise ToolError(f"Azure refused the credential: {_line(error)}", "Run az login again.") from error
        except HttpResponseError as error:
            if error.response is None:
                raise RefusedError(0, "NoAnswer", _line(error), "", path) from error
            raise refused(cast("HttpResponse", error.response), path) from error
        except AzureError as error:
            raise RefusedError(0, "NoAnswer", _line(error), "", path) from error

    def _ended(self, first: PipelineResponse[HttpRequest, HttpResponse]) -> Any:  # noqa: ANN401 - JSON
        polling: Any = ARMPolling(_POLL)
        polling.initialize(self._client, first, lambda answer: json_of(answer.http_response))
        if not polling.finished():
            polling.run()
        return polling.resource()

    def _check_host(self, url: str) -> None:
        # A link in an answer is followed with our token: only to where the token is for.
        if not url.startswith(f"{self.base}/"):
            raise RefusedError(0, "ForeignLink", f"a page links to {url.split('?', 1)[0]}", "", url.split("?", 1)[0])


class _Transport(RequestsTransport):  # type: ignore[misc]  # azure-core exports it without its type
    def __init__(self, wait: Callable[[float], None]) -> None:
        session = requests.Session()
        session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
        super().__init__(session=session, session_owner=True, connection_timeout=20, read_timeout=120)
        self._wait = wait

    def sleep(self, duration: float) -> None:
        self._wait(duration)


def _line(error: AzureError) -> str:
    return str(error.message).splitlines()[0] if error.message else type(error).__name__
