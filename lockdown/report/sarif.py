"""SARIF 2.1.0: a rule for each policy, a result for each verdict, a suppression for each waiver.

A cloud resource is no file: results have logical locations (the resource and the part of it), no physical ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lockdown.errors import TamperedError
from lockdown.model import Severity
from lockdown.report import streamed, words
from lockdown.report.export import Export, Row, Told, line, moment, paragraph, tally
from lockdown.report.streamed import Stream

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_KIND = {
    "pass": "pass",
    "fail": "fail",
    "waived": "fail",
    "unknown": "open",
    "manual": "review",
    "notApplicable": "notApplicable",
    "notObserved": "informational",
}
_STATUS = {kind: status for status, kind in _KIND.items() if status != "waived"}
_LEVEL = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
# The scale by which code scanning services sort security results.
_SCORE = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.0"}

Json = dict[str, Any]


def render(export: Export) -> Iterator[str]:
    """Yield the text of the file."""
    taxonomies = _taxonomies(export)
    position = {policy.id: number for number, policy in enumerate(export.policies)}
    run: Json = {
        "tool": {
            "driver": {
                "name": line(export.tool),
                "version": line(export.version),
                "rules": [_rule(export, policy, taxonomies) for policy in export.policies],
                "supportedTaxonomies": [
                    {"name": export.framework(framework), "index": number}
                    for number, framework in enumerate(taxonomies)
                ],
            }
        },
        "automationDetails": {"id": f"lockdown/{line(export.run_id)}"},
        "invocations": [_invocation(export, position)],
        "taxonomies": [
            {
                "name": export.framework(framework),
                "taxa": [_taxon(control, export.titles.get((framework, control), "")) for control in controls],
            }
            for framework, controls in taxonomies.items()
        ],
        "properties": {
            "runId": line(export.run_id),
            "outcome": line(export.outcome),
            "source": line(export.source),
            "complete": export.complete,
            "counts": dict(export.counts),
            "policySet": line(export.policy_set),
        },
        "results": Stream(_result(export, row, position[row.policy.id]) for row in export.rows()),
    }
    yield from streamed.render({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def counts(path: Path) -> dict[str, int]:
    """Return the number of results by status in a file that ``render`` made.

    Raises:
        TamperedError: it is not such a file.
    """
    found = tally()

    def take(_key: str, result: Mapping[str, Any]) -> None:
        status = _STATUS.get(result.get("kind", ""))
        if status is None:
            raise TamperedError(f"{path.name} has a result of an unknown kind.")
        found["waived" if status == "fail" and result.get("suppressions") else status] += 1

    streamed.read(path, take)
    return found


def message(text: str) -> dict[str, str]:
    """Return untrusted text as a message: no placeholder, no link that a viewer would offer."""
    shown = line(text).replace("{", "{{").replace("}", "}}").replace("](", "\\](")
    return {"text": shown or "(no text)"}


def _taxonomies(export: Export) -> dict[str, dict[str, int]]:
    """Return framework to its controls that any policy speaks to, each with its position."""
    found: dict[str, dict[str, int]] = {}
    for policy in export.policies:
        for control in policy.controls:
            ids = found.setdefault(control.framework, {})
            ids.setdefault(control.id, len(ids))
    return found


def _taxon(control: str, title: str) -> Json:
    return {"id": line(control), **({"shortDescription": message(title)} if title else {})}


def _rule(export: Export, policy: Told, taxonomies: Mapping[str, Mapping[str, int]]) -> Json:
    order = list(taxonomies)
    remediation = paragraph(policy.remediation)
    command = paragraph(policy.command)
    rule: Json = {
        "id": line(policy.id),
        "shortDescription": message(policy.title),
        "fullDescription": message(paragraph(policy.rationale) or policy.title),
        "help": message(" ".join(filter(None, (remediation, command))) or policy.title),
        "defaultConfiguration": {"level": _LEVEL[policy.severity]},
        "relationships": [
            {
                "target": {
                    "id": line(control.id),
                    "index": taxonomies[control.framework][control.id],
                    "toolComponent": {
                        "name": export.framework(control.framework),
                        "index": order.index(control.framework),
                    },
                },
                "kinds": ["relevant"],
                "description": message(words.BASIS.get(control.basis, control.basis)),
            }
            for control in policy.controls
        ],
        "properties": {
            "tags": ["security", line(policy.theme)],
            "severity": policy.severity.value,
            "security-severity": _SCORE[policy.severity],
            "verdict": policy.verdict.value,
        },
    }
    return rule


def _invocation(export: Export, position: Mapping[str, int]) -> Json:
    told = [
        *({"level": "warning", "message": message(caution)} for caution in export.cautions),
        *({"level": "error", "message": message(f"Could not be read: {what}")} for what in export.unreadable),
        *({"level": "warning", "message": message(warning)} for warning in export.warnings),
        *(
            {
                "level": "error",
                "message": message(policy.error),
                "associatedRule": {"id": line(policy.id), "index": position[policy.id]},
            }
            for policy in export.policies
            if policy.error
        ),
    ]
    return {
        "executionSuccessful": export.complete,
        "startTimeUtc": moment(export.started),
        "endTimeUtc": moment(export.finished),
        **({"toolExecutionNotifications": told} if told else {}),
    }


def _result(export: Export, row: Row, rule: int) -> Json:
    kind = _KIND[row.status]
    result: Json = {
        "ruleId": line(row.policy.id),
        "ruleIndex": rule,
        "kind": kind,
        "level": _LEVEL[row.severity] if kind == "fail" else "none",
        "message": message(row.reason),
        "guid": export.uuid("result", *row.key),
        "partialFingerprints": {"lockdownResult/v1": row.fingerprint},
        "properties": {
            "severity": row.severity.value,
            "status": row.status,
            "expected": line(row.expected),
            "observed": line(row.observed),
        },
    }
    if row.resource:
        result["locations"] = [{"logicalLocations": _logical(export, row)}]
    if row.waiver:
        result["suppressions"] = [
            {
                "kind": "external",
                "status": "accepted",
                "justification": line(row.waiver.reason),
                "properties": {"owner": line(row.waiver.owner), "expires": row.waiver.expires},
            }
        ]
    return result


def _logical(export: Export, row: Row) -> list[Json]:
    where = export.place(row)
    resource = line(row.resource)
    found = [{"name": line(where.name), "fullyQualifiedName": resource, "kind": "resource"}]
    if row.part:
        part = line(row.part)
        found.append({"name": part, "fullyQualifiedName": f"{resource}#{part}", "kind": "member"})
    return found
