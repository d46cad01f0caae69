"""Long-running operations: what is under way, and what happens when it ends, well or not."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import RLock
from typing import Any
from uuid import uuid4

from lockdown.sandbox.clock import Clock

_KEPT = 10_000
_LONGEST_WAIT = 30.0


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        resource_id: what it works on.
        verb: the provisioningState that readers see meanwhile: ``Creating``, ``Updating`` or ``Deleting``; '' for an
            action, which leaves the resource as it is.
        effect: what happens at its end, or None if it already has.
        error: the code with which it fails at its end, or ''.
        result: what an action answers at its end.
    """

    id: str
    resource_id: str
    verb: str
    started: datetime
    ends: datetime
    effect: Callable[[], None] | None = None
    error: str = ""
    result: Any = None

    def failure(self) -> dict[str, str]:
        """Return the error that its status resource shows."""
        return {
            "code": self.error,
            "message": f"The operation on '{self.resource_id}' failed at its end, as was asked for.",
        }


class Operations:
    """Every operation of a sandbox. An operation ends when its time has come and somebody looks (``settle``).

    Attributes:
        clock: the time that it goes by.
        seconds: how long one takes of which nothing else is said.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self._all: dict[str, Operation] = {}
        self._running: dict[str, Operation] = {}
        self._lock = RLock()

    def start(
        self,
        resource_id: str,
        verb: str,
        effect: Callable[[], None] | None = None,
        *,
        seconds: float | None = None,
        error: str = "",
        result: Any = None,  # noqa: ANN401  # a JSON value
    ) -> Operation:
        """Start an operation of so many seconds; ``effect`` runs at its end, also if that end is an ``error``."""
        now = self.clock.now()
        ends = now + timedelta(seconds=self.seconds if seconds is None else seconds)
        operation = Operation(str(uuid4()), resource_id, verb, now, ends, effect, error, result)
        with self._lock:
            self._all[operation.id] = operation
            if len(self._all) > _KEPT:
                del self._all[next(key for key in self._all if key not in self._running)]
            self._running[operation.id] = operation
        self.settle()
        return operation

    def settle(self, *, everything: bool = False) -> None:
        """End what is due, in the order it was started; with ``everything``, end all at once (shutdown)."""
        if not self._running:
            return
        now = self.clock.now()
        with self._lock:
            due = [found for found in self._running.values() if everything or found.ends <= now]
            for operation in due:
                del self._running[operation.id]
                if operation.effect is not None:
                    operation.effect()

    def get(self, operation_id: str) -> Operation | None:
        """Return an operation, running or ended, or None."""
        return self._all.get(operation_id.lower())

    def is_running(self, operation: Operation) -> bool:
        """Tell whether it has not ended."""
        return operation.id in self._running

    def pending(self, resource_id: str) -> Operation | None:
        """Return the operation that is under way on a resource, or None."""
        if not self._running:
            return None
        key = resource_id.lower()
        with self._lock:
            running = (found for found in self._running.values() if found.verb)
            return next((found for found in running if found.resource_id.lower() == key), None)

    def waiting(self, operation: Operation) -> dict[str, str]:
        """Return the header that tells when to look again: at its end, but at least twice a minute."""
        left = (operation.ends - self.clock.now()).total_seconds()
        return self.clock.waiting(min(left, _LONGEST_WAIT))

    def status(self, operation: Operation, path: str) -> dict[str, Any]:
        """Return the body of the operation's status resource."""
        running = self.is_running(operation)
        body: dict[str, Any] = {
            "id": path,
            "name": operation.id,
            "status": "InProgress" if running else "Failed" if operation.error else "Succeeded",
            "startTime": _stamp(operation.started),
        }
        if not running:
            body |= {"endTime": _stamp(operation.ends), "percentComplete": 100}
            body |= {"error": operation.failure()} if operation.error else {}
        return body


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
