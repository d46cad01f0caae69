"""What the sandbox knows of single resource types. One module per family; a type that is not here is generic."""

from collections.abc import Mapping

from lockdown.sandbox.kind import Kind
from lockdown.sandbox.providers import (
    agent_pools,
    alerts,
    authorization,
    bastion,
    batch,
    clusters,
    containers,
    defender,
    diagnostics,
    encryption_sets,
    firewalls,
    flow_logs,
    identities,
    insights,
    key_vaults,
    machines,
    nat_gateways,
    network_interfaces,
    policies,
    postgres,
    private_dns,
    private_endpoints,
    public_addresses,
    registry,
    route_tables,
    security_groups,
    storage,
    virtual_networks,
    workspaces,
    zone_groups,
)

KINDS: Mapping[str, Kind] = {
    kind.type.lower(): kind
    for kind in (
        *defender.KINDS,
        *policies.KINDS,
        *agent_pools.KINDS,
        *alerts.KINDS,
        *authorization.KINDS,
        *bastion.KINDS,
        *batch.KINDS,
        *clusters.KINDS,
        *containers.KINDS,
        *diagnostics.KINDS,
        *encryption_sets.KINDS,
        *firewalls.KINDS,
        *flow_logs.KINDS,
        *identities.KINDS,
        *insights.KINDS,
        *key_vaults.KINDS,
        *machines.KINDS,
        *nat_gateways.KINDS,
        *network_interfaces.KINDS,
        *postgres.KINDS,
        *private_dns.KINDS,
        *private_endpoints.KINDS,
        *public_addresses.KINDS,
        *registry.KINDS,
        *route_tables.KINDS,
        *security_groups.KINDS,
        *storage.KINDS,
        *virtual_networks.KINDS,
        *workspaces.KINDS,
        *zone_groups.KINDS,
    )
}


def kind_of(type_: str) -> Kind | None:
    """Return what is known of a type, or None for a generic one."""
    return KINDS.get(type_.lower())
