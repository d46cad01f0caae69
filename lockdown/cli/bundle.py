"""lockdown bundle: make the one file that is handed over."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("bundle")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The archive to make, or a folder to make it in under a name of its own.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout instead of the file's name.")
def command(run: Path, out: Path, *, as_json: bool) -> None:
    """Make one file of the sealed RUN, to hand over.

    The same run gives the same bytes. RUN must be signed and intact; nothing in it is changed. Check the file with
    lockdown verify.
    """
    from lockdown.evidence.bundle import bundle

    made = bundle(run, out)
    if as_json:
        click.echo(json.dumps({"bundle": str(made.path), "sha256": made.sha256, "bytes": made.size}))
    else:
        click.echo(f"SHA-256 {made.sha256}, {made.size} bytes", err=True)
        click.echo(made.path)
