"""Microsoft.DBforPostgreSQL/flexibleServers: sizes, logins and storage, and what cannot be changed.

Source: azure-rest-api-specs, Microsoft.DBforPostgreSQL 2026-10-01; Microsoft Learn, "Microsoft Entra
authentication", "Compute options"; issues that quote what Azure refuses.
"""

import copy
import re
from typing import Any

from lockdown.sandbox import defaults
from lockdown.sandbox.arm_error import ArmError, bad_request, unsupported
from lockdown.sandbox.kind import Context, Kind, require
from lockdown.sandbox.providers import connections
from lockdown.sandbox.providers.bodies import (
    at,
    check_fixed,
    choose,
    described,
    fill,
    keep,
    of_the_same_name,
    suffix,
)
from lockdown.sandbox.providers.postgres import place
from lockdown.sandbox.providers.postgres.refusals import TYPE, invalid, refuse_busy
from lockdown.sandbox.state import Document, State

_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-+[a-z0-9]+)*")
_SHAPE, _COMPUTED = described("postgres", "ServerProperties")
_VERSIONS = ("11", "12", "13", "14", "15", "16", "17", "18")
_TIERS = {"B": "Burstable", "D": "GeneralPurpose", "E": "MemoryOptimized"}
_SIZES = {32: "P4", 64: "P6", 128: "P10", 256: "P15", 512: "P20", 1024: "P30", 2048: "P40", 4096: "P50"}
_RESERVED = ("azure_superuser", "azure_pg_admin", "admin", "administrator", "root", "guest", "public")
_WRITTEN = (
    "highAvailability.state",
    "backup.earliestRestoreDate",
    "dataEncryption.primaryEncryptionKeyStatus",
    "dataEncryption.geoBackupEncryptionKeyStatus",
)
_CHOICES = {
    "network.publicNetworkAccess": ("Enabled", "Disabled"),
    "authConfig.activeDirectoryAuth": ("Enabled", "Disabled"),
    "authConfig.passwordAuth": ("Enabled", "Disabled"),
    "backup.geoRedundantBackup": ("Enabled", "Disabled"),
    "highAvailability.mode": ("Disabled", "ZoneRedundant", "SameZone"),
    "storage.autoGrow": ("Enabled", "Disabled"),
    "storage.type": ("Premium_LRS", "PremiumV2_LRS", "UltraSSD_LRS"),
    "dataEncryption.type": ("SystemManaged", "AzureKeyVault"),
    "version": _VERSIONS,
}
_CHOSEN_ONCE = (
    "administratorLogin",
    "backup.geoRedundantBackup",
    "network.delegatedSubnetResourceId",
    "network.privateDnsZoneArmResourceId",
    "storage.type",
)


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    mode = str(properties.pop("createMode", "Default"))
    if mode.lower() not in ("default", "create", "update"):
        raise unsupported(f"A server made by '{mode}' of another is not known here.")
    refuse_busy(context, str(document["id"]), own=str(document["id"]))
    if previous is None and of_the_same_name(context, document):
        raise ArmError(409, "ServerNameAlreadyExists", f"The server name '{document['name']}' is already in use.")
    if previous is not None:
        document["properties"] = properties = {**copy.deepcopy(previous["properties"]), **properties}
    for path, words in _CHOICES.items():
        choose(document, path, *words)
    check_fixed(document, previous, "ServerPropertyCannotBeChanged", *_CHOSEN_ONCE)
    keep(document, previous, *_WRITTEN)
    _check_sku(document, previous)
    fill(properties, defaults.POSTGRES)
    _check_login(context, document, previous)
    _check_storage(document, previous)
    place.check(context, document, previous)
    if not 7 <= int(properties["backup"]["backupRetentionDays"]) <= 35:  # noqa: PLR2004  # Azure's bounds
        raise invalid("backup.backupRetentionDays", "It is between 7 and 35 days.")
    properties["state"] = "Ready"
    properties["fullyQualifiedDomainName"] = f"{document['name']}.{suffix(context, 'postgres')}"


def _check_sku(document: Document, previous: Document | None) -> None:
    sku = document.get("sku") or (previous or {}).get("sku") or {}
    name = str(sku.get("name") or "")
    if not name:
        raise bad_request("A server needs a SKU.", target="sku.name")
    tier = _TIERS.get(name.removeprefix("Standard_")[:1].upper())
    if tier is None or str(sku.get("tier") or tier).lower() != tier.lower():
        raise ArmError(400, "InvalidParameterValue", f"The SKU '{name}' is not one of tier '{sku.get('tier')}'.")
    document["sku"] = {"name": name, "tier": tier}
    require(document, "version")
    known = int(at(previous or {}, "properties.version") or 0)
    if int(document["properties"]["version"]) < known:
        raise invalid("version", f"A server of version {known} cannot go back.")


