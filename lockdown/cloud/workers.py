"""Work on several threads, with results in the order of the tasks and few of them held at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(
    tasks: Sequence[Task], work: Callable[[Task], Result], *, threads: int, ahead: int
) -> Iterator[tuple[Task, Result]]:
    """Yield each task with ``work(task)``, in the order of ``tasks``; at most ``ahead`` are begun and not yielded.

    The threads are daemons, and nobody waits for them: leaving the iterator early, as an interruption does, is prompt.

    Raises:
        Exception: what ``work`` raised first.
    """
    todo: _Todo = SimpleQueue()
    done: _Done[Result] = SimpleQueue()
    for _ in range(min(threads, len(tasks))):
        Thread(target=_run, args=(tasks, work, todo, done), daemon=True).start()
    for index in range(min(ahead, len(tasks))):
        todo.put(index)
    held: dict[int, Result] = {}
    try:
        for index, task in enumerate(tasks):
            while index not in held:
                arrived, result = done.get()
                if isinstance(result, _Raised):
                    raise result.error
                held[arrived] = result
            if index + ahead < len(tasks):
                todo.put(index + ahead)
            yield task, held.pop(index)
    finally:
        with suppress(Empty):
            while True:
                todo.get_nowait()
        for _ in range(threads):
            todo.put(None)


@dataclass(frozen=True)
class _Raised:
    error: Exception


_Todo = SimpleQueue[int | None]
_Done = SimpleQueue[tuple[int, Result | _Raised]]


def _run(tasks: Sequence[Task], work: Callable[[Task], Result], todo: _Todo, done: _Done[Result]) -> None:
    while (index := todo.get()) is not None:
        try:
            done.put((index, work(tasks[index])))
        except Exception as error:
            done.put((index, _Raised(error)))
