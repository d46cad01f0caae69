"""Tenants, subscriptions, providers and resource groups."""

from __future__ import annotations

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error


def test_the_tenant_and_its_subscription(local_azure: Sandbox, arm: ArmClient) -> None:
    (tenant,) = arm.call("GET", "/tenants").json()["value"]
    assert tenant["tenantId"] == local_azure.tenant
    (subscription,) = arm.call("GET", "/subscriptions").json()["value"]
    assert subscription == arm.call("GET", arm.base).json()
    assert (subscription["subscriptionId"], subscription["state"]) == (local_azure.subscription, "Enabled")
    assert "type" not in subscription
    assert "westeurope" in {found["name"] for found in arm.call("GET", f"{arm.base}/locations").json()["value"]}


def test_providers_are_registered_and_stay_so(arm: ArmClient, reader: ArmClient) -> None:
    listed = {found["namespace"]: found for found in arm.call("GET", f"{arm.base}/providers").json()["value"]}
    one = arm.call("GET", f"{arm.base}/providers/microsoft.storage").json()
    assert one == listed["Microsoft.Storage"]
    assert one["registrationState"] == "Registered"
    assert {"storageAccounts"} <= {found["resourceType"] for found in one["resourceTypes"]}
    assert arm.call("POST", f"{arm.base}/providers/Microsoft.Batch/register").json()["namespace"] == "Microsoft.Batch"
    refused = error(arm.call("POST", f"{arm.base}/providers/Microsoft.Batch/unregister"))
    assert refused == (409, "CannotUnregisterResourceProvider")
    refused = error(reader.call("POST", f"{arm.base}/providers/Microsoft.Batch/register"))
    assert refused == (403, "AuthorizationFailed")


def test_a_resource_group_from_start_to_end(arm: ArmClient) -> None:
    path = f"{arm.base}/resourceGroups/Life"
    body = {"location": "West Europe", "tags": {"a": "1"}}
    created = arm.call("PUT", path, body)
    assert created.status_code == 201
    assert created.json() == {
        "id": path,
        "name": "Life",
        "type": "Microsoft.Resources/resourceGroups",
        "location": "westeurope",
        "tags": {"a": "1"},
        "properties": {"provisioningState": "Succeeded"},
    }
    assert arm.call("PUT", path.lower().replace("resourcegroups", "resourceGroups"), body).json()["id"] == path
    assert arm.call("PATCH", path, {"tags": {"b": "2"}}).json()["tags"] == {"b": "2"}
    assert arm.call("HEAD", path).status_code == 204
    assert error(arm.call("PUT", path, {"location": "eastus"})) == (409, "InvalidResourceGroupLocation")
    store = f"{path}/providers/Microsoft.AppConfiguration/configurationStores/store"
    arm.call("PUT", store, {"location": "westeurope"}).raise_for_status()
    assert arm.call("DELETE", path).status_code == 200
    assert arm.call("HEAD", path).status_code == 404
    assert arm.call("HEAD", store).status_code == 404
    assert error(arm.call("DELETE", path)) == (404, "ResourceGroupNotFound")


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("ok", {}, "LocationRequired"),
        ("ok", {"location": "atlantis"}, "LocationNotAvailableForResourceGroup"),
        ("ends.", {"location": "westeurope"}, "InvalidResourceGroup"),
        ("a%20b", {"location": "westeurope"}, "InvalidResourceGroup"),
        ("ok", {"location": "westeurope", "sku": {}}, "InvalidRequestContent"),
    ],
)
def test_a_resource_group_that_cannot_be(arm: ArmClient, name: str, body: dict[str, str], code: str) -> None:
    assert error(arm.call("PUT", f"{arm.base}/resourceGroups/{name}", body)) == (400, code)
    assert arm.call("HEAD", f"{arm.base}/resourceGroups/{name}").status_code == 404


def test_who_holds_a_role_on_a_group_alone_sees_the_subscription_and_that_group(local_azure: Sandbox) -> None:
    arm = ArmClient(local_azure)
    first, _second = arm.group("seen"), arm.group("unseen")
    state = local_azure.state
    auditor = local_azure.identity.applications["auditor"].principal
    (wide,) = (
        found["id"]
        for found in state.documents()
        if found["type"].endswith("roleAssignments") and found["properties"]["principalId"] == auditor.object_id
    )
    document = state.get(wide)
    assert document is not None
    narrow = document | {"id": f"{first}{wide}"}
    arm.call("PUT", narrow["id"], {"properties": document["properties"]}).raise_for_status()
    arm.call("DELETE", wide).raise_for_status()
    reader = ArmClient(local_azure, "auditor")
    assert len(reader.call("GET", "/subscriptions").json()["value"]) == 1
    groups = reader.call("GET", f"{arm.base}/resourceGroups").json()["value"]
    assert [found["name"] for found in groups] == ["seen"]
    assert error(reader.call("GET", f"{arm.base}/locations")) == (403, "AuthorizationFailed")
    arm.close()
    reader.close()
