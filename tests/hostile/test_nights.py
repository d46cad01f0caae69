"""Attacks on the history of runs and on those who read a run, and the exit code that answers each.

With test_threats.py, one for each row of the threats that evidence is meant to withstand: a night that is left out, a
night that crashed, a history rolled back or forked, names that run in a page or a spreadsheet, secrets, a chain of
custody, and evidence that changes hands.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import keys, root_edit, root_file, trust
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.times import stamp
from lockdown.history import log, records, session
from lockdown.history.store import Folder
from tests.evidence.handmade import public_pem, root, signer
from tests.history.test_chain import made
from tests.hostile.test_small_run import small_run, vault

Captured = pytest.CaptureFixture[str]
KEY = signer()


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Three nights in a store, each run with its copy of the history."""
    monkeypatch.chdir(tmp_path)
    store, days = Folder(tmp_path / "store"), iter((3, 2, 2, 1, 1, 0, 0, 0, 0))
    monkeypatch.setattr(session, "_now", lambda: stamp(datetime.now(UTC) - timedelta(days=next(days, 0))))
    for name in ("one", "two", "three"):
        made(store, KEY, tmp_path / name)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    since = datetime.now(UTC) - timedelta(days=4)
    Path("trust-root.json").write_bytes(trust.written(root(KEY, lab=True, now=since)))
    return store


def history(*options: str) -> int:
    return lockdown(["history", "--store", "file:store", "--trust", "trust-root.json", *options])


def proven(run: str, *options: str) -> int:
    return lockdown(["verify", run, "--trust", "trust-root.json", "--history", "file:store", *options])


def remove(store: Folder, *names: str) -> None:
    for name in names:
        (store.path / name).unlink()


def renumbered(store: Folder, without: int, by: FileSigner) -> None:
    """Leave out a night and chain what follows again, as whoever holds the key can."""
    links = log.links(store)
    kept = [link.record for link in links if link.record.sequence not in {without, without + 1}]
    shutil.rmtree(store.path / "records")
    for record in kept:

        def again(head: log.Head, record: records.Record = record) -> records.Record:
            changes: dict[str, object] = {"sequence": head.sequence + 1, "previous": head.digest}
            if isinstance(record, records.Ended):
                changes["started"] = head.sequence
            return record.model_copy(update=changes)

        log.append(store, again, by)


def test_what_nobody_attacked(nights: Folder) -> None:
    assert history() == history("--cadence", "2d", "--against", "two", "--against", "three") == Exit.OK
    assert proven("two") == Exit.OK
    assert nights.names("runs/") == ["runs/00000001.zip", "runs/00000003.zip", "runs/00000005.zip"]


def test_a_night_that_is_left_out(nights: Folder, capsys: Captured) -> None:
    renumbered(nights, 3, KEY)
    assert history() == Exit.OK, "a whole, shorter chain"
    assert history("--cadence", "1d") == Exit.INCOMPLETE
    assert "MISSING" in capsys.readouterr().out
    assert history("--against", "two") == history("--against", "three") == Exit.INCOMPLETE


def test_a_night_whose_records_are_deleted(nights: Folder) -> None:
    remove(nights, log.name_of(3), log.name_of(4))
    assert history() == Exit.INCOMPLETE


def test_a_night_that_crashed_is_no_good_one(nights: Folder, capsys: Captured) -> None:
    remove(nights, log.name_of(6), "runs/00000005.zip")
    assert history() == Exit.OK
    assert "indeterminate  never ended" in capsys.readouterr().out
    assert proven("three") == Exit.INCOMPLETE


def test_a_history_rolled_back(nights: Folder) -> None:
    assert proven("one", "--trust-state", "seen.json") == Exit.OK
    remove(nights, log.name_of(5), log.name_of(6))
    assert history() == Exit.OK, "which nothing in the store can show"
    assert proven("one", "--trust-state", "seen.json") == Exit.INCOMPLETE
    assert history("--against", "three") == Exit.INCOMPLETE


