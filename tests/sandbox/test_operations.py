"""Long-running operations: the header forms of Azure, followed to their end by a clock that a test moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error


@pytest.fixture(scope="module")
def slow() -> Iterator[ArmClient]:
    with Sandbox("empty", operation_seconds=30) as sandbox:
        client = ArmClient(sandbox)
        yield client
        client.close()


def advance(arm: ArmClient) -> None:
    arm.sandbox.clock.advance(31)


def test_a_network_resource_is_followed_by_azure_async_operation(slow: ArmClient) -> None:
    group = slow.group("async")
    path = f"{group}/providers/Microsoft.Network/networkSecurityGroups/nsg"
    created = slow.call("PUT", path, {"location": "westeurope"})
    assert created.status_code == 201
    assert created.json()["properties"]["provisioningState"] == "Creating"
    assert int(created.headers["Retry-After"]) >= 1
    assert "Location" not in created.headers
    monitor = created.headers["Azure-AsyncOperation"]
    running = slow.call("GET", monitor, version=None)
    assert (running.status_code, running.json()["status"]) == (200, "InProgress")
    assert "Retry-After" in running.headers
    assert slow.call("GET", path).json()["properties"]["provisioningState"] == "Creating"
    advance(slow)
    done = slow.call("GET", monitor, version=None)
    assert (done.json()["status"], "Retry-After" in done.headers) == ("Succeeded", False)
    assert done.json()["startTime"] < done.json()["endTime"]
    assert slow.call("GET", path).json()["properties"]["provisioningState"] == "Succeeded"


def test_a_storage_account_is_followed_by_location(slow: ArmClient) -> None:
    group = slow.group("location")
    path = f"{group}/providers/Microsoft.Storage/storageAccounts/followed1"
    body = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    accepted = slow.call("PUT", path, body)
    assert (accepted.status_code, accepted.content) == (202, b"")
    assert "Azure-AsyncOperation" not in accepted.headers
    waiting = slow.call("GET", accepted.headers["Location"], version=None)
    assert (waiting.status_code, waiting.headers["Location"]) == (202, accepted.headers["Location"])
    advance(slow)
    done = slow.call("GET", accepted.headers["Location"], version=None)
    assert (done.status_code, done.json()) == (200, slow.call("GET", path).json())
    assert slow.call("PATCH", path, {"tags": {"a": "b"}}).status_code == 200


def test_a_delete_takes_effect_at_its_end(slow: ArmClient) -> None:
    group = slow.group("delete")
    path = f"{group}/providers/Microsoft.Network/networkSecurityGroups/nsg"
    slow.call("PUT", path, {"location": "westeurope"})
    advance(slow)
    accepted = slow.call("DELETE", path)
    assert accepted.status_code == 202
    assert all(name in accepted.headers for name in ("Azure-AsyncOperation", "Location", "Retry-After"))
    assert slow.call("GET", path).json()["properties"]["provisioningState"] == "Deleting"
    advance(slow)
    assert error(slow.call("GET", path)) == (404, "ResourceNotFound")
    assert slow.call("GET", accepted.headers["Location"], version=None).status_code == 204


def test_a_resource_under_way_takes_no_second_operation(slow: ArmClient) -> None:
    group = slow.group("conflict")
    path = f"{group}/providers/Microsoft.Network/networkSecurityGroups/nsg"
    slow.call("PUT", path, {"location": "westeurope"})
    for method in ("PUT", "DELETE"):
        body = {"location": "westeurope"} if method == "PUT" else None
        assert error(slow.call(method, path, body)) == (409, "AnotherOperationInProgress")
    advance(slow)
    assert slow.call("PUT", path, {"location": "westeurope"}).status_code == 200


def test_a_group_that_is_being_deleted_takes_nothing_new(slow: ArmClient) -> None:
    group = slow.group("leaving")
    store = f"{group}/providers/Microsoft.AppConfiguration/configurationStores/store"
    slow.call("PUT", store, {"location": "westeurope"})
    accepted = slow.call("DELETE", group)
    assert accepted.status_code == 202
    assert slow.call("GET", group).json()["properties"]["provisioningState"] == "Deleting"
    assert error(slow.call("PUT", f"{store}2", {})) == (409, "ResourceGroupBeingDeleted")
    assert error(slow.call("PUT", group, {"location": "westeurope"})) == (409, "ResourceGroupBeingDeleted")
    assert slow.call("GET", accepted.headers["Location"], version=None).status_code == 202
    advance(slow)
    assert slow.call("GET", accepted.headers["Location"], version=None).status_code == 200
    assert slow.call("HEAD", group).status_code == 404


def test_an_operation_that_never_was(slow: ArmClient) -> None:
    path = f"{slow.base}/providers/Microsoft.Network/locations/global/operations/none"
    assert error(slow.call("GET", path)) == (404, "NotFound")
