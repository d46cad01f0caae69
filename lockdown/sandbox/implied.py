"""Children that exist with their resource, with Azure's defaults, until somebody writes them.

Source: azure-rest-api-specs, Microsoft.Storage 2024-01-01, examples of BlobServices and FileServices; Microsoft Learn,
"Soft delete for blobs" (off unless asked for), "Prevent accidental deletion of Azure file shares" (on, seven days).
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from lockdown.sandbox import parameters, workspace_tables
from lockdown.sandbox.resource_id import ResourceId, parse
from lockdown.sandbox.state import Document, State

Properties = Mapping[str, Any]

_CORS: Properties = {"cors": {"corsRules": []}}
SERVICES: Mapping[str, Properties] = {
    "blobServices": {**_CORS, "deleteRetentionPolicy": {"allowPermanentDelete": False, "enabled": False}},
    "fileServices": {
        **_CORS,
        "protocolSettings": {"smb": {}},
        "shareDeleteRetentionPolicy": {"enabled": True, "days": 7},
    },
    "queueServices": _CORS,
    "tableServices": _CORS,
}
"""The services of a storage account, and what each is made with."""


def _services(name: str) -> Callable[[Document], Mapping[str, Properties]]:
    return lambda account: {"default": SERVICES[name]} if _serves(account, name) else {}


def _serves(account: Document, kind: str) -> bool:
    endpoints = (account.get("properties") or {}).get("primaryEndpoints")
    return not isinstance(endpoints, dict) or kind.removesuffix("Services") in endpoints


def _tables(workspace: Document) -> Mapping[str, Properties]:
    days = int((workspace.get("properties") or {}).get("retentionInDays") or _RETENTION)
    return {name: workspace_tables.table(name, days) for name in workspace_tables.NAMES}


def _pools(cluster: Document) -> Mapping[str, Properties]:
    """Return the node pools of a cluster, which it shows as parts of its own."""
    pools = (cluster.get("properties") or {}).get("agentPoolProfiles") or ()
    return {str(pool["name"]): {key: value for key, value in pool.items() if key != "name"} for pool in pools}


_RETENTION = 30
_OF: Mapping[str, Callable[[Document], Mapping[str, Properties]]] = {
    **{f"microsoft.storage/storageaccounts/{name.lower()}": _services(name) for name in SERVICES},
    "microsoft.dbforpostgresql/flexibleservers/configurations": lambda _: {
        name: parameters.postgres(name) for name in parameters.POSTGRES
    },
    "microsoft.dbformysql/flexibleservers/configurations": lambda _: {
        name: parameters.mysql(name) for name in parameters.MYSQL
    },
    "microsoft.operationalinsights/workspaces/tables": _tables,
    "microsoft.containerservice/managedclusters/agentpools": _pools,
}
"""Type to what its parent has of it: names and properties."""
_SPELT = {name.lower(): name for name in (*SERVICES, "configurations", "tables", "agentPools")}


def document(state: State, resource_id: str) -> Document | None:
    """Return the child with this id as Azure makes it, or None if there is no such child."""
    target = parse(resource_id)
    if target is None or target.is_collection or target.type.lower() not in _OF:
        return None
    return next((found for found in children(state, target) if found["name"].lower() == target.name.lower()), None)


def children(state: State, target: ResourceId) -> list[Document]:
    """Return the children of the type of ``target``, and of its parent, as Azure makes them."""
    parent = state.get(target.parent.id) if target.parent and target.type.lower() in _OF else None
    if parent is None:
        return []
    kind = _SPELT[target.types[-1].lower()]
    made = _OF[target.type.lower()](parent)
    return [_child(parent, kind, name, properties) for name, properties in made.items()]


def service(account: Document, kind: str) -> Document:
    """Return one service of a storage account as it is made."""
    return _child(account, kind, "default", SERVICES[kind])


def _child(parent: Document, kind: str, name: str, properties: Properties) -> Document:
    return {
        "id": f"{parent['id']}/{kind}/{name}",
        "name": name,
        "type": f"{parent['type']}/{kind}",
        "properties": copy.deepcopy(dict(properties)),
    }
