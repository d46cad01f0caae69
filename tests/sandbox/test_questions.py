"""What a careful client asks before it writes, and what Azure Policy and Defender say to what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from lockdown.sandbox import roles
from lockdown.sandbox.policies import ALLOWED_LOCATIONS, DEFINITION
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error

NSG = "providers/Microsoft.Network/networkSecurityGroups"
REGION = "locations/westeurope"


@pytest.fixture(scope="module")
def tight() -> Iterator[ArmClient]:
    limits = {"batch-accounts": 0, "cores": 10, "postgres-servers": 0, "Standard_D4s_v5": 0}
    with Sandbox(
        "empty", operation_seconds=0, limits=limits, denied_types=["Microsoft.Batch/batchAccounts"]
    ) as sandbox:
        client = ArmClient(sandbox)
        yield client
        client.close()


def test_quotas_and_sizes(arm: ArmClient, tight: ArmClient) -> None:
    compute = f"{arm.base}/providers/Microsoft.Compute"
    usages = arm.call("GET", f"{compute}/{REGION}/usages").json()["value"]
    total = next(item for item in usages if item["name"]["value"] == "cores")
    assert (total["currentValue"], total["limit"]) == (0, 100)
    assert any(item["name"]["value"] == "standardDSv5Family" for item in usages)
    listed = arm.call("GET", f"{compute}/skus", query={"$filter": "location eq 'westeurope'"}).json()["value"]
    size = next(item for item in listed if item["name"] == "Standard_D4s_v5")
    assert size["family"] == "standardDSv5Family"
    assert {"name": "vCPUs", "value": "4"} in size["capabilities"]
    assert arm.call("GET", f"{arm.base}/providers/Microsoft.Batch/{REGION}/quotas").json() == {"accountQuota": 3}
    there = f"{tight.base}/providers"
    assert tight.call("GET", f"{there}/Microsoft.Batch/{REGION}/quotas").json() == {"accountQuota": 0}
    few = tight.call("GET", f"{there}/Microsoft.Compute/{REGION}/usages").json()["value"]
    assert few[0]["limit"] == 10
    names = [item["name"] for item in tight.call("GET", f"{there}/Microsoft.Compute/skus").json()["value"]]
    assert "Standard_D4s_v5" not in names
    servers = tight.call("GET", f"{there}/Microsoft.DBforPostgreSQL/{REGION}/capabilities").json()["value"]
    assert servers[0]["restricted"] == "Enabled"
    unknown = f"{arm.base}/providers/Microsoft.Batch/locations/nowhere/quotas"
    assert error(arm.call("GET", unknown)) == (400, "LocationNotAvailable")


def test_what_a_caller_may_do(arm: ArmClient, contributor: ArmClient, group: str) -> None:
    (owner,) = arm.call("GET", f"{group}/providers/Microsoft.Authorization/permissions").json()["value"]
    assert owner["actions"] == ["*"]
    path = f"{contributor.base}/providers/Microsoft.Authorization/permissions"
    (held,) = contributor.call("GET", path).json()["value"]
    assert "Microsoft.Authorization/*/Write" in held["notActions"]


@pytest.mark.parametrize(
    ("path", "type_", "name", "reason"),
    [
        ("Microsoft.Storage", "Microsoft.Storage/storageAccounts", "NO", "AccountNameInvalid"),
        ("Microsoft.Storage", "Microsoft.Storage/storageAccounts", "free0001", None),
        ("Microsoft.KeyVault", "Microsoft.KeyVault/vaults", "kv-free", None),
        (f"Microsoft.Batch/{REGION}", "Microsoft.Batch/batchAccounts", "batchfree", None),
    ],
)
def test_whether_a_name_is_free(arm: ArmClient, path: str, type_: str, name: str, reason: str | None) -> None:
    url = f"{arm.base}/providers/{path}/checkNameAvailability"
    answer = arm.call("POST", url, {"name": name, "type": type_}).json()
    assert (answer["nameAvailable"], answer.get("reason")) == (reason is None, reason)
    assert error(arm.call("POST", url, {"type": type_})) == (400, "InvalidRequestContent")


def test_a_type_that_a_subscription_refuses(tight: ArmClient) -> None:
    path = f"{tight.group('g')}/providers/Microsoft.Batch/batchAccounts/b1"
    refused = tight.call("PUT", path, {"location": "westeurope"})
    assert error(refused) == (403, "RequestDisallowedByPolicy")
    assert "not-allowed" in refused.json()["error"]["message"]


def _definition(arm: ArmClient, condition: dict[str, Any], effect: str = "deny") -> str:
    path = f"{arm.base}/providers/Microsoft.Authorization/policyDefinitions/{uuid4()}"
    rule = {"if": condition, "then": {"effect": effect}}
    answer = arm.call("PUT", path, {"properties": {"policyRule": rule}})
    assert answer.status_code == 201, answer.text
    return path


def _assign(arm: ArmClient, scope: str, definition: str, **properties: Any) -> str:
    path = f"{scope}/providers/Microsoft.Authorization/policyAssignments/{uuid4().hex}"
    body = {"properties": {"policyDefinitionId": definition, **properties}}
    arm.call("PUT", path, body).raise_for_status()
    return path


def test_an_assignment_denies_in_its_scope_what_its_rule_describes(arm: ArmClient, group: str) -> None:
    tagged = {"not": {"field": "tags['owner']", "exists": "true"}}
    condition = {"allOf": [{"field": "type", "equals": "Microsoft.Network/networkSecurityGroups"}, tagged]}
    assignment = _assign(arm, group, _definition(arm, condition))
    path = f"{group}/{NSG}/nsg"
    assert error(arm.call("PUT", path, {"location": "westeurope"})) == (403, "RequestDisallowedByPolicy")
    assert arm.call("PUT", path, {"location": "westeurope", "tags": {"Owner": "me"}}).status_code == 201
    assert error(arm.call("PATCH", path, {"tags": {}})) == (403, "RequestDisallowedByPolicy")
    other = f"{arm.group(f'rg-{uuid4().hex[:8]}')}/{NSG}/nsg"
    assert arm.call("PUT", other, {"location": "westeurope"}).status_code == 201
    arm.call("DELETE", assignment).raise_for_status()
    assert arm.call("PATCH", path, {"tags": {}}).status_code == 200


def test_assignments_that_do_not_deny(arm: ArmClient, group: str) -> None:
    every = {"field": "type", "like": "*"}
    _assign(arm, group, _definition(arm, every, "audit"))
    _assign(arm, group, _definition(arm, every), enforcementMode="DoNotEnforce")
    _assign(arm, group, _definition(arm, every), notScopes=[group])
    assert arm.call("PUT", f"{group}/{NSG}/nsg", {"location": "westeurope"}).status_code == 201


def test_allowed_locations_and_properties(arm: ArmClient, group: str) -> None:
    places = {"listOfAllowedLocations": {"value": ["northeurope"]}}
    first = _assign(arm, group, f"/providers/{DEFINITION}/{ALLOWED_LOCATIONS}", parameters=places)
    path = f"{group}/{NSG}/nsg"
    assert error(arm.call("PUT", path, {"location": "westeurope"})) == (403, "RequestDisallowedByPolicy")
    assert arm.call("PUT", path, {"location": "northeurope"}).status_code == 201
    arm.call("DELETE", first).raise_for_status()
    alias = {"field": "Microsoft.Storage/storageAccounts/publicNetworkAccess", "notEquals": "Disabled"}
    kind = {"field": "type", "equals": "Microsoft.Storage/storageAccounts"}
    _assign(arm, group, _definition(arm, {"allOf": [kind, alias]}))
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/policy{uuid4().hex[:8]}"
    body: dict[str, Any] = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    assert error(arm.call("PUT", account, body)) == (403, "RequestDisallowedByPolicy")
    body["properties"] = {"publicNetworkAccess": "Disabled"}
    assert arm.call("PUT", account, body).status_code == 200


@pytest.mark.parametrize("rule", [{}, {"if": {}, "then": {}}, {"if": {"value": "x"}, "then": {"effect": "deny"}}])
def test_a_rule_that_is_not_known_is_not_stored(arm: ArmClient, rule: dict[str, Any]) -> None:
    path = f"{arm.base}/providers/Microsoft.Authorization/policyDefinitions/{uuid4()}"
    assert arm.call("PUT", path, {"properties": {"policyRule": rule}}).status_code in (400, 501)
    assert error(
        arm.call(
            "PUT",
            f"{arm.base}/providers/Microsoft.Authorization/policyAssignments/x",
            {"properties": {"policyDefinitionId": "/none"}},
        )
    ) == (404, "PolicyDefinitionNotFound")


def test_plans_of_defender_are_there_and_can_be_bought(arm: ArmClient) -> None:
    path = f"{arm.base}/providers/Microsoft.Security/pricings"
    free = arm.call("GET", f"{path}/StorageAccounts").json()["properties"]
    assert free["pricingTier"] == "Free"
    extensions = [{"name": "OnUploadMalwareScanning", "isEnabled": "True"}]
    wanted = {"pricingTier": "Standard", "subPlan": "DefenderForStorageV2", "extensions": extensions}
    bought = arm.call("PUT", f"{path}/StorageAccounts", {"properties": wanted}).json()["properties"]
    assert bought["extensions"][1] == {"name": "SensitiveDataDiscovery", "isEnabled": "True"}
    assert bought["resourcesCoverageStatus"] == "FullyCovered"
    assert error(arm.call("PUT", f"{path}/Unheard", {"properties": wanted})) == (400, "InvalidInput")
    assert error(arm.call("DELETE", f"{path}/StorageAccounts")) == (405, "MethodNotAllowed")
    contact = f"{arm.base}/providers/Microsoft.Security/securityContacts/default"
    body = {
        "emails": "a@example.org",
        "notificationsByRole": {"state": "On", "roles": ["Owner"]},
        "notificationsSources": [{"sourceType": "Alert", "minimalSeverity": "Medium"}],
    }
    assert arm.call("PUT", contact, {"properties": body}).json()["properties"]["isEnabled"] is True


def test_a_new_identity_is_not_known_at_once() -> None:
    with Sandbox("empty", time_scale=1, replication_seconds=60) as sandbox:
        arm = ArmClient(sandbox)
        group = arm.group("g")
        identity = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1"
        body = {"location": "westeurope", "properties": {}}
        made = arm.call("PUT", identity, body)
        principal = arm.call("GET", identity).json()["properties"].get("principalId")
        if principal is None:
            principal = str(uuid4())
            body["properties"] = {"principalId": principal}
            made = arm.call("PUT", identity, body)
        assert made.status_code in (200, 201)
        role = {"roleDefinitionId": roles.DEFINITIONS + roles.READER, "principalId": principal}
        path = f"{group}/providers/Microsoft.Authorization/roleAssignments"
        assert error(arm.call("PUT", f"{path}/{uuid4()}", {"properties": role})) == (400, "PrincipalNotFound")
        sure = {**role, "principalType": "ServicePrincipal"}
        assert arm.call("PUT", f"{path}/{uuid4()}", {"properties": sure}).status_code == 201
        sandbox.clock.skip(61)
        other = {**role, "roleDefinitionId": roles.DEFINITIONS + roles.CONTRIBUTOR}
        assert arm.call("PUT", f"{path}/{uuid4()}", {"properties": other}).status_code == 201
        stranger = {**role, "principalId": str(uuid4())}
        assert error(arm.call("PUT", f"{path}/{uuid4()}", {"properties": stranger})) == (400, "PrincipalNotFound")
        arm.close()
