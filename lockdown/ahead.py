"""Translates the queries of a run while its pages arrive: most of that time is waiting for Azure."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Event, Thread
from types import TracebackType
from typing import Self

from lockdown.errors import UsageError
from lockdown.model import Boundary, Policy
from lockdown.policy.boundary import bind
from lockdown.snapshot.engine import Engine, QueryError
from lockdown.snapshot.translations import Translations


class Ahead:
    """A thread that fills ``translations``. Use as a context manager: leaving it stops the thread after one query.

    A query that cannot be translated is left to the one who needs its verdicts, and says so there.

    Args:
        policies: what will be judged.
        tables: the tables that will be loaded.
        boundary: what their queries will be bound to; a run that turns out to have another one translates for itself.
        translations: where the results go.
    """

    def __init__(
        self, policies: Iterable[Policy], tables: Iterable[str], boundary: Boundary, translations: Translations
    ) -> None:
        self._policies = tuple(policies)
        self._tables = tuple(tables)
        self._boundary = boundary
        self._translations = translations
        self._stopped = Event()
        self._thread = Thread(target=self.run, name="translate", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def run(self) -> None:
        """Translate all of it: what the thread does."""
        with Engine(translations=self._translations) as engine:
            for table in self._tables:
                engine.load_rows(table, ())
            for policy in self._policies:
                if self._stopped.is_set():
                    return
                try:
                    engine.translate(bind(policy.query, self._boundary))
                except (QueryError, UsageError):
                    continue
