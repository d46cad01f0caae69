"""What a plan says: what is to be done about each step of a blueprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lockdown.provisioner.differ import Difference
from lockdown.provisioner.graph import Body


class Verb(StrEnum):
    """What is to be done about a step. OPEN is for a while: apply's, in no plan."""

    CREATE = "create"
    UPDATE = "update"
    ACT = "act"
    OPEN = "open"
    CLOSE = "close"
    REMOVE = "remove"
    LEAVE = "leave"
    BLOCKED = "blocked"


IDLE = frozenset({Verb.LEAVE, Verb.BLOCKED})


@dataclass(frozen=True)
class Change:
    """What is to be done about one step.

    Attributes:
        differences: for update, close and blocked: what differs. Values come from Azure: hostile text for a terminal.
        why: one line for people: the reason of ``blocked``, and what is special otherwise; may be empty.
        seconds: how long it typically takes; 0 if nothing is to do.
        cost: what costs money, in a few words; empty if nothing does.
    """

    key: str
    theme: str
    id: str
    verb: Verb
    differences: tuple[Difference, ...] = ()
    why: str = ""
    seconds: int = 0
    cost: str = ""


@dataclass(frozen=True)
class Opening:
    """A property of a step's resource that is open while the steps ``needed_by`` work, and is closed after them.

    Attributes:
        once: Azure never opens it again: it is closed only once they are all done.
    """

    key: str
    path: str
    why: str
    needed_by: tuple[str, ...] = ()
    once: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be done, in the order of the blueprint.

    Attributes:
        known: what was read, by key of the step; nothing for what does not exist.
        openings: what is open for a while during apply.
        seconds: the typical length of the longest chain of what is to be done.
    """

    changes: tuple[Change, ...]
    known: Mapping[str, Body] = field(repr=False)
    openings: tuple[Opening, ...] = ()
    seconds: int = 0

    @property
    def pending(self) -> bool:
        """Whether anything is to be done, or cannot be done."""
        return any(change.verb is not Verb.LEAVE for change in self.changes)

    @property
    def blocked(self) -> tuple[Change, ...]:
        """What cannot be done, each with its reason; while there is any, apply builds nothing."""
        return tuple(change for change in self.changes if change.verb is Verb.BLOCKED)
