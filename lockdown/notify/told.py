"""A notice as paragraphs of plain text, for sinks that keep text and markup apart by structure: Teams and Slack.

Whoever encodes these never has to escape: no character of a run means anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lockdown.notify.notice import Finding, Notice
from lockdown.report import words
from lockdown.report.drift_view import Turn
from lockdown.report.place import place
from lockdown.report.visible import visible

MOST = 15
"""Findings in one message; a line says how many more there are."""
_LONGEST = 200


@dataclass(frozen=True)
class Stretch:
    """A stretch of text; ``strong`` if it stands out."""

    text: str
    strong: bool = False


Paragraph = tuple[Stretch, ...]


def paragraphs(notice: Notice, *, details: bool) -> Iterator[Paragraph]:
    """Yield what to tell: counts and short ids, with ``details`` also names, values and who."""
    yield (Stretch(f"lockdown: {notice.headline}", strong=True),)
    at = words.when(str(notice.run["evaluatedAt"]))
    yield (Stretch(f"Run {shown(str(notice.run['runId']))} of {at}."),)
    if notice.drift is None:
        return
    findings = notice.drift.findings
    for found in findings[:MOST]:
        yield from _finding(found, details=details)
    if len(findings) > MOST:
        more = words.number(len(findings) - MOST, "more resource")
        yield (Stretch(f"{more} drifted; results/drift.json of the run has everything."),)


def shown(text: str) -> str:
    """Return untrusted text so that all of it is seen, and at most as much as a message bears."""
    safe = visible(text)
    return safe if len(safe) <= _LONGEST else f"{safe[: _LONGEST - 20]}[...]{safe[-15:]}"


def by(turn: Turn) -> str:
    """Return who did it and when, as far as Azure's change records tell; nothing if nobody asked them."""
    if turn.by is None:
        return ""
    if not turn.by.who:
        return f"by whom is unknown: {turn.by.unknown}"
    return ", ".join(filter(None, (f"by {turn.by.who}", turn.by.how, turn.by.when)))


def went(turn: Turn) -> str:
    """Return what was before and what is now."""
    return f"{turn.before} -> {turn.after}" if turn.before or turn.worse else turn.after


def _finding(found: Finding, *, details: bool) -> Iterator[Paragraph]:
    lead = Stretch(f"{found.severity.upper()} ", strong=True)
    ids = ", ".join(turn.id for turn in found.turns[:MOST])
    if not details:
        yield (lead, Stretch(f"drift {found.fingerprint}: {words.number(len(found.turns), 'change')} ({ids})"))
        return
    yield (lead, Stretch(shown(place(found.resource).path or found.resource)))
    for turn in found.turns[:MOST]:
        told = "; ".join(filter(None, (f"{shown(turn.what)}: {shown(went(turn))}", shown(by(turn)))))
        yield (Stretch(f"  {turn.id}  {told}"),)
    if len(found.turns) > MOST:
        yield (Stretch(f"  and {words.number(len(found.turns) - MOST, 'more change')}"),)
