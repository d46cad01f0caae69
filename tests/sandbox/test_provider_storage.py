"""What is in storage accounts, what is fixed about them, and identities with their credentials."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.arm_client import ArmClient, error
from tests.sandbox.services import identity, named

DAYS = {"enabled": True, "days": 30}
STATE = {
    "immutabilityPeriodSinceCreationInDays": 2192,
    "state": "Unlocked",
    "allowProtectedAppendWrites": True,
}


def immutable(**changed: Any) -> dict[str, Any]:
    return {"immutableStorageWithVersioning": {"enabled": True, "immutabilityPolicy": {**STATE, **changed}}}


def request(**properties: Any) -> dict[str, Any]:
    sku = {"name": "Standard_LRS"}
    return {"location": "westeurope", "sku": sku, "kind": "StorageV2", "properties": properties}


def test_a_policy_is_locked_once_it_is_there_and_then_only_made_longer(arm: ArmClient, group: str) -> None:
    path = f"{group}/providers/Microsoft.Storage/storageAccounts/{named('st')}"
    refused = arm.call("PUT", path, request(**immutable(state="Locked")))
    assert error(refused) == (400, "InvalidValuesForRequestParameters")
    assert arm.call("PUT", path, request(**immutable())).status_code == 200
    assert arm.call("GET", f"{path}/blobServices/default").json()["properties"]["isVersioningEnabled"] is True
    assert arm.call("PUT", path, request(**immutable(state="Locked"))).status_code == 200
    for weaker in ({"state": "Unlocked"}, {"state": "Locked", "immutabilityPeriodSinceCreationInDays": 7}):
        refused = arm.call("PUT", path, request(**immutable(**weaker)))
        assert error(refused) == (400, "InvalidValuesForRequestParameters")
    longer = immutable(state="Locked", immutabilityPeriodSinceCreationInDays=3000)
    assert arm.call("PUT", path, request(**longer)).status_code == 200
    assert (
        arm.call("PUT", path, request()).json()["properties"]["immutableStorageWithVersioning"]
        == (longer["immutableStorageWithVersioning"])
    )


@pytest.mark.parametrize(
    "properties",
    [
        {"encryption": {"requireInfrastructureEncryption": True}},
        {"immutableStorageWithVersioning": {"enabled": True}},
    ],
)
def test_what_is_chosen_once(arm: ArmClient, group: str, properties: dict[str, Any]) -> None:
    account = arm.account(group, named("st"))
    refused = arm.call("PUT", account["id"], request(**properties))
    assert error(refused) == (409, "AccountPropertyCannotBeUpdated")


def test_the_keys_of_an_account_survive_its_change(arm: ArmClient, group: str) -> None:
    account = arm.account(group, named("st"))
    keys = arm.call("POST", f"{account['id']}/listKeys").json()
    arm.call("PUT", account["id"], request(minimumTlsVersion="TLS1_3")).raise_for_status()
    assert arm.call("POST", f"{account['id']}/listKeys").json() == keys


def test_the_blob_service_keeps_what_a_request_is_silent_about(arm: ArmClient, group: str) -> None:
    blobs = f"{arm.account(group, named('st'))['id']}/blobServices/default"
    first = arm.call("PUT", blobs, {"properties": {"isVersioningEnabled": True}})
    assert first.status_code == 200
    second = arm.call("PUT", blobs, {"properties": {"deleteRetentionPolicy": DAYS}}).json()["properties"]
    assert second["isVersioningEnabled"] is True
    assert second["deleteRetentionPolicy"] == {**DAYS, "allowPermanentDelete": False}
    wrong = {"properties": {"deleteRetentionPolicy": {"enabled": True, "days": 400}}}
    assert error(arm.call("PUT", blobs, wrong)) == (400, "InvalidValuesForRequestParameters")
    restore = {"properties": {"restorePolicy": {"enabled": True, "days": 7}}}
    assert error(arm.call("PUT", blobs, restore)) == (400, "InvalidValuesForRequestParameters")
    restore["properties"]["changeFeed"] = {"enabled": True}
    assert arm.call("PUT", blobs, restore).status_code == 200
    other = blobs.replace("/default", "/other")
    assert error(arm.call("PUT", other, {"properties": {}})) == (400, "InvalidResourceName")


def test_containers_are_private_where_the_account_is(arm: ArmClient, group: str) -> None:
    containers = f"{arm.account(group, named('st'))['id']}/blobServices/default/containers"
    made = arm.call("PUT", f"{containers}/inputs", {"properties": {}})
    assert (made.status_code, made.json()["properties"]["publicAccess"]) == (201, "None")
    assert arm.call("PUT", f"{containers}/inputs", {"properties": {}}).json() == made.json()
    public = {"properties": {"publicAccess": "Blob"}}
    assert error(arm.call("PUT", f"{containers}/public", public)) == (409, "PublicAccessNotPermitted")
    for name in ("No", "a--b", "ab", "-ab"):
        assert error(arm.call("PUT", f"{containers}/{name}", {"properties": {}})) == (400, "InvalidResourceName")
    kept = {"properties": {"immutableStorageWithVersioning": {"enabled": True}}}
    assert error(arm.call("PUT", f"{containers}/kept", kept)) == (409, "VersioningNotEnabled")
    blobs = containers.removesuffix("/containers")
    arm.call("PUT", blobs, {"properties": {"isVersioningEnabled": True}}).raise_for_status()
    shown = arm.call("PUT", f"{containers}/kept", kept).json()["properties"]["immutableStorageWithVersioning"]
    assert shown == {"enabled": True, "timeStamp": None, "migrationState": None}
    off = {"properties": {"immutableStorageWithVersioning": {"enabled": False}}}
    assert error(arm.call("PUT", f"{containers}/kept", off)) == (409, "ContainerPropertyCannotBeUpdated")


def test_a_management_policy_has_rules_that_do_something(arm: ArmClient, group: str) -> None:
    path = f"{arm.account(group, named('st'))['id']}/managementPolicies/default"
    actions = {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 30}}}
    rule = {"name": "old", "type": "Lifecycle", "definition": {"actions": actions}}
    body = {"properties": {"policy": {"rules": [rule]}}}
    made = arm.call("PUT", path, body)
    assert made.status_code == 201, made.text
    assert arm.call("PUT", path, body).json() == made.json()
    twice = {"properties": {"policy": {"rules": [rule, rule]}}}
    assert error(arm.call("PUT", path, twice)) == (400, "InvalidRequestContent")
    nothing = {"properties": {"policy": {"rules": [{"name": "idle", "type": "Lifecycle", "definition": {}}]}}}
    assert error(arm.call("PUT", path, nothing)) == (400, "InvalidRequestContent")


def test_an_identity_has_ids_of_its_own_and_keeps_them(arm: ArmClient, group: str) -> None:
    made, other = identity(arm, group, "one"), identity(arm, group, "two")
    assert made["properties"]["principalId"] != other["properties"]["principalId"]
    assert identity(arm, group, "one") == made
    assert error(arm.call("PATCH", made["id"], {"properties": {}}))[0] == 400


def test_federated_credentials_are_told_apart(arm: ArmClient, group: str) -> None:
    own = identity(arm, group)
    properties = {"issuer": "https://issuer.example/", "subject": "system:serviceaccount:coa:own-sa"}
    credential = f"{own['id']}/federatedIdentityCredentials/first"
    assert error(arm.call("PUT", credential, {"properties": properties})) == (400, "InvalidRequestContent")
    body = {"properties": {**properties, "audiences": ["api://AzureADTokenExchange"]}}
    assert arm.call("PUT", credential, body).status_code == 201
    assert arm.call("PUT", credential, body).status_code == 200
    second = credential.replace("first", "second")
    assert error(arm.call("PUT", second, body)) == (409, "FederatedIdentityCredentialAlreadyExists")
    body["properties"]["issuer"] = "http://issuer.example/"
    assert error(arm.call("PUT", second, body)) == (400, "InvalidRequestContent")
    for number in range(19):
        more = {**properties, "subject": f"subject-{number}", "audiences": ["api://AzureADTokenExchange"]}
        assert arm.call("PUT", f"{credential}{number}", {"properties": more}).status_code == 201
    last = {**properties, "subject": "last", "audiences": ["api://AzureADTokenExchange"]}
    assert error(arm.call("PUT", second, {"properties": last})) == (400, "FederatedIdentityCredentialsLimitReached")
