"""The network of ``coa-private``: closed subnets, one firewall, and the route that everything leaves by."""

from collections.abc import Iterator, Mapping
from typing import Any

from lockdown.sandbox.scenarios.arm.edge import firewall, firewall_policy, rule_collection_group
from lockdown.sandbox.scenarios.arm.envelope import reference
from lockdown.sandbox.scenarios.arm.network import (
    public_address,
    route_table,
    subnet,
    subnets_of,
    virtual_network,
)
from lockdown.sandbox.scenarios.arm.security_groups import security_group, security_rule
from lockdown.sandbox.scenarios.arm.watch import logged
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
_NODES, _DATABASES, _BATCH = "10.1.0.0/24", "10.1.1.0/24", "10.1.128.0/17"
_BESIDE_DATABASES = (
    ("identities", "AzureActiveDirectory", "Internet"),
    ("replicas", _DATABASES, "VnetLocal"),
)
"""What a database server with Entra log-in must reach past an appliance: Microsoft's own rule for delegated subnets."""


def _in(name: str, priority: int, port: str, source: str) -> Document:
    return security_rule(name, priority, "Inbound", "Allow", port=port, protocol="Tcp", source=source)


def _out(priority: int, tag: str) -> Document:
    name = f"to-{tag.lower()}"
    return security_rule(name, priority, "Outbound", "Allow", port="443", protocol="Tcp", destination=tag)


_CLOSED = (
    security_rule("internet-in", 4000, "Inbound", "Deny", source="Internet"),
    security_rule("internet-out", 4000, "Outbound", "Deny", destination="Internet"),
)
_OTHERS_IN = security_rule("virtual-network-in", 3900, "Inbound", "Deny", source="VirtualNetwork")
_PERMITTED = (
    _out(300, "AzureActiveDirectory"),
    _out(310, "AzureResourceManager"),
    _out(320, "MicrosoftContainerRegistry"),
    _out(330, "AzureFrontDoor.FirstParty"),
)
"""Where nodes go through the firewall, which decides by host name."""

_RULES = {
    "vmsubnet": (*_PERMITTED, *_CLOSED),
    "batchsubnet": (*_PERMITTED, *_CLOSED),
    "sqlsubnet": (
        _in("nodes-in", 200, "5432", _NODES),
        _in("replicas-in", 210, "5432", _DATABASES),
        _OTHERS_IN,
        _out(300, "Storage.EastUS"),
        _out(310, "AzureActiveDirectory"),
        *_CLOSED,
    ),
    "pesubnet": (_in("nodes-in", 200, "443", _NODES), _in("tasks-in", 210, "443", _BATCH), _OTHERS_IN, *_CLOSED),
}
"""The rules of the network security group of each subnet."""


def network_documents(site: Site, flow_log_id: str) -> Iterator[Document]:
    """Yield the network's group and everything in it but zones and endpoints; ``flow_log_id`` records its traffic."""
    group = site.network_group
    guards = {name: security_group(group, f"nsg-{name}", rules) for name, rules in _RULES.items()}
    routes = route_table(group, "to-the-firewall", _FIREWALL_ADDRESS)
    databases = route_table(group, "databases", _FIREWALL_ADDRESS, beside=_BESIDE_DATABASES)
    yield group.document()
    yield from guards.values()
    yield routes
    yield databases
    made = virtual_network(
        group,
        NETWORK,
        ["10.1.0.0/16"],
        list(_subnets(site, {name: item["id"] for name, item in guards.items()}, routes["id"], databases["id"])),
    )
    network = logged(made, flow_log_id)
    yield network
    yield from subnets_of(network)
    yield from _egress(site)


def _subnets(site: Site, guards: Mapping[str, str], routes: str, databases: str) -> Iterator[Document]:
    closed: dict[str, Any] = {"defaultOutboundAccess": False, "privateEndpointNetworkPolicies": "Enabled"}
    network = site.network_id
    for name, prefix in (("vmsubnet", _NODES), ("batchsubnet", _BATCH), ("pesubnet", "10.1.3.0/24")):
        yield subnet(network, name, prefix, security_group=guards[name], route_table=routes, **closed)
    yield subnet(
        network,
        "sqlsubnet",
        _DATABASES,
        security_group=guards["sqlsubnet"],
        route_table=databases,
        delegation="Microsoft.DBforPostgreSQL/flexibleServers",
        service_endpoints=["Microsoft.Storage"],
        **closed,
    )
    yield subnet(network, "AzureFirewallSubnet", "10.1.8.0/26", **closed)


def _egress(site: Site) -> Iterator[Document]:
    group = site.network_group
    firewall_id = group.resource("Microsoft.Network/azureFirewalls", "egress")
    configuration = f"{firewall_id}/azureFirewallIpConfigurations/egress"
    address = public_address(group, "egress", EGRESS_ADDRESS, ipConfiguration=reference(configuration))
    policy = firewall_policy(group, "egress", [firewall_id], "cromwell-on-azure")
    yield policy
    yield rule_collection_group(policy, "cromwell-on-azure", _HOSTS, [_NODES, _BATCH])
    yield address
    yield firewall(
        group,
        "egress",
        site.subnet("AzureFirewallSubnet"),
        _FIREWALL_ADDRESS,
        address["id"],
        firewallPolicy=reference(policy["id"]),
    )
