"""lockdown custody: who received a sealed run from whom, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lockdown.cli import output, visible
from lockdown.errors import UsageError

_run = click.argument("run", metavar="RUN", type=click.Path(path_type=Path, exists=True))


@click.group("custody")
def command() -> None:
    """Keep the chain of custody of a sealed run: each who receives it signs for it."""


@command.command("receive")
@_run
@click.option("--by", "received_by", required=True, metavar="NAME", help="Who has it now.")
@click.option("--from", "received_from", required=True, metavar="NAME", help="Who had it before.")
@click.option("--note", default="", metavar="TEXT", help="How, or what for.")
@click.option("--key", required=True, metavar="URI", help="Sign with this key, as for audit.")
@click.option("--tsa", metavar="URL", help="Have this time-stamping authority (RFC 3161) date the signature.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="The bundle to make, if RUN is one.")
@output.json_option("the run's name")
def receive(
    run: Path,
    received_by: str,
    received_from: str,
    note: str,
    key: str,
    tsa: str | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Sign that you received the sealed RUN, a directory or a bundle.

    RUN is checked to be intact first; verify it against your trust root before you sign. Into a directory the hand-over
    is added; of a bundle a new one is made. Nothing that was signed changes.
    """
    from lockdown.evidence import bundle, custody, keys, timestamp
    from lockdown.evidence.files import DirectoryFiles, Files, write_whole

    if run.is_dir() == (out is not None):
        raise click.UsageError("Give --out for a bundle, which is written anew, and for nothing else.")
    signer = keys.load_signer(key)
    stamper = timestamp.authority(tsa) if tsa else None
    received = custody.Received(received_by.strip(), received_from.strip(), note.strip())

    def more(files: Files) -> dict[str, bytes]:
        return custody.added(files, received, signer, stamper)

    if out is None:
        for name, data in more(DirectoryFiles(run.resolve())).items():
            write_whole(run / name, data)
    else:
        bundle.with_more(run, more, out)
    if as_json:
        output.write({"handovers": _handovers(out or run), "keyId": signer.key_id, "run": str(out or run)})
        return
    click.echo(f"Signed by key {signer.key_id}.", err=True)
    click.echo(out or run)


@command.command("show")
@_run
@output.json_option()
def show(run: Path, *, as_json: bool) -> None:
    """Show who had the sealed RUN, from whom and since when; lockdown verify checks their signatures."""
    found = _handovers(run)
    if as_json:
        output.write({"handovers": found, "run": str(run)})
        return
    for each in found:
        note = f" ({each['note']})" if each["note"] else ""
        line = f"{each['sequence']}  {each['at']}  {each['receivedBy']}, from {each['receivedFrom']}{note}"
        click.echo(visible(line).replace("\n", "\\n"))
    if not found:
        click.echo("Nobody signed for it.", err=True)


def _handovers(run: Path) -> list[dict[str, Any]]:
    from lockdown.evidence import custody, dsse, opening
    from lockdown.evidence.files import BUNDLE, read

    with opening.opened(run) as files:
        names = frozenset(files.names())
        if BUNDLE not in names:
            raise UsageError(f"{run} is not a signed run, so nobody can have handed it over.", "Name another.")
        found = custody.lines(files, names, dsse.parse(read(files, BUNDLE), name=BUNDLE))
    return [
        {**line.claim.model_dump(mode="json", by_alias=True), "keyId": line.envelope.key_id, "sha256": line.digest}
        for line in found
    ]
