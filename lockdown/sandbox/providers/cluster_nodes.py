"""What AKS makes in the resource group of a cluster's nodes, and takes away with the cluster.

The documents are those of the scenarios: a cluster that was made looks like one that was there.
"""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from lockdown.sandbox.kind import Context, Kind, Link
from lockdown.sandbox.links import relink
from lockdown.sandbox.providers import network_interfaces
from lockdown.sandbox.providers.addresses import free_address
from lockdown.sandbox.providers.names import link
from lockdown.sandbox.scenarios.arm.compute import instance, interface_of, scale_set
from lockdown.sandbox.scenarios.arm.edge import load_balancer, public_frontend
from lockdown.sandbox.scenarios.arm.envelope import CREATED, Group
from lockdown.sandbox.scenarios.arm.platform import user_identity
from lockdown.sandbox.scenarios.arm.private_link import Link as Endpoint
from lockdown.sandbox.scenarios.arm.private_link import (
    Member,
    a_record,
    endpoint_interface,
    private_endpoint,
    zone,
    zone_link,
)
from lockdown.sandbox.scenarios.arm.security_groups import security_group
from lockdown.sandbox.scenarios.identifiers import digits, guid
from lockdown.sandbox.state import Document, subscription_of

_SCALE_SETS = "Microsoft.Compute/virtualMachineScaleSets"
_SCALE_SET_NAME = re.compile(r"aks-([a-z0-9]+)-\d+-vmss")
_CREATOR = "created by AKS"
_EGRESS = "203.0.113."


def applied(context: Context, document: Document, previous: Document | None) -> None:
    """Make the node group and what is in it, or bring it up to what the cluster now says."""
    group = _group(document)
    if previous is None:
        context.put(group.document(managed_by=str(document["id"])))
        guard = security_group(group, f"aks-agentpool-{_number(document)}-nsg", [])
        context.put(guard)
        _egress(context, document, group)
        _api(context, document, group)
        kubelet = _kubelet(context, document, group)
        if document["properties"]["identityProfile"]["kubeletidentity"]["resourceId"] == kubelet["id"]:
            context.put(kubelet)
    _machines(context, document, group)


def removed(context: Context, document: Document) -> None:
    """Remove the node group with everything in it, and the name of the cluster's API."""
    group = _group(document)
    for found in sorted(context.state.below(group.id), key=lambda item: len(str(item["id"])), reverse=True):
        kind = _KINDS.get(str(found.get("type", "")).lower())
        context.delete(found)
        if kind is not None:
            relink(context, kind, None, found)
    node_group = context.state.get(group.id)
    if node_group is not None:
        context.delete(node_group)
    private_zone = _custom_zone(context, document)
    if private_zone is not None:
        name = str(document["properties"].get("privateFQDN", "")).partition(".")[0]
        record = context.state.get(f"{private_zone['id']}/A/{name}")
        if record is not None:
            context.delete(record)
            _count(context, private_zone, -1)


def _group(document: Document) -> Group:
    subscription = subscription_of(str(document["id"]))
    return Group(subscription, str(document["properties"]["nodeResourceGroup"]), str(document["location"]))


def _number(document: Document) -> str:
    return str(int(digits("pool", str(document["id"]).lower()), 16))[:8]


def _machines(context: Context, document: Document, group: Group) -> None:
    pools = {str(pool["name"]): pool for pool in document["properties"]["agentPoolProfiles"]}
    present = {found[1]: document for document in context.state.below(group.id) if (found := _pool_of(document))}
    for name in present.keys() - pools.keys():
        _drop(context, present[name])
    for name, pool in pools.items():
        known = present.get(name)
        if known is not None and (known["sku"]["capacity"], known["sku"]["name"]) == (pool["count"], pool["vmSize"]):
            continue
        if known is not None:
            _drop(context, known)
        _make(context, document, group, f"aks-{name}-{_number(document)}-vmss", pool)


def _pool_of(document: Document) -> re.Match[str] | None:
    if str(document.get("type", "")).lower() != _SCALE_SETS.lower():
        return None
    return _SCALE_SET_NAME.fullmatch(str(document["name"]))


