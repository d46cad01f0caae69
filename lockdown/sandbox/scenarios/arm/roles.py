"""The built-in roles that the scenarios assign, beside the few that the sandbox itself has in every tenant.

Source: Microsoft Learn, "Azure built-in roles". Only what can be done with resources and data is kept; rights to read
roles, to deploy and to raise alerts, which nearly every role has, are left out.
"""

from collections.abc import Iterator, Mapping

from lockdown.sandbox.scenarios.arm.access import ROLES
from lockdown.sandbox.scenarios.arm.envelope import api_version
from lockdown.sandbox.scenarios.scenario import Document

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/"
_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities/"
_KEYS = "Microsoft.KeyVault/vaults/keys/"
_ZONES = "Microsoft.Network/privateDns"

_PERMITTED: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "AcrPull": (("Microsoft.ContainerRegistry/registries/pull/read",), ()),
    "Azure Batch Account Contributor": (("Microsoft.Batch/*",), ()),
    "Azure Batch Data Contributor": (
        ("Microsoft.Batch/batchAccounts/read", "Microsoft.Batch/batchAccounts/pools/*"),
        ("Microsoft.Batch/batchAccounts/jobs/*", "Microsoft.Batch/batchAccounts/jobSchedules/*"),
    ),
    "Azure Kubernetes Service RBAC Cluster Admin": (
        ("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",),
        ("Microsoft.ContainerService/managedClusters/*",),
    ),
    "Key Vault Crypto Service Encryption User": (
        (),
        (f"{_KEYS}read", f"{_KEYS}wrap/action", f"{_KEYS}unwrap/action"),
    ),
    "Managed Identity Operator": ((f"{_IDENTITY}*/read", f"{_IDENTITY}*/assign/action"), ()),
    "Monitoring Metrics Publisher": ((), ("Microsoft.Insights/Metrics/Write", "Microsoft.Insights/Telemetry/Write")),
    "Network Contributor": (("Microsoft.Network/*",), ()),
    "Private DNS Zone Contributor": (
        (
            f"{_ZONES}Zones/*",
            f"{_ZONES}OperationResults/*",
            f"{_ZONES}OperationStatuses/*",
            "Microsoft.Network/virtualNetworks/read",
            "Microsoft.Network/virtualNetworks/join/action",
        ),
        (),
    ),
    "Storage Account Key Operator Service Role": (
        ("Microsoft.Storage/storageAccounts/listkeys/action", "Microsoft.Storage/storageAccounts/regeneratekey/action"),
        (),
    ),
    "Storage Blob Data Contributor": (
        (
            f"{_BLOBS}containers/delete",
            f"{_BLOBS}containers/read",
            f"{_BLOBS}containers/write",
            f"{_BLOBS}generateUserDelegationKey/action",
        ),
        (
            f"{_BLOBS}containers/blobs/delete",
            f"{_BLOBS}containers/blobs/read",
            f"{_BLOBS}containers/blobs/write",
            f"{_BLOBS}containers/blobs/move/action",
            f"{_BLOBS}containers/blobs/add/action",
        ),
    ),
    "Storage Blob Data Owner": (
        (f"{_BLOBS}containers/*", f"{_BLOBS}generateUserDelegationKey/action"),
        (f"{_BLOBS}containers/blobs/*",),
    ),
}


def role_definitions() -> Iterator[Document]:
    """Yield the definition of each: they belong to the tenant, not to a subscription."""
    kind = "Microsoft.Authorization/roleDefinitions"
    for role, (actions, data_actions) in _PERMITTED.items():
        permissions = {
            "actions": list(actions),
            "notActions": [],
            "dataActions": list(data_actions),
            "notDataActions": [],
        }
        yield {
            "id": f"/providers/{kind}/{ROLES[role]}",
            "name": ROLES[role],
            "type": kind,
            "properties": {
                "roleName": role,
                "type": "BuiltInRole",
                "description": "",
                "assignableScopes": ["/"],
                "permissions": [permissions],
            },
            "_apiVersion": api_version(kind),
        }
