"""The keys of ``coa-private``: what is encrypted with a key of the environment's own, and how each service names it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.sandbox.scenarios.arm.compute import encryption_set
from lockdown.sandbox.scenarios.arm.data import key_vault
from lockdown.sandbox.scenarios.arm.envelope import CREATED, child
from lockdown.sandbox.scenarios.arm.platform import holds_identity, user_identity
from lockdown.sandbox.scenarios.arm.private_link import Link, service_connection
from lockdown.sandbox.scenarios.arm.storage import encrypted
from lockdown.sandbox.scenarios.identifiers import digits
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.site import Site

_NAMES = ("storage", "batch", "registry", "disks")
_RULES = {"bypass": "AzureServices", "defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": []}
"""Services that fetch their own keys are let through: they come from no network of ours."""


@dataclass(frozen=True)
class Keys:
    """The vault, its keys by name, the identity that services fetch them as, and the set that disks use."""

    vault: Document
    keys: Mapping[str, Document]
    identity: Document
    disks: Document

    def documents(self) -> Iterator[Document]:
        """Yield everything, parents first."""
        yield self.vault
        yield from self.keys.values()
        yield self.identity
        yield self.disks

    def held(self) -> dict[str, Any]:
        """Return the ``identity`` of a service that fetches its key."""
        return holds_identity(self.identity)

    def of_storage(self) -> dict[str, Any]:
        """Return the ``encryption`` of a storage account, twice encrypted, queues and tables included."""
        properties = self.keys["storage"]["properties"]
        return {
            "keySource": "Microsoft.Keyvault",
            "requireInfrastructureEncryption": True,
            "services": encrypted("blob", "file", "queue", "table"),
            "keyvaultproperties": {
                "keyname": "storage",
                "keyvaulturi": self.vault["properties"]["vaultUri"],
                "currentVersionedKeyIdentifier": properties["keyUriWithVersion"],
                "lastKeyRotationTimestamp": CREATED,
            },
            "identity": {"userAssignedIdentity": self.identity["id"]},
        }

    def of_batch(self) -> dict[str, Any]:
        """Return the ``encryption`` of a Batch account."""
        identifier = self.keys["batch"]["properties"]["keyUriWithVersion"]
        return {"keySource": "Microsoft.KeyVault", "keyVaultProperties": {"keyIdentifier": identifier}}

    def of_registry(self) -> dict[str, Any]:
        """Return the ``encryption`` of a container registry."""
        properties = self.keys["registry"]["properties"]
        return {
            "status": "enabled",
            "keyVaultProperties": {
                "keyIdentifier": properties["keyUri"],
                "versionedKeyIdentifier": properties["keyUriWithVersion"],
                "identity": self.identity["properties"]["clientId"],
                "keyRotationEnabled": True,
                "lastKeyRotationTimestamp": CREATED,
            },
        }

    def of_disk(self) -> dict[str, Any]:
        """Return the ``encryption`` of a managed disk."""
        properties = self.disks["properties"]
        return {"type": properties["encryptionType"], "diskEncryptionSetId": self.disks["id"]}


def keys_of(site: Site, link: Link) -> Keys:
    """Return the keys of the environment; ``link`` is the private endpoint of their vault."""
    name = f"{site.base}-kv"
    vault = key_vault(
        site.group,
        name,
        site.tenant,
        connections=[service_connection(link)],
        publicNetworkAccess="Disabled",
        networkAcls=_RULES,
        enableRbacAuthorization=True,
        enablePurgeProtection=True,
    )
    keys = {key: child(vault, "keys", key, _key(vault, key)) for key in _NAMES}
    identity = user_identity(site.group, f"{site.group.name}-keys", site.tenant)
    disks = encryption_set(site.group, f"{site.base}-disks", site.tenant, vault, keys["disks"])
    return Keys(vault, keys, identity, disks)


def _key(vault: Document, name: str) -> dict[str, Any]:
    uri = f"{vault['properties']['vaultUri']}keys/{name}"
    return {
        "attributes": {"enabled": True, "exportable": False, "recoveryLevel": "Recoverable"},
        "kty": "RSA",
        "keySize": 3072,
        "keyOps": ["wrapKey", "unwrapKey"],
        "keyUri": uri,
        "keyUriWithVersion": f"{uri}/{digits('key', vault['name'], name, length=32)}",
        "rotationPolicy": {
            "attributes": {"expiryTime": "P1Y"},
            "lifetimeActions": [{"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "rotate"}}],
        },
    }
