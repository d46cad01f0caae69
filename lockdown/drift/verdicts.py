"""The results of two runs, joined by (policy, resource, part) on disk: only those that say something else come back."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lockdown.drift.items import Direction
from lockdown.drift.rows import CURRENT
from lockdown.errors import UsageError
from lockdown.model import Severity, Verdict
from lockdown.record import Record
from lockdown.strict import canonical

_SCHEMA = """
CREATE TABLE results (
  side INTEGER, resource TEXT, policy TEXT, part TEXT,
  verdict TEXT, severity TEXT, waiver BLOB, holds INTEGER, body BLOB,
  PRIMARY KEY (side, resource, policy, part)
) WITHOUT ROWID
"""
_DIFFERING = """
SELECT a.resource, a.policy, a.part, a.body, a.holds, b.body, b.holds
FROM results a LEFT JOIN results b ON b.side = 1 AND b.resource = a.resource AND b.policy = a.policy AND b.part = a.part
WHERE a.side = 0 AND (b.verdict IS NOT a.verdict OR b.severity IS NOT a.severity
                      OR b.waiver IS NOT a.waiver OR b.holds IS NOT a.holds)
UNION ALL
SELECT b.resource, b.policy, b.part, NULL, 0, b.body, b.holds
FROM results b
WHERE b.side = 1 AND NOT EXISTS (
  SELECT 1 FROM results a WHERE a.side = 0 AND a.resource = b.resource AND a.policy = b.policy AND a.part = b.part)
ORDER BY 1, 2, 3
"""
_RANK = {Verdict.PASS: 0, Verdict.NOT_APPLICABLE: 0, Verdict.MANUAL: 1, Verdict.UNKNOWN: 2, Verdict.FAIL: 3}


@dataclass(frozen=True)
class ResultPair:
    """A result that differs between the runs. ``resource`` is the lower-case id.

    Attributes:
        before: the result object of the record, or None.
        waived_before: True if its waiver held when the run was evaluated.
    """

    policy: str
    resource: str
    before: Mapping[str, Any] | None
    waived_before: bool
    after: Mapping[str, Any] | None
    waived_after: bool

    @property
    def later(self) -> Mapping[str, Any]:
        """The current result, or the one that there is."""
        return self.after or self.before or {}


@dataclass(frozen=True, slots=True)
class Turn:
    """What the environment needs to know of a verdict that changed: of which policy, and whether for the worse."""

    policy: str
    severity: str
    worse: bool


def create(database: sqlite3.Connection) -> None:
    """Make the table that ``index`` fills."""
    database.execute(_SCHEMA)


def index(database: sqlite3.Connection, side: int, record: Record) -> None:
    """Read every result of a record.

    Raises:
        UsageError: a result has not the shape that a record has, or a key is given twice.
    """
    try:
        database.executemany("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _entries(side, record))
    except sqlite3.IntegrityError as error:
        raise UsageError(
            f"{record.path} holds a result twice, so it cannot be compared.", "Run the audit again."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{record.path} holds a result that cannot be read: {error}.", "Verify the run.") from error


def differing(database: sqlite3.Connection) -> Iterator[ResultPair]:
    """Yield the results that differ in verdict, severity or waiver, ordered by resource, policy and part."""
    for resource, policy, _part, before, held, after, holds in database.execute(_DIFFERING):
        yield ResultPair(policy, resource, _loaded(before), bool(held), _loaded(after), bool(holds))


def judging(database: sqlite3.Connection, resource: str) -> tuple[str, ...]:
    """Return the ids of the policies that judge a resource in the current run; ``resource`` is the lower-case id."""
    found = database.execute(
        "SELECT DISTINCT policy FROM results WHERE side = ? AND resource = ? ORDER BY policy", (CURRENT, resource)
    )
    return tuple(policy for (policy,) in found)


def failing(database: sqlite3.Connection, resource: str) -> tuple[tuple[str, str], ...]:
    """Return policy and severity of what fails or is unknown now; ``resource`` is the lower-case id."""
    found = database.execute(
        "SELECT DISTINCT policy, severity FROM results WHERE side = ? AND resource = ? AND verdict IN (?, ?)",
        (CURRENT, resource, Verdict.FAIL.value, Verdict.UNKNOWN.value),
    )
    return tuple(found)


def direction(pair: ResultPair) -> Direction | None:
    """Return which way a result went, or None if it says the same (and only its waiver or wording differs).

    A failure that became more severe is worse. ``fail`` to ``unknown`` is ``changed``: nobody knows that it is better.
    """
    if pair.before is None:
        return Direction.APPEARED
    if pair.after is None:
        return Direction.VANISHED
    before, after = Verdict(pair.before["verdict"]), Verdict(pair.after["verdict"])
    if before is after:
        return _by_severity(pair.before, pair.after) if after is Verdict.FAIL else None
    if (before, after) == (Verdict.FAIL, Verdict.UNKNOWN) or _RANK[before] == _RANK[after]:
        return Direction.CHANGED
    return Direction.WORSE if _RANK[after] > _RANK[before] else Direction.BETTER


def got_worse(pair: ResultPair) -> bool:
    """Tell whether a result is now worse, or appeared as a failure or as something that could not be read."""
    way = direction(pair)
    appeared = way is Direction.APPEARED and pair.later["verdict"] in {Verdict.FAIL, Verdict.UNKNOWN}
    return appeared or way is Direction.WORSE


def turn(pair: ResultPair) -> Turn | None:
    """Return how the verdict of a pair changed, or None if it did not."""
    return None if direction(pair) is None else Turn(pair.policy, sys.intern(pair.later["severity"]), got_worse(pair))


def waiver_change(pair: ResultPair) -> str:
    """Return ``began``, ``ended``, ``expired`` or ``changed``, or nothing; of results that fail in both runs only."""
    if pair.before is None or pair.after is None:
        return ""
    if not (pair.before["verdict"] == pair.after["verdict"] == Verdict.FAIL):
        return ""
    if pair.waived_before and pair.waived_after:
        return "changed" if pair.before["waiver"] != pair.after["waiver"] else ""
    if pair.waived_after:
        return "began"
    return "ended" if pair.waived_before else ""


def expired(pair: ResultPair, evaluated_at: str) -> bool:
    """Tell whether the waiver that held in the baseline had run out by ``evaluated_at``."""
    return pair.before is not None and str(pair.before["waiver"]["expires"]) < evaluated_at[:10]


def _by_severity(before: Mapping[str, Any], after: Mapping[str, Any]) -> Direction | None:
    ours, theirs = Severity(before["severity"]).rank, Severity(after["severity"]).rank
    if ours == theirs:
        return None
    return Direction.WORSE if theirs < ours else Direction.BETTER


def _entries(side: int, record: Record) -> Iterator[tuple[object, ...]]:
    day = str(record.run["evaluatedAt"])[:10]
    for result in record.results():
        verdict, severity = Verdict(result["verdict"]), Severity(result["severity"])
        waiver = result.get("waiver") or {}
        yield (
            side,
            result["resource"].lower(),
            result["policy"],
            result["part"].lower(),
            verdict.value,
            severity.value,
            canonical(waiver) if waiver else b"",
            bool(waiver) and str(waiver["expires"]) >= day,
            orjson.dumps(result),
        )


def _loaded(body: bytes | None) -> dict[str, Any] | None:
    return None if body is None else orjson.loads(body)
