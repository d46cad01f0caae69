"""What changed between two runs and changed back: invisible in both snapshots, told by the change records alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from lockdown.drift import rows, verdicts
from lockdown.drift.coverage import Coverage
from lockdown.drift.items import INFORMATIONAL, Attribution, Reverted, worst
from lockdown.drift.noise import Names, Treat
from lockdown.drift.properties import Steps, ignored
from lockdown.drift.trail import ANY, Change, PathChange, Trail, fingerprint, overlap, parsed
from lockdown.drift.treatments import Treatments

_NOT_RECORDED = "No record says who changed it back."


@dataclass(frozen=True)
class Ends:
    """Both snapshots, indexed.

    Attributes:
        drifted: paths that differ, by lower-case resource id; they are no reversals.
    """

    database: sqlite3.Connection
    baseline: Coverage
    current: Coverage
    drifted: Mapping[str, tuple[Steps, ...]]


def reverted(trail: Trail, ends: Ends, treatments: Treatments) -> Iterator[Reverted]:
    """Yield every reversal, by resource and path."""
    for resource in trail.resources():
        before = rows.find(ends.database, rows.BASELINE, resource, ends.baseline.side.snapshot)
        after = rows.find(ends.database, rows.CURRENT, resource, ends.current.side.snapshot)
        changes = trail.of(resource)
        if before is None and after is None:
            yield from _short_lived(ends, resource, changes)
        elif before is not None and after is not None:
            row = after[1]
            kind = str(row.get("type") or "").lower()
            yield from _recreated(str(row["id"]), kind, changes)
            for item, names in _properties(row, kind, changes, ends.drifted.get(resource, ()), treatments.of(kind)):
                yield replace(item, severity=_severity(ends, resource, names))


def _severity(ends: Ends, resource: str, names: Names) -> str:
    asking = {
        policy
        for policy in verdicts.judging(ends.database, resource)
        if policy in ends.current.side.policies and ends.current.side.policies[policy].asks_about(names)
    }
    return worst(str(policy["severity"]) for policy in ends.current.side.record.policies if policy["id"] in asking)


def _short_lived(ends: Ends, resource: str, changes: tuple[Change, ...]) -> Iterator[Reverted]:
    pair = _first_then(changes, "Create", "Delete")
    if pair is None:
        return
    created, deleted = pair
    if any(side.gap(resource, "resources", created.type) for side in (ends.baseline, ends.current)):
        return
    yield _whole("createdAndDeleted", created.resource, created.type, created, deleted)


def _recreated(resource: str, kind: str, changes: tuple[Change, ...]) -> Iterator[Reverted]:
    pair = _first_then(changes, "Delete", "Create")
    if pair is not None:
        yield _whole("deletedAndCreated", resource, kind, *pair)


def _whole(what: str, resource: str, kind: str, left: Change, back: Change) -> Reverted:
    return Reverted(
        what, resource, kind, "", "", INFORMATIONAL, left.attribution("resource"), back.attribution("resource")
    )


def _first_then(changes: tuple[Change, ...], first: str, then: str) -> tuple[Change, Change] | None:
    start = next((change for change in changes if change.kind == first), None)
    end = next((change for change in reversed(changes) if change.kind == then), None)
    if start is None or end is None or changes.index(end) < changes.index(start):
        return None
    return start, end


def _properties(
    row: Mapping[str, object], kind: str, changes: tuple[Change, ...], drifted: tuple[Steps, ...], treat: Treat
) -> Iterator[tuple[Reverted, Names]]:
    touched: dict[str, list[tuple[Change, PathChange]]] = {}
    for change in changes:
        for step in change.paths:
            touched.setdefault(step.path, []).append((change, step))
    for path, history in sorted(touched.items()):
        recorded = parsed(path)
        names = tuple(step for step in recorded if step != ANY)
        if ignored(treat, names):
            continue
        if any(overlap(steps, recorded) for steps in drifted):
            continue
        found = _reversal(history, _value(row, recorded))
        if found is not None:
            left, back = found
            restored = back.attribution("property") if back else Attribution(unknown=_NOT_RECORDED)
            opened, during = left[0].attribution("property"), left[1].plain
            yield Reverted("property", str(row["id"]), kind, path, during, INFORMATIONAL, opened, restored), names


def _reversal(
    history: list[tuple[Change, PathChange]], end: str | None
) -> tuple[tuple[Change, PathChange], Change | None] | None:
    """Return the step that left the value of both ends, and the record that came back to it, if there is one.

    Where the value at the ends is not to be found (``end`` is None), the records must say themselves that they came
    back.
    """
    if end is None:
        if len(history) < 2 or history[0][1].previous != history[-1][1].new:  # noqa: PLR2004
            return None
        end = history[0][1].previous
    left = next((step for step in history if step[1].new != end), None)
    if left is None:
        return None
    last_change, last = history[-1]
    return left, last_change if last.new == end else None


def _value(row: Mapping[str, object], recorded: tuple[str, ...]) -> str | None:
    """Return the fingerprint of the value at a recorded path, or None if it cannot be told."""
    value: object = row
    for step in recorded:
        if not isinstance(value, dict):
            return None
        inside = {name.lower(): content for name, content in value.items()}
        if step not in inside:
            return None
        value = inside[step]
    return None if value is None else fingerprint(value)
