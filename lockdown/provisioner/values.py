"""When two values of ARM JSON are the same to Azure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

_WORD = re.compile(r"[\w.\-/ ]*")
_KEYS = ("name", "id", "category", "categoryGroup", "service", "value")
"""What tells the items of an array apart, the first that all have."""


def is_empty(value: Any) -> bool:  # noqa: ANN401 - JSON
    """Tell whether a value says nothing: null, an empty array or object, and objects of such."""
    if isinstance(value, Mapping):
        return all(is_empty(item) for item in value.values())
    return value is None or (isinstance(value, list | tuple) and not value)


def same_scalar(one: Any, other: Any, *, exact: bool = False) -> bool:  # noqa: ANN401 - JSON
    """Tell whether two scalars are the same: words (ids, enumerations, regions) in any casing, other texts exactly.

    An address and its /32 are the same, and so are a URL with and without a slash at its end.
    """
    if isinstance(one, str) and isinstance(other, str):
        if one == other:
            return True
        return not exact and _canonical(one) == _canonical(other)
    if isinstance(one, bool) or isinstance(other, bool) or not isinstance(one, int | float):
        return type(one) is type(other) and bool(one == other)
    return isinstance(other, int | float) and one == other


def identity_of(wanted: Sequence[Any], found: Sequence[Any]) -> str:
    """Return the property by which the items of two arrays are told apart, or ''."""
    items = [*wanted, *found]
    if not wanted or not all(isinstance(item, Mapping) for item in items):
        return ""
    for key in _KEYS:
        for part in (wanted, found):
            names = [item.get(key) for item in part]
            if not all(isinstance(name, str) for name in names) or len({str(n).lower() for n in names}) < len(names):
                break
        else:
            return key
    return ""


def paired(wanted: Sequence[Any], found: Sequence[Any], matches: Callable[[Any, Any], bool]) -> dict[int, int]:
    """Match as many wanted items as possible with a found item each; return the indices."""
    options = [[at for at, other in enumerate(found) if matches(item, other)] for item in wanted]
    taken: dict[int, int] = {}

    def place(item: int, tried: set[int]) -> bool:
        for at in options[item]:
            if at not in tried:
                tried.add(at)
                if at not in taken or place(taken[at], tried):
                    taken[at] = item
                    return True
        return False

    for item in range(len(wanted)):
        place(item, set())
    return {item: at for at, item in taken.items()}


def _canonical(text: str) -> str:
    lowered = text.lower()
    if lowered.startswith("https://"):
        host, slash, path = text[8:].partition("/")
        return f"https://{host.lower()}{slash}{path}".rstrip("/")
    if ("." in lowered or ":" in lowered) and lowered[:1] in "0123456789abcdef:":
        try:
            return str(ip_network(lowered, strict=False))
        except ValueError:
            pass
    return lowered if _WORD.fullmatch(text) else text
