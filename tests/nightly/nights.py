"""Runs with drift, made by hand: an ordinary one, and one in which every name is hostile."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema

from lockdown.notify import notice
from tests.report import handmade

ROOT = Path(__file__).resolve().parents[2]
STORE = f"{handmade.GROUP}/providers/Microsoft.Storage/storageAccounts"
WHO = "operator@research.example"
HOSTILE = [
    "one\ntwo",
    "one\r\n::error::two",
    "::set-output name=x::y",
    "::add-mask::a",
    "a%0Ab%0D",
    "##vso[task.setvariable variable=x]y",
    "##[error]x",
    "#" * 7 + "vso[task.complete result=Succeeded]",
    "a|b\\|c\\\\|d",
    "`a``b```c",
    "```\n# heading",
    "@everyone",
    "<!channel>",
    "<!here|here>",
    "<@U012AB3CD>",
    "<https://attacker.example|click>",
    "[click](https://attacker.example)",
    "![x](https://attacker.example/x.png)",
    "https://attacker.example/ www.attacker.example a@attacker.example",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</code></td></table>",
    "&lt;b&gt; &#60;i&#62;",
    "<!-- lockdown-drift: 0123456789abcdef -->",
    "log\u202egpj.exe",
    "coa\u200bstore",
    "$(touch owned)",
    "$env:x; & calc",
    "a'b\"c`d$(id);e&f|g<h>i%PATH%^",
    "{{DATE(2017-02-14T06:00:00Z)}} ${x} {x}",
    ":smile: *bold* _it_ ~no~ **b**",
    "検査済み",
]


def attribution(who: str = WHO) -> dict[str, Any]:
    return {
        "who": who,
        "unknown": "",
        "whoType": "User",
        "when": "2026-01-01T10:00:00Z",
        "client": "Azure Portal",
        "operation": "Microsoft.Storage/storageAccounts/write",
        "correlationId": "",
        "match": "property",
    }


def mark(*parts: str) -> str:
    return sha256("|".join(parts).encode()).hexdigest()[:16]


def opened(name: str, who: str = WHO, before: str = "Disabled", after: str = "Enabled") -> tuple[Any, Any]:
    """Return the change of a property and the verdict that came of it."""
    resource = f"{STORE}/{name}"
    changed = {
        "id": mark("property", name),
        "table": "resources",
        "resource": resource,
        "type": "microsoft.storage/storageaccounts",
        "path": f"properties.{name}",
        "before": before,
        "after": after,
        "severity": "critical",
        "policies": ["storage-pna-disabled"],
        "note": "",
        "attribution": attribution(who),
    }
    verdict = {
        "id": mark("verdict", name),
        "policy": "storage-pna-disabled",
        "title": "Storage accounts refuse public network access",
        "resource": resource,
        "part": "",
        "direction": "worse",
        "before": "pass",
        "after": "fail",
        "severity": "critical",
        "cause": "environment",
        "reason": f"Public network access of {name} is enabled.",
        "expected": "Disabled",
        "observed": after,
        "waiver": None,
        "attribution": attribution(who),
    }
    return changed, verdict


def fingerprint(name: str) -> str:
    return notice.fingerprint(f"{STORE}/{name}")


def document(*opened_: tuple[Any, Any], complete: bool = True, **more: Any) -> dict[str, Any]:
    reference = {
        "runId": "20260101T030405Z-6c0d2a2e",
        "evaluatedAt": "2026-01-01T03:04:16Z",
        "outcome": "compliant",
        "policySet": "a" * 64,
    }
    names = "worse better changed appeared vanished added removed properties waivers policies reverted"
    counts = dict.fromkeys((*names.split(), "notComparedResources", "notComparedResults"), 0)
    counts |= {"worse": len(opened_), "properties": len(opened_)}
    found = {
        "schema": "urn:coa-lockdown:drift:v1",
        "baseline": reference,
        "current": {**reference, "runId": "20260102T030405Z-6c0d2a2e", "evaluatedAt": "2026-01-02T03:04:16Z"},
        "empty": not opened_ and not more,
        "complete": complete,
        "counts": counts,
        "verdicts": [verdict for _, verdict in opened_],
        "resources": [],
        "properties": [changed for changed, _ in opened_],
        "waivers": [],
        "policies": [],
        "reverted": [],
        "notCompared": [],
        "warnings": [],
        **more,
    }
    jsonschema.validate(found, json.loads((ROOT / "reports/schemas/drift-v1.json").read_bytes()))
    return found


def write(folder: Path, drift: dict[str, Any] | None, names: list[str] | None = None, **run: Any) -> Path:
    """Write a run whose named accounts are open, and return its directory."""
    (folder / "results").mkdir(parents=True)
    failing = ["coastore"] if names is None else names
    results = [
        handmade.result("storage-pna-disabled", f"{STORE}/{name}", "fail", severity="critical") for name in failing
    ]
    failures = {"critical": len(results)} if results else {}
    handmade.write(folder / "results/results.json", handmade.stock_policies()[1:2], results, failures=failures, **run)
    if drift is not None:
        (folder / "results/drift.json").write_text(json.dumps(drift), "utf-8")
    return folder
