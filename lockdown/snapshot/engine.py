"""KQL over tables in memory: DuckDB, with duckdb-kql as the translator.

Queries are user input. They are translated with only the loaded tables in the schema and writing off, checked for what
they reach, and run on a connection without external access, with a memory limit and a deadline. What must be set right
between Resource Graph and the two libraries is here and in :mod:`lockdown.snapshot.kql`:

- JSON nulls inside dynamic columns are dropped at load (Kusto: ``isnull()`` of a null property is true);
- a missing string is ``''`` (Kusto strings are never null); ``type``, ``resourceGroup``, ``location`` are lower-case;
- ``now()`` and ``ago()`` read the time that the caller gives, so that a run replays;
- a table that was not loaded is an error, never an empty table.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Self

import duckdb
import orjson

from lockdown.errors import LockdownError
from lockdown.snapshot import fold as fold_module
from lockdown.snapshot import kql
from lockdown.snapshot.fold import LOWER, fold
from lockdown.snapshot.tables import COLUMNS, DYNAMIC, LOWERED, TABLES
from lockdown.snapshot.translations import Translated, Translations
from lockdown.snapshot.translations import key as translation_key

NAME = "duckdb-kql"
VERSION = f"{version('duckdb-kql')} on DuckDB {version('duckdb')}"

_BATCH = 2_000
_STRING = r'"(?:[^"\\]|\\.)*"'
_NULLS = f",{_STRING}:null|{_STRING}:null,?|({_STRING})"
_KUSTO_TYPES = {
    "BOOLEAN": "boolean",
    "BIGINT": "integer",
    "INTEGER": "integer",
    "HUGEINT": "integer",
    "DOUBLE": "number",
    "TIMESTAMP": "datetime",
    "TIMESTAMP WITH TIME ZONE": "datetime",
    "VARCHAR": "string",
}
_TYPES = {
    column.lower(): "JSON" if column in DYNAMIC else LOWER if column in LOWERED or column == "location" else "VARCHAR"
    for column in COLUMNS
}
_MAKER = VERSION + sha256(b"".join(Path(str(m.__file__)).read_bytes() for m in (fold_module, kql))).hexdigest()
"""What a translation depends on beside the query: the libraries, and the code here that changes what they make."""

_TABLE_FUNCTIONS = frozenset({"unnest", "json_each", "generate_series", "range"})


class QueryError(LockdownError):
    """A query could not be translated or run; the message says why in a sentence."""


class CrowdedError(QueryError):
    """A query found no memory beside those that ran at the same time."""


@dataclass(frozen=True)
class Column:
    """A column of an answer; ``type`` is Resource Graph's: string, integer, number, boolean, datetime or object."""

    name: str
    type: str


@dataclass(frozen=True)
class Answer:
    """Rows of a query; object columns are decoded to Python values."""

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]


