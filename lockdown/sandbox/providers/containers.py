"""The services of a storage account, blob containers, and lifecycle management.

Source: azure-rest-api-specs, Microsoft.Storage 2026-09-01; Microsoft Learn, "Naming containers", "Point-in-time
restore" (what it needs), "Store business-critical blob data with immutable storage".
"""

import copy
import re

from lockdown.sandbox import defaults, implied
from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, require
from lockdown.sandbox.providers.bodies import at, check_fixed, choose, described, fill, keep, stamp
from lockdown.sandbox.state import Document

_ACCOUNT = "Microsoft.Storage/storageAccounts"
_BLOBS, _BLOBS_COMPUTED = described("storage", "BlobServicePropertiesProperties")
_FILES, _FILES_COMPUTED = described("storage", "FileServicePropertiesProperties")
_CONTAINER, _CONTAINER_COMPUTED = described("storage", "ContainerProperties")
_POLICY, _POLICY_COMPUTED = described("storage", "ManagementPolicyProperties")
_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*|\$(root|web|logs)")
_LONGEST = 365


def _prepare_service(context: Context, document: Document, previous: Document | None) -> None:
    """Complete a service; what the request does not name stays as it was."""
    del context
    properties = document["properties"]
    if previous is not None:
        document["properties"] = properties = {**copy.deepcopy(previous["properties"]), **properties}
    for name in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy", "shareDeleteRetentionPolicy"):
        _check_retention(properties, name)
    if "deleteRetentionPolicy" in properties:
        properties["deleteRetentionPolicy"].setdefault("allowPermanentDelete", False)
    if at(properties, "restorePolicy.enabled"):
        _check_restore(properties)
    keep(document, previous, "restorePolicy.lastEnabledTime", "restorePolicy.minRestoreTime")
    service = next(name for name in implied.SERVICES if f"/{name}/".lower() in str(document["id"]).lower())
    fill(properties, {"cors": {"corsRules": []}} if previous is None else {})
    if service == "blobServices":
        properties.setdefault("deleteRetentionPolicy", {"allowPermanentDelete": False, "enabled": False})


def _check_retention(properties: Document, name: str) -> None:
    policy = properties.get(name) or {}
    if policy.get("enabled") and not 1 <= int(policy.get("days") or 0) <= _LONGEST:
        raise ArmError(
            400,
            "InvalidValuesForRequestParameters",
            f"Values for request parameters are invalid: {name}.days: a policy that is on needs 1 to {_LONGEST} days.",
        )


def _check_restore(properties: Document) -> None:
    days = int(at(properties, "restorePolicy.days") or 0)
    needed = (
        properties.get("isVersioningEnabled"),
        at(properties, "changeFeed.enabled"),
        at(properties, "deleteRetentionPolicy.enabled"),
        1 <= days < int(at(properties, "deleteRetentionPolicy.days") or 0),
    )
    if not all(needed):
        raise ArmError(
            400,
            "InvalidValuesForRequestParameters",
            "Values for request parameters are invalid: restorePolicy: it needs versioning, the change feed, and soft "
            "delete for more days than it has itself.",
        )


def _prepare_container(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    account = context.state.get(str(document["id"]).lower().partition("/blobservices/")[0]) or {}
    choose(document, "publicAccess", "None", "Blob", "Container")
    if properties.get("publicAccess", "None") != "None" and at(account, "properties.allowBlobPublicAccess") is False:
        raise ArmError(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
    check_fixed(document, previous, "ContainerPropertyCannotBeUpdated", "defaultEncryptionScope")
    keep(
        document, previous, "immutableStorageWithVersioning.timeStamp", "immutableStorageWithVersioning.migrationState"
    )
    if at(account, "properties.immutableStorageWithVersioning.enabled"):
        properties.setdefault("immutableStorageWithVersioning", {"enabled": True})
    if "immutableStorageWithVersioning" in properties:
        _check_immutable(context, document, previous)
    fill(properties, defaults.CONTAINER)
    properties.setdefault("lastModifiedTime", stamp(context))


def _check_immutable(context: Context, document: Document, previous: Document | None) -> None:
    immutable = document["properties"]["immutableStorageWithVersioning"]
    known = at(previous or {}, "properties.immutableStorageWithVersioning.enabled")
    if previous is not None and bool(known) and not immutable.get("enabled"):
        message = "Version-level immutability of a container cannot be switched off."
        raise ArmError(409, "ContainerPropertyCannotBeUpdated", message)
    service_id = str(document["id"]).rpartition("/containers/")[0]
    service = context.state.get(service_id) or implied.document(context.state, service_id) or {}
    if previous is None and immutable.get("enabled") and not at(service, "properties.isVersioningEnabled"):
        message = "Version-level immutability needs versioning on the storage account."
        raise ArmError(409, "VersioningNotEnabled", message)
    # Answered as null until a migration has run.
    immutable.setdefault("timeStamp", None)
    immutable.setdefault("migrationState", None)


def _prepare_policy(context: Context, document: Document, previous: Document | None) -> None:
    names = [str(rule.get("name") or "") for rule in require(document, "policy", "rules")]
    if "" in names or len(set(names)) != len(names):
        raise bad_request("Every rule of a management policy has a name of its own.", target="properties.policy.rules")
    for rule in document["properties"]["policy"]["rules"]:
        rule.setdefault("enabled", True)
        if not at(rule, "definition.actions"):
            raise bad_request(f"The rule '{rule['name']}' has no actions.", target="properties.policy.rules")
    if previous is None or previous["properties"].get("policy") != document["properties"]["policy"]:
        document["properties"]["lastModifiedTime"] = stamp(context)


_DEFAULT = re.compile("default")
KINDS = (
    Kind(f"{_ACCOUNT}/blobServices", _BLOBS, computed=_BLOBS_COMPUTED, name=_DEFAULT, tracked=False,
         prepare=_prepare_service),
    Kind(f"{_ACCOUNT}/fileServices", _FILES, computed=_FILES_COMPUTED, name=_DEFAULT, tracked=False,
         prepare=_prepare_service),
    Kind(f"{_ACCOUNT}/queueServices", {"cors": None}, name=_DEFAULT, tracked=False, prepare=_prepare_service),
    Kind(f"{_ACCOUNT}/tableServices", {"cors": None}, name=_DEFAULT, tracked=False, prepare=_prepare_service),
    Kind(f"{_ACCOUNT}/blobServices/containers", _CONTAINER, computed=_CONTAINER_COMPUTED, name=_NAME, tracked=False,
         prepare=_prepare_container),
    Kind(f"{_ACCOUNT}/managementPolicies", _POLICY, computed=_POLICY_COMPUTED, name=_DEFAULT, tracked=False,
         prepare=_prepare_policy),
)  # fmt: skip
