"""The JSON Schemas of what is signed and of the trust root, for programs that are not lockdown.

``python -m lockdown.evidence.schemas`` in a checkout writes them to reports/schemas/ after a change of the models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lockdown.evidence.custody import Handover
from lockdown.evidence.predicate import AUDIT_RUN, CUSTODY, EVIDENCE_BUNDLE, AuditRun, EvidenceBundle
from lockdown.evidence.trust import TrustRoot

TRUST_ROOT = "urn:coa-lockdown:trust-root:v1"
_MODELS: dict[str, tuple[str, type[BaseModel]]] = {
    "audit-run-v1.json": (AUDIT_RUN, AuditRun),
    "custody-v1.json": (CUSTODY, Handover),
    "evidence-bundle-v1.json": (EVIDENCE_BUNDLE, EvidenceBundle),
    "trust-root-v1.json": (TRUST_ROOT, TrustRoot),
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema by file name."""
    return {name: _schema(identifier, model) for name, (identifier, model) in _MODELS.items()}


def written(schema: dict[str, Any]) -> bytes:
    """Return the file for a schema."""
    return (json.dumps(schema, indent=2, sort_keys=True) + "\n").encode()


def _schema(identifier: str, model: type[BaseModel]) -> dict[str, Any]:
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "$id": identifier, **model.model_json_schema(by_alias=True)}


if __name__ == "__main__":
    for file_name, content in schemas().items():
        Path("reports/schemas", file_name).write_bytes(written(content))
