"""Private link: an endpoint, its interface and addresses, its names, and the service's own view of it.

The two sides spell each other's ids differently, as Azure's providers do (Resource Graph does not mend that).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lockdown.sandbox.scenarios.arm.envelope import Group, child, part, recased, reference, resource
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document

_NETWORK = "Microsoft.Network/"


@dataclass(frozen=True, slots=True)
class Member:
    """One address of an endpoint.

    Attributes:
        name: the member of the service's sub-resource, such as ``registry_data_eastus``.
        fqdn: the public name that it stands in for.
        address: its private address.
        zone: the name of the private DNS zone that holds its record.
        record: the record's name in that zone.
    """

    name: str
    fqdn: str
    address: str
    zone: str
    record: str


@dataclass(frozen=True, slots=True)
class Link:
    """One private endpoint and what it leads to.

    Attributes:
        group: the endpoint's resource group.
        name: the endpoint's name.
        target: the id of the service.
        group_id: the sub-resource, such as ``blob``.
        subnet: the id of its subnet.
        members: its addresses.
        status: Approved, Pending, Rejected or Disconnected.
    """

    group: Group
    name: str
    target: str
    group_id: str
    subnet: str
    members: tuple[Member, ...]
    status: str = "Approved"

    @property
    def id(self) -> str:
        """The endpoint's id."""
        return self.group.resource(_NETWORK + "privateEndpoints", self.name)

    @property
    def interface_id(self) -> str:
        """The id of the endpoint's network interface."""
        return self.group.resource(
            _NETWORK + "networkInterfaces", f"{self.name}.nic.{guid('nic', self.group.name, self.name)}"
        )


def private_endpoint(link: Link, *, names_managed: bool = True) -> Document:
    """Return the endpoint. Where a zone group manages its names, ``customDnsConfigs`` is empty, as in Azure."""
    names = [] if names_managed else [{"fqdn": item.fqdn, "ipAddresses": [item.address]} for item in link.members]
    connection = part(
        link.id,
        "privateLinkServiceConnections",
        link.name,
        {
            "privateLinkServiceId": link.target.replace("/resourceGroups/", "/resourcegroups/"),
            "groupIds": [link.group_id],
            "privateLinkServiceConnectionState": _state(link.status, "actionsRequired"),
        },
    )
    properties = {
        "provisioningState": "Succeeded",
        "resourceGuid": guid(link.id),
        "privateLinkServiceConnections": [connection],
        "manualPrivateLinkServiceConnections": [],
        "customNetworkInterfaceName": "",
        "subnet": reference(link.subnet),
        "ipConfigurations": [],
        "networkInterfaces": [reference(link.interface_id)],
        "customDnsConfigs": names,
    }
    return resource(link.id, properties, location=link.group.location)


def endpoint_interface(link: Link) -> Document:
    """Return the endpoint's network interface, with one configuration for each member."""
    configurations = [
        part(
            link.interface_id,
            "ipConfigurations",
            f"privateEndpointIpConfig.{guid(link.id, member.name)}",
            {
                "privateIPAddress": member.address,
                "privateIPAllocationMethod": "Dynamic",
                "subnet": reference(link.subnet),
                "primary": number == 0,
                "privateIPAddressVersion": "IPv4",
                "privateLinkConnectionProperties": {
                    "groupId": link.group_id,
                    "requiredMemberName": member.name,
                    "fqdns": [member.fqdn],
                },
            },
        )
        for number, member in enumerate(link.members)
    ]
    properties = {
        "provisioningState": "Succeeded",
        "resourceGuid": guid(link.interface_id),
        "ipConfigurations": configurations,
        "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
        "enableAcceleratedNetworking": False,
        "enableIPForwarding": False,
        "privateEndpoint": reference(recased(link.id)),
        "hostedWorkloads": [],
        "tapConfigurations": [],
        "nicType": "Standard",
    }
    return resource(link.interface_id, properties, location=link.group.location, kind="Regular")


def service_connection(link: Link, **repeated: object) -> dict[str, Any]:
    """Return the connection as the service lists it under ``privateEndpointConnections``.

    Args:
        link: the endpoint.
        repeated: ``groupIds`` (Batch, PostgreSQL) or ``groupId`` (Cosmos DB); other services do not repeat it.
    """
    service = link.target.rpartition("/")[2]
    properties = {
        "privateEndpoint": reference(recased(link.id)),
        "privateLinkServiceConnectionState": _state(link.status, "actionRequired"),
        **repeated,
    }
    return part(link.target, "privateEndpointConnections", f"{service}.{guid('connection', link.id)}", properties)


def zone(group: Group, name: str, *, records: int = 0) -> Document:
    """Return a private DNS zone that holds this many A records and is linked to one virtual network."""
    resource_id = group.resource(_NETWORK + "privateDnsZones", name)
    properties = {
        "provisioningState": "Succeeded",
        "maxNumberOfRecordSets": 25000,
        "maxNumberOfVirtualNetworkLinks": 1000,
        "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
        "numberOfRecordSets": records + 1,
        "numberOfVirtualNetworkLinks": 1,
        "numberOfVirtualNetworkLinksWithRegistration": 0,
    }
    return resource(resource_id, properties, location="global")


def zone_link(zone_document: Document, name: str, network_id: str) -> Document:
    """Return the link that lets a virtual network resolve the names of a zone."""
    properties = {
        "provisioningState": "Succeeded",
        "registrationEnabled": False,
        "resolutionPolicy": "Default",
        "virtualNetwork": reference(network_id),
        "virtualNetworkLinkState": "Completed",
    }
    resource_id = f"{zone_document['id']}/virtualNetworkLinks/{name}"
    return resource(resource_id, properties, location="global")


def records(link: Link, zones: Sequence[Document], *, creator: str) -> Iterator[Document]:
    """Yield the A records of an endpoint; ``creator`` is what their metadata says, '' for a hand-written one."""
    by_name = {document["name"]: document for document in zones}
    for member in link.members:
        yield a_record(by_name[member.zone], member.record, [member.address], creator=creator)


def a_record(zone_document: Document, name: str, addresses: Sequence[str], *, creator: str = "") -> Document:
    """Return an A record set."""
    properties: dict[str, Any] = {
        "fqdn": f"{name}.{zone_document['name']}.",
        "ttl": 10 if creator else 3600,
        "aRecords": [{"ipv4Address": address} for address in addresses],
        "isAutoRegistered": False,
    }
    if creator:
        properties["metadata"] = {"creator": creator}
    return child(zone_document, "A", name, properties)


def _state(status: str, action: str) -> dict[str, str]:
    description = "Auto-Approved" if status == "Approved" else ""
    return {"status": status, "description": description, action: "None"}
