"""How far a run is, on stderr: bars on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from lockdown.cli import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_NARROW = 60
"""Columns below which a bar would take the room of what it is about."""

_BESIDE = 9
"""Columns of spinner, percentage and what is between them."""


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
    elif not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield _Lines()
    else:
        from rich.console import Console

        console = Console(stderr=True)
        with _bars(console) as bars:
            yield _Bars(bars)


def _bars(console: Console) -> Progress:
    """Return bars in the terminal's own colour, so that they show on any ground, as wide as there is room."""
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task
    from rich.text import Text

    class Name(ProgressColumn):
        def render(self, task: Task) -> Text:
            text = Text(task.description, no_wrap=True)
            text.truncate(max(1, console.width - _BESIDE), overflow="ellipsis")
            return text

    class Bar(ProgressColumn):
        max_refresh = 0.2
        bar = BarColumn(bar_width=None, style="dim", complete_style="bold", finished_style="bold", pulse_style="bold")

        def render(self, task: Task) -> object:  # type: ignore[override]  # rich takes whatever it can draw
            return self.bar.render(task) if console.width >= _NARROW and task.total else Text("")

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            if task.total is None:
                minutes, seconds = divmod(int(task.elapsed or 0), 60)
                return Text(f"{minutes}:{seconds:02}", style="dim", no_wrap=True)
            if console.width < _NARROW:
                return Text(f"{int(task.percentage)}%", no_wrap=True)
            return Text(f"{int(task.completed):,}/{int(task.total):,}", no_wrap=True)

    spinner = SpinnerColumn("line", style="bold", finished_text=" ")
    return Progress(spinner, Name(), Bar(), Count(), console=console, transient=True)


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
    """A line for each stage, which stays, and below it what is under way, which does not."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._read: dict[str, int] = {}
        self._working: TaskID | None = None

    def stage(self, text: str) -> None:
        if self._read:
            read = f"   {len(self._read)} tables, {sum(self._read.values()):,} rows and reads"
            self._bars.console.print(read, markup=False, highlight=False)
        self._bars.console.print(visible(text), markup=False, highlight=False)
        for task in (*self._tasks.values(), *([] if self._working is None else [self._working])):
            self._bars.remove_task(task)
        self._tasks, self._read = {}, {}
        self._working = self._bars.add_task("", total=None)

    def rows(self, table: str, arrived: int, total: int) -> None:
        self._read[table] = max(arrived, self._read.get(table, 0))
        if table not in self._tasks:
            self._tasks[table] = self._bars.add_task(table, total=total)
        self._bars.update(self._tasks[table], completed=arrived, total=total, visible=arrived < total)
