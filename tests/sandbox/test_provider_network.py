"""Subnets, peerings, routes, NAT gateways, firewalls, Bastion hosts, flow logs: what they need, what they refuse."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error

NETWORK = "providers/Microsoft.Network"


def put(arm: ArmClient, path: str, properties: dict[str, Any], **members: Any) -> tuple[int, str]:
    """PUT a resource in westeurope; return the status, and the code if it is refused."""
    response = arm.call("PUT", path, {"location": "westeurope", "properties": properties, **members})
    return (response.status_code, "") if response.ok else error(response)


def subnets(**prefixes: str) -> list[dict[str, Any]]:
    return [{"name": name, "properties": {"addressPrefix": prefix}} for name, prefix in prefixes.items()]


def network(arm: ArmClient, group: str, name: str, prefix: str, **ranges: str) -> dict[str, Any]:
    return arm.network(group, name, prefix, **ranges)


def address(arm: ArmClient, group: str, name: str = "ip", sku: str = "Standard") -> str:
    path = f"{group}/{NETWORK}/publicIPAddresses/{name}"
    return str(arm.made(path, {}, sku={"name": sku})["id"])


def interface(arm: ArmClient, group: str, subnet: str, name: str = "nic", **more: Any) -> tuple[int, str]:
    configuration = {"name": "c", "properties": {"subnet": {"id": subnet}, **more}}
    return put(arm, f"{group}/{NETWORK}/networkInterfaces/{name}", {"ipConfigurations": [configuration]})


def test_a_subnet_keeps_the_range_that_is_in_use(arm: ArmClient, group: str) -> None:
    net = network(arm, group, "net", "10.0.0.0/16", one="10.0.0.0/24")
    subnet = f"{net['id']}/subnets/one"
    assert interface(arm, group, subnet) == (201, "")
    assert put(arm, subnet, {"addressPrefix": "10.0.1.0/24"}) == (400, "InUsePrefixCannotBeDeleted")
    assert put(arm, subnet, {"addressPrefixes": ["10.0.0.0/24", "10.0.2.0/24"]}) == (200, "")


def test_a_delegated_subnet_is_its_services_alone(arm: ArmClient, group: str) -> None:
    net = network(arm, group, "net", "10.0.0.0/16", one="10.0.0.0/24", two="10.0.1.0/24")
    one, two = f"{net['id']}/subnets/one", f"{net['id']}/subnets/two"
    delegation = {"name": "d", "properties": {"serviceName": "Microsoft.DBforPostgreSQL/flexibleServers"}}
    body = {"addressPrefix": "10.0.0.0/24", "delegations": [delegation]}
    for _ in range(2):
        assert put(arm, one, body) == (200, "")
        shown = arm.call("GET", one).json()["properties"]["delegations"][0]
        assert shown["properties"]["actions"] == ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    assert interface(arm, group, one) == (400, "NetworkInterfaceCreationNotAllowedAsSubnetIsDelegated")
    account = arm.account(group, f"a{uuid4().hex[:16]}")
    link = {"name": "c", "properties": {"privateLinkServiceId": account["id"], "groupIds": ["blob"]}}
    endpoint = {"subnet": {"id": one}, "privateLinkServiceConnections": [link]}
    path = f"{group}/{NETWORK}/privateEndpoints/pe"
    assert put(arm, path, endpoint) == (400, "PrivateEndpointCreationNotAllowedAsSubnetIsDelegated")
    assert interface(arm, group, two) == (201, "")
    late = {"addressPrefix": "10.0.1.0/24", "delegations": [delegation]}
    assert put(arm, two, late) == (400, "SubnetDelegationsCannotChangeWhenSubnetUsedByResource")
    wrong = {"addressPrefix": "10.0.0.0/24", "delegations": [{"name": "d", "properties": {"serviceName": "x"}}]}
    assert put(arm, one, wrong) == (400, "InvalidServiceNameOnDelegation")


def test_a_static_address_is_one_of_the_subnet_and_free(arm: ArmClient, group: str) -> None:
    subnet = f"{network(arm, group, 'net', '10.0.0.0/16', one='10.0.0.0/24')['id']}/subnets/one"

    def static(text: str, name: str) -> tuple[int, str]:
        return interface(arm, group, subnet, name, privateIPAddress=text, privateIPAllocationMethod="Static")

    assert static("10.0.0.9", "first") == (201, "")
    assert static("10.0.0.9", "first") == (200, "")
    assert static("10.0.0.9", "second") == (400, "PrivateIPAddressIsAllocated")
    assert static("10.0.0.3", "second") == (400, "PrivateIPAddressInReservedRange")
    assert static("10.0.0.255", "second") == (400, "PrivateIPAddressInReservedRange")
    assert static("10.0.1.9", "second") == (400, "PrivateIPAddressNotInSubnet")
    assert static("here", "second") == (400, "PrivateIPAddressNotInSubnet")


def test_what_a_subnet_refers_to_is_in_its_region(arm: ArmClient, group: str) -> None:
    path = f"{group}/{NETWORK}/networkSecurityGroups/far"
    arm.call("PUT", path, {"location": "eastus"}).raise_for_status()
    net = network(arm, group, "net", "10.0.0.0/16")
    body = {"addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": path}}
    assert put(arm, f"{net['id']}/subnets/one", body) == (400, "InvalidResourceReference")


def peering(remote: str, **more: Any) -> dict[str, Any]:
    return {"remoteVirtualNetwork": {"id": remote}, "allowVirtualNetworkAccess": True, **more}


def state(arm: ArmClient, path: str) -> tuple[str, str]:
    properties = arm.call("GET", path).json()["properties"]
    return properties["peeringState"], properties["peeringSyncLevel"]


def test_a_peering_is_connected_once_both_sides_are_there(arm: ArmClient, group: str) -> None:
    hub = network(arm, group, "hub", "10.0.0.0/16")["id"]
    spoke = network(arm, group, "spoke", "10.1.0.0/16")["id"]
    out, back = f"{spoke}/virtualNetworkPeerings/to-hub", f"{hub}/virtualNetworkPeerings/from-spoke"
    assert put(arm, out, peering(hub)) == (201, "")
    assert state(arm, out) == ("Initiated", "RemoteNotInSync")
    shown = arm.call("GET", out).json()["properties"]
    assert shown["remoteAddressSpace"] == {"addressPrefixes": ["10.0.0.0/16"]}
    assert (shown["allowForwardedTraffic"], shown["useRemoteGateways"]) == (False, False)
    assert put(arm, back, peering(spoke)) == (201, "")
    assert state(arm, out) == state(arm, back) == ("Connected", "FullyInSync")
    assert put(arm, f"{spoke}/subnets/late", {"addressPrefix": "10.1.0.0/24"}) == (201, "")
    assert state(arm, out) == ("Connected", "FullyInSync")
    arm.call("DELETE", back).raise_for_status()
    assert state(arm, out)[0] == "Disconnected"
    assert put(arm, back, peering(spoke)) == (400, "RemotePeeringIsDisconnected")
    assert put(arm, out, peering(hub)) == (200, "")
    assert put(arm, back, peering(spoke)) == (201, "")
    assert state(arm, out) == state(arm, back) == ("Connected", "FullyInSync")
    arm.call("DELETE", hub).raise_for_status()
    assert state(arm, out)[0] == "Disconnected"


def test_a_peering_that_cannot_be(arm: ArmClient, group: str) -> None:
    hub = network(arm, group, "hub", "10.0.0.0/16")["id"]
    same = network(arm, group, "same", "10.0.128.0/17")["id"]
    spoke = network(arm, group, "spoke", "10.1.0.0/16")["id"]
    assert put(arm, f"{hub}/virtualNetworkPeerings/p", peering(same)) == (400, "VnetAddressSpacesOverlap")
    assert put(arm, f"{hub}/virtualNetworkPeerings/p", peering(f"{hub}x")) == (400, "InvalidResourceReference")
    assert put(arm, f"{hub}/virtualNetworkPeerings/p", {}) == (400, "InvalidRequestFormat")
    assert put(arm, f"{hub}/virtualNetworkPeerings/p", peering(spoke)) == (201, "")
    again = put(arm, f"{hub}/virtualNetworkPeerings/q", peering(spoke))
    assert again == (400, "AnotherPeeringAlreadyReferencesRemoteVnet")
    moved = put(arm, f"{hub}/virtualNetworkPeerings/p", peering(same))
    assert moved == (400, "ChangingRemoteVirtualNetworkNotAllowed")


def test_routes_are_checked_and_their_table_is_held(arm: ArmClient, group: str) -> None:
    path = f"{group}/{NETWORK}/routeTables/routes"

    def route(prefix: str = "0.0.0.0/0", hop: str = "VirtualAppliance", **more: Any) -> tuple[int, str]:
        properties = {"addressPrefix": prefix, "nextHopType": hop, **more}
        return put(arm, path, {"routes": [{"name": "r", "properties": properties}]})

    assert route() == (400, "NextHopIpAddressCannotBeNullOrEmptyInRoute")
    assert route(hop="Internet", nextHopIpAddress="10.0.0.4") == (400, "NextHopIpAddressNotAllowedInRoute")
    assert route(prefix="10.0.0.1/8", nextHopIpAddress="10.0.0.4") == (400, "InvalidAddressPrefixFormat")
    assert route(hop="Nowhere") == (400, "InvalidRequestContent")
    assert route(prefix="AzureActiveDirectory", hop="internet") == (201, "")
    assert route(nextHopIpAddress="10.0.8.4") == (200, "")
    twice = {"addressPrefix": "0.0.0.0/0", "nextHopType": "Internet"}
    assert put(arm, f"{path}/routes/other", twice) == (400, "RouteConflict")
    net = network(arm, group, "net", "10.0.0.0/16")
    subnet = f"{net['id']}/subnets/one"
    body = {"addressPrefix": "10.0.0.0/24", "routeTable": {"id": path}}
    assert put(arm, subnet, body) == (201, "")
    assert arm.call("GET", path).json()["properties"]["subnets"] == [{"id": subnet}]
    assert error(arm.call("DELETE", path)) == (400, "InUseRouteTableCannotBeDeleted")
    bastion = f"{net['id']}/subnets/AzureBastionSubnet"
    refused = put(arm, bastion, {"addressPrefix": "10.0.9.0/26", "routeTable": {"id": path}})
    assert refused == (400, "RouteTableCannotBeAttachedForAzureBastionSubnet")
    arm.call("DELETE", subnet).raise_for_status()
    assert arm.call("DELETE", path).status_code == 200


def test_a_nat_gateway_shows_its_subnets_and_takes_its_address(arm: ArmClient, group: str) -> None:
    public = address(arm, group)
    basic = address(arm, group, "basic", "Basic")
    path = f"{group}/{NETWORK}/natGateways/nat"
    refused = put(arm, path, {"publicIpAddresses": [{"id": basic}]}, sku={"name": "Standard"})
    assert refused == (400, "NatGatewayCannotUseBasicPublicIp")
    assert put(arm, path, {"publicIpAddresses": [{"id": public}]}, sku={"name": "Standard"}) == (201, "")
    assert arm.call("GET", public).json()["properties"]["natGateway"] == {"id": path}
    assert error(arm.call("DELETE", public)) == (400, "PublicIPAddressCannotBeDeleted")
    other = put(arm, f"{group}/{NETWORK}/natGateways/other", {"publicIpAddresses": [{"id": public}]})
    assert other == (400, "PublicIPAddressInUse")
    net = network(arm, group, "net", "10.0.0.0/16")
    subnet = f"{net['id']}/subnets/one"
    assert put(arm, subnet, {"addressPrefix": "10.0.0.0/24", "natGateway": {"id": path}}) == (201, "")
    assert arm.call("GET", path).json()["properties"]["subnets"] == [{"id": subnet}]
    assert error(arm.call("DELETE", path)) == (400, "InUseNatGatewayCannotBeDeleted")


def firewall(subnet: str, public: str, **more: Any) -> dict[str, Any]:
    values = {"subnet": {"id": subnet}, "publicIPAddress": {"id": public}}
    return {"ipConfigurations": [{"name": "egress", "properties": values}], **more}


def test_a_firewall_and_its_policy(arm: ArmClient, group: str) -> None:
    net = network(arm, group, "net", "10.0.0.0/16", one="10.0.0.0/24", AzureFirewallSubnet="10.0.8.0/26")
    subnet, public = f"{net['id']}/subnets/AzureFirewallSubnet", address(arm, group)
    policy = f"{group}/{NETWORK}/firewallPolicies/policy"
    assert put(arm, policy, {"sku": {"tier": "Standard"}, "threatIntelMode": "Deny"}) == (201, "")
    path = f"{group}/{NETWORK}/azureFirewalls/egress"
    with_policy = {"firewallPolicy": {"id": policy}}
    wrong = put(arm, path, firewall(f"{net['id']}/subnets/one", public))
    assert wrong == (400, "SubnetNameMustBeAzureFirewallSubnet")
    assert put(arm, path, firewall(subnet, f"{public}x")) == (400, "InvalidResourceReference")
    assert put(arm, path, firewall(subnet, address(arm, group, "basic", "Basic"))) == (
        400,
        "PublicIPAddressSkuNotSupported",
    )
    assert put(arm, path, firewall(subnet, public, **with_policy)) == (201, "")
    shown = arm.call("GET", path).json()["properties"]
    (configuration,) = shown["ipConfigurations"]
    assert configuration["properties"]["privateIPAddress"] == "10.0.8.4"
    assert shown["sku"] == {"name": "AZFW_VNet", "tier": "Standard"}
    assert arm.call("GET", public).json()["properties"]["ipConfiguration"] == {"id": configuration["id"]}
    assert arm.call("GET", policy).json()["properties"]["firewalls"] == [{"id": path}]
    assert error(arm.call("DELETE", policy)) == (400, "FirewallPolicyInUse")
    assert error(arm.call("DELETE", subnet)) == (400, "InUseSubnetCannotBeDeleted")
    second = put(arm, f"{group}/{NETWORK}/azureFirewalls/second", firewall(subnet, address(arm, group, "ip2")))
    assert second == (400, "AzureFirewallSubnetInUse")
    assert interface(arm, group, subnet) == (400, "ReservedSubnetName")
    arm.call("DELETE", path).raise_for_status()
    assert arm.call("DELETE", policy).status_code == 200
    assert arm.call("DELETE", public).status_code == 200


def test_a_firewall_needs_a_subnet_of_enough_addresses_and_a_policy_of_its_tier(arm: ArmClient, group: str) -> None:
    net = network(arm, group, "net", "10.0.0.0/16", AzureFirewallSubnet="10.0.8.0/27")
    body = firewall(f"{net['id']}/subnets/AzureFirewallSubnet", address(arm, group))
    path = f"{group}/{NETWORK}/azureFirewalls/egress"
    assert put(arm, path, body) == (400, "AzureFirewallSubnetTooSmall")
    policy = f"{group}/{NETWORK}/firewallPolicies/policy"
    assert put(arm, policy, {"sku": {"tier": "Premium"}}) == (201, "")
    assert put(arm, policy, {"sku": {"tier": "Standard"}}) == (400, "FirewallPolicySkuCannotBeDowngraded")
    assert put(arm, path, {**body, "firewallPolicy": {"id": policy}}) == (400, "AzureFirewallPolicyTierMismatch")


RULE = {
    "ruleType": "ApplicationRule",
    "name": "https",
    "protocols": [{"protocolType": "Https", "port": 443}],
    "targetFqdns": ["mcr.microsoft.com"],
    "sourceAddresses": ["10.0.0.0/24"],
}


def collection(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    one = {
        "ruleCollectionType": "FirewallPolicyFilterRuleCollection",
        "name": "hosts",
        "priority": 200,
        "action": {"type": "Allow"},
        "rules": list(rules),
    }
    return {"priority": 200, "ruleCollections": [one | more]}


@pytest.mark.parametrize(
    "body",
    [
        {"ruleCollections": []},
        {"priority": 99},
        collection(RULE, priority=1),
        collection(RULE, action={"type": "DNAT"}),
        collection(RULE, ruleCollectionType="Other"),
        collection(RULE, name=""),
        collection({**RULE, "targetFqdns": []}),
        collection({**RULE, "sourceAddresses": []}),
        collection({**RULE, "ruleType": "NatRule"}),
        collection({**RULE, "fqdn": "x"}),
    ],
)
def test_rules_that_cannot_be(arm: ArmClient, group: str, body: dict[str, Any]) -> None:
    policy = f"{group}/{NETWORK}/firewallPolicies/policy"
    assert put(arm, policy, {}) == (201, "")
    response = arm.call("PUT", f"{policy}/ruleCollectionGroups/g", {"properties": body})
    assert response.status_code == 400, response.text


def test_a_policy_lists_its_groups_of_rules(arm: ArmClient, group: str) -> None:
    policy = f"{group}/{NETWORK}/firewallPolicies/policy"
    assert put(arm, policy, {}) == (201, "")
    path = f"{policy}/ruleCollectionGroups/g"
    made = arm.call("PUT", path, {"properties": collection(RULE)})
    assert made.status_code == 201
    (rule,) = made.json()["properties"]["ruleCollections"][0]["rules"]
    assert (rule["terminateTLS"], rule["sourceIpGroups"], rule["fqdnTags"]) == (False, [], [])
    assert arm.call("GET", policy).json()["properties"]["ruleCollectionGroups"] == [{"id": path}]
    assert put(arm, policy, {"threatIntelMode": "Deny"}) == (200, "")
    assert arm.call("GET", policy).json()["properties"]["ruleCollectionGroups"] == [{"id": path}]
    arm.call("DELETE", policy).raise_for_status()
    assert arm.call("HEAD", path).status_code == 404


def bastion(subnet: str, **more: Any) -> dict[str, Any]:
    return {"ipConfigurations": [{"name": "c", "properties": {"subnet": {"id": subnet}}}], **more}


def rule(name: str, priority: int, direction: str, ports: list[str], **ends: str) -> dict[str, Any]:
    properties = {
        "protocol": "Tcp",
        "access": "Allow",
        "direction": direction,
        "priority": priority,
        "sourcePortRange": "*",
        "destinationPortRanges": ports,
        "sourceAddressPrefix": ends.get("source", "*"),
        "destinationAddressPrefix": ends.get("to", "*"),
    }
    return {"name": name, "properties": properties}


def test_a_private_bastion_host_needs_premium_its_own_subnet_and_its_rules(arm: ArmClient, group: str) -> None:
    net = network(arm, group, "net", "10.0.0.0/16", one="10.0.0.0/24", AzureBastionSubnet="10.0.9.0/26")
    subnet, path = f"{net['id']}/subnets/AzureBastionSubnet", f"{group}/{NETWORK}/bastionHosts/bastion"
    premium, private = {"name": "Premium"}, {"enablePrivateOnlyBastion": True}
    assert put(arm, path, bastion(f"{net['id']}/subnets/one", **private), sku=premium) == (
        400,
        "SubnetNameMustBeAzureBastionSubnet",
    )
    assert put(arm, path, bastion(subnet, **private), sku={"name": "Standard"}) == (400, "BastionHostSkuNotSupported")
    assert put(arm, path, bastion(subnet), sku=premium) == (400, "BastionHostPublicIpMismatch")
    guard = f"{group}/{NETWORK}/networkSecurityGroups/nsg"
    closed = rule("closed", 4000, "Outbound", ["*"], to="Internet")
    closed["properties"]["access"] = "Deny"
    arm.made(guard, {"securityRules": [closed]})
    assert put(arm, subnet, {"addressPrefix": "10.0.9.0/26", "networkSecurityGroup": {"id": guard}}) == (200, "")
    not_compliant = (400, "NetworkSecurityGroupNotCompliantForAzureBastionSubnet")
    assert put(arm, path, bastion(subnet, **private), sku=premium) == not_compliant
    rules = [
        rule("manager", 110, "Inbound", ["443"], source="GatewayManager"),
        rule("machines", 120, "Outbound", ["22", "3389"], to="VirtualNetwork"),
        rule("azure", 130, "Outbound", ["443"], to="AzureCloud"),
    ]
    arm.made(guard, {"securityRules": rules})
    assert put(arm, path, bastion(subnet, **private), sku=premium) == (201, "")
    shown = arm.call("GET", path).json()["properties"]
    assert (shown["enableTunneling"], shown["scaleUnits"]) == (False, 2)
    assert put(arm, path, bastion(subnet), sku=premium)[0] == 400
    assert error(arm.call("DELETE", subnet)) == (400, "InUseSubnetCannotBeDeleted")


def flow_log(net: str, account: str, **more: Any) -> dict[str, Any]:
    return {"targetResourceId": net, "storageId": account, **more}


def test_a_region_has_a_watcher_with_its_first_network_and_a_network_one_flow_log(arm: ArmClient, group: str) -> None:
    net = network(arm, group, "net", "10.0.0.0/16")["id"]
    account = arm.account(group, f"f{uuid4().hex[:16]}")["id"]
    watcher = f"{arm.base}/resourceGroups/NetworkWatcherRG/{NETWORK}/networkWatchers/NetworkWatcher_westeurope"
    assert arm.call("GET", watcher).json()["properties"] == {
        "provisioningState": "Succeeded",
        "runningOperationIds": [],
    }
    assert put(arm, f"{group}/{NETWORK}/networkWatchers/second", {}) == (400, "NetworkWatcherCountLimitReached")
    path = f"{watcher}/flowLogs/log-{uuid4().hex}"
    assert put(arm, path, flow_log(f"{net}x", account)) == (400, "InvalidResourceReference")
    assert put(arm, path, flow_log(net, f"{account}x")) == (400, "InvalidStorageId")
    guard = arm.made(f"{group}/{NETWORK}/networkSecurityGroups/nsg", {})["id"]
    assert put(arm, path, flow_log(guard, account)) == (400, "NsgFlowLogCreationBlocked")
    assert put(arm, path, flow_log(net, account)) == (201, "")
    shown = arm.call("GET", path).json()["properties"]
    assert (shown["enabled"], shown["format"]) == (True, {"type": "JSON", "version": 2})
    assert shown["targetResourceGuid"] == arm.call("GET", net).json()["properties"]["resourceGuid"]
    assert arm.call("GET", net).json()["properties"]["flowLogs"] == [{"id": path}]
    assert put(arm, f"{path}2", flow_log(net, account)) == (400, "FlowLogAlreadyExistsForTarget")
    analytics = {"networkWatcherFlowAnalyticsConfiguration": {"enabled": True, "workspaceResourceId": f"{net}/no"}}
    refused = put(arm, path, flow_log(net, account, flowAnalyticsConfiguration=analytics))
    assert refused == (400, "InvalidTAWorkspaceResourceId")
    arm.call("DELETE", net).raise_for_status()
    assert arm.call("HEAD", path).status_code == 404


def test_a_standard_address_stays_one(arm: ArmClient, group: str) -> None:
    path = address(arm, group)
    assert put(arm, path, {}, sku={"name": "Basic"}) == (400, "PublicIPAddressSkuCannotBeChanged")
    assert put(arm, f"{path}2", {}, sku={"name": "Gold"}) == (400, "InvalidPublicIPSku")


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("routeTables", {"route": []}),
        ("natGateways", {"subnet": []}),
        ("azureFirewalls", {"ipConfiguration": []}),
        ("firewallPolicies", {"threatIntel": "Deny"}),
        ("bastionHosts", {"privateOnly": True}),
        ("networkInterfaces", {"ipConfigurations": [{"name": "c", "properties": {"publicIp": {}}}]}),
        ("virtualNetworks", {"subnets": [{"name": "s", "properties": {"delegation": []}}]}),
    ],
)
def test_what_a_type_does_not_have_is_refused(
    arm: ArmClient, group: str, kind: str, properties: dict[str, Any]
) -> None:
    assert put(arm, f"{group}/{NETWORK}/{kind}/x", properties) == (400, "InvalidRequestContent")


def test_changes_of_one_network_wait_for_each_other() -> None:
    with Sandbox("empty", operation_seconds=60) as sandbox:
        arm = ArmClient(sandbox)
        group = arm.group("rg")
        net = network(arm, group, "net", "10.0.0.0/16")["id"]
        busy = (409, "AnotherOperationInProgress")
        assert put(arm, f"{net}/subnets/one", {"addressPrefix": "10.0.0.0/24"}) == busy
        sandbox.operations.settle(everything=True)
        assert put(arm, f"{net}/subnets/one", {"addressPrefix": "10.0.0.0/24"}) == (201, "")
        assert put(arm, f"{net}/subnets/two", {"addressPrefix": "10.0.1.0/24"}) == busy
        assert put(arm, net, {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}) == busy
        assert error(arm.call("DELETE", net)) == busy
        sandbox.operations.settle(everything=True)
        assert put(arm, f"{net}/subnets/two", {"addressPrefix": "10.0.1.0/24"}) == (201, "")
        sandbox.operations.settle(everything=True)
        policy = f"{group}/{NETWORK}/firewallPolicies/policy"
        assert put(arm, policy, {}) == (201, "")
        rules = f"{policy}/ruleCollectionGroups"
        assert put(arm, f"{rules}/one", collection(RULE)) == busy
        sandbox.operations.settle(everything=True)
        assert put(arm, f"{rules}/one", collection(RULE)) == (201, "")
        assert put(arm, f"{rules}/two", collection(RULE)) == busy
        assert put(arm, policy, {}) == busy
        subnet = {"addressPrefix": "10.0.8.0/26"}
        assert put(arm, f"{net}/subnets/AzureFirewallSubnet", subnet) == (201, "")
        public = arm.call("PUT", f"{group}/{NETWORK}/publicIPAddresses/ip", {"location": "westeurope"}).json()["id"]
        egress = f"{group}/{NETWORK}/azureFirewalls/egress"
        body = firewall(f"{net}/subnets/AzureFirewallSubnet", public, firewallPolicy={"id": policy})
        assert put(arm, egress, body) == busy
        sandbox.operations.settle(everything=True)
        assert put(arm, egress, body) == (201, "")
        assert put(arm, f"{rules}/one", collection(RULE)) == busy
        assert put(arm, policy, {}) == busy
        arm.close()
