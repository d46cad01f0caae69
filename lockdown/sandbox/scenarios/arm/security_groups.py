"""Network security groups: the rules that somebody wrote, and those that every group ends with."""

from collections.abc import Sequence

from lockdown.sandbox.default_rules import DEFAULT_RULES
from lockdown.sandbox.scenarios.arm.envelope import Group, part, resource
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document


def security_group(group: Group, name: str, rules: Sequence[Document]) -> Document:
    """Return a network security group; ``rules`` come from ``security_rule``."""
    resource_id = group.resource("Microsoft.Network/networkSecurityGroups", name)
    return resource(
        resource_id,
        {
            "provisioningState": "Succeeded",
            "resourceGuid": guid(resource_id),
            "securityRules": [part(resource_id, "securityRules", rule["name"], rule["properties"]) for rule in rules],
            "defaultSecurityRules": [
                part(resource_id, "defaultSecurityRules", rule["name"], rule["properties"]) for rule in _DEFAULTS
            ],
        },
        location=group.location,
    )


def security_rule(
    name: str, priority: int, direction: str, access: str, *, port: str = "*", protocol: str = "*", **ends: str
) -> Document:
    """Return a rule for ``security_group``. ``ends`` may give ``source`` and ``destination`` prefixes; default any."""
    return {
        "name": name,
        "properties": {
            "protocol": protocol,
            "sourcePortRange": "*",
            "destinationPortRange": port,
            "sourceAddressPrefix": ends.get("source", "*"),
            "destinationAddressPrefix": ends.get("destination", "*"),
            "access": access,
            "priority": priority,
            "direction": direction,
            "sourcePortRanges": [],
            "destinationPortRanges": [],
            "sourceAddressPrefixes": [],
            "destinationAddressPrefixes": [],
        },
    }


_DEFAULTS = tuple(
    security_rule(name, priority, direction, access, source=source, destination=destination)
    for name, direction, access, priority, source, destination in DEFAULT_RULES
)
