"""Microsoft.Batch/batchAccounts: what Azure fills in, what an account needs of others, and who may have its keys.

Source: azure-rest-api-specs, Microsoft.Batch 2025-06-01; Microsoft Learn, "Batch service quotas and limits", "Use
managed identities for auto-storage".
"""

import base64
import re
import secrets
from typing import Any
from uuid import uuid4

from lockdown.sandbox import defaults
from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, require
from lockdown.sandbox.providers import connections, customer_keys
from lockdown.sandbox.providers.bodies import at, check_fixed, choose, described, fill, keep, principals, stamp, suffix
from lockdown.sandbox.providers.private_endpoints import reflect
from lockdown.sandbox.state import Document, State, subscription_of

TYPE = "Microsoft.Batch/batchAccounts"
_NAME = re.compile(r"[a-z0-9]{3,24}")
_SHAPE, _COMPUTED = described(
    "batch",
    "BatchAccountProperties",
    "BatchAccountCreateProperties",
    autoStorage={
        "storageAccountId": str,
        "authenticationMode": str,
        "nodeIdentityReference": {"resourceId": str},
        "lastKeySync": None,
    },
)
_MODES = ("SharedKey", "AAD", "TaskAuthenticationToken")
_QUOTAS = {
    "dedicatedCoreQuota": ("batch-dedicated-cores", 500),
    "lowPriorityCoreQuota": ("batch-low-priority-cores", 500),
    "poolQuota": ("batch-pools", 100),
    "activeJobAndJobScheduleQuota": ("batch-jobs", 300),
}
ACCOUNTS = 3
"""How many a subscription may have in a region, unless ``limits`` says otherwise."""


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    choose(document, "poolAllocationMode", "BatchService", "UserSubscription")
    choose(document, "publicNetworkAccess", "Enabled", "Disabled", "SecuredByPerimeter")
    choose(document, "autoStorage.authenticationMode", "StorageKeys", "BatchAccountManagedIdentity")
    choose(document, "encryption.keySource", "Microsoft.Batch", "Microsoft.KeyVault")
    for path in ("accountAccess", "nodeManagementAccess"):
        choose(document, f"networkProfile.{path}.defaultAction", "Allow", "Deny")
    unknown = set(properties.get("allowedAuthenticationModes") or ()) - set(_MODES)
    if unknown:
        raise _invalid("allowedAuthenticationModes", min(unknown), f"It is one of {', '.join(_MODES)}.")
    check_fixed(document, previous, "PropertyCannotBeUpdated", "poolAllocationMode")
    keep(document, previous, "autoStorage.lastKeySync")
    document.setdefault("identity", {"type": "None"})
    if previous is None:
        _admit(context, document)
        _fill(context, document)
    fill(properties, defaults.BATCH)
    if properties["poolAllocationMode"] == "UserSubscription":
        require(document, "keyVaultReference", "id")
    _check_storage(context, document)
    _check_key(context, document, previous)
    properties["provisioningState"] = "Succeeded"


def _admit(context: Context, document: Document) -> None:
    name, location = str(document["name"]), str(document["location"])
    if not check_name(context.state, location, name)["nameAvailable"]:
        raise ArmError(409, "AccountAlreadyExists", f"The Batch account name '{name}' is already in use in {location}.")
    subscription = subscription_of(str(document["id"])).lower()
    held = [
        found
        for found in context.state.below(f"/subscriptions/{subscription}")
        if str(found["type"]).lower() == TYPE.lower() and found.get("location") == location
    ]
    most = context.limit("batch-accounts", ACCOUNTS)
    if len(held) >= most:
        raise ArmError(
            409,
            "BatchAccountQuotaReached",
            f"The subscription has {len(held)} Batch accounts in {location}, and its quota there is {most}. Ask for "
            "more with a support request.",
        )


def _fill(context: Context, document: Document) -> None:
    properties, name, location = document["properties"], document["name"], document["location"]
    properties |= {
        "accountEndpoint": f"{name}.{location}.{suffix(context, 'batch')}",
        "nodeManagementEndpoint": f"{uuid4()}.{location}.service.{suffix(context, 'batch')}",
        **{quota: context.limit(limit, usual) for quota, (limit, usual) in _QUOTAS.items()},
    }


