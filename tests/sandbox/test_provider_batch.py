"""Batch accounts: quotas, automatic storage, keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error
from tests.sandbox.services import held, identity, key, may_use_keys, named, vault

ACCOUNTS = "providers/Microsoft.Batch/batchAccounts"


@pytest.fixture(scope="module")
def local_azure() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=0, limits={"batch-accounts": 99}) as sandbox:
        yield sandbox


def put(arm: ArmClient, path: str, properties: dict[str, Any], **members: Any) -> Any:
    return arm.call("PUT", path, {"location": "westeurope", "properties": properties, **members})


@pytest.mark.parametrize("most", [0, 1])
def test_a_subscription_has_a_quota_of_accounts(most: int) -> None:
    with Sandbox("empty", operation_seconds=0, limits={"batch-accounts": most, "batch-pools": 7}) as sandbox:
        arm = ArmClient(sandbox)
        group = arm.group("g")
        for number in range(most):
            made = put(arm, f"{group}/{ACCOUNTS}/batch{number}", {}).json()
            assert made["properties"]["poolQuota"] == 7
        assert error(put(arm, f"{group}/{ACCOUNTS}/more", {})) == (409, "BatchAccountQuotaReached")
        arm.close()


def test_automatic_storage_needs_an_account_and_an_identity(arm: ArmClient, group: str) -> None:
    storage = {"storageAccountId": f"{group}/providers/Microsoft.Storage/storageAccounts/none"}
    path = f"{group}/{ACCOUNTS}/{named('b')}"
    assert error(put(arm, path, {"autoStorage": storage})) == (400, "InvalidPropertyValue")
    account = arm.account(group, named("st"), allowSharedKeyAccess=False)
    storage = {"storageAccountId": account["id"]}
    assert error(put(arm, path, {"autoStorage": storage})) == (400, "InvalidPropertyValue")
    storage["authenticationMode"] = "BatchAccountManagedIdentity"
    assert error(put(arm, path, {"autoStorage": storage})) == (400, "InvalidPropertyValue")
    own = identity(arm, group)
    made = put(arm, path, {"autoStorage": storage}, identity=held(own))
    assert made.status_code == 200, made.text
    assert made.json()["properties"]["autoStorage"]["lastKeySync"]
    again = put(arm, path, {"autoStorage": storage}, identity=held(own)).json()
    assert again["properties"] == made.json()["properties"]


def test_an_account_of_the_customers_key(arm: ArmClient, group: str) -> None:
    own, keys = identity(arm, group), vault(arm, group)
    identifier = key(arm, keys)["properties"]["keyUriWithVersion"]
    encryption = {"keySource": "Microsoft.KeyVault", "keyVaultProperties": {"keyIdentifier": identifier}}
    path = f"{group}/{ACCOUNTS}/{named('b')}"
    assert error(put(arm, path, {"encryption": encryption})) == (400, "InvalidPropertyValue")
    refused = put(arm, path, {"encryption": encryption}, identity=held(own))
    assert error(refused) == (400, "InvalidPropertyValue")
    assert "no permission" in refused.json()["error"]["message"]
    may_use_keys(arm, own["properties"]["principalId"], keys)
    assert put(arm, path, {"encryption": encryption}, identity=held(own)).status_code == 200


def test_names_are_of_a_region_and_keys_of_those_who_may_use_them(arm: ArmClient, group: str) -> None:
    path = f"{group}/{ACCOUNTS}/{named('b')}"
    made = put(arm, path, {"allowedAuthenticationModes": ["AAD"]}).json()
    other = f"{arm.group(named('rg-'))}/{ACCOUNTS}/{made['name']}"
    assert error(put(arm, other, {})) == (409, "AccountAlreadyExists")
    assert put(arm, other, {}, location="eastus").status_code == 200
    assert error(arm.call("POST", f"{made['id']}/listKeys")) == (400, "InvalidRequestContent")
    keys = arm.call("POST", f"{other}/listKeys").json()
    assert keys["primary"] != keys["secondary"]


@pytest.mark.parametrize(
    ("properties", "status", "code"),
    [
        ({"poolAllocationMode": "Cloud"}, 400, "InvalidRequestContent"),
        ({"poolAllocationMode": "UserSubscription"}, 400, "InvalidRequestContent"),
        ({"allowedAuthenticationModes": ["Password"]}, 400, "InvalidPropertyValue"),
        ({"publicNetworkAcess": "Disabled"}, 400, "InvalidRequestContent"),
    ],
)
def test_an_account_that_cannot_be(
    arm: ArmClient, group: str, properties: dict[str, Any], status: int, code: str
) -> None:
    assert error(put(arm, f"{group}/{ACCOUNTS}/{named('b')}", properties)) == (status, code)
