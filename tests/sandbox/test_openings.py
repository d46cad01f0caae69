"""What a document says of who may come, as Azure documents it: absent, null, in any case, and superseded."""

from __future__ import annotations

from typing import Any

import pytest

from lockdown.sandbox.openings import guards, network, nodes, openings, services

GROUP = "/subscriptions/s/resourceGroups/g/providers"


def document(type_: str, name: str = "x", **properties: Any) -> dict[str, Any]:
    namespace, *types = type_.split("/")
    names = name.split("/")
    path = "/".join(f"{kind}/{one}" for kind, one in zip(types, names, strict=True))
    return {"id": f"{GROUP}/{namespace}/{path}", "name": names[-1], "type": type_, "properties": properties}


def found(*documents: dict[str, Any]) -> set[tuple[str, str]]:
    """What accepts public traffic: the last segment of each id, and why."""
    return {(one.resource_id.rpartition("/")[2], one.why) for one in openings(documents) if not one.bypass}


def why(type_: str, **properties: Any) -> set[str]:
    return {reason for _, reason in found(document(type_, **properties))}


def passed(type_: str, **properties: Any) -> bool:
    return any(one.bypass for one in openings([document(type_, **properties)]))


STORAGE = "Microsoft.Storage/storageAccounts"
VAULT = "Microsoft.KeyVault/vaults"
REGISTRY = "Microsoft.ContainerRegistry/registries"
BATCH = "Microsoft.Batch/batchAccounts"
COSMOS = "Microsoft.DocumentDB/databaseAccounts"
POSTGRES = "Microsoft.DBforPostgreSQL/flexibleServers"
WORKSPACE = "Microsoft.OperationalInsights/workspaces"
CLUSTER = "Microsoft.ContainerService/managedClusters"
ADDRESS = "Microsoft.Network/publicIPAddresses"
CARD = "Microsoft.Network/networkInterfaces"
GUARD = "Microsoft.Network/networkSecurityGroups"
NETWORK = "Microsoft.Network/virtualNetworks"
DENY, RULE = {"defaultAction": "Deny"}, [{"value": "198.51.100.7"}]


@pytest.mark.parametrize(
    ("type_", "rules"), [(STORAGE, "networkAcls"), (VAULT, "networkAcls"), (REGISTRY, "networkRuleSet")]
)
def test_a_service_with_a_firewall(type_: str, rules: str) -> None:
    assert why(type_) == {services.OPEN}
    assert why(type_, publicNetworkAccess=None, **{rules: None}) == {services.OPEN}
    assert why(type_, publicNetworkAccess="Enabled", **{rules: {"defaultAction": "Allow"}}) == {services.OPEN}
    assert why(type_, publicNetworkAccess="Enabled", **{rules: {}}) == {services.OPEN}
    assert why(type_, publicNetworkAccess="Enabled", **{rules: {**DENY, "ipRules": RULE}}) == {services.SELECTED}
    assert why(type_, publicNetworkAccess="SecuredByPerimeter", **{rules: DENY}) == {services.PERIMETER}
    assert why(type_, publicNetworkAccess="enabled", **{rules: {"defaultAction": "deny", "ipRules": []}}) == set()
    assert why(type_, **{rules: DENY}) == set()
    assert why(type_, publicNetworkAccess="DISABLED", **{rules: {"ipRules": RULE}}) == set()


@pytest.mark.parametrize(("mode", "closed"), [("Enforced", True), ("Learning", False), (None, False)])
def test_a_perimeter_counts_when_it_enforces(mode: str | None, closed: bool) -> None:
    account = document(STORAGE, publicNetworkAccess="SecuredByPerimeter")
    association = document(
        "Microsoft.Network/networkSecurityPerimeters/resourceAssociations",
        "p/a",
        privateLinkResource={"id": account["id"].upper()},
        accessMode=mode,
    )
    assert (found(account, association) == set()) is closed


def test_anonymous_reading_of_blobs() -> None:
    container = document(f"{STORAGE}/blobServices/containers", "x/default/inputs", publicAccess="Blob")
    shared = document(STORAGE, allowBlobPublicAccess=True)
    both = {("x", services.OPEN), ("x", services.ANONYMOUS)}
    assert found(shared) == both
    assert found(shared, container) == {*both, ("inputs", services.ANONYMOUS)}
    assert found(document(STORAGE), container) == {("x", services.OPEN)}
    assert found(document(STORAGE, publicNetworkAccess="Disabled", allowBlobPublicAccess=True), container) == set()
    private = document(f"{STORAGE}/blobServices/containers", "x/default/inputs", publicAccess="None")
    assert found(shared, private) == both


