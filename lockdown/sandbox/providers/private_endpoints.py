"""Microsoft.Network/privateEndpoints: the interface it gets, and the connection that the service shows.

Source of group ids and names: Microsoft's "Azure Private Endpoint DNS configuration".
"""

import copy
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link, require
from lockdown.sandbox.links import relink
from lockdown.sandbox.providers import network_interfaces
from lockdown.sandbox.providers.names import REFERENCE, child_shape, complete_children, finish, link, reference
from lockdown.sandbox.providers.network_interfaces import Member
from lockdown.sandbox.resource_id import parse
from lockdown.sandbox.state import Document

_TYPE = "Microsoft.Network/privateEndpoints"
_AUTOMATIC, _MANUAL = "privateLinkServiceConnections", "manualPrivateLinkServiceConnections"
_STORAGE = ("blob", "dfs", "file", "queue", "table", "web")
_GROUPS: dict[str, tuple[str, ...]] = {
    "microsoft.storage/storageaccounts": (*_STORAGE, *(f"{group}_secondary" for group in _STORAGE)),
    "microsoft.keyvault/vaults": ("vault",),
    "microsoft.containerregistry/registries": ("registry",),
    "microsoft.batch/batchaccounts": ("batchAccount", "nodeManagement"),
    "microsoft.dbforpostgresql/flexibleservers": ("postgresqlServer",),
    "microsoft.dbformysql/flexibleservers": ("mysqlServer",),
    "microsoft.containerservice/managedclusters": ("management",),
    "microsoft.insights/privatelinkscopes": ("azuremonitor",),
}
_SHOWS_GROUPS = frozenset({"microsoft.batch/batchaccounts", "microsoft.dbforpostgresql/flexibleservers"})
_CONNECTION = {
    "provisioningState": None, "privateLinkServiceId": str, "groupIds": [str], "requestMessage": str,
    "privateLinkServiceConnectionState": None, "approvalReference": None,
}  # fmt: skip
_COMPUTED = frozenset({"networkInterfaces", "customDnsConfigs", "resourceGuid", "provisioningState"})
ENDPOINT = {
    "subnet": REFERENCE, _AUTOMATIC: child_shape(_CONNECTION), _MANUAL: child_shape(_CONNECTION),
    "ipConfigurations": child_shape(dict.fromkeys(("groupId", "memberName", "privateIPAddress"), str)),
    "applicationSecurityGroups": None, "customNetworkInterfaceName": str, "ipVersionType": str, "billingSku": None,
    **dict.fromkeys(_COMPUTED),
}  # fmt: skip


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    require(document, "subnet", "id")
    properties = document["properties"]
    for name in (_AUTOMATIC, _MANUAL):
        properties.setdefault(name, [])
        complete_children(document, name, f"{_TYPE}/{name}")
    asked = list(_connections(document))
    if len(asked) != 1:
        raise ArmError(
            400,
            "InvalidRequestFormat",
            f"Private endpoint {document['id']} must have exactly one private link service connection; it has "
            f"{len(asked)}.",
        )
    for name, connection in asked:
        _prepare_connection(context, connection, manual=name == _MANUAL, previous=previous)
    complete_children(document, "ipConfigurations", f"{_TYPE}/ipConfigurations")
    finish(document, previous)
    if previous is None:
        properties.setdefault("ipConfigurations", [])
        properties.setdefault("customNetworkInterfaceName", "")
        properties.setdefault("ipVersionType", "IPv4")
        _prepare_interface(context, document)


def _prepare_connection(context: Context, connection: Document, *, manual: bool, previous: Document | None) -> None:
    values = connection["properties"]
    service_id = str(values.get("privateLinkServiceId") or "")
    service = parse(service_id)
    document = context.state.get(service_id)
    if service is None or document is None:
        raise ArmError(
            400, "InvalidResourceReference", f"Resource {service_id} referenced by a private endpoint was not found."
        )
    known = _GROUPS.get(service.type.lower())
    groups = [str(group) for group in values.get("groupIds") or []]
    for group in groups if known else ():
        if group.lower() not in {name.lower() for name in known or ()}:
            raise ArmError(
                400,
                "PrivateEndpointInvalidGroupId",
                f"The group id {group} is not one of {service.type}: {', '.join(known or ())}.",
            )
    if previous is not None:
        kept = next((found for _, found in _connections(previous)), {}).get("properties", {})
        values["privateLinkServiceConnectionState"] = kept.get("privateLinkServiceConnectionState")
        return
    approval = f"{service.type}/privateEndpointConnectionsApproval/action"
    if not manual and not context.state.allows(context.who["by"], approval, service_id):
        raise ArmError(
            403,
            "LinkedAuthorizationFailed",
            f"The client has permission to perform the write on the private endpoint, but not '{approval}' on the "
            f"linked scope '{service_id}'.",
        )
    values["privateLinkServiceConnectionState"] = (
        {"status": "Pending", "description": values.get("requestMessage", ""), "actionsRequired": "None"}
        if manual
        else {"status": "Approved", "description": "Auto-Approved", "actionsRequired": "None"}
    )


def _prepare_interface(context: Context, document: Document) -> None:
    properties = document["properties"]
    name = properties["customNetworkInterfaceName"] or f"{document['name']}.nic.{uuid4()}"
    members = list(_members(context, document))
    interface = network_interfaces.endpoint_interface(context.state, document, name, members)
    properties["networkInterfaces"] = [{"id": interface["id"]}]
    properties["customDnsConfigs"] = [
        {"fqdn": fqdn, "ipAddresses": [configuration["properties"]["privateIPAddress"]]}
        for configuration in interface["properties"]["ipConfigurations"]
        for fqdn in configuration["properties"]["privateLinkConnectionProperties"]["fqdns"]
    ]
    context.put(interface)
    relink(context, network_interfaces.KIND, interface, None)


