"""What provisioning leaves in its directory: the configuration of audits, the request log, and the approved run.

DIR/lockdown.yaml    scope, boundary and waivers, for ``audit -c`` and ``drift -c``; written anew by every run
DIR/requests.jsonl   every request of every run, without bodies, tokens or secrets
DIR/baseline/        the last audit that found the environment compliant; ``drift --baseline`` compares with it
DIR/audits/<time>/   audits that did not, and baselines before the last
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml

from lockdown import config
from lockdown.errors import ToolError
from lockdown.model import Boundary, Scope, Waiver
from lockdown.provisioner.graph import at
from lockdown.provisioner.site import Site

CONFIG, REQUESTS, BASELINE, AUDITS = "lockdown.yaml", "requests.jsonl", "baseline", "audits"
EGRESS = "egress-address"
"""The key of the step that is the one public address."""


def prepare(out: Path) -> None:
    """Make the directory.

    Raises:
        ToolError: it cannot be made.
    """
    try:
        (out / AUDITS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(f"{out} cannot be made: {error.strerror}.", "Name another directory with --out.") from error


def scope(site: Site) -> Scope:
    """Return what is audited: the subscription that the environment stands in."""
    return Scope((site.subscription,))


def boundary(site: Site, egress: Mapping[str, Any] | None) -> Boundary:
    """Return what belongs to the environment.

    Args:
        site: where it stands.
        egress: the document of its public address, if it has one.
    """
    addresses = [str(found) for found in site.environment.network.egress_addresses]
    address = at(egress or {}, "properties.ipAddress")
    if isinstance(address, str) and address:
        addresses.append(f"{ip_address(address)}/32")
    networks = dict.fromkeys((site.network_id.lower(), site.hub_id.lower()))
    return Boundary((site.subscription.lower(),), tuple(networks), tuple(addresses))


def decided(out: Path) -> dict[tuple[str, str], date]:
    """Return the last days of the waivers that an earlier run wrote, by policy and resource id.

    Raises:
        UsageError: lockdown.yaml is there and is wrong.
    """
    path = out / CONFIG
    if not path.is_file():
        return {}
    return {
        (waiver.policy, resource): waiver.expires
        for waiver in config.load(path).waivers
        for resource in waiver.resources
    }


def write_config(out: Path, site: Site, found: Boundary, waivers: Iterable[Waiver]) -> Path:
    """Write lockdown.yaml, and return where it is.

    Raises:
        ToolError: it cannot be written.
    """
    name = site.environment.environment
    text = (
        f"# Of the environment {name}, written by lockdown provision: every run writes it anew. Waivers belong beside\n"
        "# the environment's file; one that stands here keeps its last day. To decide on it again, remove it here.\n"
        + yaml.safe_dump(
            {
                "scope": {"subscriptions": list(scope(site).subscriptions)},
                "boundary": {
                    "subscriptions": list(found.subscriptions),
                    "virtualNetworks": list(found.virtual_networks),
                    "egressAddresses": list(found.egress_addresses),
                },
                "waivers": [
                    {
                        "policy": waiver.policy,
                        "resources": list(waiver.resources),
                        "reason": waiver.reason,
                        "owner": waiver.owner,
                        "expires": waiver.expires,
                    }
                    for waiver in waivers
                ],
            },
            sort_keys=False,
            width=120,
        )
    )
    path = out / CONFIG
    part = path.with_name(f".{CONFIG}.part")
    try:
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror}.", "Make room, or name another --out.") from error
    return path


def approve(out: Path, audit: Path) -> Path:
    """Make an audit the baseline; the one before it is kept under ``audits/``. Return where it is now.

    Raises:
        ToolError: it cannot be moved.
    """
    baseline = out / BASELINE
    try:
        if baseline.exists():
            baseline.rename(out / AUDITS / f"before-{audit.name}")
        audit.rename(baseline)
    except OSError as error:
        raise ToolError(f"{audit} cannot be moved to {baseline}: {error.strerror}.", "Move it yourself.") from error
    return baseline