def test_both_endpoints_of_a_batch_account() -> None:
    assert why(BATCH) == {services.OPEN}
    assert why(BATCH, publicNetworkAccess="Disabled") == set()
    one = {"accountAccess": DENY}
    assert why(BATCH, publicNetworkAccess="Enabled", networkProfile=one) == {services.OPEN}
    assert why(BATCH, networkProfile={**one, "nodeManagementAccess": DENY}) == set()
    assert why(BATCH, networkProfile={**one, "nodeManagementAccess": {**DENY, "ipRules": RULE}}) == {services.SELECTED}


def test_a_cosmos_account() -> None:
    assert why(COSMOS) == {services.OPEN}
    assert why(COSMOS, isVirtualNetworkFilterEnabled=True) == set()
    assert why(COSMOS, isVirtualNetworkFilterEnabled=True, ipRules=[{"ipAddressOrRange": "198.51.100.7"}]) == {
        services.SELECTED
    }
    assert why(COSMOS, publicNetworkAccess="Disabled") == set()


@pytest.mark.parametrize("type_", [POSTGRES, "Microsoft.DBforMySQL/flexibleServers"])
def test_a_database_server_and_its_firewall(type_: str) -> None:
    rule = document(f"{type_}/firewallRules", "x/all", startIpAddress="198.51.100.0")
    both = {("x", services.SERVER), ("all", services.FIREWALL_RULE)}
    assert found(document(type_), rule) == both
    assert found(document(type_, network={"publicNetworkAccess": "Enabled"}), rule) == both
    assert found(document(type_, network={"publicNetworkAccess": "Disabled"}), rule) == set()
    inside = {"delegatedSubnetResourceId": "/s", "publicNetworkAccess": "Enabled"}
    assert found(document(type_, network=inside), rule) == set()


@pytest.mark.parametrize("type_", [WORKSPACE, "microsoft.insights/components"])
def test_telemetry_and_queries(type_: str) -> None:
    assert why(type_) == {services.INGESTION, services.QUERY}
    assert why(type_, publicNetworkAccessForIngestion="Disabled") == {services.QUERY}
    assert why(type_, PublicNetworkAccessForQuery="disabled") == {services.INGESTION}
    assert why(type_, publicNetworkAccessForIngestion="Disabled", publicNetworkAccessForQuery="Disabled") == set()


def test_other_types() -> None:
    assert why("Microsoft.Insights/dataCollectionEndpoints") == {services.INGESTION}
    assert why("Microsoft.Insights/dataCollectionEndpoints", networkAcls={"publicNetworkAccess": "Disabled"}) == set()
    assert why("Microsoft.RecoveryServices/vaults") == {services.SERVER}
    assert why("Microsoft.Made/up") == set()
    assert why("Microsoft.Made/up", publicNetworkAccess="Enabled") == {services.OPEN}
    disk = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
    assert why("Microsoft.Compute/disks", diskState="Reserved", **disk) == set()
    assert why("Microsoft.Compute/disks", diskState="ActiveSAS", **disk) == {services.EXPORT}
    assert why("Microsoft.Compute/disks", diskState="ActiveSAS", networkAccessPolicy="DenyAll") == set()


def test_a_cluster_and_its_nodes() -> None:
    private = {"enablePrivateCluster": True}
    assert why(CLUSTER) == {nodes.API}
    assert why(CLUSTER, apiServerAccessProfile={"authorizedIPRanges": ["198.51.100.7/32"]}) == {nodes.API}
    assert why(CLUSTER, apiServerAccessProfile=private) == set()
    pools = [{"name": "a"}, {"name": "b", "enableNodePublicIP": True}]
    assert why(CLUSTER, apiServerAccessProfile=private, agentPoolProfiles=pools) == {nodes.NODES}
    assert passed(CLUSTER, apiServerAccessProfile=private)
    assert not passed(CLUSTER, apiServerAccessProfile={**private, "disableRunCommand": True})


