"""Microsoft.Storage/storageAccounts, what Azure fills in for one, and whether a name is free."""

import base64
import copy
import re
import secrets
from typing import Any

from lockdown.sandbox import implied
from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, one_of
from lockdown.sandbox.providers import connections, customer_keys
from lockdown.sandbox.providers.bodies import assigned, at, choose, described, keep, principals, stamp, suffix
from lockdown.sandbox.providers.private_endpoints import reflect
from lockdown.sandbox.state import Document, State

TYPE = "Microsoft.Storage/storageAccounts"
_NAME = re.compile(r"[a-z0-9]{3,24}")
_KINDS = ("StorageV2", "Storage", "BlobStorage", "FileStorage", "BlockBlobStorage")
_SKUS = (
    "Standard_LRS", "Standard_GRS", "Standard_RAGRS", "Standard_ZRS", "Premium_LRS", "Premium_ZRS", "Standard_GZRS",
    "Standard_RAGZRS", "StandardV2_LRS", "StandardV2_GRS", "StandardV2_ZRS", "StandardV2_GZRS", "PremiumV2_LRS",
    "PremiumV2_ZRS",
)  # fmt: skip
ACCOUNT, _COMPUTED = described("storage", "StorageAccountProperties", "StorageAccountPropertiesCreateParameters")
_SERVICES = ("blob", "file", "queue", "table")
_KEY = "encryption.keyvaultproperties"
_WRITTEN = (
    *(f"encryption.services.{service}.lastEnabledTime" for service in _SERVICES),
    *(
        f"{_KEY}.{name}"
        for name in (
            "currentVersionedKeyIdentifier",
            "lastKeyRotationTimestamp",
            "currentVersionedKeyExpirationTimestamp",
        )
    ),
)
"""What only the service writes, inside what a client writes."""
_FIXED = (
    "isHnsEnabled",
    "isNfsV3Enabled",
    "encryption.requireInfrastructureEncryption",
    "immutableStorageWithVersioning.enabled",
)
_WHY = {
    "vault": ("KeyVaultVaultNotFound", "Unable to find keyvault."),
    "key": ("KeyVaultEncryptionKeyNotFound", "Unable to find the key on the keyvault."),
    "protection": ("KeyVaultPolicyError", "Keyvault policy recoverable is not set."),
    "network": ("KeyVaultAuthenticationFailure", "The keyvault does not let trusted services in."),
    "access": ("KeyVaultAuthenticationFailure", "Operation failed because of authentication issue on the keyvault."),
}
_SECONDARY = {"eastus": "westus", "westus": "eastus", "northeurope": "westeurope", "westeurope": "northeurope"}


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    name = str(document["name"])
    properties = document["properties"]
    if previous is None:
        availability = check_name(context.state, name)
        if not availability["nameAvailable"]:
            raise ArmError(409, "StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")
    else:
        properties = document["properties"] = {**copy.deepcopy(previous["properties"]), **properties}
    _check_envelope(document, previous)
    one_of(document, "publicNetworkAccess", ("Enabled", "Disabled", "SecuredByPerimeter"))
    one_of(document, "minimumTlsVersion", ("TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"))
    one_of(document, "accessTier", ("Hot", "Cool", "Cold", "Premium"))
    keep(document, previous, *_WRITTEN)
    _check_fixed(document, previous)
    _check_immutability(document, previous)
    acls = properties.get("networkAcls")
    if previous is None:
        _fill(context, document)
    else:
        document.update({name: previous[name] for name in ("_keys",) if name in previous})
    _fill_encryption(context, document, previous)
    if acls is not None or previous is None:
        properties["networkAcls"] = _complete(acls or {})


def _check_fixed(document: Document, previous: Document | None) -> None:
    for path in _FIXED:
        known, wanted = at((previous or {}).get("properties") or {}, path), at(document["properties"], path)
        if previous is not None and wanted is not None and bool(wanted) != bool(known):
            raise ArmError(
                409,
                "AccountPropertyCannotBeUpdated",
                f"The property '{path.rpartition('.')[2]}' was specified in the input, but it cannot be updated.",
            )


