"""All policies over a snapshot that grows: ``python -m benchmarks.scale [--quick]``.

A run over 10,000 resources is made once in the sandbox and multiplied by :mod:`benchmarks.multiply`. Each figure is
of a process of its own, with translations made before: loading the snapshot, judging it, and the whole of
``lockdown audit --snapshot``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure
from benchmarks.multiply import multiply

_BASE = 10_000
_TIMES = (1, 10, 100)
_COLUMNS = ("resources", "results", "load s", "judge s", "cpu s", "audit s", "cpu s", "growth", "MB")
_WIDTHS = (12, 10, 8, 8, 8, 8, 8, 7, 6)


@dataclass(frozen=True)
class _Row:
    """What one size took. ``load`` and ``judge`` are seconds; ``cpu`` is of both."""

    resources: int
    results: int
    load: float
    judge: float
    cpu: float
    audit: measure.Used


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out 1,000,000 resources")
    sizes = _TIMES[:-1] if parser.parse_args().quick else _TIMES
    print(_line(_COLUMNS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        base = folder / "base"
        # In a process of its own: what this one held would be counted as memory of those that it starts.
        made = [sys.executable, "-m", "benchmarks.sandboxed", str(base), "--option", f"resources={_BASE}"]
        subprocess.run(made, check=True, env=environment)
        before: _Row | None = None
        for times in sizes:
            row = _measured(base, folder / str(times), times, environment)
            print(_shown(row, before), flush=True)
            before = row


def _measured(base: Path, folder: Path, times: int, environment: dict[str, str]) -> _Row:
    snapshot = folder / "given"
    made = multiply(base, snapshot, times)
    loading = _judged(snapshot, environment, "--load")
    judging = _judged(snapshot, environment)
    audit = [sys.executable, "-m", "lockdown", "audit", "--quiet", "--snapshot", str(snapshot)]
    used = measure.run([*audit, "--out", str(folder / "run")], environment)
    return _Row(
        resources=sum(made.types.values()),
        results=int(judging["results"]),
        load=loading["seconds"],
        judge=judging["seconds"] - loading["seconds"],
        cpu=judging["cpuSeconds"],
        audit=used,
    )


def _judged(snapshot: Path, environment: dict[str, str], *options: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.judge", str(snapshot), *options]
    found: dict[str, float] = json.loads(measure.run(command, environment).said)
    return found


def _shown(row: _Row, before: _Row | None) -> str:
    """Return a line; growth is that of the audit's seconds by that of the resources, since the row before."""
    growth = ""
    if before:
        growth = f"{row.audit.wall / before.audit.wall / (row.resources / before.resources):.2f}"
    figures = (row.load, row.judge, row.cpu, row.audit.wall, row.audit.cpu)
    return _line(
        (
            f"{row.resources:,}",
            f"{row.results:,}",
            *(f"{figure:.1f}" for figure in figures),
            growth,
            f"{row.audit.megabytes:.0f}",
        )
    )


def _line(values: tuple[object, ...]) -> str:
    return " ".join(f"{value:>{width}}" for value, width in zip(values, _WIDTHS, strict=True)).rstrip()


if __name__ == "__main__":
    main()
