"""JSON without surprises: one strict loader for everything untrusted, one canonical writer.

The loader refuses what two parsers could read differently: duplicate keys, NaN and infinities, invalid UTF-8, a byte
order mark, lone surrogates, and nesting that is too deep.
"""

from __future__ import annotations

import json
import re
from typing import Any

from lockdown.errors import TamperedError

MAX_DEPTH = 32
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[{]|[\]}]")


def loads(data: bytes, *, name: str, max_bytes: int = 64 * 1024 * 1024, max_depth: int = MAX_DEPTH) -> Any:  # noqa: ANN401
    """Return the JSON value in ``data``.

    Raises:
        TamperedError: it is not JSON that every parser would read alike; the message names ``name``.
    """
    if len(data) > max_bytes:
        raise TamperedError(f"{name} is {len(data)} bytes long; at most {max_bytes} are accepted.")
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
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


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
