"""One ticket for each resource that drifted: opened once, closed when nothing of it drifts any more.

A ticket is found again by the fingerprint of its resource, which is the same every night. Nothing is closed by a run
that could not see everything: what was not looked at may still be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from lockdown.errors import UsageError
from lockdown.notify.notice import Finding, Notice
from lockdown.report import words

MOST = 25
"""Tickets that one run opens: what more there is follows with the next."""


class Tracker(Protocol):
    """Where tickets are kept."""

    def there(self) -> Mapping[str, Sequence[str]]:
        """Return the numbers of the open tickets, by fingerprint."""

    def open(self, notice: Notice, found: Finding, *, details: bool) -> str:
        """Open a ticket and return its number."""

    def close(self, number: str, why: str) -> None:
        """Close a ticket."""


def settle(tracker: Tracker, notice: Notice, *, details: bool) -> Iterator[str]:
    """Open and close what a run asks for, and yield what was done, a sentence each.

    Raises:
        UsageError: the run was not compared with a baseline.
        ToolError: the tracker does not do as it is asked.
    """
    if notice.drift is None:
        raise UsageError("The run was not compared with a baseline, so it has no drift.", "Name a run of drift.")
    there = tracker.there()
    wanted = {found.fingerprint: found for found in notice.drift.findings}
    new = [found for mark, found in wanted.items() if mark not in there]
    for found in new[:MOST]:
        yield f"Opened {tracker.open(notice, found, details=details)} for drift {found.fingerprint}."
    if len(new) > MOST:
        yield f"{words.number(len(new) - MOST, 'more ticket')} will follow with the next run."
    gone = [mark for mark in there if mark not in wanted]
    if gone and not notice.complete:
        yield f"{words.number(len(gone), 'ticket')} left open: not everything could be read."
        return
    for mark in gone:
        for number in there[mark]:
            tracker.close(number, "Fixed or accepted: nothing of it drifts in the latest run, which read everything.")
            yield f"Closed {number}: drift {mark} is gone."
