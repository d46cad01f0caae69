"""Run directories made by hand: what lockdown audit would have written of a small environment."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lockdown import record
from lockdown.drift import Side, read_side
from lockdown.strict import canonical

Json = dict[str, Any]

SUBSCRIPTION = "00000000-0000-0000-0000-00000000000a"
OTHER = "00000000-0000-0000-0000-00000000000b"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/coa"
STORE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/coastore"
STORAGE = "microsoft.storage/storageaccounts"
NIGHT_ONE, NIGHT_TWO = "2026-03-01T02:00:00Z", "2026-03-02T02:00:00Z"
BETWEEN = "2026-03-01T14:30:00.1234567Z"

QUERY = """resources
| where type =~ 'microsoft.storage/storageaccounts'
| project id, verdict = iff(properties.publicNetworkAccess =~ 'Disabled', 'pass', 'fail')
"""
POLICY = "storage-pna-disabled"
POLICIES = {POLICY: QUERY}


def row(resource: str = STORE, kind: str = STORAGE, **more: Any) -> Json:
    found: Json = {
        "id": resource,
        "name": resource.rsplit("/", 1)[-1],
        "type": kind,
        "tenantId": "",
        "kind": "",
        "location": "westus2",
        "resourceGroup": "coa",
        "subscriptionId": resource.split("/")[2],
        "managedBy": "",
        "sku": None,
        "plan": None,
        "properties": {},
        "tags": None,
        "identity": None,
        "zones": None,
        "extendedLocation": None,
        "apiVersion": "2024-01-01",
    }
    return {**found, **more}


def result(verdict: str, resource: str = STORE, policy: str = POLICY, **more: Any) -> Json:
    found = {
        "policy": policy,
        "resource": resource,
        "part": "",
        "verdict": verdict,
        "severity": "critical",
        "reason": f"It is {verdict}.",
        "expected": "Disabled",
        "observed": "?",
    }
    return {**found, **more}


def change(
    resource: str = STORE,
    paths: Mapping[str, tuple[Any, Any]] | None = None,
    *,
    kind: str = "Update",
    by: str = "operator@research.example",
    at: str = BETWEEN,
    target: str = STORAGE,
) -> Json:
    """Return a row of resourcechanges as Resource Graph answers it."""
    return {
        "id": f"{resource}/providers/Microsoft.Resources/changes/1",
        "type": "microsoft.resources/changes",
        "properties": {
            "targetResourceId": resource,
            "targetResourceType": target,
            "changeType": kind,
            "changeAttributes": {
                "timestamp": at,
                "changedBy": by,
                "changedByType": "User",
                "clientType": "Azure Portal",
                "operation": f"{target}/write",
                "correlationId": "c0ffee00-0000-0000-0000-000000000000",
                "changesCount": len(paths or {}),
            },
            "changes": {
                path: {"previousValue": before, "newValue": after} for path, (before, after) in (paths or {}).items()
            },
        },
    }


def side(
    directory: Path,
    rows: Iterable[Json] = (),
    results: Iterable[Json] = (),
    *,
    at: str = NIGHT_ONE,
    policies: Mapping[str, str] = POLICIES,
    tables: Mapping[str, Iterable[Json]] | None = None,
    severity: str = "critical",
    boundary: bytes = b"{}",
    errors: Mapping[str, str] | None = None,
    engine: str = "snapshot",
    **run: Any,
) -> Side:
    """Write a run directory and open it."""
    results = list(results)
    snapshot = directory / "inputs" / "snapshot"
    snapshot.mkdir(parents=True)
    for table, content in {"resources": rows, **(tables or {})}.items():
        lines = sorted(content, key=lambda r: r["id"].lower())
        (snapshot / f"{table}.jsonl").write_bytes(b"".join(canonical(line) + b"\n" for line in lines))
    (directory / "inputs" / "boundary.json").write_bytes(boundary)
    for name, query in policies.items():
        _policy(directory / "policies" / "public-network-access" / name, name, query, severity)
    (directory / "results").mkdir()
    record.write(
        directory / "results" / "results.json",
        _run(at, policies, severity, results, run),
        [
            {"id": name, "title": f"{name} holds", "severity": severity, "engine": engine}
            | ({"error": errors[name]} if errors and name in errors else {})
            for name in sorted(policies)
        ],
        sorted(results, key=lambda r: (r["policy"], r["resource"].lower(), r["part"])),
    )
    return read_side(directory)


def _policy(folder: Path, name: str, query: str, severity: str) -> None:
    folder.mkdir(parents=True)
    (folder / "query.kql").write_text(query, "utf-8")
    (folder / "policy.yaml").write_text(
        json.dumps({"id": name, "severity": severity, "reads": {"resources": [], "networkresources": ["a.b/c"]}}),
        "utf-8",
    )


def _run(at: str, policies: Mapping[str, str], severity: str, results: list[Json], more: Json) -> Json:
    verdicts = Counter(r["verdict"] for r in results)
    return {
        "runId": f"run of {at}",
        "startedAt": at.replace("02:00:00", "01:59:00"),
        "finishedAt": at.replace("02:00:00", "02:01:00"),
        "evaluatedAt": at,
        "source": "live",
        "tenant": "",
        "scope": {
            "subscriptions": [{"id": SUBSCRIPTION, "name": "genomics"}],
            "requested": {"subscriptions": [SUBSCRIPTION], "managementGroups": []},
        },
        "unreadable": [],
        "outcome": "nonCompliant" if verdicts["fail"] else "compliant",
        "policySet": {"digest": str(sorted([*policies.items(), ("severity", severity)])), "count": len(policies)},
        **more,
    }
