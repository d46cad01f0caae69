"""What is recorded, and who is told: diagnostic settings, flow logs, tables of a workspace, activity log alerts."""

from collections.abc import Iterator, Sequence
from typing import Any

from lockdown.sandbox import workspace_tables as tables
from lockdown.sandbox.scenarios.arm.envelope import Group, child, reference, resource
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document

ACTIVITY = (
    "Administrative",
    "Security",
    "ServiceHealth",
    "Alert",
    "Recommendation",
    "Policy",
    "Autoscale",
    "ResourceHealth",
)
"""Every category of a subscription's activity log."""

TABLES = tables.NAMES
"""Some of the tables that every workspace has, written to or not."""


def diagnostic_setting(
    resource_id: str, name: str, workspace_id: str, categories: Sequence[str], *, storage_id: str = ""
) -> Document:
    """Return the setting that sends these log categories of a resource or subscription to a workspace.

    Args:
        resource_id: whose logs.
        name: the setting's name.
        workspace_id: where they go.
        categories: what is sent.
        storage_id: the storage account where they also go, if any.
    """
    whole = resource_id.count("/") == 2  # noqa: PLR2004  # a subscription, whose logs have no retention of their own
    kept: dict[str, Any] = {} if whole else {"retentionPolicy": {"enabled": False, "days": 0}}
    properties: dict[str, Any] = {
        "workspaceId": workspace_id,
        "eventHubAuthorizationRuleId": None,
        "eventHubName": None,
        "serviceBusRuleId": None,
        "storageAccountId": storage_id or None,
        "marketplacePartnerId": None,
        "logAnalyticsDestinationType": None,
        "metrics": [],
        "logs": [{"category": name, "categoryGroup": None, "enabled": True, **kept} for name in categories],
    }
    written = f"{resource_id}/providers/Microsoft.Insights/diagnosticSettings/{name}"
    return resource(written, properties, location=None)


def network_watcher(group: Group) -> Document:
    """Return the Network Watcher of a region, as Azure makes it with the first virtual network there."""
    resource_id = group.resource("Microsoft.Network/networkWatchers", f"NetworkWatcher_{group.location}")
    return resource(resource_id, {"provisioningState": "Succeeded", "runningOperationIds": []}, location=group.location)


def flow_log(watcher: Document, name: str, target_id: str, storage_id: str, workspace: Document) -> Document:
    """Return a flow log of everything that goes through a virtual network, kept for a year and analysed."""
    resource_id = f"{watcher['id']}/flowLogs/{name}"
    properties = {
        "provisioningState": "Succeeded",
        "targetResourceId": target_id,
        "targetResourceGuid": guid(target_id),
        "storageId": storage_id,
        "enabled": True,
        "retentionPolicy": {"days": 365, "enabled": True},
        "format": {"type": "JSON", "version": 2},
        "flowAnalyticsConfiguration": {
            "networkWatcherFlowAnalyticsConfiguration": {
                "enabled": True,
                "workspaceId": workspace["properties"]["customerId"],
                "workspaceRegion": workspace["location"],
                "workspaceResourceId": workspace["id"],
                "trafficAnalyticsInterval": 10,
            }
        },
    }
    return resource(resource_id, properties, location=watcher["location"])


def workspace_tables(workspace: Document, names: Sequence[str], *, interactive: int, total: int) -> Iterator[Document]:
    """Yield tables of a workspace, searchable for ``interactive`` days and kept for ``total``."""
    default = workspace["properties"]["retentionInDays"]
    for name in names:
        yield child(workspace, "tables", name, tables.table(name, default, interactive, total))


def action_group(group: Group, name: str, address: str) -> Document:
    """Return an action group that writes to one e-mail address."""
    receiver = {"name": "security", "emailAddress": address, "useCommonAlertSchema": True, "status": "Enabled"}
    properties = {"groupShortName": name[:12], "enabled": True, "emailReceivers": [receiver]}
    return resource(group.resource("Microsoft.Insights/actionGroups", name), properties, location="global")


def activity_alert(group: Group, operation: str, told: str) -> Document:
    """Return the alert that tells the action group ``told`` of every use of an operation in the subscription."""
    category = "Security" if operation.startswith("Microsoft.Security/") else "Administrative"
    properties = {
        "scopes": [f"/subscriptions/{group.subscription}"],
        "condition": {
            "allOf": [
                {"field": "category", "equals": category},
                {"field": "operationName", "equals": operation},
            ]
        },
        "actions": {"actionGroups": [{"actionGroupId": told, "webhookProperties": {}}]},
        "enabled": True,
        "description": f"Tells of {operation}.",
    }
    name = operation.removeprefix("Microsoft.").replace("/", "-").lower()
    return resource(group.resource("Microsoft.Insights/activityLogAlerts", name), properties, location="global")


def logged(network: Document, flow_log_id: str) -> Document:
    """Return the virtual network as it is once a flow log is on: it names the log."""
    return network | {"properties": network["properties"] | {"flowLogs": [reference(flow_log_id)]}}