def test_a_pool_of_batch() -> None:
    pool = f"{BATCH}/pools"
    none = {"publicIPAddressConfiguration": {"provision": "NoPublicIPAddresses"}}
    assert found(document(pool, "x/p", networkConfiguration=none)) == set()
    assert found(document(pool, "x/p")) == {("p", nodes.NODES)}
    assert found(document(pool, "x/p", networkConfiguration={"subnetId": "/s"})) == {("p", nodes.NODES)}


@pytest.mark.parametrize(
    ("type_", "passing", "strict"),
    [
        (STORAGE, {"networkAcls": {"bypass": "Logging, AzureServices"}}, {"networkAcls": {"bypass": "None"}}),
        (VAULT, {"networkAcls": {"bypass": "AzureServices"}}, {"networkAcls": {"bypass": "None"}}),
        (REGISTRY, {"networkRuleBypassOptions": "AzureServices"}, {"networkRuleBypassOptions": "None"}),
    ],
)
def test_services_of_azure_that_pass_are_told_apart(
    type_: str, passing: dict[str, Any], strict: dict[str, Any]
) -> None:
    assert passed(type_, publicNetworkAccess="Disabled")
    assert passed(type_, publicNetworkAccess="Disabled", **passing)
    assert why(type_, publicNetworkAccess="Disabled", **passing) == set()
    assert not passed(type_, publicNetworkAccess="Disabled", **strict)


def test_a_subnet_has_a_way_out_unless_it_is_denied() -> None:
    subnets = [
        {"name": "silent", "properties": {}},
        {"name": "null", "properties": {"defaultOutboundAccess": None}},
        {"name": "on", "properties": {"defaultOutboundAccess": True}},
        {"name": "off", "properties": {"defaultOutboundAccess": False}},
    ]
    wanted = {(name, network.OUTBOUND) for name in ("silent", "null", "on")}
    assert found(document(NETWORK, subnets=subnets)) == wanted


def address(holder: str, configurations: str = "ipConfigurations") -> dict[str, Any]:
    return document(ADDRESS, "ip", ipConfiguration={"id": f"{GROUP}/{holder}/{configurations}/one"})


def card(guard: str = "", subnet: str = "") -> dict[str, Any]:
    where = f"{GROUP}/{CARD}/card/ipConfigurations/one"
    one = {"id": where, "name": "one", "properties": {"subnet": {"id": f"{GROUP}/{NETWORK}/net/subnets/{subnet}"}}}
    held = {"networkSecurityGroup": {"id": f"{GROUP}/{GUARD}/{guard}"}} if guard else {}
    return document(CARD, "card", ipConfigurations=[one], **held)


def rule(access: str = "Allow", source: str | None = "*", **properties: Any) -> dict[str, Any]:
    given = {"access": access, "sourceAddressPrefix": source, "protocol": "*", "direction": "Inbound"}
    ports = {"destinationPortRange": "*", "destinationAddressPrefix": "*", "sourcePortRange": "*", "priority": 200}
    return {"name": "r", "properties": {**ports, **given, **properties}}


def test_an_address_counts_by_what_it_leads_to() -> None:
    assert found(document(ADDRESS, "ip")) == set()
    assert found(document(ADDRESS, "ip", natGateway={"id": "/n"})) == set()
    assert found(address(f"{CARD}/card"), card()) == {("ip", network.INTERFACE)}
    assert found(address("Microsoft.Network/bastionHosts/b")) == {("ip", network.GATEWAY)}
    assert found(address("Microsoft.Made/up/x")) == {("ip", network.UNKNOWN)}


def test_an_address_of_a_firewall_leads_in_by_translation_alone() -> None:
    ip = address("Microsoft.Network/azureFirewalls/fw", "azureFirewallIpConfigurations")
    policy = {"id": f"{GROUP}/Microsoft.Network/firewallPolicies/child"}
    base = document("Microsoft.Network/firewallPolicies", "base")
    child = document("Microsoft.Network/firewallPolicies", "child", basePolicy={"id": base["id"]})
    rules = "Microsoft.Network/firewallPolicies/ruleCollectionGroups"
    allow = document(rules, "child/r", ruleCollections=[{"action": {"type": "Allow"}}])
    translate = document(rules, "base/r", ruleCollections=[{"action": {"type": "DNAT"}}])
    firewall = document("Microsoft.Network/azureFirewalls", "fw", firewallPolicy=policy)
    assert found(ip, firewall, base, child, allow) == set()
    assert found(ip, firewall, base, child, allow, translate) == {("ip", network.TRANSLATED)}
    classic = document("Microsoft.Network/azureFirewalls", "fw", natRuleCollections=[{"name": "in"}])
    assert found(ip, classic) == {("ip", network.TRANSLATED)}
    policy["id"] = child["properties"]["basePolicy"]["id"] = child["id"]
    assert found(ip, firewall, child), "a chain of policies that ends nowhere is not trusted"


