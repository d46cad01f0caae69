"""Microsoft.Compute/diskEncryptionSets: the key that disks are encrypted with.

A set with an identity of its own is made before that identity has any right: whether it can use its key is seen when
a disk is made with it (``customer_keys.disks_can_use``).
"""

from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, require
from lockdown.sandbox.providers import customer_keys
from lockdown.sandbox.providers.bodies import check_fixed, choose, described, principals
from lockdown.sandbox.resource_id import normal_location
from lockdown.sandbox.state import Document

_TYPE = "Microsoft.Compute/diskEncryptionSets"
_SHAPE, _COMPUTED = described("compute", "EncryptionSetProperties")
_TYPES = (
    "EncryptionAtRestWithCustomerKey",
    "EncryptionAtRestWithPlatformAndCustomerKeys",
    "ConfidentialVmEncryptedWithCustomerKey",
)
_WHY = {
    "vault": ("KeyVaultNotFound", "The key vault of '{key}' was not found."),
    "key": ("KeyVaultKeyNotFound", "The key '{key}' was not found in its vault, or has no such version."),
    "protection": (
        "KeyVaultSoftDeletePurgeProtectionNotEnabled",
        "The key vault of '{key}' must have soft delete and purge protection enabled.",
    ),
    "network": ("KeyVaultAccessForbidden", "The key vault of '{key}' does not let trusted Azure services in."),
    "access": (
        "KeyVaultAccessForbidden",
        "Unable to access the key '{key}'. Please grant get, wrap and unwrap permissions to the disk encryption set.",
    ),
}


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    choose(document, "encryptionType", *_TYPES)
    check_fixed(document, previous, "PropertyChangeNotAllowed", "encryptionType")
    url = str(require(document, "activeKey", "keyUrl"))
    kinds = str((document.get("identity") or {}).get("type", "None")).lower()
    if kinds == "none":
        raise bad_request("A disk encryption set needs an identity that fetches its key.", target="identity")
    # A new set's own identity has no right yet; of an identity that was there before, Azure asks it.
    held = principals(document)
    known = held if previous is not None or kinds == "userassigned" else None
    changed = url != str(((previous or {}).get("properties") or {}).get("activeKey", {}).get("keyUrl"))
    if previous is None or changed:
        found = customer_keys.look(context, url, known)
        if found.problem:
            code, message = _WHY[found.problem]
            raise ArmError(400, code, message.format(key=url))
        _check_place(document, found.vault or {})
        if properties.get("rotationToLatestKeyVersionEnabled"):
            properties["activeKey"]["keyUrl"] = found.identifier
        elif url.partition("/keys/")[2].strip("/").count("/") == 0:
            raise bad_request("The key URL needs a version where keys are not rotated by themselves.", target="keyUrl")
    properties.setdefault("encryptionType", _TYPES[0])
    properties.setdefault("rotationToLatestKeyVersionEnabled", False)
    properties["provisioningState"] = "Succeeded"


def _check_place(document: Document, vault: Document) -> None:
    given = str((document["properties"]["activeKey"].get("sourceVault") or {}).get("id") or vault["id"])
    if given.lower() != str(vault["id"]).lower():
        raise bad_request(f"The key is not one of the vault '{given}'.", target="properties.activeKey.sourceVault.id")
    if normal_location(str(vault["location"])) != document["location"]:
        raise ArmError(
            400,
            "KeyVaultAndDiskInDifferentRegions",
            f"The key vault '{vault['id']}' must be in the region of the disk encryption set, {document['location']}.",
        )


def _removable(context: Context, document: Document) -> None:
    wanted = str(document["id"]).lower()
    for found in context.state.documents():
        properties = found.get("properties") or {}
        encryption = properties.get("encryption") or {}
        held = (properties.get("diskEncryptionSetID"), encryption.get("diskEncryptionSetId"))
        if wanted in {str(value).lower() for value in held if value}:
            raise ArmError(
                409,
                "OperationNotAllowed",
                f"The disk encryption set '{document['name']}' cannot be deleted: '{found['id']}' uses it.",
            )


KINDS = (
    Kind(
        _TYPE, _SHAPE, computed=_COMPUTED, create="async", update="async", delete="async", seconds=20,
        prepare=_prepare, removable=_removable,
    ),
)  # fmt: skip
