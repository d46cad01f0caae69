"""What network security groups let in from the Internet.

Only what is certain closes: a rule that denies counts where it covers the one that allows altogether.
Source: Microsoft Learn, "Network security groups": order, service tags, and what is denied when no rule matches.
"""

import ipaddress
from collections.abc import Iterable

from lockdown.sandbox.openings.rule import at, listed, properties, word
from lockdown.sandbox.state import Document

_EVERYWHERE = frozenset({"*", "internet", "0.0.0.0/0", "::/0", "any"})
_OTHERS_IN_AZURE = "azurecloud"


def lets_the_internet_in(guards: Iterable[Document]) -> bool:
    """Tell whether every group on the way (the subnet's, the interface's) allows something from the Internet.

    Where there is none on the way, nothing is allowed: a Standard address is closed until a group opens it.
    """
    found = [_allows(guard) for guard in guards]
    return bool(found) and all(found)


def _allows(guard: Document) -> bool:
    rules = [properties(rule) for rule in listed(at(guard, "properties.securityRules"))]
    inbound = [rule for rule in rules if word(rule, "direction", "inbound") == "inbound"]
    inbound.sort(key=lambda rule: int(at(rule, "priority") or 0))
    denied: list[Document] = []
    for rule in inbound:
        if word(rule, "access", "allow") == "deny":
            denied.append(rule)
        elif any(map(_is_public, _all(rule, "sourceAddressPrefix"))) and not any(_covers(no, rule) for no in denied):
            return True
    return False


def _covers(deny: Document, allow: Document) -> bool:
    return (
        bool(_EVERYWHERE.intersection(_all(deny, "sourceAddressPrefix")))
        and word(deny, "protocol", "*") in ("*", word(allow, "protocol", "*"))
        and all(
            "*" in denied or (wanted and wanted <= denied)
            for denied, wanted in (
                (_all(deny, name), _all(allow, name))
                for name in ("destinationPortRange", "destinationAddressPrefix", "sourcePortRange")
            )
        )
    )


def _all(rule: Document, name: str) -> frozenset[str]:
    """Return the values of a field that a rule has in the singular, in the plural or both."""
    many = at(rule, f"{name}es" if name.endswith("x") else f"{name}s")
    values = [at(rule, name), *(many if isinstance(many, list) else ())]
    return frozenset(str(value).lower() for value in values if value not in (None, ""))


def _is_public(source: str) -> bool:
    if source in _EVERYWHERE or source.partition(".")[0] == _OTHERS_IN_AZURE:
        return True
    try:
        network = ipaddress.ip_network(source, strict=False)
    except ValueError:
        return False
    # Not is_private: that holds of 203.0.113.0/24 and its like, which stand for the Internet in examples.
    return not any(network.version == own.version and network.subnet_of(own) for own in _OWN)  # type: ignore[arg-type]


_OWN = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7")
)
