"""Options that mean the same in every command that has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lockdown import config
from lockdown.config import Config
from lockdown.model import Scope, Severity

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULT = Path("lockdown.yaml")
_SHA_256 = re.compile(r"[0-9a-fA-F]{64}")


def scope(command: Command) -> Command:
    """Add the options that say what to audit, where, and under which configuration."""
    for option in reversed(
        (
            click.option(
                "--subscription",
                "subscriptions",
                multiple=True,
                callback=_subscriptions,
                metavar="ID",
                help="A subscription to audit; may be given again.",
            ),
            click.option(
                "--management-group",
                "management_groups",
                multiple=True,
                callback=_management_groups,
                metavar="ID",
                help="Every subscription below a management group; may be given again.",
            ),
            click.option(
                "--snapshot",
                type=click.Path(path_type=Path),
                metavar="PATH",
                help="Audit this instead of Azure: a run, a bundle, output of az graph query, an ARM list, JSON lines.",
            ),
            click.option(
                "--trust",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="The trust root that must vouch for a baseline or a snapshot that is a run.",
            ),
            click.option(
                "--trust-fingerprint",
                callback=sha_256,
                metavar="HEX",
                help="The SHA-256 that the trust root must have (lockdown trust show).",
            ),
            click.option(
                "--trust-state",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Remember here the newest trust root seen, and refuse older ones.",
            ),
            click.option(
                "--engine",
                type=click.Choice(["snapshot", "resource-graph"]),
                default="snapshot",
                show_default=True,
                help="Who runs the queries: lockdown over what it copied, or Azure Resource Graph where it can.",
            ),
            config_option("lockdown.yaml: scope, boundary, waivers. Default: the one here."),
            click.option(
                "--cloud",
                envvar="LOCKDOWN_CLOUD",
                show_envvar=True,
                metavar="NAME_OR_URL",
                help="AzureCloud (default), AzureUSGovernment, AzureChinaCloud, or the URL of any Resource Manager.",
            ),
            click.option(
                "--authority",
                envvar="AZURE_AUTHORITY_HOST",
                show_envvar=True,
                metavar="HOST",
                help="Who issues tokens for a cloud given by URL.",
            ),
            click.option(
                "--policies",
                type=click.Path(path_type=Path, exists=True, file_okay=False),
                metavar="DIR",
                help="Policies of your own, beside those that ship with lockdown.",
            ),
            click.option(
                "--only-policies",
                type=click.Path(path_type=Path, exists=True, file_okay=False),
                metavar="DIR",
                help="Policies of your own, and no others.",
            ),
            click.option(
                "--out",
                type=click.Path(path_type=Path),
                metavar="DIR",
                help="The run directory to make. Default: lockdown-runs/<time>-<scope>.",
            ),
            formats(),
            click.option("--key", metavar="URI", help="Sign with this key: azurekv:<versioned key id> or file:<PEM>."),
            click.option(
                "--tsa", metavar="URL", help="Have this time-stamping authority (RFC 3161) date the signatures."
            ),
            click.option(
                "--fail-on",
                type=click.Choice([s.value for s in Severity]),
                help="The lowest severity of a failure that sets the exit code.",
            ),
            click.option("--quiet", is_flag=True, help="No progress and no summary on stderr."),
            click.option(
                "--json", "as_json", is_flag=True, help="One JSON object on stdout instead of the run directory."
            ),
        )
    ):
        command = option(command)
    return command


def config_option(told: str = "lockdown.yaml. Default: the one here.") -> Callable[[Command], Command]:
    """Return the option that names the configuration; it arrives as ``config_file``."""
    return click.option(
        "-c",
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        envvar="LOCKDOWN_CONFIG",
        show_envvar=True,
        metavar="FILE",
        help=told,
    )


def formats(*, required: bool = False) -> Callable[[Command], Command]:
    """Return the option that names the formats to write results in, beside their record."""
    return click.option(
        "--format",
        "formats",
        type=click.Choice(["csv", "sarif", "junit", "ocsf", "oscal-ar", "oscal-poam", "oscal-component"]),
        multiple=True,
        required=required,
        help="The format to write; may be given again."
        if required
        else "Write the results in this format too; may be given again.",
    )


def configuration(path: Path | None) -> Config:
    """Return the configuration at ``path``, or at ./lockdown.yaml if there is one, or an empty one."""
    if path is not None:
        return config.load(path)
    return config.load(DEFAULT) if DEFAULT.is_file() else Config()


def chosen(found: Config, subscriptions: tuple[str, ...], management_groups: tuple[str, ...]) -> Scope:
    """Return the scope of the command line, or else that of the configuration."""
    if subscriptions and management_groups:
        raise click.UsageError("Give subscriptions or management groups: Resource Graph takes one of the two.")
    named = Scope(subscriptions, management_groups)
    return named if subscriptions or management_groups else found.scope


def sha_256(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return a digest in lower case, or refuse what is none."""
    if value is not None and not _SHA_256.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not a SHA-256 of 64 hexadecimal digits.")
    return value.lower() if value else value


def _subscriptions(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return _checked(values, config.subscription_id)


def _management_groups(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return _checked(values, config.management_group_id)


def _checked(values: tuple[str, ...], check: Callable[[str], str]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(check(value) for value in values))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
