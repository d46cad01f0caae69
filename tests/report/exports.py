"""Records for the formats: one with every status, one where every text that somebody may choose is hostile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lockdown.record import Record
from tests.report.handmade import GROUP, HOSTILE, hostile_results, policy, result, write

STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
WAIVER = {"reason": "The import ends in a month.", "owner": "platform@research.example", "expires": "2026-01-31"}
FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", "'=1", '"=1')
LINKS = ("[here](https://owned.example)", "{0}", "<img src=x>", "*bold* _x_", "&amp;&#x202e;<![CDATA[x]]>")
ODD = (*HOSTILE.values(), *FORMULAS, *LINKS, "\ufffe\uffff", "\x00", "a,b;c\r\nd", "x" * 200_000)


def mixed(path: Path, **run: Any) -> Record:
    """Every status, on resources of several kinds; the run read everything unless ``run`` says otherwise."""
    policies = [
        policy("all-kinds", "One of every kind", severity="medium"),
        policy("all-waived", "Only waived", severity="low"),
        policy("clean", "Nothing but passes"),
        policy("in-doubt", "Passes, and one unknown"),
        policy("not-here", "Saw nothing"),
        policy("not-nist", "No NIST control", controls=[{"framework": "hipaa", "id": "x", "basis": "project"}]),
        policy("nowhere-applicable", "Never applies", controls=[]),
        policy("person", "A person must look", command=""),
    ]
    results = [
        result("all-kinds", f"{STORAGE}/a", "fail", severity="critical"),
        result("all-kinds", f"{STORAGE}/a", "fail", part="blob", severity="low"),
        result("all-kinds", f"{STORAGE}/b", "fail", waiver=WAIVER),
        result("all-kinds", f"{STORAGE}/c", "manual", expected="", observed=""),
        result("all-kinds", f"{STORAGE}/d", "notApplicable"),
        result("all-kinds", f"{STORAGE}/e", "pass"),
        result("all-kinds", f"{STORAGE}/f", "unknown", reason=""),
        result("all-waived", f"{STORAGE}/A", "fail", waiver=WAIVER, severity="low"),
        result("clean", f"/subscriptions/{GROUP.split('/')[2]}", "pass"),
        result("clean", "/subscriptions/another/resourceGroups/rg", "notApplicable"),
        result("in-doubt", f"{STORAGE}/a", "pass"),
        result("in-doubt", f"{STORAGE}/b", "unknown"),
        result("not-nist", f"{STORAGE}/a", "fail"),
        result("nowhere-applicable", f"{STORAGE}/a", "notApplicable"),
        result("person", f"{STORAGE}/a", "manual"),
    ]
    return write(path, policies, results, **{"complete": True, **run})


def hostile(path: Path) -> Record:
    """Hostile in every text that whoever creates resources, writes policies or waives may choose."""
    texts = "".join(HOSTILE.values())
    policies = [
        policy(
            "storage-pna-disabled",
            texts,
            theme=texts,
            rationale=texts,
            remediation=texts,
            command="az storage account update --ids {resource}",
            severity="critical",
            controls=[
                {"framework": "nist-800-53-r5", "id": "SC-7(5)", "basis": texts},
                {"framework": "nist-800-53-r5", "id": texts, "basis": "project"},
                {"framework": texts, "id": texts, "basis": texts},
            ],
        ),
        policy("unseen", texts, rationale="", remediation="", command=""),
    ]
    results = hostile_results()
    for number, text in enumerate(ODD):
        results.append(
            result(
                "storage-pna-disabled",
                f"{STORAGE}/{number}{text}",
                ("fail", "unknown", "manual", "pass", "notApplicable")[number % 5],
                part=text,
                reason=text,
                expected=text,
                observed=text,
                **({"waiver": {"reason": text, "owner": text, "expires": "2026-01-31"}} if number % 10 == 0 else {}),
            )
        )
    return write(
        path,
        policies,
        results,
        runId=texts,
        tool={"name": texts, "version": texts},
        cloud={"name": texts, "resourceManager": texts, "authority": texts},
        tenant=texts,
        scope={"subscriptions": [{"id": texts, "name": texts}], "managementGroups": [], "requested": {}},
        unreadable=[{"what": texts, "name": texts, "reason": texts}],
        frameworks=[
            {"id": texts, "title": texts, "source": texts, "whole": True, "controls": [{"id": texts, "title": texts}]}
        ],
        warnings=[texts],
    )
