"""The key vault, closed; with keys of the environment's own, these, and the set that disks are encrypted by."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.compute.models import (
    DiskEncryptionSet,
    EncryptionSetIdentity,
    EncryptionSetProperties,
    KeyForDiskEncryptionSet,
    SourceVault,
)
from azure.mgmt.keyvault.models import (
    Action,
    KeyAttributes,
    KeyCreateParameters,
    KeyProperties,
    KeyRotationPolicyAttributes,
    LifetimeAction,
    NetworkRuleSet,
    RotationPolicy,
    Sku,
    Trigger,
    VaultCreateOrUpdateParameters,
    VaultProperties,
)

from lockdown.provisioner.blueprint import ids
from lockdown.provisioner.graph import Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

API_VERSION = "2026-05-15"
"""Of Microsoft.KeyVault: azure-mgmt-keyvault's."""

_COMPUTE_VERSION = "2026-04-01"
_THEME = "keys"
_NAMES = ("storage", "batch", "registry", "disks")
_BITS = 3072
_DAYS_RECOVERABLE = 90


def steps(site: Site) -> Iterator[Step]:
    """Yield the vault, which passwords can go to even where keys are Microsoft's, and the keys where they are not."""
    yield _vault(site)
    if site.environment.keys.customer_managed:
        for name in _NAMES:
            yield _key(site, name)
        yield _disks(site)


def _vault(site: Site) -> Resource:
    own_keys = site.environment.keys.customer_managed
    vault = VaultCreateOrUpdateParameters(
        location=site.location,
        tags=site.tags,
        properties=VaultProperties(
            tenant_id=site.tenant,
            sku=Sku(family="A", name="standard"),
            access_policies=[],
            enabled_for_deployment=False,
            enable_rbac_authorization=True,
            enable_soft_delete=True,
            soft_delete_retention_in_days=_DAYS_RECOVERABLE,
            enable_purge_protection=True,
            public_network_access="Disabled",
            network_acls=NetworkRuleSet(
                # Services that fetch their own keys come from no network of ours.
                bypass="AzureServices" if own_keys else "None",
                default_action="Deny",
                ip_rules=[],
                virtual_network_rules=[],
            ),
        ),
    )
    return Resource(
        "vault",
        _THEME,
        ids.vault(site),
        API_VERSION,
        wire(vault),
        needs=("group", "providers/Microsoft.KeyVault"),
        seconds=60,
        cost="by the operation",
        fixed=frozenset({"location", "properties.tenantId", "properties.softDeleteRetentionInDays"}),
    )


def _key(site: Site, name: str) -> Resource:
    """Return a key that only wraps others, cannot leave the vault, and is exchanged every year."""
    rotation = RotationPolicy(
        attributes=KeyRotationPolicyAttributes(expiry_time="P1Y"),
        lifetime_actions=[LifetimeAction(trigger=Trigger(time_before_expiry="P30D"), action=Action(type="rotate"))],
    )
    key = KeyCreateParameters(
        properties=KeyProperties(
            kty="RSA",
            key_size=_BITS,
            key_ops=["wrapKey", "unwrapKey"],
            attributes=KeyAttributes(enabled=True, exportable=False),
            rotation_policy=rotation,
        )
    )
    return Resource(
        f"key/{name}",
        _THEME,
        f"{ids.vault(site)}/keys/{name}",
        API_VERSION,
        wire(key),
        needs=("vault",),
        cost="by the operation",
        # Resource Manager makes keys; it neither changes nor deletes them.
        fixed=frozenset({"properties"}),
        remove=False,
    )


def _disks(site: Site) -> Resource:
    """Return the set that disks are encrypted by, with the platform's key as well as with ours."""
    disks = DiskEncryptionSet(
        location=site.location,
        tags=site.tags,
        identity=EncryptionSetIdentity(type="SystemAssigned"),
        properties=EncryptionSetProperties(
            encryption_type="EncryptionAtRestWithPlatformAndCustomerKeys",
            active_key=KeyForDiskEncryptionSet(
                source_vault=SourceVault(id=reference("vault")),
                key_url=reference("key/disks", "properties.keyUriWithVersion"),
            ),
            rotation_to_latest_key_version_enabled=True,
        ),
    )
    return Resource(
        "disks",
        _THEME,
        ids.disks(site),
        _COMPUTE_VERSION,
        wire(disks),
        needs=("group", "providers/Microsoft.Compute"),
        seconds=15,
        fixed=frozenset({"location", "properties.encryptionType"}),
    )
