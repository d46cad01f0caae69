"""Rows of the change tables, written from what happened to the state.

Source: Microsoft Learn, "Get resource changes": the keys, the text form of values (``"null"`` for none), the
application id or the e-mail address in ``changedBy``, fourteen days of history.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from lockdown.sandbox.resource_graph.normal import Row, encoded, row, value
from lockdown.sandbox.resource_graph.tables import CHANGES_OF, table_of
from lockdown.sandbox.state import Change

RETENTION = timedelta(days=14)

_COMPARED = ("kind", "location", "managedBy", "sku", "plan", "properties", "tags", "identity", "zones")
_NAMESPACE = UUID("5d4f6a0e-5ad5-5c0c-9a53-2f6f0b1a7d41")
_TICKS_END = 9_999_999_999_999


def change_row(change: Change, tenant: str) -> tuple[str, Row] | None:
    """Return the table and the row of a change, or None when Resource Graph does not have it."""
    document = change.after or change.before or {}
    table = CHANGES_OF.get(table_of(document))
    if table is None:
        return None
    differences = {}
    if change.before is not None and change.after is not None:
        differences = dict(_differences(change.before, change.after))
        if not differences:
            return None
    target = row(document, tenant)
    name = _name(change)
    found = row({"id": f"{change.resource_id}/providers/Microsoft.Resources/changes/{name}", "name": name}, tenant)
    return table, found | {
        "id": f"{target['id']}/providers/Microsoft.Resources/changes/{name}",
        "type": "microsoft.resources/changes",
        "properties": {
            "targetResourceId": target["id"],
            "targetResourceType": target["type"],
            "changeType": change.kind,
            "changeAttributes": _attributes(change, len(differences)),
            "changes": differences,
        },
    }


def _attributes(change: Change, count: int) -> dict[str, Any]:
    person = change.principal.kind == "User"
    return {
        "previousResourceSnapshotId": _snapshot(change, change.before),
        "newResourceSnapshotId": _snapshot(change, change.after),
        "correlationId": change.correlation_id,
        "changedBy": change.principal.name if person else change.principal.client_id,
        "changedByType": "User" if person else "Application",
        "clientType": change.client,
        "operation": change.operation.lower(),
        "changesCount": count,
        "timestamp": change.time.astimezone(UTC).isoformat(timespec="milliseconds"),
    }


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    for key in _COMPARED:
        yield from _below(key, value(before.get(key)), value(after.get(key)))


def _below(path: str, before: object, after: object) -> Iterator[tuple[str, dict[str, str]]]:
    if before == after and type(before) is type(after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from _below(f"{path}.{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            pair = [items[index] if index < len(items) else None for items in (before, after)]
            yield from _below(f"{path}[{index}]", *pair)
    else:
        kind = "Insert" if before is None else "Remove" if after is None else "Update"
        category = "System" if path == "properties.provisioningState" else "User"
        yield (
            path,
            {
                "previousValue": _text(before),
                "newValue": _text(after),
                "changeCategory": category,
                "propertyChangeType": kind,
            },
        )


def _text(found: object) -> str:
    return found if isinstance(found, str) else encoded(found).decode()


def _name(change: Change) -> str:
    seconds = int(change.time.timestamp())
    return f"{_inverted(change.time)}_{_identity(change, change.operation)}_{seconds}"


def _snapshot(change: Change, document: Mapping[str, Any] | None) -> str | None:
    if document is None:
        return None
    content = encoded(document).decode()
    return f"{_inverted(change.time)}_{_identity(change, content)}"


def _identity(change: Change, more: str) -> UUID:
    words = (change.resource_id.lower(), change.time.isoformat(), change.correlation_id, change.kind, more)
    return uuid5(_NAMESPACE, "\n".join(words))


def _inverted(time: datetime) -> str:
    return f"{_TICKS_END - int(time.timestamp() * 1_000_000) % _TICKS_END:020}"
