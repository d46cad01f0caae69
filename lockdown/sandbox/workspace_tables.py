"""The tables that every Log Analytics workspace has, written to or not, and how long each is kept.

Source: Microsoft Learn, "Manage data retention in a Log Analytics workspace". Only some of Azure's tables are here:
those that the logs of a genomics environment go to.
"""

from typing import Any

NAMES = (
    "AKSAudit",
    "AKSAuditAdmin",
    "AKSControlPlane",
    "AppRequests",
    "AppTraces",
    "AzureActivity",
    "AzureDiagnostics",
    "AzureMetrics",
    "ContainerLog",
    "ContainerLogV2",
    "ContainerRegistryLoginEvents",
    "ContainerRegistryRepositoryEvents",
    "KubePodInventory",
    "NTANetAnalytics",
    "PGSQLServerLogs",
    "Perf",
    "StorageBlobLogs",
    "StorageFileLogs",
    "StorageQueueLogs",
    "StorageTableLogs",
    "Usage",
)
"""Some of the tables that every workspace has."""


def table(name: str, default: int, interactive: int | None = None, total: int | None = None) -> dict[str, Any]:
    """Return the properties of a table.

    Args:
        name: its name.
        default: the days that the workspace keeps what is not told otherwise.
        interactive: the days that it can be searched, if they are not the workspace's.
        total: the days that it is kept in all, if that is longer.
    """
    searched = default if interactive is None else interactive
    kept = searched if total is None else total
    return {
        "provisioningState": "Succeeded",
        "plan": "Analytics",
        "retentionInDays": searched,
        "totalRetentionInDays": kept,
        "archiveRetentionInDays": kept - searched,
        "retentionInDaysAsDefault": searched == default,
        "totalRetentionInDaysAsDefault": kept == searched,
        "schema": {"name": name, "tableType": "Microsoft", "tableSubType": "Any"},
    }
