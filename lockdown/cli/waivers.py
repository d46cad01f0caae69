"""``lockdown waivers``: what a person needs to accept a failure until a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from lockdown.cli import output


@click.group(name="waivers", help="Write waiver entries for the failures of a run.")
def command() -> None:
    """Group the subcommands."""


@command.command()
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.argument("policies", nargs=-1, metavar="[POLICY]...")
@click.option("--days", type=int, default=90, show_default=True, help="How long they shall hold, at most 180.")
@output.json_option("YAML")
def template(run: Path, policies: Sequence[str], days: int, *, as_json: bool) -> None:
    """Write a `waivers:` section for the failures of a run, of all policies or of those named, to stdout.

    The reasons are those of the findings; the owner is left empty and must be filled in before lockdown takes it.
    """
    from lockdown import record
    from lockdown.report import waivers

    found = record.read(run / "results/results.json")
    text = waivers.render(found, policies, datetime.now(UTC).date(), days)
    if as_json:
        import yaml

        entries = yaml.safe_load(text)["waivers"]
        output.write({"waivers": [{**entry, "expires": entry["expires"].isoformat()} for entry in entries]})
        return
    click.echo(text, nl=False)
