"""lockdown sign: who reads holds no key, and who signs believes nothing that can be known."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockdown import record
from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import keys
from lockdown.evidence.seal import seal
from tests.cli.test_earlier import Captured
from tests.hostile.test_small_run import small_run, vault


class Bench:
    """Two machines in one folder: one that collects into ``collected``, one that signs into ``signed``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        made = record.read(folder / "run/results/results.json")
        self.policies = made.run["policySet"]["digest"]
        self.failing = vault("open")

    def collect(self, *options: str, out: str = "collected", command: str = "audit") -> int:
        given = ["--snapshot", "snapshot.json", "--only-policies", "policies", "--out", out, "--quiet", *options]
        return lockdown([command, *given])

    def sign(self, *options: str, run: str = "collected", out: str = "signed") -> int:
        given = ["--key", "file:keys/private.pem", "--policies-digest", self.policies, "--out", out, *options]
        return lockdown(["sign", run, *given])

    def change(self, **run: Any) -> None:
        """Do what somebody on the collecting machine can: write the record anew, and seal it."""
        path = self.folder / "collected/results/results.json"
        found = record.read(path)
        results = list(found.results())
        record.write(path, {**found.run, **run}, found.policies, results)
        self.seal()

    def seal(self) -> None:
        seal(self.folder / "collected", None)

    def configure(self, **config: Any) -> None:
        (self.folder / "lockdown.yaml").write_text(yaml.safe_dump(config), "utf-8")

    def waiver(self) -> dict[str, Any]:
        day = (datetime.now(UTC) + timedelta(days=3)).date()
        return {
            "policy": "kv-pna-disabled",
            "resources": [self.failing],
            "reason": "r",
            "owner": "o@research.example",
            "expires": day,
        }


@pytest.fixture
def bench(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Bench:
    small_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    return Bench(tmp_path)


def test_what_one_machine_collected_another_signs(bench: Bench, capsys: Captured) -> None:
    assert bench.collect("--format", "csv") == Exit.NOT_COMPLIANT
    before = {path: path.read_bytes() for path in (bench.folder / "collected").rglob("*") if path.is_file()}
    assert bench.sign() == Exit.OK
    assert capsys.readouterr().out.endswith("signed\n")
    assert lockdown(["verify", "signed", "--trust", "keys/trust-root.json", "--replay"]) == Exit.OK
    assert "VERIFIED" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before
    assert b"run.dsse" in (bench.folder / "signed/VERIFY.txt").read_bytes()
    page = (bench.folder / "signed/report/report.html").read_text("utf-8")
    assert json.loads((bench.folder / "signed/run/run.dsse.json").read_bytes())["signatures"][0]["keyid"] in page
    assert lockdown(["bundle", "signed", "--out", "signed.zip"]) == Exit.OK
    assert lockdown(["verify", "signed.zip", "--trust", "keys/trust-root.json"]) == Exit.OK


def test_the_history_has_its_start_and_end(bench: Bench, capsys: Captured) -> None:
    assert bench.collect() == Exit.NOT_COMPLIANT
    assert bench.sign("--store", "file:store") == Exit.OK
    capsys.readouterr()
    assert lockdown(["history", "--store", "file:store", "--trust", "keys/trust-root.json", "--json"]) == Exit.OK
    assert (bench.folder / "store/runs/00000001.zip").is_file()
    trust = ["--trust", "keys/trust-root.json", "--history", "file:store"]
    assert lockdown(["verify", "signed", *trust]) == Exit.OK


def test_a_verdict_that_does_not_follow_is_not_signed(bench: Bench, capsys: Captured) -> None:
    bench.collect()
    path = bench.folder / "collected/results/results.json"
    found = record.read(path)
    results = [{**result, "verdict": "pass"} for result in found.results()]
    policies = [{**p, "verdict": "pass", "counts": {**p["counts"], "pass": 2, "fail": 0}} for p in found.policies]
    counts = {**found.run["counts"], "pass": 2, "fail": 0}
    record.write(path, {**found.run, "counts": counts, "failures": {}, "outcome": "compliant"}, policies, results)
    bench.seal()
    assert bench.sign() == Exit.TAMPERED
    assert "does not follow from what was seen" in capsys.readouterr().err
    assert not (bench.folder / "signed").exists()


def test_a_changed_file_is_not_signed(bench: Bench) -> None:
    bench.collect()
    path = bench.folder / "collected/inputs/snapshot/resources.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Enabled", b"Disabled"))
    assert bench.sign() == Exit.TAMPERED
    bench.seal()
    assert bench.sign() == Exit.TAMPERED