def test_a_history_that_forks(nights: Folder) -> None:
    assert proven("one", "--trust-state", "seen.json") == Exit.OK
    remove(nights, *(log.name_of(number) for number in (3, 4, 5, 6)))
    remove(nights, "runs/00000003.zip", "runs/00000005.zip")
    for name in ("again", "and-again"):
        made(nights, KEY, nights.path.parent / name)
    assert history() == Exit.OK
    assert history("--against", "three") == Exit.INCOMPLETE
    assert proven("one", "--trust-state", "seen.json") == Exit.INCOMPLETE


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data.replace(b'"sig":"M', b'"sig":"N', 1), Exit.TAMPERED),
        (lambda data: data[:-1], Exit.TAMPERED),
        (lambda data: data + data, Exit.TAMPERED),
        (lambda _: b"{}\n", Exit.TAMPERED),
    ],
)
def test_a_record_edited(nights: Folder, change: Callable[[bytes], bytes], code: Exit) -> None:
    path = nights.path / log.name_of(2)
    path.chmod(0o600)
    path.write_bytes(change(path.read_bytes()))
    assert history() == code


def test_a_night_added_by_somebody_else(nights: Folder) -> None:
    made(nights, signer(), nights.path.parent / "theirs")
    assert history() == Exit.UNTRUSTED


# Who reads it.


