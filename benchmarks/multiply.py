"""A snapshot of any size from a small one: the same resources again, each time in a subscription of its own.

    python -m benchmarks.multiply RUN DIRECTORY TIMES

``RUN`` is a finished run of one subscription; ``DIRECTORY`` becomes one whose snapshot can be audited with
``lockdown audit --snapshot``. Every id keeps its length, and every reference between resources stays inside its copy.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from lockdown.model import Scope
from lockdown.snapshot.store import Snapshot, Table, read_scope, write_scope

_DIGITS = 8


def multiply(run: Path, directory: Path, times: int) -> Snapshot:
    """Write ``times`` copies of the snapshot of ``run`` into ``directory``.

    Raises:
        SystemExit: the run is not one of exactly one subscription.
    """
    given = read_scope(run / "inputs/scope.json", run / "inputs/snapshot")
    if len(given.subscriptions) != 1:
        sys.exit(f"{run} has {len(given.subscriptions)} subscriptions; one is needed.")
    (only, name), *_ = given.subscriptions.items()
    names = {f"{number:0{_DIGITS}x}{only[_DIGITS:]}": f"{name} {number}" for number in range(times)}
    folder = directory / "inputs/snapshot"
    folder.mkdir(parents=True)
    tables = {table: _copies(given, table, folder, only, list(names)) for table in given.tables}
    made = replace(
        given,
        directory=folder,
        requested=Scope(tuple(names)),
        subscriptions=names,
        tables=tables,
        types={kind: number * times for kind, number in given.types.items()},
        redactions=given.redactions * times,
    )
    write_scope(directory / "inputs/scope.json", made)
    return made


def _copies(given: Snapshot, table: str, folder: Path, only: str, subscriptions: list[str]) -> Table:
    lines = given.path(table).read_bytes()
    digest = sha256()
    with (folder / f"{table}.jsonl").open("wb") as out:
        for subscription in subscriptions:
            copy = lines.replace(only.encode(), subscription.encode())
            digest.update(copy)
            out.write(copy)
    known = given.tables[table]
    return replace(known, rows=known.rows * len(subscriptions), sha256=digest.hexdigest())


if __name__ == "__main__":
    multiply(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
