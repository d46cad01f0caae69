"""lockdown convert: a run in the formats of other tools."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from lockdown.cli import options
from lockdown.errors import ToolError, UsageError


@click.command()
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@options.formats(required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file to write, or with several formats the folder. Default: one format goes to stdout.",
)
def command(run: Path, formats: tuple[str, ...], out: Path | None) -> None:
    """Write the results of a run in other formats: for spreadsheets, code scanning, CI, SIEM, FedRAMP.

    Everything is rendered from results/results.json of RUN; what is there already is never written over.
    """
    from lockdown import record
    from lockdown.report import export
    from lockdown.report.formats import FORMATS, chunks

    wanted = list(dict.fromkeys(formats))
    if len(wanted) > 1 and out is None:
        raise click.UsageError("Several formats need a folder: give --out.")
    places = {name: out / FORMATS[name].file if out and len(wanted) > 1 else out for name in wanted}
    taken = next((place for place in places.values() if place is not None and place.exists()), None)
    if taken is not None:
        raise UsageError(f"{taken} exists already; nothing is written over.", "Name another with --out.")
    if out is not None and out.resolve().is_relative_to(run.resolve()):
        raise UsageError(
            f"{out} lies in the run, which is sealed as it is.",
            "Name another place with --out, or ask lockdown audit for the format.",
        )
    found = export.read(record.read(run / "results/results.json"))
    for name, place in places.items():
        if why := FORMATS[name].absent(found):
            click.echo(f"No {name} was written: {why}.", err=True)
        elif place is None:
            sys.stdout.buffer.writelines(chunks(found, name))
        else:
            _write(place, chunks(found, name))


def _write(place: Path, chunks: Iterable[bytes]) -> None:
    """Write a file whole or not at all."""
    partial = place.with_name(place.name + ".partial")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as file:
            try:
                file.writelines(chunks)
                partial.rename(place)
            except BaseException:
                with suppress(OSError):
                    partial.unlink()
                raise
    except OSError as error:
        raise ToolError(f"{place} cannot be written: {error.strerror}.", "Name another place with --out.") from error
