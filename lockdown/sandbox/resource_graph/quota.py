"""The quota of queries: so many per principal and window.

Source: Microsoft Learn, "Guidance for throttled requests in Azure Resource Graph": 15 queries in 5 seconds; recorded
answers count 14, 13, 12 down and name the time to the next window.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

QUERIES = 15
WINDOW = timedelta(seconds=5)


@dataclass(frozen=True)
class Allowance:
    """What is left to a principal.

    Attributes:
        allowed: whether this query may run.
        remaining: queries left in the window, after this one.
        resets_after: whole seconds until the window ends.
    """

    allowed: bool
    remaining: int
    resets_after: int


class Quota:
    """Counts queries by principal. Thread-safe."""

    def __init__(self, now: Callable[[], datetime], *, enforced: bool) -> None:
        self._now = now
        self._enforced = enforced
        self._windows: dict[str, tuple[datetime, int]] = {}
        self._lock = Lock()

    def take(self, principal: str) -> Allowance:
        """Count one query of ``principal``; a refused one is not counted."""
        if not self._enforced:
            return Allowance(allowed=True, remaining=QUERIES, resets_after=int(WINDOW.total_seconds()))
        with self._lock:
            now = self._now()
            start, used = self._windows.get(principal, (now, 0))
            if now - start >= WINDOW:
                start, used = now, 0
            allowed = used < QUERIES
            self._windows[principal] = (start, used + allowed)
            left = max(1, math.ceil((start + WINDOW - now).total_seconds()))
            return Allowance(allowed, QUERIES - used - allowed, left)


def headers(allowance: Allowance) -> dict[str, str]:
    """Return the headers that tell a client what is left."""
    minutes, seconds = divmod(allowance.resets_after, 60)
    return {
        "x-ms-user-quota-remaining": str(allowance.remaining),
        "x-ms-user-quota-resets-after": f"00:{minutes:02}:{seconds:02}",
        "x-ms-ratelimit-remaining-tenant-resource-requests": str(allowance.remaining),
    }
