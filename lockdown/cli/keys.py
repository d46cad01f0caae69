"""lockdown keys: make a signing key for a laboratory; show the public half of any."""

from __future__ import annotations

from pathlib import Path

import click

from lockdown.cli import output


@click.group("keys")
def command() -> None:
    """Make and show signing keys."""


@command.command("show")
@click.argument("uri", metavar="URI")
@output.json_option("the PEM")
def show(uri: str, *, as_json: bool) -> None:
    """Print the public key of a signing key, as lockdown trust takes it, and its fingerprint on stderr.

    URI is what --key takes: azurekv: and a versioned key id, or file: and a PEM. The key must be one that can sign now.
    """
    from lockdown.evidence import keys

    signer = keys.load_signer(uri)
    if as_json:
        output.write({"algorithm": signer.algorithm, "keyId": signer.key_id, "publicKey": signer.public_pem})
        return
    click.echo(f"Key {signer.key_id} ({signer.algorithm}).", err=True)
    click.echo(signer.public_pem, nl=False)


@command.command("generate")
@click.option("--out", "out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where to put it.")
@output.json_option("the trust root's name")
def generate(out: Path, *, as_json: bool) -> None:
    """Make a key pair and a trust root for tests and laboratories.

    Writes private.pem (readable by you alone), public.pem and trust-root.json. Nothing is overwritten. Whoever reads
    private.pem can sign as you, and the trust root says that it is a laboratory's: for real evidence, use a key in a
    service that never hands it out.
    """
    from lockdown.evidence import keys

    keys.generate(out)
    signer = keys.load_signer(f"file:{out / keys.PRIVATE}")
    if as_json:
        names = {"privateKey": keys.PRIVATE, "publicKey": keys.PUBLIC, "trustRoot": keys.TRUST_ROOT}
        files = {what: str(out / name) for what, name in names.items()}
        output.write({"algorithm": signer.algorithm, "keyId": signer.key_id, **files})
        return
    click.echo(f"Key {signer.key_id} (ES256), for a laboratory.", err=True)
    click.echo(f"Sign with    --key file:{out / keys.PRIVATE}", err=True)
    click.echo(f"Verify with  --trust {out / keys.TRUST_ROOT}", err=True)
    click.echo(out / keys.TRUST_ROOT)