def test_names_that_would_run_in_a_page_or_a_spreadsheet(tmp_path: Path, capsys: Captured) -> None:
    small_run(tmp_path)
    names = ["</script><script>alert(1)</script>", "=cmd|' /C calc'!A0", "@SUM(1)", "\u202e\x1b[2Jx", "-2+3", "\tx"]
    rows = [
        {"id": vault(name), "type": "microsoft.keyvault/vaults", "properties": {"publicNetworkAccess": name}}
        for name in names
    ]
    (tmp_path / "snapshot.json").write_text(json.dumps(rows), "utf-8")
    given = ["--snapshot", str(tmp_path / "snapshot.json"), "--only-policies", str(tmp_path / "policies")]
    key = ["--key", f"file:{tmp_path}/keys/private.pem"]
    out = tmp_path / "hostile"
    assert lockdown(["audit", *given, *key, "--format", "csv", "--out", str(out)]) == Exit.NOT_COMPLIANT
    told = capsys.readouterr()
    assert all(line.isprintable() for line in (told.out + told.err).splitlines())
    page = (out / "report/report.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "\x1b" not in page
    with (out / "results/results.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert any(cell.startswith("'=cmd") for cell in cells)
    assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]
    assert lockdown(["verify", str(out), "--trust", str(tmp_path / "keys/trust-root.json"), "--replay"]) == Exit.OK
    told = capsys.readouterr()
    assert all(line.isprintable() for line in (told.out + told.err).splitlines())


SECRETS = (
    "AccountKey=c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LQ==",
    "hunter2-hunter2",
    "b4c9a1d2-0000-4000-8000-secretsecret",
)


def test_no_secret_is_handed_over(tmp_path: Path) -> None:
    keys.generate(tmp_path / "keys")
    rows = [
        {
            "id": f"/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/{kind}/x",
            "type": kind.lower(),
            "tags": {"note": f"DefaultEndpointsProtocol=https;AccountName=x;{SECRETS[0]}"},
            "properties": {
                "osProfile": {"adminPassword": SECRETS[1], "customData": SECRETS[1]},
                "InstrumentationKey": SECRETS[2],
                "ConnectionString": f"InstrumentationKey={SECRETS[2]}",
            },
        }
        for kind in ("Microsoft.Compute/virtualMachines", "Microsoft.Insights/components")
    ]
    (tmp_path / "snapshot.json").write_text(json.dumps(rows), "utf-8")
    given = ["--snapshot", str(tmp_path / "snapshot.json"), "--key", f"file:{tmp_path}/keys/private.pem", "--quiet"]
    lockdown(["audit", *given, "--out", str(tmp_path / "run")])
    assert lockdown(["bundle", str(tmp_path / "run"), "--out", str(tmp_path / "run.zip")]) == Exit.OK
    with zipfile.ZipFile(tmp_path / "run.zip") as file:
        held = {name: file.read(name) for name in file.namelist()}
    assert json.loads((tmp_path / "run/results/results.json").read_text().splitlines()[-1][8:].rpartition(",")[0])[
        "redactions"
    ]
    for secret in SECRETS:
        assert [name for name, data in held.items() if secret.encode() in data] == []


# Who had it.


def test_a_hand_over_that_somebody_else_signed(tmp_path: Path) -> None:
    small_run(tmp_path)
    keys.generate(tmp_path / "eve")
    run, accepted = str(tmp_path / "run"), ["--trust", str(tmp_path / "keys/trust-root.json")]
    receive = [
        "custody",
        "receive",
        run,
        "--by",
        "Eve",
        "--from",
        "Infosec",
        "--key",
        f"file:{tmp_path}/eve/private.pem",
    ]
    assert lockdown(receive) == Exit.OK
    assert lockdown(["verify", run, *accepted]) == Exit.UNTRUSTED


def test_an_assessors_key_seals_nothing(tmp_path: Path) -> None:
    _, laboratory = small_run(tmp_path)
    eve, infosec = signer(), signer()
    theirs = root_edit.trusted_key(public_pem(eve), not_before=datetime.now(UTC), custody_only=True)
    trusted = root_edit.with_key(laboratory, theirs).model_copy(update={"root": root_edit.root_keys([infosec], 1)})
    (tmp_path / "trust.json").write_bytes(root_file.signed(trusted, (infosec,)))
    run = tmp_path / "run"
    assert lockdown(["verify", str(run), "--trust", str(tmp_path / "trust.json")]) == Exit.OK
    from lockdown.evidence.seal import seal  # noqa: PLC0415

    seal(run, eve)
    assert lockdown(["verify", str(run), "--trust", str(tmp_path / "trust.json")]) == Exit.UNTRUSTED


AUDIT = (
    sys.executable,
    "-m",
    "lockdown",
    "audit",
    "--quiet",
    "--snapshot",
    "snapshot.json",
    "--only-policies",
    "policies",
)


@pytest.mark.parametrize("after", [0.3, 0.8, 1.3, 1.8, 2.3])
def test_an_audit_killed_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: float) -> None:
    """The chain verifies whenever the process dies, and a run that began is never taken for a good one."""
    monkeypatch.chdir(tmp_path)
    small_run(tmp_path)
    Path("lockdown.yaml").write_text(
        "signing: {key: 'file:keys/private.pem'}\nevidence: {store: 'file:store'}\n", "utf-8"
    )
    running = subprocess.Popen([*AUDIT, "--out", "killed"], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        running.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    ended = running.returncode == Exit.NOT_COMPLIANT
    prove = ["history", "--store", "file:store", "--trust", "keys/trust-root.json"]
    started = Path("store/records/00000001.dsse.json").exists()
    assert lockdown(prove) == (Exit.OK if Path("store/store.json").exists() else Exit.USAGE)
    if Path("killed").exists():
        assert lockdown(["verify", "killed", "--trust", "keys/trust-root.json", "--history", "file:store"]) == Exit.OK
    else:
        assert not ended
    assert lockdown([*AUDIT[3:], "--out", "next"]) == Exit.NOT_COMPLIANT
    assert lockdown(prove) == Exit.OK
    assert lockdown(["verify", "next", "--trust", "keys/trust-root.json", "--history", "file:store"]) == Exit.OK
    runs = [link.record for link in log.links(Folder(tmp_path / "store")) if isinstance(link.record, records.Started)]
    assert len(runs) == 1 + started
