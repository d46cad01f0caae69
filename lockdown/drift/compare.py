"""The difference of a run to its baseline."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from lockdown.drift import judgement, noise, rows, trail, verdicts
from lockdown.drift.coverage import Coverage, Gap, Gaps, coverages
from lockdown.drift.environment import Surroundings, examine
from lockdown.drift.items import Drift, VerdictChange, WaiverChange
from lockdown.drift.judgement import Judgement
from lockdown.drift.noise import Noise
from lockdown.drift.reverted import Ends, reverted
from lockdown.drift.rows import CHANGES
from lockdown.drift.side import Side, check_comparable
from lockdown.drift.trail import Trail
from lockdown.drift.treatments import Treatments
from lockdown.drift.verdicts import Turn
from lockdown.errors import ToolError, UsageError

KEPT = timedelta(days=14)
_PRAGMAS = ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -32768")


@dataclass(frozen=True)
class _Window:
    """The time in which the environment may have changed unseen: from the first read of the baseline on."""

    since: str
    until: str
    older_than_kept: bool
    backwards: bool


def compare(
    baseline: Side,
    current: Side,
    changes: Iterable[Mapping[str, object]],
    *,
    changes_unreadable: str = "",
    rules: Noise | None = None,
    warnings: tuple[str, ...] = (),
) -> Drift:
    """Return what changed from ``baseline`` to ``current``, and who changed it.

    Args:
        baseline: the approved run.
        current: the later run.
        changes: rows of the Resource Graph table resourcechanges (and its kin), in any order.
        changes_unreadable: why the change records could not be read; empty if they were.
        rules: which differences mean nothing; None for those that the current run carries, or else lockdown's own.
        warnings: what is known of the two runs besides, for a person.

    Raises:
        UsageError: the two cannot be compared; the message says why.
        ToolError: there is no room for the temporary index.
    """
    check_comparable(baseline, current)
    try:
        with closing(sqlite3.connect("")) as database:
            for pragma in _PRAGMAS:
                database.execute(pragma)
            found = _compare(database, baseline, current, changes, changes_unreadable, rules or _rules(current))
            return replace(found, warnings=(*warnings, *found.warnings))
    except sqlite3.Error as error:
        raise ToolError(
            f"The temporary index for the comparison failed: {error}.",
            "Free disk space, or set TMPDIR to a larger disk.",
        ) from error


def _compare(
    database: sqlite3.Connection,
    baseline: Side,
    current: Side,
    changes: Iterable[Mapping[str, object]],
    changes_unreadable: str,
    rules: Noise,
) -> Drift:
    rows.create(database)
    verdicts.create(database)
    for number, side in ((rows.BASELINE, baseline), (rows.CURRENT, current)):
        rows.index(database, number, side.snapshot)
        verdicts.index(database, number, side.record)
    window = _window(baseline, current)
    unread = trail.load(database, changes, window.since, window.until)
    records = Trail(database, _silence(window, changes_unreadable or _unreadable_changes(current)))

    coverage, gaps = coverages(database, baseline, current), Gaps()
    for number, covered in enumerate(coverage):
        for gap in _declared(covered.side):
            gaps.resources[number, gap] += 0
    turns = _turns(database, coverage, gaps)
    treatments = Treatments(rules)
    around = Surroundings(coverage, gaps, treatments, records, turns, partial(verdicts.failing, database))
    found = examine(rows.differing(database, baseline.snapshot, current.snapshot), around)
    judged = Judgement(baseline, current, records, *judgement.by_resource(found))
    changed, waivers = _judged(database, coverage, judged)
    ends = Ends(database, *coverage, found.paths)
    return Drift(
        baseline=baseline.reference,
        current=current.reference,
        verdicts=changed,
        resources=tuple(found.resources),
        properties=tuple(found.properties),
        waivers=waivers,
        policies=judgement.policy_changes(baseline, current),
        reverted=tuple(reverted(records, ends, treatments)),
        not_compared=gaps.items(),
        warnings=_warnings(baseline, current, window, unread),
    )


def _turns(database: sqlite3.Connection, coverage: tuple[Coverage, Coverage], gaps: Gaps) -> dict[str, list[Turn]]:
    found: dict[str, list[Turn]] = {}
    for pair in verdicts.differing(database):
        gap = judgement.gap(pair, coverage)
        turn = verdicts.turn(pair)
        if gap is not None:
            gaps.results[gap] += 1
        elif turn is not None:
            found.setdefault(pair.resource, []).append(turn)
    return found


def _judged(
    database: sqlite3.Connection, coverage: tuple[Coverage, Coverage], judged: Judgement
) -> tuple[tuple[VerdictChange, ...], tuple[WaiverChange, ...]]:
    changed, waivers = [], []
    for pair in verdicts.differing(database):
        if judgement.gap(pair, coverage) is not None:
            continue
        way = verdicts.direction(pair)
        if way is not None:
            changed.append(judged.verdict(pair, way))
        waiver = judgement.waiver(pair, judged.current.reference.evaluated_at)
        if waiver is not None:
            waivers.append(waiver)
    return tuple(changed), tuple(waivers)


def _rules(current: Side) -> Noise:
    return noise.parse(f"policies/{noise.FILE}", current.noise) if current.noise else noise.shipped()


def _declared(side: Side) -> Iterable[Gap]:
    return (
        Gap("unreadable", name, reason)
        for what, names in side.unreadable.items()
        for name, reason in names.items()
        if not (what == "table" and name.endswith(CHANGES))
    )


def _window(baseline: Side, current: Side) -> _Window:
    before, after = baseline.record.run, current.record.run
    try:
        since = min(trail.utc(before[key]) for key in ("startedAt", "evaluatedAt"))
        until = max(trail.utc(after[key]) for key in ("evaluatedAt", "finishedAt"))
        end = trail.utc(after["evaluatedAt"])
        backwards = end < trail.utc(before["evaluatedAt"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"A run does not say when it was made: {error}.", "Run the audit again.") from error
    return _Window(since, until, datetime.fromisoformat(end) - datetime.fromisoformat(since) > KEPT, backwards)


def _silence(window: _Window, unreadable: str) -> str:
    if unreadable:
        return f"Azure's change records could not be read: {unreadable}"
    if window.backwards:
        return "The current run is older than the baseline, so no change record lies between them."
    if window.older_than_kept:
        return "Azure keeps change records for 14 days, the baseline is older, and there is no record of it."
    return "Azure has no change record of it."


def _unreadable_changes(side: Side) -> str:
    tables = side.unreadable.get("table", {})
    return next((reason for table, reason in sorted(tables.items()) if table.endswith(CHANGES)), "")


def _warnings(baseline: Side, current: Side, window: _Window, unread: int) -> tuple[str, ...]:
    found = []
    if window.backwards:
        found.append("The current run was evaluated before the baseline: before and after may be the wrong way round.")
    if unread:
        found.append(f"{unread} change records of Azure could not be understood; they name nobody here.")
    if there := len(current.by_azure | baseline.by_azure):
        found.append(
            f"Azure judged by {there} {'policy' if there == 1 else 'policies'}: resources that only these read were "
            "not copied, so their verdicts are compared, and not their properties."
        )
    moved = sum(current.engines.get(policy, engine) != engine for policy, engine in baseline.engines.items())
    if moved:
        found.append(f"{moved} {'policy was' if moved == 1 else 'policies were'} judged by another engine than before.")
    differ = baseline.reference.policy_set != current.reference.policy_set
    if differ and not (baseline.policies and current.policies):
        found.append("The policies changed, but their texts are not at hand: no verdict is marked as caused by them.")
    return tuple(found)
