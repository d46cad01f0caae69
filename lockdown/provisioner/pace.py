"""The pace of requests to one subscription, so that they stay inside the quotas of Azure Resource Manager.

Source: "Understand how Azure Resource Manager throttles requests" on Microsoft Learn: for each subscription and
identity, a bucket for each kind of request that gains tokens by the second; what is left is in a response header.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import HTTPPolicy, RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse

_TOO_MANY = 429


@dataclass(frozen=True)
class Quota:
    """A bucket: its size, and the tokens that it gains in a second."""

    name: str
    size: float
    refill: float


READS, WRITES, DELETES = Quota("reads", 250, 25), Quota("writes", 200, 10), Quota("deletes", 200, 10)


def quota_of(method: str) -> Quota:
    """Return the bucket that a request draws from; actions (POST) count as writes."""
    return {"GET": READS, "HEAD": READS, "DELETE": DELETES}.get(method, WRITES)


class Pace:
    """Holds requests back. Thread-safe; all time comes from ``now`` and passes in ``wait``."""

    def __init__(self, now: Callable[[], float], wait: Callable[[float], None]) -> None:
        self._now = now
        self._wait = wait
        self._lock = Lock()
        self._left: dict[tuple[str, Quota], tuple[float, float]] = {}
        self._paused: dict[str, float] = {}

    def take(self, subscription: str, quota: Quota) -> None:
        """Return when a request may be sent."""
        with self._lock:
            now = self._now()
            left, since = self._left.get((subscription, quota), (quota.size, now))
            left = min(quota.size, left + (now - since) * quota.refill) - 1
            self._left[subscription, quota] = (left, now)
            pause = max(self._paused.get(subscription, now) - now, -left / quota.refill, 0.0)
        if pause > 0:
            self._wait(pause)

    def learn(self, subscription: str, quota: Quota, status: int, remaining: str, retry_after: float | None) -> None:
        """Take from an answer what is left, and how long nothing may be sent after a refusal (429)."""
        with self._lock:
            now = self._now()
            if remaining.isdecimal():
                left, since = self._left.get((subscription, quota), (quota.size, now))
                self._left[subscription, quota] = (min(left, float(remaining)), since)
            if status == _TOO_MANY:
                until = now + (retry_after or 1.0)
                self._paused[subscription] = max(until, self._paused.get(subscription, 0.0))


class Pacing(HTTPPolicy[HttpRequest, HttpResponse]):
    """Paces every try of a request that is about one subscription."""

    def __init__(self, pace: Pace, retries: RetryPolicy[HttpRequest, HttpResponse]) -> None:
        super().__init__()
        self._pace = pace
        self._retries = retries

    def send(self, request: PipelineRequest[HttpRequest]) -> PipelineResponse[HttpRequest, HttpResponse]:
        """Wait for the request's turn, and send it."""
        steps = path_of(request.http_request).lower().split("/")
        if steps[1:2] != ["subscriptions"] or len(steps) < 3:  # noqa: PLR2004 - '', subscriptions, its id
            return self.next.send(request)
        quota = quota_of(request.http_request.method)
        self._pace.take(steps[2], quota)
        answer = self.next.send(request)
        remaining = answer.http_response.headers.get(f"x-ms-ratelimit-remaining-subscription-{quota.name}", "")
        status = answer.http_response.status_code
        self._pace.learn(steps[2], quota, status, remaining, self._retries.get_retry_after(answer))
        return answer


def path_of(request: HttpRequest) -> str:
    """Return the path of a request, without host and query."""
    return "/" + request.url.split("://", 1)[-1].partition("/")[2].partition("?")[0]
