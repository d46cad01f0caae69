"""lockdown drift."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lockdown.cli import options
from lockdown.cli.audit import answer, exit_code, perform, summarise, wanted
from lockdown.errors import Exit


@click.command()
@click.option(
    "--baseline",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="RUN",
    help="The run that was approved, a directory or a bundle; verified before it is used.",
)
@options.scope
def command(baseline: Path, as_json: bool, quiet: bool, fail_on: str | None, **chosen: Any) -> int:  # noqa: ANN401
    """Say what changed since an approved run, who did it and when.

    Makes a new run with the comparison in results/drift.json. Exits 0 if nothing changed, 8 if something did, 5 if
    something could not be read; unchanged failures count only with --fail-on.
    """
    finished = perform(wanted(**chosen, baseline=baseline), quiet=quiet)
    if not quiet:
        from lockdown.drift import to_json
        from lockdown.report import drift_text

        assert finished.drift is not None  # noqa: S101 - a baseline was given
        summarise(finished.record)
        for line in drift_text.render(to_json(finished.drift)):
            click.echo(line, err=True)
    answer(finished, as_json=as_json)
    judged = exit_code(finished.record, fail_on)
    if judged is Exit.INCOMPLETE or (finished.drift is not None and not finished.drift.complete):
        return Exit.INCOMPLETE
    if finished.drift is not None and not finished.drift.is_empty:
        return Exit.DRIFT
    return judged if fail_on else Exit.OK
