"""Microsoft.KeyVault: vaults, what is left of deleted ones, and keys that are made through Resource Manager.

Source: azure-rest-api-specs, Microsoft.KeyVault 2026-05-15; Microsoft Learn, "Soft-delete overview"; issues that quote
what Azure says of a name that a deleted vault still holds.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

from lockdown.sandbox import defaults
from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, require
from lockdown.sandbox.providers import connections
from lockdown.sandbox.providers.bodies import at, check_fixed, choose, described, fill, keep, of_the_same_name, suffix
from lockdown.sandbox.providers.private_endpoints import reflect
from lockdown.sandbox.state import Document, State, subscription_of, visible

TYPE = "Microsoft.KeyVault/vaults"
_KEYS = f"{TYPE}/keys"
_DELETED = "Microsoft.KeyVault/locations/deletedVaults"
_NAME = re.compile(r"(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])+")
_SHAPE, _COMPUTED = described("key_vault", "VaultProperties", provisioningState=None, vaultUri=None)
_KEY_SHAPE, _KEY_COMPUTED = described("key_vault", "KeyProperties")
_SHORTEST, _LONGEST = 7, 90
_ALL = ("encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey")


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    mode = str(properties.pop("createMode", "default")).lower()
    if previous is None:
        kept = _deleted(context.state, document)
        if kept is not None and mode == "recover":
            _recover(document, kept)
            return
        _admit(context, document, kept)
    require(document, "tenantId")
    require(document, "sku", "name")
    choose(document, "sku.name", "standard", "premium")
    choose(document, "sku.family", "A")
    choose(document, "publicNetworkAccess", "Enabled", "Disabled")
    choose(document, "networkAcls.defaultAction", "Allow", "Deny")
    choose(document, "networkAcls.bypass", "AzureServices", "None")
    _check_protection(document, previous)
    properties["sku"].setdefault("family", "A")
    fill(properties, defaults.VAULT)
    if "networkAcls" in properties:
        open_ = {"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []}
        fill(properties["networkAcls"], open_)
    properties["provisioningState"] = "Succeeded"
    properties["vaultUri"] = f"https://{document['name'].lower()}.{suffix(context, 'vault')}/"


def _admit(context: Context, document: Document, kept: Document | None) -> None:
    if kept is not None:
        raise ArmError(
            409,
            "ConflictError",
            "A vault with the same name already exists in deleted state. You need to either recover or purge existing "
            "key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft "
            "delete.",
        )
    if of_the_same_name(context, document):
        raise ArmError(
            409,
            "VaultAlreadyExists",
            f"The vault name '{document['name']}' is already in use. Vault names are globally unique so it is possible "
            "that the name is already taken.",
        )


def _check_protection(document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    known = (previous or {}).get("properties") or {}
    if properties.get("enablePurgeProtection") is False:
        raise ArmError(
            400,
            "BadRequest",
            'The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection for a vault is '
            "an irreversible action.",
        )
    if known.get("enablePurgeProtection"):
        properties["enablePurgeProtection"] = True
    if properties.get("enableSoftDelete") is False:
        raise ArmError(
            400,
            "BadRequest",
            'The property "enableSoftDelete" can be set to false only for creating new vault, and no longer can: soft '
            "delete is always on.",
        )
    days = properties.get("softDeleteRetentionInDays")
    if days is not None and not _SHORTEST <= days <= _LONGEST:
        message = f"softDeleteRetentionInDays is between {_SHORTEST} and {_LONGEST}."
        raise bad_request(message, target="properties.softDeleteRetentionInDays")
    check_fixed(document, previous, "BadRequest", "softDeleteRetentionInDays", "tenantId")


def _recover(document: Document, kept: Document) -> None:
    """Make the vault what it was: of the request only the place counts."""
    original = kept["_vault"]
    if original["id"].lower() != str(document["id"]).lower() or original["location"] != document["location"]:
        message = f"A deleted vault is recovered where it was: {original['id']} in {original['location']}."
        raise ArmError(400, "VaultRecoveryNotPossible", message)
    document.update({name: value for name, value in original.items() if not name.startswith("_")})
    document["properties"].pop("privateEndpointConnections", None)
    document["_recovered"] = kept["id"]


def _applied(context: Context, document: Document, previous: Document | None) -> None:
    reflect(context, document, previous)
    kept = context.state.get(str(document.get("_recovered") or ""))
    if previous is None and kept is not None:
        for key in kept["_keys"]:
            context.put(key)
        context.delete(kept)


def _removed(context: Context, document: Document) -> None:
    """Keep the vault and its keys aside, for as long as it says."""
    location = str(document["location"])
    now = context.state.clock.now()
    properties = document["properties"]
    days = int(properties.get("softDeleteRetentionInDays") or _LONGEST)
    kept: Document = {
        "id": _deleted_id(document),
        "name": document["name"],
        "type": _DELETED,
        "properties": {
            "vaultId": document["id"],
            "location": location,
            "tags": document.get("tags") or {},
            "deletionDate": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "scheduledPurgeDate": (now + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "purgeProtectionEnabled": bool(properties.get("enablePurgeProtection")),
        },
        "_vault": visible(document),
        "_keys": list(_gone(context, document)),
    }
    context.put(kept)


def _gone(context: Context, vault: Document) -> Iterator[Document]:
    """Yield the keys that went with the vault, from what has just been recorded of it."""
    prefix = f"{vault['id']}/".lower()
    for change in reversed(context.state.changes()):
        if change.correlation_id != context.who["correlation_id"]:
            return
        key = change.type.lower() == _KEYS.lower() and change.resource_id.lower().startswith(prefix)
        if key and change.kind == "Delete" and change.before is not None:
            yield change.before


def _deleted_id(document: Document) -> str:
    subscription = f"/subscriptions/{subscription_of(str(document['id']))}"
    return f"{subscription}/providers/Microsoft.KeyVault/locations/{document['location']}/deletedVaults/" + str(
        document["name"]
    )


def _deleted(state: State, document: Document) -> Document | None:
    return next(iter(deleted_vaults(state, name=str(document["name"]))), None)


def deleted_vaults(state: State, *, scope: str = "", name: str = "") -> list[Document]:
    """Return what is left of deleted vaults whose time has not come, below a scope or of a name."""
    now = state.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        found
        for found in (state.below(scope) if scope else state.documents())
        if str(found.get("type", "")) == _DELETED
        and name.lower() in ("", str(found["name"]).lower())
        and found["properties"]["scheduledPurgeDate"] > now
    ]


def check_name(state: State, name: str) -> dict[str, Any]:
    """Return the answer of checkNameAvailability."""
    if not _NAME.fullmatch(name):
        message = "Vault name must be between 3-24 alphanumeric characters and hyphens, beginning with a letter."
        return {"nameAvailable": False, "reason": "AccountNameInvalid", "message": message}
    held = (
        str(found.get("name", "")).lower() == name.lower() and str(found.get("type", "")).lower() == TYPE.lower()
        for found in state.documents()
    )
    if any(held) or deleted_vaults(state, name=name):
        message = f"The vault name '{name}' is already in use, possibly by a vault that was deleted and not purged."
        return {"nameAvailable": False, "reason": "AlreadyExists", "message": message}
    return {"nameAvailable": True}


def _purge(context: Context, document: Document, body: Document) -> tuple[int, Any]:
    del body
    if document["properties"]["purgeProtectionEnabled"]:
        raise ArmError(405, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
    context.delete(document)
    return 200, None


def _prepare_key(context: Context, document: Document, previous: Document | None) -> None:
    """Make the first version; a key that is there is answered as it is, whatever is asked for."""
    if previous is not None:
        document.clear()
        document.update(previous)
        return
    vault = context.state.get(str(document["id"]).rpartition("/keys/")[0]) or {}
    properties = document["properties"]
    require(document, "kty")
    choose(document, "kty", "RSA", "RSA-HSM", "EC", "EC-HSM")
    _check_sizes(document, vault)
    keep(document, None, "attributes.created", "attributes.updated", "attributes.recoveryLevel")
    properties.setdefault("keyOps", [*_ALL] if properties["kty"].startswith("RSA") else ["sign", "verify"])
    protected = at(vault, "properties.enablePurgeProtection")
    level = "Recoverable" if protected else "Recoverable+Purgeable"
    fill(properties, {"attributes": {"enabled": True, "exportable": False, "recoveryLevel": level}})
    uri = f"{at(vault, 'properties.vaultUri')}keys/{document['name']}"
    properties |= {"keyUri": uri, "keyUriWithVersion": f"{uri}/{uuid4().hex}"}
    document.pop("location", None)


def _check_sizes(document: Document, vault: Document) -> None:
    properties = document["properties"]
    kind = properties["kty"]
    if kind.endswith("-HSM") and at(vault, "properties.sku.name") != "premium":
        raise bad_request(f"A key of kind {kind} needs a vault of SKU premium.", target="properties.kty")
    if kind.startswith("RSA"):
        if properties.setdefault("keySize", 2048) not in (2048, 3072, 4096):
            raise bad_request("The size of an RSA key is 2048, 3072 or 4096.", target="properties.keySize")
    else:
        properties.setdefault("curveName", "P-256")
        choose(document, "curveName", "P-256", "P-384", "P-521", "P-256K")


def _not_removable(context: Context, document: Document) -> None:
    del context
    raise ArmError(405, "MethodNotAllowed", f"A key is not deleted through Resource Manager: {document['id']}.")


KINDS = (
    Kind(
        TYPE, _SHAPE, computed=_COMPUTED, name=_NAME, create="async", seconds=45,
        prepare=_prepare, applied=_applied, removed=_removed,
    ),
    connections.kind(TYPE),
    Kind(_DELETED, dict.fromkeys(("vaultId", "location", "tags", "deletionDate", "scheduledPurgeDate",
         "purgeProtectionEnabled")), tracked=False, actions={"purge": _purge}),
    Kind(
        _KEYS, _KEY_SHAPE, computed=_KEY_COMPUTED, name=re.compile(r"[A-Za-z0-9-]{1,127}"), tracked=False,
        prepare=_prepare_key, removable=_not_removable,
    ),
)  # fmt: skip
