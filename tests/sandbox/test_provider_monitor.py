"""Azure Monitor: workspaces and their tables, components, private link scopes, diagnostic settings, alerts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.arm_client import ArmClient, error
from tests.sandbox.services import named, vault, workspace

INSIGHTS = "providers/microsoft.insights"
SETTING = "providers/Microsoft.Insights/diagnosticSettings"


def test_tables_are_there_from_the_start_as_long_as_their_workspace_keeps_them(arm: ArmClient, group: str) -> None:
    made = workspace(arm, group, retentionInDays=90)
    listed = {found["name"]: found["properties"] for found in arm.call("GET", f"{made['id']}/tables").json()["value"]}
    assert {properties["retentionInDays"] for properties in listed.values()} == {90}
    table = f"{made['id']}/tables/StorageBlobLogs"
    changed = arm.call("PUT", table, {"properties": {"retentionInDays": 180, "totalRetentionInDays": 2556}})
    assert changed.status_code == 200, changed.text
    assert changed.json()["properties"] == listed["StorageBlobLogs"] | {
        "retentionInDays": 180,
        "totalRetentionInDays": 2556,
        "archiveRetentionInDays": 2376,
        "retentionInDaysAsDefault": False,
        "totalRetentionInDaysAsDefault": False,
    }
    back = arm.call("PATCH", table, {"properties": {"retentionInDays": -1, "totalRetentionInDays": -1}}).json()
    assert back["properties"] == listed["StorageBlobLogs"]


def test_tables_that_cannot_be(arm: ArmClient, group: str) -> None:
    made = workspace(arm, group)
    blobs = f"{made['id']}/tables/StorageBlobLogs"
    short = {"properties": {"retentionInDays": 90, "totalRetentionInDays": 30}}
    assert error(arm.call("PUT", blobs, short)) == (400, "InvalidParameter")
    assert error(arm.call("DELETE", blobs)) == (400, "InvalidOperation")
    other = arm.call("PUT", f"{made['id']}/tables/SomeTable", {"properties": {}})
    assert error(other) == (501, "NotSupportedBySandbox")
    own = {"schema": {"name": "Own_CL", "columns": [{"name": "TimeGenerated", "type": "datetime"}]}}
    assert arm.call("PUT", f"{made['id']}/tables/Own_CL", {"properties": own}).status_code == 201
    wrong = {"location": "westeurope", "properties": {"retentionInDays": 7}}
    path = f"{group}/providers/Microsoft.OperationalInsights/workspaces/other"
    assert error(arm.call("PUT", path, wrong)) == (400, "InvalidParameter")


def test_a_component_needs_a_workspace_and_is_spelt_as_its_provider_does(arm: ArmClient, group: str) -> None:
    path = f"{group}/providers/Microsoft.Insights/components/app"
    body: dict[str, Any] = {"location": "westeurope", "kind": "web", "properties": {"Application_Type": "web"}}
    assert error(arm.call("PUT", path, body)) == (400, "InvalidRequestContent")
    body["properties"]["WorkspaceResourceId"] = f"{group}/nothing"
    assert error(arm.call("PUT", path, body)) == (400, "WorkspaceNotFound")
    body["properties"]["WorkspaceResourceId"] = workspace(arm, group)["id"]
    made = arm.call("PUT", path, body).json()
    assert (made["type"], made["properties"]["AppId"] != "") == ("microsoft.insights/components", True)
    assert made["id"] == path.replace("Microsoft.Insights", "microsoft.insights")
    assert arm.call("PUT", path, body).json() == made


def scope(arm: ArmClient, group: str, name: str = "ampls") -> str:
    path = f"{group}/{INSIGHTS}/privateLinkScopes/{name}"
    modes = {"ingestionAccessMode": "PrivateOnly", "queryAccessMode": "PrivateOnly"}
    body = {"location": "global", "properties": {"accessModeSettings": modes}}
    assert arm.call("PUT", path, body).status_code == 201
    return path


def test_members_show_the_scopes_that_they_are_in(arm: ArmClient, group: str) -> None:
    path, logs = scope(arm, group), workspace(arm, group)
    member = f"{path}/scopedResources/logs"
    body = {"properties": {"linkedResourceId": logs["id"]}}
    assert arm.call("PUT", member, body).status_code == 201
    (shown,) = arm.call("GET", logs["id"]).json()["properties"]["privateLinkScopedResources"]
    assert shown["resourceId"] == path
    assert arm.call("PUT", member, body).status_code == 200
    assert len(arm.call("GET", logs["id"]).json()["properties"]["privateLinkScopedResources"]) == 1
    assert error(arm.call("PUT", f"{member}2", body)) == (409, "Conflict")
    elsewhere = {"properties": {"linkedResourceId": f"{logs['id']}2"}}
    assert error(arm.call("PUT", f"{member}2", elsewhere)) == (400, "InvalidLinkedResource")
    assert arm.call("DELETE", member).status_code == 200
    assert "privateLinkScopedResources" not in arm.call("GET", logs["id"]).json()["properties"]
    arm.call("PUT", member, body).raise_for_status()
    assert arm.call("DELETE", path).status_code == 200
    assert "privateLinkScopedResources" not in arm.call("GET", logs["id"]).json()["properties"]


def test_a_scope_says_how_it_is_used_and_stands_in_no_region(arm: ArmClient, group: str) -> None:
    path = f"{group}/{INSIGHTS}/privateLinkScopes/s"
    assert error(arm.call("PUT", path, {"location": "global", "properties": {}})) == (400, "InvalidRequestContent")
    modes = {"accessModeSettings": {"ingestionAccessMode": "Open", "queryAccessMode": "Open"}}
    refused = arm.call("PUT", path, {"location": "westeurope", "properties": modes})
    assert error(refused) == (400, "LocationNotAvailableForResourceType")


def enabled(*categories: str) -> list[dict[str, Any]]:
    return [{"category": name, "enabled": True} for name in categories]


def test_a_setting_sends_known_categories_of_what_is_there_to_what_is_there(arm: ArmClient, group: str) -> None:
    made, logs = vault(arm, group), workspace(arm, group)
    path = f"{made['id']}/{SETTING}/to-the-workspace"
    good = {"workspaceId": logs["id"], "logs": enabled("AuditEvent")}
    created = arm.call("PUT", path, {"properties": good})
    assert created.status_code == 201, created.text
    assert created.json()["properties"]["storageAccountId"] is None
    (log,) = created.json()["properties"]["logs"]
    assert log["retentionPolicy"] == {"enabled": False, "days": 0}
    assert error(arm.call("PUT", f"{path}2", {"properties": good})) == (409, "Conflict")
    for wrong, code in (
        ({"logs": good["logs"]}, "InvalidRequestContent"),
        ({"workspaceId": logs["id"]}, "InvalidRequestContent"),
        ({"workspaceId": f"{logs['id']}2", "logs": good["logs"]}, "ResourceNotFound"),
        ({"storageAccountId": logs["id"], "logs": good["logs"]}, "ResourceNotFound"),
        ({"workspaceId": logs["id"], "logs": enabled("Everything")}, "BadRequest"),
        ({"workspaceId": logs["id"], "logs": [{"categoryGroup": "some", "enabled": True}]}, "BadRequest"),
    ):
        assert error(arm.call("PUT", f"{path}2", {"properties": wrong})) == (400, code)
    missing = f"{made['id']}x/{SETTING}/s"
    assert error(arm.call("PUT", missing, {"properties": good})) == (404, "ResourceNotFound")


def test_settings_of_a_subscription_and_of_the_services_of_an_account(arm: ArmClient, group: str) -> None:
    logs, account = workspace(arm, group), arm.account(group, named("st"))
    whole = f"{arm.base}/{SETTING}/{named('activity-')}"
    sent = {"workspaceId": logs["id"], "storageAccountId": account["id"], "logs": enabled("Administrative")}
    created = arm.call("PUT", whole, {"properties": sent})
    assert created.status_code == 201, created.text
    assert "retentionPolicy" not in created.json()["properties"]["logs"][0]
    blobs = f"{account['id']}/blobServices/default/{SETTING}/s"
    body = {"properties": {"workspaceId": logs["id"], "logs": enabled("StorageRead", "StorageWrite")}}
    assert arm.call("PUT", blobs, body).status_code == 201
    assert error(arm.call("PUT", f"{account['id']}/{SETTING}/s", body)) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"scopes": []}, 400, "InvalidRequestContent"),
        ({"scopes": ["/subscriptions/none"]}, 404, "ResourceNotFound"),
        ({"condition": {"allOf": [{"field": "operationName", "equals": "x"}]}}, 400, "InvalidRequestContent"),
        ({"actions": {"actionGroups": [{"actionGroupId": "/none"}]}}, 404, "ResourceNotFound"),
    ],
)
def test_alerts_tell_groups_that_are_there(
    arm: ArmClient, group: str, changed: dict[str, Any], status: int, code: str
) -> None:
    told = f"{group}/providers/Microsoft.Insights/actionGroups/security"
    receivers = [{"name": "us", "emailAddress": "us@genomics.example"}]
    body = {"location": "global", "properties": {"groupShortName": "security", "emailReceivers": receivers}}
    assert arm.call("PUT", told, body).json()["properties"]["emailReceivers"][0]["status"] == "Enabled"
    alert = {
        "scopes": [arm.base],
        "condition": {"allOf": [{"field": "category", "equals": "Administrative"}]},
        "actions": {"actionGroups": [{"actionGroupId": told}]},
    }
    path = f"{group}/providers/Microsoft.Insights/activityLogAlerts/a"
    made = arm.call("PUT", path, {"location": "global", "properties": alert})
    assert made.json()["properties"]["enabled"] is True
    refused = arm.call("PUT", path, {"location": "global", "properties": {**alert, **changed}})
    assert error(refused) == (status, code)


def test_a_group_that_cannot_be(arm: ArmClient, group: str) -> None:
    told = f"{group}/providers/Microsoft.Insights/actionGroups/security"
    for properties in (
        {},
        {"groupShortName": "longer-than-twelve"},
        {"groupShortName": "s", "emailReceivers": [{"name": "us", "emailAddress": "nobody"}]},
        {"groupShortName": "s", "emailReceivers": [{"name": "us", "emailAddress": "us@genomics.example"}] * 2},
    ):
        body = {"location": "global", "properties": properties}
        assert error(arm.call("PUT", told, body)) == (400, "InvalidRequestContent")
