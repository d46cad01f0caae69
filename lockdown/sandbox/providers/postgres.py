"""Microsoft.DBforPostgreSQL/flexibleServers: the network that a server is made in for good, and what is in it.

Source: azure-rest-api-specs, Microsoft.DBforPostgreSQL 2026-10-01; Microsoft Learn, "Network with private access",
"Microsoft Entra authentication", "Server parameters"; issues that quote what Azure refuses.
"""

import copy
import ipaddress
import re
from typing import Any
from uuid import UUID, uuid4

from lockdown.sandbox import defaults, parameters
from lockdown.sandbox.arm_error import ArmError, bad_request, unsupported
from lockdown.sandbox.kind import Context, Kind, require
from lockdown.sandbox.links import find
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
from lockdown.sandbox.providers.private_endpoints import reflect
from lockdown.sandbox.resource_id import normal_location
from lockdown.sandbox.state import Document, State

_TYPE = "Microsoft.DBforPostgreSQL/flexibleServers"
_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-+[a-z0-9]+)*")
_SHAPE, _COMPUTED = described("postgres", "ServerProperties")
_DATABASE, _ = described("postgres", "DatabaseProperties")
_CONFIGURATION, _CONFIGURATION_COMPUTED = described("postgres", "ConfigurationProperties")
_ADMINISTRATOR, _ = described("postgres", "AdministratorMicrosoftEntraProperties")
_RULE, _ = described("postgres", "FirewallRuleProperties")
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
    _refuse_busy(context, str(document["id"]), own=str(document["id"]))
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
    _check_network(context, document, previous)
    if not 7 <= int(properties["backup"]["backupRetentionDays"]) <= 35:  # noqa: PLR2004  # Azure's bounds
        raise _invalid("backup.backupRetentionDays", "It is between 7 and 35 days.")
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
        raise _invalid("version", f"A server of version {known} cannot go back.")


