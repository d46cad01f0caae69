"""Facets: the rows of an answer, counted by a column.

Source: azure-rest-api-specs, FacetRequest and its example ResourcesFacetQuery: a wrong column makes a FacetError within
an answer that is otherwise good; a path such as ``properties.a.b`` means the column that it was projected to.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lockdown.sandbox.resource_graph.body import Facet
from lockdown.sandbox.resource_graph.errors import GraphError
from lockdown.sandbox.resource_graph.index import Index
from lockdown.sandbox.resource_graph.limits import Prepared, prepare
from lockdown.sandbox.resource_graph.render import data
from lockdown.snapshot.engine import Column

_COUNT = "facetCount"


def facet(
    asked: Facet, query: Prepared, columns: Sequence[Column], index: Index, now: datetime, *, table: bool
) -> dict[str, Any]:
    """Return the result of a facet."""
    names = [column.name for column in columns]
    wanted = {name.strip(): name.strip().replace(".", "_") for name in asked.expression.split(",")}
    wrong = [written for written, name in wanted.items() if name not in names]
    valid = [name for written, name in wanted.items() if name in names]
    errors = [{"code": "NoValidColumns", "message": "No valid columns in facet expression."}] if not valid else []
    if wrong:
        errors.append({"code": "InvalidColumnNames", "message": f"Invalid column names: [{', '.join(wrong)}]."})
    if errors:
        return {"expression": asked.expression, "resultType": "FacetError", "errors": errors}
    try:
        found = index.run(prepare(_query(asked, query, valid, columns)), now)
    except GraphError as refusal:
        return {"expression": asked.expression, "resultType": "FacetError", "errors": refusal.errors()}
    rows = found.rows[: asked.top]
    shown = tuple(Column("count" if c.name == _COUNT else c.name, c.type) for c in found.columns)
    return {
        "expression": asked.expression,
        "resultType": "FacetResult",
        "totalRecords": len(found.rows),
        "count": len(rows),
        "data": data(shown, rows, index, table=table),
    }


def _query(asked: Facet, query: Prepared, names: Sequence[str], columns: Sequence[Column]) -> str:
    dynamic = {column.name for column in columns if column.type == "object"}
    quoted = [f"['{name}']" for name in names]
    keys = ", ".join(
        f"{key} = tostring({key})" if name in dynamic else key for name, key in zip(names, quoted, strict=True)
    )
    order = "desc" if asked.descending else "asc"
    by = _COUNT if asked.sort_by in {"", "count"} else asked.sort_by
    return "\n".join(
        (
            query.text,
            *([f"| where {asked.filter}"] if asked.filter else []),
            f"| summarize {_COUNT} = count() by {keys}",
            f"| order by {by} {order}, {', '.join(f'{key} asc' for key in quoted)}",
        )
    )
