"""Microsoft.ContainerRegistry/registries: what needs Premium, the customer's key, and importing images.

What is in a registry shows nowhere in Resource Manager: the sandbox keeps it aside, by tag, with its digest.

Source: azure-rest-api-specs, Microsoft.ContainerRegistry 2025-11-01; Microsoft Learn, "Container Registry service
tiers", "Import container images", "Customer-managed keys"; Azure/acr issues for the words of a refused import.
"""

import copy
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lockdown.sandbox import defaults
from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, check_shape
from lockdown.sandbox.providers import connections, customer_keys
from lockdown.sandbox.providers.bodies import (
    at,
    choose,
    described,
    fill,
    keep,
    of_the_same_name,
    stamp,
    suffix,
)
from lockdown.sandbox.providers.defender import assess
from lockdown.sandbox.providers.private_endpoints import reflect
from lockdown.sandbox.shapes import shape
from lockdown.sandbox.state import Document, State, subscription_of

TYPE = "Microsoft.ContainerRegistry/registries"
_NAME = re.compile(r"[A-Za-z0-9]{5,50}")
_SHAPE, _COMPUTED = described("registry", "RegistryProperties")
_KEY = "encryption.keyVaultProperties"
_TIERS = ("Basic", "Standard", "Premium")
_OPEN = {"networkRuleBypassOptions": "AzureServices", "publicNetworkAccess": "Enabled"}
_CHOICES = {
    "publicNetworkAccess": ("Enabled", "Disabled", "SecuredByPerimeter"),
    "networkRuleBypassOptions": ("AzureServices", "None"),
    "networkRuleSet.defaultAction": ("Allow", "Deny"),
    "zoneRedundancy": ("Enabled", "Disabled"),
    "encryption.status": ("enabled", "disabled"),
    "policies.exportPolicy.status": ("enabled", "disabled"),
    "policies.quarantinePolicy.status": ("enabled", "disabled"),
    "policies.retentionPolicy.status": ("enabled", "disabled"),
    "policies.trustPolicy.status": ("enabled", "disabled"),
    "roleAssignmentMode": ("AbacRepositoryPermissions", "LegacyRegistryPermissions"),
}
_PUBLIC = frozenset({"docker.io", "registry-1.docker.io", "mcr.microsoft.com", "quay.io", "ghcr.io", "registry.k8s.io"})
"""The registries outside that images can be imported from without credentials."""
_REPOSITORY = r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
_SOURCE = re.compile(
    rf"(?P<repository>{_REPOSITORY})(?::(?P<tag>[A-Za-z0-9_][\w.-]{{0,127}}))?(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?"
)
_TARGET = re.compile(rf"(?P<repository>{_REPOSITORY})(?::(?P<tag>[A-Za-z0-9_][\w.-]{{0,127}}))?")


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    _check_tier(document, previous)
    if previous is None and of_the_same_name(context, document):
        name = f"{document['name']}.{suffix(context, 'registry')}"
        raise ArmError(409, "AlreadyInUse", f"The registry DNS name {name} is already in use.")
    for path, words in _CHOICES.items():
        choose(document, path, *words)
    rotated = ("versionedKeyIdentifier", "keyRotationEnabled", "lastKeyRotationTimestamp")
    keep(document, previous, *(f"{_KEY}.{name}" for name in rotated), "policies.retentionPolicy.lastUpdatedTime")
    properties = document["properties"]
    fill(properties, {**defaults.REGISTRY, **_OPEN})
    if "networkRuleSet" in properties:
        fill(properties["networkRuleSet"], {"defaultAction": "Allow", "ipRules": []})
    _check_premium(document)
    _check_key(context, document, previous)
    properties["dataEndpointHostNames"] = (
        [f"{document['name']}.{document['location']}.data.{suffix(context, 'registry')}"]
        if properties["dataEndpointEnabled"]
        else []
    )
    properties.setdefault("privateEndpointConnections", [])
    properties["provisioningState"] = "Succeeded"
    if previous is None:
        properties["loginServer"] = f"{document['name'].lower()}.{suffix(context, 'registry')}"
        properties["creationDate"] = stamp(context)
    elif "_images" in previous:
        document["_images"] = previous["_images"]


def _check_tier(document: Document, previous: Document | None) -> None:
    asked = str(((document.get("sku") or (previous or {}).get("sku")) or {}).get("name") or "")
    tier = {word.lower(): word for word in _TIERS}.get(asked.lower())
    if tier is None:
        raise bad_request(f"The value '{asked}' of 'sku.name' is not one of {', '.join(_TIERS)}.", target="sku.name")
    document["sku"] = {"name": tier, "tier": tier}


