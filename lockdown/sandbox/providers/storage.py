"""Microsoft.Storage/storageAccounts, what Azure fills in for one, and whether a name is free."""

import base64
import copy
import re
import secrets
from collections.abc import Iterable
from typing import Any

from lockdown.sandbox import implied
from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, one_of
from lockdown.sandbox.providers.names import REFERENCE
from lockdown.sandbox.providers.private_endpoints import reflect
from lockdown.sandbox.state import Document, State

_TYPE = "Microsoft.Storage/storageAccounts"
_NAME = re.compile(r"[a-z0-9]{3,24}")
_KINDS = ("StorageV2", "Storage", "BlobStorage", "FileStorage", "BlockBlobStorage")
_SKUS = (
    "Standard_LRS", "Standard_GRS", "Standard_RAGRS", "Standard_ZRS", "Premium_LRS", "Premium_ZRS", "Standard_GZRS",
    "Standard_RAGZRS", "StandardV2_LRS", "StandardV2_GRS", "StandardV2_ZRS", "StandardV2_GZRS", "PremiumV2_LRS",
    "PremiumV2_ZRS",
)  # fmt: skip
_SERVICE = {"enabled": None, "keyType": None, "lastEnabledTime": None}
_COMPUTED = frozenset(
    {
        "provisioningState", "primaryEndpoints", "primaryLocation", "statusOfPrimary", "lastGeoFailoverTime",
        "secondaryLocation", "statusOfSecondary", "creationTime", "keyCreationTime", "secondaryEndpoints",
        "geoReplicationStats", "failoverInProgress", "privateEndpointConnections", "blobRestoreStatus",
        "storageAccountSkuConversionStatus", "isSkuConversionBlocked", "accountMigrationInProgress",
    }
)  # fmt: skip
_IP_RULE = dict.fromkeys(("value", "action"), str)
ACCOUNT = {
    **dict.fromkeys(
        (
            "allowedCopyScope", "publicNetworkAccess", "sasPolicy", "keyPolicy", "customDomain", "accessTier",
            "turboTier", "azureFilesIdentityBasedAuthentication", "supportsHttpsTrafficOnly", "isSftpEnabled",
            "isLocalUserEnabled", "enableExtendedGroups", "isHnsEnabled", "largeFileSharesState", "routingPreference",
            "dualStackEndpointPreference", "allowBlobPublicAccess", "minimumTlsVersion", "allowSharedKeyAccess",
            "isNfsV3Enabled", "allowCrossTenantReplication", "defaultToOAuthAuthentication",
            "immutableStorageWithVersioning", "dnsEndpointType", "geoPriorityReplicationStatus",
            "allowSharedKeyAccessForServices", "dataCollaborationPolicyProperties", "allowCrossTenantDelegationSas",
        )
    ),
    "networkAcls": {
        "bypass": str, "defaultAction": str, "ipRules": [_IP_RULE], "ipv6Rules": [_IP_RULE],
        "virtualNetworkRules": [dict.fromkeys(("id", "action", "state"), str)],
        "resourceAccessRules": [dict.fromkeys(("tenantId", "resourceId"), str)],
    },
    "encryption": {
        "services": {"blob": _SERVICE, "file": _SERVICE, "table": _SERVICE, "queue": _SERVICE}, "keySource": str,
        "requireInfrastructureEncryption": None, "keyvaultproperties": None, "identity": None,
    },
    **dict.fromkeys(_COMPUTED),
}  # fmt: skip
_FIXED = ("isHnsEnabled", "isNfsV3Enabled")
_SECONDARY = {"eastus": "westus", "westus": "eastus", "northeurope": "westeurope", "westeurope": "northeurope"}


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    name = str(document["name"])
    properties = document["properties"]
    if previous is None:
        availability = check_name(context.state, name)
        if not availability["nameAvailable"]:
            raise ArmError(409, "StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")
    else:
        properties = document["properties"] = {**previous["properties"], **properties}
    _check_envelope(document, previous)
    one_of(document, "publicNetworkAccess", ("Enabled", "Disabled", "SecuredByPerimeter"))
    one_of(document, "minimumTlsVersion", ("TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"))
    one_of(document, "accessTier", ("Hot", "Cool", "Cold", "Premium"))
    for flag in _FIXED:
        known = ((previous or {}).get("properties") or {}).get(flag)
        if previous is not None and properties.get(flag, known) != known:
            raise ArmError(
                409,
                "AccountPropertyCannotBeUpdated",
                f"The property '{flag}' was specified in the input, but it cannot be updated.",
            )
    acls = properties.get("networkAcls")
    if previous is None:
        _fill(context, document)
    if acls is not None or previous is None:
        properties["networkAcls"] = _complete(acls or {})


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
    now = context.state.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    properties.setdefault("supportsHttpsTrafficOnly", True)
    properties.setdefault("allowBlobPublicAccess", False)
    properties.setdefault("allowCrossTenantReplication", False)
    properties.setdefault("minimumTlsVersion", "TLS1_2")
    if document["kind"] in ("StorageV2", "BlobStorage"):
        properties.setdefault("accessTier", "Hot")
    encryption = properties.setdefault("encryption", {})
    encryption.setdefault("keySource", "Microsoft.Storage")
    services = encryption.setdefault("services", {})
    for service in ("file", "blob"):
        known = services.get(service) or {}
        services[service] = {"keyType": "Account", "enabled": True, "lastEnabledTime": now, **known}
    properties |= {
        "provisioningState": "Succeeded",
        "privateEndpointConnections": [],
        "creationTime": now,
        "keyCreationTime": {"key1": now, "key2": now},
        "primaryLocation": location,
        "statusOfPrimary": "available",
        "primaryEndpoints": _endpoints(name, _served(document["kind"])),
    }
    sku = document["sku"]["name"]
    if "GRS" in sku or "GZRS" in sku:
        properties |= {"secondaryLocation": _SECONDARY.get(location, "centralus"), "statusOfSecondary": "available"}
        if "RA" in sku:
            properties["secondaryEndpoints"] = _endpoints(f"{name}-secondary", _served(document["kind"]))


