"""The form that Resource Graph gives to an ARM document, whatever the provider wrote.

Source: recorded pairs of ARM and Resource Graph answers for the same resource: lower-case type, resource group and
location; ids whose resource group was lower-cased on the way; timestamps cut to milliseconds and padded to seven
digits; '' for a kind or manager that is not there, null for sku, plan, identity and zones; nulls inside properties
kept.
"""

import json
import math
import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from lockdown.sandbox.resource_id import group_of
from lockdown.sandbox.state import subscription_of

Row = dict[str, Any]

_TOO_LARGE = 2**63
_INFINITE = 10**308
_RENAMED = {"microsoft.resources/resourcegroups": "microsoft.resources/subscriptions/resourcegroups"}
_TIMESTAMP = re.compile(rb'(?<=[^\\]")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.)(\d{1,9})Z(?="(?!:))')
_GROUP = re.compile(r"(?i)^(/subscriptions/[^/]+/resourcegroups/)([^/]+)")


def row(document: Mapping[str, Any], tenant: str) -> Row:
    """Return the row of a document, with every column of a table."""
    resource_id = str(document["id"])
    kind = str(document.get("type", "")).lower()
    return {
        "id": cased(resource_id),
        "name": _whole(document.get("name") or resource_id.rpartition("/")[2]),
        "type": _RENAMED.get(kind, kind),
        "tenantId": tenant,
        "kind": _whole(document.get("kind") or ""),
        "location": _whole(document.get("location") or "").replace(" ", "").lower(),
        "resourceGroup": group_of(resource_id).lower(),
        "subscriptionId": subscription_of(resource_id).lower(),
        "managedBy": _whole(document.get("managedBy") or ""),
        "sku": value(document.get("sku")),
        "plan": value(document.get("plan")),
        "properties": value(document.get("properties")),
        "tags": value(document.get("tags")),
        "identity": value(document.get("identity")),
        "zones": value(document.get("zones")),
        "extendedLocation": value(document.get("extendedLocation")),
        "apiVersion": str(document.get("_apiVersion") or ""),
    }


def cased(resource_id: str) -> str:
    """Return the id as Resource Graph writes it: for one half of all ids the resource group is lower-cased.

    Which half follows from the id alone, so that it stays the same; nobody can rely on either casing.
    """
    if blake2b(resource_id.lower().encode(), digest_size=1).digest()[0] % 2:
        return resource_id
    return _GROUP.sub(lambda found: found[1] + found[2].lower(), resource_id)


def value(found: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value with its timestamps in Resource Graph's form, and free of what JSON cannot hold."""
    return None if found is None else orjson.loads(_TIMESTAMP.sub(_milliseconds, encoded(found)))


def encoded(found: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return a value as JSON: half a surrogate pair is replaced, a number too large for an integer is a float."""
    try:
        return orjson.dumps(found)
    except TypeError:
        return json.dumps(_clean(found)).encode()


def without_nulls(found: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value without the keys whose value is null, which is how the engine holds it."""
    if isinstance(found, dict):
        return {key: without_nulls(item) for key, item in found.items() if item is not None}
    if isinstance(found, list):
        return [without_nulls(item) for item in found]
    return found


def _clean(found: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(found, dict):
        return {_whole(key): _clean(item) for key, item in found.items()}
    if isinstance(found, list):
        return [_clean(item) for item in found]
    if isinstance(found, str):
        return _whole(found)
    if isinstance(found, int) and abs(found) >= _TOO_LARGE:
        return float(found) if found < _INFINITE else None
    return None if isinstance(found, float) and not math.isfinite(found) else found


def _whole(text: object) -> str:
    return str(text).encode("utf-8", "replace").decode()


def _milliseconds(found: re.Match[bytes]) -> bytes:
    return found[1] + found[2][:3].ljust(3, b"0") + b"0000Z"
