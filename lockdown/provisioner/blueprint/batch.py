"""The Batch account that TES runs tasks with, closed; its pools are made by TES."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.batch.models import (
    AutoStorageBaseProperties,
    BatchAccountCreateParameters,
    BatchAccountCreateProperties,
    BatchAccountIdentity,
    ComputeNodeIdentityReference,
    EncryptionProperties,
    KeyVaultProperties,
    UserAssignedIdentities,
)

from lockdown.provisioner.blueprint import access, ids
from lockdown.provisioner.graph import Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

API_VERSION = "2025-06-01"
"""Of Microsoft.Batch: azure-mgmt-batch's."""


def steps(site: Site) -> Iterator[Step]:
    """Yield the account. It reaches its storage as the identity of the nodes, without a key."""
    own_key = site.environment.keys.customer_managed
    identities = [ids.nodes_identity(site), *([ids.keys_identity(site)] if own_key else ())]
    account = BatchAccountCreateParameters(
        location=site.location,
        tags=site.tags,
        identity=BatchAccountIdentity(
            type="UserAssigned", user_assigned_identities={held: UserAssignedIdentities() for held in identities}
        ),
        properties=BatchAccountCreateProperties(
            pool_allocation_mode="BatchService",
            public_network_access="Disabled",
            # Tasks report to TES with the token that Batch gives to each of them.
            allowed_authentication_modes=["AAD", "TaskAuthenticationToken"],
            auto_storage=AutoStorageBaseProperties(
                storage_account_id=reference("storage"),
                authentication_mode="BatchAccountManagedIdentity",
                node_identity_reference=ComputeNodeIdentityReference(resource_id=reference("identity/nodes")),
            ),
            encryption=_encryption() if own_key else EncryptionProperties(key_source="Microsoft.Batch"),
        ),
    )
    key_needs = ("identity/keys", "role/keys/vault/key-vault-crypto-service-encryption-user")
    yield Resource(
        "batch",
        "batch",
        ids.batch(site),
        API_VERSION,
        wire(account),
        needs=(
            *("group", "providers/Microsoft.Batch", *access.of_the_nodes(site)),
            *(key_needs if own_key else ()),
        ),
        seconds=90,
        cost="nothing; the nodes of its pools by the second",
        fixed=frozenset({"location", "properties.poolAllocationMode"}),
    )


def _encryption() -> EncryptionProperties:
    # Without a version: the account follows the key as it is rotated.
    return EncryptionProperties(
        key_source="Microsoft.KeyVault",
        key_vault_properties=KeyVaultProperties(key_identifier=reference("key/batch", "properties.keyUri")),
    )
