"""How many reads of a subscription a principal has left.

Source: Microsoft Learn, "Understand how Azure Resource Manager throttles requests": for each subscription and service
principal a bucket of 250 reads that gains 25 a second.
"""

import math
from collections.abc import Callable
from datetime import datetime
from threading import Lock

from lockdown.sandbox.arm_error import ArmError

BUCKET = 250
REFILL = 25.0


class Reads:
    """Counts reads by principal and subscription. Thread-safe."""

    def __init__(self, now: Callable[[], datetime], *, enforced: bool) -> None:
        self._now = now
        self._enforced = enforced
        self._buckets: dict[tuple[str, str], tuple[datetime, float]] = {}
        self._lock = Lock()

    def take(self, principal: str, subscription: str) -> int:
        """Count one read, and return how many are left.

        Raises:
            ArmError: 429, with the seconds to wait; a refused read is not counted.
        """
        if not self._enforced:
            return BUCKET - 1
        with self._lock:
            now = self._now()
            key = (principal, subscription.lower())
            since, held = self._buckets.get(key, (now, float(BUCKET)))
            held = min(float(BUCKET), held + (now - since).total_seconds() * REFILL)
            if held < 1:
                self._buckets[key] = (now, held)
                raise _throttled(max(1, math.ceil((1 - held) / REFILL)), subscription)
            self._buckets[key] = (now, held - 1)
            return int(held - 1)


def _throttled(seconds: int, subscription: str) -> ArmError:
    return ArmError(
        429,
        "SubscriptionRequestsThrottled",
        f"Number of 'read' requests for subscription '{subscription}' exceeded the limit. "
        f"Please try again after '{seconds}' seconds.",
        headers={"Retry-After": str(seconds), "x-ms-ratelimit-remaining-subscription-reads": "0"},
    )
