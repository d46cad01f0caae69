"""What the index of Resource Graph holds for one view of the state, loaded into the engine table by table."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

import orjson

from lockdown.sandbox.resource_graph.changes import change_row
from lockdown.sandbox.resource_graph.containers import container_row
from lockdown.sandbox.resource_graph.errors import SERVER_ERROR, GraphError
from lockdown.sandbox.resource_graph.failures import refusal_of
from lockdown.sandbox.resource_graph.hierarchy import Hierarchy
from lockdown.sandbox.resource_graph.limits import Prepared
from lockdown.sandbox.resource_graph.normal import Row, encoded, row, without_nulls
from lockdown.sandbox.resource_graph.tables import table_of
from lockdown.sandbox.state import Change, Document
from lockdown.snapshot.engine import Answer, Engine, QueryError
from lockdown.snapshot.tables import DYNAMIC

MEMORY_LIMIT = "2GB"
_NULL = b"null"


@dataclass(frozen=True)
class Original:
    """A dynamic value that has nulls: ``held`` is how the engine gives it back, ``shown`` how Resource Graph does."""

    held: str
    shown: str


class Index:
    """The rows that one caller sees in one scope at one moment. Thread-safe.

    Attributes:
        originals: (id, column) of every dynamic value with a null in it, of the tables loaded so far.
    """

    def __init__(
        self,
        tenant: str,
        tree: Hierarchy,
        documents: Iterable[Document],
        changes: Iterable[Change],
    ) -> None:
        self.originals: dict[tuple[str, str], Original] = {}
        self._tenant = tenant
        self._tree = tree
        self._changes = tuple(changes)
        self._engine = Engine(memory_limit=MEMORY_LIMIT)
        self._lock = Lock()
        self._documents: dict[str, list[Document]] = {}
        for document in documents:
            table = table_of(document)
            if table:
                self._documents.setdefault(table, []).append(document)

    def run(self, query: Prepared, now: datetime) -> Answer:
        """Run a query as of ``now``; dynamic values stay JSON text.

        Raises:
            GraphError: the query cannot be run.
        """
        with self._lock:
            for table in sorted(query.tables - self._engine.tables):
                self._load(table)
            try:
                return self._engine.run(query.text, now, decode=False)
            except QueryError as error:
                raise refusal_of(error, query.shift) from error

    def _load(self, table: str) -> None:
        try:
            self._engine.load_rows(table, self._remembering(self._rows(table)))
        except (QueryError, RecursionError) as error:
            self._engine.drop(table)
            raise GraphError(SERVER_ERROR, "InternalServerError", f"{table} cannot be indexed: {error}.") from error

    def shown(self, resource_id: object, column: str, held: str) -> str:
        """Return a dynamic value of the row with this id as Resource Graph shows it: with its nulls."""
        original = self.originals.get((str(resource_id), column))
        if original is None:
            return held
        same = held == original.held or orjson.loads(held) == orjson.loads(original.held)
        return original.shown if same else held

    def _rows(self, table: str) -> Iterator[Row]:
        if table.endswith("changes"):
            told = (change_row(change, self._tenant) for change in self._changes)
            yield from (found[1] for found in told if found is not None and found[0] == table)
        for document in self._documents.get(table, ()):
            if table == "resourcecontainers":
                yield container_row(document, self._tenant, self._tree)
            else:
                yield row(document, self._tenant)

    def _remembering(self, rows: Iterable[Row]) -> Iterator[Mapping[str, object]]:
        for found in rows:
            for column in DYNAMIC:
                text = encoded(found[column])
                if _NULL in text and text != _NULL:
                    held = encoded(without_nulls(found[column])).decode()
                    self.originals[found["id"], column] = Original(held, text.decode())
            yield found
