"""Microsoft.Network/virtualNetworks, with their subnets and peerings, which live inside them."""

from typing import Any

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link, require
from lockdown.sandbox.links import refuse_if_used
from lockdown.sandbox.providers.names import (
    REFERENCE,
    Network,
    child_shape,
    children_by_name,
    complete_children,
    finish,
    link,
    network,
)
from lockdown.sandbox.state import Document

_SUBNET_TYPE = "Microsoft.Network/virtualNetworks/subnets"
_PEERING_TYPE = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings"
_TAKEN = dict.fromkeys(
    ("ipConfigurations", "privateEndpoints", "serviceAssociationLinks", "resourceNavigationLinks"),
    ("InUseSubnetCannotBeDeleted", "Subnet {name} is in use by {by} and cannot be deleted."),
)
_SUBNET_COMPUTED = frozenset(
    {
        "privateEndpoints", "ipConfigurations", "ipConfigurationProfiles", "resourceNavigationLinks",
        "serviceAssociationLinks", "purpose", "provisioningState",
    }
)  # fmt: skip
_DELEGATION = {
    **dict.fromkeys(("id", "name", "type", "etag"), str),
    "properties": {"serviceName": str, "actions": None, "provisioningState": None},
}
_SERVICE_ENDPOINT = {"service": str, "locations": [str], "networkIdentifier": None, "provisioningState": None}
SUBNET = {
    "addressPrefix": str, "addressPrefixes": [str], "networkSecurityGroup": dict, "routeTable": dict,
    "natGateway": REFERENCE, "serviceEndpoints": [_SERVICE_ENDPOINT], "serviceEndpointPolicies": None,
    "ipAllocations": None,
    "delegations": [_DELEGATION], "privateEndpointNetworkPolicies": None, "privateLinkServiceNetworkPolicies": None,
    "applicationGatewayIPConfigurations": None, "sharingScope": None, "defaultOutboundAccess": None,
    "ipamPoolPrefixAllocations": None, "serviceGateway": None, **dict.fromkeys(_SUBNET_COMPUTED),
}  # fmt: skip
PEERING = dict.fromkeys(
    (
        "allowVirtualNetworkAccess", "allowForwardedTraffic", "allowGatewayTransit", "useRemoteGateways",
        "remoteVirtualNetwork", "localAddressSpace", "localVirtualNetworkAddressSpace", "remoteAddressSpace",
        "remoteVirtualNetworkAddressSpace", "remoteBgpCommunities", "remoteVirtualNetworkEncryption", "peeringState",
        "peeringSyncLevel", "provisioningState", "doNotVerifyRemoteGateways", "resourceGuid", "peerCompleteVnets",
        "enableOnlyIPv6Peering", "localSubnetNames", "remoteSubnetNames",
    )
)  # fmt: skip
_COMPUTED = frozenset({"resourceGuid", "provisioningState", "flowLogs", "defaultPublicNatGateway"})
VIRTUAL_NETWORK = {
    "addressSpace": {"addressPrefixes": [str], "ipamPoolPrefixAllocations": None},
    "dhcpOptions": {"dnsServers": None}, "subnets": child_shape(SUBNET), "virtualNetworkPeerings": child_shape(PEERING),
    "flowTimeoutInMinutes": None, "enableDdosProtection": None, "enableVmProtection": None, "ipAllocations": None,
    "ddosProtectionPlan": REFERENCE, "bgpCommunities": None, "encryption": {"enabled": None, "enforcement": None},
    "privateEndpointVNetPolicies": None, "summarizedGatewayPrefixes": None, **dict.fromkeys(_COMPUTED),
}  # fmt: skip


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    del context
    spaces = [
        network(text, "InvalidAddressPrefixFormat") for text in require(document, "addressSpace", "addressPrefixes")
    ]
    properties = document["properties"]
    if "subnets" not in properties:
        properties["subnets"] = list(children_by_name(previous, "subnets").values())
    before = children_by_name(previous, "subnets")
    subnets = complete_children(document, "subnets", _SUBNET_TYPE)
    for subnet in subnets:
        _prepare_subnet(subnet, before.pop(str(subnet["name"]).lower(), None))
    for removed in before.values():
        refuse_if_used(SUBNET_KIND, removed)
    _check_ranges(document, subnets, spaces)
    properties.setdefault("virtualNetworkPeerings", list(children_by_name(previous, "virtualNetworkPeerings").values()))
    for peering in complete_children(document, "virtualNetworkPeerings", _PEERING_TYPE):
        peering["properties"].setdefault("peeringState", "Initiated")
        peering["properties"].setdefault("peeringSyncLevel", "RemoteNotInSync")
    if previous is None:
        properties.setdefault("enableDdosProtection", False)
        properties.setdefault("privateEndpointVNetPolicies", "Disabled")
    finish(document, previous)