def _check_premium(document: Document) -> None:
    if document["sku"]["name"] == "Premium":
        _check_export(document)
        return
    for feature in _of_premium(document["properties"]):
        raise ArmError(
            400,
            "FeatureNotSupportedInSku",
            f"The registry '{document['name']}' is of SKU {document['sku']['name']}: {feature} needs SKU Premium.",
        )


def _of_premium(properties: Document) -> Iterator[str]:
    asked = {
        "switching public network access off": properties["publicNetworkAccess"] != "Enabled",
        "a network rule set": at(properties, "networkRuleSet.defaultAction") == "Deny",
        "a dedicated data endpoint": properties["dataEndpointEnabled"],
        "a customer-managed key": properties["encryption"].get("status") == "enabled",
        "zone redundancy": properties["zoneRedundancy"] == "Enabled",
        "switching export off": at(properties, "policies.exportPolicy.status") == "disabled",
        "a retention policy": at(properties, "policies.retentionPolicy.status") == "enabled",
        "content trust": at(properties, "policies.trustPolicy.status") == "enabled",
        "private endpoints": bool(properties.get("privateEndpointConnections")),
    }
    yield from (feature for feature, wanted in asked.items() if wanted)


def _check_export(document: Document) -> None:
    properties = document["properties"]
    if at(properties, "policies.exportPolicy.status") == "disabled" and properties["publicNetworkAccess"] == "Enabled":
        message = "Export can be switched off only on a registry whose publicNetworkAccess is Disabled."
        raise ArmError(400, "InvalidExportPolicy", message, "properties.policies.exportPolicy")


def _check_key(context: Context, document: Document, previous: Document | None) -> None:
    wanted = document["properties"]["encryption"]
    known = at(previous or {}, "properties.encryption") or {}
    if previous is not None and wanted.get("status") != known.get("status"):
        message = "Encryption with a customer-managed key is chosen when a registry is made, and stays."
        raise ArmError(409, "EncryptionStatusCannotBeChanged", message, "properties.encryption.status")
    if wanted.get("status") != "enabled" or wanted == known:
        return
    key = wanted.get("keyVaultProperties") or {}
    identifier, client = str(key.get("keyIdentifier") or ""), str(key.get("identity") or "")
    held = (document.get("identity") or {}).get("userAssignedIdentities") or {}
    principal = next((value.get("principalId") for value in held.values() if value.get("clientId") == client), None)
    if not identifier or principal is None:
        message = "A customer-managed key needs its id, and the client id of a user-assigned identity of the registry."
        raise bad_request(message, target=f"properties.{_KEY}")
    found = customer_keys.look(context, identifier, [str(principal)])
    if found.problem:
        raise ArmError(
            400,
            "KeyVaultKeyNotAccessible",
            f"Failed to access KeyId '{identifier}': {_WHY[found.problem]} Verify that identity '{client}' has 'Get, "
            f"Wrap Key, Unwrap Key' permission on key '{identifier}'.",
        )
    key |= {
        "versionedKeyIdentifier": found.identifier,
        "keyRotationEnabled": identifier.partition("/keys/")[2].strip("/").count("/") == 0,
        "lastKeyRotationTimestamp": stamp(context),
    }


_WHY = {
    "vault": "there is no such vault.",
    "key": "there is no such key.",
    "protection": "its vault is not protected from purging.",
    "network": "its vault does not let trusted services in.",
    "access": "access is denied.",
}


_PLAN = "/providers/Microsoft.Security/pricings/Containers"


def _applied(context: Context, document: Document, previous: Document | None) -> None:
    reflect(context, document, previous)
    plan = context.state.get(f"/subscriptions/{subscription_of(str(document['id']))}{_PLAN}")
    if previous is None and plan is not None and plan["properties"].get("pricingTier") == "Standard":
        assess(context, str(document["id"]))


def check_name(state: State, name: str) -> dict[str, Any]:
    """Return the answer of checkNameAvailability."""
    if not _NAME.fullmatch(name):
        message = f"{name} is not 5 to 50 letters and digits."
        return {"nameAvailable": False, "reason": "Invalid", "message": message}
    if any(
        str(found.get("name", "")).lower() == name.lower() and str(found.get("type", "")).lower() == TYPE.lower()
        for found in state.documents()
    ):
        message = f"The registry {name} is already in use."
        return {"nameAvailable": False, "reason": "AlreadyExists", "message": message}
    return {"nameAvailable": True}


