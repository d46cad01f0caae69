"""What stands in the way of a write: locks that make things read-only, and an existing network of another shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from lockdown.provisioner.checks import Case, Finding, place, target
from lockdown.provisioner.environment import smallest_subnets

_LOCKS, _NETWORKS = "2020-05-01", "2024-05-01"
_LOCK = "/providers/microsoft.authorization/locks/"
_DELEGATIONS: Mapping[str, str] = {"sqlsubnet": "Microsoft.DBforPostgreSQL/flexibleServers"}


def locks(case: Case) -> Iterator[Finding]:
    """Yield a finding for each lock that makes something read-only that will be written."""
    for lock in case.reads.items(f"{case.subscription}/providers/Microsoft.Authorization/locks", _LOCKS):
        if (lock.get("properties") or {}).get("level") != "ReadOnly":
            continue
        scope = str(lock.get("id", "")).lower().partition(_LOCK)[0]
        under = [step.key for step in case.writes if f"{target(step).lower()}/".startswith(f"{scope}/")]
        if scope and under:
            more = f" and {len(under) - 1} more" if len(under) > 1 else ""
            what = f"The lock {lock.get('name')} makes {place(scope)} read-only"
            yield Finding(
                "locks",
                f"{what}, and {under[0]}{more} would be written there.",
                "Have whoever set the lock remove it while this runs.",
            )


def network(case: Case) -> Iterator[Finding]:
    """Yield a finding for each subnet of an existing network that cannot take what is to stand in it."""
    environment = case.site.environment
    if environment.network.existing is None:
        return
    found = case.read(environment.network.existing, _NETWORKS)
    if found is None:
        yield Finding(
            "network", f"network.existing: there is no network {environment.network.existing}.", "Check its id."
        )
        return
    if str(found.get("location", "")).lower() != environment.location:
        yield Finding(
            "network",
            f"network.existing: the network is in {found.get('location')}, the environment in {environment.location}.",
            "Cluster, Batch and private endpoints stand in the region of their network: choose the same.",
        )
    there = {str(item.get("name", "")).lower(): item for item in (found.get("properties") or {}).get("subnets") or ()}
    smallest = smallest_subnets(environment)
    for name, wanted in environment.used_subnets.items():
        subnet = there.get(name.lower())
        if subnet is None:
            yield Finding(
                "network", f"network.existing: it has no subnet {name}.", "Add it; docs/provision.md says how."
            )
            continue
        yield from _subnet(name, subnet.get("properties") or {}, smallest[name], wanted)


def _subnet(name: str, properties: Mapping[str, Any], smallest: int, given: IPv4Network) -> Iterator[Finding]:
    ranges = [
        str(text) for text in (properties.get("addressPrefix"), *(properties.get("addressPrefixes") or ())) if text
    ]
    size = max((_size(text) for text in ranges), default=0)
    if size < smallest:
        yield Finding(
            "network",
            f"network.existing: the subnet {name} ({', '.join(ranges) or 'no range'}) has {size} addresses; "
            f"it needs at least {smallest}.",
            "A subnet that holds anything cannot grow: make a larger one.",
        )
    elif str(given) not in ranges:
        yield Finding(
            "network",
            f"network.existing: the subnet {name} is {', '.join(ranges)}, and the file says {given}.",
            "Write the ranges of the network under network.subnets: rules and routes are made from them.",
        )
    wanted = _DELEGATIONS.get(name, "")
    services = [str((item.get("properties") or {}).get("serviceName")) for item in properties.get("delegations") or ()]
    if [service.lower() for service in services] != ([wanted.lower()] if wanted else []):
        yield Finding(
            "network",
            f"network.existing: the subnet {name} is delegated to {', '.join(services) or 'nothing'}; it must be to "
            f"{wanted or 'nothing'}.",
            "Azure allows no other service in a delegated subnet: change the delegation, or name another network.",
        )


def _size(text: str) -> int:
    try:
        return IPv4Network(text).num_addresses
    except ValueError:
        return 0
