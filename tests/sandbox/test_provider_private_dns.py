"""Private DNS zones, links and records, and the names that private endpoints keep in them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from lockdown.sandbox.providers.private_link import members, record_name
from lockdown.sandbox.server import Sandbox
from lockdown.sandbox.state import State
from tests.sandbox.arm_client import ArmClient, error

NETWORK = "providers/Microsoft.Network"
BLOB = "privatelink.blob.core.windows.net"


def zone(arm: ArmClient, group: str, name: str = BLOB) -> str:
    path = f"{group}/{NETWORK}/privateDnsZones/{name}"
    response = arm.call("PUT", path, {"location": "global"})
    assert response.status_code in (200, 201), response.text
    return path


def link(arm: ArmClient, zone_id: str, network: str, name: str = "link", **more: Any) -> tuple[int, str]:
    properties = {"virtualNetwork": {"id": network}, "registrationEnabled": False, **more}
    path = f"{zone_id}/virtualNetworkLinks/{name}"
    response = arm.call("PUT", path, {"location": "global", "properties": properties})
    return (response.status_code, "") if response.ok else error(response)


def properties(arm: ArmClient, path: str) -> dict[str, Any]:
    response = arm.call("GET", path)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["properties"]
    return found


def endpoint(arm: ArmClient, group: str, subnet: str, service: str, group_id: str, name: str = "pe") -> dict[str, Any]:
    values = {"privateLinkServiceId": service, "groupIds": [group_id]}
    path = f"{group}/{NETWORK}/privateEndpoints/{name}"
    body = {"subnet": {"id": subnet}, "privateLinkServiceConnections": [{"name": "c", "properties": values}]}
    return arm.made(path, body)


def zone_group(arm: ArmClient, endpoint_id: str, *zones: str, name: str = "default") -> tuple[int, str]:
    configurations = [
        {"name": found.rpartition("/")[2].replace(".", "-"), "properties": {"privateDnsZoneId": found}}
        for found in zones
    ]
    path = f"{endpoint_id}/privateDnsZoneGroups/{name}"
    response = arm.call("PUT", path, {"properties": {"privateDnsZoneConfigs": configurations}})
    return (response.status_code, "") if response.ok else error(response)


def names(endpoint_id: dict[str, Any]) -> dict[str, str]:
    return {item["fqdn"]: item["ipAddresses"][0] for item in endpoint_id["properties"]["customDnsConfigs"]}


def test_a_zone_stands_in_no_region_and_has_a_start_of_authority(arm: ArmClient, group: str) -> None:
    path = f"{group}/{NETWORK}/privateDnsZones/{BLOB}"
    refused = arm.call("PUT", path, {"location": "westeurope"})
    assert error(refused) == (400, "LocationNotAvailableForResourceType")
    assert error(arm.call("PUT", f"{group}/{NETWORK}/privateDnsZones/local", {"location": "global"})) == (
        400,
        "InvalidResourceName",
    )
    zone(arm, group)
    shown = properties(arm, path)
    assert (shown["numberOfRecordSets"], shown["numberOfVirtualNetworkLinks"]) == (1, 0)
    authority = properties(arm, f"{path}/SOA/@")
    assert (authority["fqdn"], authority["soaRecord"]["minimumTtl"]) == (f"{BLOB}.", 10)
    assert error(arm.call("DELETE", f"{path}/SOA/@")) == (400, "BadRequest")
    assert arm.call("DELETE", path).status_code == 200
    assert arm.call("HEAD", f"{path}/SOA/@").status_code == 404


def test_a_network_is_linked_to_one_zone_of_a_name(arm: ArmClient, group: str) -> None:
    other_group = arm.group(f"rg-{uuid4().hex[:8]}")
    network = arm.network(group)["id"]
    first, second = zone(arm, group), zone(arm, other_group)
    assert link(arm, first, f"{network}x") == (404, "ParentResourceNotFound")
    assert link(arm, first, network) == (201, "")
    shown = properties(arm, f"{first}/virtualNetworkLinks/link")
    assert (shown["virtualNetworkLinkState"], shown["resolutionPolicy"]) == ("Completed", "Default")
    assert link(arm, second, network) == (400, "BadRequest")
    assert link(arm, first, network, "again") == (400, "BadRequest")
    assert properties(arm, first)["numberOfVirtualNetworkLinks"] == 1
    assert error(arm.call("DELETE", first)) == (409, "CannotDeleteResource")
    arm.call("DELETE", f"{first}/virtualNetworkLinks/link").raise_for_status()
    assert properties(arm, first)["numberOfVirtualNetworkLinks"] == 0
    assert link(arm, second, network) == (200 + 1, "")
    arm.call("DELETE", network).raise_for_status()
    assert properties(arm, second)["numberOfVirtualNetworkLinks"] == 0


def test_a_network_registers_its_machines_in_one_zone(arm: ArmClient, group: str) -> None:
    network = arm.network(group)["id"]
    one, two = zone(arm, group, "one.example.com"), zone(arm, group, "two.example.com")
    assert link(arm, one, network, registrationEnabled=True) == (201, "")
    assert properties(arm, one)["numberOfVirtualNetworkLinksWithRegistration"] == 1
    assert link(arm, two, network, registrationEnabled=True) == (409, "Conflict")
    assert link(arm, two, network) == (201, "")
    assert link(arm, one, network) == (200, "")
    assert properties(arm, one)["numberOfVirtualNetworkLinksWithRegistration"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("A/x", {}),
        ("A/x", {"aRecords": [{"ipv4Address": "10.0.0.256"}]}),
        ("A/x", {"cnameRecord": {"cname": "x"}}),
        ("CNAME/taken", {"cnameRecord": {"cname": "x"}}),
        ("A/x", {"aRecord": []}),
    ],
)
def test_a_record_that_cannot_be(arm: ArmClient, group: str, path: str, body: dict[str, Any]) -> None:
    found = zone(arm, group)
    record = {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.9"}]}
    made = arm.call("PUT", f"{found}/A/taken", {"properties": record})
    assert made.json()["properties"] == {**record, "fqdn": f"taken.{BLOB}.", "isAutoRegistered": False}
    assert properties(arm, found)["numberOfRecordSets"] == 2
    listed = arm.call("GET", f"{found}/ALL").json()["value"]
    assert [item["name"] for item in listed] == ["taken", "@"]
    assert arm.call("PUT", f"{found}/{path}", {"properties": body}).status_code == 400
    arm.call("DELETE", f"{found}/A/taken").raise_for_status()
    assert properties(arm, found)["numberOfRecordSets"] == 1


def test_a_zone_group_keeps_the_names_of_an_endpoint(arm: ArmClient, group: str) -> None:
    subnet = f"{arm.network(group, one='10.0.0.0/24')['id']}/subnets/one"
    account = arm.account(group, f"z{uuid4().hex[:16]}")
    made = endpoint(arm, group, subnet, account["id"], "blob")
    assert names(made) == {f"{account['name']}.blob.core.windows.net": "10.0.0.4"}
    found = zone(arm, group)
    assert zone_group(arm, made["id"], f"{found}x") == (400, "InvalidResourceReference")
    assert zone_group(arm, made["id"], found) == (201, "")
    record = properties(arm, f"{found}/A/{account['name']}")
    guid = made["properties"]["resourceGuid"]
    assert record == {
        "ttl": 10,
        "aRecords": [{"ipv4Address": "10.0.0.4"}],
        "metadata": {"creator": f"created by private endpoint pe with resource guid {guid}"},
        "fqdn": f"{account['name']}.{BLOB}.",
        "isAutoRegistered": False,
    }
    (configuration,) = properties(arm, f"{made['id']}/privateDnsZoneGroups/default")["privateDnsZoneConfigs"]
    (shown,) = configuration["properties"]["recordSets"]
    assert (shown["recordSetName"], shown["ipAddresses"]) == (account["name"], ["10.0.0.4"])
    assert properties(arm, made["id"])["customDnsConfigs"] == []
    assert properties(arm, found)["numberOfRecordSets"] == 2
    assert zone_group(arm, made["id"], found) == (200, "")
    assert properties(arm, found)["numberOfRecordSets"] == 2
    assert zone_group(arm, made["id"], found, name="other") == (400, "PrivateDnsZoneGroupCountLimitReached")
    arm.call("DELETE", f"{made['id']}/privateDnsZoneGroups/default").raise_for_status()
    assert arm.call("HEAD", f"{found}/A/{account['name']}").status_code == 404
    assert properties(arm, found)["numberOfRecordSets"] == 1
    assert names(arm.call("GET", made["id"]).json()) == names(made)
    assert zone_group(arm, made["id"], found) == (201, "")
    arm.call("DELETE", made["id"]).raise_for_status()
    assert arm.call("HEAD", f"{found}/A/{account['name']}").status_code == 404
    assert arm.call("HEAD", f"{made['id']}/privateDnsZoneGroups/default").status_code == 404
    assert properties(arm, found)["numberOfRecordSets"] == 1


def test_a_scenarios_endpoint_takes_its_records_with_it() -> None:
    with Sandbox("coa-private", operation_seconds=0) as sandbox:
        arm = ArmClient(sandbox)
        group = f"{arm.base}/resourceGroups/genomics-network"
        for lock in arm.call("GET", f"{arm.base}/providers/Microsoft.Authorization/locks").json()["value"]:
            arm.call("DELETE", lock["id"]).raise_for_status()
        zone_id = f"{group}/{NETWORK}/privateDnsZones/privatelink.azurecr.io"
        before = arm.call("GET", f"{zone_id}/A").json()["value"]
        assert len(before) == 2
        arm.call("DELETE", f"{group}/{NETWORK}/privateEndpoints/pe-registry").raise_for_status()
        assert arm.call("GET", f"{zone_id}/A").json()["value"] == []
        assert properties(arm, zone_id)["numberOfRecordSets"] == 1
        arm.close()


def test_whoever_cannot_use_the_zone_cannot_keep_names_in_it(
    arm: ArmClient, contributor: ArmClient, reader: ArmClient, group: str
) -> None:
    subnet = f"{arm.network(group, one='10.0.0.0/24')['id']}/subnets/one"
    account = arm.account(group, f"z{uuid4().hex[:16]}")
    made = endpoint(arm, group, subnet, account["id"], "blob")
    found = zone(arm, group)
    assert zone_group(reader, made["id"], found) == (403, "AuthorizationFailed")
    assert zone_group(contributor, made["id"], found) == (201, "")


def _generic(arm: ArmClient, path: str, **body: Any) -> str:
    arm.sandbox.state.seed(
        [
            {
                "id": path,
                "name": path.rpartition("/")[2],
                "type": "/".join([path.split("/")[6], *path.split("/")[7::2]]),
                "location": "westeurope",
                "properties": body.pop("properties", {}),
                **body,
            }
        ]
    )
    return path


@pytest.mark.parametrize(
    ("kind", "group_id", "properties_", "zone_name", "records"),
    [
        ("Microsoft.KeyVault/vaults", "vault", {}, "privatelink.vaultcore.azure.net", ["svc"]),
        (
            "Microsoft.ContainerRegistry/registries",
            "registry",
            {},
            "privatelink.azurecr.io",
            ["svc", "svc.westeurope.data"],
        ),
        ("Microsoft.Batch/batchAccounts", "batchAccount", {}, "privatelink.batch.azure.com", ["svc.westeurope"]),
        (
            "Microsoft.Batch/batchAccounts",
            "nodeManagement",
            {"nodeManagementEndpoint": "node.westeurope.service.batch.azure.com"},
            "privatelink.batch.azure.com",
            ["node.westeurope.service"],
        ),
        (
            "Microsoft.DBforPostgreSQL/flexibleServers",
            "postgresqlServer",
            {},
            "privatelink.postgres.database.azure.com",
            ["svc"],
        ),
    ],
)
def test_the_names_of_each_service(
    arm: ArmClient,
    group: str,
    kind: str,
    group_id: str,
    properties_: dict[str, Any],
    zone_name: str,
    records: list[str],
) -> None:
    subnet = f"{arm.network(group, one='10.0.0.0/24')['id']}/subnets/one"
    service = _generic(arm, f"{group}/providers/{kind}/svc", properties=properties_)
    made = endpoint(arm, group, subnet, service, group_id)
    found = zone(arm, group, zone_name)
    assert zone_group(arm, made["id"], found) == (201, "")
    shown = arm.call("GET", f"{found}/A").json()["value"]
    assert sorted(item["name"] for item in shown) == sorted(records)


@pytest.mark.parametrize(
    ("group_id", "zone_name", "record"),
    [
        ("blob", "privatelink.blob.core.usgovcloudapi.net", "svc"),
        ("blob_secondary", "privatelink.blob.core.usgovcloudapi.net", "svc-secondary"),
        ("vault", "privatelink.vaultcore.usgovcloudapi.net", "svc"),
        ("registry", "privatelink.azurecr.us", "svc.usgovvirginia.data"),
        ("batchAccount", "privatelink.batch.usgovcloudapi.net", "svc.usgovvirginia"),
        ("postgresqlServer", "privatelink.postgres.database.usgovcloudapi.net", "svc"),
        ("azuremonitor", "privatelink.monitor.azure.us", "api"),
    ],
)
def test_the_names_of_the_government_cloud(group_id: str, zone_name: str, record: str) -> None:
    service = {"id": "/service", "name": "svc", "location": "USGov Virginia"}
    first = next(members(State("tenant"), service, group_id, "usgovvirginia"))
    assert record_name(first.fqdns[0], zone_name) == record
    assert record_name(first.fqdns[0], "privatelink.example.com") == ""


def test_a_monitor_scope_has_the_shared_names_and_those_of_its_workspace(arm: ArmClient, group: str) -> None:
    subnet = f"{arm.network(group, one='10.0.0.0/24')['id']}/subnets/one"
    customer = str(uuid4())
    logs = f"{group}/providers/Microsoft.OperationalInsights/workspaces/logs"
    _generic(arm, logs, properties={"customerId": customer})
    scope = _generic(arm, f"{group}/providers/microsoft.insights/privateLinkScopes/scope")
    _generic(arm, f"{scope}/scopedResources/logs", properties={"linkedResourceId": logs})
    made = endpoint(arm, group, subnet, scope, "azuremonitor")
    assert len(names(made)) == 10
    zones = [
        zone(arm, group, f"privatelink.{name}")
        for name in (
            "monitor.azure.com",
            "oms.opinsights.azure.com",
            "ods.opinsights.azure.com",
            "agentsvc.azure-automation.net",
            "blob.core.windows.net",
        )
    ]
    assert zone_group(arm, made["id"], *zones) == (201, "")
    held = [[item["name"] for item in arm.call("GET", f"{found}/A").json()["value"]] for found in zones]
    assert held[1:] == [[customer], [customer], [customer], ["scadvisorcontentpl"]]
    assert held[0] == ["api", "global.handler.control", "global.in.ai", "live", "profiler", "snapshot"]


def test_an_endpoint_stays_where_it_is_and_keeps_what_azure_wrote(arm: ArmClient, group: str) -> None:
    network = arm.network(group, one="10.0.0.0/24", two="10.0.1.0/24")["id"]
    account = arm.account(group, f"z{uuid4().hex[:16]}")
    made = endpoint(arm, group, f"{network}/subnets/one", account["id"], "blob")
    again = endpoint(arm, group, f"{network}/subnets/one", account["id"], "blob")["properties"]
    for shown in (again, made["properties"]):
        shown["privateLinkServiceConnections"][0].pop("etag")
    assert again == made["properties"]
    values = {"privateLinkServiceId": account["id"], "groupIds": ["blob"]}
    moved = {
        "subnet": {"id": f"{network}/subnets/two"},
        "privateLinkServiceConnections": [{"name": "c", "properties": values}],
    }
    refused = arm.call("PUT", made["id"], {"location": "westeurope", "properties": moved})
    assert error(refused) == (400, "PrivateEndpointCannotBeMoved")


def test_a_registry_that_is_not_premium_has_no_endpoint(arm: ArmClient, group: str) -> None:
    subnet = f"{arm.network(group, one='10.0.0.0/24')['id']}/subnets/one"
    registry = f"{group}/providers/Microsoft.ContainerRegistry/registries/{'r' + uuid4().hex[:10]}"
    _generic(arm, registry, sku={"name": "Basic"})
    values = {"privateLinkServiceId": registry, "groupIds": ["registry"]}
    body = {"subnet": {"id": subnet}, "privateLinkServiceConnections": [{"name": "c", "properties": values}]}
    path = f"{group}/{NETWORK}/privateEndpoints/pe"
    refused = arm.call("PUT", path, {"location": "westeurope", "properties": body})
    assert error(refused) == (400, "PrivateEndpointsNotSupportedForSku")


def test_an_address_of_an_endpoint_can_be_asked_for(arm: ArmClient, group: str) -> None:
    subnet = f"{arm.network(group, one='10.0.0.0/24')['id']}/subnets/one"
    account = arm.account(group, f"z{uuid4().hex[:16]}")
    values = {"privateLinkServiceId": account["id"], "groupIds": ["blob"]}
    wanted = {"groupId": "blob", "memberName": "blob", "privateIPAddress": "10.0.0.77"}
    body = {
        "subnet": {"id": subnet},
        "privateLinkServiceConnections": [{"name": "c", "properties": values}],
        "ipConfigurations": [{"name": "i", "properties": wanted}],
    }
    made = arm.made(f"{group}/{NETWORK}/privateEndpoints/pe", body)
    assert list(names(made).values()) == ["10.0.0.77"]
    refused = arm.call("PUT", f"{group}/{NETWORK}/privateEndpoints/two", {"location": "westeurope", "properties": body})
    assert error(refused) == (400, "PrivateIPAddressIsAllocated")
