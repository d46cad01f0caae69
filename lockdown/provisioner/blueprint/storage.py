"""The two storage accounts, closed: that of Cromwell on Azure, and that which logs are kept in unchanged."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.storage.models import (
    AccountImmutabilityPolicyProperties,
    BlobContainer,
    BlobServiceProperties,
    BlobServicePropertiesProperties,
    ContainerProperties,
    DeleteRetentionPolicy,
    Encryption,
    EncryptionIdentity,
    EncryptionService,
    EncryptionServices,
    Identity,
    ImmutableStorageAccount,
    ImmutableStorageWithVersioning,
    KeyPolicy,
    KeyVaultProperties,
    NetworkRuleSet,
    SasPolicy,
    Sku,
    StorageAccountCreateParameters,
    StorageAccountPropertiesCreateParameters,
    UserAssignedIdentity,
)

from lockdown.provisioner.blueprint import ids
from lockdown.provisioner.graph import Resource, Step, Window, reference
from lockdown.provisioner.site import BLOB_CONTAINERS, Site
from lockdown.provisioner.wire import wire

API_VERSION = "2026-09-01"
"""Of Microsoft.Storage: azure-mgmt-storage's."""

LOG_CONTAINERS = ("insights-activity-logs", "insights-logs-flowlogflowevent")
"""What Azure Monitor and Network Watcher write to; they would make them otherwise."""

_THEME = "storage"
_SIX_YEARS = 2192
"""Days: what HIPAA wants records of security to be kept for."""

_DAYS_UNDELETED = 30
_KEYS_EXPIRE = 90
_COST = "by the GB held and by the request, twice for the copy in the paired region"
_ENCRYPTION = "properties.encryption"
_FIXED = frozenset(
    {
        "location",
        "kind",
        f"{_ENCRYPTION}.requireInfrastructureEncryption",
        f"{_ENCRYPTION}.services.queue.keyType",
        f"{_ENCRYPTION}.services.table.keyType",
        "properties.immutableStorageWithVersioning.enabled",
    }
)
_KEY_NEEDS = ("identity/keys", "key/storage", "role/keys/vault/key-vault-crypto-service-encryption-user")
_STATE = "properties.immutableStorageWithVersioning.immutabilityPolicy.state"


def steps(site: Site) -> Iterator[Step]:
    """Yield the accounts, each with its blob service and containers."""
    yield _account(site, "storage", ids.storage(site), _properties(site, shared_key=True, bypass="None"))
    yield from _blobs("storage", ids.storage(site), BLOB_CONTAINERS)
    yield _log_account(site)
    kept = ImmutableStorageWithVersioning(enabled=True)
    yield from _blobs("logs", ids.logs(site), LOG_CONTAINERS, immutable=kept)


def _log_account(site: Site) -> Resource:
    """Return the account that nobody has a key of and nobody deletes from; Azure Monitor writes to it.

    Azure makes no account whose policy is locked already: it is locked afterwards, once and for ever.
    """
    properties = _properties(site, shared_key=False, bypass="AzureServices")
    properties.immutable_storage_with_versioning = ImmutableStorageAccount(
        enabled=True,
        immutability_policy=AccountImmutabilityPolicyProperties(
            immutability_period_since_creation_in_days=_SIX_YEARS,
            state="Locked",
            allow_protected_append_writes=True,
        ),
    )
    lock = Window(
        _STATE,
        opened="Unlocked",
        closed="Locked",
        needed_by=(f"logs/containers/{LOG_CONTAINERS[0]}",),
        why="Azure locks only a policy that is there",
        once=True,
    )
    return _account(site, "logs", ids.logs(site), properties, windows=(lock,))


