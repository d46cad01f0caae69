"""What is in a server: databases, parameters, administrators of Microsoft Entra, firewall rules.

Source: azure-rest-api-specs, Microsoft.DBforPostgreSQL 2026-10-01; Microsoft Learn, "Server
parameters", "Microsoft Entra authentication".
"""

import ipaddress
import re
from uuid import UUID

from lockdown.sandbox import defaults, parameters
from lockdown.sandbox.arm_error import ArmError, unsupported
from lockdown.sandbox.kind import Context, Kind, require
from lockdown.sandbox.providers.bodies import at, check_fixed, choose, described, fill
from lockdown.sandbox.providers.postgres.refusals import TYPE, invalid, refuse_busy
from lockdown.sandbox.state import Document

_DATABASE, _ = described("postgres", "DatabaseProperties")
_CONFIGURATION, _CONFIGURATION_COMPUTED = described("postgres", "ConfigurationProperties")
_ADMINISTRATOR, _ = described("postgres", "AdministratorMicrosoftEntraProperties")
_RULE, _ = described("postgres", "FirewallRuleProperties")


def _server(context: Context, child: Document) -> Document:
    """Return the server of a child, which must be at rest."""
    server_id = str(child["id"]).rsplit("/", 2)[0]
    refuse_busy(context, server_id, own="")
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
        raise invalid("objectId", f"'{document['name']}' is not an object id.") from error
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
        raise invalid("startIpAddress", str(error)) from error
    if first > last:
        raise invalid("startIpAddress", "It is higher than endIpAddress.")


def _child_removable(context: Context, document: Document) -> None:
    _server(context, document)


def _configuration_removable(context: Context, document: Document) -> None:
    del context
    raise ArmError(405, "MethodNotAllowed", f"A server parameter is not deleted: {document['id']}.")


KINDS = (
    Kind(
        f"{TYPE}/databases", _DATABASE, tracked=False, create="async", update="async", delete="async", seconds=20,
        name=re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}"), prepare=_prepare_database, removable=_child_removable,
    ),
    Kind(
        f"{TYPE}/configurations", _CONFIGURATION, computed=_CONFIGURATION_COMPUTED, tracked=False,
        name=re.compile(r"[a-z_][a-z0-9_.]{0,62}"), create="async", update="async", seconds=20, update_seconds=20,
        prepare=_prepare_configuration, removable=_configuration_removable,
    ),
    Kind(
        f"{TYPE}/administrators", _ADMINISTRATOR, tracked=False, create="async", update="async", delete="async",
        seconds=60, prepare=_prepare_administrator, removable=_child_removable,
    ),
    Kind(
        f"{TYPE}/firewallRules", _RULE, tracked=False, create="async", update="async", delete="async", seconds=30,
        name=re.compile(r"[A-Za-z0-9_-]{1,128}"), prepare=_prepare_rule, removable=_child_removable,
    ),
)  # fmt: skip