def _prepare_subnet(subnet: Document, previous: Document | None) -> None:
    known = (previous or {}).get("properties") or {}
    wanted = {name: value for name, value in subnet["properties"].items() if name not in _SUBNET_COMPUTED}
    kept = {name: value for name, value in known.items() if name in _SUBNET_COMPUTED}
    properties = {**wanted, **kept, "provisioningState": "Succeeded"}
    if previous is None:
        properties.setdefault("delegations", [])
        properties.setdefault("privateEndpointNetworkPolicies", "Disabled")
        properties.setdefault("privateLinkServiceNetworkPolicies", "Enabled")
    for delegation in properties.get("delegations") or []:
        delegation["id"] = f"{subnet['id']}/delegations/{delegation.get('name', '')}"
        delegation.pop("etag", None)
        delegation["type"] = f"{_SUBNET_TYPE}/delegations"
        values = delegation["properties"] = {**(delegation.get("properties") or {}), "provisioningState": "Succeeded"}
        if previous is None:
            values["actions"] = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    for endpoint in properties.get("serviceEndpoints") or []:
        endpoint.setdefault("locations", ["*"])
        endpoint["provisioningState"] = "Succeeded"
    subnet["properties"] = properties


def prefixes(subnet: Document) -> list[Network]:
    """Return the address ranges of a subnet.

    Raises:
        ArmError: it has none, or one that is no CIDR.
    """
    properties: dict[str, Any] = subnet.get("properties") or {}
    texts = properties.get("addressPrefixes") or [properties.get("addressPrefix")]
    if texts == [None]:
        raise ArmError(400, "InvalidRequestFormat", f"Subnet {subnet.get('name')} has no address prefix.")
    return [network(text, "InvalidAddressPrefixFormat") for text in texts]


def _check_ranges(document: Document, subnets: list[Document], spaces: list[Network]) -> None:
    seen: list[tuple[str, Network]] = []
    for subnet in subnets:
        for prefix in prefixes(subnet):
            if not any(_inside(prefix, space) for space in spaces):
                raise ArmError(
                    400,
                    "NetcfgInvalidSubnet",
                    f"Subnet '{subnet['name']}' is not valid in virtual network '{document['name']}'.",
                )
            for other, taken in seen:
                if prefix.overlaps(taken):
                    raise ArmError(
                        400,
                        "NetcfgSubnetRangesOverlap",
                        f"Subnet '{subnet['name']}' is not valid because its IP address range overlaps with that of an "
                        f"existing subnet '{other}' in virtual network '{document['name']}'.",
                    )
            seen.append((str(subnet["name"]), prefix))


def _inside(prefix: Network, space: Network) -> bool:
    return prefix.version == space.version and prefix[0] in space and prefix[-1] in space


def _links(document: Document) -> frozenset[Link]:
    found: set[Link] = set()
    for subnet in document["properties"].get("subnets") or []:
        properties = subnet.get("properties") or {}
        for name in ("networkSecurityGroup", "routeTable", "natGateway"):
            found |= link(properties.get(name), "subnets", str(subnet["id"]))
    return frozenset(found)


def _removable(context: Context, document: Document) -> None:
    del context
    for subnet in document["properties"].get("subnets") or []:
        refuse_if_used(SUBNET_KIND, subnet)


SUBNET_KIND = Kind(
    _SUBNET_TYPE, SUBNET, computed=_SUBNET_COMPUTED, inline="subnets", tracked=False,
    create="async", update="async", delete="async", etag=True, in_use=_TAKEN,
)  # fmt: skip
KINDS = (
    Kind(
        "Microsoft.Network/virtualNetworks", VIRTUAL_NETWORK, computed=_COMPUTED, patch="tags",
        create="async", update="async", delete="async", etag=True,
        prepare=_prepare, removable=_removable, links=_links,
    ),
    SUBNET_KIND,
    Kind(
        _PEERING_TYPE, PEERING,
        computed=frozenset({"provisioningState", "resourceGuid", "remoteVirtualNetworkEncryption"}),
        inline="virtualNetworkPeerings", tracked=False, create="async", update="async", delete="async", etag=True,
    ),
)  # fmt: skip
