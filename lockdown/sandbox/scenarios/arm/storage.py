"""Storage accounts, and the four services inside each.

An account is what the provider returns for one made with no network options at all; the keywords add to it. An option
that the provider leaves out of an answer is left out here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lockdown.sandbox import defaults
from lockdown.sandbox.scenarios.arm.envelope import CREATED, Group, child, resource
from lockdown.sandbox.scenarios.scenario import Document

OPEN_RULES = {"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []}
CLOSED_RULES = {"bypass": "None", "defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": []}

CONTAINERS = (
    "workflows",
    "inputs",
    "outputs",
    "configuration",
    "cromwell-executions",
    "cromwell-workflow-logs",
    "tes-internal",
)
"""The blob containers of a Cromwell on Azure account."""

_SERVICES = ("blob", "dfs", "file", "queue", "table", "web")
_PAIRED = {"eastus": "westus"}
"""Where a geo-redundant account of a region keeps its copy."""


def storage_account(
    group: Group,
    name: str,
    *,
    connections: Sequence[dict[str, Any]] = (),
    rules: Mapping[str, Any] | None = None,
    redundancy: str = "Standard_LRS",
    identity: Mapping[str, Any] | None = None,
    **properties: object,
) -> Document:
    """Return a StorageV2 account; ``properties`` are added to what the provider returns by default."""
    resource_id = group.resource("Microsoft.Storage/storageAccounts", name)
    body = {
        "provisioningState": "Succeeded",
        "creationTime": CREATED,
        "keyCreationTime": {"key1": CREATED, "key2": CREATED},
        "privateEndpointConnections": list(connections),
        "networkAcls": dict(OPEN_RULES if rules is None else rules),
        "supportsHttpsTrafficOnly": True,
        "encryption": {"keySource": "Microsoft.Storage", "services": encrypted("blob", "file")},
        "accessTier": "Hot",
        "primaryLocation": group.location,
        "statusOfPrimary": "available",
        "primaryEndpoints": {service: _endpoint(name, service) for service in _SERVICES},
        **properties,
    }
    if redundancy.endswith("GRS"):
        body |= {"secondaryLocation": _PAIRED[group.location], "statusOfSecondary": "available"}
    sku = {"name": redundancy, "tier": "Standard"}
    held = {} if identity is None else {"identity": dict(identity)}
    return resource(resource_id, body, location=group.location, sku=sku, kind="StorageV2", **held)


def encrypted(*services: str) -> dict[str, Any]:
    """Return the services that are encrypted with the account's key."""
    return {name: {"enabled": True, "lastEnabledTime": CREATED, "keyType": "Account"} for name in services}


def storage_services(account: Document, containers: Sequence[str]) -> Iterator[Document]:
    """Yield the services of an account, and its blob containers by these names, none of them public."""
    plain: dict[str, Any] = {"cors": {"corsRules": []}}
    off = {"deleteRetentionPolicy": {"allowPermanentDelete": False, "enabled": False}}
    blobs = child(account, "blobServices", "default", plain | off)
    body: dict[str, Any] = {**defaults.CONTAINER, "lastModifiedTime": CREATED}
    yield blobs
    for name in containers:
        yield child(blobs, "containers", name, body)
    shares = {"protocolSettings": {"smb": {}}, "shareDeleteRetentionPolicy": {"enabled": True, "days": 7}}
    yield child(account, "fileServices", "default", plain | shares)
    yield child(account, "queueServices", "default", plain)
    yield child(account, "tableServices", "default", plain)


def _endpoint(name: str, service: str) -> str:
    zones = {"web": "z13.web"}
    return f"https://{name}.{zones.get(service, service)}.core.windows.net/"
