"""What is recorded and where it goes: diagnostic settings, flow logs, and the activity log of the subscription."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.network.models import (
    FlowLog,
    FlowLogFormatParameters,
    FlowLogPropertiesFormat,
    RetentionPolicyParameters,
    TrafficAnalyticsConfigurationProperties,
    TrafficAnalyticsProperties,
)

from lockdown.provisioner.blueprint import bastion, edge, ids
from lockdown.provisioner.blueprint.network import API_VERSION as NETWORK_VERSION
from lockdown.provisioner.blueprint.storage import LOG_CONTAINERS
from lockdown.provisioner.graph import Body, Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

SETTINGS_VERSION = "2021-05-01-preview"

_THEME = "recorded"
_ACTIVITY_CONTAINER, _FLOW_CONTAINER = LOG_CONTAINERS
_A_YEAR = 365
_MINUTES = 10
_STORAGE_SERVICES = ("blobServices", "fileServices", "queueServices", "tableServices")
_STORAGE = ("StorageRead", "StorageWrite", "StorageDelete")
_ACTIVITY = (
    *("Administrative", "Security", "ServiceHealth", "Alert"),
    *("Recommendation", "Policy", "Autoscale", "ResourceHealth"),
)
_CATEGORIES = {
    "batch": ("ServiceLog", "ServiceLogs", "AuditLog"),
    "registry": ("ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"),
    "workspace": ("Audit",),
    "cluster": ("kube-apiserver", "kube-audit", "kube-audit-admin", "kube-controller-manager", "guard"),
    "database": ("PostgreSQLLogs", "PostgreSQLFlexSessions"),
    "vault": ("AuditEvent", "AzurePolicyEvaluationDetails"),
    "firewall": ("AZFWApplicationRule", "AZFWNetworkRule", "AZFWThreatIntel"),
    "bastion": ("BastionAuditLogs",),
}


def steps(site: Site) -> Iterator[Step]:
    """Yield the settings of everything that is ours; what was brought along is recorded by its owner."""
    for key, account in (("storage", ids.storage(site)), ("logs", ids.logs(site))):
        for service in _STORAGE_SERVICES:
            yield _setting(f"{key}/{service}", f"{account}/{service}/default", _STORAGE, needs=(key,))
    for key, resource_id in _recorded(site).items():
        yield _setting(key, resource_id, _CATEGORIES[key], needs=(key,))
    yield from _flow_logs(site)
    yield _activity_log(site)


def _recorded(site: Site) -> dict[str, str]:
    bring = site.environment.bring
    found = {
        "batch": ids.batch(site),
        "cluster": ids.cluster(site),
        "database": ids.database(site),
        "vault": ids.vault(site),
    }
    if not bring.registry:
        found["registry"] = ids.registry(site)
    if not bring.workspace:
        found["workspace"] = ids.workspace(site)
    for step in (*edge.steps(site), *bastion.steps(site)):
        if step.key in {"firewall", "bastion"} and isinstance(step, Resource):
            found[step.key] = step.id
    return found


def _setting(key: str, resource_id: str, categories: tuple[str, ...], needs: tuple[str, ...]) -> Resource:
    return Resource(
        f"diagnostic/{key}",
        _THEME,
        f"{resource_id}/providers/Microsoft.Insights/diagnosticSettings/to-the-workspace",
        SETTINGS_VERSION,
        {"properties": {"workspaceId": reference("workspace"), "logs": _enabled(categories)}},
        needs=needs,
        cost="with the workspace",
        # Azure lists the categories that are off as well.
        kept=frozenset({"properties.logs"}),
    )


def _activity_log(site: Site) -> Resource:
    """Return the export of the activity log: to be searched, and to be kept unchanged.

    Its name is the environment's own: another environment in the subscription exports to another place.
    """
    properties: Body = {
        "workspaceId": reference("workspace"),
        "storageAccountId": reference("logs"),
        "logs": _enabled(_ACTIVITY),
    }
    scope = f"/subscriptions/{site.subscription}"
    return Resource(
        "activity-log",
        _THEME,
        f"{scope}/providers/Microsoft.Insights/diagnosticSettings/{site.base}-activity-log",
        SETTINGS_VERSION,
        {"properties": properties},
        needs=(f"logs/containers/{_ACTIVITY_CONTAINER}",),
        cost="with the workspace and the account of logs",
        kept=frozenset({"properties.logs"}),
    )


def _enabled(categories: tuple[str, ...]) -> list[Body]:
    return [{"category": category, "enabled": True} for category in categories]


def _flow_logs(site: Site) -> Iterator[Resource]:
    """Yield the flow log of each network of ours; a network takes one, and that of others is its owner's."""
    network = site.environment.network
    if not network.existing:
        yield _flow_log(site, "flow-log", "network")
    if network.hub and not network.hub.existing:
        yield _flow_log(site, "flow-log/hub", "hub")


def _flow_log(site: Site, key: str, network: str) -> Resource:
    analytics = TrafficAnalyticsConfigurationProperties(
        enabled=True,
        workspace_id=reference("workspace", "properties.customerId"),
        workspace_region=reference("workspace", "location"),
        workspace_resource_id=reference("workspace"),
        traffic_analytics_interval=_MINUTES,
    )
    flow_log = FlowLog(
        location=site.location,
        tags=site.tags,
        properties=FlowLogPropertiesFormat(
            target_resource_id=reference(network),
            storage_id=reference("logs"),
            enabled=True,
            retention_policy=RetentionPolicyParameters(days=_A_YEAR, enabled=True),
            format=FlowLogFormatParameters(type="JSON", version=2),
            flow_analytics_configuration=TrafficAnalyticsProperties(
                network_watcher_flow_analytics_configuration=analytics
            ),
        ),
    )
    # Azure makes the watcher of a region with the first network there.
    watcher = (
        f"/subscriptions/{site.subscription}/resourceGroups/NetworkWatcherRG/providers/Microsoft.Network"
        f"/networkWatchers/NetworkWatcher_{site.location}"
    )
    return Resource(
        key,
        _THEME,
        f"{watcher}/flowLogs/{site.base}-{network}",
        NETWORK_VERSION,
        wire(flow_log),
        needs=(f"logs/containers/{_FLOW_CONTAINER}",),
        seconds=15,
        cost="by the GB of logs",
        fixed=frozenset({"location", "properties.targetResourceId"}),
    )
