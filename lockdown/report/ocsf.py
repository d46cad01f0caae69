"""OCSF 1.5 Compliance Finding (class 2003), one event on each line, for a security data lake or SIEM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lockdown.errors import TamperedError
from lockdown.model import Severity
from lockdown.report.export import Export, Row, line, milliseconds, paragraph, tally
from lockdown.report.streamed import item, lines, one_line

VERSION = "1.5.0"
_SEVERITY = {Severity.CRITICAL: 5, Severity.HIGH: 4, Severity.MEDIUM: 3, Severity.LOW: 2}
_INFORMATIONAL = 1
# Compliance status: pass, warning (no result, because information is missing), fail, and what OCSF has no word for.
_STATUS = {"pass": 1, "unknown": 2, "fail": 3, "waived": 3, "manual": 99, "notApplicable": 99, "notObserved": 99}
_NEW, _SUPPRESSED = 1, 3
_CAPTION = {1: "Pass", 2: "Warning", 3: "Fail"}
_QUIET = {"pass", "notApplicable", "notObserved"}

Json = dict[str, Any]


def render(export: Export) -> Iterator[str]:
    """Yield the text of the file, an event a line."""
    return (one_line(_event(export, row)) + "\n" for row in export.rows())


def counts(path: Path) -> dict[str, int]:
    """Return the number of results by status in a file that ``render`` made.

    Raises:
        TamperedError: it is not such a file.
    """
    found = tally()
    for text in lines(path):
        event = item(text, path)
        try:
            found[_status(event)] += 1
        except (KeyError, TypeError) as error:
            raise TamperedError(f"{path.name} has an event of another kind than lockdown writes.") from error
    return found


def _status(event: Any) -> str:  # noqa: ANN401 - JSON from a file
    if event["class_uid"] != 2003:  # noqa: PLR2004 - the class
        raise KeyError("class_uid")
    compliance = event["compliance"]
    match compliance["status_id"]:
        case 1:
            return "pass"
        case 2:
            return "unknown"
        case 3:
            return "waived" if event["status_id"] == _SUPPRESSED else "fail"
        case 99 if compliance["status"] in {"manual", "notApplicable", "notObserved"}:
            return str(compliance["status"])
    raise KeyError("status_id")


def _event(export: Export, row: Row) -> Json:
    policy, status = row.policy, _STATUS[row.status]
    severity = _INFORMATIONAL if row.status in _QUIET else _SEVERITY[row.severity]
    when = milliseconds(export.evaluated)
    caption = _CAPTION.get(status, row.status)
    event: Json = {
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2003,
        "class_name": "Compliance Finding",
        "type_uid": 200301,
        "type_name": "Compliance Finding: Create",
        "time": when,
        "severity_id": severity,
        "severity": row.severity.value.capitalize() if severity != _INFORMATIONAL else "Informational",
        "message": line(row.reason),
        "metadata": {
            "version": VERSION,
            "uid": export.uuid("result", *row.key),
            "correlation_uid": line(export.run_id),
            "product": {"name": line(export.tool), "vendor_name": "coa-lockdown", "version": line(export.version)},
            "profiles": ["cloud"],
            **({"tenant_uid": line(export.tenant)} if export.tenant else {}),
        },
        "finding_info": {
            "uid": row.fingerprint,
            "title": line(policy.title),
            "desc": paragraph(policy.rationale),
            "created_time": when,
            "types": [line(policy.theme)],
        },
        "compliance": {
            "status_id": status,
            "status": caption,
            "standards": list(dict.fromkeys(export.framework(c.framework) for c in policy.controls)),
            "requirements": list(dict.fromkeys(line(f"{c.framework} {c.id}") for c in policy.controls)),
            "control": line(policy.id),
            "checks": [
                {
                    "uid": line(policy.id),
                    "name": line(policy.title),
                    "severity_id": _SEVERITY[row.severity],
                    "severity": row.severity.value.capitalize(),
                    "status_id": status,
                    "status": caption,
                }
            ],
        },
        "remediation": {"desc": paragraph(policy.remediation)},
        "cloud": _cloud(export, row),
        "unmapped": {
            "status": row.status,
            "part": line(row.part),
            "expected": line(row.expected),
            "observed": line(row.observed),
            "command": row.command,
            "source": line(export.source),
        },
    }
    if row.resource:
        event["resources"] = [_resource(export, row)]
    if row.status in {"fail", "waived"}:
        event["status_id"], event["status"] = (_SUPPRESSED, "Suppressed") if row.waiver else (_NEW, "New")
    if row.waiver:
        event["unmapped"]["waiver"] = {
            "reason": line(row.waiver.reason),
            "owner": line(row.waiver.owner),
            "expires": row.waiver.expires,
        }
    return event


def _resource(export: Export, row: Row) -> Json:
    where = export.place(row)
    return {
        "uid": line(row.resource),
        "name": line(where.path),
        "type": line(where.type),
        **({"group": {"name": line(where.group)}} if where.group else {}),
        **({"cloud_partition": line(export.cloud)} if export.cloud else {}),
    }


def _cloud(export: Export, row: Row) -> Json:
    subscription = export.place(row).subscription
    cloud: Json = {"provider": "Azure"}
    if subscription:
        name = export.subscriptions.get(subscription.lower()) or subscription
        cloud["account"] = {
            "uid": line(subscription),
            "name": line(name),
            "type_id": 99,
            "type": "Azure subscription",
        }
    return cloud