def images(document: Document) -> Mapping[str, str]:
    """Return what was imported into a registry: ``repository:tag`` to digest."""
    return dict(document.get("_images") or {})


def _import(context: Context, document: Document, body: Document) -> tuple[int, Any]:
    check_shape(body, shape("registry", "ImportImageParameters"), "parameters", f"{TYPE}/importImage")
    source = body.get("source") or {}
    match = _SOURCE.fullmatch(str(source.get("sourceImage") or ""))
    if match is None or not (match["tag"] or match["digest"]):
        raise _refused(document, f"The source image '{source.get('sourceImage')}' is not repository:tag or @digest.")
    digest = _digest(context, document, source, match)
    _check_open(document)
    held = dict(document.get("_images") or {})
    targets = [str(target) for target in body.get("targetTags") or []] or [_plain(match)]
    for target in targets:
        parsed = _TARGET.fullmatch(target)
        if parsed is None:
            raise _refused(document, f"The target tag '{target}' is not repository:tag.")
        name = f"{parsed['repository']}:{parsed['tag'] or match['tag'] or 'latest'}"
        if held.get(name, digest) != digest and str(body.get("mode") or "NoForce").lower() != "force":
            message = f"Tag {name} already exists in target registry. Import with mode Force to overwrite it."
            raise ArmError(409, "Conflict", message)
        held[name] = digest
    context.put(copy.deepcopy(document) | {"_images": held})
    return 200, None


def _plain(match: re.Match[str]) -> str:
    return f"{match['repository']}:{match['tag'] or 'latest'}"


def _digest(context: Context, document: Document, source: Document, match: re.Match[str]) -> str:
    """Return the digest of the source: as given, of a registry of the sandbox, or one that follows from its name."""
    resource_id, address = str(source.get("resourceId") or ""), str(source.get("registryUri") or "").lower()
    if resource_id:
        origin = context.state.get(resource_id)
        held = dict((origin or {}).get("_images") or {})
        digest = match["digest"] if match["digest"] in held.values() else held.get(_plain(match))
        if origin is None or digest is None:
            raise _refused(document, f"The image '{match[0]}' was not found in '{resource_id}'.")
        return str(digest)
    if address not in _PUBLIC:
        raise _refused(document, f"The source registry '{address}' could not be reached without credentials.")
    if match["digest"]:
        return match["digest"]
    return "sha256:" + hashlib.sha256(f"{address}/{match[0]}".encode()).hexdigest()


def _check_open(document: Document) -> None:
    """Refuse to write into a registry that lets neither everybody nor trusted services in."""
    properties = document["properties"]
    closed = (
        properties.get("publicNetworkAccess") == "Disabled" or at(properties, "networkRuleSet.defaultAction") == "Deny"
    )
    if closed and properties.get("networkRuleBypassOptions") == "None":
        denied = (
            '{"errors":[{"code":"DENIED","message":"client is not allowed access. Refer '
            'https://aka.ms/acr/firewall to grant access."}]}'
        )
        raise _refused(document, f"Invalid message Forbidden Forbidden {denied}", status=403)


def _refused(document: Document, why: str, *, status: int = 400) -> ArmError:
    return ArmError(status, "InvalidParameters", f"Importing into the resource {document['id']} failed. {why}")


def _list_credentials(context: Context, document: Document, body: Document) -> tuple[int, Any]:
    del context, body
    if not document["properties"].get("adminUserEnabled"):
        raise ArmError(
            400,
            "UnAuthorizedForCredentialOperations",
            f"Cannot perform credential operations for {document['id']} as admin user is disabled. Kindly enable admin "
            "user as per docs.",
        )
    passwords = [
        {"name": name, "value": hashlib.sha256(f"{document['id']}/{name}".encode()).hexdigest()}
        for name in ("password", "password2")
    ]
    return 200, {"username": document["name"], "passwords": passwords}


KINDS = (
    Kind(
        TYPE, _SHAPE, computed=_COMPUTED, name=_NAME, create="async", update="async", delete="async", seconds=60,
        prepare=_prepare, applied=_applied, actions={"importimage": _import, "listcredentials": _list_credentials},
        long_actions={"importimage": 90},
    ),
    connections.kind(TYPE),
)  # fmt: skip
