"""lockdown demo."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockdown.cli import output
from lockdown.cli.progress import watch
from lockdown.errors import Exit, UsageError

if TYPE_CHECKING:
    from lockdown.drift import Drift
    from lockdown.evidence.verify import Verification
    from lockdown.record import Record


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="lockdown-demo",
    show_default=True,
    metavar="DIR",
    help="Where the runs of the story go.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@output.json_option("the story, which goes to stderr then")
def command(out: Path, quiet: bool, as_json: bool) -> int:
    """Watch the whole story on a local Azure: two audits, drift, evidence, tampering.

    Needs no Azure and no network. Takes a minute or so.
    """
    try:
        from lockdown import demo
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The demo needs the local Azure, whose parts are not installed ({error.name}).",
            "Install coa-lockdown[sandbox].",
        ) from error
    started = time.monotonic()
    with ExitStack() as stack:
        told = demo.tell(_Teller(stack, quiet=quiet, aside=as_json), out)
    if as_json:
        runs = {"stock": told.stock, "private": told.private, "drift": told.drift}
        output.write({"runs": {name: str(path) for name, path in runs.items()}, "trustRoot": str(told.trust)})
        return Exit.OK
    _write("", f"Told in {time.monotonic() - started:.0f} seconds. Open these:")
    for path in (told.stock, told.private, told.drift):
        _write(f"  {(path / 'report/report.html').resolve().as_uri()}")
    _write("Check the evidence yourself:", f"  lockdown verify {told.drift} --trust {told.trust} --replay")
    return Exit.OK


def _write(*lines: str, aside: bool = False) -> None:
    for line in lines:
        click.echo(line, err=aside)
    sys.stdout.flush()


class _Teller:
    def __init__(self, stack: ExitStack, *, quiet: bool, aside: bool) -> None:
        self._stack = stack
        self._aside = aside
        self._watch = stack.enter_context(watch(quiet=quiet))

    def stage(self, text: str) -> None:
        self._watch.stage(f"   {text}")

    def rows(self, table: str, arrived: int, total: int) -> None:
        self._watch.rows(table, arrived, total)

    def chapter(self, number: int, title: str, text: str) -> None:
        self._write("", f"{number}. {title}", f"   {text}", "")

    def say(self, text: str) -> None:
        self._write(f"   {text}")

    def audited(self, record: Record) -> None:
        from lockdown.report import text

        self._write(*(f"   {line}" for line in text.summary(record)))

    def drifted(self, drift: Drift) -> None:
        from lockdown.drift import to_json
        from lockdown.report import drift_text

        self._write(*(f"   {line}" for line in drift_text.render(to_json(drift))))

    def verified(self, found: Verification) -> None:
        from lockdown.cli.verify import lines

        self._write(*(f"   {line}" for line in lines(found, width=77)))

    def _write(self, *lines: str) -> None:
        _write(*lines, aside=self._aside)