def _make(context: Context, document: Document, group: Group, name: str, pool: Document) -> None:
    guard = group.resource("Microsoft.Network/networkSecurityGroups", f"aks-agentpool-{_number(document)}-nsg")
    balancer = group.resource("Microsoft.Network/loadBalancers", "kubernetes")
    pools = (f"{balancer}/backendAddressPools/aksOutboundBackendPool",) if context.state.exists(balancer) else ()
    address: dict[str, Any] = {}
    if pool.get("enableNodePublicIP"):
        address["publicIPAddressConfiguration"] = {"name": "node", "properties": {"idleTimeoutInMinutes": 30}}
    machines = scale_set(
        group, name, str(pool["vnetSubnetID"]), capacity=pool["count"], pools=pools, guard=guard, **address
    )
    machines["sku"]["name"] = pool["vmSize"]
    at_host = bool(pool.get("enableEncryptionAtHost"))
    machines["properties"]["virtualMachineProfile"]["securityProfile"]["encryptionAtHost"] = at_host
    stored = [machines, *(part for number in range(pool["count"]) for part in instance(machines, number))]
    for part in stored:
        context.put(_dated(context, part))
    relink(context, SCALE_SET, machines, None)


def _drop(context: Context, machines: Document) -> None:
    context.delete(machines)
    relink(context, SCALE_SET, None, machines)


def foresee(context: Context, document: Document) -> None:
    """Write into a new cluster what it shows of what is made for it: its way out and the identity of its nodes."""
    properties, group = document["properties"], _group(document)
    network = properties["networkProfile"]
    shown = {"effectiveOutboundIPs": [{"id": _egress_address(document)}]}
    if str(network["outboundType"]).lower() == "loadbalancer":
        network["loadBalancerProfile"] = {"managedOutboundIPs": {"count": 1}, **shown}
    elif str(network["outboundType"]).lower() == "managednatgateway":
        network["natGatewayProfile"] = {"managedOutboundIPProfile": {"count": 1}, **shown}
    if not (properties.get("identityProfile") or {}).get("kubeletidentity"):
        identity = _kubelet(context, document, group)
        ids = {"clientId": identity["properties"]["clientId"], "objectId": identity["properties"]["principalId"]}
        properties["identityProfile"] = {"kubeletidentity": {"resourceId": identity["id"], **ids}}


def _egress_address(document: Document) -> str:
    name = guid("egress", str(document["id"]).lower())
    return _group(document).resource("Microsoft.Network/publicIPAddresses", name)


def _egress(context: Context, document: Document, group: Group) -> None:
    """Make what the cluster leaves through, where that is AKS's own: an address of the Internet."""
    kind = str(document["properties"]["networkProfile"]["outboundType"]).lower()
    if kind not in ("loadbalancer", "managednatgateway"):
        return
    address = _egress_address(document)
    if kind == "loadbalancer":
        gateway = group.resource("Microsoft.Network/loadBalancers", "kubernetes")
        context.put(_public_address(context, group, address, gateway))
        frontend, name = public_frontend(address), address.rpartition("/")[2]
        pool = "aksOutboundBackendPool"
        context.put(load_balancer(group, "kubernetes", frontend, frontend_name=name, pool=pool))
        return
    gateway = group.resource("Microsoft.Network/natGateways", "aks-nat")
    context.put(_public_address(context, group, address, gateway))
    body = {"provisioningState": "Succeeded", "idleTimeoutInMinutes": 4, "publicIpAddresses": [{"id": address}]}
    context.put(_resource(gateway, group.location, body, sku={"name": "Standard", "tier": "Regional"}))


def _public_address(context: Context, group: Group, resource_id: str, holder: str) -> Document:
    taken = {
        str((found.get("properties") or {}).get("ipAddress"))
        for found in context.state.documents()
        if str(found.get("type", "")).lower() == "microsoft.network/publicipaddresses"
    }
    body = {
        "provisioningState": "Succeeded",
        "resourceGuid": str(uuid4()),
        "ipAddress": next(f"{_EGRESS}{number}" for number in range(1, 255) if f"{_EGRESS}{number}" not in taken),
        "publicIPAddressVersion": "IPv4",
        "publicIPAllocationMethod": "Static",
        "idleTimeoutInMinutes": 30,
        "ipTags": [],
    }
    slot = "natGateway" if "natGateways" in holder else "ipConfiguration"
    frontend = f"{holder}/frontendIPConfigurations/{resource_id.rpartition('/')[2]}"
    body[slot] = {"id": holder if slot == "natGateway" else frontend}
    return _resource(resource_id, group.location, body, sku={"name": "Standard", "tier": "Regional"})


