"""Children that exist with their resource, with Azure's defaults, until somebody writes them.

Source: azure-rest-api-specs, Microsoft.Storage 2024-01-01, examples of BlobServices and FileServices; Microsoft Learn,
"Soft delete for blobs" (off unless asked for), "Prevent accidental deletion of Azure file shares" (on, seven days) and
the lists of server parameters of PostgreSQL and MySQL flexible servers, of which only some are here.
"""

import copy
from collections.abc import Mapping
from typing import Any

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

_POSTGRES = {
    "azure.extensions": "",
    "log_checkpoints": "on",
    "log_connections": "on",
    "log_disconnections": "on",
    "logfiles.download_enable": "off",
    "pgaudit.log": "none",
    "require_secure_transport": "on",
    "shared_preload_libraries": "pg_cron,pg_stat_statements",
    "ssl_max_protocol_version": "",
    "ssl_min_protocol_version": "TLSv1.2",
}
_MYSQL = {"audit_log_enabled": "OFF", "require_secure_transport": "ON", "tls_version": "TLSv1.2,TLSv1.3"}


def _parameters(values: Mapping[str, str]) -> Mapping[str, Properties]:
    return {name: {"value": value, "defaultValue": value, "source": "system-default"} for name, value in values.items()}


_OF: Mapping[str, Mapping[str, Properties]] = {
    **{f"microsoft.storage/storageaccounts/{name.lower()}": {"default": made} for name, made in SERVICES.items()},
    "microsoft.dbforpostgresql/flexibleservers/configurations": _parameters(_POSTGRES),
    "microsoft.dbformysql/flexibleservers/configurations": _parameters(_MYSQL),
}
_SPELT = {name.lower(): name for name in (*SERVICES, "configurations")}


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
    endpoints = (parent.get("properties") or {}).get("primaryEndpoints")
    if kind in SERVICES and isinstance(endpoints, dict) and kind.removesuffix("Services") not in endpoints:
        return []
    return [_child(parent, kind, name, made) for name, made in _OF[target.type.lower()].items()]


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
