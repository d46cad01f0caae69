"""JSON without surprises: one strict loader for everything untrusted, one canonical writer.

The loader refuses what two parsers could read differently: duplicate keys, NaN and infinities, invalid UTF-8, a byte
order mark, lone surrogates, and nesting that is too deep.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import orjson

from lockdown.errors import TamperedError

MAX_DEPTH = 32
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_TEXT, _SCALARS, _NESTED = frozenset({str}), frozenset({str, int, bool, type(None)}), frozenset({dict, list})
_BRACKETS = re.compile(rb"[\[{]|[\]}]")


def loads(data: bytes, *, name: str, max_bytes: int = 64 * 1024 * 1024, max_depth: int = MAX_DEPTH) -> Any:  # noqa: ANN401
    """Return the JSON value in ``data``.

    Raises:
        TamperedError: it is not JSON that every parser would read alike; the message names ``name``.
    """
    if len(data) > max_bytes:
        raise TamperedError(f"{name} is {len(data)} bytes long; at most {max_bytes} are accepted.")
    found = certain(data.removesuffix(b"\n"), max_depth)
    if found is not None:
        return found
    if _depth(data) > max_depth:
        raise TamperedError(f"{name} is nested deeper than {max_depth} levels.")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise TamperedError(f"{name} is not strict JSON: {error}.") from error
    return value


def canonical(value: object) -> bytes:
    """Return the one serialisation that lockdown signs and compares: sorted keys, no white space, UTF-8."""
    if type(value) in _NESTED and _alike(value, MAX_DEPTH, any_keys=True):
        with suppress(TypeError):  # half of a surrogate pair, which the other writer tells of
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def certain(data: bytes, max_depth: int = MAX_DEPTH) -> Any | None:  # noqa: ANN401
    """Return the object or array in ``data`` if it certainly is in canonical form; None if others must tell.

    A fast parser may be asked about texts, whole numbers and what holds these: what it writes of them is canonical, so
    that equal bytes leave no room for a key that is given twice, or for anything else that two parsers read
    differently. Fractions they write differently.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if type(value) not in _NESTED or not _alike(value, max_depth):
        return None
    return value if orjson.dumps(value, option=orjson.OPT_SORT_KEYS) == data else None


def _alike(value: Any, depth: int, *, any_keys: bool = False) -> bool:  # noqa: ANN401
    """Tell whether every parser reads, and every writer writes, an object or array alike."""
    items = value.values() if type(value) is dict else value
    if any_keys and type(value) is dict and not set(map(type, value)) <= _TEXT:
        return False
    for kind in set(map(type, items)) - _SCALARS:
        if kind not in _NESTED or depth == 1:
            return False
        if not all(_alike(item, depth - 1, any_keys=any_keys) for item in items if type(item) is kind):
            return False
    return True


def _depth(data: bytes) -> int:
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRING.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is given twice")
        found[key] = value
    return found


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
