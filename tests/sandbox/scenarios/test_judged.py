"""An audit of the synthetic tenant finds what was seeded, no more and no less."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lockdown import record
from lockdown.sandbox.scenarios import build
from lockdown.sandbox.server import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Lockdown  # type: ignore[import-not-found, unused-ignore]


def test_an_audit_finds_every_seeded_fault(lockdown: Lockdown, tmp_path: Path) -> None:
    options = {"resources": "1500", "subscriptions": "4", "faults": "50", "seed": "judged"}
    with Sandbox("tenant", options=options, quota=False) as sandbox:
        ran = lockdown("audit", "--quiet", "--out", tmp_path / "run", env=sandbox.environment("auditor"))
        expected = build("tenant", tenant=sandbox.tenant, options=options).expected
    results = list(record.read(tmp_path / "run/results/results.json").results())
    failing = Counter(result["policy"] for result in results if result["verdict"] == "fail")

    assert ran.code == 7, ran.err
    assert {policy: failing[policy] for policy in expected} == expected
    assert not [result for result in results if result["policy"] in expected and result["verdict"] == "unknown"]
