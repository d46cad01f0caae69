"""lockdown sign: sign a run that another machine made."""

from __future__ import annotations

from pathlib import Path

import click

from lockdown.cli import options, output


@click.command("sign")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--key", metavar="URI", help="Sign with this key, as for audit. Default: signing.key in lockdown.yaml.")
@click.option("--tsa", metavar="URL", help="Have this time-stamping authority (RFC 3161) date the signatures.")
@click.option("--store", metavar="URL", help="The evidence store. Default: evidence.store in lockdown.yaml.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The signed run to make.")
@click.option(
    "--policies-digest",
    callback=options.sha_256,
    metavar="HEX",
    help="The policy set that must have judged. Default: the one that ships with lockdown.",
)
@click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="LOCKDOWN_CONFIG",
    show_envvar=True,
    metavar="FILE",
    help="lockdown.yaml: the boundary and waivers that must have held. Default: the one here.",
)
@click.option("--cloud", envvar="LOCKDOWN_CLOUD", show_envvar=True, metavar="NAME_OR_URL", help="As for audit.")
@click.option("--authority", envvar="AZURE_AUTHORITY_HOST", show_envvar=True, metavar="HOST", help="As for audit.")
@click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
@output.json_option("the run directory")
def command(
    run: Path,
    key: str | None,
    tsa: str | None,
    store: str | None,
    out: Path,
    policies_digest: str | None,
    config_file: Path | None,
    cloud: str | None,
    authority: str | None,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Sign the unsigned RUN that audit or drift made on another machine, and seal it.

    So who reads Azure holds no key, and who signs needs no right in what is audited. Before, everything is judged again
    from the snapshot, and policies, boundary and waivers must be those of this machine: exits 3 if the results do not
    follow, 4 if it was judged by something else, 6 if it is older than a day.
    """
    from lockdown import signing
    from lockdown.history.records import RETENTION_DAYS
    from lockdown.policy import load as policy_load

    found = options.configuration(config_file)
    chosen = key or found.key
    if chosen is None:
        raise click.UsageError("Give --key, or signing.key in lockdown.yaml.")
    made = signing.sign(
        signing.Wanted(
            run=run,
            out=out,
            key=chosen,
            policies_digest=policies_digest or policy_load.load(None).digest,
            boundary=found.boundary,
            waivers=found.waivers,
            temporary=found.temporary,
            tsa=tsa or found.tsa,
            store=store or found.store,
            retention_days=found.retention_days or RETENTION_DAYS,
            cloud=cloud,
            authority=authority,
            watch=(lambda _: None) if quiet else lambda text: click.echo(text, err=True),
        )
    )
    if as_json:
        output.write({"directory": str(out), "run": made.run})
    else:
        click.echo(str(out))
