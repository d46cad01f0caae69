"""Azure Monitor, closed: the workspace that logs go to, what TES reports to, and the scope that both are reached by."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.applicationinsights.models import ApplicationInsightsComponent
from azure.mgmt.loganalytics.models import (
    Table,
    TableProperties,
    Workspace,
    WorkspaceFeatures,
    WorkspaceProperties,
    WorkspaceSku,
)

from lockdown.provisioner.blueprint import ids
from lockdown.provisioner.graph import Body, Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

WORKSPACE_VERSION = "2025-07-01"
"""Of Microsoft.OperationalInsights: azure-mgmt-loganalytics's."""

_COMPONENT_VERSION = "2020-02-02"
_SCOPE_VERSION = "2021-07-01-preview"
_THEME = "monitor"
_CLOSED = "Disabled"
_TABLES = (
    *("AKSAudit", "AKSAuditAdmin", "AKSControlPlane", "AppRequests", "AppTraces", "AzureActivity", "AzureDiagnostics"),
    *("AzureMetrics", "ContainerLog", "ContainerLogV2", "ContainerRegistryLoginEvents"),
    *("ContainerRegistryRepositoryEvents", "KubePodInventory", "NTANetAnalytics", "PGSQLServerLogs", "Perf"),
    *("StorageBlobLogs", "StorageFileLogs", "StorageQueueLogs", "StorageTableLogs", "Usage"),
)
"""The tables that the logs of an environment go to."""


def steps(site: Site) -> Iterator[Step]:
    """Yield the workspace with its tables, the component, and the private link scope that holds both.

    They are closed from the first moment: what is sent before the scope has its endpoint is lost, and nothing is sent
    that early but by what is being built.
    """
    if site.environment.bring.workspace:
        closed = {"publicNetworkAccessForIngestion": _CLOSED, "publicNetworkAccessForQuery": _CLOSED}
        yield Resource(
            *("workspace", _THEME, ids.workspace(site), WORKSPACE_VERSION),
            {"properties": closed},
            brought=True,
            remove=False,
        )
    else:
        yield _workspace(site)
        yield from _tables(site)
    yield _component(site)
    yield from _scope(site)


def _workspace(site: Site) -> Resource:
    workspace = Workspace(
        location=site.location,
        tags=site.tags,
        properties=WorkspaceProperties(
            sku=WorkspaceSku(name="PerGB2018"),
            retention_in_days=site.environment.monitoring.retention_days,
            public_network_access_for_ingestion=_CLOSED,
            public_network_access_for_query=_CLOSED,
            features=WorkspaceFeatures(enable_log_access_using_only_resource_permissions=True, disable_local_auth=True),
        ),
    )
    return Resource(
        "workspace",
        _THEME,
        ids.workspace(site),
        WORKSPACE_VERSION,
        wire(workspace),
        needs=("group", "providers/Microsoft.OperationalInsights"),
        seconds=60,
        cost="by the GB taken in, and by the GB and month kept",
        fixed=frozenset({"location"}),
    )


def _tables(site: Site) -> Iterator[Resource]:
    monitoring = site.environment.monitoring
    properties = TableProperties(
        plan="Analytics",
        retention_in_days=monitoring.retention_days,
        total_retention_in_days=monitoring.archive_days,
    )
    for name in _TABLES:
        yield Resource(
            f"workspace/table/{name}",
            _THEME,
            f"{ids.workspace(site)}/tables/{name}",
            WORKSPACE_VERSION,
            wire(Table(properties=properties)),
            needs=("workspace",),
            seconds=10,
            remove=False,
        )


def _component(site: Site) -> Resource:
    component = ApplicationInsightsComponent(
        location=site.location,
        tags=site.tags,
        kind="web",
        application_type="web",
        workspace_resource_id=reference("workspace"),
        public_network_access_for_ingestion=_CLOSED,
        public_network_access_for_query=_CLOSED,
        disable_local_auth=True,
    )
    return Resource(
        "insights",
        _THEME,
        ids.insights(site),
        _COMPONENT_VERSION,
        wire(component),
        needs=("group", "providers/Microsoft.Insights"),
        seconds=15,
        cost="with the workspace",
        fixed=frozenset({"location", "kind", "properties.Application_Type"}),
    )


def _scope(site: Site) -> Iterator[Resource]:
    modes: Body = {"ingestionAccessMode": "PrivateOnly", "queryAccessMode": "PrivateOnly", "exclusions": []}
    yield Resource(
        "monitor-scope",
        _THEME,
        ids.monitor_scope(site),
        _SCOPE_VERSION,
        {"location": "global", "tags": site.tags, "properties": {"accessModeSettings": modes}},
        needs=("group", "providers/Microsoft.Insights"),
        seconds=15,
    )
    # One after the other: the scope takes one member at a time.
    before: tuple[str, ...] = ()
    for member, name in (("workspace", "workspace"), ("insights", "component")):
        key = f"monitor-scope/{member}"
        yield Resource(
            key,
            _THEME,
            f"{ids.monitor_scope(site)}/scopedResources/{name}",
            _SCOPE_VERSION,
            {"properties": {"linkedResourceId": reference(member)}},
            needs=("monitor-scope", *before),
            seconds=20,
            fixed=frozenset({"properties.linkedResourceId"}),
        )
        before = (key,)
