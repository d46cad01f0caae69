"""Container registries: tiers, names, the customer's key, and importing images."""

from __future__ import annotations

from typing import Any

import pytest

from lockdown.sandbox.providers.registry import images
from tests.sandbox.arm_client import ArmClient, error
from tests.sandbox.services import held, identity, key, may_use_keys, named, vault

REGISTRIES = "providers/Microsoft.ContainerRegistry/registries"
DIGEST = "sha256:" + "a1" * 32
CLOSED: dict[str, Any] = {"publicNetworkAccess": "Disabled", "networkRuleSet": {"defaultAction": "Deny"}}


def registry(arm: ArmClient, group: str, tier: str = "Premium", **properties: Any) -> dict[str, Any]:
    return arm.made(f"{group}/{REGISTRIES}/{named('acr')}", properties, sku={"name": tier})


def bring(arm: ArmClient, to: dict[str, Any], image: str, *, uri: str = "docker.io", **more: Any) -> Any:
    body = {"source": {"registryUri": uri, "sourceImage": image}, **more}
    return arm.call("POST", f"{to['id']}/importImage", body)


def test_azure_fills_in_what_nobody_asked_for(arm: ArmClient, group: str) -> None:
    made = registry(arm, group, "standard")
    assert made["sku"] == {"name": "Standard", "tier": "Standard"}
    assert made["properties"]["loginServer"] == f"{made['name']}.azurecr.io"
    assert made["properties"]["publicNetworkAccess"] == "Enabled"
    assert made["properties"]["dataEndpointHostNames"] == []


@pytest.mark.parametrize(
    "properties",
    [
        {"publicNetworkAccess": "Disabled"},
        {"dataEndpointEnabled": True},
        {"networkRuleSet": {"defaultAction": "Deny"}},
        {"policies": {"retentionPolicy": {"status": "enabled", "days": 7}}},
        {"zoneRedundancy": "Enabled"},
    ],
)
def test_what_needs_premium_is_refused_below_it(arm: ArmClient, group: str, properties: dict[str, Any]) -> None:
    path = f"{group}/{REGISTRIES}/{named('acr')}"
    body = {"location": "westeurope", "sku": {"name": "Standard"}, "properties": properties}
    assert error(arm.call("PUT", path, body)) == (400, "FeatureNotSupportedInSku")
    body["sku"] = {"name": "Premium"}
    assert arm.call("PUT", path, body).status_code == 201


def test_export_is_switched_off_only_where_public_access_is(arm: ArmClient, group: str) -> None:
    policies: dict[str, Any] = {"policies": {"exportPolicy": {"status": "disabled"}}}
    path = f"{group}/{REGISTRIES}/{named('acr')}"
    body = {"location": "westeurope", "sku": {"name": "Premium"}, "properties": policies}
    assert error(arm.call("PUT", path, body)) == (400, "InvalidExportPolicy")
    assert registry(arm, group, **policies, **CLOSED)["properties"]["policies"]["exportPolicy"]["status"] == "disabled"


@pytest.mark.parametrize("first", ["registry", "plan"])
def test_defender_assesses_a_registry_whichever_is_there_first(arm: ArmClient, group: str, first: str) -> None:
    plan = f"{arm.base}/providers/Microsoft.Security/pricings/Containers"

    def switch(tier: str) -> None:
        arm.call("PUT", plan, {"properties": {"pricingTier": tier}}).raise_for_status()

    def assessed(made: dict[str, Any]) -> bool:
        below = f"{made['id']}/providers/Microsoft.Security/assessments/".lower()
        return any(str(found["id"]).lower().startswith(below) for found in arm.sandbox.state.documents())

    switch("Free" if first == "registry" else "Standard")
    made = registry(arm, group)
    assert assessed(made) == (first == "plan")
    switch("Standard")
    assert assessed(made)


