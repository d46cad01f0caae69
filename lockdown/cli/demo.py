"""lockdown demo."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

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
def command(out: Path, quiet: bool) -> int:
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
        told = demo.tell(_Teller(stack, quiet=quiet), out)
    _write("", f"Told in {time.monotonic() - started:.0f} seconds. Open these:")
    for path in (told.stock, told.private, told.drift):
        _write(f"  {(path / 'report/report.html').resolve().as_uri()}")
    _write("Check the evidence yourself:", f"  lockdown verify {told.drift} --trust {told.trust} --replay")
    return Exit.OK


def _write(*lines: str) -> None:
    for line in lines:
        click.echo(line)
    sys.stdout.flush()


class _Teller:
    def __init__(self, stack: ExitStack, *, quiet: bool) -> None:
        self._stack = stack
        self._quiet = quiet
        self._watch = stack.enter_context(watch(quiet=quiet))

    def stage(self, text: str) -> None:
        self._watch.stage(f"   {text}")

    def rows(self, table: str, arrived: int, total: int) -> None:
        self._watch.rows(table, arrived, total)

    def chapter(self, number: int, title: str, text: str) -> None:
        _write("", f"{number}. {title}", f"   {text}", "")

    def say(self, text: str) -> None:
        _write(f"   {text}")

    def audited(self, record: Record) -> None:
        from lockdown.report import text

        _write(*(f"   {line}" for line in text.summary(record)))

    def drifted(self, drift: Drift) -> None:
        from lockdown.drift import to_json
        from lockdown.report import drift_text

        _write(*(f"   {line}" for line in drift_text.render(to_json(drift))))

    def verified(self, found: Verification) -> None:
        from lockdown.cli.verify import lines

        _write(*(f"   {line}" for line in lines(found)))