def test_a_load_balancer_lets_in_by_its_rules() -> None:
    balancer = "Microsoft.Network/loadBalancers"
    front = {"id": f"{GROUP}/{balancer}/lb/frontendIPConfigurations/one"}
    ip = address(f"{balancer}/lb", "frontendIPConfigurations")
    silent = document(ADDRESS, "ip")
    public = [{"name": "one", "properties": {"publicIPAddress": {"id": silent["id"].upper()}}}]
    out = document(balancer, "lb", frontendIPConfigurations=public, outboundRules=[{"properties": {}}])
    inward = document(
        balancer,
        "lb",
        frontendIPConfigurations=public,
        loadBalancingRules=[{"properties": {"frontendIPConfiguration": front}}],
    )
    assert found(ip, out) == found(silent, out) == set()
    assert found(ip, inward) == found(silent, inward) == {("ip", network.BALANCED)}
    prefixed = [{"name": "one", "properties": {"publicIPPrefix": {"id": "/p"}}}]
    inward["properties"]["frontendIPConfigurations"] = prefixed
    assert found(inward) == {("lb", network.BALANCED)}


def test_an_address_per_instance() -> None:
    public = {"publicIPAddressConfiguration": {"name": "node"}}
    configured: dict[str, Any] = {"properties": {"ipConfigurations": [{"properties": public}]}}
    profile = {"networkProfile": {"networkInterfaceConfigurations": [configured]}}
    sets = "Microsoft.Compute/virtualMachineScaleSets"
    assert why(sets, virtualMachineProfile=profile) == {network.INSTANCES}
    public.clear()
    assert why(sets, virtualMachineProfile=profile) == set()
    assert why(sets) == set()


@pytest.mark.parametrize(
    ("rules", "admitted"),
    [
        ([], False),
        ([rule()], True),
        ([rule(source="Internet")], True),
        ([rule(source="198.51.100.7/32")], True),
        ([rule(source="AzureCloud.westeurope")], True),
        ([rule(source=None, sourceAddressPrefixes=["10.0.0.0/8", "198.51.100.7"])], True),
        ([rule(source="10.0.0.0/8")], False),
        ([rule(source="VirtualNetwork")], False),
        ([rule(source="GatewayManager")], False),
        ([rule(direction="Outbound")], False),
        ([rule("Deny", priority=100), rule()], False),
        ([rule("Deny", priority=300), rule()], True),
        ([rule("Deny", priority=100, destinationPortRange="80"), rule()], True),
        ([rule("Deny", priority=100, protocol="Tcp"), rule()], True),
        ([rule("deny", "Internet", priority=100), rule(protocol="Tcp", destinationPortRange="22")], False),
        ([rule("Deny", "10.0.0.0/8", priority=100), rule()], True),
    ],
)
def test_what_a_security_group_admits(rules: list[dict[str, Any]], admitted: bool) -> None:
    assert guards.lets_the_internet_in([document(GUARD, securityRules=rules)]) is admitted


def test_every_security_group_on_the_way_must_admit() -> None:
    guard = {"networkSecurityGroup": {"id": f"{GROUP}/{GUARD}/closed"}}
    subnets = [
        {"id": f"{GROUP}/{NETWORK}/net/subnets/{name}", "name": name, "properties": properties}
        for name, properties in (("free", {}), ("held", guard))
    ]
    around = document(NETWORK, "net", subnets=subnets)
    opened = document(GUARD, "opened", securityRules=[rule()])
    closed = document(GUARD, "closed", securityRules=[rule("Deny", priority=100), rule()])
    ip, admitted = address(f"{CARD}/card"), ("ip", network.ADMITTED)
    assert admitted in found(ip, card("opened", "free"), around, opened, closed)
    assert admitted not in found(ip, card("opened", "held"), around, opened, closed)
    assert admitted not in found(ip, card("closed", "free"), around, opened, closed)
    assert admitted not in found(ip, card("", "free"), around)
