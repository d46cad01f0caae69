"""An audit that reads Azure Resource Manager, as a person runs it: what fails is unknown, and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lockdown import record
from lockdown.sandbox.server import Sandbox
from tests.cloud.arm_environment import DIAGNOSTICS, documents, policies, policy_id
from tests.conftest import clean

if TYPE_CHECKING:
    from tests.conftest import Lockdown

LOCKS = "microsoft.authorization/locks"


@pytest.fixture
def azure() -> Iterator[Sandbox]:
    with Sandbox("empty") as sandbox:
        sandbox.state.seed(documents(sandbox.subscription))
        yield sandbox


def verdicts(run: Path) -> dict[tuple[str, str], str]:
    found = record.read(run / "results/results.json").results()
    return {(r["policy"], r["resource"].rpartition("/")[2]): r["verdict"] for r in found}


def told(run: Path) -> dict[str, Any]:
    return dict(record.read(run / "results/results.json").run)


@pytest.mark.parametrize("fault", ["fail:403:AuthorizationFailed", "fail:404:ResourceNotFound"])
def test_a_read_that_fails_makes_exactly_its_result_unknown(
    azure: Sandbox, lockdown: Lockdown, tmp_path: Path, fault: str
) -> None:
    only = policies(tmp_path / "set", DIAGNOSTICS, LOCKS)
    azure.fault(f"GET *kv-two*diagnosticSettings* {fault}")
    ran = lockdown("audit", "--only-policies", only, "--out", tmp_path / "run", env=azure.environment("auditor"))
    assert ran.code == 5, ran.err
    found = verdicts(tmp_path / "run")
    assert [key for key, verdict in found.items() if verdict == "unknown"] == [(policy_id(DIAGNOSTICS), "kv-two")]
    assert set(found.values()) == {"pass", "unknown"}
    assert len(found) == 5
    run = told(tmp_path / "run")
    status, code = fault.split(":")[1:]
    (unreadable,) = run["unreadable"]
    assert (unreadable["what"], unreadable["name"]) == ("armReads", DIAGNOSTICS)
    assert unreadable["reason"].startswith(f"1 of 7: {status} {code}, such as /subscriptions/")
    assert (run["complete"], run["outcome"]) == (False, "indeterminate")
    assert f"ARM item type {DIAGNOSTICS}: 1 of 7: {status}" in " ".join(ran.err.split())
    page = (tmp_path / "run/report/report.html").read_text("utf-8")
    assert "ARM item type" in page


@pytest.mark.parametrize("fault", ["", "GET *kv-two*diagnosticSettings* fail:403:AuthorizationFailed"])
def test_live_offline_and_replayed_results_are_identical(
    azure: Sandbox, lockdown: Lockdown, tmp_path: Path, fault: str
) -> None:
    only = policies(tmp_path / "set")
    if fault:
        azure.fault(fault)
    lockdown("keys", "generate", "--out", tmp_path / "keys")
    common = ("--only-policies", only, "--key", f"file:{tmp_path}/keys/private.pem")
    live = lockdown("audit", *common, "--out", tmp_path / "live", env=azure.environment("auditor"))
    offline = lockdown("audit", *common, "--snapshot", tmp_path / "live", "--out", tmp_path / "offline")
    assert live.code == offline.code == (5 if fault else 0), live.err + offline.err
    digests = {record.digest(record.read(tmp_path / name / "results/results.json")) for name in ("live", "offline")}
    assert len(digests) == 1
    assert (tmp_path / "live/policies/arm-reads.yaml").is_file()
    verified = lockdown("verify", tmp_path / "live", "--trust", tmp_path / "keys/trust-root.json", "--replay")
    assert verified.code == (5 if fault else 0), verified.out


def test_requests_do_not_grow_with_the_policies(azure: Sandbox, lockdown: Lockdown, tmp_path: Path) -> None:
    counts = []
    for number in range(3):
        policies(tmp_path / "set", DIAGNOSTICS, LOCKS, suffix=f"-{number}")
        out = tmp_path / f"run{number}"
        lockdown("audit", "--only-policies", tmp_path / "set", "--out", out, env=azure.environment("auditor"))
        log = [json.loads(line) for line in (out / "inputs/requests.jsonl").read_text("utf-8").splitlines()]
        counts.append(sum(request["method"] == "GET" for request in log))
    assert counts == [8, 8, 8]


def test_a_folder_of_tables_is_judged_with_what_was_read_from_resource_manager(
    azure: Sandbox, lockdown: Lockdown, tmp_path: Path
) -> None:
    only = policies(tmp_path / "set", DIAGNOSTICS, LOCKS)
    lockdown("audit", "--only-policies", only, "--out", tmp_path / "live", env=azure.environment("auditor"))
    tables = tmp_path / "live/inputs/snapshot"
    ran = lockdown("audit", "--only-policies", only, "--snapshot", tables, "--out", tmp_path / "file")
    assert ran.code == 0, ran.err
    assert verdicts(tmp_path / "live") == verdicts(tmp_path / "file")
    (tables / "armresources.jsonl").unlink()
    without = lockdown("audit", "--only-policies", only, "--snapshot", tables, "--out", tmp_path / "without")
    assert without.code == 5, without.err
    assert set(verdicts(tmp_path / "without").values()) == {"unknown"}


def test_drift_tells_of_items_but_not_of_the_reading(azure: Sandbox, lockdown: Lockdown, tmp_path: Path) -> None:
    only = policies(tmp_path / "set")
    environment = azure.environment("auditor")
    lockdown("audit", "--only-policies", only, "--out", tmp_path / "one", env=environment)
    same = lockdown(
        "drift", "--only-policies", only, "--baseline", tmp_path / "one", "--out", tmp_path / "two", env=environment
    )
    assert same.code == 0, same.err + same.out
    scope = f"/subscriptions/{azure.subscription}"
    azure.state.delete(
        f"{scope}/providers/Microsoft.Authorization/locks/everything",
        by=azure.identity.applications["owner"].principal,
        client="Azure CLI",
        operation="Microsoft.Authorization/locks/delete",
        correlation_id="c",
    )
    changed = lockdown(
        "drift", "--only-policies", only, "--baseline", tmp_path / "one", "--out", tmp_path / "three", env=environment
    )
    assert changed.code == 8, changed.err + changed.out
    drift = json.loads((tmp_path / "three/results/drift.json").read_bytes())
    assert [(r["kind"], r["type"]) for r in drift["resources"]] == [("removed", LOCKS)]
    assert drift["properties"] == []


def test_an_interruption_does_not_wait_for_answers(azure: Sandbox, tmp_path: Path) -> None:
    only = policies(tmp_path / "set", DIAGNOSTICS)
    azure.fault("GET *diagnosticSettings* delay:60")
    command = [sys.executable, "-m", "lockdown", "audit", "--only-policies", str(only), "--out", str(tmp_path / "run")]
    running = subprocess.Popen(
        command, env=clean(azure.environment("auditor")), stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    table = tmp_path / "run.partial/inputs/snapshot/armresources.jsonl"
    until = time.monotonic() + 30
    while not table.exists() and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.5)
    sent = time.monotonic()
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    assert time.monotonic() - sent < 10
    assert "Traceback" not in err
    assert "proves nothing" in (tmp_path / "run.partial/PARTIAL.txt").read_text("utf-8")
