"""lockdown drift: what changed since the approved run, who did it and when."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lockdown import demo, record
from lockdown.cli.demo import command as demo_command
from lockdown.sandbox.server import Sandbox
from tests.evidence.test_seal import by_hand

if TYPE_CHECKING:
    from tests.conftest import Lockdown


def test_an_unchanged_environment_has_no_drift_and_an_opened_one_says_who_and_when(
    lockdown: Lockdown, tmp_path: Path
) -> None:
    with Sandbox("coa-private") as sandbox:
        env = sandbox.environment("auditor")
        assert lockdown("audit", "--out", tmp_path / "approved", env=env).code == 0
        same = lockdown("drift", "--baseline", tmp_path / "approved", "--out", tmp_path / "same", env=env)
        assert same.code == 0, same.err
        said = list(demo.open_up(sandbox))
        changed = lockdown("drift", "--baseline", tmp_path / "approved", "--out", tmp_path / "changed", env=env)
        operator = sandbox.environment("operator")["AZURE_CLIENT_ID"]
    assert len(said) == 2
    assert changed.code == 8, changed.err
    found = record.read(tmp_path / "changed/results/results.json")
    assert found.run["complete"]
    assert not found.run["counts"]["unknown"]
    assert "operator-script" in changed.err
    drift: dict[str, Any] = json.loads((tmp_path / "changed/results/drift.json").read_bytes())
    (opened,) = drift["properties"]
    assert (opened["path"], opened["before"], opened["after"]) == (
        "properties.publicNetworkAccess",
        "Disabled",
        "Enabled",
    )
    assert {item["policy"] for item in drift["verdicts"] if item["after"] == "fail"} == {
        "storage-pna-disabled",
        "nic-no-public-ip",
        "pip-none-in-scope",
    }
    assert len(drift["resources"]) == 2
    for item in (*drift["properties"], *drift["verdicts"], *drift["resources"]):
        assert item["attribution"]["who"] == operator
        assert item["attribution"]["client"] == "operator-script"
        assert item["attribution"]["when"]


def test_a_baseline_that_is_no_run_is_refused(lockdown: Lockdown, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = lockdown("drift", "--baseline", tmp_path / "empty")
    assert ran.code == 2
    assert "not the directory of a run" in ran.err


def test_the_demo_tells_its_story(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ)
    demo_command.main(["--out", str(tmp_path / "demo"), "--quiet"], standalone_mode=False)
    out = capfd.readouterr().out
    for word in ("NOT COMPLIANT", "COMPLIANT: No result fails", "operator-script", "VERIFIED", "TAMPERED"):
        assert word in out
    assert out.count("report.html") >= 3
    (folder,) = (tmp_path / "demo").iterdir()
    by_openssl = by_hand(folder / "drift", folder / "keys/public.pem")
    assert by_openssl.stdout.splitlines().count("Verified OK") == 2
    assert "FAILED" not in by_openssl.stdout + by_openssl.stderr
    assert by_hand(folder / "forged", folder / "keys/public.pem").stdout.count("FAILED") == 2
    assert dict(os.environ) == before
