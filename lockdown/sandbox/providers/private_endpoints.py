"""Microsoft.Network/privateEndpoints: the interface it gets, and the connection that the service shows."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link, require
from lockdown.sandbox.links import relink
from lockdown.sandbox.providers import network_interfaces, private_dns
from lockdown.sandbox.providers.names import (
    complete_children,
    default,
    described,
    finish,
    link,
    member,
    reference,
    refuse_if_busy,
)
from lockdown.sandbox.providers.private_link import Member, groups_of, members
from lockdown.sandbox.providers.reserved import refuse_reserved
from lockdown.sandbox.providers.virtual_networks import delegated_to
from lockdown.sandbox.providers.zone_groups import own_names
from lockdown.sandbox.resource_id import parse
from lockdown.sandbox.scenarios.arm.envelope import recased
from lockdown.sandbox.state import Document

_TYPE = "Microsoft.Network/privateEndpoints"
_AUTOMATIC, _MANUAL = "privateLinkServiceConnections", "manualPrivateLinkServiceConnections"
_SHOWS_GROUPS = frozenset({"microsoft.batch/batchaccounts", "microsoft.dbforpostgresql/flexibleservers"})
_PREMIUM = "microsoft.containerregistry/registries"
ENDPOINT, _COMPUTED = described("PrivateEndpointProperties", "customDnsConfigs", "resourceGuid")


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
    properties.setdefault("ipConfigurations", [])
    properties.setdefault("customNetworkInterfaceName", "")
    finish(document, previous)
    default(document, previous, "ipVersionType", "IPv4")
    if previous is None:
        _check_subnet(context, document)
        _prepare_interface(context, document)
    else:
        _refuse_move(document, previous)


def _check_subnet(context: Context, document: Document) -> None:
    subnet_id = reference(document["properties"]["subnet"])
    subnet = member(context, document, subnet_id)
    document["properties"]["subnet"] = {"id": subnet_id}
    refuse_reserved(document, subnet_id)
    services = delegated_to(subnet)
    if services:
        raise ArmError(
            400,
            "PrivateEndpointCreationNotAllowedAsSubnetIsDelegated",
            f"Private endpoint {document['id']} cannot be created in subnet {subnet_id}, because that is delegated to "
            f"{', '.join(services)}.",
        )


def _refuse_move(document: Document, previous: Document) -> None:
    def place(found: Document) -> tuple[str, list[tuple[str, list[str]]]]:
        services = [
            (
                str(values.get("privateLinkServiceId", "")).lower(),
                [str(group) for group in values.get("groupIds") or []],
            )
            for values in (connection["properties"] for _, connection in _connections(found))
        ]
        return reference(found["properties"].get("subnet")).lower(), services

    if place(document) != place(previous):
        raise ArmError(
            400,
            "PrivateEndpointCannotBeMoved",
            f"The subnet and the service of private endpoint {document['id']} are fixed once it is created.",
        )
    document["properties"]["subnet"] = {"id": reference(document["properties"]["subnet"])}


def _prepare_connection(context: Context, connection: Document, *, manual: bool, previous: Document | None) -> None:
    values = connection["properties"]
    service_id = str(values.get("privateLinkServiceId") or "")
    service = parse(service_id)
    document = context.state.get(service_id)
    if service is None or document is None:
        raise ArmError(
            400, "InvalidResourceReference", f"Resource {service_id} referenced by a private endpoint was not found."
        )
    known = groups_of(service.type)
    groups = [str(group) for group in values.get("groupIds") or []]
    allowed = {name.lower() for name in known}
    for group in (groups or [""]) if known else ():
        if group.lower() not in allowed:
            raise ArmError(
                400,
                "PrivateEndpointInvalidGroupId",
                f"The group id '{group}' is not one of {service.type}: {', '.join(known)}.",
            )
    if previous is not None:
        kept = next((found for _, found in _connections(previous)), {}).get("properties", {})
        values["privateLinkServiceConnectionState"] = kept.get("privateLinkServiceConnectionState")
        return
    _check_service(context, document)
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


def _check_service(context: Context, service: Document) -> None:
    refuse_if_busy(context, [str(service["id"])])
    sku = str((service.get("sku") or {}).get("name") or "")
    if str(service["type"]).lower() == _PREMIUM and sku and sku.lower() != "premium":
        raise ArmError(
            400,
            "PrivateEndpointsNotSupportedForSku",
            f"The registry {service['id']} has SKU {sku}; private endpoints need Premium.",
        )


def _prepare_interface(context: Context, document: Document) -> None:
    properties = document["properties"]
    name = properties["customNetworkInterfaceName"] or f"{document['name']}.nic.{uuid4()}"
    members = list(_members(context, document))
    interface = network_interfaces.endpoint_interface(context.state, document, name, members)
    properties["networkInterfaces"] = [{"id": interface["id"]}]
    context.put(interface)
    relink(context, network_interfaces.KIND, interface, None)
    properties["customDnsConfigs"] = own_names(context, document)


def _members(context: Context, document: Document) -> Iterator[Member]:
    asked = {
        (str(values.get("groupId")), str(values.get("memberName"))): str(values.get("privateIPAddress", ""))
        for values in (item["properties"] for item in document["properties"].get("ipConfigurations") or [])
    }
    for _, connection in _connections(document):
        values = connection["properties"]
        service = context.state.get(str(values["privateLinkServiceId"])) or {}
        for group in values.get("groupIds") or [""]:
            for one in members(context.state, service, group, str(document.get("location", ""))):
                yield replace(one, address=asked.get((group, one.name), ""))


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
    name = f"{service['name']}.{uuid4()}"
    state = values["privateLinkServiceConnectionState"]
    properties: Document = {
        "provisioningState": "Succeeded",
        "privateEndpoint": {"id": recased(str(endpoint["id"]))},
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
    private_dns.drop_records(context, document)
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
        _TYPE, ENDPOINT, computed=_COMPUTED, patch="tags", create="async", update="async", delete="async",
        seconds=90, etag=True, prepare=_prepare, applied=_applied, removed=_removed, links=_links,
    ),
)  # fmt: skip
