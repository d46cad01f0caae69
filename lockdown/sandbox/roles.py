"""The built-in roles that every tenant has, as far as anything here uses them.

Source: Microsoft Learn, "Azure built-in roles". Only what can be done with resources and data is kept; rights to read
roles, to deploy and to raise alerts, which nearly every role has, are left out. The GUIDs are the same in every tenant.
"""

from collections.abc import Iterator, Mapping
from typing import Any

DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions/"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/"
_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities/"
_VAULT = "Microsoft.KeyVault/vaults/"
_KEYS = f"{_VAULT}keys/"
_ZONES = "Microsoft.Network/privateDns"
_CRYPTO = ("update", "backup", "encrypt", "decrypt", "wrap", "unwrap", "sign", "verify")

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
USER_ACCESS_ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
KEY_VAULT_CRYPTO_USER = "12338af0-0e69-4776-bea7-57ae8d297424"

_Actions = tuple[str, ...]
_ROLES: tuple[tuple[str, str, str, _Actions, _Actions, _Actions], ...] = (
    (OWNER, "Owner", "Full access to all resources, including the right to assign roles.", ("*",), (), ()),
    (
        CONTRIBUTOR,
        "Contributor",
        "Full access to all resources, without the right to assign roles.",
        ("*",),
        (
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
        ),
        (),
    ),
    (READER, "Reader", "Sees all resources and changes none.", ("*/read",), (), ()),
    (
        USER_ACCESS_ADMINISTRATOR,
        "User Access Administrator",
        "Manages access to resources.",
        ("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"),
        (),
        (),
    ),
    (
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        "Role Based Access Control Administrator",
        "Assigns roles.",
        (
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
            "Microsoft.Support/*",
        ),
        (),
        (),
    ),
    (
        KEY_VAULT_CRYPTO_USER,
        "Key Vault Crypto User",
        "Uses the keys of a vault.",
        (),
        (),
        (f"{_KEYS}read", *(f"{_KEYS}{verb}/action" for verb in _CRYPTO)),
    ),
    (
        "e147488a-f6f5-4113-8e2d-b22465e65bf6",
        "Key Vault Crypto Service Encryption User",
        "",
        (),
        (),
        (f"{_KEYS}read", f"{_KEYS}wrap/action", f"{_KEYS}unwrap/action"),
    ),
    ("14b46e9e-c2b7-41b4-b07b-48a6ebf60603", "Key Vault Crypto Officer", "", (), (), (f"{_KEYS}*",)),
    ("00482a5a-887f-4fb3-b363-3b7fe8e74483", "Key Vault Administrator", "", (), (), (f"{_VAULT}*",)),
    ("b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "Key Vault Secrets Officer", "", (), (), (f"{_VAULT}secrets/*",)),
    (
        "4633458b-17de-408a-b874-0445c86b69e6",
        "Key Vault Secrets User",
        "",
        (),
        (),
        (f"{_VAULT}secrets/getSecret/action", f"{_VAULT}secrets/readMetadata/action"),
    ),
    (
        "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        "AcrPull",
        "",
        ("Microsoft.ContainerRegistry/registries/pull/read",),
        (),
        (),
    ),
    ("29fe4964-1e60-436b-bd3a-77fd4c178b3c", "Azure Batch Account Contributor", "", ("Microsoft.Batch/*",), (), ()),
    (
        "6aaa78f1-f7de-44ca-8722-c64a23943cae",
        "Azure Batch Data Contributor",
        "",
        ("Microsoft.Batch/batchAccounts/read", "Microsoft.Batch/batchAccounts/pools/*"),
        (),
        ("Microsoft.Batch/batchAccounts/jobs/*", "Microsoft.Batch/batchAccounts/jobSchedules/*"),
    ),
    (
        "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
        "Azure Kubernetes Service RBAC Cluster Admin",
        "",
        ("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",),
        (),
        ("Microsoft.ContainerService/managedClusters/*",),
    ),
    (
        "f1a07417-d97a-45cb-824c-7a7467783830",
        "Managed Identity Operator",
        "",
        (f"{_IDENTITY}*/read", f"{_IDENTITY}*/assign/action"),
        (),
        (),
    ),
    (
        "3913510d-42f4-4e42-8a64-420c390055eb",
        "Monitoring Metrics Publisher",
        "",
        (),
        (),
        ("Microsoft.Insights/Metrics/Write", "Microsoft.Insights/Telemetry/Write"),
    ),
    ("4d97b98b-1d4f-4787-a291-c67834d212e7", "Network Contributor", "", ("Microsoft.Network/*",), (), ()),
    (
        "b12aa53e-6015-4669-85d0-8515ebb3ae7f",
        "Private DNS Zone Contributor",
        "",
        (
            f"{_ZONES}Zones/*",
            f"{_ZONES}OperationResults/*",
            f"{_ZONES}OperationStatuses/*",
            "Microsoft.Network/virtualNetworks/read",
            "Microsoft.Network/virtualNetworks/join/action",
        ),
        (),
        (),
    ),
    (
        "81a9662b-bebf-436f-a333-f67b29880f12",
        "Storage Account Key Operator Service Role",
        "",
        ("Microsoft.Storage/storageAccounts/listkeys/action", "Microsoft.Storage/storageAccounts/regeneratekey/action"),
        (),
        (),
    ),
    (
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "Storage Blob Data Contributor",
        "",
        (
            f"{_BLOBS}containers/delete",
            f"{_BLOBS}containers/read",
            f"{_BLOBS}containers/write",
            f"{_BLOBS}generateUserDelegationKey/action",
        ),
        (),
        (
            f"{_BLOBS}containers/blobs/delete",
            f"{_BLOBS}containers/blobs/read",
            f"{_BLOBS}containers/blobs/write",
            f"{_BLOBS}containers/blobs/move/action",
            f"{_BLOBS}containers/blobs/add/action",
        ),
    ),
    (
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "Storage Blob Data Reader",
        "",
        (f"{_BLOBS}containers/read", f"{_BLOBS}generateUserDelegationKey/action"),
        (),
        (f"{_BLOBS}containers/blobs/read",),
    ),
    (
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        "Storage Blob Data Owner",
        "",
        (f"{_BLOBS}containers/*", f"{_BLOBS}generateUserDelegationKey/action"),
        (),
        (f"{_BLOBS}containers/blobs/*",),
    ),
    (
        "1c0163c0-47e6-4577-8991-ea5c82e286e4",
        "Virtual Machine Administrator Login",
        "",
        ("Microsoft.Network/publicIPAddresses/read", "Microsoft.Compute/virtualMachines/*/read"),
        (),
        ("Microsoft.Compute/virtualMachines/login/action", "Microsoft.Compute/virtualMachines/loginAsAdmin/action"),
    ),
)

GUIDS: Mapping[str, str] = {name: guid for guid, name, *_ in _ROLES}
"""The GUID of each role by its name."""


def documents() -> Iterator[dict[str, Any]]:
    """Yield the definition of each role: they belong to the tenant, not to a subscription."""
    for guid, name, description, actions, removed, data in _ROLES:
        permissions = {"actions": [*actions], "notActions": [*removed], "dataActions": [*data], "notDataActions": []}
        yield {
            "id": DEFINITIONS + guid,
            "name": guid,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": name,
                "type": "BuiltInRole",
                "description": description,
                "assignableScopes": ["/"],
                "permissions": [permissions],
            },
            "_apiVersion": "2022-04-01",
        }
