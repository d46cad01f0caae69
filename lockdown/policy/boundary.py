"""What belongs to the environment, written into a query.

A query says ``boundary.subscriptions``; before it runs, that token becomes ``dynamic(["...", ...])``. Values come from
lockdown.yaml and from Azure, so each is validated as what it must be before the one function below quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_network

from lockdown.config import resource_id, subscription_id
from lockdown.errors import UsageError
from lockdown.model import Boundary
from lockdown.snapshot.kql import Token, line_of, tokens

NAMES = frozenset({"subscriptions", "virtualNetworks", "egressAddresses"})
_PLAIN = re.compile(r"[a-z0-9_().@ :/-]+")


def bind(query: str, boundary: Boundary) -> str:
    """Return ``query`` with each ``boundary.<name>`` outside strings and comments replaced by a list of its values.

    Names: ``subscriptions`` (GUIDs), ``virtualNetworks`` (resource ids), ``egressAddresses`` (CIDR ranges); values are
    written in lower case. Lines keep their numbers.

    Raises:
        UsageError: an unknown name, or a value that is not what its name says.
    """
    out: list[str] = []
    found = tokens(query)
    position = 0
    while position < len(found):
        token = found[position]
        if _opens(found, position):
            if position + 2 >= len(found) or found[position + 2].kind != "word":
                raise UsageError(f"line {line_of(query, token.start)}: boundary. must be followed by a name.")
            out.append(_literal(query, found[position + 2], boundary))
            position += 3
        else:
            out.append(token.text)
            position += 1
    return "".join(out)


def names(query: str) -> frozenset[str]:
    """Return the boundary names that ``query`` uses."""
    found = tokens(query)
    following = (found[i + 2].text for i in range(len(found) - 2) if _opens(found, i))
    return frozenset(following)


def _opens(found: Sequence[Token], position: int) -> bool:
    token = found[position]
    is_root = position == 0 or found[position - 1].text != "."
    followed = position + 1 < len(found) and found[position + 1].text == "."
    return token.kind == "word" and token.text == "boundary" and is_root and followed


def _literal(query: str, name: Token, boundary: Boundary) -> str:
    values: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
        "subscriptions": (boundary.subscriptions, subscription_id),
        "virtualNetworks": (boundary.virtual_networks, resource_id),
        "egressAddresses": (boundary.egress_addresses, _cidr),
    }
    if name.text not in values:
        raise UsageError(
            f"line {line_of(query, name.start)}: boundary.{name.text} does not exist; known: {', '.join(values)}."
        )
    given, validated = values[name.text]
    try:
        return "dynamic([" + ", ".join(_quoted(validated(value)) for value in given) + "])"
    except ValueError as error:
        raise UsageError(f"The boundary's {name.text}: {error}.") from error


def _quoted(value: str) -> str:
    if not _PLAIN.fullmatch(value):
        raise ValueError(f"{value!r} has characters that no id or address range has")
    return f'"{value}"'


def _cidr(value: str) -> str:
    return str(ip_network(value, strict=False))
