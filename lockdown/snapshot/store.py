"""A snapshot on disk: one file of JSON lines for each table, and what could not be read.

``scope.json`` beside the tables says where they came from. Lines are canonical (sorted keys), so equal text means an
equal row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson

from lockdown import strict
from lockdown.errors import TamperedError, UsageError
from lockdown.model import Cloud, Scope, Source, Unread
from lockdown.snapshot.redact import Redactor
from lockdown.snapshot.tables import TABLES
from lockdown.strict import canonical

SUBSCRIPTION = "microsoft.resources/subscriptions"


@dataclass(frozen=True)
class Table:
    """What a table of a snapshot holds.

    Attributes:
        rows: how many lines its file has.
        complete: False if reading it stopped before its end.
        types: the ARM types that were asked for, lower-case; empty means every row.
    """

    name: str
    rows: int
    sha256: str
    complete: bool = True
    types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """An immutable view of what was seen.

    Attributes:
        directory: holds ``<table>.jsonl``.
        subscriptions: id to name of every subscription that was visible.
        requested: what was asked for.
        types: how many resources of each lower-case type are in scope, also those that were not collected.
        unread: what could not be read, and why.
        derived: subscriptions were taken from resource ids, because the input listed none.
        redactions: how many secret values were removed.
    """

    directory: Path
    source: Source
    cloud: Cloud
    tenant: str
    identity: str
    requested: Scope
    subscriptions: Mapping[str, str]
    tables: Mapping[str, Table]
    types: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()
    derived: bool = False
    redactions: int = 0

    def path(self, table: str) -> Path:
        """Return the file of a table."""
        return self.directory / f"{table}.jsonl"


class Writer:
    """Writes the tables of a snapshot. Use as a context manager; ``tables`` is complete afterwards."""

    def __init__(self, directory: Path, redactor: Redactor) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._redactor = redactor
        self._open: dict[str, _Open] = {}
        self._incomplete: set[str] = set()
        self.redactions = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for found in self._open.values():
            found.file.close()

    def flush(self) -> None:
        """Bring what was added so far to the files."""
        for found in self._open.values():
            found.file.flush()

    @property
    def tables(self) -> dict[str, Table]:
        """What was written, by table name."""
        return {
            name: Table(name, found.rows, found.digest.hexdigest(), name not in self._incomplete, found.types)
            for name, found in sorted(self._open.items())
        }

    def begin(self, table: str, types: tuple[str, ...] = ()) -> None:
        """Make the table exist, even if it stays empty; ``types`` are the only ones that will be added, if any."""
        if table not in TABLES:
            raise UsageError(f"{table!r} is not a table of Resource Graph.")
        if table not in self._open:
            self._open[table] = _Open((self._directory / f"{table}.jsonl").open("wb"), types)

    def mark_incomplete(self, table: str) -> None:
        """Remember that reading the table stopped before its end."""
        self._incomplete.add(table)

    def add(self, table: str, rows: Iterable[dict[str, Any]], body: bytes = b"") -> int:
        """Append rows that the table does not hold yet, without their secrets; return how many were new.

        Args:
            table: the table.
            rows: rows with an ``id``; they may be changed.
            body: the bytes that the rows came in, to skip the search for secrets where there can be none.
        """
        self.begin(table)
        found = self._open[table]
        redactor = self._redactor.narrowed(body.decode("utf-8", "replace")) if body else self._redactor
        lines: list[bytes] = []
        for row in rows:
            key = hash(str(row["id"]).lower())
            if key in found.seen:
                continue
            found.seen.add(key)
            if redactor is not None:
                self.redactions += redactor.redact(row)
            lines.append(_line(row))
        data = b"".join(lines)
        found.file.write(data)
        found.digest.update(data)
        found.rows += len(lines)
        return len(lines)

    def sort(self, table: str) -> None:
        """Bring the rows of a table into the order of their lower-case ids, for a table that was read out of order."""
        found = self._open[table]
        path = self._directory / f"{table}.jsonl"
        found.file.close()
        sorted_path = path.with_suffix(".sorted")
        digest = sha256()
        with path.open("rb") as before, sorted_path.open("wb") as after:
            for _, start, length in sorted(_places(before)):
                before.seek(start)
                line = before.read(length)
                after.write(line)
                digest.update(line)
        sorted_path.replace(path)
        found.file, found.digest = path.open("ab"), digest


def _places(file: IO[bytes]) -> Iterator[tuple[str, int, int]]:
    start = 0
    for line in file:
        yield str(orjson.loads(line)["id"]).lower(), start, len(line)
        start += len(line)


class _Open:
    def __init__(self, file: IO[bytes], types: tuple[str, ...]) -> None:
        self.file = file
        self.types = types
        self.digest = sha256()
        self.rows = 0
        self.seen: set[int] = set()


def write_scope(path: Path, snapshot: Snapshot) -> None:
    """Write scope.json for ``snapshot``."""
    path.write_bytes(
        canonical(
            {
                "source": snapshot.source,
                "cloud": asdict(snapshot.cloud),
                "tenant": snapshot.tenant,
                "identity": snapshot.identity,
                "requested": asdict(snapshot.requested),
                "subscriptions": [{"id": i, "name": n} for i, n in sorted(snapshot.subscriptions.items())],
                "tables": [asdict(table) for _, table in sorted(snapshot.tables.items())],
                "types": snapshot.types,
                "unreadable": [asdict(unread) for unread in snapshot.unread],
                "subscriptionsDerived": snapshot.derived,
                "redactions": snapshot.redactions,
            }
        )
        + b"\n"
    )


def read_scope(path: Path, directory: Path) -> Snapshot:
    """Return the snapshot in ``directory`` that the scope.json at ``path`` describes.

    Raises:
        UsageError: the file is not one that ``write_scope`` wrote, or a table's file is missing or altered.
    """
    try:
        found = strict.loads(path.read_bytes(), name=path.name)
        tables = {t["name"]: Table(**{**t, "types": tuple(t["types"])}) for t in found["tables"]}
        snapshot = Snapshot(
            directory=directory,
            source=Source(found["source"]),
            cloud=Cloud(**found["cloud"]),
            tenant=found["tenant"],
            identity=found["identity"],
            requested=Scope(**{key: tuple(value) for key, value in found["requested"].items()}),
            subscriptions={s["id"]: s["name"] for s in found["subscriptions"]},
            tables=tables,
            types={str(kind): int(count) for kind, count in found["types"].items()},
            unread=tuple(Unread(**u) for u in found["unreadable"]),
            derived=found["subscriptionsDerived"],
            redactions=found["redactions"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, TamperedError) as error:
        raise UsageError(
            f"{path} does not describe a snapshot: {error}.", "Name a directory that lockdown audit wrote."
        ) from error
    for name, table in tables.items():
        _check(snapshot.path(name) if name in TABLES else None, table)
    return snapshot


def _check(path: Path | None, table: Table) -> None:
    if path is None or not path.is_file():
        raise UsageError(f"The table {table.name} of the snapshot is missing.")
    with path.open("rb") as file:
        digest = sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != table.sha256:
        raise UsageError(f"{path} is not what was collected: its digest differs.", "Run the audit again.")


def _line(row: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(row, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    except (orjson.JSONEncodeError, TypeError):
        return canonical(row) + b"\n"
