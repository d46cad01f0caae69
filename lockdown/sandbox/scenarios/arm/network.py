"""Virtual networks and what stands in them: subnets, interfaces, routes, addresses, NAT gateways."""

from collections.abc import Iterator, Sequence
from typing import Any

from lockdown.sandbox.scenarios.arm.envelope import Group, api_version, part, reference, resource
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document

_NETWORK = "Microsoft.Network/"


def virtual_network(group: Group, name: str, prefixes: Sequence[str], subnets: Sequence[Document]) -> Document:
    """Return a virtual network; ``subnets`` come from ``subnet`` and stay embedded in it."""
    resource_id = group.resource(_NETWORK + "virtualNetworks", name)
    return resource(
        resource_id,
        {
            "provisioningState": "Succeeded",
            "resourceGuid": guid(resource_id),
            "addressSpace": {"addressPrefixes": list(prefixes)},
            "subnets": list(subnets),
            "virtualNetworkPeerings": [],
            "enableDdosProtection": False,
        },
        location=group.location,
    )


def subnet(
    network_id: str,
    name: str,
    prefix: str,
    *,
    security_group: str = "",
    route_table: str = "",
    delegation: str = "",
    service_endpoints: Sequence[str] = (),
    **properties: object,
) -> Document:
    """Return a subnet to embed in its virtual network.

    Args:
        network_id: the virtual network's id.
        name: the subnet's name.
        prefix: its CIDR range.
        security_group: id of its network security group.
        route_table: id of its route table.
        delegation: the service that owns it, such as ``Microsoft.DBforPostgreSQL/flexibleServers``.
        service_endpoints: services that it reaches by service endpoint.
        properties: further ARM properties, such as ``defaultOutboundAccess``.
    """
    body: dict[str, Any] = {"addressPrefix": prefix}
    if security_group:
        body["networkSecurityGroup"] = reference(security_group)
    if route_table:
        body["routeTable"] = reference(route_table)
    body["serviceEndpoints"] = [
        {"provisioningState": "Succeeded", "service": service, "locations": ["*"]} for service in service_endpoints
    ]
    body["delegations"] = [
        part(f"{network_id}/subnets/{name}", "delegations", "delegation", {"serviceName": delegation})
        for _ in [delegation]
        if delegation
    ]
    body |= {"privateEndpointNetworkPolicies": "Disabled", "privateLinkServiceNetworkPolicies": "Enabled", **properties}
    return part(network_id, "subnets", name, body)


def subnets_of(network: Document) -> Iterator[Document]:
    """Yield the subnets of a virtual network as documents of their own, as ``GET .../subnets/{name}`` returns them."""
    for embedded in network["properties"]["subnets"]:
        yield embedded | {"_apiVersion": api_version(embedded["type"])}


def interface(
    group: Group,
    name: str,
    subnet_id: str,
    address: str,
    *,
    machine: str = "",
    security_group_id: str = "",
    **configuration: object,
) -> Document:
    """Return a network interface with one ip configuration, ``ipconfig1``.

    Args:
        group: where it goes.
        name: its name.
        subnet_id: the subnet it stands in.
        address: its private address.
        machine: the id of the virtual machine that it belongs to.
        security_group_id: its own network security group, if any.
        configuration: its further properties: ``publicIPAddress``, ``loadBalancerBackendAddressPools``.
    """
    resource_id = group.resource(_NETWORK + "networkInterfaces", name)
    body = {
        "privateIPAddress": address,
        "privateIPAllocationMethod": "Dynamic",
        "subnet": reference(subnet_id),
        "primary": True,
        "privateIPAddressVersion": "IPv4",
        **configuration,
    }
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "resourceGuid": guid(resource_id),
        "ipConfigurations": [part(resource_id, "ipConfigurations", "ipconfig1", body)],
        "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
        "enableAcceleratedNetworking": False,
        "enableIPForwarding": False,
        "disableTcpStateTracking": False,
        "hostedWorkloads": [],
        "tapConfigurations": [],
        "nicType": "Standard",
        "auxiliaryMode": "None",
        "auxiliarySku": "None",
    }
    if machine:
        properties |= {"primary": True, "virtualMachine": reference(machine)}
    if security_group_id:
        properties["networkSecurityGroup"] = reference(security_group_id)
    return resource(resource_id, properties, location=group.location, kind="Regular")


def public_address(group: Group, name: str, address: str, **parent: object) -> Document:
    """Return a Standard public address; ``parent`` is its ``ipConfiguration`` or ``natGateway``, if it has one."""
    resource_id = group.resource(_NETWORK + "publicIPAddresses", name)
    properties = {
        "provisioningState": "Succeeded",
        "resourceGuid": guid(resource_id),
        "ipAddress": address,
        "publicIPAddressVersion": "IPv4",
        "publicIPAllocationMethod": "Static",
        "idleTimeoutInMinutes": 4,
        "ipTags": [],
        "ddosSettings": {"protectionMode": "VirtualNetworkInherited"},
        **parent,
    }
    return resource(resource_id, properties, location=group.location, sku={"name": "Standard", "tier": "Regional"})


def public_prefix(group: Group, name: str, prefix: str) -> Document:
    """Return a public address prefix that nothing uses."""
    resource_id = group.resource(_NETWORK + "publicIPPrefixes", name)
    properties = {
        "provisioningState": "Succeeded",
        "resourceGuid": guid(resource_id),
        "prefixLength": int(prefix.rpartition("/")[2]),
        "publicIPAddressVersion": "IPv4",
        "ipPrefix": prefix,
        "ipTags": [],
    }
    return resource(resource_id, properties, location=group.location, sku={"name": "Standard", "tier": "Regional"})


def nat_gateway(group: Group, name: str, addresses: Sequence[str]) -> Document:
    """Return a NAT gateway that leaves through the public addresses with these ids."""
    resource_id = group.resource(_NETWORK + "natGateways", name)
    properties = {
        "provisioningState": "Succeeded",
        "resourceGuid": guid(resource_id),
        "idleTimeoutInMinutes": 4,
        "publicIpAddresses": [reference(address) for address in addresses],
    }
    return resource(resource_id, properties, location=group.location, sku={"name": "Standard", "tier": "Regional"})


def route_table(group: Group, name: str, next_hop: str) -> Document:
    """Return a route table that sends everything to the virtual appliance at ``next_hop``."""
    resource_id = group.resource(_NETWORK + "routeTables", name)
    whole = {"addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance", "nextHopIpAddress": next_hop}
    properties = {
        "provisioningState": "Succeeded",
        "resourceGuid": guid(resource_id),
        "disableBgpRoutePropagation": True,
        "routes": [part(resource_id, "routes", "everything-to-the-firewall", whole)],
    }
    return resource(resource_id, properties, location=group.location)
