"""The network of ``coa-private``: closed subnets, one firewall, and the route that everything leaves by."""

from collections.abc import Iterator, Sequence
from typing import Any

from lockdown.sandbox.scenarios.arm.edge import firewall, firewall_policy, rule_collection_group
from lockdown.sandbox.scenarios.arm.envelope import reference
from lockdown.sandbox.scenarios.arm.network import (
    public_address,
    route_table,
    security_group,
    security_rule,
    subnet,
    subnets_of,
    virtual_network,
)
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.site import NETWORK, Site

EGRESS_ADDRESS = "203.0.113.10"
"""The one public address: what the firewall leaves through."""

_FIREWALL_ADDRESS = "10.1.8.4"
_HOSTS = (
    "mcr.microsoft.com",
    "*.data.mcr.microsoft.com",
    "management.azure.com",
    "login.microsoftonline.com",
    "packages.microsoft.com",
    "acs-mirror.azureedge.net",
    "packages.aks.azure.com",
    "prices.azure.com",
)


def network_documents(site: Site) -> Iterator[Document]:
    """Yield the network's group and everything in it but zones and endpoints."""
    group = site.network_group
    guards = {name: _guard(site, name) for name in ("vmsubnet", "sqlsubnet", "batchsubnet", "pesubnet")}
    routes = route_table(group, "to-the-firewall", _FIREWALL_ADDRESS)
    yield group.document()
    yield from guards.values()
    yield routes
    network = virtual_network(
        group,
        NETWORK,
        ["10.1.0.0/16"],
        list(_subnets(site, {name: item["id"] for name, item in guards.items()}, routes)),
    )
    yield network
    yield from subnets_of(network)
    yield from _egress(site)


def _guard(site: Site, name: str) -> Document:
    rules = [
        security_rule(
            "virtual-network-in", 200, "Inbound", "Allow", source="VirtualNetwork", destination="VirtualNetwork"
        ),
        security_rule("internet-in", 4000, "Inbound", "Deny", source="Internet"),
    ]
    return security_group(site.network_group, f"nsg-{name}", rules)


def _subnets(site: Site, guards: dict[str, str], routes: Document) -> Sequence[Document]:
    closed: dict[str, Any] = {"defaultOutboundAccess": False}
    network = site.network_id
    return (
        subnet(
            network,
            "vmsubnet",
            "10.1.0.0/24",
            security_group=guards["vmsubnet"],
            route_table=routes["id"],
            **closed,
        ),
        subnet(
            network,
            "sqlsubnet",
            "10.1.1.0/24",
            security_group=guards["sqlsubnet"],
            delegation="Microsoft.DBforPostgreSQL/flexibleServers",
            service_endpoints=["Microsoft.Storage"],
            **closed,
        ),
        subnet(
            network,
            "batchsubnet",
            "10.1.128.0/17",
            security_group=guards["batchsubnet"],
            route_table=routes["id"],
            **closed,
        ),
        subnet(
            network,
            "pesubnet",
            "10.1.3.0/24",
            security_group=guards["pesubnet"],
            privateEndpointNetworkPolicies="Enabled",
            **closed,
        ),
        subnet(network, "AzureFirewallSubnet", "10.1.8.0/26", **closed),
    )


def _egress(site: Site) -> Iterator[Document]:
    group = site.network_group
    firewall_id = group.resource("Microsoft.Network/azureFirewalls", "egress")
    configuration = f"{firewall_id}/azureFirewallIpConfigurations/egress"
    address = public_address(group, "egress", EGRESS_ADDRESS, ipConfiguration=reference(configuration))
    policy = firewall_policy(group, "egress", [firewall_id], "cromwell-on-azure")
    yield policy
    yield rule_collection_group(policy, "cromwell-on-azure", _HOSTS, ["10.1.0.0/24", "10.1.128.0/17"])
    yield address
    yield firewall(
        group,
        "egress",
        site.subnet("AzureFirewallSubnet"),
        _FIREWALL_ADDRESS,
        address["id"],
        firewallPolicy=reference(policy["id"]),
    )
