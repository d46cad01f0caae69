"""The documented JSON of a notice (reports/schemas/notice-v1.json): for programs."""

from __future__ import annotations

from typing import Any

from lockdown.notify.notice import Compared, Finding, Notice
from lockdown.report.visible import visible

SCHEMA = "urn:coa-lockdown:notice:v1"
MOST = 100
Json = dict[str, Any]


def message(notice: Notice, *, details: bool, link: str = "") -> Json:
    """Return the body to post: counts and short ids, with ``details`` also names, values and who."""
    run = notice.run
    return {
        "schema": SCHEMA,
        "headline": notice.headline,
        "run": {
            "runId": visible(str(run["runId"])),
            "evaluatedAt": run["evaluatedAt"],
            "source": run["source"],
            "outcome": run["outcome"],
        },
        "complete": notice.complete,
        "counts": dict(run["counts"]),
        "failures": dict(run["failures"]),
        "drift": None if notice.drift is None else _drift(notice.drift, details=details),
        "link": link or None,
    }


def _drift(drift: Compared, *, details: bool) -> Json:
    return {
        "empty": not drift.findings,
        "baseline": {"runId": visible(drift.baseline), "evaluatedAt": drift.baseline_at},
        "counts": dict(drift.counts),
        "findings": [_finding(found, details=details) for found in drift.findings[:MOST]],
        "leftOut": max(0, len(drift.findings) - MOST),
    }


def _finding(found: Finding, *, details: bool) -> Json:
    told: Json = {
        "fingerprint": found.fingerprint,
        "severity": found.severity,
        "changes": [turn.id for turn in found.turns],
    }
    if details:
        told["resource"] = visible(found.resource)
        told["details"] = [
            {
                "id": turn.id,
                "severity": turn.severity,
                "what": visible(turn.what),
                "before": visible(turn.before),
                "after": visible(turn.after),
                "note": visible(turn.note),
                "who": visible(turn.by.who) if turn.by else "",
                "how": visible(turn.by.how) if turn.by else "",
                "when": turn.by.when if turn.by else "",
                "unknown": visible(turn.by.unknown) if turn.by else "",
            }
            for turn in found.turns
        ]
    return told
