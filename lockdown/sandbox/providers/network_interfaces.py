"""Microsoft.Network/networkInterfaces: those that are made, and those that private endpoints get."""

import copy
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link, one_of, require
from lockdown.sandbox.providers.addresses import claim, free_address
from lockdown.sandbox.providers.names import complete_children, described, finish, link, member, reference
from lockdown.sandbox.providers.private_link import Member
from lockdown.sandbox.providers.reserved import refuse_reserved
from lockdown.sandbox.state import Document, State

_TYPE = "Microsoft.Network/networkInterfaces"
INTERFACE, _COMPUTED = described("NetworkInterfacePropertiesFormat", "resourceGuid", "primary")
_REGULAR = "Regular"
_DEFAULTS: dict[str, Any] = {
    "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
    "enableAcceleratedNetworking": False,
    "enableIPForwarding": False,
    "hostedWorkloads": [],
    "tapConfigurations": [],
    "nicType": "Standard",
}
_ORDINARY = {"disableTcpStateTracking": False, "auxiliaryMode": "None", "auxiliarySku": "None"}
"""What a reader is shown of an interface that is no private endpoint's."""


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    require(document, "ipConfigurations")
    properties = document["properties"]
    configurations = complete_children(document, "ipConfigurations", f"{_TYPE}/ipConfigurations")
    known = {
        str(item["name"]).lower(): item.get("properties") or {}
        for item in ((previous or {}).get("properties") or {}).get("ipConfigurations") or []
    }
    for index, configuration in enumerate(configurations):
        values = configuration["properties"]
        values.setdefault("primary", index == 0)
        values.setdefault("privateIPAddressVersion", "IPv4")
        values.setdefault("privateIPAllocationMethod", "Dynamic")
        one_of(configuration, "privateIPAllocationMethod", ("Dynamic", "Static"))
        _address(context, document, configuration, known.get(str(configuration["name"]).lower(), {}))
    own = {} if reference(properties.get("privateEndpoint")) else _ORDINARY
    for name, value in copy.deepcopy(_DEFAULTS | own).items():
        properties.setdefault(name, value)
    document.setdefault("kind", _REGULAR)
    finish(document, previous)


def _address(context: Context, document: Document, configuration: Document, known: Document) -> None:
    values = configuration["properties"]
    subnet = reference(values.get("subnet"))
    if not subnet:
        raise ArmError(
            400, "InvalidRequestFormat", f"IP configuration {configuration['name']} has no subnet.", "subnet"
        )
    values["subnet"] = {"id": subnet}
    same = reference(known.get("subnet")).lower() == subnet.lower()
    if not same:
        _check_subnet(context, document, subnet)
    if values["privateIPAllocationMethod"] == "Dynamic":
        kept = known.get("privateIPAddress") if same else None
        values["privateIPAddress"] = kept or free_address(context.state, subnet)
    elif not values.get("privateIPAddress"):
        raise ArmError(
            400,
            "PrivateIPAddressNotProvided",
            f"IP configuration {configuration['id']} has AllocationMethod set to Static but no PrivateIPAddress.",
        )
    else:
        claim(context.state, subnet, str(values["privateIPAddress"]), str(configuration["id"]))


def _check_subnet(context: Context, document: Document, subnet_id: str) -> None:
    subnet = member(context, document, subnet_id)
    refuse_reserved(document, subnet_id)
    delegations = (subnet.get("properties") or {}).get("delegations") or []
    if delegations:
        service = (delegations[0].get("properties") or {}).get("serviceName", "")
        raise ArmError(
            400,
            "NetworkInterfaceCreationNotAllowedAsSubnetIsDelegated",
            f"Network interface {document['id']} cannot be created in subnet {subnet_id}, because that is delegated to "
            f"{service}.",
        )


def endpoint_interface(state: State, endpoint: Document, name: str, members: Sequence[Member]) -> Document:
    """Return the interface that a private endpoint gets, with one address for each member."""
    resource_id = f"{str(endpoint['id']).rpartition('/providers/')[0]}/providers/{_TYPE}/{name}"
    subnet = endpoint["properties"]["subnet"]
    taken: frozenset[str] = frozenset()
    configurations = []
    for one in members:
        place = reference(subnet)
        address = claim(state, place, one.address, "") if one.address else free_address(state, place, taken)
        taken |= {address}
        configurations.append(_configuration(resource_id, subnet, one, address, primary=len(taken) == 1))
    document: Document = {
        "id": resource_id,
        "name": name,
        "type": _TYPE,
        "location": endpoint["location"],
        "kind": _REGULAR,
        "properties": {
            "ipConfigurations": configurations,
            "privateEndpoint": {"id": endpoint["id"]},
            **copy.deepcopy(_DEFAULTS),
        },
        "_etag": str(uuid4()),
        "_apiVersion": endpoint.get("_apiVersion", ""),
    }
    finish(document, None)
    return document


def _configuration(interface: str, subnet: Document, part: Member, address: str, *, primary: bool) -> Document:
    name = f"privateEndpointIpConfig.{uuid4()}"
    return {
        "name": name,
        "id": f"{interface}/ipConfigurations/{name}",
        "type": f"{_TYPE}/ipConfigurations",
        "properties": {
            "provisioningState": "Succeeded",
            "privateIPAddress": address,
            "privateIPAllocationMethod": "Dynamic",
            "privateIPAddressVersion": "IPv4",
            "subnet": dict(subnet),
            "primary": primary,
            "privateLinkConnectionProperties": {
                "groupId": part.group,
                "requiredMemberName": part.name,
                "fqdns": list(part.fqdns),
            },
        },
    }


def links(document: Document) -> frozenset[Link]:
    """Return what an interface refers to: its subnets, public addresses and security group."""
    properties = document["properties"]
    found = link(properties.get("networkSecurityGroup"), "networkInterfaces", str(document["id"]))
    for configuration in properties.get("ipConfigurations") or []:
        values = configuration.get("properties") or {}
        found |= link(values.get("subnet"), "ipConfigurations", str(configuration["id"]))
        found |= link(values.get("publicIPAddress"), "ipConfiguration", str(configuration["id"]), many=False)
    return frozenset(found)


def _removable(context: Context, document: Document) -> None:
    endpoint = reference(document["properties"].get("privateEndpoint"))
    if endpoint and context.state.exists(endpoint):
        raise ArmError(
            400,
            "NetworkInterfaceUsedByPrivateEndpoint",
            f"Network interface {document['id']} belongs to private endpoint {endpoint} and goes with it.",
        )


KIND = Kind(
    _TYPE, INTERFACE, computed=_COMPUTED, patch="tags", create="async", update="async", delete="async", seconds=10,
    etag=True, prepare=_prepare, links=links, removable=_removable,
    in_use={
        "virtualMachine": (
            "NicInUse",
            "Network Interface {id} is used by existing resource {by}. Dissociate it before it is deleted.",
        )
    },
)  # fmt: skip
KINDS = (KIND,)
