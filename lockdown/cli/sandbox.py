"""lockdown sandbox: a local Azure to try everything against."""

from __future__ import annotations

import shlex
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockdown.cli import output
from lockdown.errors import ToolError, UsageError

if TYPE_CHECKING:
    from lockdown.sandbox.server import Sandbox

_PORTS = 65535
_CLOUDS = ("AzureCloud", "AzureUSGovernment")


@click.group("sandbox")
def command() -> None:
    """Run a local Azure."""


@command.command("start")
@click.option("--scenario", default="empty", show_default=True, metavar="NAME", help="The environment to start with.")
@click.option("--port", default=0, metavar="N", type=click.IntRange(0, _PORTS), help="Default: any free one.")
@click.option(
    "--env-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write shell lines here that point a program at the sandbox; readable by you alone, complete when it exists.",
)
@click.option(
    "--state",
    "state_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the state here across restarts.",
)
@click.option("--deny", multiple=True, metavar="SUBSCRIPTION", help="One that nobody can read; may be given again.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="'METHOD URL-GLOB ACTION [COUNT]'",
    help="Make matching requests go wrong; may be given again. ACTION: fail:STATUS[:CODE], delay:SECONDS, "
    "throttle[:RETRY_AFTER], truncate, drop-before, drop-after, fail-operation:CODE.",
)
@click.option(
    "--lag", default=0.0, metavar="SECONDS", type=click.FloatRange(0), help="How far Resource Graph is behind."
)
@click.option("--quota/--no-quota", default=True, help="Whether Resource Graph enforces its quota.")
@click.option(
    "--option", "options", multiple=True, metavar="K=V", help="An option of the scenario; may be given again."
)
@click.option(
    "--cloud",
    default=_CLOUDS[0],
    show_default=True,
    metavar="NAME",
    type=click.Choice(_CLOUDS, case_sensitive=False),
    help="The cloud that it is like: AzureCloud, AzureUSGovernment.",
)
@click.option(
    "--operation-seconds",
    metavar="SECONDS",
    type=click.FloatRange(0),
    help="How long every operation takes; 0 ends it within its request. Default: 1.",
)
@click.option(
    "--time-scale",
    metavar="FACTOR",
    type=click.FloatRange(0, min_open=True),
    help="Operations take as long as in Azure, and so many seconds pass here in one of yours.",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=N",
    help="What a subscription may have, such as cores=8 or batch-accounts=0; may be given again.",
)
@click.option(
    "--unregistered",
    multiple=True,
    metavar="NAMESPACE",
    help="A resource provider that has to be registered first, * for all; may be given again.",
)
@click.option(
    "--deny-type",
    "denied_types",
    multiple=True,
    metavar="TYPE",
    help="A resource type that an assignment of Azure Policy refuses; may be given again.",
)
@click.option(
    "--replication",
    default=0.0,
    metavar="SECONDS",
    type=click.FloatRange(0),
    help="How long Entra ID takes to tell of a new identity.",
)
@click.option(
    "--exposures",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="At the end, write here what accepted public traffic, when, and which request opened it (JSON).",
)
@output.json_option("the URL, as soon as it listens")
def start(
    scenario: str,
    port: int,
    env_file: Path | None,
    state_file: Path | None,
    deny: tuple[str, ...],
    faults: tuple[str, ...],
    lag: float,
    quota: bool,
    options: tuple[str, ...],
    *,
    cloud: str,
    operation_seconds: float | None,
    time_scale: float | None,
    limits: tuple[str, ...],
    unregistered: tuple[str, ...],
    denied_types: tuple[str, ...],
    replication: float,
    exposures: Path | None,
    as_json: bool,
) -> None:
    """Start a local Azure on 127.0.0.1 and run it until Ctrl-C or SIGTERM.

    It speaks HTTPS like Azure: tokens, Resource Manager, Resource Graph. Credentials and its certificate authority are
    new at every start.
    """
    from lockdown.sandbox.server import Sandbox

    if time_scale is not None and operation_seconds is not None:
        raise UsageError("--time-scale and --operation-seconds exclude each other.", "Give one of them.")
    sandbox = Sandbox(
        scenario,
        port=port,
        deny=deny,
        faults=faults,
        lag=lag,
        quota=quota,
        state_file=state_file,
        options=_pairs(options),
        operation_seconds=1.0 if operation_seconds is None else operation_seconds,
        time_scale=time_scale,
        limits=_numbers(limits),
        unregistered=unregistered,
        replication_seconds=replication,
        cloud=cloud,
        denied_types=denied_types,
    )
    try:
        _run(sandbox, scenario, env_file, as_json=as_json)
    finally:
        if exposures is not None:
            _write_exposures(sandbox, exposures)


