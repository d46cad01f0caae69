"""What all work shares: it tells how far it is, waits, and insists where a refusal passes by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.arm import Arm, StoppedError
from lockdown.provisioner.graph import Body, Resource
from lockdown.provisioner.judging import is_moving, state_of
from lockdown.provisioner.outcome import Watch
from lockdown.provisioner.patience import patience, pause
from lockdown.provisioner.walk import Node, SkippedError, Walk

SETTLING = 3600.0
LOOK = 10.0
"""Seconds between looks at what no operation tells of: an action's effect, somebody else's operation."""

Result = TypeVar("Result")


class Desk:
    """Thread-safe; tells the watch one thing at a time."""

    def __init__(self, arm: Arm, watch: Watch) -> None:
        self.arm = arm
        self._watch = watch
        self._telling = Lock()

    @contextmanager
    def telling(self, node: Node, walk: Walk, then: float) -> Iterator[None]:
        """Tell the watch when a piece of work begins and ends; ``then`` is how long what follows the walk takes."""
        began = self.arm.now()
        self._tell(lambda: self._watch.started(node.key, node.verb), walk, then)
        try:
            yield
        except (SkippedError, StoppedError):
            raise
        except BaseException as error:
            cause, seconds = str(error) or type(error).__name__, self.arm.now() - began
            self._tell(lambda: self._watch.failed(node.key, node.verb, seconds, cause), walk, then, node)
            raise
        self._tell(lambda: self._watch.ended(node.key, node.verb, self.arm.now() - began), walk, then, node)

    def insist(
        self, key: str, attempt: Callable[[], Result], look: Callable[[], Result | None], *, removing: bool = False
    ) -> Result:
        """Try until it succeeds, ``look`` shows that it has, or the refusal is one that does not pass."""
        began, tried = self.arm.now(), 0
        while True:
            try:
                return attempt()
            except RefusedError as error:
                found, tried = patience(error, removing=removing), tried + 1
                seconds = pause(tried, error.retry_after)
                if found is None or self.arm.now() + seconds - began > found.limit:
                    raise
                self.wait(key, f"{found.why} ({error.code})", seconds)
                there = look()
                if there is not None:
                    return there

    def settled(self, step: Resource) -> Body | None:
        """Return the resource once no operation on it is under way; None if it is not there."""
        until = self.arm.now() + SETTLING
        while True:
            found = self.arm.get(step.id, step.api_version)
            if not found.there:
                return None
            if not is_moving(found.body):
                return found.body
            if self.arm.now() > until:
                why = f"It has been {state_of(found.body)} for {SETTLING / 60:.0f} minutes."
                raise RefusedError(0, "StillUnderWay", why, "", step.id)
            self.wait(step.key, f"an operation on it is under way: {state_of(found.body)}", LOOK)

    def wait(self, key: str, why: str, seconds: float) -> None:
        """Let time pass, and say why."""
        with self._telling:
            self._watch.waiting(key, why, seconds)
        self.arm.wait(seconds)

    def _tell(self, event: Callable[[], None], walk: Walk, then: float, ended: Node | None = None) -> None:
        with self._telling:
            event()
            self._watch.remaining(walk.remaining(ended) + then)
