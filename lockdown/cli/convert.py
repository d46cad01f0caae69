"""lockdown convert: a run in the formats of other tools."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from lockdown.cli import options, output
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
@output.json_option("nothing; needs --out")
def command(run: Path, formats: tuple[str, ...], out: Path | None, *, as_json: bool) -> None:
    """Write the results of a run in other formats: for spreadsheets, code scanning, CI, SIEM, FedRAMP.

    Everything is rendered from results/results.json of RUN; what is there already is never written over.
    """
    from lockdown import record
    from lockdown.report import export
    from lockdown.report.formats import FORMATS, chunks

    wanted = list(dict.fromkeys(formats))
    if as_json and out is None:
        raise click.UsageError("--json tells what was written, and stdout cannot be both: give --out.")
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
    absent = {name: why for name in places if (why := FORMATS[name].absent(found))}
    for name, place in places.items():
        if name in absent:
            click.echo(f"No {name} was written: {absent[name]}.", err=True)
        elif place is None:
            sys.stdout.buffer.writelines(chunks(found, name))
        else:
            _write(place, chunks(found, name))
    if as_json:
        written = {name: str(place) for name, place in places.items() if name not in absent}
        output.write({"absent": absent, "run": str(run), "written": written})


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
