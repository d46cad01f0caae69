"""A run that kills itself at one moment: ``python killed.py STORE KEY MOMENT before|after RUN``."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from lockdown import record
from lockdown.evidence import keys
from lockdown.evidence.seal import seal, sign_run
from lockdown.history.records import RETENTION_DAYS, covered
from lockdown.history.session import Entry, entered
from lockdown.history.store import Folder
from tests.evidence.handmade import write_run

PLACES = ("the store is made", "the start takes its place", "the archive takes its place", "the end takes its place")
"""What each file in turn is put into its place for; a run is killed just before or just after that."""
UNDER_WAY, HALF_WRITTEN = "the run is under way", "half of the archive is written"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(number: int, *, after: bool) -> None:
    """Die at the n-th file that is put into its place."""
    real, left = os.link, [number]

    def link(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] == -1 and not after:
            die()
        real(*arguments)
        if left[0] == -1:
            die()

    setattr(os, "link", link)  # noqa: B010 - mypy would want its whole signature


def half(source: Any, target: Any) -> None:
    data = source.read()
    target.write(data[: len(data) // 2])
    target.flush()
    die()


def main(store: str, key: str, moment: str, when: str, work: str) -> None:
    signer = keys.load_signer(key)
    directory = Path(work)
    entry = Entry(Folder(Path(store)), signer, directory.name, covered("AzureCloud", (), ()))
    write_run(directory, runId=directory.name)
    if moment in PLACES:
        made = Path(store, "store.json").exists()
        kill_at(PLACES.index(moment) - made, after=when == "after")
    with entered(entry, RETENTION_DAYS):
        if moment == UNDER_WAY:
            die()
        entry.write_chain(directory)
        sign_run(directory, signer)
        seal(directory, signer)
        if moment == HALF_WRITTEN:
            setattr(shutil, "copyfileobj", half)  # noqa: B010 - likewise
        entry.finish(directory, record.read(directory / "results/results.json"))


if __name__ == "__main__":
    main(*sys.argv[1:])
