"""How far a run is, on stderr: bars on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from lockdown.cli import visible


class Watch(Protocol):
    """The same as :class:`lockdown.run.Watch`, without importing it."""

    def stage(self, text: str) -> None:
        """A new stage begins."""

    def rows(self, table: str, arrived: int, total: int) -> None:
        """``arrived`` of ``total`` rows of a table were read."""


@contextmanager
def watch(*, quiet: bool) -> Iterator[Watch]:
    """Yield what a run reports to; the bars end when the block does, however it ends."""
    if quiet:
        yield _Silent()
    elif not sys.stderr.isatty():
        yield _Lines()
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            yield _Bars(bars)


class _Silent:
    def stage(self, text: str) -> None:
        """Say nothing."""

    def rows(self, table: str, arrived: int, total: int) -> None:
        """Say nothing."""


class _Lines:
    def __init__(self) -> None:
        self._finished: set[str] = set()

    def stage(self, text: str) -> None:
        self._finished.clear()
        self._say(text)

    def _say(self, text: str) -> None:
        print(visible(text), file=sys.stderr, flush=True)  # noqa: T201 - this is what the command says

    def rows(self, table: str, arrived: int, total: int) -> None:
        if arrived >= total and table not in self._finished:
            self._finished.add(table)
            self._say(f"   {table}: {total} {'reads' if table == 'armresources' else 'rows'}")


class _Bars:
    def __init__(self, bars: object) -> None:
        from rich.progress import Progress, TaskID

        assert isinstance(bars, Progress)  # noqa: S101 - narrows a lazily imported type
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def stage(self, text: str) -> None:
        self._bars.console.print(visible(text), markup=False, highlight=False)

    def rows(self, table: str, arrived: int, total: int) -> None:
        if table not in self._tasks:
            self._tasks[table] = self._bars.add_task(table, total=total)
        self._bars.update(self._tasks[table], completed=arrived, total=total)
