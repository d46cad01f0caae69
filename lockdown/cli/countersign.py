"""lockdown countersign: add another person's signature to a sealed run."""

from __future__ import annotations

from pathlib import Path

import click

from lockdown.cli import output


@click.command("countersign")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--key", required=True, metavar="URI", help="Sign with this key, as for audit.")
@click.option("--tsa", metavar="URL", help="Have this time-stamping authority (RFC 3161) date the signature.")
@output.json_option("the new file's name")
def command(run: Path, key: str, tsa: str | None, *, as_json: bool) -> None:
    """Add a signature to the sealed RUN, beside that of the key which sealed it.

    For a trust root that wants more than one key (lockdown trust init --signatures). Nothing that was signed changes.
    RUN is checked to be intact first; verify it against your trust root before you sign.
    """
    from lockdown.evidence import keys, timestamp
    from lockdown.evidence.countersign import countersign

    signer = keys.load_signer(key)
    made = countersign(run, signer, timestamp.authority(tsa) if tsa else None)
    if as_json:
        output.write({"file": str(made), "keyId": signer.key_id, "run": str(run)})
        return
    click.echo(f"Signed by key {signer.key_id}.", err=True)
    click.echo(made)
