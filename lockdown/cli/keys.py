"""lockdown keys: make a signing key for a laboratory; show the public half of any."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("keys")
def command() -> None:
    """Make and show signing keys."""


@command.command("show")
@click.argument("uri", metavar="URI")
def show(uri: str) -> None:
    """Print the public key of a signing key, as lockdown trust takes it, and its fingerprint on stderr.

    URI is what --key takes: azurekv: and a versioned key id, or file: and a PEM. The key must be one that can sign now.
    """
    from lockdown.evidence import keys

    signer = keys.load_signer(uri)
    click.echo(f"Key {signer.key_id} ({signer.algorithm}).", err=True)
    click.echo(signer.public_pem, nl=False)


@command.command("generate")
@click.option("--out", "out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where to put it.")
def generate(out: Path) -> None:
    """Make a key pair and a trust root for tests and laboratories.

    Writes private.pem (readable by you alone), public.pem and trust-root.json. Nothing is overwritten. Whoever reads
    private.pem can sign as you, and the trust root says that it is a laboratory's: for real evidence, use a key in a
    service that never hands it out.
    """
    from lockdown.evidence import keys

    keys.generate(out)
    signer = keys.load_signer(f"file:{out / keys.PRIVATE}")
    click.echo(f"Key {signer.key_id} (ES256), for a laboratory.", err=True)
    click.echo(f"Sign with    --key file:{out / keys.PRIVATE}", err=True)
    click.echo(f"Verify with  --trust {out / keys.TRUST_ROOT}", err=True)
    click.echo(out / keys.TRUST_ROOT)
