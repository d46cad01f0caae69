"""What the sandbox knows of single resource types. One module per family; a type that is not here is generic."""

from collections.abc import Mapping

from lockdown.sandbox.kind import Kind
from lockdown.sandbox.providers import (
    authorization,
    bastion,
    clusters,
    firewalls,
    flow_logs,
    machines,
    nat_gateways,
    network_interfaces,
    private_dns,
    private_endpoints,
    public_addresses,
    route_tables,
    security_groups,
    storage,
    virtual_networks,
    zone_groups,
)

KINDS: Mapping[str, Kind] = {
    kind.type.lower(): kind
    for kind in (
        *machines.KINDS,
        *authorization.KINDS,
        *clusters.KINDS,
        *zone_groups.KINDS,
        *route_tables.KINDS,
        *private_dns.KINDS,
        *nat_gateways.KINDS,
        *flow_logs.KINDS,
        *firewalls.KINDS,
        *bastion.KINDS,
        *network_interfaces.KINDS,
        *private_endpoints.KINDS,
        *public_addresses.KINDS,
        *security_groups.KINDS,
        *storage.KINDS,
        *virtual_networks.KINDS,
    )
}


def kind_of(type_: str) -> Kind | None:
    """Return what is known of a type, or None for a generic one."""
    return KINDS.get(type_.lower())
