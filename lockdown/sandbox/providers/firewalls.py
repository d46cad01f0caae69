"""Azure Firewall: firewalls, their policies, and the groups of rules in a policy.

Source: Microsoft Learn, "Azure Firewall FAQ" (subnet, addresses), "Azure Firewall policy rule sets".
"""

from collections.abc import Iterator

from lockdown.sandbox import shapes
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link, one_of
from lockdown.sandbox.providers.addresses import free_address
from lockdown.sandbox.providers.names import (
    check_word,
    children_by_name,
    complete_children,
    described,
    link,
    member,
    reference,
    refuse_if_busy,
)
from lockdown.sandbox.providers.public_addresses import check_static
from lockdown.sandbox.providers.reserved import check_reserved
from lockdown.sandbox.state import Document

_FIREWALL = "Microsoft.Network/azureFirewalls"
_POLICY = "Microsoft.Network/firewallPolicies"
_GROUP = f"{_POLICY}/ruleCollectionGroups"
_CONFIGURATIONS = "azureFirewallIpConfigurations"
_CLASSIC = ("networkRuleCollections", "applicationRuleCollections", "natRuleCollections")
_MODES = ("Off", "Alert", "Deny")
_TIERS = ("Basic", "Standard", "Premium")
_PRIORITIES = range(100, 65001)
_MODEL, _WRITTEN = described("AzureFirewallPropertiesFormat")
_PLACED = shapes.shape("network", "AzureFirewallIPConfiguration")
# Azure shows how the address is given out, which its own model of a firewall does not have.
_CONFIGURATION = {**_PLACED, "properties": {**_PLACED["properties"], "privateIPAllocationMethod": str}}
_SHAPE = {**_MODEL, "ipConfigurations": [_CONFIGURATION], "managementIpConfiguration": _CONFIGURATION}
_POLICY_SHAPE, _POLICY_WRITTEN = described("FirewallPolicyPropertiesFormat")
_GROUP_SHAPE, _GROUP_WRITTEN = described("FirewallPolicyRuleCollectionGroupProperties")
_RULES: dict[str, tuple[str, ...]] = {
    "ApplicationRule": (
        "fqdnTags", "webCategories", "targetFqdns", "targetUrls", "sourceAddresses", "destinationAddresses",
        "sourceIpGroups",
    ),
    "NetworkRule": (
        "ipProtocols", "sourceAddresses", "sourceIpGroups", "destinationAddresses", "destinationIpGroups",
        "destinationFqdns", "destinationPorts",
    ),
    "NatRule": ("ipProtocols", "sourceAddresses", "sourceIpGroups", "destinationAddresses", "destinationPorts"),
}  # fmt: skip
"""The lists of each type of rule, all of which a reader is shown."""

_NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "ApplicationRule": (
        ("protocols",),
        ("sourceAddresses", "sourceIpGroups"),
        ("targetFqdns", "fqdnTags", "targetUrls", "webCategories"),
    ),
    "NetworkRule": (
        ("ipProtocols",),
        ("sourceAddresses", "sourceIpGroups"),
        ("destinationAddresses", "destinationIpGroups", "destinationFqdns"),
        ("destinationPorts",),
    ),
    "NatRule": (
        ("ipProtocols",),
        ("sourceAddresses", "sourceIpGroups"),
        ("destinationAddresses",),
        ("destinationPorts",),
        ("translatedAddress", "translatedFqdn"),
        ("translatedPort",),
    ),
}
"""Of each of these, a rule has at least one."""

_COLLECTIONS = {
    "FirewallPolicyFilterRuleCollection": (("Allow", "Deny"), ("ApplicationRule", "NetworkRule")),
    "FirewallPolicyNatRuleCollection": (("DNAT",), ("NatRule",)),
}


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    sku = properties["sku"] = {"name": "AZFW_VNet", "tier": "Standard", **(properties.get("sku") or {})}
    check_word(document, "properties.sku.name", sku["name"], ("AZFW_VNet", "AZFW_Hub"))
    check_word(document, "properties.sku.tier", sku["tier"], _TIERS)
    properties.setdefault("threatIntelMode", "Alert")
    one_of(document, "threatIntelMode", _MODES)
    properties.setdefault("additionalProperties", {})
    for name in _CLASSIC:
        properties.setdefault(name, [])
        complete_children(document, name, f"{_FIREWALL}/{name}")
    _check_policy(context, document)
    _place(context, document, previous)
    properties["provisioningState"] = "Succeeded"


