"""What a run of the provisioner reports while it works, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lockdown.provisioner.change import Verb


class Watch(Protocol):
    """Told how far a run is. Calls come from several threads, but never two at a time."""

    def started(self, key: str, verb: Verb) -> None:
        """A step begins. A step that also opens, closes or removes something later begins more than once."""

    def ended(self, key: str, verb: Verb, seconds: float) -> None:
        """It is done, after so many seconds."""

    def failed(self, key: str, verb: Verb, seconds: float, cause: str) -> None:
        """It failed."""

    def waiting(self, key: str, why: str, seconds: float) -> None:
        """It is tried again in so many seconds."""

    def remaining(self, seconds: float) -> None:
        """The rest will typically take so long; told after each of the others."""


class Silent:
    """A watch that nobody looks at."""

    def started(self, key: str, verb: Verb) -> None:
        """Say nothing."""

    def ended(self, key: str, verb: Verb, seconds: float) -> None:
        """Say nothing."""

    def failed(self, key: str, verb: Verb, seconds: float, cause: str) -> None:
        """Say nothing."""

    def waiting(self, key: str, why: str, seconds: float) -> None:
        """Say nothing."""

    def remaining(self, seconds: float) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Failure:
    """A step that failed. ``cause`` is ARM's text, hostile to terminals; ``request_id`` is for Microsoft's support."""

    key: str
    id: str
    verb: Verb
    cause: str
    code: str
    request_id: str


@dataclass(frozen=True)
class LeftOpen:
    """What should be closed or gone and is not (or nobody knows), and why; the next run tries again."""

    key: str
    id: str
    what: str
    cause: str


@dataclass(frozen=True)
class Outcome:
    """What came of a run. Keys are those of steps.

    Attributes:
        done: what was created, changed, done, closed or removed, in that order.
        not_started: what was to be done and was not begun, or was begun and not waited for.
        kept: what destroy left in place on purpose.
        interrupted: what ended the run early (KeyboardInterrupt, ...), for the caller to raise again once it has
            said how things stand.
    """

    done: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    not_started: tuple[str, ...] = ()
    left_open: tuple[LeftOpen, ...] = ()
    kept: tuple[LeftOpen, ...] = ()
    interrupted: BaseException | None = None

    @property
    def complete(self) -> bool:
        """Whether everything was done."""
        return not (self.failed or self.not_started or self.left_open or self.interrupted)
