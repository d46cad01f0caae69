"""What is measured, as ratios in one run: ``python -m benchmarks [--quick]``.

What an audit of each size reads is recorded once from the sandbox, then served from memory by another process, so that
a slow sandbox flatters nobody. A plain HTTP client reads all of it, then ``lockdown audit`` does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import exchanges, measure

_QUICK = ("resources=1000", "resources=10000")
_FULL = "resources=100000"
_SUBSCRIPTIONS = 20
_METERED = ("resources=10000", f"subscriptions={_SUBSCRIPTIONS}")
_RUNS = 3
_HELPS = 7
_COLUMNS = ("resources", "queries", "reads", "429", "raw s", "cold s", "warm s", "cpu s", "ratio", "MB")
_WIDTHS = (16, 7, 7, 5, 7, 7, 7, 7, 6, 5)
_BUCKET, _REFILL, _WINDOW, _QUERIES = 250, 25, 5, 15


@dataclass
class Server:
    """A server of a recording; ``arrived`` is what it was asked, known once it has stopped."""

    environment: dict[str, str]
    arrived: dict[str, int] = field(default_factory=dict)


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out 100,000 resources and the quotas")
    quick = parser.parse_args().quick
    print(_line(_COLUMNS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for option in _QUICK if quick else (*_QUICK, _FULL):
            print(_reading(_recorded(folder, option), runs=1 if option == _FULL else _RUNS), flush=True)
        if not quick:
            print(_quota(_recorded(folder, *_METERED)), flush=True)
    print(_help())


def _recorded(folder: Path, *options: str) -> Path:
    """Record an audit of the synthetic tenant, and return where."""
    recording = folder / "-".join(options)
    wanted = [text for option in options for text in ("--option", option)]
    environment = {**os.environ, **_cache(recording, "recording")}
    subprocess.run([sys.executable, "-m", "benchmarks.record", recording, *wanted], check=True, env=environment)
    return recording


def _cache(recording: Path, name: str) -> dict[str, str]:
    """Return the environment in which translations are kept in a folder of their own."""
    return {"XDG_CACHE_HOME": str(recording.with_name(f"{recording.name}-cache-{name}"))}


def _reading(recording: Path, runs: int) -> str:
    raw = []
    for _ in range(runs):
        with _server(recording) as server:
            plain = [sys.executable, "-m", "benchmarks.raw", str(recording)]
            raw.append(json.loads(measure.run(plain, server.environment).said))
    audits, arrived = [], dict[str, int]()
    for number in range(runs + 1):
        with _server(recording) as server:
            audits.append(measure.run(_audit(recording, number), {**server.environment, **_cache(recording, "audit")}))
        arrived = server.arrived
    cold, warm = audits[0], measure.typical(audits[1:])
    seconds = statistics.median(took["seconds"] for took in raw)
    return _row(_label(recording), arrived, f"{seconds:.2f}", cold, warm, f"{warm.wall / seconds:.1f}")


def _quota(recording: Path) -> str:
    with _server(recording, "--quota") as server:
        audit = measure.run(_audit(recording, 0), {**server.environment, **_cache(recording, "recording")})
    arrived = server.arrived
    aim = 1.1 * _quickest(recording, arrived["queries"]) + 5
    row = _row(f"{_label(recording)} quota", arrived, "", None, audit, "")
    return f"{row}\nquota: {audit.wall:.1f} s for {_SUBSCRIPTIONS} subscriptions; the aim is {aim:.1f} s"


def _quickest(recording: Path, queries: int) -> float:
    """Return the seconds that the quotas ask for: of the queries, and of the subscription that is read most."""
    reads = Counter(
        found.target.split("/")[2] for found in exchanges.read(recording) if found.method == "GET"
    ).most_common(1)
    most = reads[0][1] if reads else 0
    return (queries - 1) // _QUERIES * _WINDOW + max(0, most - _BUCKET) / _REFILL


def _row(
    label: str, arrived: Mapping[str, int], raw: str, cold: measure.Used | None, warm: measure.Used, ratio: str
) -> str:
    return _line(
        (
            label,
            arrived["queries"],
            arrived["reads"],
            arrived["throttled"],
            raw,
            f"{cold.wall:.2f}" if cold else "",
            f"{warm.wall:.2f}",
            f"{warm.cpu:.2f}",
            ratio,
            f"{max(warm.megabytes, cold.megabytes if cold else 0):.0f}",
        )
    )


def _label(recording: Path) -> str:
    return f"{int(recording.name.split('-')[0].partition('=')[2]):,}"


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


def _audit(recording: Path, number: int) -> list[str]:
    out = recording.with_name(f"{recording.name}-run-{number}")
    return [sys.executable, "-m", "lockdown", "audit", "--quiet", "--out", str(out)]


def _line(values: tuple[object, ...]) -> str:
    return " ".join(f"{value:>{width}}" for value, width in zip(values, _WIDTHS, strict=True)).rstrip()


if __name__ == "__main__":
    main()
