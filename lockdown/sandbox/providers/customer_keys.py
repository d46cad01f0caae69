"""Whether a service can use a key of its customer's: the key is there, is safe from purging, and the service may.

Source: Microsoft Learn, "Customer-managed keys for Azure Storage encryption" and its like for the other services: a
vault with purge protection, the rights to get, wrap and unwrap, and a vault that lets trusted services in.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lockdown.sandbox.kind import Context
from lockdown.sandbox.resource_id import parse
from lockdown.sandbox.state import Document

_VAULT = "microsoft.keyvault/vaults"
_NEEDED = ("read", "wrap/action", "unwrap/action")


@dataclass(frozen=True)
class Key:
    """What became of looking for a key.

    Attributes:
        problem: '' if it can be used, else ``vault`` or ``key`` (not there), ``protection`` (it could be purged),
            ``network`` (the vault does not let the service in) or ``access`` (the service has no right to it).
        vault: the vault, if there is one.
        identifier: the key's id with its current version, if there is such a key.
    """

    problem: str
    vault: Document | None = None
    identifier: str = ""


def look(context: Context, identifier: str, principals: Iterable[str] | None) -> Key:
    """Look for a key by its id, with or without a version, and tell whether one of ``principals`` can use it.

    ``principals`` None asks only whether it is there: who uses it is not known yet.
    """
    uri, _, rest = identifier.partition("/keys/")
    name, _, version = rest.strip("/").partition("/")
    vault = next((found for found in context.state.documents() if _is(found, uri)), None)
    if vault is None:
        return Key("vault")
    key = context.state.get(f"{vault['id']}/keys/{name}") if name else None
    current = str(((key or {}).get("properties") or {}).get("keyUriWithVersion") or "")
    if not current or (version and version.lower() != current.rpartition("/")[2].lower()):
        return Key("key", vault)
    properties = vault.get("properties") or {}
    if not properties.get("enablePurgeProtection"):
        return Key("protection", vault, current)
    if _closed(properties):
        return Key("network", vault, current)
    if principals is not None and not any(_may(context, vault, principal) for principal in principals):
        return Key("access", vault, current)
    return Key("", vault, current)


def disks_can_use(context: Context, encryption_set_id: str) -> bool:
    """Tell whether disks can be encrypted through a disk encryption set: its own identity must reach its key."""
    document = context.state.get(encryption_set_id)
    target = parse(encryption_set_id)
    if document is None or target is None or target.type.lower() != "microsoft.compute/diskencryptionsets":
        return False
    identity = document.get("identity") or {}
    held = [identity.get("principalId"), *(v.get("principalId") for v in _assigned(identity))]
    url = str(((document.get("properties") or {}).get("activeKey") or {}).get("keyUrl") or "")
    return not look(context, url, [str(principal) for principal in held if principal]).problem


def _assigned(identity: Document) -> list[Document]:
    return list((identity.get("userAssignedIdentities") or {}).values())


def _is(document: Document, uri: str) -> bool:
    known = str((document.get("properties") or {}).get("vaultUri") or "")
    return str(document.get("type", "")).lower() == _VAULT and known.rstrip("/").lower() == uri.rstrip("/").lower()


def _closed(properties: Document) -> bool:
    rules = properties.get("networkAcls") or {}
    closed = properties.get("publicNetworkAccess") == "Disabled" or rules.get("defaultAction") == "Deny"
    return closed and str(rules.get("bypass") or "AzureServices").lower() == "none"


def _may(context: Context, vault: Document, principal: str) -> bool:
    properties = vault.get("properties") or {}
    if properties.get("enableRbacAuthorization"):
        wanted = (f"Microsoft.KeyVault/vaults/keys/{verb}" for verb in _NEEDED)
        return all(context.granted(principal, operation, str(vault["id"]), data=True) for operation in wanted)
    for policy in properties.get("accessPolicies") or []:
        if str(policy.get("objectId", "")).lower() == principal.lower():
            rights = {str(right).lower() for right in (policy.get("permissions") or {}).get("keys") or []}
            return "all" in rights or {"get", "wrapkey", "unwrapkey"} <= rights
    return False
