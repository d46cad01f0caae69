"""The last nights: what the runs of the same scope came to, as the history that is in this run tells."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lockdown import strict
from lockdown.errors import TamperedError
from lockdown.record import Record
from lockdown.report import view, words
from lockdown.report.chart import element, text

NIGHTS = 30
WIDTH, _HEIGHT, _FOOT = 1180, 120, 44
_WIDEST = 72
_MARKS = {"compliant": "\u2713", "nonCompliant": "\u00d7", "indeterminate": "?"}
_CLASSES = {"compliant": "pass", "nonCompliant": "fail", "indeterminate": "unknown"}


@dataclass(frozen=True)
class Night:
    """One run.

    Attributes:
        at: when it began, as it is written.
        outcome: what it came to; ``indeterminate`` for one that never ended.
        counts: results by kind; empty for a run that left no evidence.
    """

    at: str
    outcome: str
    counts: Mapping[str, int]


def nights(record: Record) -> tuple[Night, ...]:
    """Return the last runs of the scope of ``record``, itself the last; nothing where it is in no history.

    Raises:
        TamperedError: the history is not one that lockdown wrote.
    """
    path = record.path.parent.parent / "history/chain.jsonl"
    if not path.is_file():
        return ()
    try:
        records = list(_records(path))
        own = next((item for item in records if item["runId"] == record.run["runId"]), None)
        if own is None:
            return ()
        ends = {item["started"]: item for item in records if item["record"] == "ended"}
        begun = [r for r in records if r["record"] == "started" and r["scope"]["id"] == own["scope"]["id"] and r != own]
        earlier = [_night(item, ends.get(item["sequence"])) for item in begun if item["sequence"] < own["sequence"]]
        this = Night(str(own["at"]), str(record.run["outcome"]), _counts(record.run["counts"]))
    except (KeyError, TypeError, ValueError) as error:
        raise TamperedError(f"{path} is not a history: {error!r}.", "Do not use this run; audit again.") from error
    return (*earlier, this)[-NIGHTS:]


def draw(found: tuple[Night, ...]) -> Markup | None:
    """Return the nights as one ``<svg>``; None if there are not two."""
    if len(found) <= 1:
        return None
    step = min(_WIDEST, WIDTH / len(found))
    most = max(1, *(night.counts.get("fail", 0) + night.counts.get("unknown", 0) for night in found))
    bars = [_bar(night, number * step, step, most) for number, night in enumerate(found)]
    told = f"Failures of {words.number(len(found), 'run')}, from {found[0].at} to {found[-1].at}"
    return element(
        "svg",
        element("title", told),
        element("path", d=f"M0 {_HEIGHT}H{step * len(found):g}", class_="axis"),
        *bars,
        xmlns="http://www.w3.org/2000/svg",
        class_="trend",
        viewBox=f"0 -34 {WIDTH} {_HEIGHT + _FOOT + 34}",
        role="img",
        aria_label=told,
    )


def _bar(night: Night, x: float, step: float, most: int) -> Markup:
    fails, unknown = night.counts.get("fail", 0), night.counts.get("unknown", 0)
    tall, above = (round(number / most * (_HEIGHT - 4), 1) for number in (fails, unknown))
    width, middle = step * 0.62, x + step / 2
    results = words.counts(night.counts) if night.counts else "it left no evidence"
    shown = f"{fails:,}" if night.counts else "none"
    parts = [
        element("title", f"{words.when(night.at)}: {words.OUTCOME[night.outcome].lower()}; {results}"),
        element("rect", x=middle - width / 2, y=_HEIGHT - tall, width=width, height=tall, class_="fails"),
        element("rect", x=middle - width / 2, y=_HEIGHT - tall - above, width=width, height=above, class_="unknowns"),
        text(middle, _HEIGHT - tall - above - 5, shown + (f" +{unknown:,}?" if unknown else ""), "number"),
        text(middle, _HEIGHT + 17, _MARKS[night.outcome], f"number {_CLASSES[night.outcome]}"),
        text(middle, _HEIGHT + 35, night.at[5:10], "number quiet"),
    ]
    return element("g", *parts)


def _night(started: Mapping[str, Any], ended: Mapping[str, Any] | None) -> Night:
    outcome = str(ended["outcome"]) if ended else "indeterminate"
    if outcome not in words.OUTCOME:
        raise ValueError(f"there is no outcome {outcome!a}")
    return Night(str(started["at"]), outcome, _counts(ended["counts"]) if ended and ended["counts"] else {})


def _counts(told: Mapping[str, Any]) -> dict[str, int]:
    return {kind: int(told.get(kind, 0)) for kind in view.KINDS}


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    for line in path.read_bytes().splitlines():
        envelope = strict.loads(line, name=path.name)
        yield strict.loads(b64decode(envelope["payload"], validate=True), name=path.name)["predicate"]
