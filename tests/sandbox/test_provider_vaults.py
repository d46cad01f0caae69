"""Vaults, deleted ones, keys through Resource Manager, and what services make of keys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.arm_client import ArmClient, error
from tests.sandbox.services import held, identity, key, may_use_keys, named, vault

VAULTS = "providers/Microsoft.KeyVault/vaults"


def request(document: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {"location": document["location"], "properties": {**document["properties"], **properties}}


def test_protection_from_purging_is_for_good(arm: ArmClient, group: str) -> None:
    made = vault(arm, group, enablePurgeProtection=None)
    assert "enablePurgeProtection" not in made["properties"]
    assert made["properties"]["softDeleteRetentionInDays"] == 90
    assert error(arm.call("PUT", made["id"], request(made, enablePurgeProtection=False))) == (400, "BadRequest")
    assert error(arm.call("PUT", made["id"], request(made, enableSoftDelete=False))) == (400, "BadRequest")
    assert error(arm.call("PUT", made["id"], request(made, softDeleteRetentionInDays=7))) == (409, "BadRequest")
    on = arm.call("PATCH", made["id"], {"properties": {"enablePurgeProtection": True}})
    assert on.json()["properties"]["enablePurgeProtection"] is True
    again = arm.call("PUT", made["id"], request(made)).json()
    assert again["properties"]["enablePurgeProtection"] is True


def test_a_deleted_vault_keeps_its_name_until_it_is_recovered_or_purged(arm: ArmClient, group: str) -> None:
    made = vault(arm, group)
    kept = key(arm, made)
    assert arm.call("DELETE", made["id"]).status_code == 200
    assert error(arm.call("PUT", made["id"], request(made))) == (409, "ConflictError")
    listed = arm.call("GET", f"{arm.base}/providers/Microsoft.KeyVault/deletedVaults").json()["value"]
    (left,) = (found for found in listed if found["name"] == made["name"])
    assert left["properties"]["vaultId"] == made["id"]
    assert error(arm.call("POST", f"{left['id']}/purge")) == (405, "MethodNotAllowed")
    recovered = arm.call("PUT", made["id"], request(made, createMode="recover", publicNetworkAccess="Enabled"))
    assert recovered.status_code == 201
    assert recovered.json()["properties"] == made["properties"]
    assert arm.call("GET", kept["id"]).json() == kept
    assert arm.call("GET", left["id"]).status_code == 404


def test_an_unprotected_vault_can_be_purged(arm: ArmClient, group: str) -> None:
    made = vault(arm, group, enablePurgeProtection=None)
    arm.call("DELETE", made["id"]).raise_for_status()
    where = f"{arm.base}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/{made['name']}"
    assert arm.call("POST", f"{where}/purge").status_code == 200
    assert arm.call("PUT", made["id"], request(made)).status_code == 201


def test_a_vault_of_a_deleted_group_is_kept_too(arm: ArmClient) -> None:
    group = arm.group(named("rg-"))
    made = vault(arm, group)
    arm.call("DELETE", group).raise_for_status()
    other = arm.group(named("rg-"))
    refused = arm.call("PUT", f"{other}/{VAULTS}/{made['name']}", request(made))
    assert error(refused) == (409, "ConflictError")


@pytest.mark.parametrize(
    ("name", "changed", "code"),
    [
        ("kv--two", {}, "InvalidResourceName"),
        ("1kv", {}, "InvalidResourceName"),
        ("", {"tenantId": None}, "InvalidRequestContent"),
        ("", {"sku": {"name": "gold"}}, "InvalidRequestContent"),
        ("", {"softDeleteRetentionInDays": 6}, "InvalidRequestContent"),
        ("", {"enableRbacAuthorisation": True}, "InvalidRequestContent"),
    ],
)
def test_a_vault_that_cannot_be(arm: ArmClient, group: str, name: str, changed: dict[str, Any], code: str) -> None:
    properties = {"tenantId": arm.sandbox.tenant, "sku": {"name": "standard"}, **changed}
    path = f"{group}/{VAULTS}/{name or named('kv-')}"
    assert error(arm.call("PUT", path, {"location": "westeurope", "properties": properties})) == (400, code)


def test_names_are_global(arm: ArmClient, group: str) -> None:
    made = vault(arm, group)
    other = arm.group(named("rg-"))
    assert error(arm.call("PUT", f"{other}/{VAULTS}/{made['name']}", request(made))) == (409, "VaultAlreadyExists")


def test_a_key_is_made_once_and_never_changed(arm: ArmClient, group: str) -> None:
    made = key(arm, vault(arm, group))
    assert made["properties"]["keyUriWithVersion"].startswith(made["properties"]["keyUri"] + "/")
    again = arm.call("PUT", made["id"], {"properties": {"kty": "EC", "keyOps": ["sign"]}})
    assert (again.status_code, again.json()) == (200, made)
    assert error(arm.call("DELETE", made["id"])) == (405, "MethodNotAllowed")
    assert error(arm.call("PUT", f"{made['id']}2", {"properties": {"kty": "RSA-HSM"}})) == (
        400,
        "InvalidRequestContent",
    )
    assert error(arm.call("PUT", f"{made['id']}2", {"properties": {}})) == (400, "InvalidRequestContent")


def test_a_storage_account_uses_only_a_key_that_it_may(arm: ArmClient, group: str) -> None:
    own, keys = identity(arm, group), vault(arm, group)
    encryption = {
        "keySource": "Microsoft.Keyvault",
        "keyvaultproperties": {"keyname": "data", "keyvaulturi": keys["properties"]["vaultUri"]},
        "identity": {"userAssignedIdentity": own["id"]},
    }
    path = f"{group}/providers/Microsoft.Storage/storageAccounts/{named('st')}"
    body = {
        "location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2",
        "properties": {"encryption": encryption},
    }  # fmt: skip
    assert error(arm.call("PUT", path, body)) == (400, "InvalidValuesForRequestParameters")
    body["identity"] = held(own)
    assert error(arm.call("PUT", path, body)) == (409, "KeyVaultEncryptionKeyNotFound")
    made = key(arm, keys)
    assert error(arm.call("PUT", path, body)) == (409, "KeyVaultAuthenticationFailure")
    may_use_keys(arm, own["properties"]["principalId"], keys)
    created = arm.call("PUT", path, body)
    assert created.status_code == 200, created.text
    shown = created.json()["properties"]["encryption"]["keyvaultproperties"]
    assert shown["currentVersionedKeyIdentifier"] == made["properties"]["keyUriWithVersion"]
    assert arm.call("PUT", path, body).json()["properties"] == created.json()["properties"]


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"enablePurgeProtection": None}, "KeyVaultPolicyError"),
        ({"networkAcls": {"defaultAction": "Deny", "bypass": "None"}}, "KeyVaultAuthenticationFailure"),
    ],
)
def test_a_vault_that_no_service_can_use(arm: ArmClient, group: str, properties: dict[str, Any], code: str) -> None:
    own, keys = identity(arm, group), vault(arm, group, **properties)
    key(arm, keys)
    may_use_keys(arm, own["properties"]["principalId"], keys)
    encryption = {
        "keySource": "Microsoft.Keyvault",
        "keyvaultproperties": {"keyname": "data", "keyvaulturi": keys["properties"]["vaultUri"]},
        "identity": {"userAssignedIdentity": own["id"]},
    }
    path = f"{group}/providers/Microsoft.Storage/storageAccounts/{named('st')}"
    body = {
        "location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "identity": held(own),
        "properties": {"encryption": encryption},
    }  # fmt: skip
    assert error(arm.call("PUT", path, body)) == (409, code)


def test_a_disk_encryption_set_follows_its_key(arm: ArmClient, group: str) -> None:
    keys = vault(arm, group)
    path = f"{group}/providers/Microsoft.Compute/diskEncryptionSets/disks"
    url = f"{keys['properties']['vaultUri']}keys/data"
    properties: dict[str, Any] = {"activeKey": {"keyUrl": url, "sourceVault": {"id": keys["id"]}}}
    body = {"location": "westeurope", "properties": properties}
    assert error(arm.call("PUT", path, body)) == (400, "InvalidRequestContent")
    body["identity"] = {"type": "SystemAssigned"}
    assert error(arm.call("PUT", path, body)) == (400, "KeyVaultKeyNotFound")
    made = key(arm, keys)
    assert error(arm.call("PUT", path, body)) == (400, "InvalidRequestContent")
    properties["rotationToLatestKeyVersionEnabled"] = True
    created = arm.call("PUT", path, body)
    assert created.status_code == 201, created.text
    assert created.json()["properties"]["activeKey"]["keyUrl"] == made["properties"]["keyUriWithVersion"]
    properties["encryptionType"] = "EncryptionAtRestWithPlatformAndCustomerKeys"
    assert error(arm.call("PUT", path, body)) == (409, "PropertyChangeNotAllowed")
    assert arm.call("DELETE", path).status_code == 200
