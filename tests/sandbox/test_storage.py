"""Storage accounts: names, defaults, updates, keys."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.sandbox.arm_client import ArmClient, error

STORAGE = "providers/Microsoft.Storage/storageAccounts"
BODY = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}


@pytest.fixture
def name() -> str:
    return f"st{uuid4().hex[:16]}"


def test_azure_fills_in_what_nobody_asked_for(arm: ArmClient, group: str, name: str) -> None:
    account = arm.account(group, name)
    properties = account["properties"]
    assert account["sku"] == {"name": "Standard_LRS", "tier": "Standard"}
    assert properties["networkAcls"]["defaultAction"] == "Allow"
    assert properties["primaryEndpoints"]["blob"] == f"https://{name}.blob.core.windows.net/"
    assert properties["encryption"]["services"]["blob"]["enabled"] is True
    assert "publicNetworkAccess" not in properties
    assert "allowSharedKeyAccess" not in properties
    assert arm.call("HEAD", f"{account['id']}/blobServices/default").status_code == 204


def test_an_update_keeps_what_it_does_not_name(arm: ArmClient, group: str, name: str) -> None:
    account = arm.account(group, name, publicNetworkAccess="disabled", allowSharedKeyAccess=False)
    assert account["properties"]["publicNetworkAccess"] == "Disabled"
    patch = {"properties": {"networkAcls": {"defaultAction": "Deny"}}}
    patched = arm.call("PATCH", account["id"], patch).json()["properties"]
    assert patched["networkAcls"]["defaultAction"] == "Deny"
    assert patched["networkAcls"]["bypass"] == "AzureServices"
    again = arm.call("PUT", account["id"], {**BODY, "properties": {"minimumTlsVersion": "TLS1_3"}})
    assert again.status_code == 200
    expected = patched | {"minimumTlsVersion": "TLS1_3"}
    assert again.json()["properties"] == expected


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"sku": {"name": "Gold"}}, 400, "InvalidRequestContent"),
        ({"sku": None}, 400, "InvalidRequestContent"),
        ({"kind": "Box"}, 400, "InvalidRequestContent"),
        ({"properties": {"publicNetworkAcess": "Disabled"}}, 400, "InvalidRequestContent"),
        ({"properties": {"publicNetworkAccess": "Perhaps"}}, 400, "InvalidRequestContent"),
        ({"properties": {"networkAcls": {"default": "Deny"}}}, 400, "InvalidRequestContent"),
        ({"location": None}, 400, "LocationRequired"),
    ],
)
def test_an_account_that_cannot_be(
    arm: ArmClient, group: str, name: str, changed: dict[str, Any], status: int, code: str
) -> None:
    body = {key: value for key, value in (BODY | changed).items() if value is not None}
    assert error(arm.call("PUT", f"{group}/{STORAGE}/{name}", body)) == (status, code)
    assert arm.call("HEAD", f"{group}/{STORAGE}/{name}").status_code == 404


def test_a_name_is_checked_and_taken_once(arm: ArmClient, group: str, name: str) -> None:
    def check(wanted: str) -> dict[str, Any]:
        path = f"{arm.base}/providers/Microsoft.Storage/checkNameAvailability"
        found: dict[str, Any] = arm.call("POST", path, {"name": wanted}).json()
        return found

    assert check(name) == {"nameAvailable": True}
    assert check("No-Good")["reason"] == "AccountNameInvalid"
    arm.account(group, name)
    assert check(name)["reason"] == "AlreadyExists"
    other = arm.group(f"{name}-other")
    assert error(arm.call("PUT", f"{other}/{STORAGE}/{name}", BODY)) == (409, "StorageAccountAlreadyTaken")
    assert error(arm.call("PUT", f"{group}/{STORAGE}/No-Good", BODY)) == (400, "InvalidResourceName")


def test_keys_are_for_those_who_may_and_not_of_a_closed_account(
    arm: ArmClient, reader: ArmClient, group: str, name: str
) -> None:
    account = arm.account(group, name)
    keys = arm.call("POST", f"{account['id']}/listKeys").json()["keys"]
    assert [key["keyName"] for key in keys] == ["key1", "key2"]
    assert arm.call("POST", f"{account['id']}/listKeys").json()["keys"] == keys
    assert error(reader.call("POST", f"{account['id']}/listKeys")) == (403, "AuthorizationFailed")
    assert keys[0]["value"] not in arm.call("GET", account["id"]).text
    arm.call("PATCH", account["id"], {"properties": {"allowSharedKeyAccess": False}}).raise_for_status()
    assert error(arm.call("POST", f"{account['id']}/listKeys")) == (409, "KeyBasedAuthenticationNotPermitted")


def test_what_is_fixed_at_creation_stays(arm: ArmClient, group: str, name: str) -> None:
    account = arm.account(group, name, isHnsEnabled=True)
    refused = error(arm.call("PATCH", account["id"], {"properties": {"isHnsEnabled": False}}))
    assert refused == (409, "AccountPropertyCannotBeUpdated")
