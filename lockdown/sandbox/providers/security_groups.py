"""Microsoft.Network/networkSecurityGroups and the rules in them."""

import re
from typing import Any

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.default_rules import DEFAULT_RULES
from lockdown.sandbox.kind import Context, Kind, one_of
from lockdown.sandbox.providers.names import children_by_name, complete_children, described, finish, network
from lockdown.sandbox.state import Document

_RULE_TYPE = "Microsoft.Network/networkSecurityGroups/securityRules"
RULE, _RULE_COMPUTED = described("SecurityRulePropertiesFormat")
GROUP, _COMPUTED = described("NetworkSecurityGroupPropertiesFormat")
_PRIORITIES = range(100, 4097)
_LISTS = ("sourcePortRanges", "destinationPortRanges", "sourceAddressPrefixes", "destinationAddressPrefixes")
_ENDS = (
    ("sourcePortRange", "sourcePortRanges", ""),
    ("destinationPortRange", "destinationPortRanges", ""),
    ("sourceAddressPrefix", "sourceAddressPrefixes", "sourceApplicationSecurityGroups"),
    ("destinationAddressPrefix", "destinationAddressPrefixes", "destinationApplicationSecurityGroups"),
)
_TAG = re.compile(r"\*|[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)*")
_MOST = 65535


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    del context
    properties = document["properties"]
    properties.setdefault("securityRules", list(children_by_name(previous, "securityRules").values()))
    taken: dict[tuple[str, Any], str] = {}
    for rule in complete_children(document, "securityRules", _RULE_TYPE):
        _check_rule(rule, taken)
    if previous is None:
        properties["defaultSecurityRules"] = [_default(str(document["id"]), *rule) for rule in DEFAULT_RULES]
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
    for name in _LISTS:
        properties.setdefault(name, [])
    for one, several, groups in _ENDS:
        _check_end(rule, one, several, groups)
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


def _check_end(rule: Document, one: str, several: str, groups: str) -> None:
    properties = rule["properties"]
    given = [properties[one]] if properties.get(one) else []
    given += properties[several]
    if not given and not (groups and properties.get(groups)):
        raise ArmError(
            400, "SecurityRuleInvalidParameter", f"Security rule {rule['name']} has no value for '{one}'.", one
        )
    for text in map(str, given):
        if "Port" in one and not _is_ports(text):
            raise ArmError(
                400,
                "SecurityRuleInvalidPortRange",
                f"Security rule {rule['name']} has invalid Port range. Value provided: {text}. Value should be an "
                "integer OR integer range with '-' delimiter. Valid range 0-65535.",
            )
        if "Address" in one and not _TAG.fullmatch(text):
            network(text, "SecurityRuleInvalidAddressPrefix")


def _is_ports(text: str) -> bool:
    low, dash, high = text.partition("-")
    ends = [low, high] if dash else [low]
    if text == "*":
        return True
    return all(end.isdecimal() and int(end) <= _MOST for end in ends) and int(low) <= int(ends[-1])


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
            **{name: [] for name in _LISTS},
        },
    }


_TAKEN = (
    "InUseNetworkSecurityGroupCannotBeDeleted",
    "Network security group {id} cannot be deleted because it is in use by the following resources: {by}.",
)
KINDS = (
    Kind(
        "Microsoft.Network/networkSecurityGroups", GROUP, computed=_COMPUTED, patch="tags",
        create="async", update="async", delete="async", seconds=10, etag=True, prepare=_prepare,
        in_use={"networkInterfaces": _TAKEN, "subnets": _TAKEN},
    ),
    Kind(
        _RULE_TYPE, RULE, computed=_RULE_COMPUTED, inline="securityRules", tracked=False,
        create="async", update="async", delete="async", seconds=10, etag=True,
    ),
)  # fmt: skip
