"""The virtual network with all of its subnets, and the hub that it may be peered with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from azure.mgmt.network.models import (
    AddressSpace,
    Delegation,
    NetworkSecurityGroup,
    RouteTable,
    ServiceDelegationPropertiesFormat,
    ServiceEndpointPropertiesFormat,
    Subnet,
    SubnetPropertiesFormat,
    SubResource,
    VirtualNetwork,
    VirtualNetworkPeering,
    VirtualNetworkPeeringPropertiesFormat,
    VirtualNetworkPropertiesFormat,
)

from lockdown.provisioner.environment import Egress
from lockdown.provisioner.graph import Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

API_VERSION = "2026-03-01"
"""Of Microsoft.Network: azure-mgmt-network's."""

JUMPBOX = "jumpboxsubnet"
UNGUARDED = frozenset({"AzureFirewallSubnet"})
"""Azure supports no network security group there."""

_UNROUTED = frozenset({"AzureFirewallSubnet", "AzureBastionSubnet"})
"""The services of these subnets need the routes that Azure gives them."""

_DATABASES = "Microsoft.DBforPostgreSQL/flexibleServers"
_KEPT = frozenset({"properties.subnets", "properties.virtualNetworkPeerings"})
_KEPT_OF_OTHERS = _KEPT | {"properties.subnets.properties.serviceEndpoints"}
_TYPE = "Microsoft.Network/virtualNetworks"


def steps(site: Site) -> Iterator[Step]:
    """Yield the network, the hub where there is one, and the two halves of their peering."""
    wanted = site.environment.network
    if wanted.existing:
        yield _brought("network", wanted.existing, site, site.environment.used_subnets)
        return
    yield _network(site, "network", site.network_id, list(wanted.address_space), own_subnets(site))
    if wanted.hub is None:
        return
    if wanted.hub.existing:
        yield _brought("hub", wanted.hub.existing, site, site.environment.edge_subnets)
    else:
        yield _network(site, "hub", site.hub_id, [wanted.hub.address_space], hub_subnets(site))
    # What comes back through the firewall has an address of the Internet: the network must take in what is forwarded.
    yield _peering("peering/to-hub", f"{site.network_id}", "hub", site.hub_id, forwarded=True)
    yield _peering(
        "peering/from-hub", f"{site.hub_id}", "network", site.network_id, forwarded=False, after=("peering/to-hub",)
    )


def own_subnets(site: Site) -> dict[str, IPv4Network]:
    """Return the subnets that are written with the environment's network; a jumpbox brings its own and takes it."""
    if site.environment.network.existing:
        return {}
    return _lasting(site.environment.used_subnets)


def hub_subnets(site: Site) -> dict[str, IPv4Network]:
    """Return the subnets that are written with a hub that is ours."""
    hub = site.environment.network.hub
    return _lasting(site.environment.edge_subnets) if hub and hub.existing is None else {}


def network_name(network_id: str) -> str:
    """Return the name of a virtual network from its id."""
    return network_id.rpartition("/")[2]


def subnet(name: str, prefix: IPv4Network, *, guard: str = "", routes: str = "", gateway: str = "") -> Subnet:
    """Return a subnet that nothing leaves by itself; ``guard``, ``routes`` and ``gateway`` are ids."""
    is_database = name == "sqlsubnet"
    delegated = ServiceDelegationPropertiesFormat(service_name=_DATABASES)
    return Subnet(
        name=name,
        properties=SubnetPropertiesFormat(
            address_prefix=str(prefix),
            default_outbound_access=False,
            private_endpoint_network_policies="Enabled",
            network_security_group=NetworkSecurityGroup(id=guard) if guard else None,
            route_table=RouteTable(id=routes) if routes else None,
            nat_gateway=SubResource(id=gateway) if gateway else None,
            delegations=[Delegation(name="delegation", properties=delegated)] if is_database else [],
            service_endpoints=[ServiceEndpointPropertiesFormat(service="Microsoft.Storage")] if is_database else [],
        ),
    )


def _lasting(subnets: Mapping[str, IPv4Network]) -> dict[str, IPv4Network]:
    return {name: prefix for name, prefix in subnets.items() if name != JUMPBOX}


def _network(
    site: Site, key: str, resource_id: str, spaces: list[IPv4Network], subnets: Mapping[str, IPv4Network]
) -> Resource:
    body = VirtualNetwork(
        location=site.location,
        tags=site.tags,
        properties=VirtualNetworkPropertiesFormat(
            address_space=AddressSpace(address_prefixes=[str(space) for space in spaces]),
            subnets=[_connected(site, name, prefix) for name, prefix in subnets.items()],
        ),
    )
    fixed = frozenset({"location"})
    return Resource(key, "network", resource_id, API_VERSION, wire(body), seconds=15, kept=_KEPT, fixed=fixed)


def _connected(site: Site, name: str, prefix: IPv4Network) -> Subnet:
    by_gateway = site.environment.network.egress is Egress.NAT and name in {"vmsubnet", "batchsubnet"}
    routes = "routes/databases" if name == "sqlsubnet" else "routes"
    return subnet(
        name,
        prefix,
        guard="" if name in UNGUARDED else reference(f"nsg/{name}"),
        routes="" if by_gateway or name in _UNROUTED else reference(routes),
        gateway=reference("nat") if by_gateway else "",
    )


def _brought(key: str, resource_id: str, site: Site, subnets: Mapping[str, IPv4Network]) -> Resource:
    """Return a network that is there already: in the region, with closed subnets of the names that are used.

    Ranges are not compared: Azure shows them as ``addressPrefix`` or as ``addressPrefixes``.
    """
    body: dict[str, Any] = {"location": site.location, "properties": {"subnets": []}}
    for name, prefix in subnets.items():
        shape = wire(subnet(name, prefix))
        del shape["properties"]["addressPrefix"]
        for delegation in shape["properties"]["delegations"]:
            del delegation["name"]
        body["properties"]["subnets"].append(shape if name not in _UNROUTED else {"name": name})
    return Resource(key, "network", resource_id, API_VERSION, body, kept=_KEPT_OF_OTHERS, brought=True, remove=False)


def _peering(
    key: str, network_id: str, other: str, other_id: str, *, forwarded: bool, after: tuple[str, ...] = ()
) -> Resource:
    body = VirtualNetworkPeering(
        properties=VirtualNetworkPeeringPropertiesFormat(
            remote_virtual_network=SubResource(id=reference(other)),
            allow_virtual_network_access=True,
            allow_forwarded_traffic=forwarded,
            allow_gateway_transit=False,
            use_remote_gateways=False,
        )
    )
    return Resource(
        key,
        "network",
        f"{network_id}/virtualNetworkPeerings/to-{network_name(other_id)}",
        API_VERSION,
        wire(body),
        needs=("network", "hub", *after),
        seconds=15,
        cost="data between the networks, by the GB",
        fixed=frozenset({"properties.remoteVirtualNetwork"}),
    )