def test_other_policies_are_not_signed(bench: Bench, capsys: Captured) -> None:
    policy = bench.folder / "policies/public-network-access/kv-pna-disabled/policy.yaml"
    policy.write_text(policy.read_text("utf-8").replace("severity: critical", "severity: low"), "utf-8")
    assert bench.collect() == Exit.NOT_COMPLIANT
    assert bench.sign() == Exit.UNTRUSTED
    assert "was judged by the policy set" in capsys.readouterr().err
    default = ["sign", "collected", "--key", "file:keys/private.pem", "--out", "signed"]
    assert lockdown(default) == Exit.UNTRUSTED


def test_a_waiver_or_boundary_of_the_other_machine_alone_is_not_signed(bench: Bench, capsys: Captured) -> None:
    bench.configure(waivers=[bench.waiver()])
    assert bench.collect() == Exit.OK
    assert bench.sign(out="agreed") == Exit.OK
    bench.configure()
    assert bench.sign() == Exit.UNTRUSTED
    assert "another list of waivers than this machine" in capsys.readouterr().err
    bench.configure(boundary={"egressAddresses": ["203.0.113.0/28"]}, waivers=[bench.waiver()])
    assert bench.sign() == Exit.UNTRUSTED
    assert "boundary" in capsys.readouterr().err


def test_temporary_access_is_that_of_the_signer(bench: Bench) -> None:
    now = datetime.now(UTC)
    access = {
        "resource": bench.failing,
        "policy": "kv-pna-disabled",
        "from": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        "until": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        "reason": "Maintenance.",
        "owner": "o@research.example",
    }
    bench.configure(temporaryAccess=[access])
    assert bench.collect("--baseline", "run", command="drift") == Exit.OK
    assert bench.sign(out="agreed") == Exit.OK
    bench.configure()
    assert bench.sign() == Exit.UNTRUSTED
    assert bench.collect("--baseline", "run", command="drift", out="silent") == Exit.OK
    bench.configure(temporaryAccess=[access])
    assert bench.sign(run="silent") == Exit.UNTRUSTED


@pytest.mark.parametrize(
    ("finished", "code"),
    [
        (timedelta(hours=-25), Exit.STALE),
        (timedelta(hours=-23), Exit.OK),
        (timedelta(minutes=10), Exit.STALE),
        (timedelta(minutes=1), Exit.STALE),
    ],
)
def test_an_old_night_and_a_wrong_clock_are_not_signed(bench: Bench, finished: timedelta, code: Exit) -> None:
    bench.collect()
    at = f"{datetime.now(UTC) + finished:%Y-%m-%dT%H:%M:%SZ}"
    bench.change(finishedAt=at, **({"startedAt": at} if finished < timedelta() else {}))
    signed = bench.sign()
    if finished == timedelta(minutes=1):  # within what clocks may differ; who verifies at once still says so
        assert signed == Exit.OK
        signed = Exit(lockdown(["verify", "signed", "--trust", "keys/trust-root.json"]))
    assert signed == code


def test_what_is_signed_already_and_what_is_no_run(bench: Bench, capsys: Captured) -> None:
    assert bench.sign(run="run") == Exit.USAGE
    assert "lockdown countersign adds another signature" in capsys.readouterr().err
    assert bench.sign(run="policies") == Exit.USAGE
    bench.collect()
    (bench.folder / "collected/history").mkdir()
    (bench.folder / "collected/history/chain.jsonl").write_bytes(b"")
    bench.seal()
    assert bench.sign() == Exit.USAGE
    keys.generate(bench.folder / "other")
    assert lockdown(["sign", "collected", "--out", "signed"]) == Exit.USAGE