def _check_immutability(document: Document, previous: Document | None) -> None:
    """Refuse a policy that begins locked, and a locked one that is weakened: it can only be made longer."""
    place = "immutableStorageWithVersioning.immutabilityPolicy"
    days, writes = "immutabilityPeriodSinceCreationInDays", "allowProtectedAppendWrites"
    choose(document, f"{place}.state", "Disabled", "Unlocked", "Locked")
    wanted = at(document["properties"], place) or {}
    known = at((previous or {}).get("properties") or {}, place) or {}
    locked = known.get("state") == "Locked"
    if wanted.get("state") == "Locked" and known.get("state") not in ("Unlocked", "Locked"):
        raise _invalid_value(f"{place}.state", "a policy is locked once it is there and Unlocked.")
    weaker = (
        wanted.get("state") != "Locked"
        or int(wanted.get(days) or 0) < int(known.get(days) or 0)
        or bool(wanted.get(writes)) != bool(known.get(writes))
    )
    if locked and weaker:
        raise _invalid_value(place, "a locked policy can only be made longer.")


def _invalid_value(name: str, why: str) -> ArmError:
    message = f"Values for request parameters are invalid: {name}: {why}"
    return ArmError(400, "InvalidValuesForRequestParameters", message, f"properties.{name}")


def _fill_encryption(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    encryption = properties.setdefault("encryption", {})
    choose(document, "encryption.keySource", "Microsoft.Storage", "Microsoft.Keyvault")
    encryption.setdefault("keySource", "Microsoft.Storage")
    before = at(previous or {}, "properties.encryption") or {}
    services, held = encryption.setdefault("services", {}), before.get("services") or {}
    for service in ("file", "blob", *services, *held):
        services[service] = {
            "keyType": "Account",
            "enabled": True,
            "lastEnabledTime": stamp(context),
            **(held.get(service) or {}),
            **(services.get(service) or {}),
        }
    if "requireInfrastructureEncryption" in before:
        encryption.setdefault("requireInfrastructureEncryption", before["requireInfrastructureEncryption"])
    if encryption["keySource"] == "Microsoft.Keyvault":
        _check_key(context, document, previous)


def _check_key(context: Context, document: Document, previous: Document | None) -> None:
    """Refuse a key that the account cannot use, and name the version that it uses."""
    encryption = document["properties"]["encryption"]
    key = encryption.get("keyvaultproperties") or {}
    uri, name, version = (str(key.get(part) or "") for part in ("keyvaulturi", "keyname", "keyversion"))
    if not uri or not name:
        raise _invalid_value(_KEY, "a key of the customer's needs its vault and its name.")
    asked = f"{uri.rstrip('/')}/keys/{name}" + (f"/{version}" if version else "")
    named = str(at(encryption, "identity.userAssignedIdentity") or "")
    held = [str((assigned(document, named) or {}).get("principalId") or "")] if named else principals(document)
    if not any(held):
        raise _invalid_value("encryption.identity", "the account does not have the identity that fetches its key.")
    found = customer_keys.look(context, asked, held)
    if found.problem:
        code, message = _WHY[found.problem]
        raise ArmError(409, code, message, f"properties.{_KEY}")
    if at(previous or {}, f"properties.{_KEY}.currentVersionedKeyIdentifier") != found.identifier:
        key |= {"currentVersionedKeyIdentifier": found.identifier, "lastKeyRotationTimestamp": stamp(context)}


def _check_envelope(document: Document, previous: Document | None) -> None:
    sku = str((document.get("sku") or {}).get("name") or "")
    proper = {word.lower(): word for word in _SKUS}.get(sku.lower())
    if proper is None:
        raise bad_request(f"The value '{sku}' of 'sku.name' is not a SKU of a storage account.", target="sku.name")
    document["sku"] = {"name": proper, "tier": proper.partition("_")[0].removesuffix("V2")}
    kind = str(document.get("kind") or (previous or {}).get("kind") or "")
    if kind not in _KINDS:
        raise bad_request(f"The value '{kind}' of 'kind' is not one of {', '.join(_KINDS)}.", target="kind")
    document["kind"] = kind


def _complete(acls: Document) -> Document:
    given = {name: value for name, value in acls.items() if value is not None}
    found: Document = {
        "bypass": "AzureServices",
        "virtualNetworkRules": [],
        "ipRules": [],
        "defaultAction": "Allow",
        **given,
    }
    for rule in (*found["virtualNetworkRules"], *found["ipRules"]):
        rule.setdefault("action", "Allow")
    return found


def _fill(context: Context, document: Document) -> None:
    """Write what a new account has beside what was asked for."""
    properties, name, location = document["properties"], str(document["name"]), document["location"]
    now = stamp(context)
    properties.setdefault("supportsHttpsTrafficOnly", True)
    properties.setdefault("allowBlobPublicAccess", False)
    properties.setdefault("allowCrossTenantReplication", False)
    properties.setdefault("minimumTlsVersion", "TLS1_2")
    if document["kind"] in ("StorageV2", "BlobStorage"):
        properties.setdefault("accessTier", "Hot")
    properties |= {
        "provisioningState": "Succeeded",
        "privateEndpointConnections": [],
        "creationTime": now,
        "keyCreationTime": {"key1": now, "key2": now},
        "primaryLocation": location,
        "statusOfPrimary": "available",
        "primaryEndpoints": _endpoints(context, name, document["kind"]),
    }
    sku = document["sku"]["name"]
    if "GRS" in sku or "GZRS" in sku:
        properties |= {"secondaryLocation": _SECONDARY.get(location, "centralus"), "statusOfSecondary": "available"}
        if "RA" in sku:
            properties["secondaryEndpoints"] = _endpoints(context, f"{name}-secondary", document["kind"])


def _served(kind: str) -> tuple[str, ...]:
    return ("file",) if kind == "FileStorage" else ("dfs", "web", "blob", "queue", "table", "file")


def _applied(context: Context, document: Document, previous: Document | None) -> None:
    reflect(context, document, previous)
    if previous is not None:
        return
    for service in implied.SERVICES:
        made = implied.service(document, service)
        if service == "blobServices" and at(document, "properties.immutableStorageWithVersioning.enabled"):
            made["properties"]["isVersioningEnabled"] = True
        context.put(made)


def _endpoints(context: Context, name: str, kind: str) -> dict[str, str]:
    zones, end = {"web": "z13.web"}, suffix(context, "storage")
    return {service: f"https://{name}.{zones.get(service, service)}.{end}/" for service in _served(kind)}


def check_name(state: State, name: str) -> dict[str, Any]:
    """Return the answer of checkNameAvailability."""
    if not _NAME.fullmatch(name):
        return {
            "nameAvailable": False,
            "reason": "AccountNameInvalid",
            "message": f"{name} is not a valid storage account name. Storage account name must be between 3 and 24 "
            "characters in length and use numbers and lower-case letters only.",
        }
    for document in state.documents():
        if document.get("name") == name and str(document.get("type", "")).lower() == TYPE.lower():
            return {
                "nameAvailable": False,
                "reason": "AlreadyExists",
                "message": f"The storage account named {name} is already taken.",
            }
    return {"nameAvailable": True}


def _list_keys(context: Context, document: Document, body: Document) -> tuple[int, Any]:
    del body
    if document["properties"].get("allowSharedKeyAccess") is False:
        raise ArmError(
            409,
            "KeyBasedAuthenticationNotPermitted",
            "Key based authentication is not permitted on this storage account.",
        )
    keys = document.get("_keys")
    if keys is None:
        keys = [base64.b64encode(secrets.token_bytes(64)).decode() for _ in range(2)]
        context.put(copy.deepcopy(document) | {"_keys": keys})
    times = document["properties"].get("keyCreationTime") or {}
    shown = [
        {"keyName": f"key{number}", "value": key, "permissions": "FULL", "creationTime": times.get(f"key{number}")}
        for number, key in enumerate(keys, 1)
    ]
    return 200, {"keys": shown}


KINDS = (
    Kind(
        TYPE, ACCOUNT, computed=_COMPUTED, name=_NAME, create="location", seconds=30, prepare=_prepare,
        applied=_applied, actions={"listkeys": _list_keys},
    ),
    connections.kind(TYPE),
)  # fmt: skip
