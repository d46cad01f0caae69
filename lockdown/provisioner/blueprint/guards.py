"""A network security group for each subnet: what the environment's flows need, and then a Deny."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from azure.mgmt.network.models import (
    NetworkSecurityGroup,
    NetworkSecurityGroupPropertiesFormat,
    SecurityRule,
    SecurityRulePropertiesFormat,
)

from lockdown.provisioner.blueprint.network import API_VERSION, UNGUARDED, hub_subnets, own_subnets
from lockdown.provisioner.blueprint.regions import service_tag
from lockdown.provisioner.environment import Access, Egress
from lockdown.provisioner.graph import Resource, Step
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

_DATABASE_PORT = "5432"


def steps(site: Site) -> Iterator[Step]:
    """Yield the group of each subnet that is ours."""
    for name in (*own_subnets(site), *hub_subnets(site)):
        if name not in UNGUARDED:
            yield guard(site, f"nsg/{name}", f"nsg-{name}", _rules(site, name))


def guard(site: Site, key: str, name: str, rules: Sequence[SecurityRule]) -> Resource:
    """Return a network security group with these rules."""
    group = NetworkSecurityGroup(
        location=site.location,
        tags=site.tags,
        properties=NetworkSecurityGroupPropertiesFormat(security_rules=list(rules)),
    )
    resource_id = site.in_network("Microsoft.Network/networkSecurityGroups", name)
    return Resource(key, "guards", resource_id, API_VERSION, wire(group), fixed=frozenset({"location"}))


def inbound(name: str, priority: int, port: str, source: str, *, access: str = "Allow") -> SecurityRule:
    """Return a rule for what comes in by TCP."""
    return _rule(name, priority, "Inbound", access, port=port, protocol="Tcp", source=source)


def outbound(name: str, priority: int, port: str, destination: str) -> SecurityRule:
    """Return a rule that lets TCP out."""
    return _rule(name, priority, "Outbound", "Allow", port=port, protocol="Tcp", destination=destination)


def others_in() -> SecurityRule:
    """Return the rule that ends what the virtual network and its peers may do."""
    return _rule("virtual-network-in", 3900, "Inbound", "Deny", source="VirtualNetwork")


def closed() -> tuple[SecurityRule, SecurityRule]:
    """Return the two rules that every group ends with: nothing from the Internet, nothing to it."""
    return (
        _rule("internet-in", 4000, "Inbound", "Deny", source="Internet"),
        _rule("internet-out", 4000, "Outbound", "Deny", destination="Internet"),
    )


def _rules(site: Site, subnet: str) -> tuple[SecurityRule, ...]:
    if subnet == "sqlsubnet":
        return (*_of_databases(site), *closed())
    if subnet == "pesubnet":
        return (*_of_endpoints(site), *closed())
    return (*_of_bastion(), *closed()) if subnet == "AzureBastionSubnet" else (*_of_nodes(site), *closed())


def _of_nodes(site: Site) -> Iterator[SecurityRule]:
    """Yield what nodes of the cluster and of Batch need: each other, Entra ID, ARM, Microsoft's images."""
    for number, tag in enumerate(
        ("AzureActiveDirectory", "AzureResourceManager", "MicrosoftContainerRegistry", "AzureFrontDoor.FirstParty")
    ):
        yield _to(300 + 10 * number, tag)
    if site.environment.network.egress is not Egress.NAT:
        # Hosts have no tags: what stands behind the default route decides by name. Without that route there is no way
        # out of the subnet at all.
        yield outbound("https-to-what-filters-by-name", 3900, "443", "Internet")


def _of_databases(site: Site) -> Iterator[SecurityRule]:
    """Yield what a delegated subnet needs: clients, replicas, and the server's own backups and log-ins."""
    subnets = site.environment.network.subnets
    yield inbound("nodes-in", 200, _DATABASE_PORT, str(subnets.nodes))
    yield inbound("replicas-in", 210, _DATABASE_PORT, str(subnets.database))
    if site.environment.access is Access.JUMPBOX:
        yield inbound("jumpbox-in", 220, _DATABASE_PORT, str(subnets.jumpbox))
    yield others_in()
    yield _to(300, service_tag("Storage", site.location))
    yield _to(310, "AzureActiveDirectory")


def _of_endpoints(site: Site) -> Iterator[SecurityRule]:
    """Yield who reaches the private endpoints."""
    subnets = site.environment.network.subnets
    sources = [("nodes-in", subnets.nodes), ("tasks-in", subnets.batch)]
    if site.environment.access is Access.JUMPBOX:
        sources.append(("jumpbox-in", subnets.jumpbox))
    for number, (name, source) in enumerate(sources):
        yield inbound(name, 200 + 10 * number, "443", str(source))
    if "sqlsubnet" not in site.environment.used_subnets:
        yield inbound("nodes-to-databases-in", 240, _DATABASE_PORT, str(subnets.nodes))
        if site.environment.access is Access.JUMPBOX:
            yield inbound("jumpbox-to-databases-in", 250, _DATABASE_PORT, str(subnets.jumpbox))
    yield others_in()


def _of_bastion() -> Iterator[SecurityRule]:
    """Yield what Azure asks of the subnet of a Bastion; people reach a private one from the virtual network alone."""
    yield inbound("people-in", 200, "443", "VirtualNetwork")
    yield inbound("gateway-manager-in", 210, "443", "GatewayManager")
    yield inbound("load-balancer-in", 220, "443", "AzureLoadBalancer")
    for number, port in enumerate(("8080", "5701")):
        yield _among("Inbound", f"hosts-in-{port}", 230 + 10 * number, port)
        yield _among("Outbound", f"hosts-out-{port}", 330 + 10 * number, port)
    yield outbound("ssh-out", 300, "22", "VirtualNetwork")
    yield outbound("rdp-out", 310, "3389", "VirtualNetwork")
    yield outbound("azure-out", 320, "443", "AzureCloud")
    yield outbound("certificates-out", 350, "80", "Internet")


def _among(direction: str, name: str, priority: int, port: str) -> SecurityRule:
    both = {"source": "VirtualNetwork", "destination": "VirtualNetwork"}
    return _rule(name, priority, direction, "Allow", port=port, **both)


def _to(priority: int, tag: str) -> SecurityRule:
    return outbound(f"to-{tag.lower()}", priority, "443", tag)


def _rule(
    name: str, priority: int, direction: str, access: str, *, port: str = "*", protocol: str = "*", **ends: str
) -> SecurityRule:
    return SecurityRule(
        name=name,
        properties=SecurityRulePropertiesFormat(
            priority=priority,
            direction=direction,
            access=access,
            protocol=protocol,
            source_port_range="*",
            destination_port_range=port,
            source_address_prefix=ends.get("source", "*"),
            destination_address_prefix=ends.get("destination", "*"),
        ),
    )