def _check_storage(context: Context, document: Document) -> None:
    storage = document["properties"].get("autoStorage")
    if not storage:
        return
    account = str(storage.get("storageAccountId") or "")
    found = context.state.get(account)
    if found is None or str(found["type"]).lower() != "microsoft.storage/storageaccounts":
        raise _invalid("autoStorage.storageAccountId", account, "The specified storage account was not found.")
    mode = storage.setdefault("authenticationMode", "StorageKeys")
    if mode == "BatchAccountManagedIdentity":
        if not principals(document):
            raise _invalid("autoStorage.authenticationMode", mode, "The Batch account has no managed identity.")
        node = at(storage, "nodeIdentityReference.resourceId")
        if node and context.state.get(str(node)) is None:
            raise _invalid("autoStorage.nodeIdentityReference.resourceId", str(node), "There is no such identity.")
    elif (found.get("properties") or {}).get("allowSharedKeyAccess") is False:
        raise _invalid("autoStorage.authenticationMode", mode, "The storage account does not permit shared keys.")
    storage.setdefault("lastKeySync", stamp(context))


def _check_key(context: Context, document: Document, previous: Document | None) -> None:
    encryption = document["properties"]["encryption"]
    if encryption["keySource"] != "Microsoft.KeyVault" or encryption == at(previous or {}, "properties.encryption"):
        return
    key = str(at(encryption, "keyVaultProperties.keyIdentifier") or "")
    if not key:
        raise _invalid("encryption.keyVaultProperties.keyIdentifier", "", "A key of the customer's needs its id.")
    held = principals(document)
    if not held:
        raise _invalid("encryption.keySource", "Microsoft.KeyVault", "The Batch account has no managed identity.")
    problem = customer_keys.look(context, key, held).problem
    if problem:
        reasons = {
            "vault": "There is no such key vault.",
            "key": "There is no such key, or no such version of it.",
            "protection": "The key vault must have soft delete and purge protection enabled.",
            "network": "The key vault does not let trusted services in.",
            "access": "The identity of the Batch account has no permission to get, wrap and unwrap with the key.",
        }
        raise _invalid("encryption.keyVaultProperties.keyIdentifier", key, reasons[problem])


def _invalid(name: str, value: str, reason: str) -> ArmError:
    return ArmError(
        400,
        "InvalidPropertyValue",
        "The value provided for one of the properties in the request body is invalid. "
        f"PropertyName: {name}. PropertyValue: {value}. Reason: {reason}",
        f"properties.{name}",
    )


def _applied(context: Context, document: Document, previous: Document | None) -> None:
    reflect(context, document, previous)


def check_name(state: State, location: str, name: str) -> dict[str, Any]:
    """Return the answer of checkNameAvailability: a name is taken once in each region."""
    if not _NAME.fullmatch(name):
        message = f"{name} is not 3 to 24 lower-case letters and digits."
        return {"nameAvailable": False, "reason": "Invalid", "message": message}
    for document in state.documents():
        taken = document.get("name") == name and document.get("location") == location
        if taken and str(document.get("type", "")).lower() == TYPE.lower():
            message = f"An account named '{name}' is already in use."
            return {"nameAvailable": False, "reason": "AlreadyExists", "message": message}
    return {"nameAvailable": True}


def _list_keys(context: Context, document: Document, body: Document) -> tuple[int, Any]:
    del body
    if "SharedKey" not in (document["properties"].get("allowedAuthenticationModes") or _MODES):
        raise bad_request(f"Shared key authentication is not allowed on the Batch account '{document['name']}'.")
    keys = document.get("_keys")
    if keys is None:
        keys = [base64.b64encode(secrets.token_bytes(64)).decode() for _ in range(2)]
        context.put(document | {"_keys": keys})
    return 200, {"accountName": document["name"], "primary": keys[0], "secondary": keys[1]}


KINDS = (
    Kind(
        TYPE, _SHAPE, computed=_COMPUTED, name=_NAME, create="location", delete="async", seconds=90,
        prepare=_prepare, applied=_applied, actions={"listkeys": _list_keys},
    ),
    connections.kind(TYPE),
)  # fmt: skip