def _check_login(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    authentication = properties["authConfig"]
    password = properties.pop("administratorLoginPassword", None)
    if authentication["activeDirectoryAuth"] == "Enabled":
        authentication.setdefault("tenantId", context.state.tenant)
    elif authentication["passwordAuth"] == "Disabled":
        raise invalid("authConfig", "Passwords and Microsoft Entra cannot both be disabled.")
    if authentication["passwordAuth"] == "Disabled":
        if password is not None:
            raise invalid("administratorLoginPassword", "It cannot be set while passwordAuth is Disabled.")
        return
    if previous is None:
        for name, value in (
            ("administratorLogin", properties.get("administratorLogin")),
            ("administratorLoginPassword", password),
        ):
            if not value:
                message = f"The required parameter '{name}' is missing: passwordAuth is Enabled."
                raise ArmError(400, "MissingRequiredParameter", message, f"properties.{name}")
    login = str(properties.get("administratorLogin") or "")
    if login.lower() in _RESERVED or login.lower().startswith("pg_"):
        raise invalid("administratorLogin", f"The name '{login}' is reserved.")
    if password is not None:
        _check_password(str(password), login)


def _check_password(password: str, login: str) -> None:
    kinds = (r"[a-z]", r"[A-Z]", r"\d", r"[^A-Za-z0-9]")
    varied = sum(bool(re.search(kind, password)) for kind in kinds) >= 3  # noqa: PLR2004  # Azure's rule
    if not (8 <= len(password) <= 128 and varied) or (login and login.lower() in password.lower()):  # noqa: PLR2004
        raise ArmError(
            400,
            "PasswordNotComplex",
            "The password must have 8 to 128 characters of three of the kinds lower-case, upper-case, digit and other, "
            "and must not hold the login name.",
            "properties.administratorLoginPassword",
        )


def _check_storage(document: Document, previous: Document | None) -> None:
    storage = document["properties"]["storage"]
    size = int(storage["storageSizeGB"])
    if storage["type"] == "Premium_LRS":
        if size not in _SIZES:
            raise invalid("storage.storageSizeGB", f"{size} is not one of {', '.join(map(str, _SIZES))}.")
        storage.setdefault("tier", _SIZES[size])
    if size < int(at(previous or {}, "properties.storage.storageSizeGB") or 0):
        raise invalid("storage.storageSizeGB", "Storage cannot be made smaller.")


def _restart(context: Context, document: Document, body: Document) -> tuple[int, Any]:
    """Restart the server: what waited for that takes effect."""
    del body
    refuse_busy(context, str(document["id"]), own="")
    for found in list(context.state.below(str(document["id"]))):
        if at(found, "properties.isConfigPendingRestart"):
            context.put({**found, "properties": {**found["properties"], "isConfigPendingRestart": False}})
    return 200, None


def check_name(state: State, name: str) -> dict[str, Any]:
    """Return the answer of checkNameAvailability."""
    if not _NAME.fullmatch(name):
        message = f"{name} is not 3 to 63 lower-case letters, digits and hyphens."
        return {"nameAvailable": False, "reason": "Invalid", "message": message, "name": name, "type": TYPE}
    if any(
        found.get("name") == name and str(found.get("type", "")).lower() == TYPE.lower() for found in state.documents()
    ):
        message = "Specified server name is already used."
        return {"nameAvailable": False, "reason": "AlreadyExists", "message": message, "name": name, "type": TYPE}
    return {"nameAvailable": True, "message": "", "name": name, "type": TYPE}


def _server_removable(context: Context, document: Document) -> None:
    refuse_busy(context, str(document["id"]), own=str(document["id"]))


KINDS = (
    Kind(
        TYPE, _SHAPE, computed=_COMPUTED | {"state", "fullyQualifiedDomainName", "minorVersion"}, name=_NAME,
        create="async", update="async", delete="async", seconds=600, update_seconds=120, delete_seconds=90,
        prepare=_prepare, applied=place.enter, removable=_server_removable, removed=place.leave,
        actions={"restart": _restart}, long_actions={"restart": 60},
    ),
    connections.kind(TYPE),
)  # fmt: skip
