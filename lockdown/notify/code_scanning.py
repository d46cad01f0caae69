"""SARIF as GitHub's code scanning takes it: what fails and is not waived, each in a file of the repository.

That service refuses a whole file if one result has no place in a file, shows everything that it is given as an alert,
and tells alerts apart by ``primaryLocationLineHash``. So each failure is put at the beginning of lockdown.yaml, with
the fingerprint of the result, which is the same every night: an alert is opened once and closes when it is mended.
"""

from __future__ import annotations

from typing import Any

from lockdown.report import export, sarif
from lockdown.report.export import Export, Row, line

MOST = 5_000
"""As many as the service shows."""
FILE = "lockdown.yaml"
_LEVEL = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
_SCORE = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}

Json = dict[str, Any]


def document(found: Export) -> tuple[Json, int]:
    """Return the document, and how many failures were left out because the service would not show them."""
    failing = sorted(
        (row for row in found.rows() if row.status == "fail"), key=lambda row: (row.severity.rank, row.key)
    )
    shown = failing[:MOST]
    policies = {row.policy.id: row.policy for row in shown}
    driver = {
        "name": line(found.tool),
        "version": line(found.version),
        "rules": [
            {
                "id": line(policy.id),
                "shortDescription": sarif.message(policy.title),
                "fullDescription": sarif.message(policy.rationale or policy.title),
                "help": sarif.message(" ".join(filter(None, (policy.remediation, policy.command))) or policy.title),
                "properties": {"tags": ["security"], "security-severity": _SCORE[policy.severity.value]},
            }
            for policy in policies.values()
        ],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "lockdown/"},
        "results": [_result(row) for row in shown],
    }
    return {"$schema": sarif.SCHEMA, "version": "2.1.0", "runs": [run]}, len(failing) - len(shown)


def _result(row: Row) -> Json:
    resource = row.resource + (f"#{row.part}" if row.part else "")
    return {
        "ruleId": line(row.policy.id),
        "kind": "fail",
        "level": _LEVEL[row.severity.value],
        "message": sarif.message(f"{export.line(row.reason)} {resource}"),
        "partialFingerprints": {"primaryLocationLineHash": f"{row.fingerprint[:32]}:1"},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": FILE}, "region": {"startLine": 1}}},
        ],
    }
