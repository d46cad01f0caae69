"""What is measured, as ratios in one run: ``python -m benchmarks [--sizes N,N,...] [--quota N]``.

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
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lockdown.sandbox.server import Sandbox

_DONE = frozenset({0, 7})
_COLUMNS = ("resources", "rows", "requests", "pages", "raw s", "audit s", "cpu s", "ratio", "MB")
_WIDTHS = (10, 8, 8, 6, 7, 8, 7, 6, 5)
_HEADER = " ".join(f"{name:>{width}}" for name, width in zip(_COLUMNS, _WIDTHS, strict=True))


@dataclass(frozen=True)
class Used:
    """What a process took: wall and CPU seconds, peak memory in megabytes."""

    wall: float
    cpu: float
    megabytes: float


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1000,10000,100000", help="resources, comma-separated")
    parser.add_argument("--quota", type=int, default=100_000, help="resources of the run with the quota on; 0 for none")
    chosen = parser.parse_args()
    print(_HEADER)
    with tempfile.TemporaryDirectory() as name:
        for size in map(int, chosen.sizes.split(",")):
            print(_paging(size, Path(name)), flush=True)
        if chosen.quota:
            print(_quota(chosen.quota, Path(name)), flush=True)
    print(_help())


def _paging(size: int, folder: Path) -> str:
    recording = folder / f"pages-{size}"
    _run("benchmarks.record", str(recording), "--option", f"resources={size}")
    with _served(recording) as environment:
        raw = _timed([sys.executable, "-m", "benchmarks.raw", str(recording)], environment)
        out = folder / f"run-{size}"
        audit = _timed(_audit(out), environment)
    requests, rows = _log(out)
    pages = sum(-(-count // 1000) or 1 for count in rows.values())
    return (
        f"{size:>10} {sum(rows.values()):>8} {requests:>8} {pages:>6} {raw.wall:>7.2f} {audit.wall:>8.2f} "
        f"{audit.cpu:>7.2f} {audit.wall / raw.wall:>6.1f} {audit.megabytes:>5.0f}"
    )


def _quota(size: int, folder: Path) -> str:
    with Sandbox("tenant", options={"resources": str(size)}) as sandbox:
        environment = {**os.environ, **sandbox.environment("auditor")}
        _timed(_audit(folder / "warm"), environment)
        before = sandbox.requests
        out = folder / "quota"
        audit = _timed(_audit(out), environment)
        arrived = sandbox.requests - before
    requests, _ = _log(out)
    limit = 1.1 * requests / 3 + 5
    return (
        f"quota on, {size} resources: {requests} queries in {audit.wall:.1f} s (limit {limit:.1f} s); "
        f"{arrived - requests} further requests for metadata, tokens and retries"
    )


def _help() -> str:
    def median(command: list[str]) -> float:
        return statistics.median(_timed(command, os.environ).wall for _ in range(7)) * 1000

    ours = median([sys.executable, "-m", "lockdown", "--help"])
    return f"lockdown --help: {ours:.0f} ms; python -c pass: {median([sys.executable, '-c', 'pass']):.0f} ms"


@contextmanager
def _served(recording: Path) -> Iterator[dict[str, str]]:
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.pages", str(recording)], stdout=subprocess.PIPE, text=True
    )
    try:
        line = server.stdout.readline() if server.stdout else ""
        yield {**os.environ, **json.loads(line)}
    finally:
        server.terminate()
        server.communicate()


def _audit(out: Path) -> list[str]:
    return [sys.executable, "-m", "lockdown", "audit", "--quiet", "--out", str(out)]


def _timed(command: list[str], environment: Mapping[str, str]) -> Used:
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen(command, env=dict(environment), stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in _DONE:
            said.seek(0)
            sys.exit(f"{' '.join(command)} exited {process.returncode}:\n{said.read().decode()}")
    return Used(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, stdout=subprocess.DEVNULL)


def _log(run: Path) -> tuple[int, dict[str, int]]:
    requests = len((run / "inputs/requests.jsonl").read_bytes().splitlines())
    scope = json.loads((run / "inputs/scope.json").read_bytes())
    return requests, {table["name"]: table["rows"] for table in scope["tables"]}


if __name__ == "__main__":
    main()
