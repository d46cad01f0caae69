"""Microsoft.Network/virtualNetworks, with their subnets and peerings, which live inside them."""

from collections.abc import Mapping
from dataclasses import replace

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link, one_of, require
from lockdown.sandbox.links import refuse_if_used
from lockdown.sandbox.providers import flow_logs, peerings, private_dns
from lockdown.sandbox.providers.addresses import prefixes, taken
from lockdown.sandbox.providers.names import (
    Network,
    children_by_name,
    complete_children,
    default,
    described,
    finish,
    link,
    member,
    network,
    reference,
    refuse_if_busy,
)
from lockdown.sandbox.state import Document

_SUBNET_TYPE = "Microsoft.Network/virtualNetworks/subnets"
_USERS = ("ipConfigurations", "privateEndpoints", "serviceAssociationLinks", "resourceNavigationLinks")
_TAKEN = dict.fromkeys(_USERS, ("InUseSubnetCannotBeDeleted", "Subnet {name} is in use by {by} and cannot be deleted."))
SUBNET, _SUBNET_COMPUTED = described("SubnetPropertiesFormat")
VIRTUAL_NETWORK, _COMPUTED = described("VirtualNetworkPropertiesFormat")
_POLICIES = ("Enabled", "Disabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled")
_JOIN = "Microsoft.Network/virtualNetworks/subnets/join/action"


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    refuse_if_busy(context, _parts(previous))
    spaces = [
        network(text, "InvalidAddressPrefixFormat") for text in require(document, "addressSpace", "addressPrefixes")
    ]
    properties = document["properties"]
    if "subnets" not in properties:
        properties["subnets"] = list(children_by_name(previous, "subnets").values())
    before = children_by_name(previous, "subnets")
    subnets = complete_children(document, "subnets", _SUBNET_TYPE)
    for subnet in subnets:
        _prepare_subnet(context, document, subnet, before.pop(str(subnet["name"]).lower(), None))
    for removed in before.values():
        refuse_if_used(SUBNET_KIND, removed)
    _check_ranges(document, subnets, spaces)
    properties.setdefault("virtualNetworkPeerings", list(children_by_name(previous, "virtualNetworkPeerings").values()))
    made = complete_children(document, "virtualNetworkPeerings", peerings.TYPE)
    peerings.prepare(context, document, made, previous)
    properties.setdefault("enableDdosProtection", False)
    default(document, previous, "privateEndpointVNetPolicies", "Disabled")
    finish(document, previous)


def _parts(holder: Document | None) -> list[str]:
    """Return the ids on which a change of a virtual network waits: its own, and those of what is in it."""
    if holder is None:
        return []
    named = ("subnets", "virtualNetworkPeerings")
    children = [child for name in named for child in children_by_name(holder, name).values()]
    return [str(holder["id"]), *(str(child.get("id", "")) for child in children)]


def _prepare_subnet(context: Context, holder: Document, subnet: Document, previous: Document | None) -> None:
    known = (previous or {}).get("properties") or {}
    wanted = {name: value for name, value in subnet["properties"].items() if name not in _SUBNET_COMPUTED}
    kept = {name: value for name, value in known.items() if name in _SUBNET_COMPUTED}
    properties = subnet["properties"] = {**wanted, **kept, "provisioningState": "Succeeded"}
    properties.setdefault("serviceEndpoints", [])
    properties.setdefault("delegations", [])
    properties.setdefault("privateEndpointNetworkPolicies", "Disabled")
    properties.setdefault("privateLinkServiceNetworkPolicies", "Enabled")
    one_of(subnet, "privateEndpointNetworkPolicies", _POLICIES)
    one_of(subnet, "privateLinkServiceNetworkPolicies", ("Enabled", "Disabled"))
    for name in ("networkSecurityGroup", "routeTable", "natGateway"):
        if reference(properties.get(name)):
            properties[name] = {"id": reference(properties[name])}
            member(context, holder, properties[name]["id"])
    if reference(properties.get("routeTable")) and str(subnet["name"]).lower() == "azurebastionsubnet":
        raise ArmError(
            400,
            "RouteTableCannotBeAttachedForAzureBastionSubnet",
            f"Route table {properties['routeTable']['id']} cannot be attached to subnet {subnet['id']}, which is for "
            "Azure Bastion.",
        )
    known = {
        str(values.get("serviceName", "")).lower(): values
        for values in (item.get("properties") or {} for item in _delegations(previous))
    }
    for delegation in properties["delegations"]:
        _complete_delegation(subnet, delegation, known)
    for endpoint in properties["serviceEndpoints"]:
        endpoint.setdefault("locations", ["*"])
        endpoint["provisioningState"] = "Succeeded"
    if previous is not None:
        _refuse_changed_use(context, subnet, previous)


