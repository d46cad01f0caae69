"""The snapshots of two runs, joined by resource id on disk: only rows that differ come back.

Resource ids compare without case, so the files are indexed by lower-case id in a temporary database; it holds digests
and positions, never content, and is gone when it is closed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from lockdown.errors import UsageError
from lockdown.snapshot.tables import READS

BASELINE, CURRENT = 0, 1
CHANGES = "changes"  # how the names of the tables of change records end
_RECORDS = frozenset(
    {READS, "microsoft.insights/eventtypes/values", "microsoft.containerservice/locations/kubernetesversions"}
)
"""Types whose rows are no resources: what was read, what somebody did, and what Azure offers."""
_SCHEMA = """
CREATE TABLE rows (
  side INTEGER, id TEXT, tbl TEXT, type TEXT, digest BLOB, start INTEGER, length INTEGER,
  PRIMARY KEY (side, id, tbl)
) WITHOUT ROWID
"""
_DIFFERING = """
SELECT a.tbl, a.id, a.start, a.length, b.start, b.length
FROM rows a LEFT JOIN rows b ON b.side = 1 AND b.id = a.id AND b.tbl = a.tbl
WHERE a.side = 0 AND b.digest IS NOT a.digest
UNION ALL
SELECT b.tbl, b.id, NULL, NULL, b.start, b.length
FROM rows b
WHERE b.side = 1 AND NOT EXISTS (SELECT 1 FROM rows a WHERE a.side = 0 AND a.id = b.id AND a.tbl = b.tbl)
ORDER BY 2, 1
"""


@dataclass(frozen=True)
class Pair:
    """A resource whose rows differ, or that only one of the runs saw. ``id`` is lower-case."""

    table: str
    id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def later(self) -> Mapping[str, Any]:
        """The row of the current run, or the one that there is."""
        return self.after or self.before or {}


def create(database: sqlite3.Connection) -> None:
    """Make the table that ``index`` fills."""
    database.execute(_SCHEMA)


def index(database: sqlite3.Connection, side: int, snapshot: Path) -> None:
    """Read every table of a snapshot but those of change records.

    Raises:
        UsageError: a line is not a row with an id, or a resource stands in a table twice.
    """
    for path in _tables(snapshot):
        try:
            database.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", _entries(side, path))
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"{path} holds a resource twice, so it cannot be compared.", "Take the snapshot again."
            ) from error


def differing(database: sqlite3.Connection, baseline: Path, current: Path) -> Iterator[Pair]:
    """Yield the pairs whose text differs, ordered by lower-case id and table."""
    with ExitStack() as stack:
        ours = {path.stem: stack.enter_context(path.open("rb")) for path in _tables(baseline)}
        theirs = {path.stem: stack.enter_context(path.open("rb")) for path in _tables(current)}
        for table, key, *places in database.execute(_DIFFERING):
            before, after = _row(ours, table, places[0], places[1]), _row(theirs, table, places[2], places[3])
            yield Pair(table, key, before, after)


def find(database: sqlite3.Connection, side: int, key: str, snapshot: Path) -> tuple[str, Mapping[str, Any]] | None:
    """Return the table and row of a resource by its lower-case id, or None if that run did not see it."""
    found = database.execute(
        "SELECT tbl, start, length FROM rows WHERE side = ? AND id = ? ORDER BY tbl", (side, key)
    ).fetchone()
    if found is None:
        return None
    with (snapshot / f"{found[0]}.jsonl").open("rb") as file:
        row = _row({found[0]: file}, *found)
    return None if row is None else (found[0], row)


def present(snapshot: Path, ids: frozenset[str]) -> frozenset[str]:
    """Return which of some lower-case resource ids a snapshot holds."""
    found: set[str] = set()
    for path in _tables(snapshot):
        found.update(key for _, key, *_ in _entries(CURRENT, path) if key in ids)
    return frozenset(found)


def types(database: sqlite3.Connection, side: int) -> frozenset[tuple[str, str]]:
    """Return each (table, lower-case ARM type) that a run saw."""
    return frozenset(database.execute("SELECT DISTINCT tbl, type FROM rows WHERE side = ?", (side,)))


def _tables(snapshot: Path) -> list[Path]:
    return [path for path in sorted(snapshot.glob("*.jsonl")) if not path.stem.endswith(CHANGES)]


def _entries(side: int, path: Path) -> Iterator[tuple[int, str, str, str, bytes, int, int]]:
    start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = orjson.loads(line)
                key, kind = row["id"].lower(), str(row.get("type") or "").lower()
            except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
                raise UsageError(
                    f"{path}, line {number} is not a row with an id.", "Verify the run, or take the snapshot again."
                ) from error
            if kind not in _RECORDS:
                digest = blake2b(line.rstrip(b"\n"), digest_size=16).digest()
                yield side, key, path.stem, kind, digest, start, len(line)
            start += len(line)


def _row(files: Mapping[str, BinaryIO], table: str, start: int | None, length: int | None) -> dict[str, Any] | None:
    if start is None or length is None:
        return None
    file = files[table]
    file.seek(start)
    try:
        row = json.loads(file.read(length), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file.name} holds a row that cannot be read: {error}.") from error
    if not isinstance(row, dict):
        raise UsageError(f"{file.name} holds a line that is not a row.")
    return row