def _check_policy(context: Context, document: Document) -> None:
    properties = document["properties"]
    policy_id = reference(properties.get("firewallPolicy"))
    if not policy_id:
        return
    if any(properties[name] for name in _CLASSIC):
        raise ArmError(
            400,
            "AzureFirewallRuleCollectionsNotAllowedWithPolicy",
            f"Azure Firewall {document['id']} has a firewall policy; it cannot have rule collections of its own.",
        )
    refuse_if_busy(context, [str(group["id"]) for group in _groups(context, policy_id)])
    policy = context.state.get(policy_id)
    tier = ((policy or {}).get("properties") or {}).get("sku", {}).get("tier", "Standard")
    ours = properties["sku"]["tier"]
    if policy is not None and _TIERS.index(tier) > _TIERS.index(ours):
        raise ArmError(
            400,
            "AzureFirewallPolicyTierMismatch",
            f"Azure Firewall {document['id']} of tier {ours} cannot have firewall policy {policy_id} of tier {tier}.",
        )


def _place(context: Context, document: Document, previous: Document | None) -> None:
    configurations = complete_children(
        document, "ipConfigurations", f"{_FIREWALL}/{_CONFIGURATIONS}", segment=_CONFIGURATIONS
    )
    management = document["properties"].get("managementIpConfiguration")
    known = children_by_name(previous, "ipConfigurations")
    for index, configuration in enumerate(configurations):
        values = configuration["properties"]
        values["privateIPAllocationMethod"] = "Dynamic"
        values.pop("privateIPAddress", None)
        public = reference(values.get("publicIPAddress"))
        if not public and not management:
            raise ArmError(
                400,
                "AzureFirewallIpConfigurationMustHavePublicIp",
                f"IP configuration {configuration['id']} has no public IP address.",
            )
        if public:
            check_static(context, document, public)
        subnet = reference(values.get("subnet"))
        if bool(subnet) is not (index == 0):
            raise ArmError(
                400,
                "AzureFirewallSubnetInOneIpConfiguration",
                f"Azure Firewall {document['id']} must name its subnet in its first IP configuration alone.",
            )
        if subnet:
            check_reserved(context, document, subnet, "AzureFirewallSubnet", "Azure Firewall")
            before = (known.get(str(configuration["name"]).lower()) or {}).get("properties") or {}
            values["privateIPAddress"] = before.get("privateIPAddress") or free_address(context.state, subnet)
    if management:
        _place_management(context, document, management)
    elif document["properties"]["sku"]["tier"] == "Basic" and configurations:
        raise ArmError(
            400,
            "AzureFirewallManagementIpConfigurationRequired",
            f"Azure Firewall {document['id']} of tier Basic needs a management IP configuration.",
        )


def _place_management(context: Context, document: Document, management: Document) -> None:
    management["id"] = f"{document['id']}/{_CONFIGURATIONS}/{management.get('name', '')}"
    management["type"] = f"{_FIREWALL}/{_CONFIGURATIONS}"
    values = management["properties"] = {**(management.get("properties") or {}), "provisioningState": "Succeeded"}
    values["privateIPAllocationMethod"] = "Dynamic"
    check_reserved(
        context, document, reference(values.get("subnet")), "AzureFirewallManagementSubnet", "Azure Firewall"
    )
    check_static(context, document, reference(values.get("publicIPAddress")))


def _links(document: Document) -> frozenset[Link]:
    properties = document["properties"]
    found = link(properties.get("firewallPolicy"), "firewalls", str(document["id"]))
    management = properties.get("managementIpConfiguration")
    for configuration in [*(properties.get("ipConfigurations") or []), *([management] if management else [])]:
        values = configuration.get("properties") or {}
        found |= link(values.get("subnet"), "ipConfigurations", str(configuration["id"]))
        found |= link(values.get("publicIPAddress"), "ipConfiguration", str(configuration["id"]), many=False)
    return frozenset(found)


def _prepare_policy(context: Context, document: Document, previous: Document | None) -> None:
    refuse_if_busy(context, _entangled(context, str(document["id"])))
    properties = document["properties"]
    sku = properties["sku"] = {"tier": "Standard", **(properties.get("sku") or {})}
    sku["tier"] = check_word(document, "properties.sku.tier", sku["tier"], _TIERS)
    before = ((previous or {}).get("properties") or {}).get("sku", {}).get("tier", sku["tier"])
    if _TIERS.index(sku["tier"]) < _TIERS.index(before):
        raise ArmError(
            400,
            "FirewallPolicySkuCannotBeDowngraded",
            f"The tier of firewall policy {document['id']} is {before} and cannot become {sku['tier']}.",
        )
    base = reference(properties.get("basePolicy"))
    if base:
        member(context, document, base)
    properties.setdefault("threatIntelMode", "Alert")
    one_of(document, "threatIntelMode", _MODES)
    for name in ("firewalls", "ruleCollectionGroups", "childPolicies"):
        properties.setdefault(name, [])
    properties["provisioningState"] = "Succeeded"