def _check_login(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    authentication = properties["authConfig"]
    password = properties.pop("administratorLoginPassword", None)
    if authentication["activeDirectoryAuth"] == "Enabled":
        authentication.setdefault("tenantId", context.state.tenant)
    elif authentication["passwordAuth"] == "Disabled":
        raise _invalid("authConfig", "Passwords and Microsoft Entra cannot both be disabled.")
    if authentication["passwordAuth"] == "Disabled":
        if password is not None:
            raise _invalid("administratorLoginPassword", "It cannot be set while passwordAuth is Disabled.")
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
        raise _invalid("administratorLogin", f"The name '{login}' is reserved.")
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
            raise _invalid("storage.storageSizeGB", f"{size} is not one of {', '.join(map(str, _SIZES))}.")
        storage.setdefault("tier", _SIZES[size])
    if size < int(at(previous or {}, "properties.storage.storageSizeGB") or 0):
        raise _invalid("storage.storageSizeGB", "Storage cannot be made smaller.")


def _check_network(context: Context, document: Document, previous: Document | None) -> None:
    network = document["properties"].setdefault("network", {})
    subnet = str(network.get("delegatedSubnetResourceId") or "")
    zone = str(network.get("privateDnsZoneArmResourceId") or "")
    if previous is not None:
        _refuse_other_mode(previous, subnet)
    if not subnet:
        if zone:
            raise _invalid("network.delegatedSubnetResourceId", "A private DNS zone is for a server in a subnet.")
        network.setdefault("publicNetworkAccess", "Enabled")
        return
    if network.get("publicNetworkAccess") == "Enabled":
        raise _invalid("network.publicNetworkAccess", "A server in a subnet has no public access.")
    if previous is None:
        network["publicNetworkAccess"] = "Disabled"
        _check_subnet(context, document, subnet)
        _check_zone(context, document, zone)


def _refuse_other_mode(previous: Document, subnet: str) -> None:
    before = str(at(previous, "properties.network.delegatedSubnetResourceId") or "")
    if bool(before) != bool(subnet):
        raise ArmError(
            409,
            "ServerPropertyCannotBeChanged",
            "Whether a server is in a virtual network is chosen when it is made.",
            "properties.network",
        )


def _check_subnet(context: Context, document: Document, subnet_id: str) -> None:
    found = find(context.state, subnet_id)
    if found is None or normal_location(str(found[0].get("location", ""))) != document["location"]:
        raise ArmError(
            400,
            "InvalidDelegatedSubnet",
            f"The subnet '{subnet_id}' was not found in the region {document['location']} of the server.",
        )
    delegations = at(found[1], "properties.delegations") or []
    services = {str(at(item, "properties.serviceName") or "").lower() for item in delegations}
    if services != {_TYPE.lower()}:
        raise ArmError(
            400,
            "SubnetMissingRequiredDelegation",
            f"Subnet {subnet_id} requires any of the following delegation(s) [{_TYPE}] to reference service "
            "association link.",
        )
    join = "Microsoft.Network/virtualNetworks/subnets/join/action"
    if not context.allows(join, subnet_id):
        raise _linked(join, subnet_id)


def _check_zone(context: Context, document: Document, zone_id: str) -> None:
    if not zone_id:
        raise ArmError(
            400,
            "EmptyPrivateDnsZoneArmResourceId",
            "The private DNS zone of a server in a subnet is not given.",
            "properties.network.privateDnsZoneArmResourceId",
        )
    zone = context.state.get(zone_id)
    if zone is None or str(zone["type"]).lower() != "microsoft.network/privatednszones":
        raise ArmError(400, "PrivateDnsZoneNotFound", f"The private DNS zone '{zone_id}' was not found.")
    first, _, rest = str(zone["name"]).lower().partition(".")
    wanted = suffix(context, "postgres")
    if first == str(document["name"]) or not (rest == wanted or rest.endswith(f".{wanted}")):
        raise ArmError(
            400,
            "PrivateDnsZoneNameNotValid",
            f"The private DNS zone name '{zone['name']}' must end with '.{wanted}' and must not begin with the name of "
            "the server.",
        )
    join = "Microsoft.Network/privateDnsZones/join/action"
    if not context.allows(join, zone_id):
        raise _linked(join, zone_id)


def _linked(operation: str, scope: str) -> ArmError:
    return ArmError(
        403,
        "LinkedAuthorizationFailed",
        f"The client has permission to perform the write on the server, but not '{operation}' on the linked scope "
        f"'{scope}'.",
    )


def _invalid(name: str, why: str) -> ArmError:
    return ArmError(
        400, "InvalidParameterValue", f"Invalid value given for parameter {name}. {why}", f"properties.{name}"
    )


def _refuse_busy(context: Context, server_id: str, *, own: str) -> None:
    """Refuse a change of a server, or in one, while another is under way: a server takes one at a time."""
    held = [server_id, *(str(found["id"]) for found in context.state.below(server_id))]
    for resource_id in held:
        if resource_id.lower() != own.lower() and context.operations.pending(resource_id) is not None:
            name = server_id.rpartition("/")[2]
            raise ArmError(
                409,
                "ServerIsBusy",
                f"Cannot complete operation while server '{name}' is busy processing another operation. Try again "
                "later.",
            )


def _applied(context: Context, document: Document, previous: Document | None) -> None:
    reflect(context, document, previous)
    if previous is None:
        _occupy(context, document, present=True)
    zone = context.state.get(str(at(document, "properties.network.privateDnsZoneArmResourceId") or ""))
    if previous is not None or zone is None:
        return
    record = _record(context, document, zone)
    if not context.state.exists(record["id"]):
        context.put(record)
        _count(context, zone, 1)


def _occupy(context: Context, server: Document, *, present: bool) -> None:
    """Make the subnet show that a service is in it: it cannot be deleted, nor given to another."""
    found = find(context.state, str(at(server, "properties.network.delegatedSubnetResourceId") or ""))
    if found is None:
        return
    holder, subnet = found
    own = f"{subnet['id']}/serviceAssociationLinks/{server['name']}"
    slot = "serviceAssociationLinks"
    listed = [item for item in subnet["properties"].get(slot) or [] if item["id"].lower() != own.lower()]
    if present:
        properties = {"linkedResourceType": _TYPE, "link": server["id"], "provisioningState": "Succeeded"}
        listed.append({"id": own, "name": server["name"], "properties": properties})
    subnet["properties"].pop(slot, None)
    subnet["properties"].update({slot: listed} if listed else {})
    context.put(holder)


def _record(context: Context, server: Document, zone: Document) -> Document:
    """Return the record that a server keeps of itself in its zone."""
    name = str(server["name"])
    return {
        "id": f"{zone['id']}/A/{name}",
        "name": name,
        "type": f"{zone['type']}/A",
        "properties": {
            "fqdn": f"{name}.{zone['name']}.",
            "ttl": 10,
            "aRecords": [{"ipv4Address": _address(context, server)}],
            "isAutoRegistered": False,
            "metadata": {"creator": f"created by server {name}"},
        },
        "_etag": str(uuid4()),
    }


def _address(context: Context, server: Document) -> str:
    """Return the address in the subnet that no other server has; the first four and the last are Azure's."""
    subnet_id = str(server["properties"]["network"]["delegatedSubnetResourceId"])
    found = find(context.state, subnet_id)
    properties = (found[1].get("properties") or {}) if found else {}
    prefix = properties.get("addressPrefix") or (properties.get("addressPrefixes") or ["0.0.0.0/0"])[0]
    servers = [
        str(other["id"])
        for other in context.state.documents()
        if str(other.get("type", "")).lower() == _TYPE.lower()
        and str(at(other, "properties.network.delegatedSubnetResourceId") or "").lower() == subnet_id.lower()
    ]
    return str(ipaddress.ip_network(str(prefix))[4 + servers.index(str(server["id"]))])


def _count(context: Context, zone: Document, more: int) -> None:
    known = int(zone["properties"].get("numberOfRecordSets") or 0)
    context.put({**zone, "properties": {**zone["properties"], "numberOfRecordSets": max(0, known + more)}})


def _removed(context: Context, document: Document) -> None:
    _occupy(context, document, present=False)
    zone = context.state.get(str(at(document, "properties.network.privateDnsZoneArmResourceId") or ""))
    record = context.state.get(f"{zone['id']}/A/{document['name']}") if zone is not None else None
    if zone is not None and record is not None:
        context.delete(record)
        _count(context, zone, -1)


def _restart(context: Context, document: Document, body: Document) -> tuple[int, Any]:
    """Restart the server: what waited for that takes effect."""
    del body
    _refuse_busy(context, str(document["id"]), own="")
    for found in list(context.state.below(str(document["id"]))):
        if at(found, "properties.isConfigPendingRestart"):
            context.put({**found, "properties": {**found["properties"], "isConfigPendingRestart": False}})
    return 200, None


def check_name(state: State, name: str) -> dict[str, Any]:
    """Return the answer of checkNameAvailability."""
    if not _NAME.fullmatch(name):
        message = f"{name} is not 3 to 63 lower-case letters, digits and hyphens."
        return {"nameAvailable": False, "reason": "Invalid", "message": message, "name": name, "type": _TYPE}
    if any(
        found.get("name") == name and str(found.get("type", "")).lower() == _TYPE.lower() for found in state.documents()
    ):
        message = "Specified server name is already used."
        return {"nameAvailable": False, "reason": "AlreadyExists", "message": message, "name": name, "type": _TYPE}
    return {"nameAvailable": True, "message": "", "name": name, "type": _TYPE}


def _server(context: Context, child: Document) -> Document:
    """Return the server of a child, which must be at rest."""
    server_id = str(child["id"]).rsplit("/", 2)[0]
    _refuse_busy(context, server_id, own="")
    return context.state.get(server_id) or {}


def _prepare_database(context: Context, document: Document, previous: Document | None) -> None:
    _server(context, document)
    if document["name"] in ("postgres", "azure_maintenance", "azure_sys"):
        raise ArmError(400, "InvalidDatabaseName", f"The database '{document['name']}' is the server's own.")
    check_fixed(document, previous, "DatabasePropertyCannotBeChanged", "charset", "collation")
    fill(document["properties"], defaults.DATABASE)


def _prepare_configuration(context: Context, document: Document, previous: Document | None) -> None:
    _server(context, document)
    name = str(document["name"])
    known = parameters.POSTGRES.get(name)
    if known is None or previous is None:
        raise unsupported(f"The server parameter '{name}' is not known here.")
    value, source = document["properties"].get("value"), str(document["properties"].get("source") or "")
    value = previous["properties"]["value"] if value is None else str(value)
    if not known.accepts(value):
        raise ArmError(
            400,
            "InvalidParameterValue",
            f"The value '{value}' of server parameter '{name}' is not one of {', '.join(known.allowed)}.",
        )
    changed = value != previous["properties"]["value"]
    made = parameters.postgres(name, value)
    if value == known.default and (source == "system-default" or not changed):
        made["source"] = source or previous["properties"]["source"]
    waiting = bool(previous["properties"].get("isConfigPendingRestart"))
    made["isConfigPendingRestart"] = waiting or (changed and not known.dynamic)
    document["properties"] = {**previous["properties"], **made}


def _prepare_administrator(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    server = _server(context, document)
    if at(server, "properties.authConfig.activeDirectoryAuth") != "Enabled":
        raise ArmError(
            400,
            "AadAuthenticationNotEnabled",
            f"Microsoft Entra authentication is not enabled on the server '{server.get('name')}'.",
        )
    try:
        UUID(str(document["name"]))
    except ValueError as error:
        raise _invalid("objectId", f"'{document['name']}' is not an object id.") from error
    require(document, "principalName")
    require(document, "principalType")
    choose(document, "principalType", "User", "Group", "ServicePrincipal")
    properties = document["properties"]
    properties.setdefault("tenantId", context.state.tenant)
    properties["objectId"] = document["name"]


def _prepare_rule(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    server = _server(context, document)
    if at(server, "properties.network.delegatedSubnetResourceId"):
        raise ArmError(
            400,
            "FirewallRuleNotSupported",
            "Firewall rule operations can not be requested for a private access enabled server.",
        )
    try:
        first, last = (
            ipaddress.IPv4Address(str(require(document, name))) for name in ("startIpAddress", "endIpAddress")
        )
    except ValueError as error:
        raise _invalid("startIpAddress", str(error)) from error
    if first > last:
        raise _invalid("startIpAddress", "It is higher than endIpAddress.")


def _child_removable(context: Context, document: Document) -> None:
    _server(context, document)


def _configuration_removable(context: Context, document: Document) -> None:
    del context
    raise ArmError(405, "MethodNotAllowed", f"A server parameter is not deleted: {document['id']}.")


def _server_removable(context: Context, document: Document) -> None:
    _refuse_busy(context, str(document["id"]), own=str(document["id"]))


KINDS = (
    Kind(
        _TYPE, _SHAPE, computed=_COMPUTED | {"state", "fullyQualifiedDomainName", "minorVersion"}, name=_NAME,
        create="async", update="async", delete="async", seconds=600, update_seconds=120, delete_seconds=90,
        prepare=_prepare, applied=_applied, removable=_server_removable, removed=_removed,
        actions={"restart": _restart}, long_actions={"restart": 60},
    ),
    connections.kind(_TYPE),
    Kind(
        f"{_TYPE}/databases", _DATABASE, tracked=False, create="async", update="async", delete="async", seconds=20,
        name=re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}"), prepare=_prepare_database, removable=_child_removable,
    ),
    Kind(
        f"{_TYPE}/configurations", _CONFIGURATION, computed=_CONFIGURATION_COMPUTED, tracked=False,
        name=re.compile(r"[a-z_][a-z0-9_.]{0,62}"), create="async", update="async", seconds=20, update_seconds=20,
        prepare=_prepare_configuration, removable=_configuration_removable,
    ),
    Kind(
        f"{_TYPE}/administrators", _ADMINISTRATOR, tracked=False, create="async", update="async", delete="async",
        seconds=60, prepare=_prepare_administrator, removable=_child_removable,
    ),
    Kind(
        f"{_TYPE}/firewallRules", _RULE, tracked=False, create="async", update="async", delete="async", seconds=30,
        name=re.compile(r"[A-Za-z0-9_-]{1,128}"), prepare=_prepare_rule, removable=_child_removable,
    ),
)  # fmt: skip
