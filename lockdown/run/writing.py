"""What a run writes of itself: its inputs, and the run object of its record."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from lockdown import __version__
from lockdown.audit import Evaluation
from lockdown.policy import frameworks
from lockdown.policy.load import PolicySet
from lockdown.run.asked import SCOPE, Wanted, now, text
from lockdown.snapshot import engine as kql_engine
from lockdown.snapshot.store import Snapshot, write_scope
from lockdown.strict import canonical


def write_inputs(work: Path, wanted: Wanted, snapshot: Snapshot, policies: PolicySet) -> None:
    """Write what a run was asked and judged by, so that it can be judged again."""
    write_scope(work / SCOPE, snapshot)
    (work / "inputs/boundary.json").write_bytes(canonical(asdict(wanted.boundary)) + b"\n")
    waivers = [{**asdict(w), "expires": w.expires.isoformat()} for w in wanted.waivers]
    (work / "inputs/waivers.json").write_bytes(canonical(waivers) + b"\n")
    if wanted.temporary:
        announced = [{**asdict(t), "begins": text(t.begins), "ends": text(t.ends)} for t in wanted.temporary]
        (work / "inputs/temporary.json").write_bytes(canonical(announced) + b"\n")
    for name, data in policies.files.items():
        path = work / "policies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def run_object(
    snapshot: Snapshot,
    policies: PolicySet,
    found: Evaluation,
    run_id: str,
    started: datetime,
    evaluated: datetime,
    doubts: tuple[str, ...],
) -> dict[str, Any]:
    """Return the run object of the record."""
    judged = {kind for policy in policies.policies for kind in policy.applies_to}
    warnings = [*found.warnings, *doubts]
    if snapshot.derived:
        warnings.append("The snapshot listed no subscriptions: they were taken from the ids of its resources.")
    return {
        "runId": run_id,
        "tool": {"name": "lockdown", "version": __version__},
        "startedAt": text(started),
        "finishedAt": text(now()),
        "evaluatedAt": text(evaluated),
        "source": snapshot.source.value,
        "cloud": {
            "name": snapshot.cloud.name,
            "resourceManager": snapshot.cloud.resource_manager,
            "authority": snapshot.cloud.authority,
        },
        "tenant": snapshot.tenant,
        "identity": snapshot.identity,
        "scope": {
            "subscriptions": [{"id": i, "name": n} for i, n in sorted(snapshot.subscriptions.items())],
            "requested": {
                "subscriptions": list(snapshot.requested.subscriptions),
                "managementGroups": list(snapshot.requested.management_groups),
            },
        },
        "complete": not snapshot.unread,
        "unreadable": [asdict(unread) for unread in snapshot.unread],
        "outcome": found.outcome.value,
        "counts": {str(name): count for name, count in found.counts.items()},
        "failures": {severity.value: count for severity, count in sorted(found.failures.items())},
        "policySet": {"digest": policies.digest, "count": len(policies.policies)},
        "frameworks": frameworks.as_recorded(policies.frameworks),
        "resources": {
            "total": sum(snapshot.types.values()),
            "byType": dict(sorted(snapshot.types.items())),
            "unjudged": sorted(set(snapshot.types) - judged),
        },
        "engine": {"name": kql_engine.NAME, "version": kql_engine.VERSION},
        "redactions": snapshot.redactions,
        "warnings": warnings,
    }
