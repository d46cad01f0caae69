"""The form that Resource Graph gives to an ARM document, whatever the provider wrote.

Source: recorded pairs of ARM and Resource Graph answers for the same resource: lower-case type, resource group and
location; ids whose resource group was lower-cased on the way; timestamps cut to milliseconds and padded to seven
digits; '' for a kind or manager that is not there, null for sku, plan, identity and zones; nulls inside properties
kept.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from lockdown.sandbox.resource_id import group_of
from lockdown.sandbox.state import subscription_of

Row = dict[str, Any]

_RENAMED = {"microsoft.resources/resourcegroups": "microsoft.resources/subscriptions/resourcegroups"}
_TIMESTAMP = re.compile(rb'(?<=[^\\]")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.)(\d{1,9})Z(?="(?!:))')
_GROUP = re.compile(r"(?i)^(/subscriptions/[^/]+/resourcegroups/)([^/]+)")


def row(document: Mapping[str, Any], tenant: str) -> Row:
    """Return the row of a document, with every column of a table."""
    resource_id = str(document["id"])
    kind = str(document.get("type", "")).lower()
    return {
        "id": cased(resource_id),
        "name": str(document.get("name") or resource_id.rpartition("/")[2]),
        "type": _RENAMED.get(kind, kind),
        "tenantId": tenant,
        "kind": document.get("kind") or "",
        "location": str(document.get("location") or "").replace(" ", "").lower(),
        "resourceGroup": group_of(resource_id).lower(),
        "subscriptionId": subscription_of(resource_id).lower(),
        "managedBy": document.get("managedBy") or "",
        "sku": document.get("sku"),
        "plan": document.get("plan"),
        "properties": value(document.get("properties")),
        "tags": document.get("tags"),
        "identity": document.get("identity"),
        "zones": document.get("zones"),
        "extendedLocation": document.get("extendedLocation"),
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
    """Return a JSON value with its timestamps in Resource Graph's form."""
    text = orjson.dumps(found)
    cut = _TIMESTAMP.sub(_milliseconds, text)
    return found if cut == text else orjson.loads(cut)


def without_nulls(found: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value without the keys whose value is null, which is how the engine holds it."""
    if isinstance(found, dict):
        return {key: without_nulls(item) for key, item in found.items() if item is not None}
    if isinstance(found, list):
        return [without_nulls(item) for item in found]
    return found


def _milliseconds(found: re.Match[bytes]) -> bytes:
    return found[1] + found[2][:3].ljust(3, b"0") + b"0000Z"
