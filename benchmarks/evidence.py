"""Sealing and verifying evidence, beside the tools that only hash: ``python -m benchmarks.evidence``.

Each figure is of a process of its own, the median of some; a ratio is of processes that ran in turn, so that other
work on the machine slows both. ``sha256sum`` and ``openssl dgst`` read the very files that are sealed and verified.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import measure

_USUAL, _LARGE = 2_000, 200_000
_RUNS = 5
_STARTS = 9
_HASHING = {
    "sha256sum": "find {} -type f -print0 | xargs -0 sha256sum",
    "openssl dgst": "find {} -type f -print0 | xargs -0 openssl dgst -sha256",
}
_LIBRARIES = "import lockdown.cli.verify, lockdown.evidence.verify, lockdown.evidence.root_file"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.evidence", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"leave out {_LARGE:,} results")
    quick = parser.parse_args().quick
    print(_line("results", "files", "MiB", "what", "s", "cpu s", "MB", "ratio", "of"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(sys.executable, "-m", "lockdown", "keys", "generate", "--out", str(folder / "keys"))
        start = measure.typical(_run(sys.executable, "-c", _LIBRARIES) for _ in range(_STARTS))
        for results in (_USUAL,) if quick else (_USUAL, _LARGE):
            _measured(folder, results)
    print(f"start of verify, with its libraries: {start.wall * 1000:.0f} ms, {start.cpu * 1000:.0f} ms of CPU")


def _measured(folder: Path, results: int) -> None:
    directory, bundle = folder / f"run-{results}", folder / f"run-{results}.zip"
    key, trust = f"file:{folder}/keys/private.pem", str(folder / "keys/trust-root.json")
    python = sys.executable
    _run(python, "-m", "benchmarks.sealed", "make", str(directory), str(results))
    sealing, hashing = [], []
    for _ in range(_RUNS):
        for made in ("run", "seal", "SHA256SUMS", "VERIFY.txt"):
            _run("rm", "-rf", str(directory / made))
        hashing.append(_hash("sha256sum", directory))
        sealing.append(_run(python, "-m", "benchmarks.sealed", "seal", str(directory), key))
    _run(python, "-m", "lockdown", "bundle", str(directory), "--out", str(bundle))
    files = [path for path in directory.rglob("*") if path.is_file()]
    of = (results, len(files), f"{sum(path.stat().st_size for path in files) / 2**20:.1f}")
    print(_row(of, "seal", sealing, hashing, "sha256sum"))
    for what, path in (("verify run", directory), ("verify bundle", bundle)):
        verifying: list[measure.Used] = []
        beside: dict[str, list[measure.Used]] = {name: [] for name in _HASHING}
        for _ in range(_RUNS):
            for name in _HASHING:
                beside[name].append(_hash(name, directory))
            verifying.append(_run(python, "-m", "lockdown", "verify", str(path), "--trust", trust, "--quiet"))
        for name in _HASHING:
            print(_row(of, what, verifying, beside[name], name))
        alone = measure.typical(_hash("openssl dgst", directory) for _ in range(_STARTS)).cpu
        command = [python, "-m", "benchmarks.sealed", "verify", str(path), trust]
        over = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        ratio = f"{over * 1000:.0f} ms of CPU, {over / alone:.1f} x openssl dgst ({alone * 1000:.0f} ms)"
        print(f"{what} without the start: {ratio}", flush=True)


def _hash(name: str, directory: Path) -> measure.Used:
    return _run("sh", "-c", _HASHING[name].format(directory))


def _run(*command: str) -> measure.Used:
    return measure.run(list(command), os.environ)


def _row(of: tuple[object, ...], what: str, took: list[measure.Used], beside: list[measure.Used], name: str) -> str:
    ours, theirs = measure.typical(took), measure.typical(beside)
    ratio = statistics.median(a.wall / b.wall for a, b in zip(took, beside, strict=True))
    return _line(
        *of,
        what,
        f"{ours.wall:.2f}",
        f"{ours.cpu:.2f}",
        f"{ours.megabytes:.0f}",
        f"{ratio:.1f}",
        f"{name}, {theirs.wall:.2f} s",
    )


def _line(*values: object) -> str:
    widths = (9, 6, 7, 14, 7, 7, 6, 6, 21)
    return " ".join(f"{value:>{width}}" for value, width in zip(values, widths, strict=True)).rstrip()


if __name__ == "__main__":
    main()