def _run(sandbox: Sandbox, scenario: str, env_file: Path | None, *, as_json: bool) -> None:
    with sandbox:
        try:
            if env_file is not None:
                _write_environment(sandbox, env_file)
            if as_json:
                output.write(_told(sandbox, scenario, env_file))
            else:
                click.echo(_instructions(sandbox, scenario, env_file), err=True)
                click.echo(sandbox.url)
            sys.stdout.flush()
            threading.Event().wait()
        finally:
            if env_file is not None:
                env_file.unlink(missing_ok=True)


def _told(sandbox: Sandbox, scenario: str, env_file: Path | None) -> dict[str, str | None]:
    # No secret: those are in the file, which only its owner reads.
    where = str(env_file) if env_file else None
    return {"url": sandbox.url, "scenario": scenario, "subscription": sandbox.subscription, "envFile": where}


def _pairs(options: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in options:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"The option {text!r} is not of the form NAME=VALUE.", "Write it as --option size=1000.")
        if name in pairs:
            raise UsageError(f"The option {name!r} is given twice.", "Give it once.")
        pairs[name] = value
    return pairs


def _numbers(limits: tuple[str, ...]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for text in limits:
        name, _, value = text.partition("=")
        if not value.isascii() or not value.isdecimal():
            raise UsageError(f"The limit {text!r} is not of the form NAME=NUMBER.", "Write it as --limit cores=8.")
        if name in numbers:
            raise UsageError(f"The limit {name!r} is given twice.", "Give it once.")
        numbers[name] = int(value)
    return numbers


def _write_exposures(sandbox: Sandbox, path: Path) -> None:
    from lockdown.sandbox import exposure

    try:
        path.write_text(exposure.text(sandbox.exposures, sandbox.bypasses), "utf-8")
    except OSError as error:
        raise ToolError(f"{path} could not be written: {error.strerror}.", "Name another file for it.") from error


def _write_environment(sandbox: Sandbox, path: Path) -> None:
    from lockdown.sandbox.persistence import write_private

    lines = [f"export {name}={shlex.quote(value)}" for name, value in sandbox.environment().items()]
    try:
        write_private(path, ("\n".join(lines) + "\n").encode())
    except OSError as error:
        raise ToolError(f"{path} could not be written: {error.strerror}.", "Name another --env-file.") from error


def _instructions(sandbox: Sandbox, scenario: str, env_file: Path | None) -> str:
    source = f". {shlex.quote(str(env_file))}" if env_file else "(start with --env-file FILE, and source FILE here)"
    return f"""\
A local Azure listens on {sandbox.url} (scenario {scenario}, subscription {sandbox.subscription}).

To use it, in another shell:
  {source}
  lockdown audit

With the Azure CLI (AZURE_CORE_INSTANCE_DISCOVERY=false keeps it from asking the public cloud about this one):
  export AZURE_CONFIG_DIR="$(mktemp -d)" AZURE_CORE_INSTANCE_DISCOVERY=false AZURE_CORE_COLLECT_TELEMETRY=no
  az cloud register -n lockdown-sandbox --endpoint-resource-manager "$LOCKDOWN_CLOUD"
  az cloud set -n lockdown-sandbox
  az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID"
  az resource list

In a program with azure-identity, give the credential disable_instance_discovery=True for the same reason.
Ctrl-C ends it."""