def _policy_links(document: Document) -> frozenset[Link]:
    return frozenset(link(document["properties"].get("basePolicy"), "childPolicies", str(document["id"])))


def _policy_removable(context: Context, document: Document) -> None:
    refuse_if_busy(context, _entangled(context, str(document["id"])))


def _entangled(context: Context, policy: str) -> list[str]:
    """Return the ids of what a change of a policy, or of anything in it, waits for: its groups and its firewalls."""
    firewalls = ((context.state.get(policy) or {}).get("properties") or {}).get("firewalls") or []
    return [*(str(group["id"]) for group in _groups(context, policy)), *(reference(item) for item in firewalls)]


def _groups(context: Context, policy: str) -> Iterator[Document]:
    return (found for found in context.state.below(policy) if str(found["type"]).lower() == _GROUP.lower())


def _prepare_group(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    _refuse_parallel(context, document)
    properties = document["properties"]
    _check_priority(document, str(document["name"]), properties.get("priority"))
    properties.setdefault("ruleCollections", [])
    names: set[str] = set()
    for collection in properties["ruleCollections"]:
        name = str(collection.get("name") or "")
        if not name or name.lower() in names:
            raise _invalid(document, f"a rule collection has no name, or its name '{name}' is given twice")
        names.add(name.lower())
        _prepare_collection(document, collection)
    properties["provisioningState"] = "Succeeded"


def _refuse_parallel(context: Context, document: Document) -> None:
    policy = str(document["id"]).rsplit("/", 2)[0]
    others = (found for found in _entangled(context, policy) if found.lower() != str(document["id"]).lower())
    refuse_if_busy(context, [policy, *others])


def _prepare_collection(document: Document, collection: Document) -> None:
    what = f"rule collection '{collection['name']}'"
    _check_priority(document, str(collection["name"]), collection.get("priority"))
    kind = str(collection.get("ruleCollectionType"))
    if kind not in _COLLECTIONS:
        raise _invalid(document, f"{what} is of no known type")
    actions, rule_types = _COLLECTIONS[kind]
    action = collection.get("action") or {}
    action["type"] = check_word(document, f"action of {what}", action.get("type"), actions)
    collection["action"] = action
    collection.setdefault("rules", [])
    for rule in collection["rules"]:
        rule_type = rule.get("ruleType")
        if rule_type not in rule_types:
            raise _invalid(document, f"{what} has a rule of type {rule_type}")
        _prepare_rule(document, rule, str(rule_type))
    if len({rule["ruleType"] for rule in collection["rules"]}) > 1:
        raise _invalid(document, f"{what} has both network and application rules")


def _prepare_rule(document: Document, rule: Document, rule_type: str) -> None:
    for name in _RULES[rule_type]:
        rule.setdefault(name, [])
    if rule_type == "ApplicationRule":
        rule.setdefault("terminateTLS", False)
    for names in _NEEDED[rule_type]:
        if not any(rule.get(name) for name in names):
            raise _invalid(document, f"rule '{rule.get('name', '')}' has none of {', '.join(names)}")


def _check_priority(document: Document, name: str, priority: object) -> None:
    if not isinstance(priority, int) or priority not in _PRIORITIES:
        raise _invalid(document, f"the priority {priority} of '{name}' is not between 100 and 65000")


def _invalid(document: Document, why: str) -> ArmError:
    return ArmError(
        400, "FirewallPolicyRuleCollectionGroupInvalid", f"Rule collection group {document['id']} is invalid: {why}."
    )


def _group_removable(context: Context, document: Document) -> None:
    _refuse_parallel(context, document)


def _group_links(document: Document) -> frozenset[Link]:
    return frozenset({Link(str(document["id"]).rsplit("/", 2)[0], "ruleCollectionGroups", str(document["id"]))})


_IN_USE = ("FirewallPolicyInUse", "Firewall Policy {id} is in use and cannot be deleted: {by}.")
KINDS = (
    Kind(
        _FIREWALL, _SHAPE, computed=_WRITTEN, patch="tags", create="async", update="async", delete="async",
        seconds=900, update_seconds=300, delete_seconds=300, etag=True, prepare=_prepare, links=_links,
    ),
    Kind(
        _POLICY, _POLICY_SHAPE, computed=_POLICY_WRITTEN, patch="tags", create="async", update="async", delete="async",
        seconds=30, etag=True, prepare=_prepare_policy, links=_policy_links, removable=_policy_removable,
        in_use={"firewalls": _IN_USE, "childPolicies": _IN_USE},
    ),
    Kind(
        _GROUP, _GROUP_SHAPE, computed=_GROUP_WRITTEN, tracked=False, create="async", update="async", delete="async",
        seconds=60, etag=True, prepare=_prepare_group, links=_group_links, removable=_group_removable,
    ),
)  # fmt: skip
