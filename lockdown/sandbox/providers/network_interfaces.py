"""Microsoft.Network/networkInterfaces, and the addresses that subnets give out."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link, one_of, require
from lockdown.sandbox.links import find
from lockdown.sandbox.providers.names import REFERENCE, child_shape, complete_children, finish, link, reference
from lockdown.sandbox.providers.virtual_networks import prefixes
from lockdown.sandbox.state import Document, State

_TYPE = "Microsoft.Network/networkInterfaces"
_RESERVED = 4
_CONFIGURATION = {
    **dict.fromkeys(("privateIPAddress", "privateIPAllocationMethod", "privateIPAddressVersion"), str),
    "subnet": dict,
    "publicIPAddress": dict,
    "primary": bool,
} | dict.fromkeys(
    (
        "gatewayLoadBalancer", "virtualNetworkTaps", "applicationGatewayBackendAddressPools",
        "loadBalancerBackendAddressPools", "loadBalancerInboundNatRules", "privateIPAddressPrefixLength",
        "applicationSecurityGroups", "provisioningState", "privateLinkConnectionProperties",
    )
)  # fmt: skip
_COMPUTED = frozenset(
    {
        "virtualMachine", "privateEndpoint", "tapConfigurations", "macAddress", "primary", "vnetEncryptionSupported",
        "defaultOutboundConnectivityEnabled", "hostedWorkloads", "dscpConfiguration", "resourceGuid",
        "provisioningState",
    }
)  # fmt: skip
INTERFACE = {
    "networkSecurityGroup": REFERENCE, "ipConfigurations": child_shape(_CONFIGURATION),
    "dnsSettings": {
        "dnsServers": None, "appliedDnsServers": None, "internalDnsNameLabel": None, "internalFqdn": None,
        "internalDomainNameSuffix": None,
    },
    "enableAcceleratedNetworking": None, "disableTcpStateTracking": None, "enableIPForwarding": None,
    "workloadType": None, "nicType": None, "privateLinkService": None, "migrationPhase": None, "auxiliaryMode": None,
    "auxiliarySku": None, **dict.fromkeys(_COMPUTED),
}  # fmt: skip


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
        _address(context, configuration, known.get(str(configuration["name"]).lower(), {}))
    properties.setdefault("enableAcceleratedNetworking", False)
    properties.setdefault("enableIPForwarding", False)
    properties.setdefault("dnsSettings", {"dnsServers": [], "appliedDnsServers": []})
    properties.setdefault("nicType", "Standard")
    finish(document, previous)


def _address(context: Context, configuration: Document, known: Document) -> None:
    values = configuration["properties"]
    subnet = reference(values.get("subnet"))
    if not subnet:
        raise ArmError(
            400, "InvalidRequestFormat", f"IP configuration {configuration['name']} has no subnet.", "subnet"
        )
    same = reference(known.get("subnet")).lower() == subnet.lower()
    if values["privateIPAllocationMethod"] == "Dynamic":
        kept = known.get("privateIPAddress") if same else None
        values["privateIPAddress"] = kept or free_address(context.state, subnet)
    elif not values.get("privateIPAddress"):
        raise ArmError(
            400,
            "PrivateIPAddressNotProvided",
            f"IP configuration {configuration['id']} has AllocationMethod set to Static but no PrivateIPAddress.",
        )


def free_address(state: State, subnet_id: str, reserved: frozenset[str] = frozenset()) -> str:
    """Return the first free address of a subnet that is not ``reserved`` either; Azure keeps the first four.

    Raises:
        ArmError: the subnet does not exist, or is full.
    """
    found = find(state, subnet_id)
    if found is None:
        raise ArmError(400, "InvalidResourceReference", f"Resource {subnet_id} was not found.")
    taken = _taken(state, subnet_id) | reserved
    for prefix in prefixes(found[1]):
        for number in _usable(prefix.num_addresses):
            if str(prefix[number]) not in taken:
                return str(prefix[number])
    raise ArmError(400, "SubnetIsFull", f"Subnet {subnet_id} does not have enough capacity for 1 IP address.")


def _usable(size: int) -> range:
    return range(_RESERVED, min(size - 1, 65536))


def _taken(state: State, subnet_id: str) -> set[str]:
    taken: set[str] = set()
    for document in state.documents():
        if str(document.get("type", "")).lower() != _TYPE.lower():
            continue
        for configuration in (document.get("properties") or {}).get("ipConfigurations") or []:
            values = configuration.get("properties") or {}
            if reference(values.get("subnet")).lower() == subnet_id.lower():
                taken.add(str(values.get("privateIPAddress")))
    return taken


@dataclass(frozen=True)
class Member:
    """One address of a private endpoint.

    Attributes:
        group: the group id.
        name: the member of the group.
        fqdns: the names that resolve to the address.
        address: the one that was asked for, or ''.
    """

    group: str
    name: str
    fqdns: tuple[str, ...]
    address: str = ""


def endpoint_interface(state: State, endpoint: Document, name: str, members: Sequence[Member]) -> Document:
    """Return the interface that a private endpoint gets, with one address for each member."""
    resource_id = f"{str(endpoint['id']).rpartition('/providers/')[0]}/providers/{_TYPE}/{name}"
    subnet = endpoint["properties"]["subnet"]
    taken: frozenset[str] = frozenset()
    configurations = []
    for member in members:
        address = member.address or free_address(state, reference(subnet), taken)
        taken |= {address}
        configurations.append(_configuration(resource_id, subnet, member, address, primary=len(taken) == 1))
    document: Document = {
        "id": resource_id,
        "name": name,
        "type": _TYPE,
        "location": endpoint["location"],
        "properties": {
            "ipConfigurations": configurations,
            "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
            "macAddress": "",
            "enableAcceleratedNetworking": False,
            "enableIPForwarding": False,
            "privateEndpoint": {"id": endpoint["id"]},
            "nicType": "Standard",
        },
        "_etag": str(uuid4()),
    }
    finish(document, None)
    return document


def _configuration(interface: str, subnet: Document, member: Member, address: str, *, primary: bool) -> Document:
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
                "groupId": member.group,
                "requiredMemberName": member.name,
                "fqdns": list(member.fqdns),
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
    _TYPE, INTERFACE, computed=_COMPUTED, patch="tags", create="async", update="async", delete="async", etag=True,
    prepare=_prepare, links=links, removable=_removable,
    in_use={
        "virtualMachine": (
            "NicInUse",
            "Network Interface {id} is used by existing resource {by}. Dissociate it before it is deleted.",
        )
    },
)  # fmt: skip
KINDS = (KIND,)