def test_an_import_into_a_closed_registry_needs_the_bypass(arm: ArmClient, group: str) -> None:
    made = registry(arm, group, **CLOSED, networkRuleBypassOptions="None")
    image = f"broadinstitute/cromwell:87@{DIGEST}"
    refused = bring(arm, made, image)
    assert error(refused) == (403, "InvalidParameters")
    assert "DENIED" in refused.json()["error"]["message"]
    arm.call("PATCH", made["id"], {"properties": {"networkRuleBypassOptions": "AzureServices"}}).raise_for_status()
    assert bring(arm, made, image).status_code == 200
    arm.call("PATCH", made["id"], {"properties": {"networkRuleBypassOptions": "None"}}).raise_for_status()
    stored = arm.sandbox.state.get(made["id"])
    assert stored is not None
    assert images(stored) == {"broadinstitute/cromwell:87": DIGEST}
    assert DIGEST not in arm.call("GET", made["id"]).text


def test_what_cannot_be_imported(arm: ArmClient, group: str) -> None:
    made = registry(arm, group)
    assert error(bring(arm, made, "a/b:1", uri="registry.example")) == (400, "InvalidParameters")
    assert error(bring(arm, made, "a/b")) == (400, "InvalidParameters")
    assert error(bring(arm, made, "a/b:1", targetTags=["A//b"])) == (400, "InvalidParameters")
    assert error(bring(arm, made, "a/b:1", mood="Force")) == (400, "InvalidRequestContent")
    assert bring(arm, made, "a/b:1", targetTags=["mine:1"]).status_code == 200
    assert bring(arm, made, "a/b:1", targetTags=["mine:1"]).status_code == 200
    assert error(bring(arm, made, "a/b:2", targetTags=["mine:1"])) == (409, "Conflict")
    assert bring(arm, made, "a/b:2", targetTags=["mine:1"], mode="Force").status_code == 200


def test_an_image_of_another_registry_has_to_be_there(arm: ArmClient, group: str) -> None:
    one, other = registry(arm, group), registry(arm, group)
    source = {"resourceId": one["id"], "sourceImage": "a/b:1"}
    missing = arm.call("POST", f"{other['id']}/importImage", {"source": source})
    assert error(missing) == (400, "InvalidParameters")
    bring(arm, one, "a/b:1").raise_for_status()
    assert arm.call("POST", f"{other['id']}/importImage", {"source": source}).status_code == 200
    first, second = (arm.sandbox.state.get(found["id"]) or {} for found in (one, other))
    assert images(first) == images(second)


def test_a_registry_of_the_customers_key(arm: ArmClient, group: str) -> None:
    own, keys = identity(arm, group), vault(arm, group)
    made = key(arm, keys)
    encryption = {
        "status": "enabled",
        "keyVaultProperties": {
            "keyIdentifier": made["properties"]["keyUri"],
            "identity": own["properties"]["clientId"],
        },
    }
    path = f"{group}/{REGISTRIES}/{named('acr')}"
    body = {
        "location": "westeurope", "sku": {"name": "Premium"}, "identity": held(own),
        "properties": {"encryption": encryption},
    }  # fmt: skip
    assert error(arm.call("PUT", path, body)) == (400, "KeyVaultKeyNotAccessible")
    may_use_keys(arm, own["properties"]["principalId"], keys)
    created = arm.call("PUT", path, body)
    assert created.status_code == 201, created.text
    shown = created.json()["properties"]["encryption"]["keyVaultProperties"]
    assert shown["versionedKeyIdentifier"] == made["properties"]["keyUriWithVersion"]
    assert shown["keyRotationEnabled"] is True
    assert arm.call("PUT", path, body).json()["properties"] == created.json()["properties"]
    body["properties"] = {}
    assert error(arm.call("PUT", path, body)) == (409, "EncryptionStatusCannotBeChanged")


def test_names_are_global_and_credentials_are_of_the_admin_user(arm: ArmClient, group: str) -> None:
    made = registry(arm, group)
    other = f"{arm.group(named('rg-'))}/{REGISTRIES}/{made['name'].upper()}"
    body = {"location": "westeurope", "sku": {"name": "Basic"}}
    assert error(arm.call("PUT", other, body)) == (409, "AlreadyInUse")
    refused = arm.call("POST", f"{made['id']}/listCredentials")
    assert error(refused) == (400, "UnAuthorizedForCredentialOperations")
