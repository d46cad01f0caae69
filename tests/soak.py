"""The whole kill matrix: ``make soak``, or ``python -m tests.soak --help``.

Every write of every environment that ships, times everything that can become of it (``tests.provisioner.kill.Harm``),
and then the next run: it must finish, and leave what an undisturbed run leaves. Ends with a table, and with 1 if a
case went wrong or was not run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import queue
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from lockdown.provisioner import blueprint
from lockdown.sandbox.server import Sandbox
from tests.provisioner.kill import Harm, Lab
from tests.provisioner.test_whole import site

ENVIRONMENTS = {"coa-private": "public", "coa-hub-spoke": "public", "coa-private-gov": "us-government"}
_PROCESSES = 2
_TELL = 30.0
_SUBSCRIPTION = "7c9c7a52-2f5e-4d2e-9a0c-0d5b1f7f3a11"
"""The same in every process, so that all agree on the order of the writes."""


@dataclass(frozen=True)
class Begun:
    """A process has built an environment."""

    environment: str
    steps: int
    writes: int
    types: int
    cases: int


@dataclass(frozen=True)
class Done:
    """A case was run."""

    environment: str
    harm: Harm
    write: str
    wrong: str


@dataclass(frozen=True)
class Over:
    """A process has ended; ``why`` if not well."""

    why: str = ""


@dataclass
class Tally:
    """What was run."""

    begun: dict[str, Begun] = field(default_factory=dict)
    cases: Counter[str] = field(default_factory=Counter)
    run: Counter[tuple[str, Harm]] = field(default_factory=Counter)
    wrong: Counter[tuple[str, Harm]] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def take(self, found: Begun | Done | Over) -> None:
        if isinstance(found, Begun):
            self.begun[found.environment] = found
            self.cases[found.environment] += found.cases
        elif isinstance(found, Done):
            self.run[found.environment, found.harm] += 1
            if found.wrong:
                self.wrong[found.environment, found.harm] += 1
                click.echo(f"WRONG {found.environment}: {found.write} {found.harm}: {found.wrong}")
        elif found.why:
            self.broken.append(found.why)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the matrix, or a part of it."""
    parser = argparse.ArgumentParser(prog="tests.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environment", action="append", choices=ENVIRONMENTS, help="default: all")
    parser.add_argument("--harm", action="append", choices=[harm.value for harm in Harm], help="default: all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth write only")
    parser.add_argument("--minutes", type=float, default=60, help="stop then, and say what was not run")
    asked = parser.parse_args(arguments)
    wanted = asked.environment or list(ENVIRONMENTS)
    harms = [Harm(harm) for harm in asked.harm or Harm]
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[Begun | Done | Over] = context.Queue()
    began = time.monotonic()
    processes = [
        context.Process(target=_work, args=(wanted, harms, asked.every, part, told), daemon=True)
        for part in range(_PROCESSES)
    ]
    for process in processes:
        process.start()
    tally = _collected(told, processes, began, asked.minutes * 60)
    for process in processes:
        process.terminate()
        process.join()
    _print(tally, wanted, harms, time.monotonic() - began)
    unrun = sum(tally.cases.values()) - sum(tally.run.values()) or len(wanted) - len(tally.begun)
    return int(bool(unrun or tally.wrong or tally.broken))


def _work(wanted: Sequence[str], harms: Sequence[Harm], every: int, part: int, told: Any) -> None:
    try:
        for environment in wanted:
            for found in _cases(environment, harms, every, part):
                told.put(found)
                parent = multiprocessing.parent_process()
                if parent is None or not parent.is_alive():
                    return
    except BaseException as error:
        told.put(Over(f"{type(error).__name__}: {error}"))
        raise
    told.put(Over())


def _cases(environment: str, harms: Sequence[Harm], every: int, part: int) -> Iterator[Begun | Done]:
    with Sandbox(
        "empty", operation_seconds=20, quota=False, unregistered={"*"}, cloud=ENVIRONMENTS[environment],
        options={"subscription": _SUBSCRIPTION},
    ) as sandbox:  # fmt: skip
        lab = Lab(sandbox, blueprint.build(site(sandbox, environment)))
        ordered = sorted(lab.records, key=lambda record: (record.write.path, record.write.method))
        mine = ordered[::every][part::_PROCESSES]
        types = len({record.write.kind for record in ordered})
        yield Begun(environment, len(lab.blueprint.steps), len(ordered), types, len(mine) * len(harms))
        for harm in harms:
            for record in mine:
                wrong = lab.after(record, harm)
                yield Done(environment, harm, f"{record.write.method} {record.write.path}", wrong)


def _collected(told: Any, processes: Sequence[Any], began: float, limit: float) -> Tally:
    tally, left, last = Tally(), len(processes), began
    while left and time.monotonic() - began < limit:
        try:
            found = told.get(timeout=1)
        except queue.Empty:
            if not any(process.is_alive() for process in processes):
                break
            continue
        tally.take(found)
        left -= isinstance(found, Over)
        if time.monotonic() - last > _TELL:
            last = time.monotonic()
            cases = " ".join(
                f"{name}: {sum(count for (of, _), count in tally.run.items() if of == name)}/{of_all}"
                for name, of_all in tally.cases.items()
            )
            click.echo(f"{(last - began) / 60:5.1f} min  {cases}  wrong: {sum(tally.wrong.values())}")
    return tally


def _print(tally: Tally, wanted: Sequence[str], harms: Sequence[Harm], seconds: float) -> None:
    click.echo(
        f"{'environment':>16} {'steps':>6} {'writes':>7} {'types':>6} " + " ".join(f"{harm:>14}" for harm in harms)
    )
    for name in wanted:
        found = tally.begun.get(name)
        size = f"{found.steps:>6} {found.writes:>7} {found.types:>6}" if found else f"{'-':>6} {'-':>7} {'-':>6}"
        cells = (f"{tally.wrong[name, harm]} of {tally.run[name, harm]}" for harm in harms)
        click.echo(f"{name:>16} {size} " + " ".join(f"{cell:>14}" for cell in cells))
    total, run = sum(tally.cases.values()), sum(tally.run.values())
    click.echo(
        f"cases that went wrong, of those that were run. {run} of {total} cases run in {seconds / 60:.0f} minutes."
    )
    for why in tally.broken:
        click.echo(f"a process broke: {why}")


if __name__ == "__main__":
    sys.exit(main())
