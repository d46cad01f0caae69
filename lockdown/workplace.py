"""Where a run is made: in ``<out>.partial``, moved to its place when it is whole.

An error leaves nothing behind; an interruption leaves the partial directory, marked as such, for the person who
interrupted.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockdown.errors import ToolError, UsageError

PARTIAL = "PARTIAL.txt"


@contextmanager
def workplace(out: Path) -> Iterator[Path]:
    """Yield the directory to write a run into, and move it to ``out`` when it is whole.

    Raises:
        UsageError: ``out`` holds something already, or a run into it was interrupted before.
        ToolError: it cannot be made or written; nothing is left behind.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists already; a run is never written over.", "Name another directory with --out.")
    work = out.with_name(out.name + ".partial")
    made = [parent for parent in work.parents if not parent.exists()]
    try:
        work.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(f"{work} is left from a run that was interrupted.", "Look at it, then remove it.") from None
    except OSError as error:
        raise ToolError(f"{work} cannot be made: {error.strerror}.", "Name another directory with --out.") from error
    try:
        yield work
        if out.exists():
            out.rmdir()
        work.rename(out)
    except OSError as error:
        _undo(work, made)
        raise ToolError(
            f"The run could not be written to {out.parent.resolve()}: {error.strerror}. Nothing was left behind.",
            "Make room, or name another directory with --out.",
        ) from error
    except Exception:
        _undo(work, made)
        raise
    except BaseException:
        (work / PARTIAL).write_text(
            "This run was interrupted. It is not whole, not signed, and proves nothing.\n", "utf-8"
        )
        raise


def _undo(work: Path, made: list[Path]) -> None:
    shutil.rmtree(work, ignore_errors=True)
    for parent in made:
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
