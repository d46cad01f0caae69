"""lockdown bundle: make the one file that is handed over."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from lockdown.cli import output


@click.command("bundle")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The archive to make, or a folder to make it in under a name of its own.",
)
@output.json_option("the file's name")
def command(run: Path, out: Path, *, as_json: bool) -> None:
    """Make one file of the sealed RUN, to hand over.

    The same run gives the same bytes. RUN must be signed and intact; nothing in it is changed. Check the file with
    lockdown verify.
    """
    from lockdown.evidence.bundle import bundle

    made = bundle(run, out)
    if as_json:
        output.write({"bundle": str(made.path), "bytes": made.size, "sha256": made.sha256})
        return
    click.echo(f"SHA-256 {made.sha256}, {made.size} bytes", err=True)
    click.echo(made.path)
    output.next_step("hand it over, and the trust root by another way. Whoever gets it runs")
    click.echo(f"  lockdown verify {shlex.quote(made.path.name)} --trust trust-root.json --replay", err=True)