def _served(kind: str) -> tuple[str, ...]:
    return ("file",) if kind == "FileStorage" else ("dfs", "web", "blob", "queue", "table", "file")


def _applied(context: Context, document: Document, previous: Document | None) -> None:
    reflect(context, document, previous)
    if previous is not None:
        return
    for service in implied.SERVICES:
        context.put(implied.service(document, service))


def _endpoints(name: str, services: Iterable[str]) -> dict[str, str]:
    zones = {"web": "z13.web"}
    return {service: f"https://{name}.{zones.get(service, service)}.core.windows.net/" for service in services}


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
        if document.get("name") == name and str(document.get("type", "")).lower() == _TYPE.lower():
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


def _prepare_connection(context: Context, document: Document, previous: Document | None) -> None:
    del context, previous
    state = document["properties"].get("privateLinkServiceConnectionState") or {}
    if state.get("status") not in ("Approved", "Rejected", "Pending", "Disconnected"):
        raise bad_request("The status of a connection is Approved, Rejected, Pending or Disconnected.", target="status")


_DECISION = dict.fromkeys(("status", "description", "actionRequired"), str)
CONNECTION = Kind(
    f"{_TYPE}/privateEndpointConnections",
    {"privateEndpoint": REFERENCE, "privateLinkServiceConnectionState": _DECISION, "provisioningState": None},
    computed=frozenset({"privateEndpoint", "provisioningState"}),
    name=re.compile(r".+"), inline="privateEndpointConnections", tracked=False, prepare=_prepare_connection,
)  # fmt: skip
KINDS = (
    Kind(
        _TYPE, ACCOUNT, computed=_COMPUTED, name=_NAME, create="location", prepare=_prepare, applied=_applied,
        actions={"listkeys": _list_keys},
    ),
    CONNECTION,
)  # fmt: skip
