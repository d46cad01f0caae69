"""A private endpoint: its interface, its addresses, and the connection on the service."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.sandbox.arm_client import ArmClient, error

NETWORK = "providers/Microsoft.Network"


@pytest.fixture
def account(arm: ArmClient, group: str) -> dict[str, Any]:
    return arm.account(group, f"pe{uuid4().hex[:16]}")


@pytest.fixture
def subnet(arm: ArmClient, group: str) -> str:
    return f"{arm.network(group, one='10.0.0.0/24')['id']}/subnets/one"


def body(subnet: str, service: str, *groups: str, manual: bool = False) -> dict[str, Any]:
    connection = {"name": "c", "properties": {"privateLinkServiceId": service, "groupIds": list(groups)}}
    name = "manualPrivateLinkServiceConnections" if manual else "privateLinkServiceConnections"
    return {"location": "westeurope", "properties": {"subnet": {"id": subnet}, name: [connection]}}


def connections(arm: ArmClient, account: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = arm.call("GET", account["id"]).json()["properties"]["privateEndpointConnections"]
    return found


def test_an_endpoint_from_start_to_end(arm: ArmClient, group: str, subnet: str, account: dict[str, Any]) -> None:
    path = f"{group}/{NETWORK}/privateEndpoints/pe"
    made = arm.call("PUT", path, body(subnet, account["id"], "blob")).json()["properties"]
    state = made["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"]
    assert state["status"] == "Approved"
    (nic_id,) = (found["id"] for found in made["networkInterfaces"])
    nic = arm.call("GET", nic_id).json()["properties"]
    configuration = nic["ipConfigurations"][0]["properties"]
    assert nic["privateEndpoint"] == {"id": path}
    assert configuration["privateLinkConnectionProperties"]["groupId"] == "blob"
    fqdn = f"{account['name']}.blob.core.windows.net"
    assert made["customDnsConfigs"] == [{"fqdn": fqdn, "ipAddresses": [configuration["privateIPAddress"]]}]
    (shown,) = connections(arm, account)
    assert shown["properties"]["privateEndpoint"]["id"].lower() == path.lower()
    assert shown["properties"]["privateEndpoint"]["id"] != path, "services keep the group's name in capitals"
    assert arm.call("GET", shown["id"]).json() == shown
    assert error(arm.call("DELETE", nic_id)) == (400, "NetworkInterfaceUsedByPrivateEndpoint")
    assert error(arm.call("DELETE", subnet)) == (400, "InUseSubnetCannotBeDeleted")
    assert arm.call("DELETE", path).status_code == 200
    assert arm.call("HEAD", nic_id).status_code == 404
    assert connections(arm, account) == []
    assert arm.call("DELETE", subnet).status_code == 200


def test_a_manual_connection_waits_until_the_service_decides(
    arm: ArmClient, group: str, subnet: str, account: dict[str, Any]
) -> None:
    path = f"{group}/{NETWORK}/privateEndpoints/pe"
    arm.call("PUT", path, body(subnet, account["id"], "file", manual=True)).raise_for_status()
    (shown,) = connections(arm, account)
    for status in ("Approved", "Rejected"):
        decision = {"properties": {"privateLinkServiceConnectionState": {"status": status, "description": "by hand"}}}
        arm.call("PUT", shown["id"], decision).raise_for_status()
        (side,) = arm.call("GET", path).json()["properties"]["manualPrivateLinkServiceConnections"]
        assert side["properties"]["privateLinkServiceConnectionState"]["status"] == status
        assert connections(arm, account)[0]["properties"]["privateEndpoint"]["id"].lower() == path.lower()
    arm.call("DELETE", shown["id"]).raise_for_status()
    (side,) = arm.call("GET", path).json()["properties"]["manualPrivateLinkServiceConnections"]
    assert side["properties"]["privateLinkServiceConnectionState"]["status"] == "Disconnected"


def test_a_service_that_is_gone_leaves_a_dead_endpoint(
    arm: ArmClient, group: str, subnet: str, account: dict[str, Any]
) -> None:
    path = f"{group}/{NETWORK}/privateEndpoints/pe"
    arm.call("PUT", path, body(subnet, account["id"], "blob")).raise_for_status()
    arm.call("DELETE", account["id"]).raise_for_status()
    (side,) = arm.call("GET", path).json()["properties"]["privateLinkServiceConnections"]
    assert side["properties"]["privateLinkServiceConnectionState"]["status"] == "Disconnected"
    assert arm.call("DELETE", path).status_code == 200


def test_a_registry_has_two_addresses_and_keeps_its_connection(arm: ArmClient, group: str, subnet: str) -> None:
    registry = f"{group}/providers/Microsoft.ContainerRegistry/registries/acr12"
    arm.made(registry, {}, sku={"name": "Premium"})
    path = f"{group}/{NETWORK}/privateEndpoints/pe"
    made = arm.call("PUT", path, body(subnet, registry, "registry")).json()["properties"]
    names = [found["fqdn"] for found in made["customDnsConfigs"]]
    assert names == ["acr12.westeurope.data.azurecr.io", "acr12.azurecr.io"]
    addresses = {found["ipAddresses"][0] for found in made["customDnsConfigs"]}
    assert addresses == {"10.0.0.4", "10.0.0.5"}
    arm.made(registry, {"adminUserEnabled": False}, sku={"name": "Premium"})
    assert len(arm.call("GET", registry).json()["properties"]["privateEndpointConnections"]) == 1


def test_a_connection_that_cannot_be(arm: ArmClient, group: str, subnet: str, account: dict[str, Any]) -> None:
    path = f"{group}/{NETWORK}/privateEndpoints/pe"
    other = body(subnet, account["id"], "vault")
    assert error(arm.call("PUT", path, other)) == (400, "PrivateEndpointInvalidGroupId")
    assert error(arm.call("PUT", path, body(subnet, f"{account['id']}x", "blob"))) == (400, "InvalidResourceReference")
    assert error(arm.call("PUT", path, body(f"{subnet}x", account["id"], "blob"))) == (400, "InvalidResourceReference")
    none = body(subnet, account["id"], "blob")
    none["properties"]["privateLinkServiceConnections"] = []
    assert error(arm.call("PUT", path, none)) == (400, "InvalidRequestFormat")
    assert arm.call("HEAD", path).status_code == 404
    assert connections(arm, account) == []
