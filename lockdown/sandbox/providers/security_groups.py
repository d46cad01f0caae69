"""Microsoft.Network/networkSecurityGroups and the rules in them."""

from typing import Any

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, one_of
from lockdown.sandbox.providers.names import child_shape, children_by_name, complete_children, finish
from lockdown.sandbox.state import Document

_RULE_TYPE = "Microsoft.Network/networkSecurityGroups/securityRules"
RULE = dict.fromkeys(("protocol", "access", "direction"), str) | {"priority": int} | dict.fromkeys(
    (
        "description", "sourcePortRange", "destinationPortRange", "sourceAddressPrefix",
        "sourceAddressPrefixes", "sourceApplicationSecurityGroups", "destinationAddressPrefix",
        "destinationAddressPrefixes", "destinationApplicationSecurityGroups", "sourcePortRanges",
        "destinationPortRanges", "provisioningState",
    )
)  # fmt: skip
_COMPUTED = frozenset(
    {"defaultSecurityRules", "networkInterfaces", "subnets", "flowLogs", "resourceGuid", "provisioningState"}
)
GROUP = {"flushConnection": None, "securityRules": child_shape(RULE), **dict.fromkeys(_COMPUTED)}
_PRIORITIES = range(100, 4097)
_DEFAULTS = (
    ("AllowVnetInBound", "Inbound", "Allow", 65000, "VirtualNetwork", "VirtualNetwork"),
    ("AllowAzureLoadBalancerInBound", "Inbound", "Allow", 65001, "AzureLoadBalancer", "*"),
    ("DenyAllInBound", "Inbound", "Deny", 65500, "*", "*"),
    ("AllowVnetOutBound", "Outbound", "Allow", 65000, "VirtualNetwork", "VirtualNetwork"),
    ("AllowInternetOutBound", "Outbound", "Allow", 65001, "*", "Internet"),
    ("DenyAllOutBound", "Outbound", "Deny", 65500, "*", "*"),
)


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    del context
    properties = document["properties"]
    properties.setdefault("securityRules", list(children_by_name(previous, "securityRules").values()))
    taken: dict[tuple[str, Any], str] = {}
    for rule in complete_children(document, "securityRules", _RULE_TYPE):
        _check_rule(rule, taken)
    if previous is None:
        properties["defaultSecurityRules"] = [_default(str(document["id"]), *rule) for rule in _DEFAULTS]
    finish(document, previous)


def _check_rule(rule: Document, taken: dict[tuple[str, Any], str]) -> None:
    properties = rule["properties"]
    for name in ("protocol", "access", "direction", "priority"):
        if properties.get(name) in (None, ""):
            raise ArmError(
                400, "SecurityRuleInvalidParameter", f"Security rule {rule['name']} has no value for '{name}'.", name
            )
    one_of(rule, "access", ("Allow", "Deny"))
    one_of(rule, "direction", ("Inbound", "Outbound"))
    one_of(rule, "protocol", ("*", "Tcp", "Udp", "Icmp", "Esp", "Ah"))
    priority = properties["priority"]
    if not isinstance(priority, int) or priority not in _PRIORITIES:
        raise ArmError(
            400,
            "SecurityRuleInvalidPriority",
            f"Security rule {rule['name']} has invalid priority. Value provided: {priority}, allowed range: 100-4096.",
        )
    key = (properties["direction"], priority)
    if key in taken:
        raise ArmError(
            400,
            "SecurityRuleConflict",
            f"Security rule {rule['name']} conflicts with rule {taken[key]}. Rules cannot have the same Priority and "
            "Direction.",
        )
    taken[key] = str(rule["name"])


def _default(group: str, name: str, direction: str, access: str, priority: int, source: str, to: str) -> Document:
    return {
        "id": f"{group}/defaultSecurityRules/{name}",
        "name": name,
        "type": "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
        "properties": {
            "provisioningState": "Succeeded",
            "protocol": "*",
            "sourcePortRange": "*",
            "destinationPortRange": "*",
            "sourceAddressPrefix": source,
            "destinationAddressPrefix": to,
            "access": access,
            "priority": priority,
            "direction": direction,
        },
    }


_TAKEN = (
    "InUseNetworkSecurityGroupCannotBeDeleted",
    "Network security group {id} cannot be deleted because it is in use by the following resources: {by}.",
)
KINDS = (
    Kind(
        "Microsoft.Network/networkSecurityGroups", GROUP, computed=_COMPUTED, patch="tags",
        create="async", update="async", delete="async", etag=True, prepare=_prepare,
        in_use={"networkInterfaces": _TAKEN, "subnets": _TAKEN},
    ),
    Kind(
        _RULE_TYPE, RULE, computed=frozenset({"provisioningState"}), inline="securityRules", tracked=False,
        create="async", update="async", delete="async", etag=True,
    ),
)  # fmt: skip
