"""Children that exist with their resource, with Azure's defaults, until somebody writes them.

Source: azure-rest-api-specs, Microsoft.Storage 2024-01-01, examples of BlobServices and FileServices; Microsoft Learn,
"Soft delete for blobs" (off unless asked for) and "Prevent accidental deletion of Azure file shares" (on, seven days).
"""

import copy
import re
from collections.abc import Mapping
from typing import Any

from lockdown.sandbox.state import Document, State

_CORS: Mapping[str, Any] = {"cors": {"corsRules": []}}
SERVICES: Mapping[str, Mapping[str, Any]] = {
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
_NAMES = {name.lower(): name for name in SERVICES}
_SERVICE = re.compile(
    r"(.*/providers/Microsoft\.Storage/storageAccounts/[^/]+)/((blob|file|queue|table)Services)/default", re.IGNORECASE
)


def document(state: State, resource_id: str) -> Document | None:
    """Return the child with this id as Azure makes it, or None if there is no such child."""
    match = _SERVICE.fullmatch(resource_id)
    account = state.get(match[1]) if match else None
    if match is None or account is None:
        return None
    endpoints = (account.get("properties") or {}).get("primaryEndpoints")
    if isinstance(endpoints, dict) and match[3].lower() not in endpoints:
        return None
    return service(account, _NAMES[match[2].lower()])


def service(account: Document, name: str) -> Document:
    """Return one service of a storage account as it is made."""
    return {
        "id": f"{account['id']}/{name}/default",
        "name": "default",
        "type": f"Microsoft.Storage/storageAccounts/{name}",
        "properties": copy.deepcopy(dict(SERVICES[name])),
    }
