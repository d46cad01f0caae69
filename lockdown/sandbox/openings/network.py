"""Ways in through the network: public addresses and what they lead to, and machines that get one by themselves.

An address that only leads out (a NAT gateway's, a firewall's without DNAT, a load balancer's outbound rule) is none.
"""

from collections.abc import Iterator, Mapping

from lockdown.sandbox.openings.guards import lets_the_internet_in
from lockdown.sandbox.openings.rule import Documents, Opening, Rule, at, listed, member, properties, type_of, word
from lockdown.sandbox.resource_id import ResourceId, parse
from lockdown.sandbox.state import Document

INTERFACE = "a public address leads to a network interface"
ADMITTED = "network security groups let the Internet in to a public address"
BALANCED = "a public address leads to what is behind a load balancer"
TRANSLATED = "a firewall passes what comes to a public address on into the network"
GATEWAY = "a public address leads to a gateway or a Bastion host"
UNKNOWN = "a public address leads to something that is not known to be only a way out"
INSTANCES = "each instance of a scale set has a public address"
OUTBOUND = "a subnet has the default way out, by addresses of Azure's own"

_ADDRESS = "microsoft.network/publicipaddresses"
_CARD = "microsoft.network/networkinterfaces"
_GUARD = "microsoft.network/networksecuritygroups"
_NETWORK = "microsoft.network/virtualnetworks"
_BALANCER = "microsoft.network/loadbalancers"
_FIREWALL = "microsoft.network/azurefirewalls"
_POLICY = "microsoft.network/firewallpolicies"
_RULES = f"{_POLICY}/rulecollectiongroups"
_GATEWAYS = ("applicationgateways", "bastionhosts", "virtualnetworkgateways", "vpngateways", "p2svpngateways")
_FRONTENDS = {
    _BALANCER: "frontendIPConfigurations",
    "microsoft.network/applicationgateways": "frontendIPConfigurations",
    "microsoft.network/virtualnetworkgateways": "ipConfigurations",
}
"""Holders of addresses of which the sandbox knows nothing, so that an address does not show them, and their slot."""
_DEEPEST = 8


def _address(document: Document, documents: Documents) -> Iterator[Opening]:
    frontend = str(at(document, "properties.ipConfiguration.id") or "")
    if frontend:
        yield from _led_to(str(document["id"]), frontend, documents)


def _led_to(where: str, frontend: str, documents: Documents) -> Iterator[Opening]:
    """Yield what an address opens by leading to a frontend, the configuration of an interface or the like."""
    holder = parse(frontend)
    if holder is None:
        yield Opening(where, UNKNOWN)
        return
    kind = f"{holder.namespace}/{holder.types[0]}".lower()
    top = documents.get(_top(holder)) or {}
    if kind == _CARD:
        yield Opening(where, INTERFACE)
        if lets_the_internet_in(_guards(top, frontend, documents)):
            yield Opening(where, ADMITTED)
    elif kind == _BALANCER:
        if _takes_in(top, frontend):
            yield Opening(where, BALANCED)
    elif kind == _FIREWALL:
        if _translates(top, documents):
            yield Opening(where, TRANSLATED)
    elif kind.rpartition("/")[2] in _GATEWAYS:
        yield Opening(where, GATEWAY)
    else:
        yield Opening(where, UNKNOWN)


def _top(found: ResourceId) -> str:
    return f"{found.scope}/providers/{found.namespace}/{found.types[0]}/{found.names[0]}"


def _guards(card: Document, configuration_id: str, documents: Documents) -> Iterator[Document]:
    """Yield the security groups that traffic to a configuration of an interface passes."""
    subnets = [
        str(at(configuration, "properties.subnet.id") or "")
        for configuration in listed(at(card, "properties.ipConfigurations"))
        if word(configuration, "id", "") == configuration_id.lower()
    ]
    holders = (card, *(documents.part(subnet) for subnet in subnets))
    for holder in holders:
        guard = str(at(holder, "properties.networkSecurityGroup.id") or "")
        if guard:
            yield documents.get(guard) or {}


def _takes_in(balancer: Document, frontend: str) -> bool:
    said = properties(balancer)
    rules = [*listed(at(said, "loadBalancingRules")), *listed(at(said, "inboundNatRules"))]
    rules += listed(at(said, "inboundNatPools"))
    return any(word(rule, "properties.frontendIPConfiguration.id", "") == frontend.lower() for rule in rules)


def _holder(document: Document, documents: Documents) -> Iterator[Opening]:
    """Yield what comes in by an address of a prefix, and by one that does not itself show where it leads to."""
    slot = _FRONTENDS[type_of(document)]
    for frontend in listed(at(document, f"properties.{slot}")):
        place = f"{document['id']}/{slot}/{frontend.get('name', '')}"
        address = documents.get(str(at(frontend, "properties.publicIPAddress.id") or ""))
        if address is not None and not at(address, "properties.ipConfiguration.id"):
            yield from _led_to(str(address["id"]), place, documents)
        if member(frontend, "properties.publicIPPrefix") and _takes_in(document, place):
            yield Opening(str(document["id"]), BALANCED)


def _translates(firewall: Document, documents: Documents) -> bool:
    if listed(at(firewall, "properties.natRuleCollections")):
        return True
    policy = str(at(firewall, "properties.firewallPolicy.id") or "")
    for _ in range(_DEEPEST):
        found = documents.get(policy)
        if found is None:
            return False
        groups = [one for one in documents.of_type(_RULES) if str(one["id"]).lower().startswith(f"{policy.lower()}/")]
        collections = [collection for one in groups for collection in listed(at(one, "properties.ruleCollections"))]
        if any(word(collection, "action.type", "") == "dnat" for collection in collections):
            return True
        policy = str(at(found, "properties.basePolicy.id") or "")
    return True


def _subnets(document: Document, documents: Documents) -> Iterator[Opening]:
    del documents
    for subnet in listed(at(document, "properties.subnets")):
        if at(subnet, "properties.defaultOutboundAccess") is not False:
            yield Opening(f"{document['id']}/subnets/{subnet.get('name', '')}", OUTBOUND)


def _scale_set(document: Document, documents: Documents) -> Iterator[Opening]:
    del documents
    cards = listed(at(document, "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations"))
    for card in cards:
        for configuration in listed(at(card, "properties.ipConfigurations")):
            if member(configuration, "properties.publicIPAddressConfiguration"):
                yield Opening(str(document["id"]), INSTANCES)


RULES: Mapping[str, Rule] = {
    _ADDRESS: Rule(_address, frozenset({_CARD, _GUARD, _NETWORK, _BALANCER, _FIREWALL, _POLICY, _RULES})),
    **dict.fromkeys(_FRONTENDS, Rule(_holder, frozenset({_ADDRESS}))),
    _NETWORK: Rule(_subnets),
    "microsoft.compute/virtualmachinescalesets": Rule(_scale_set),
}
"""Lower-case type to what is looked for in it."""
