"""What a process takes: wall and CPU seconds, peak memory."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_DONE = frozenset({0, 7})
"""Exit codes of a command that did its work; an audit that finds failures exits 7."""


@dataclass(frozen=True)
class Used:
    """What a process took.

    Attributes:
        wall: seconds from its start to its end.
        cpu: seconds of user and system time, with those of the processes that it waited for.
        megabytes: peak resident memory, in units of 2**20 bytes. The kernel counts what the parent held at the start
            too, so the parent must be small.
        said: what it wrote to stdout.
    """

    wall: float
    cpu: float
    megabytes: float
    said: str = ""


def run(command: list[str], environment: Mapping[str, str]) -> Used:
    """Run a command to its end.

    Raises:
        SystemExit: it failed; the message is what it wrote to stderr.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=dict(environment), stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode not in _DONE:
            sys.exit(f"{' '.join(command)} exited {process.returncode}:\n{err.read().decode()}")
        return Used(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read().decode())


def typical(runs: Iterable[Used]) -> Used:
    """Return the median of each measure; memory is the largest of all runs."""
    listed = list(runs)
    return Used(
        statistics.median(used.wall for used in listed),
        statistics.median(used.cpu for used in listed),
        max(used.megabytes for used in listed),
    )
