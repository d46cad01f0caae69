"""The one way out: a firewall that knows hosts by name, or a NAT gateway that knows nothing; either has one address."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.network.models import (
    ApplicationRule,
    AzureFirewall,
    AzureFirewallIPConfiguration,
    AzureFirewallIPConfigurationPropertiesFormat,
    AzureFirewallPropertiesFormat,
    AzureFirewallSku,
    FirewallPolicy,
    FirewallPolicyFilterRuleCollection,
    FirewallPolicyFilterRuleCollectionAction,
    FirewallPolicyPropertiesFormat,
    FirewallPolicyRule,
    FirewallPolicyRuleApplicationProtocol,
    FirewallPolicyRuleCollectionGroup,
    FirewallPolicyRuleCollectionGroupProperties,
    FirewallPolicySku,
    NatGateway,
    NatGatewayPropertiesFormat,
    NatGatewaySku,
    PublicIPAddress,
    PublicIPAddressPropertiesFormat,
    PublicIPAddressSku,
    SubResource,
)
from pydantic import BaseModel, ConfigDict

from lockdown import yamlfile
from lockdown.data import tree
from lockdown.provisioner.blueprint.network import API_VERSION
from lockdown.provisioner.environment import Access, CloudName, Egress, Host
from lockdown.provisioner.graph import Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

_FILES = {CloudName.PUBLIC: "public.yaml", CloudName.US_GOVERNMENT: "us-government.yaml"}
_JUMPBOX_HOSTS = {
    CloudName.PUBLIC: (
        *("login.microsoftonline.com", "enterpriseregistration.windows.net", "pas.windows.net"),
        *("packages.microsoft.com", "management.azure.com"),
    ),
    CloudName.US_GOVERNMENT: (
        *("login.microsoftonline.us", "enterpriseregistration.microsoftonline.us", "pasff.usgovcloudapi.net"),
        *("packages.microsoft.com", "management.usgovcloudapi.net"),
    ),
}
"""What Entra login on a machine needs, and where its extension comes from."""

_LOCATION = frozenset({"location"})


class _Permitted(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Host
    why: str


class _Hosts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    hosts: tuple[_Permitted, ...]


def steps(site: Site) -> Iterator[Step]:
    """Yield what the environment leaves through; with an appliance nothing is built."""
    egress = site.environment.network.egress
    if egress is Egress.FIREWALL:
        yield _policy(site)
        yield _rules(site)
        yield public_address(site, "egress-address", "egress")
        yield _firewall(site)
    elif egress is Egress.NAT and site.environment.network.existing is None:
        yield public_address(site, "egress-address", "egress")
        yield _gateway(site)


def hosts(site: Site) -> tuple[str, ...]:
    """Return the hosts that the firewall lets through: those of the cloud, and what the environment adds.

    Raises:
        UsageError: the file of hosts is not what it must be.
    """
    file = tree("provision") / "egress" / _FILES[site.environment.cloud]
    listed = yamlfile.load(f"provision/egress/{file.name}", file.read_bytes(), _Hosts)
    return tuple(dict.fromkeys((*(item.host for item in listed.hosts), *site.environment.network.allowed_hosts)))


def public_address(site: Site, key: str, name: str) -> Resource:
    """Return a public address."""
    address = PublicIPAddress(
        location=site.location,
        tags=site.tags,
        sku=PublicIPAddressSku(name="Standard", tier="Regional"),
        properties=PublicIPAddressPropertiesFormat(
            public_ip_allocation_method="Static", public_ip_address_version="IPv4"
        ),
    )
    return Resource(
        key,
        "edge",
        site.in_network("Microsoft.Network/publicIPAddresses", name),
        API_VERSION,
        wire(address),
        seconds=10,
        cost="public address, by the hour",
        fixed=_LOCATION | {"sku", "properties.publicIPAllocationMethod"},
    )


def _policy(site: Site) -> Resource:
    policy = FirewallPolicy(
        location=site.location,
        tags=site.tags,
        properties=FirewallPolicyPropertiesFormat(sku=FirewallPolicySku(tier="Standard"), threat_intel_mode="Deny"),
    )
    resource_id = site.in_network("Microsoft.Network/firewallPolicies", "egress")
    fixed = _LOCATION | {"properties.sku"}
    return Resource("firewall-policy", "edge", resource_id, API_VERSION, wire(policy), seconds=20, fixed=fixed)


def _rules(site: Site) -> Resource:
    """Return the rules of the firewall. What no rule lets through, it denies."""
    subnets = site.environment.network.subnets
    rules: list[FirewallPolicyRule] = [_https("https", hosts(site), [str(subnets.nodes), str(subnets.batch)])]
    if site.environment.access is Access.JUMPBOX:
        rules.append(_https("jumpbox", _JUMPBOX_HOSTS[site.environment.cloud], [str(subnets.jumpbox)]))
    collection = FirewallPolicyFilterRuleCollection(
        name="permitted-hosts",
        priority=200,
        action=FirewallPolicyFilterRuleCollectionAction(type="Allow"),
        rules=rules,
    )
    group = FirewallPolicyRuleCollectionGroup(
        properties=FirewallPolicyRuleCollectionGroupProperties(priority=200, rule_collections=[collection])
    )
    return Resource(
        "firewall-policy/rules",
        "edge",
        site.in_network("Microsoft.Network/firewallPolicies/ruleCollectionGroups", "egress", "cromwell-on-azure"),
        API_VERSION,
        wire(group),
        needs=("firewall-policy",),
        seconds=60,
    )


def _https(name: str, permitted: tuple[str, ...], sources: list[str]) -> ApplicationRule:
    return ApplicationRule(
        name=name,
        protocols=[FirewallPolicyRuleApplicationProtocol(protocol_type="Https", port=443)],
        target_fqdns=list(permitted),
        source_addresses=sources,
        terminate_tls=False,
    )


def _firewall(site: Site) -> Resource:
    """Return the firewall. It waits for its rules: while it is made, its policy does not change."""
    network = "hub" if site.environment.network.hub else "network"
    leaves = AzureFirewallIPConfigurationPropertiesFormat(
        subnet=SubResource(id=f"{reference(network)}/subnets/AzureFirewallSubnet"),
        public_ip_address=SubResource(id=reference("egress-address")),
    )
    firewall = AzureFirewall(
        location=site.location,
        tags=site.tags,
        properties=AzureFirewallPropertiesFormat(
            sku=AzureFirewallSku(name="AZFW_VNet", tier="Standard"),
            ip_configurations=[AzureFirewallIPConfiguration(name="egress", properties=leaves)],
            firewall_policy=SubResource(id=reference("firewall-policy")),
        ),
    )
    return Resource(
        "firewall",
        "edge",
        site.in_network("Microsoft.Network/azureFirewalls", "egress"),
        API_VERSION,
        wire(firewall),
        needs=("firewall-policy/rules",),
        seconds=600,
        cost="Azure Firewall Standard, by the hour and the GB",
        fixed=_LOCATION | {"properties.sku.name"},
    )


def _gateway(site: Site) -> Resource:
    gateway = NatGateway(
        location=site.location,
        tags=site.tags,
        sku=NatGatewaySku(name="Standard"),
        properties=NatGatewayPropertiesFormat(public_ip_addresses=[SubResource(id=reference("egress-address"))]),
    )
    return Resource(
        "nat",
        "edge",
        site.in_network("Microsoft.Network/natGateways", "egress"),
        API_VERSION,
        wire(gateway),
        seconds=20,
        cost="NAT gateway, by the hour and the GB",
        fixed=_LOCATION | {"sku"},
    )
