"""Drift as JSON: results/drift.json, described by reports/schemas/drift-v1.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from hashlib import sha256
from typing import Any

from lockdown.drift.items import Attribution, Drift
from lockdown.strict import canonical

SCHEMA = "urn:coa-lockdown:drift:v1"
_NAMES = {
    "who_type": "whoType",
    "correlation_id": "correlationId",
    "run_id": "runId",
    "evaluated_at": "evaluatedAt",
    "policy_set": "policySet",
}
_ID_LENGTH = 16


_KEYS = {
    "verdicts": ("verdict", "policy", "resource", "part", "before", "after"),
    "resources": ("resource", "kind", "table", "resource"),
    "properties": ("property", "table", "resource", "path", "before", "after"),
    "waivers": ("waiver", "kind", "policy", "resource", "part", "after"),
    "policies": ("policy", "kind", "policy", "before", "after"),
    "reverted": ("reverted", "kind", "resource", "path", "changed"),
}
"""By list, the word and the fields that the id of an item is made of."""
ITEMS = tuple(_KEYS)
"""The lists of what counts as drift."""


def to_json(drift: Drift) -> dict[str, object]:
    """Return the drift as plain JSON values, in a stable order and without floating-point numbers.

    Numbers with a fraction become their text. Every item has an ``id`` that is the same in every comparison that
    finds the same thing.
    """
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "baseline": _object(drift.baseline),
        "current": _object(drift.current),
        "empty": drift.is_empty,
        "complete": drift.complete,
        **{section: [_item(section, item) for item in getattr(drift, section)] for section in ITEMS},
        "notCompared": [_object(i) for i in drift.not_compared],
        "warnings": list(drift.warnings),
    }
    return {**found, "counts": counts(found)}


def counts(document: Mapping[str, Any]) -> dict[str, int]:
    """Return how many items of each kind the JSON of a drift holds."""
    ways = Counter(str(item["direction"]) for item in document["verdicts"])
    kinds = Counter(str(item["kind"]) for item in document["resources"])
    return {
        **{way: ways[way] for way in ("worse", "better", "changed", "appeared", "vanished")},
        **{kind: kinds[kind] for kind in ("added", "removed")},
        **{section: len(document[section]) for section in ("properties", "waivers", "policies", "reverted")},
        "notComparedResources": sum(item["resources"] for item in document["notCompared"]),
        "notComparedResults": sum(item["results"] for item in document["notCompared"]),
    }


def item_id(section: str, item: Mapping[str, object]) -> str:
    """Return the id of an item, given as JSON values, in one of the lists."""
    kind, *key = _KEYS[section]
    return sha256(canonical([kind, *(_folded(name, item[name]) for name in key)])).hexdigest()[:_ID_LENGTH]


def _item(section: str, item: object) -> dict[str, object]:
    found = _object(item)
    return {"id": item_id(section, found), **found}


def _folded(name: str, value: object) -> object:
    return value.lower() if name in {"resource", "part"} and isinstance(value, str) else value


def _object(value: object) -> dict[str, object]:
    return {_NAMES.get(f.name, f.name): _value(getattr(value, f.name)) for f in fields(value)}  # type: ignore[arg-type]


def _value(value: object) -> object:
    if isinstance(value, Attribution):
        return {name: content for name, content in _object(value).items() if content or name in {"who", "unknown"}}
    if isinstance(value, Mapping):
        return {str(name): _value(content) for name, content in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_value(content) for content in value]
    if isinstance(value, float | Decimal):
        return str(value)
    return str(value) if isinstance(value, str) else value
