"""What is measured, as ratios in one run: ``python -m benchmarks [--quick]``.

The pages of each size are recorded once from the sandbox, then served from memory by another process, so that a slow
sandbox flatters nobody. A plain HTTP client pages through them, then ``lockdown audit`` does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import measure

_QUICK = (1_000, 10_000)
_FULL = 100_000
_RUNS = 3
_HELPS = 7
_COLUMNS = ("resources", "rows", "pages", "requests", "429", "raw s", "audit s", "cpu s", "ratio", "MB")
_WIDTHS = (14, 8, 6, 8, 5, 7, 8, 7, 7, 5)


@dataclass
class Server:
    """A server of recorded pages; ``arrived`` is what it was asked, known once it has stopped."""

    environment: dict[str, str]
    arrived: dict[str, int] = field(default_factory=dict)


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"leave out {_FULL:,} resources and the quota")
    sizes = _QUICK if parser.parse_args().quick else (*_QUICK, _FULL)
    print(_line(_COLUMNS))
    with tempfile.TemporaryDirectory() as name:
        for size in sizes:
            recording = Path(name) / f"pages-{size}"
            options = ["--option", f"resources={size}"]
            subprocess.run([sys.executable, "-m", "benchmarks.record", recording, *options], check=True)
            print(_paging(size, recording), flush=True)
            if size == _FULL:
                print(_quota(size, recording), flush=True)
    print(_help())


def _paging(size: int, recording: Path) -> str:
    raw, audits, served = [], [], []
    for number in range(_RUNS):
        with _server(recording) as server:
            plain = [sys.executable, "-m", "benchmarks.raw", str(recording)]
            raw.append(json.loads(measure.run(plain, server.environment).said))
        run = recording.with_name(f"{recording.name}-run-{number}")
        with _server(recording) as server:
            audits.append(measure.run(_audit(run), server.environment))
        served.append(server.arrived)
    audit = measure.typical(audits)
    seconds = statistics.median(took["seconds"] for took in raw)
    arrived = max(served, key=lambda found: found["requests"])
    rows, pages = raw[0]["rows"], raw[0]["requests"]
    return _line(
        (
            f"{size:,}",
            f"{rows:,}",
            pages,
            arrived["requests"],
            arrived["throttled"],
            f"{seconds:.2f}",
            f"{audit.wall:.2f}",
            f"{audit.cpu:.2f}",
            f"{audit.wall / seconds:.1f}",
            f"{audit.megabytes:.0f}",
        )
    )


def _quota(size: int, recording: Path) -> str:
    with _server(recording, "--quota") as server:
        audit = measure.run(_audit(recording.with_name("quota")), server.environment)
    arrived = server.arrived
    limit = 1.1 * arrived["queries"] / 3 + 5
    label, used = f"{size:,} quota", (f"{audit.wall:.2f}", f"{audit.cpu:.2f}", "", f"{audit.megabytes:.0f}")
    row = _line((label, "", arrived["queries"], arrived["requests"], arrived["throttled"], "", *used))
    return f"{row}\nquota: {arrived['queries']} queries in {audit.wall:.1f} s; the aim is {limit:.1f} s"


def _help() -> str:
    def milliseconds(command: list[str]) -> float:
        return measure.typical(measure.run(command, os.environ) for _ in range(_HELPS)).wall * 1000

    ours = milliseconds([str(Path(sys.executable).with_name("lockdown")), "--help"])
    return f"lockdown --help: {ours:.0f} ms; python -c pass: {milliseconds([sys.executable, '-c', 'pass']):.0f} ms"


@contextmanager
def _server(recording: Path, *options: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.pages", str(recording), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        first = process.stdout.readline() if process.stdout else ""
        if not first:
            sys.exit(f"{' '.join(command)} did not start.")
        server = Server({**os.environ, **json.loads(first)})
        yield server
    finally:
        process.terminate()
        last, _ = process.communicate()
    server.arrived = json.loads(last)


def _audit(out: Path) -> list[str]:
    return [sys.executable, "-m", "lockdown", "audit", "--quiet", "--out", str(out)]


def _line(values: tuple[object, ...]) -> str:
    return " ".join(f"{value:>{width}}" for value, width in zip(values, _WIDTHS, strict=True)).rstrip()


if __name__ == "__main__":
    main()