def _account(
    site: Site,
    key: str,
    resource_id: str,
    properties: StorageAccountPropertiesCreateParameters,
    windows: tuple[Window, ...] = (),
) -> Resource:
    own_key = site.environment.keys.customer_managed
    account = StorageAccountCreateParameters(
        location=site.location,
        tags=site.tags,
        sku=Sku(name="Standard_GRS"),
        kind="StorageV2",
        identity=_holder(site) if own_key else None,
        properties=properties,
    )
    return Resource(
        key,
        _THEME,
        resource_id,
        API_VERSION,
        wire(account),
        needs=("group", "providers/Microsoft.Storage", *(_KEY_NEEDS if own_key else ())),
        seconds=30,
        cost=_COST,
        fixed=_FIXED,
        windows=windows,
    )


def _properties(site: Site, *, shared_key: bool, bypass: str) -> StorageAccountPropertiesCreateParameters:
    """Return what both accounts have in common. ``shared_key``: Cromwell and the blob volumes know no other way in."""
    return StorageAccountPropertiesCreateParameters(
        public_network_access="Disabled",
        network_rule_set=NetworkRuleSet(bypass=bypass, default_action="Deny", ip_rules=[], virtual_network_rules=[]),
        allow_shared_key_access=shared_key,
        allow_blob_public_access=False,
        allow_cross_tenant_replication=False,
        allowed_copy_scope="PrivateLink",
        default_to_o_auth_authentication=True,
        enable_https_traffic_only=True,
        minimum_tls_version="TLS1_2",
        is_local_user_enabled=False,
        is_sftp_enabled=False,
        access_tier="Hot",
        sas_policy=SasPolicy(sas_expiration_period="07.00:00:00", expiration_action="Log"),
        key_policy=KeyPolicy(key_expiration_period_in_days=_KEYS_EXPIRE),
        encryption=_encryption(site),
    )


def _encryption(site: Site) -> Encryption:
    """Return the encryption of everything in an account, twice."""
    services = {
        name: EncryptionService(enabled=True, key_type="Account") for name in ("blob", "file", "queue", "table")
    }
    encryption = Encryption(
        key_source="Microsoft.Storage", require_infrastructure_encryption=True, services=EncryptionServices(**services)
    )
    if site.environment.keys.customer_managed:
        encryption.key_source = "Microsoft.Keyvault"
        # Without a version: the account follows the key as it is rotated.
        encryption.key_vault_properties = KeyVaultProperties(
            key_name="storage", key_vault_uri=reference("vault", "properties.vaultUri")
        )
        encryption.encryption_identity = EncryptionIdentity(encryption_user_assigned_identity=ids.keys_identity(site))
    return encryption


def _holder(site: Site) -> Identity:
    held = {ids.keys_identity(site): UserAssignedIdentity()}
    return Identity(type="UserAssigned", user_assigned_identities=held)


def _blobs(
    key: str, account_id: str, containers: tuple[str, ...], immutable: ImmutableStorageWithVersioning | None = None
) -> Iterator[Resource]:
    service_id = f"{account_id}/blobServices/default"
    blobs = BlobServicePropertiesProperties(
        delete_retention_policy=DeleteRetentionPolicy(enabled=True, days=_DAYS_UNDELETED, allow_permanent_delete=False),
        container_delete_retention_policy=DeleteRetentionPolicy(enabled=True, days=_DAYS_UNDELETED),
        is_versioning_enabled=True,
    )
    service = wire(BlobServiceProperties(blob_service_properties=blobs))
    yield Resource(f"{key}/blob", _THEME, service_id, API_VERSION, service, needs=(key,), seconds=3, remove=False)
    for name in containers:
        properties = ContainerProperties(public_access="None", immutable_storage_with_versioning=immutable)
        yield Resource(
            f"{key}/containers/{name}",
            _THEME,
            f"{service_id}/containers/{name}",
            API_VERSION,
            wire(BlobContainer(container_properties=properties)),
            needs=(f"{key}/blob",),
            seconds=2,
            fixed=frozenset({"properties.immutableStorageWithVersioning.enabled"}),
        )