def _complete_delegation(subnet: Document, delegation: Document, known: Mapping[str, Document]) -> None:
    delegation["id"] = f"{subnet['id']}/delegations/{delegation.get('name', '')}"
    delegation.pop("etag", None)
    delegation["type"] = f"{_SUBNET_TYPE}/delegations"
    values = delegation.get("properties") or {}
    if "/" not in str(values.get("serviceName", "")):
        raise ArmError(
            400,
            "InvalidServiceNameOnDelegation",
            f"The service name {values.get('serviceName', '')} specified on delegation {delegation['id']} is not "
            "valid.",
        )
    # One that is written back shows what it showed.
    shown = known.get(str(values["serviceName"]).lower(), {"actions": [_JOIN]})
    joined = {name: value for name, value in shown.items() if name == "actions"}
    delegation["properties"] = {**joined, **values, "provisioningState": "Succeeded"}


def _refuse_changed_use(context: Context, subnet: Document, previous: Document) -> None:
    before, after = delegated_to(previous), delegated_to(subnet)
    users = [item for slot in _USERS for item in (previous.get("properties") or {}).get(slot) or []]
    if users and {name.lower() for name in before} != {name.lower() for name in after}:
        raise ArmError(
            400,
            "SubnetDelegationsCannotChangeWhenSubnetUsedByResource",
            f"Delegations of subnet {subnet['id']} cannot be changed from [{', '.join(before)}] to "
            f"[{', '.join(after)}] because it is being used by the resource {users[0].get('id', '')}.",
        )
    kept = prefixes(subnet)
    for prefix in prefixes(previous):
        if prefix in kept:
            continue
        used = [
            by
            for address, by in taken(context.state, str(subnet["id"])).items()
            if network(address, "InvalidAddressPrefixFormat")[0] in prefix
        ]
        if used:
            raise ArmError(
                400,
                "InUsePrefixCannotBeDeleted",
                f"IpPrefix {prefix} on Subnet {subnet['name']} has active allocations and cannot be deleted: "
                f"{', '.join(used)}.",
            )


def delegated_to(subnet: Document) -> list[str]:
    """Return the services that a subnet is delegated to."""
    return [str((delegation.get("properties") or {}).get("serviceName", "")) for delegation in _delegations(subnet)]


def _delegations(subnet: Document | None) -> list[Document]:
    return ((subnet or {}).get("properties") or {}).get("delegations") or []


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
            for other, range_ in seen:
                if prefix.overlaps(range_):
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


def _applied(context: Context, document: Document, previous: Document | None) -> None:
    peerings.settle(context, document, previous)
    if previous is None:
        flow_logs.watch_region(context, document)


def _removable(context: Context, document: Document) -> None:
    refuse_if_busy(context, _parts(document))
    for subnet in document["properties"].get("subnets") or []:
        refuse_if_used(SUBNET_KIND, subnet)


def _part_removable(context: Context, part: Document) -> None:
    holder = context.state.get(str(part["id"]).rsplit("/", 2)[0])
    refuse_if_busy(context, _parts(holder))


def _removed(context: Context, document: Document) -> None:
    peerings.abandon(context, document)
    private_dns.unlink(context, str(document["id"]))
    flow_logs.forget(context, str(document["id"]))


SUBNET_KIND = Kind(
    _SUBNET_TYPE, SUBNET, computed=_SUBNET_COMPUTED, inline="subnets", tracked=False,
    create="async", update="async", delete="async", seconds=10, etag=True, removable=_part_removable, in_use=_TAKEN,
)  # fmt: skip
KINDS = (
    Kind(
        "Microsoft.Network/virtualNetworks", VIRTUAL_NETWORK, computed=_COMPUTED, patch="tags",
        create="async", update="async", delete="async", seconds=20, etag=True,
        prepare=_prepare, applied=_applied, removable=_removable, removed=_removed, links=_links,
    ),
    SUBNET_KIND,
    replace(peerings.KIND, removable=_part_removable),
)  # fmt: skip