class Engine:
    """An in-memory database of snapshot tables. Use as a context manager.

    Args:
        memory_limit: DuckDB's limit; a query that needs more raises QueryError.
        deadline: seconds after which a query is interrupted and raises QueryError.
        translations: keeps what is translated, and knows what was; None is for this engine alone.
        spill: an empty folder for what the memory does not hold, removed on close; None keeps everything in memory.
    """

    def __init__(
        self,
        *,
        memory_limit: str = "400MB",
        deadline: float = 30.0,
        translations: Translations | None = None,
        spill: Path | None = None,
    ) -> None:
        self._connection = duckdb.connect(str(spill / "engine.duckdb") if spill else ":memory:")
        self._deadline = deadline
        self._locked = False
        self._spill = spill
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._translating = threading.Lock()
        for setting in (
            "SET TimeZone='UTC'",
            f"SET memory_limit='{memory_limit}'",
            f"SET temp_directory={_quoted(str(spill / 'temporary') if spill else '')}",
            "SET preserve_insertion_order=false",
            "SET threads=2",
            # What is spilt is gone with the engine: its log need not be brought into its file.
            "SET checkpoint_threshold='1TB'",
            "SET autoinstall_known_extensions=false",
            "SET autoload_known_extensions=false",
        ):
            self._connection.execute(setting)
        self._tables: set[str] = set()
        self._translations = translations or Translations()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory and remove what was spilt."""
        self._connection.close()
        if self._spill:
            shutil.rmtree(self._spill, ignore_errors=True)

    @property
    def tables(self) -> frozenset[str]:
        """The loaded tables."""
        return frozenset(self._tables)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The locked connection, for statements of lockdown's own over the loaded tables."""
        self._lock()
        return self._connection

    def load_file(self, table: str, path: Path) -> int:
        """Load JSON lines as a table (or append to it) and return the number of rows.

        Must come before the first query: files are out of reach afterwards.

        Raises:
            QueryError: a line is not a JSON object.
        """
        if path.stat().st_size == 0:
            return self.load_rows(table, ())
        source = "SELECT json FROM read_ndjson_objects(?, maximum_object_size=16777216)"
        return self._load(table, source, str(path))

    def load_rows(self, table: str, rows: Iterable[Mapping[str, object]]) -> int:
        """Load rows as a table (or append to it) and return the number of rows."""
        self._create(table)
        remaining = iter(rows)
        count = 0
        while batch := list(islice(remaining, _BATCH)):
            text = json.dumps(batch, ensure_ascii=True)
            count += self._load(table, "SELECT unnest(from_json(?, '[\"JSON\"]')) AS json", text)
        return count

    def drop(self, table: str) -> None:
        """Forget a table."""
        self._connection.execute(f'DROP TABLE IF EXISTS "{_known(table)}"')
        self._tables.discard(table)

    def translate(self, query: str) -> Translated:
        """Return the SQL of a KQL query over the loaded tables.

        Raises:
            QueryError: it is not KQL, uses something the engine lacks, or reaches beyond the loaded tables.
        """
        words = kql.significant(query)
        mentioned = {word.text.lower() for word in words if word.kind == "word"}
        key = translation_key(_MAKER, query, *sorted(mentioned & self._tables))
        with self._translating:
            found = self._translations.get(key)
            if found is None:
                found = self._translate(query, words)
                self._translations.put(key, found)
        return found

    def run(self, query: str, now: datetime, *, decode: bool = True) -> Answer:
        """Run a KQL query as of ``now``.

        Without ``decode``, object columns hold JSON text (or a Python list): cheaper where rows are only passed on.

        Raises:
            QueryError: it could not be translated, failed on the data, or ran past the deadline.
        """
        translated = self.translate(query)
        with self.limits():
            cursor = self._connection.execute(translated.sql, translated.bind(now) or None)
            types = [str(c[1]) for c in cursor.description or ()]
            columns = tuple(Column(str(c[0]), _kusto_type(str(c[1]))) for c in cursor.description or ())
            rows = cursor.fetchall()
        lists = [i for i, found in enumerate(types) if found == "JSON[]"]
        objects = [i for i, c in enumerate(columns) if c.type == "object" and i not in lists]
        if lists:
            rows = [_listed(row, lists) for row in rows]
        return Answer(columns, [_decoded(row, objects) for row in rows] if objects and decode else rows)

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection of its own to the same tables, for one thread."""
        self._lock()
        with self._connection.cursor() as cursor:
            self._cursors.add(cursor)
            try:
                yield cursor
            finally:
                self._cursors.discard(cursor)

    def interrupt(self) -> None:
        """Stop what runs on the cursors; it raises QueryError in their threads."""
        for cursor in tuple(self._cursors):
            cursor.interrupt()

    @contextmanager
    def limits(self, cursor: duckdb.DuckDBPyConnection | None = None) -> Iterator[None]:
        """Hold a statement to the deadline, and turn what the database raises into QueryError."""
        self._lock()
        timer = threading.Timer(self._deadline, (cursor or self._connection).interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        except duckdb.InterruptException as error:
            raise QueryError(f"the query was stopped after {self._deadline:.0f} seconds") from error
        except duckdb.OutOfMemoryException as error:
            raise CrowdedError(f"the query needs more memory than it may have: {str(error).splitlines()[0]}") from error
        except duckdb.Error as error:
            raise QueryError(f"the query failed on the data: {str(error).splitlines()[0]}") from error
        finally:
            timer.cancel()

    def _lock(self) -> None:
        if not self._locked:
            self._connection.execute("SET enable_external_access=false")
            self._connection.execute("SET lock_configuration=true")
            self._locked = True

    def _create(self, table: str) -> None:
        if table in self._tables:
            return
        columns = ", ".join(f'"{c}" {"JSON" if c in DYNAMIC else "VARCHAR"}' for c in COLUMNS)
        self._connection.execute(f'CREATE TABLE "{_known(table)}" ({columns})')
        self._tables.add(table)

    def _load(self, table: str, source: str, argument: str) -> int:
        self._create(table)
        spec = json.dumps({c: "JSON" if c in DYNAMIC else "VARCHAR" for c in COLUMNS})
        columns = ", ".join(_column(c) for c in COLUMNS)
        sql = f"INSERT INTO \"{table}\" SELECT {columns} FROM (SELECT from_json(json, '{spec}') AS r FROM ({source}))"
        if self._spill:
            # Rows of a type lie together then, and a query that names types skips the rest of the file.
            sql += ' ORDER BY lower(r."type")'
        try:
            found = self._connection.execute(sql, [argument]).fetchone()
        except duckdb.Error as error:
            raise QueryError(f"the table {table} could not be loaded: {str(error).splitlines()[0]}") from error
        return int(found[0]) if found else 0

    def _translate(self, query: str, words: Sequence[kql.Token]) -> Translated:
        import duckdb_kql  # noqa: PLC0415 - its grammar takes 0.1 s to import, and help needs none of it

        if not words or words[0].text == ".":
            raise QueryError("it is not a query: management commands are refused")
        spelled = {w.text for w in words if w.kind == "word" and w.text.lower() in self._tables}
        schema = {name: list(COLUMNS) for name in (*self._tables, *sorted(spelled - self._tables))}
        try:
            found = duckdb_kql.to_sql(
                kql.respell(query), schema=schema, allow_write=False, query_now=datetime(2000, 1, 1, tzinfo=UTC)
            )
        except duckdb_kql.KqlError as error:
            absent = sorted({w.text.lower() for w in words if w.kind == "word"} & TABLES - self._tables)
            if absent:
                raise QueryError(f"the table {absent[0]} was not collected") from error
            raise QueryError(f"it cannot be translated: {error}") from error
        except RecursionError as error:
            raise QueryError("it is nested too deeply") from error
        return Translated(self._reviewed(str(found)), dict(found.parameters))

    def _reviewed(self, sql: str) -> str:
        row = self._connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        tree: dict[str, Any] = orjson.loads(row[0]) if row else {"error": True}
        if tree["error"]:
            raise QueryError("its translation cannot be read back, so it is not run")
        for statement in tree["statements"]:
            fold(statement, dict.fromkeys(self._tables, _TYPES))
        self._refuse_reach(tree)
        row = self._connection.execute("SELECT json_deserialize_sql(?::JSON)", [orjson.dumps(tree).decode()]).fetchone()
        return str(row[0]) if row else ""

    def _refuse_reach(self, tree: dict[str, Any]) -> None:
        named, defined, functions = set[str](), set[str](), set[str]()
        _walk(tree, named, defined, functions)
        missing = sorted(name for name in named - defined if name.lower() not in self._tables)
        if missing:
            raise QueryError(f"the table {missing[0]} was not collected")
        if functions - _TABLE_FUNCTIONS:
            raise QueryError(f"it calls {min(functions - _TABLE_FUNCTIONS)}, which is out of reach")


def _walk(node: object, named: set[str], defined: set[str], functions: set[str]) -> None:
    pending: list[object] = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            if item.get("type") == "BASE_TABLE":
                named.add(str(item.get("table_name")))
            elif item.get("type") == "TABLE_FUNCTION":
                functions.add(str(item.get("function", {}).get("function_name")))
            if isinstance(item.get("cte_map"), dict):
                defined.update(str(entry["key"]) for entry in item["cte_map"].get("map", []))
            pending.extend(item.values())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _known(table: str) -> str:
    if table not in TABLES:
        raise QueryError(f"{table} is not a table of Resource Graph")
    return table


def _column(name: str) -> str:
    value = f'r."{name}"'
    if name in DYNAMIC:
        text = f"nullif({value}::VARCHAR, 'null')"
        return (
            f"CASE WHEN contains({text}, ':null') THEN regexp_replace({text}, '{_NULLS}', '\\1', 'g') ELSE {text} END"
        )
    if name == "location":
        return f"lower(replace(coalesce({value}, ''), ' ', ''))"
    return f"lower(coalesce({value}, ''))" if name in LOWERED else f"coalesce({value}, '')"


def _kusto_type(duckdb_type: str) -> str:
    return _KUSTO_TYPES.get(duckdb_type, "number" if duckdb_type.startswith("DECIMAL") else "object")


def _listed(row: Sequence[Any], lists: list[int]) -> tuple[Any, ...]:
    values = list(row)
    for index in lists:
        if values[index] is not None:
            values[index] = [None if item is None else json.loads(item) for item in values[index]]
    return tuple(values)


def _decoded(row: Sequence[Any], objects: list[int]) -> tuple[Any, ...]:
    values = list(row)
    for index in objects:
        if isinstance(values[index], str):
            values[index] = json.loads(values[index])
    return tuple(values)
