"""Rows as JSON, in both result formats.

Source: azure-rest-api-specs, QueryResponse and Table; recorded answers for the types of columns.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from lockdown.sandbox.resource_graph.index import Index
from lockdown.snapshot.engine import Column
from lockdown.snapshot.tables import DYNAMIC


def data(columns: Sequence[Column], rows: Iterable[Sequence[Any]], index: Index, *, table: bool) -> object:
    """Return the ``data`` of an answer, ready for orjson."""
    names = [column.name for column in columns]
    objects = [at for at, column in enumerate(columns) if column.type == "object"]
    others = [at for at, column in enumerate(columns) if column.type in {"datetime", "number"}]
    with_id = names.index("id") if "id" in names else -1
    shown = (_shown(row, names, objects, others, with_id, index) for row in rows)
    if table:
        return {"columns": [{"name": c.name, "type": c.type} for c in columns], "rows": list(shown)}
    return [dict(zip(names, row, strict=True)) for row in shown]


def _shown(
    row: Sequence[Any], names: Sequence[str], objects: Sequence[int], others: Sequence[int], with_id: int, index: Index
) -> list[Any]:
    values = list(row)
    for at in objects:
        found = values[at]
        if isinstance(found, str):
            if with_id >= 0 and names[at] in DYNAMIC:
                found = index.shown(row[with_id], names[at], found)
            values[at] = orjson.Fragment(found)
        elif found is not None:
            values[at] = _scalar(found)
    for at in others:
        values[at] = _scalar(values[at])
    return values


def _scalar(found: Any) -> Any:  # noqa: ANN401 - any value of the engine
    if isinstance(found, list):
        return [_scalar(item) for item in found]
    if isinstance(found, datetime):
        fraction = f".{found.microsecond:06}0" if found.microsecond else ""
        return f"{found:%Y-%m-%dT%H:%M:%S}{fraction}Z"
    if isinstance(found, timedelta):
        return _timespan(found)
    if isinstance(found, Decimal):
        return float(found)
    if isinstance(found, float) and not math.isfinite(found):
        return "NaN" if math.isnan(found) else "Infinity" if found > 0 else "-Infinity"
    return found if isinstance(found, dict | str | int | float | bool | None) else str(found)


def _timespan(found: timedelta) -> str:
    sign = "-" if found < timedelta() else ""
    found = abs(found)
    minutes, seconds = divmod(found.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{found.days}." if found.days else ""
    fraction = f".{found.microseconds:06}0" if found.microseconds else ""
    return f"{sign}{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}"
