"""How far a provision run is, on stderr: bars on a terminal, a line for each step elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from lockdown.provisioner.outcome import Silent, Watch
from lockdown.provisioner.show import duration, safe

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from lockdown.provisioner.plan import Verb

_LONG = 60
"""A step that typically takes so many seconds is told when it begins too, where only lines are written."""


@contextmanager
def building(total: int, typical: Callable[[str], int], *, quiet: bool) -> Iterator[Watch]:
    """Yield what a run reports to.

    Args:
        total: how many steps there are to do.
        typical: how many seconds a step typically takes, by its key.
        quiet: say nothing.
    """
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        yield _Lines(total, typical)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            yield _Bars(bars, total, typical)


class _Counted:
    """What both say: each end of a step once, with how many there are.

    Args:
        total: how many steps there are to do.
        typical: how many seconds a step typically takes.
        show: writes a line.
    """

    def __init__(self, total: int, typical: Callable[[str], int], show: Callable[[str], None]) -> None:
        self._total = total
        self._typical = typical
        self._show = show
        self._ended = 0
        self._left = ""
        self._began = time.monotonic()

    def ended(self, key: str, verb: Verb, seconds: float) -> None:
        self._count()
        self._say(f"{verb} {key}: {self._time(seconds)}", self._number())

    def failed(self, key: str, verb: Verb, seconds: float, cause: str) -> None:
        self._count()
        self._say(f"{verb} {key}: FAILED after {duration(seconds)}: {cause}", self._number())

    def waiting(self, key: str, why: str, seconds: float) -> None:
        self._say(f"{key}: tried again in {duration(seconds)}: {why}")

    def remaining(self, seconds: float) -> None:
        self._left = f"about {duration(seconds)} left" if seconds >= 1 else ""

    def _count(self) -> None:
        # A step may begin more than once: what is opened is closed again.
        self._ended += 1
        self._total = max(self._total, self._ended)

    def _number(self) -> str:
        return f"[{self._ended:>{len(str(self._total))}}/{self._total}]"

    def _time(self, seconds: float) -> str:
        gone = duration(time.monotonic() - self._began)
        return f"done in {duration(seconds)}; {gone} gone{', ' if self._left else ''}{self._left}"

    def _say(self, text: str, number: str = "") -> None:
        width = 2 * len(str(self._total)) + 3
        self._show(f"{number:<{width}} {safe(text)}")


class _Lines(_Counted):
    def __init__(self, total: int, typical: Callable[[str], int]) -> None:
        super().__init__(total, typical, _to_stderr)

    def started(self, key: str, verb: Verb) -> None:
        typical = self._typical(key)
        if typical >= _LONG:
            self._say(f"{verb} {key}: typically {duration(typical)}")


class _Bars(_Counted):
    def __init__(self, bars: Progress, total: int, typical: Callable[[str], int]) -> None:
        super().__init__(total, typical, partial(bars.console.print, markup=False, highlight=False))
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._whole = bars.add_task("everything", total=total, note="")

    def started(self, key: str, verb: Verb) -> None:
        if key not in self._tasks:
            typical = self._typical(key)
            note = f"typically {duration(typical)}"
            self._tasks[key] = self._bars.add_task(safe(f"{verb} {key}")[:36], total=None, note=note)

    def ended(self, key: str, verb: Verb, seconds: float) -> None:
        self._end(key)
        super().ended(key, verb, seconds)

    def failed(self, key: str, verb: Verb, seconds: float, cause: str) -> None:
        self._end(key)
        super().failed(key, verb, seconds, cause)

    def remaining(self, seconds: float) -> None:
        super().remaining(seconds)
        self._bars.update(self._whole, completed=self._ended, total=self._total, note=self._left)

    def _time(self, seconds: float) -> str:
        return duration(seconds)  # the bars say the rest

    def _end(self, key: str) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:
            self._bars.remove_task(task)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is what the command says
