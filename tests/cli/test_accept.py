"""Accepting drift: a new baseline, signed, with the reason in the chain; nothing accepts itself."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import keys
from lockdown.evidence.seal import seal, sign_run
from tests.cli.test_earlier import Captured, Place
from tests.hostile.test_small_run import small_run, vault

LAB = ("--trust", "keys/trust-root.json")


class Desk(Place):
    """Where somebody looks at drift, in the folder of a place."""

    def night(self, name: str, baseline: str, *options: str, signed: bool = True, **vaults: str) -> int:
        self.see(**vaults)
        key = ["--key", "file:keys/private.pem"] if signed else []
        return self.drift(self.folder / baseline, *key, *(options or LAB), out=name)

    def accept(self, out: str, run: str, *ids: str, baseline: str = "run", key: str = "keys", **more: str) -> int:
        chosen = [part for item in ids for part in ("--accept", item)]
        given = {"reason": "Agreed in change 17.", "trust": "keys/trust-root.json", **more}
        options = [part for name, value in given.items() if value for part in (f"--{name}", value)]
        about = ["--baseline", baseline, "--run", run, "--key", f"file:{key}/private.pem", "--out", out]
        return lockdown(["drift", *about, *chosen, *options])

    def document(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name / "results/drift.json").read_bytes())
        return found

    def ids(self, name: str, *sections: str) -> list[str]:
        return [item["id"] for section in sections for item in self.document(name)[section]]

    def verify(self, name: str, trust: str = "keys/trust-root.json") -> int:
        return lockdown(["verify", name, "--trust", trust])


@pytest.fixture
def desk(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Desk:
    small_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    return Desk(tmp_path)


def test_what_was_accepted_counts_no_more_until_it_is_something_else(desk: Desk, capsys: Captured) -> None:
    assert desk.night("one", "run", open="Enabled", closed="Enabled", new="Disabled") == Exit.DRIFT
    (opened,) = desk.ids("one", "properties")
    assert desk.accept("approved", "one", opened) == Exit.OK
    told = capsys.readouterr()
    assert told.out.endswith("approved\n")
    assert "the rest of its drift still counts" in told.err
    assert desk.verify("approved") == Exit.OK
    assert "1 acceptance of drift; the last" in capsys.readouterr().out

    assert desk.night("two", "approved", open="Enabled", closed="Enabled", new="Disabled") == Exit.DRIFT
    two = desk.document("two")
    assert [entry["item"]["id"] for entry in two["accepted"]] == [opened]
    assert two["accepted"][0]["reason"] == "Agreed in change 17."
    assert two["properties"] == []
    assert (two["counts"]["accepted"], two["counts"]["properties"]) == (1, 0)
    assert two["verdicts"]
    assert two["resources"]

    rest = desk.ids("two", "verdicts", "resources")
    assert desk.accept("approved-2", "two", rest[0], baseline="approved") == Exit.OK
    assert desk.night("three", "approved-2", open="Enabled", closed="Disabled", new="Disabled") == Exit.DRIFT
    three = desk.document("three")
    assert opened in [item["id"] for item in three["lapsed"]]
    lapsed = [item["id"] for item in three["lapsed"]]
    assert desk.accept("approved-3", "three", *lapsed, baseline="approved-2") == Exit.OK
    desk.night("four", "approved-3", open="Enabled", closed="Disabled", new="Disabled")
    assert desk.document("four")["lapsed"] == []
    assert len((desk.folder / "approved-3/history/accepted.jsonl").read_bytes().splitlines()) == 3


def test_if_all_was_accepted_the_run_is_the_baseline(desk: Desk, capsys: Captured) -> None:
    assert desk.night("one", "run", open="Disabled", closed="Enabled") == Exit.DRIFT
    assert desk.accept("approved", "one", "all") == Exit.OK
    assert "the run itself is the new baseline" in capsys.readouterr().err
    assert desk.verify("approved") == Exit.OK
    assert desk.night("two", "approved", open="Disabled", closed="Enabled") == Exit.OK
    two = desk.document("two")
    assert two["empty"]
    assert two["accepted"] == []
    assert desk.night("three", "approved", open="Enabled", closed="Enabled") == Exit.DRIFT
    assert desk.accept("approved-2", "three", "all", baseline="approved") == Exit.OK
    assert desk.night("four", "approved-2", open="Enabled", closed="Enabled") == Exit.OK


def test_what_is_open_for_a_time_is_not_approved_with_the_rest(desk: Desk, capsys: Captured) -> None:
    now = datetime.now(UTC)
    access = {
        "resource": vault("closed"),
        "policy": "kv-pna-disabled",
        "from": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        "until": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        "reason": "Maintenance.",
        "owner": "platform@research.example",
    }
    config = desk.folder / "lockdown.yaml"
    config.write_text(yaml.safe_dump({"temporaryAccess": [access]}), "utf-8")
    assert desk.night("quiet", "run", open="Enabled", closed="Enabled") == Exit.OK
    assert "OPEN until" in capsys.readouterr().err
    assert json.loads((desk.folder / "quiet/inputs/temporary.json").read_bytes())[0]["reason"] == "Maintenance."
    assert desk.verify("quiet") == Exit.OK
    assert desk.night("one", "run", open="Disabled", closed="Enabled") == Exit.DRIFT
    assert desk.accept("approved", "one", "all") == Exit.OK
    assert desk.night("two", "approved", open="Disabled", closed="Enabled") == Exit.OK
    config.write_text(config.read_text("utf-8").replace("kv-pna-disabled", "kv-pna-disbaled"), "utf-8")
    assert desk.night("never", "approved", open="Disabled", closed="Enabled") == Exit.USAGE
    config.unlink()
    assert desk.night("three", "approved", open="Disabled", closed="Enabled") == Exit.DRIFT
    assert {item["resource"] for item in desk.document("three")["verdicts"]} == {vault("closed")}


def test_an_older_trust_root_is_noticed_here_too(desk: Desk) -> None:
    keys.generate(desk.folder / "root")
    root, trust = ["--root-key", "file:root/private.pem"], ["--trust", "trust.json", "--trust-state", "state.json"]
    init = ["trust", "init", *root, "--public-key", "keys/public.pem", "--allow-source", "file", "--out", "trust.json"]
    assert lockdown(init) == Exit.OK
    older = (desk.folder / "trust.json").read_bytes()
    assert lockdown(["trust", "rotate", "trust.json", *root]) == Exit.OK
    assert desk.night("one", "run", *trust, open="Enabled", closed="Disabled") == Exit.OK
    (desk.folder / "trust.json").write_bytes(older)
    assert desk.night("two", "run", *trust, open="Enabled", closed="Disabled") == Exit.UNTRUSTED


def test_a_new_resource_is_accepted_as_it_was(desk: Desk) -> None:
    desk.night("one", "run", open="Enabled", closed="Disabled", new="Disabled")
    (added,) = desk.ids("one", "resources")
    desk.accept("approved", "one", added)
    assert desk.night("two", "approved", open="Enabled", closed="Disabled", new="Disabled") == Exit.DRIFT
    assert desk.ids("two", "resources") == []
    rows = json.loads((desk.folder / "snapshot.json").read_bytes())
    rows[2]["properties"]["enableSoftDelete"] = False
    (desk.folder / "snapshot.json").write_text(json.dumps(rows), "utf-8")
    assert desk.drift(desk.folder / "approved", *LAB, out="three") == Exit.DRIFT
    assert desk.ids("three", "resources") == [added]


def test_a_bundle_of_a_baseline_serves_too(desk: Desk) -> None:
    desk.night("one", "run", open="Disabled", closed="Enabled", new="Disabled")
    desk.accept("approved", "one", *desk.ids("one", "verdicts", "properties", "resources")[:2])
    assert lockdown(["bundle", "approved", "--out", "approved.zip"]) == Exit.OK
    assert lockdown(["bundle", "one", "--out", "one.zip"]) == Exit.OK
    desk.night("two", "approved.zip", open="Disabled", closed="Enabled", new="Disabled")
    assert desk.document("two")["counts"]["accepted"] == 2
    assert desk.accept("approved-2", "two", "all", baseline="approved.zip") == Exit.OK
    assert desk.night("three", "approved-2", open="Disabled", closed="Enabled", new="Disabled") == Exit.OK


def test_what_cannot_be_accepted(desk: Desk, capsys: Captured) -> None:
    desk.night("one", "run", open="Enabled", closed="Enabled")
    opened = desk.ids("one", "properties")[0]
    assert desk.accept("x", "one", "0123456789abcdef") == Exit.USAGE
    assert desk.accept("x", "one", opened, reason=" ") == Exit.USAGE
    assert desk.accept("x", "run", opened) == Exit.USAGE
    assert "was not compared with a baseline" in capsys.readouterr().err
    desk.accept("approved", "one", opened)
    assert desk.accept("x", "one", "all", baseline="approved") == Exit.USAGE
    assert "compared with another baseline, or before something else was accepted" in capsys.readouterr().err
    desk.night("same", "run", open="Enabled", closed="Disabled")
    assert desk.accept("x", "same", "all") == Exit.USAGE
    desk.night("unsigned", "run", "--trust", "keys/trust-root.json", signed=False, open="Enabled", closed="Enabled")
    assert desk.accept("x", "unsigned", "all") == Exit.UNTRUSTED
    assert desk.accept("x", "unsigned", "all", trust="") == Exit.UNTRUSTED
    assert lockdown(["drift", "--baseline", "run", "--accept", "all", "--reason", "x"]) == Exit.USAGE
    ran = ["drift", "--baseline", "run", "--run", "one", "--accept", "all", "--reason", "x", "--snapshot", "s.json"]
    assert lockdown(ran) == Exit.USAGE
    assert "--snapshot is about a run" in capsys.readouterr().err
    assert not (desk.folder / "x").exists()


def test_only_a_key_that_may_accept_accepts(desk: Desk, capsys: Captured) -> None:
    for name in ("root", "person", "job"):
        keys.generate(desk.folder / name)
    root = ["--root-key", "file:root/private.pem"]
    allowed = ["--allow-source", "file", "--out", "trust.json"]
    assert lockdown(["trust", "init", *root, "--public-key", "keys/public.pem", *allowed]) == Exit.OK
    trust = ("--trust", "trust.json")
    desk.night("one", "run", *trust, open="Disabled", closed="Enabled", new="Disabled")
    opened = desk.ids("one", "properties")[0]
    assert desk.accept("x", "one", opened, trust="trust.json") == Exit.UNTRUSTED
    assert lockdown(["trust", "add-key", "trust.json", "--public-key", "person/public.pem", "--accepts", *root]) == 0
    assert lockdown(["trust", "show", "trust.json"]) == Exit.OK
    assert "may accept drift" in capsys.readouterr().out
    assert desk.accept("x", "one", opened, trust="trust.json") == Exit.UNTRUSTED
    assert "may not accept drift" in capsys.readouterr().err
    assert desk.accept("approved", "one", opened, key="person", trust="trust.json") == Exit.OK
    assert desk.verify("approved", "trust.json") == Exit.OK

    # The job accepts by itself, without asking anybody's trust root; nobody who has one believes it.
    assert desk.accept("by-the-job", "one", opened, trust="") == Exit.OK
    assert desk.verify("by-the-job", "trust.json") == Exit.UNTRUSTED
    assert desk.night("two", "by-the-job", *trust, open="Disabled", closed="Enabled") == Exit.UNTRUSTED
    assert not (desk.folder / "two").exists()


def test_an_acceptance_cannot_be_moved_dropped_or_changed(desk: Desk) -> None:
    desk.night("one", "run", open="Disabled", closed="Enabled", new="Disabled")
    first, second, *_ = desk.ids("one", "properties", "resources")
    desk.accept("approved", "one", first)
    desk.night("two", "approved", open="Disabled", closed="Enabled", new="Disabled")
    desk.accept("approved-2", "two", second, baseline="approved")
    signer = keys.load_signer("file:keys/private.pem")
    path = desk.folder / "approved-2/history/accepted.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in (lines[1:], [lines[1], lines[0]], [lines[0], lines[0]], [lines[0], lines[1].replace(b"a", b"b", 1)]):
        path.write_bytes(b"".join(changed))
        assert desk.verify("approved-2") == Exit.TAMPERED
        seal(desk.folder / "approved-2", signer)
        assert desk.verify("approved-2") == Exit.TAMPERED
        assert desk.drift(desk.folder / "approved-2", *LAB, out="never") == Exit.TAMPERED
    other = desk.folder / "one/history"
    other.mkdir()
    (other / "accepted.jsonl").write_bytes(lines[0])
    seal(desk.folder / "one", signer)
    assert desk.verify("one") == Exit.TAMPERED


def test_a_job_that_says_of_an_id_what_it_is_not(desk: Desk, capsys: Captured) -> None:
    desk.night("one", "run", open="Disabled", closed="Enabled", new="Disabled")
    opened = desk.ids("one", "properties")[0]
    path = desk.folder / "one/results/drift.json"
    path.write_bytes(path.read_bytes().replace(b"properties.publicNetworkAccess", b"properties.enableSoftDelete"))
    signer = keys.load_signer("file:keys/private.pem")
    sign_run(desk.folder / "one", signer)
    seal(desk.folder / "one", signer)
    assert desk.verify("one") == Exit.OK
    assert desk.accept("approved", "one", opened) == Exit.TAMPERED
    assert "is not that of what it says" in capsys.readouterr().err


def test_it_is_checked_by_hand_with_two_keys(desk: Desk) -> None:
    keys.generate(desk.folder / "person")
    desk.night("one", "run", open="Disabled", closed="Enabled", new="Disabled")
    desk.accept("approved", "one", desk.ids("one", "properties")[0], key="person", trust="")
    text = (desk.folder / "approved/VERIFY.txt").read_text("utf-8")
    commands = "\n".join(
        line for line in text.splitlines() if line.startswith("  ") and not line.startswith("  export")
    )
    given = f"export RUN_KEY={desk.folder}/keys/public.pem KEY={desk.folder}/person/public.pem\n"
    done = subprocess.run(
        ["sh", "-ec", given + commands], cwd=desk.folder / "approved", capture_output=True, text=True, check=True
    )
    assert done.stdout.count("Verified OK") == 2
    assert "FAILED" not in done.stdout


def test_the_reason_stands_in_the_history(desk: Desk, capsys: Captured) -> None:
    (desk.folder / "lockdown.yaml").write_text("evidence: {store: 'file:store'}\n", "utf-8")
    desk.night("one", "run", open="Disabled", closed="Enabled")
    assert desk.accept("approved", "one", "all", reason="Agreed \u202e in change 17.") == Exit.OK
    capsys.readouterr()
    assert lockdown(["history", "--trust", "keys/trust-root.json", "--json"]) == Exit.OK
    (accepted,) = json.loads(capsys.readouterr().out)["accepted"]
    assert (accepted["sequence"], accepted["reason"]) == (3, "Agreed \u202e in change 17.")
    assert lockdown(["history", "--trust", "keys/trust-root.json"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "accepted drift Agreed \\u202e in change 17." in shown
    assert desk.night("two", "approved", open="Disabled", closed="Enabled") == Exit.OK
    assert lockdown(["history", "--trust", "keys/trust-root.json", "--against", "two"]) == Exit.OK
