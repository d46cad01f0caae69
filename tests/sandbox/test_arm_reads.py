"""What Resource Manager has and Resource Graph lacks, as Azure serves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests

from lockdown.sandbox.reads import BUCKET, REFILL, Reads
from lockdown.sandbox.server import Sandbox
from tests.cloud.arm_environment import SPECS, documents, part
from tests.sandbox.arm_client import ArmClient, error

EVENTS = "/providers/Microsoft.Insights/eventtypes/management/values"
VERSIONS = "/providers/Microsoft.ContainerService/locations"
LOCKS = "providers/Microsoft.Authorization/locks"
SETTINGS = "providers/Microsoft.Insights/diagnosticSettings"


def since(days: float = 1) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat().replace("+00:00", "Z")


def listed(response: requests.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["value"]
    return found


def test_diagnostic_settings_are_listed_where_they_are_set_and_nowhere_else(
    arm: ArmClient, local_azure: Sandbox, group: str
) -> None:
    account = arm.account(group, f"st{uuid4().hex[:10]}")["id"]
    service = f"{account}/blobServices/default"
    held = [f"{scope}/{SETTINGS}/on" for scope in (service, account, arm.base)]
    local_azure.state.seed([part(resource) for resource in held])
    for resource, scope in zip(held, (service, account, arm.base), strict=True):
        assert [item["id"] for item in listed(arm.call("GET", f"{scope}/{SETTINGS}"))] == [resource]
    assert listed(arm.call("GET", f"{account}/fileServices/default/{SETTINGS}")) == []
    assert error(arm.call("GET", f"{group}/providers/Microsoft.KeyVault/vaults/none/{SETTINGS}")) == (
        404,
        "ResourceNotFound",
    )


def test_locks_of_a_subscription_are_all_locks_in_it(arm: ArmClient, group: str) -> None:
    network = arm.network(group)["id"]
    for scope in (group, network):
        arm.call("PUT", f"{scope}/{LOCKS}/keep", {"properties": {"level": "CanNotDelete"}}, version="2020-05-01")
    found = {item["id"] for item in listed(arm.call("GET", f"{arm.base}/{LOCKS}", version="2020-05-01"))}
    assert {f"{group}/{LOCKS}/keep", f"{network}/{LOCKS}/keep"} <= found
    assert [i["id"] for i in listed(arm.call("GET", f"{network}/{LOCKS}", version="2020-05-01"))] == [
        f"{network}/{LOCKS}/keep"
    ]


def test_the_services_of_an_account_come_with_it(arm: ArmClient, local_azure: Sandbox, group: str) -> None:
    name = f"st{uuid4().hex[:10]}"
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/{name}"
    seeded = part(account, primaryEndpoints={"blob": "https://x/", "file": "https://x/"}) | {"location": "westeurope"}
    local_azure.state.seed([seeded])
    blob = arm.call("GET", f"{account}/blobServices/default").json()
    assert blob["properties"]["deleteRetentionPolicy"] == {"allowPermanentDelete": False, "enabled": False}
    share = arm.call("GET", f"{account}/fileServices/DEFAULT").json()
    assert share["id"] == f"{account}/fileServices/default"
    assert share["properties"]["shareDeleteRetentionPolicy"] == {"enabled": True, "days": 7}
    assert [item["name"] for item in listed(arm.call("GET", f"{account}/blobServices"))] == ["default"]
    assert listed(arm.call("GET", f"{account}/blobServices/default/containers")) == []
    assert error(arm.call("GET", f"{account}/queueServices/default")) == (404, "ResourceNotFound")
    assert error(arm.call("GET", f"{account}/blobServices/other")) == (404, "ResourceNotFound")
    policy = {"properties": {"deleteRetentionPolicy": {"enabled": True, "days": 30}}}
    assert arm.call("PATCH", f"{account}/blobServices/default", policy).status_code == 200
    written = arm.call("GET", f"{account}/blobServices/default").json()["properties"]
    assert written["deleteRetentionPolicy"] == {"allowPermanentDelete": False, "enabled": True, "days": 30}


def test_the_parameters_of_a_server_come_with_it(arm: ArmClient, group: str) -> None:
    server = f"{group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/{group.rpartition('/')[2]}-pg"
    login = {"administratorLogin": "coa_admin", "administratorLoginPassword": "Only-For-1-Test"}
    arm.made(server, {"version": "16", **login}, sku={"name": "Standard_B2s", "tier": "Burstable"})
    name = "require_secure_transport"
    defaults = {item["name"]: item["properties"] for item in listed(arm.call("GET", f"{server}/configurations"))}
    assert (defaults[name]["value"], defaults[name]["source"]) == ("on", "system-default")
    changed = {"properties": {"value": "off", "source": "user-override"}}
    assert arm.call("PUT", f"{server}/configurations/{name}", changed).status_code == 200
    now = {item["name"]: item["properties"]["value"] for item in listed(arm.call("GET", f"{server}/configurations"))}
    assert now == {key: found["value"] for key, found in defaults.items()} | {name: "off"}
    assert arm.call("GET", f"{server}/configurations/{name}").json()["properties"]["value"] == "off"
    assert error(arm.call("GET", f"{server}/configurations/no_such_thing")) == (404, "ResourceNotFound")


def test_the_versions_of_a_location_are_what_the_scenario_says_or_a_fixed_list(
    arm: ArmClient, local_azure: Sandbox
) -> None:
    offered = arm.call("GET", f"{arm.base}{VERSIONS}/westeurope/kubernetesVersions").json()["values"]
    assert sum(bool(version["isDefault"]) for version in offered) == 1
    assert all(version["capabilities"]["supportPlan"] and version["patchVersions"] for version in offered)
    own = part(f"{arm.base}{VERSIONS}/eastus/kubernetesVersions/default", values=[{"version": "9.9"}])
    local_azure.state.seed([own])
    assert arm.call("GET", f"{arm.base}{VERSIONS}/eastus/kubernetesVersions").json() == {"values": [{"version": "9.9"}]}
    assert arm.call("GET", f"{arm.base}{VERSIONS}/nowhere/kubernetesVersions").status_code == 400


def test_the_activity_log_tells_who_did_what(arm: ArmClient, group: str) -> None:
    network = arm.network(group)["id"]
    lock = f"{network}/{LOCKS}/keep"
    arm.call("PUT", lock, {"properties": {"level": "CanNotDelete"}}, version="2020-05-01")
    arm.call("DELETE", lock, version="2020-05-01")
    choice = f"eventTimestamp ge '{since()}' and resourceProvider eq 'Microsoft.Authorization'"
    events = listed(arm.call("GET", arm.base + EVENTS, version="2015-04-01", query={"$filter": choice}))
    own = [event for event in events if event["resourceId"] == lock]
    assert {event["operationName"]["value"] for event in own} == {
        "Microsoft.Authorization/locks/write",
        "Microsoft.Authorization/locks/delete",
    }
    assert all(event["claims"] and event["httpRequest"]["clientIpAddress"] for event in own)
    owner = arm.sandbox.identity.applications["owner"].principal
    assert {(event["caller"], event["status"]["value"]) for event in own} == {(owner.object_id, "Succeeded")}
    query = {"$filter": choice, "$select": "caller,eventDataId"}
    chosen = listed(arm.call("GET", arm.base + EVENTS, version="2015-04-01", query=query))
    assert {tuple(sorted(event)) for event in chosen} == {("caller", "eventDataId")}
    of_group = f"eventTimestamp ge '{since()}' and resourceGroupName eq '{group.rpartition('/')[2].upper()}'"
    events = listed(arm.call("GET", arm.base + EVENTS, version="2015-04-01", query={"$filter": of_group}))
    assert {event["resourceGroupName"] for event in events} == {group.rpartition("/")[2]}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"$filter": "resourceProvider eq 'Microsoft.Authorization'"},
        {"$filter": "eventTimestamp ge 'yesterday'"},
        {"$filter": f"eventTimestamp ge '{since(91)}'"},
        {"$filter": f"eventTimestamp ge '{since()}' and caller eq 'x'"},
        {"$filter": f"eventTimestamp ge '{since()}' or resourceUri eq 'x'"},
        {"$filter": f"eventTimestamp ge '{since()}' and resourceUri eq 'x' and correlationId eq 'y'"},
        {"$filter": f"eventTimestamp ge '{since()}'", "$select": "password"},
    ],
)
def test_a_filter_of_events_is_one_of_the_few_that_azure_has(arm: ArmClient, query: dict[str, str]) -> None:
    assert error(arm.call("GET", arm.base + EVENTS, version="2015-04-01", query=query)) == (400, "BadRequest")


@pytest.mark.parametrize("path", [EVENTS, f"{VERSIONS}/eastus/kubernetesVersions", f"/{LOCKS}", f"/{SETTINGS}"])
def test_reading_needs_a_right(local_azure: Sandbox, path: str) -> None:
    client = ArmClient(local_azure)
    stranger = f"/subscriptions/{uuid4()}"
    assert error(client.call("GET", stranger + path)) == (404, "SubscriptionNotFound")
    client.close()


def test_reader_may_read_all_of_it_and_resource_graph_has_none_of_it(reader: ArmClient, local_azure: Sandbox) -> None:
    local_azure.state.seed(documents(local_azure.subscription))
    body = {
        "query": "resources | summarize by type",
        "subscriptions": [local_azure.subscription],
        "options": {"resultFormat": "objectArray"},
    }
    graph = "/providers/Microsoft.ResourceGraph/resources"
    types = {row["type"] for row in reader.call("POST", graph, body, version="2022-10-01").json()["data"]}
    # Run commands are in the table of types on Microsoft Learn; whether their script is, is not said.
    lacking = {str(spec["type"]).lower() for spec in SPECS} - {"microsoft.compute/virtualmachines/runcommands"}
    assert types
    assert types.isdisjoint(lacking)
    refused = reader.call("POST", graph, body | {"query": "armresources"}, version="2022-10-01")
    assert refused.status_code == 400
    for path in (f"/{LOCKS}", "/providers/Microsoft.Security/jitNetworkAccessPolicies", f"/{SETTINGS}"):
        assert listed(reader.call("GET", reader.base + path))


def test_a_bucket_of_reads_empties_and_fills_up_again() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    reads = Reads(lambda: now, enforced=True)
    assert [reads.take("p", "S") for _ in range(BUCKET)] == list(range(BUCKET - 1, -1, -1))
    with pytest.raises(Exception, match="SubscriptionRequestsThrottled") as caught:
        reads.take("p", "s")
    assert caught.value.headers["Retry-After"] == "1"  # type: ignore[attr-defined]
    assert reads.take("q", "s") == BUCKET - 1
    assert reads.take("p", "t") == BUCKET - 1
    now += timedelta(seconds=2)
    assert reads.take("p", "s") == 2 * REFILL - 1
    now += timedelta(hours=1)
    assert reads.take("p", "s") == BUCKET - 1
    free = Reads(lambda: now, enforced=False)
    assert {free.take("p", "s") for _ in range(BUCKET * 2)} == {BUCKET - 1}


def test_the_header_tells_what_is_left(reader: ArmClient) -> None:
    first, second = (
        int(reader.call("GET", f"{reader.base}/resourceGroups").headers["x-ms-ratelimit-remaining-subscription-reads"])
        for _ in range(2)
    )
    assert 0 < second <= BUCKET - 1
    assert first <= BUCKET - 1
