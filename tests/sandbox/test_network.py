"""Virtual networks, security groups, public addresses and interfaces, and what ties them together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.arm_client import ArmClient, error

NETWORK = "providers/Microsoft.Network"


def test_subnets_are_in_their_network_and_resources_of_their_own(arm: ArmClient, group: str) -> None:
    net = arm.network(group, one="10.0.0.0/24")
    path = f"{net['id']}/subnets/two"
    created = arm.call("PUT", path, {"properties": {"addressPrefix": "10.0.1.0/24"}})
    assert created.status_code == 201
    assert created.json()["properties"]["privateEndpointNetworkPolicies"] == "Disabled"
    whole = arm.call("GET", net["id"]).json()
    assert [found["name"] for found in whole["properties"]["subnets"]] == ["one", "two"]
    assert arm.call("GET", path.upper().replace("/SUBSCRIPTIONS", "/subscriptions")).json() == created.json()
    assert whole["properties"]["subnets"][1] == created.json()
    listed = arm.call("GET", f"{net['id']}/subnets").json()["value"]
    assert [found["name"] for found in listed] == ["one", "two"]
    assert error(arm.call("GET", f"{net['id']}/subnets/three")) == (404, "ResourceNotFound")
    assert arm.call("DELETE", path).status_code == 200
    assert [found["name"] for found in arm.call("GET", f"{net['id']}/subnets").json()["value"]] == ["one"]
    assert arm.call("DELETE", path).status_code == 204


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({}, "InvalidRequestContent"),
        ({"addressSpace": {"addressPrefixes": ["10.0.0.1/16"]}}, "InvalidAddressPrefixFormat"),
        ({"addressSpace": {"addressPrefixes": ["x"]}}, "InvalidAddressPrefixFormat"),
        ({"adressSpace": {}}, "InvalidRequestContent"),
        ({"addressSpace": {"addressPrefix": "10.0.0.0/8"}}, "InvalidRequestContent"),
    ],
)
def test_a_network_that_cannot_be(arm: ArmClient, group: str, properties: dict[str, Any], code: str) -> None:
    path = f"{group}/{NETWORK}/virtualNetworks/net"
    assert error(arm.call("PUT", path, {"location": "westeurope", "properties": properties})) == (400, code)


@pytest.mark.parametrize(
    ("subnets", "code"),
    [
        ([("a", "10.1.0.0/24")], "NetcfgInvalidSubnet"),
        ([("a", "10.0.0.0/8")], "NetcfgInvalidSubnet"),
        ([("a", "fd00::/64")], "NetcfgInvalidSubnet"),
        ([("a", "10.0.0.0/24"), ("b", "10.0.0.128/25")], "NetcfgSubnetRangesOverlap"),
        ([("a", "10.0.0.0/24"), ("A", "10.0.1.0/24")], "InvalidRequestFormat"),
        ([("", "10.0.0.0/24")], "InvalidRequestFormat"),
        ([("a", None)], "InvalidRequestFormat"),
    ],
)
def test_subnets_that_cannot_be(arm: ArmClient, group: str, subnets: list[tuple[str, str | None]], code: str) -> None:
    inline = [{"name": name, "properties": {"addressPrefix": prefix} if prefix else {}} for name, prefix in subnets]
    properties = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": inline}
    body = {"location": "westeurope", "properties": properties}
    assert error(arm.call("PUT", f"{group}/{NETWORK}/virtualNetworks/net", body)) == (400, code)


def test_the_location_is_needed_and_must_be_one(arm: ArmClient, group: str) -> None:
    path = f"{group}/{NETWORK}/networkSecurityGroups/nsg"
    assert error(arm.call("PUT", path, {})) == (400, "LocationRequired")
    assert error(arm.call("PUT", path, {"location": "mars"})) == (400, "LocationNotAvailableForResourceType")


def test_a_network_is_patched_in_its_tags_alone(arm: ArmClient, group: str) -> None:
    net = arm.network(group, one="10.0.0.0/24")
    patched = arm.call("PATCH", net["id"], {"tags": {"a": "b"}}).json()
    assert patched["tags"] == {"a": "b"}
    assert patched["properties"] == {**net["properties"], "subnets": patched["properties"]["subnets"]}
    assert error(arm.call("PATCH", net["id"], {"properties": {"enableDdosProtection": True}}))[0] == 400


def test_security_rules_are_checked(arm: ArmClient, group: str) -> None:
    path = f"{group}/{NETWORK}/networkSecurityGroups/nsg"
    rule = {
        "protocol": "tcp",
        "access": "allow",
        "direction": "inbound",
        "priority": 100,
        "sourcePortRange": "*",
        "destinationPortRange": "22",
        "sourceAddressPrefix": "10.0.0.0/8",
        "destinationAddressPrefix": "*",
    }
    nsg = arm.made(path, {"securityRules": [{"name": "ssh", "properties": rule}]})
    (made,) = nsg["properties"]["securityRules"]
    assert (made["properties"]["protocol"], made["properties"]["access"]) == ("Tcp", "Allow")
    assert len(nsg["properties"]["defaultSecurityRules"]) == 6

    def refused(name: str, **changed: Any) -> tuple[int, str]:
        return error(arm.call("PUT", f"{path}/securityRules/{name}", {"properties": rule | changed}))

    assert refused("other") == (400, "SecurityRuleConflict")
    assert refused("other", priority=99) == (400, "SecurityRuleInvalidPriority")
    assert refused("other", access="Maybe") == (400, "InvalidRequestContent")
    assert refused("other", direction=None) == (400, "SecurityRuleInvalidParameter")
    assert refused("other", sourceAddressPrefix=None) == (400, "SecurityRuleInvalidParameter")
    assert refused("other", sourceAddressPrefix="10.0.0.1/8") == (400, "SecurityRuleInvalidAddressPrefix")
    assert refused("other", destinationPortRange="22-21") == (400, "SecurityRuleInvalidPortRange")
    assert arm.call("PUT", f"{path}/securityRules/other", {"properties": rule | {"priority": 101}}).status_code == 201


def interface(arm: ArmClient, group: str, subnet: str, name: str = "nic", **more: Any) -> dict[str, Any]:
    configuration = {"name": "ipconfig1", "properties": {"subnet": {"id": subnet}, **more}}
    return arm.made(f"{group}/{NETWORK}/networkInterfaces/{name}", {"ipConfigurations": [configuration]})


def test_an_interface_gets_an_address_and_everybody_shows_it(arm: ArmClient, group: str) -> None:
    net = arm.network(group, one="10.0.0.0/29")
    subnet = net["properties"]["subnets"][0]["id"]
    address = arm.made(f"{group}/{NETWORK}/publicIPAddresses/ip", {}, sku={"name": "Standard"})
    assert address["properties"]["publicIPAllocationMethod"] == "Static"
    first = interface(arm, group, subnet, publicIPAddress={"id": address["id"]})
    (configuration,) = first["properties"]["ipConfigurations"]
    assert configuration["properties"]["privateIPAddress"] == "10.0.0.4"
    holder = {"id": configuration["id"]}
    assert arm.call("GET", address["id"]).json()["properties"]["ipConfiguration"] == holder
    assert arm.call("GET", subnet).json()["properties"]["ipConfigurations"] == [holder]
    second = interface(arm, group, subnet, "nic2")
    assert second["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] == "10.0.0.5"
    interface(arm, group, subnet, "nic3")
    body = {
        "location": "westeurope",
        "properties": {"ipConfigurations": [{"name": "c", "properties": {"subnet": {"id": subnet}}}]},
    }
    assert error(arm.call("PUT", f"{group}/{NETWORK}/networkInterfaces/nic4", body)) == (400, "SubnetIsFull")


def test_what_is_in_use_stays(arm: ArmClient, group: str) -> None:
    nsg = arm.made(f"{group}/{NETWORK}/networkSecurityGroups/nsg", {})
    net = arm.network(group, one="10.0.0.0/24")
    subnet = f"{net['id']}/subnets/one"
    properties = {"addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": nsg["id"]}}
    arm.call("PUT", subnet, {"properties": properties}).raise_for_status()
    address = arm.made(f"{group}/{NETWORK}/publicIPAddresses/ip", {})
    nic = interface(arm, group, subnet, publicIPAddress={"id": address["id"]})
    assert error(arm.call("DELETE", subnet)) == (400, "InUseSubnetCannotBeDeleted")
    assert error(arm.call("DELETE", net["id"])) == (400, "InUseSubnetCannotBeDeleted")
    assert error(arm.call("DELETE", address["id"])) == (400, "PublicIPAddressCannotBeDeleted")
    assert error(arm.call("DELETE", nsg["id"])) == (400, "InUseNetworkSecurityGroupCannotBeDeleted")
    without = {
        "location": "westeurope",
        "properties": {"addressSpace": net["properties"]["addressSpace"], "subnets": []},
    }
    assert error(arm.call("PUT", net["id"], without)) == (400, "InUseSubnetCannotBeDeleted")
    assert arm.call("DELETE", nic["id"]).status_code == 200
    assert "ipConfiguration" not in arm.call("GET", address["id"]).json()["properties"]
    for path in (address["id"], subnet, nsg["id"], net["id"]):
        assert arm.call("DELETE", path).status_code == 200


def test_references_must_exist_and_a_public_address_serves_one(arm: ArmClient, group: str) -> None:
    net = arm.network(group, one="10.0.0.0/24")
    subnet = f"{net['id']}/subnets/one"
    path = f"{group}/{NETWORK}/networkInterfaces/nic"

    def refused(**more: Any) -> tuple[int, str]:
        configuration = {"name": "c", "properties": {"subnet": {"id": subnet}, **more}}
        body = {"location": "westeurope", "properties": {"ipConfigurations": [configuration]}}
        return error(arm.call("PUT", path, body))

    assert refused(subnet={"id": f"{subnet}x"}) == (400, "InvalidResourceReference")
    assert refused(subnet=None) == (400, "InvalidRequestFormat")
    assert refused(publicIPAddress={"id": f"{group}/{NETWORK}/publicIPAddresses/no"}) == (
        400,
        "InvalidResourceReference",
    )
    assert refused(privateIPAllocationMethod="Static") == (400, "PrivateIPAddressNotProvided")
    address = arm.made(f"{group}/{NETWORK}/publicIPAddresses/ip", {})
    interface(arm, group, subnet, "first", publicIPAddress={"id": address["id"]})
    assert refused(publicIPAddress={"id": address["id"]}) == (400, "PublicIPAddressInUse")
    assert arm.call("HEAD", path).status_code == 404


def test_a_whole_network_written_again_keeps_who_is_in_it(arm: ArmClient, group: str) -> None:
    net = arm.network(group, one="10.0.0.0/24")
    subnet = f"{net['id']}/subnets/one"
    nic = interface(arm, group, subnet)
    arm.network(group, one="10.0.0.0/24", two="10.0.1.0/24")
    used = arm.call("GET", subnet).json()["properties"]["ipConfigurations"]
    assert used == [{"id": nic["properties"]["ipConfigurations"][0]["id"]}]
    again = arm.call("PUT", nic["id"], nic).json()
    assert again["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] == "10.0.0.4"


def test_a_standard_address_is_static(arm: ArmClient, group: str) -> None:
    body = {
        "location": "westeurope",
        "sku": {"name": "Standard"},
        "properties": {"publicIPAllocationMethod": "Dynamic"},
    }
    refused = error(arm.call("PUT", f"{group}/{NETWORK}/publicIPAddresses/ip", body))
    assert refused == (400, "PublicIPAddressSkuNotCompatibleWithAllocationMethod")
