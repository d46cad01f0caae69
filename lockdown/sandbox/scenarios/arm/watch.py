"""What watches: the Network Watcher of a region, and the tables of a workspace."""

from collections.abc import Iterator, Sequence

from lockdown.sandbox import workspace_tables as tables
from lockdown.sandbox.scenarios.arm.envelope import Group, child, resource
from lockdown.sandbox.scenarios.scenario import Document

TABLES = tables.NAMES
"""Some of the tables that every workspace has, written to or not."""


def network_watcher(group: Group) -> Document:
    """Return the Network Watcher of a region, as Azure makes it with the first virtual network there."""
    resource_id = group.resource("Microsoft.Network/networkWatchers", f"NetworkWatcher_{group.location}")
    return resource(resource_id, {"provisioningState": "Succeeded", "runningOperationIds": []}, location=group.location)


def workspace_tables(workspace: Document, names: Sequence[str], *, interactive: int, total: int) -> Iterator[Document]:
    """Yield tables of a workspace, searchable for ``interactive`` days and kept for ``total``."""
    default = workspace["properties"]["retentionInDays"]
    for name in names:
        yield child(workspace, "tables", name, tables.table(name, default, interactive, total))
