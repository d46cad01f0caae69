"""Where a server stands: its delegated subnet and its zone, chosen when it is made, and what it leaves in them.

Source: Microsoft Learn, "Network with private access"; issues that quote what Azure refuses.
"""

import ipaddress
from uuid import uuid4

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context
from lockdown.sandbox.links import find
from lockdown.sandbox.providers.bodies import at, suffix
from lockdown.sandbox.providers.postgres.refusals import TYPE, invalid
from lockdown.sandbox.providers.private_endpoints import reflect
from lockdown.sandbox.resource_id import normal_location
from lockdown.sandbox.state import Document


def check(context: Context, document: Document, previous: Document | None) -> None:
    """Complete the network of a server, and refuse one that it cannot be in.

    Raises:
        ArmError: the subnet, its delegation or the zone is wrong, or the caller may not join it.
    """
    network = document["properties"].setdefault("network", {})
    subnet = str(network.get("delegatedSubnetResourceId") or "")
    zone = str(network.get("privateDnsZoneArmResourceId") or "")
    if previous is not None:
        _refuse_other_mode(previous, subnet)
    if not subnet:
        if zone:
            raise invalid("network.delegatedSubnetResourceId", "A private DNS zone is for a server in a subnet.")
        network.setdefault("publicNetworkAccess", "Enabled")
        return
    if network.get("publicNetworkAccess") == "Enabled":
        raise invalid("network.publicNetworkAccess", "A server in a subnet has no public access.")
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
    if services != {TYPE.lower()}:
        raise ArmError(
            400,
            "SubnetMissingRequiredDelegation",
            f"Subnet {subnet_id} requires any of the following delegation(s) [{TYPE}] to reference service "
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


def enter(context: Context, document: Document, previous: Document | None) -> None:
    """Show a new server in its subnet and its zone."""
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
        properties = {"linkedResourceType": TYPE, "link": server["id"], "provisioningState": "Succeeded"}
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
        if str(other.get("type", "")).lower() == TYPE.lower()
        and str(at(other, "properties.network.delegatedSubnetResourceId") or "").lower() == subnet_id.lower()
    ]
    return str(ipaddress.ip_network(str(prefix))[4 + servers.index(str(server["id"]))])


def _count(context: Context, zone: Document, more: int) -> None:
    known = int(zone["properties"].get("numberOfRecordSets") or 0)
    context.put({**zone, "properties": {**zone["properties"], "numberOfRecordSets": max(0, known + more)}})


def leave(context: Context, document: Document) -> None:
    """Take a server out of its subnet and its zone."""
    _occupy(context, document, present=False)
    zone = context.state.get(str(at(document, "properties.network.privateDnsZoneArmResourceId") or ""))
    record = context.state.get(f"{zone['id']}/A/{document['name']}") if zone is not None else None
    if zone is not None and record is not None:
        context.delete(record)
        _count(context, zone, -1)