def _api(context: Context, document: Document, group: Group) -> None:
    """Make the private endpoint of the cluster's API, its interface and its name."""
    properties = document["properties"]
    profile = properties.get("apiServerAccessProfile") or {}
    if not profile.get("enablePrivateCluster") or profile.get("enableVnetIntegration"):
        return
    fqdn = str(properties["privateFQDN"])
    record, _, domain = fqdn.partition(".")
    subnet = str(properties["agentPoolProfiles"][0]["vnetSubnetID"])
    member = Member("management", fqdn, free_address(context.state, subnet), domain, record)
    endpoint = Endpoint(group, "kube-apiserver", str(document["id"]), "management", subnet, (member,))
    made, interface = private_endpoint(endpoint, names_managed=False), endpoint_interface(endpoint)
    for part in (made, interface):
        context.put({**part, "_etag": str(uuid4())})
    relink(context, network_interfaces.KIND, interface, None)
    relink(context, _ENDPOINT, made, None)
    if str(profile["privateDNSZone"]).lower() == "none":
        return
    private_zone = _custom_zone(context, document) or _own_zone(context, group, domain, subnet)
    context.put(a_record(private_zone, record, [member.address], creator=_CREATOR))
    if "/" in str(profile["privateDNSZone"]):
        _count(context, private_zone, 1)


def _custom_zone(context: Context, document: Document) -> Document | None:
    zone_id = str((document["properties"].get("apiServerAccessProfile") or {}).get("privateDNSZone", ""))
    return context.state.get(zone_id) if "/" in zone_id else None


def _own_zone(context: Context, group: Group, domain: str, subnet: str) -> Document:
    made = zone(group, domain, records=1)
    network = subnet.rpartition("/subnets/")[0]
    context.put(made)
    context.put(zone_link(made, f"{network.rpartition('/')[2]}-aks", network))
    return made


def _count(context: Context, private_zone: Document, more: int) -> None:
    properties = private_zone["properties"]
    properties["numberOfRecordSets"] = properties.get("numberOfRecordSets", 1) + more
    context.put(private_zone)


def _kubelet(context: Context, document: Document, group: Group) -> Document:
    return user_identity(group, f"{document['name']}-agentpool", context.state.tenant)


def _resource(resource_id: str, location: str, properties: Document, **envelope: object) -> Document:
    type_ = "/".join(resource_id.rpartition("/providers/")[2].split("/")[:2])
    named = {"id": resource_id, "name": resource_id.rpartition("/")[2], "type": type_, "location": location, "tags": {}}
    return {**named, **envelope, "properties": properties, "_etag": str(uuid4())}


def _dated(context: Context, document: Document) -> Document:
    properties = document["properties"]
    if properties.get("timeCreated") == CREATED:
        properties["timeCreated"] = context.state.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    return document


def _scale_set_links(document: Document) -> frozenset[Link]:
    """Return what the instances of a scale set refer to: their subnets, and the group that guards their interfaces."""
    return frozenset(_configurations(document))


def _configurations(document: Document) -> Iterator[Link]:
    profile = (document.get("properties") or {}).get("virtualMachineProfile") or {}
    for card in (profile.get("networkProfile") or {}).get("networkInterfaceConfigurations") or []:
        properties = card.get("properties") or {}
        for number in range(int((document.get("sku") or {}).get("capacity") or 0)):
            interface = interface_of(str(document["id"]), number)
            yield from link(properties.get("networkSecurityGroup"), "networkInterfaces", interface)
            for configuration in properties.get("ipConfigurations") or []:
                subnet = (configuration.get("properties") or {}).get("subnet")
                yield from link(subnet, "ipConfigurations", f"{interface}/ipConfigurations/{configuration['name']}")


def _endpoint_links(document: Document) -> frozenset[Link]:
    return frozenset(link(document["properties"].get("subnet"), "privateEndpoints", str(document["id"])))


SCALE_SET = Kind(_SCALE_SETS, {}, links=_scale_set_links)
"""Not one of the known types: its links are kept, and anything else is taken as it is."""
_ENDPOINT = Kind("Microsoft.Network/privateEndpoints", {}, links=_endpoint_links)
_KINDS = {
    _SCALE_SETS.lower(): SCALE_SET,
    "microsoft.network/privateendpoints": _ENDPOINT,
    "microsoft.network/networkinterfaces": network_interfaces.KIND,
}