def _members(context: Context, document: Document) -> Iterator[Member]:
    asked = {
        (str(values.get("groupId")), str(values.get("memberName"))): str(values.get("privateIPAddress", ""))
        for values in (item["properties"] for item in document["properties"].get("ipConfigurations") or [])
    }
    for _, connection in _connections(document):
        values = connection["properties"]
        service = context.state.get(str(values["privateLinkServiceId"])) or {}
        name, location = str(service.get("name", "")), str(service.get("location", "")).replace(" ", "").lower()
        for group in values.get("groupIds") or [""]:
            if group.lower() == "registry":
                data = f"registry_data_{location}"
                yield Member(group, data, (f"{name}.{location}.data.azurecr.io",), asked.get((group, data), ""))
            yield Member(group, group, _fqdns(group, name, location), asked.get((group, group), ""))


def _fqdns(group: str, name: str, location: str) -> tuple[str, ...]:
    plain = group.lower().removesuffix("_secondary")
    if plain in _STORAGE:
        return (f"{name}{'-secondary' if plain != group.lower() else ''}.{plain}.core.windows.net",)
    suffix = {
        "vault": "vault.azure.net",
        "registry": "azurecr.io",
        "batchaccount": f"{location}.batch.azure.com",
        "nodemanagement": f"{location}.service.batch.azure.com",
        "postgresqlserver": "postgres.database.azure.com",
        "mysqlserver": "mysql.database.azure.com",
        "sql": "documents.azure.com",
    }.get(plain)
    return (f"{name}.{suffix}",) if suffix else ()


def _applied(context: Context, document: Document, previous: Document | None) -> None:
    if previous is not None:
        return
    for _, connection in _connections(document):
        values = connection["properties"]
        service = context.state.get(str(values["privateLinkServiceId"]))
        if service is not None:
            listed = service.setdefault("properties", {}).setdefault("privateEndpointConnections", [])
            listed.append(_service_side(service, document, values))
            context.put(service)


def _service_side(service: Document, endpoint: Document, values: Document) -> Document:
    name = f"{endpoint['name']}.{uuid4()}"
    state = values["privateLinkServiceConnectionState"]
    properties: Document = {
        "provisioningState": "Succeeded",
        "privateEndpoint": {"id": endpoint["id"]},
        "privateLinkServiceConnectionState": {
            "status": state["status"],
            "description": state["description"],
            "actionRequired": state["actionsRequired"],
        },
    }
    if str(service["type"]).lower() in _SHOWS_GROUPS:
        properties["groupIds"] = list(values.get("groupIds") or [])
    return {
        "id": f"{service['id']}/privateEndpointConnections/{name}",
        "name": name,
        "type": f"{service['type']}/privateEndpointConnections",
        "properties": properties,
    }


def _removed(context: Context, document: Document) -> None:
    for item in document["properties"].get("networkInterfaces") or []:
        interface = context.state.get(reference(item))
        if interface is not None:
            context.delete(interface)
            relink(context, network_interfaces.KIND, None, interface)
    for _, connection in _connections(document):
        service = context.state.get(str(connection["properties"].get("privateLinkServiceId")))
        if service is not None:
            properties = service.get("properties") or {}
            properties["privateEndpointConnections"] = [
                found
                for found in properties.get("privateEndpointConnections") or []
                if _endpoint_of(found).lower() != str(document["id"]).lower()
            ]
            context.put(service)


def reflect(context: Context, service: Document | None, previous: Document | None) -> None:
    """Show on the endpoints what a service (now gone if None) decided of their connections."""
    before = {_endpoint_of(found).lower(): found for found in _shown(previous)}
    after = {_endpoint_of(found).lower(): found for found in _shown(service)}
    for endpoint_id in before:
        state = (after.get(endpoint_id) or {}).get("properties", {}).get("privateLinkServiceConnectionState")
        endpoint = context.state.get(endpoint_id)
        if endpoint is None:
            continue
        changed = copy.deepcopy(endpoint)
        for _, connection in _connections(changed):
            wanted = state or {"status": "Disconnected", "description": "Deleted state"}
            connection["properties"]["privateLinkServiceConnectionState"] = {
                "status": wanted.get("status", "Pending"),
                "description": wanted.get("description", ""),
                "actionsRequired": wanted.get("actionRequired", "None"),
            }
        if changed != endpoint:
            context.put(changed)


def _connections(document: Document) -> Iterator[tuple[str, Document]]:
    for name in (_AUTOMATIC, _MANUAL):
        for connection in document["properties"].get(name) or []:
            yield name, connection


def _shown(service: Document | None) -> list[Document]:
    found: Any = ((service or {}).get("properties") or {}).get("privateEndpointConnections")
    return [item for item in found or [] if isinstance(item, dict)]


def _endpoint_of(connection: Document) -> str:
    return reference((connection.get("properties") or {}).get("privateEndpoint"))


def _links(document: Document) -> frozenset[Link]:
    return frozenset(link(document["properties"].get("subnet"), "privateEndpoints", str(document["id"])))


KINDS = (
    Kind(
        _TYPE, ENDPOINT, computed=_COMPUTED, patch="tags", create="async", update="async", delete="async", etag=True,
        prepare=_prepare, applied=_applied, removed=_removed, links=_links,
    ),
)  # fmt: skip
