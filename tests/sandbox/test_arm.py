"""Generic Resource Manager: envelope, versions, conditions, rights, errors."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from lockdown.sandbox import roles
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import NETWORK, ArmClient, error

STORE = "providers/Microsoft.AppConfiguration/configurationStores"


def test_every_answer_carries_its_ids_and_what_is_left(arm: ArmClient) -> None:
    mine = str(uuid4())
    response = arm.call("GET", f"{arm.base}/resources", headers={"x-ms-correlation-request-id": mine})
    assert response.headers["x-ms-correlation-request-id"] == mine
    UUID(response.headers["x-ms-request-id"])
    assert response.headers["x-ms-routing-request-id"].endswith(mine)
    assert response.headers["x-ms-ratelimit-remaining-subscription-reads"].isdecimal()
    written = arm.call("PUT", f"{arm.base}/resourceGroups/ids", {"location": "westeurope"})
    assert written.headers["x-ms-ratelimit-remaining-subscription-writes"].isdecimal()


def test_a_version_is_needed_and_has_a_form(arm: ArmClient) -> None:
    assert error(arm.call("GET", "/subscriptions", version=None)) == (400, "MissingApiVersionParameter")
    for wrong in ("latest", "2024-5-1", "2024-05-01-nightly"):
        assert error(arm.call("GET", "/subscriptions", version=wrong)) == (400, "InvalidApiVersionParameter")
    assert arm.call("GET", "/subscriptions", version="2022-12-01-Preview").status_code == 200


def test_an_unknown_type_is_a_document_under_an_envelope_and_says_so(arm: ArmClient, group: str) -> None:
    path = f"{group}/{STORE}/kv-one"
    body = {"location": "West Europe", "tags": {"a": "1"}, "properties": {"anything": {"goes": [1]}}}
    created = arm.call("PUT", path, body)
    assert (created.status_code, created.headers["x-sandbox-fidelity"]) == (201, "generic")
    expected = {
        "id": path,
        "name": "kv-one",
        "type": "Microsoft.AppConfiguration/configurationStores",
        "location": "westeurope",
        "tags": {"a": "1"},
        "properties": {"anything": {"goes": [1]}},
    }
    assert created.json() == expected
    assert arm.call("GET", path.upper().replace("/SUBSCRIPTIONS", "/subscriptions")).json() == expected
    assert arm.call("HEAD", path).status_code == 204
    assert arm.call("PUT", path, body).status_code == 200
    assert arm.call("DELETE", path).status_code == 200
    assert arm.call("DELETE", path).status_code == 204
    assert arm.call("HEAD", path).status_code == 404
    assert error(arm.call("GET", path)) == (404, "ResourceNotFound")


def test_patch_merges_objects_removes_nulls_and_replaces_tags(arm: ArmClient, group: str) -> None:
    path = f"{group}/{STORE}/kv"
    properties = {"a": {"x": 1, "y": 2}, "list": [1, 2], "gone": True}
    arm.call("PUT", path, {"location": "westeurope", "tags": {"old": "1"}, "properties": properties})
    patch = {"tags": {"new": "2"}, "properties": {"a": {"y": 3}, "list": [9], "gone": None}}
    patched = arm.call("PATCH", path, patch).json()
    assert patched["properties"] == {"a": {"x": 1, "y": 3}, "list": [9]}
    assert patched["tags"] == {"new": "2"}
    assert error(arm.call("PATCH", f"{group}/{STORE}/none", {"tags": {}})) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {"location": "westeurope", "propertees": {}},
        {"location": "westeurope", "properties": []},
        {"location": 5},
        {"location": "westeurope", "tags": {"a": 1}},
        {"location": "westeurope", "identity": {"type": "Robot"}},
    ],
)
def test_a_body_that_is_no_resource_is_refused(arm: ArmClient, group: str, body: Any) -> None:
    assert error(arm.call("PUT", f"{group}/{STORE}/kv", body)) == (400, "InvalidRequestContent")
    assert arm.call("HEAD", f"{group}/{STORE}/kv").status_code == 404


def test_a_body_that_is_not_json_is_refused(arm: ArmClient, group: str) -> None:
    for data in (b"", b"{", b"\xff", b"[" * 100_000):
        url = f"{arm.sandbox.url}{group}/{STORE}/kv?api-version={NETWORK}"
        assert error(arm.session.put(url, data=data)) == (400, "InvalidRequestContent")


def test_a_body_that_no_answer_could_hold_is_refused_and_the_next_request_goes_on(arm: ArmClient, group: str) -> None:
    path = f"{group}/{STORE}/wild"
    for wild in ("\ud800", 10**20):
        assert error(arm.call("PUT", path, {"location": "westeurope", "properties": {"n": wild}}))[0] == 400
    assert arm.call("GET", group).status_code == 200


def test_tags_have_limits(arm: ArmClient, group: str) -> None:
    many = {str(number): "" for number in range(51)}
    assert error(arm.call("PUT", f"{group}/{STORE}/kv", {"tags": many})) == (400, "InvalidTags")
    assert error(arm.call("PUT", f"{group}/{STORE}/kv", {"tags": {"<a>": ""}})) == (400, "InvalidTagNameCharacters")


@pytest.mark.parametrize("name", ["%3Cscript%3E", "a%26b", "a%0Ab", "trailing.", "a" * 261, "a%5Cb"])
def test_a_name_that_no_resource_can_have(arm: ArmClient, group: str, name: str) -> None:
    assert error(arm.call("PUT", f"{group}/{STORE}/{name}", {})) == (400, "InvalidResourceName")


def test_a_location_cannot_change(arm: ArmClient, group: str) -> None:
    path = f"{group}/{STORE}/kv"
    arm.call("PUT", path, {"location": "westeurope"})
    assert error(arm.call("PUT", path, {"location": "eastus"})) == (409, "InvalidResourceLocation")
    assert error(arm.call("PATCH", path, {"location": "eastus"})) == (400, "InvalidRequestContent")


def test_conditions_on_the_etag(arm: ArmClient, group: str) -> None:
    path = f"{group}/{STORE}/kv"
    first = arm.call("PUT", path, {"location": "westeurope"}, headers={"If-None-Match": "*"})
    assert first.status_code == 201
    etag = first.headers["ETag"]
    stale = (412, "PreconditionFailed")
    assert error(arm.call("PUT", path, {"location": "westeurope"}, headers={"If-None-Match": "*"})) == stale
    second = arm.call("PATCH", path, {"tags": {"a": "b"}}, headers={"If-Match": etag})
    assert second.status_code == 200
    assert second.headers["ETag"] != etag
    assert error(arm.call("DELETE", path, headers={"If-Match": etag})) == stale
    assert error(arm.call("PUT", f"{path}2", {}, headers={"If-Match": "*"})) == stale
    assert arm.call("DELETE", path, headers={"If-Match": second.headers["ETag"]}).status_code == 200


def test_what_is_not_there_is_named(arm: ArmClient, group: str) -> None:
    nowhere = f"/subscriptions/{uuid4()}"
    assert error(arm.call("GET", nowhere)) == (404, "SubscriptionNotFound")
    assert error(arm.call("GET", f"{nowhere}/resourceGroups")) == (404, "SubscriptionNotFound")
    for path in (f"{group}x", f"{group}x/resources", f"{group}x/{STORE}", f"{group}x/{STORE}/kv"):
        assert error(arm.call("GET", path)) == (404, "ResourceGroupNotFound")
    assert error(arm.call("PUT", f"{group}x/{STORE}/kv", {})) == (404, "ResourceGroupNotFound")
    assert error(arm.call("PUT", f"{group}/{STORE}/kv/secrets/s", {})) == (404, "ParentResourceNotFound")
    assert error(arm.call("GET", f"{group}/{STORE}/kv/secrets")) == (404, "ResourceNotFound")


def test_a_namespace_must_be_one(arm: ArmClient, group: str) -> None:
    assert error(arm.call("PUT", f"{group}/providers/Microsoft.Nope/x/y", {})) == (404, "InvalidResourceNamespace")
    assert error(arm.call("GET", f"{arm.base}/providers/Microsoft.Nope")) == (404, "InvalidResourceNamespace")


@pytest.mark.parametrize(
    "path", ["/nowhere", "/subscriptions//resources", "/a/b/c/d", "/providers/Microsoft.Network//x"]
)
def test_a_path_that_is_no_resource(arm: ArmClient, path: str) -> None:
    assert error(arm.call("GET", path)) == (404, "InvalidResourceType")


def test_a_method_that_a_path_does_not_have(arm: ArmClient, group: str) -> None:
    assert error(arm.call("PUT", f"{group}/{STORE}", {})) == (405, "MethodNotAllowed")
    assert error(arm.call("OPTIONS", group)) == (405, "MethodNotAllowed")


def test_an_action_that_is_not_known_is_refused_and_not_guessed(arm: ArmClient, group: str) -> None:
    arm.call("PUT", f"{group}/{STORE}/kv", {"location": "westeurope"})
    assert error(arm.call("POST", f"{group}/{STORE}/kv/purge", {})) == (501, "NotSupportedBySandbox")
    assert error(arm.call("POST", f"{group}/{STORE}/kv", {})) == (501, "NotSupportedBySandbox")
    assert error(arm.call("POST", f"{arm.base}/providers/Microsoft.Batch/check", {})) == (501, "NotSupportedBySandbox")


def test_a_reader_reads_and_a_contributor_writes_but_assigns_no_roles(
    arm: ArmClient, reader: ArmClient, contributor: ArmClient, group: str
) -> None:
    path = f"{group}/{STORE}/kv"
    assert error(reader.call("PUT", path, {})) == (403, "AuthorizationFailed")
    assert contributor.call("PUT", path, {"location": "westeurope"}).status_code == 201
    assert reader.call("GET", path).status_code == 200
    refused = reader.call("DELETE", path).json()["error"]["message"]
    principal = arm.sandbox.identity.applications["auditor"].principal
    assert principal.object_id in refused
    assert "'Microsoft.AppConfiguration/configurationStores/delete'" in refused
    role = f"{path}/providers/Microsoft.Authorization/roleAssignments/{uuid4()}"
    body = {"properties": _role(arm, roles.CONTRIBUTOR, principal.object_id)}
    assert error(contributor.call("PUT", role, body)) == (403, "AuthorizationFailed")


def _role(arm: ArmClient, role: str, principal: str) -> dict[str, str]:
    definition = f"{arm.base}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    return {"roleDefinitionId": definition, "principalId": principal, "principalType": "ServicePrincipal"}


def test_a_role_assignment_gives_and_takes_a_right(arm: ArmClient, reader: ArmClient, group: str) -> None:
    auditor = arm.sandbox.identity.applications["auditor"].principal.object_id
    path = f"{group}/providers/Microsoft.Authorization/roleAssignments/{uuid4()}"
    created = arm.call("PUT", path, {"properties": _role(arm, roles.CONTRIBUTOR, auditor)}).json()
    assert created["properties"]["scope"] == group
    assert reader.call("PUT", f"{group}/{STORE}/mine", {"location": "westeurope"}).status_code == 201
    again = path.rpartition("/")[0] + f"/{uuid4()}"
    body = {"properties": _role(arm, roles.CONTRIBUTOR, auditor)}
    assert error(arm.call("PUT", again, body)) == (409, "RoleAssignmentExists")
    listed = arm.call("GET", path.rpartition("/")[0]).json()["value"]
    assert [found["id"] for found in listed] == [created["id"]]
    assert arm.call("DELETE", path).status_code == 200
    assert error(reader.call("DELETE", f"{group}/{STORE}/mine")) == (403, "AuthorizationFailed")


@pytest.mark.parametrize(
    ("name", "changed", "code"),
    [
        ("no-guid", {}, "InvalidCreateRoleAssignmentRequest"),
        ("", {"principalId": "me"}, "InvalidCreateRoleAssignmentRequest"),
        ("", {"roleDefinitionId": "/x"}, "RoleDefinitionDoesNotExist"),
        ("", {"principalId": ""}, "InvalidRequestContent"),
        ("", {"owner": "me"}, "InvalidRequestContent"),
    ],
)
def test_a_role_assignment_that_makes_no_sense(
    arm: ArmClient, group: str, name: str, changed: dict[str, str], code: str
) -> None:
    path = f"{group}/providers/Microsoft.Authorization/roleAssignments/{name or uuid4()}"
    body = {"properties": _role(arm, roles.READER, str(uuid4())) | changed}
    assert error(arm.call("PUT", path, body)) == (400, code)


def test_a_lock_stops_a_delete_and_a_write(arm: ArmClient, group: str) -> None:
    path = f"{group}/{STORE}/kv"
    arm.call("PUT", path, {"location": "westeurope"})
    lock = f"{group}/providers/Microsoft.Authorization/locks/keep"
    arm.call("PUT", lock, {"properties": {"level": "CanNotDelete"}}).raise_for_status()
    assert error(arm.call("DELETE", path)) == (409, "ScopeLocked")
    assert error(arm.call("DELETE", group)) == (409, "ScopeLocked")
    assert arm.call("PATCH", path, {"tags": {}}).status_code == 200
    arm.call("PUT", lock, {"properties": {"level": "ReadOnly"}}).raise_for_status()
    assert error(arm.call("PATCH", path, {"tags": {}})) == (409, "ScopeLocked")
    assert arm.call("DELETE", lock).status_code == 200
    assert arm.call("DELETE", path).status_code == 200


def test_identities_are_filled_in(arm: ArmClient, group: str) -> None:
    mine = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1"
    ids = arm.made(mine, {"principalId": "ignored"})["properties"]
    body = {
        "location": "westeurope",
        "identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {mine: {}}},
    }
    path = f"{group}/{STORE}/kv"
    identity = arm.call("PUT", path, body).json()["identity"]
    UUID(identity["principalId"])
    assert identity["tenantId"] == arm.sandbox.tenant
    assert identity["userAssignedIdentities"] == {mine: {name: ids[name] for name in ("principalId", "clientId")}}
    assert arm.call("PUT", path, body).json()["identity"] == identity
    body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {f"{mine}2": {}}}
    assert error(arm.call("PUT", path, body)) == (400, "FailedIdentityOperation")


def test_changes_say_who_with_what_and_what_was_done(local_azure: Sandbox, contributor: ArmClient, group: str) -> None:
    agents = {
        "AZURECLI/2.91.0 (PIP) azsdk-python-core/1.35": "Azure CLI",
        "azsdk-python-mgmt-storage/24.0.0 Python/3.11": "Python SDK",
        "Mozilla/5.0 (Windows) like Gecko": "Azure Portal",
        "curl/8.5.0": "curl",
    }
    correlation = str(uuid4())
    for number, agent in enumerate(agents):
        headers = {"User-Agent": agent, "x-ms-correlation-request-id": correlation}
        contributor.call("PUT", f"{group}/{STORE}/kv{number}", {"location": "westeurope"}, headers=headers)
    made = [change for change in local_azure.state.changes() if change.correlation_id == correlation]
    assert [change.client for change in made] == list(agents.values())
    assert {change.operation for change in made} == {"Microsoft.AppConfiguration/configurationStores/write"}
    assert {change.principal.name for change in made} == {"operator"}


def test_a_denied_subscription_is_not_there_for_anyone() -> None:
    with Sandbox("empty", deny=["Empty"]) as sandbox:
        client = ArmClient(sandbox)
        assert client.call("GET", "/subscriptions").json()["value"] == []
        assert error(client.call("GET", client.base)) == (403, "AuthorizationFailed")
        assert error(client.call("GET", f"{client.base}/resources")) == (403, "AuthorizationFailed")
        path = f"{client.base}/resourceGroups/x"
        assert error(client.call("PUT", path, {"location": "westeurope"})) == (403, "AuthorizationFailed")
        client.close()
