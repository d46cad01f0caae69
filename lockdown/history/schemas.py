"""The JSON Schemas of the history, for programs that are not lockdown.

``python -m lockdown.history.schemas`` in a checkout writes them to reports/schemas/ after a change of the models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lockdown.evidence.predicate import ACCEPTANCE, HISTORY_RECORD
from lockdown.evidence.schemas import written
from lockdown.history.acceptance import Acceptance
from lockdown.history.records import ANY, Origin

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_STORE = "urn:coa-lockdown:history-store:v1"


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema by file name."""
    record = {"$schema": _DIALECT, "$id": HISTORY_RECORD, **ANY.json_schema(by_alias=True)}
    store = {"$schema": _DIALECT, "$id": _STORE, **Origin.model_json_schema(by_alias=True)}
    accepted = {"$schema": _DIALECT, "$id": ACCEPTANCE, **Acceptance.model_json_schema(by_alias=True)}
    return {
        "drift-acceptance-v1.json": accepted,
        "history-record-v1.json": record,
        "history-store-v1.json": store,
    }


if __name__ == "__main__":
    for file_name, content in schemas().items():
        Path("reports/schemas", file_name).write_bytes(written(content))
