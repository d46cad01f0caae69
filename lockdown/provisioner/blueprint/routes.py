"""Where each subnet's traffic goes: to the firewall or appliance, or nowhere; never straight to the Internet."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from azure.mgmt.network.models import Route, RoutePropertiesFormat, RouteTable, RouteTablePropertiesFormat

from lockdown.provisioner.blueprint.network import API_VERSION, own_subnets
from lockdown.provisioner.environment import Egress
from lockdown.provisioner.graph import Resource, Step
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

_FIRST_USABLE = 4
"""Azure keeps the first four addresses of a subnet; a firewall takes the next."""

_NAMES = {Egress.FIREWALL: "to-the-firewall", Egress.APPLIANCE: "to-the-appliance", Egress.NAT: "to-nowhere"}


def steps(site: Site) -> Iterator[Step]:
    """Yield the route tables of the subnets that are ours."""
    subnets = own_subnets(site)
    if subnets:
        yield route_table(site, "routes", _NAMES[site.environment.network.egress], [everything(site)])
    if "sqlsubnet" in subnets:
        beside = [
            _route("identities", "AzureActiveDirectory", "Internet"),
            _route("replicas", str(subnets["sqlsubnet"]), "VnetLocal"),
        ]
        yield route_table(site, "routes/databases", "databases", [everything(site), *beside])


def everything(site: Site) -> Route:
    """Return the default route. With a NAT gateway, which subnets have of their own, the others lead nowhere."""
    hop = next_hop(site)
    if hop is None:
        return _route("everything-to-nowhere", "0.0.0.0/0", "None")
    whole = RoutePropertiesFormat(
        address_prefix="0.0.0.0/0", next_hop_type="VirtualAppliance", next_hop_ip_address=str(hop)
    )
    return Route(name=f"everything-{_NAMES[site.environment.network.egress]}", properties=whole)


def next_hop(site: Site) -> IPv4Address | None:
    """Return the address that everything leaves through, known before anything stands there; None with a gateway."""
    network = site.environment.network
    if network.egress is Egress.FIREWALL:
        return network.subnets.firewall.network_address + _FIRST_USABLE
    return network.appliance


def route_table(site: Site, key: str, name: str, routes: list[Route]) -> Resource:
    """Return a route table that takes nothing over from a gateway."""
    table = RouteTable(
        location=site.location,
        tags=site.tags,
        properties=RouteTablePropertiesFormat(routes=routes, disable_bgp_route_propagation=True),
    )
    return Resource(
        key,
        "routes",
        site.in_network("Microsoft.Network/routeTables", name),
        API_VERSION,
        wire(table),
        fixed=frozenset({"location"}),
    )


def to_internet(name: str, prefix: str) -> Route:
    """Return a route past the default one."""
    return _route(name, prefix, "Internet")


def _route(name: str, prefix: str, kind: str) -> Route:
    return Route(name=name, properties=RoutePropertiesFormat(address_prefix=prefix, next_hop_type=kind))
