"""lockdown history, verify --history, and an audit with a store, as a person runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lockdown.errors import Exit
from lockdown.evidence import archive, keys
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.trust import written
from lockdown.history import log
from lockdown.history.store import Folder
from lockdown.sandbox.server import Sandbox
from tests.conftest import Lockdown
from tests.evidence import handmade
from tests.history.azurite import Azurite
from tests.history.test_chain import made


def configured(sandbox: Sandbox, folder: Path, store: str, more: str = "") -> Mapping[str, str]:
    """Write lockdown.yaml with a key and a store; return the environment for it."""
    keys.generate(folder / "keys")
    signing = 'signing: {key: "file:keys/private.pem"}\n' if not more else ""
    text = f"{sandbox.config_file.read_text()}{signing}evidence: {{store: '{store}', retentionDays: 3000}}\n"
    (folder / "own.yaml").write_text(text)
    return {**sandbox.environment("auditor"), "LOCKDOWN_CONFIG": "own.yaml"}


@pytest.fixture(scope="module")
def azure() -> Sandbox:
    return Sandbox("empty", operation_seconds=0)


def test_an_audit_is_recorded_stored_and_proven_in_blob_storage(
    azure: Sandbox, lockdown: Lockdown, tmp_path: Path, container: str, emulator: Azurite
) -> None:
    with azure as sandbox:
        environment = {**configured(sandbox, tmp_path, container), "AZURE_STORAGE_KEY": emulator.key}
        done = lockdown("audit", "--quiet", "--out", "run", env=environment)
        assert done.code in (0, 5, 7), done.err
    trust = ("--trust", "keys/trust-root.json")
    proof = lockdown("verify", "run", *trust, "--history", container, "--allow-partial", env=environment)
    assert proof.code == 0, proof.out
    assert "records 1 and 2 are of this run" in proof.out
    shown = lockdown("history", *trust, "--cadence", "1d", "--against", "run", "--json", env=environment)
    assert shown.code == 0, shown.out
    found = json.loads(shown.out)
    assert (len(found["runs"]), found["gaps"], found["unfinished"], found["head"]["sequence"]) == (1, [], [], 2)
    run = json.loads((tmp_path / "run/results/results.json").read_bytes())["run"]
    assert (found["runs"][0]["runId"], found["runs"][0]["outcome"]) == (run["runId"], run["outcome"])
    assert found["runs"][0]["counts"] == run["counts"]
    assert found["controls"]
    assert "to be kept 3000 days" in found["checks"][0]["detail"]
    assert "NO immutability policy" in found["checks"][0]["detail"]


def test_what_the_store_holds_is_the_bundle_of_the_run(tmp_path: Path, key: FileSigner) -> None:
    store = Folder(tmp_path / "store")
    run = made(store, key, tmp_path / "run")
    with (tmp_path / "store/runs/00000001.zip").open("rb", buffering=0) as file:
        assert archive.is_archive(file)
        held = archive.ArchiveFiles(file)
        names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
        assert set(held.names()) == names


def test_a_failed_audit_is_recorded(lockdown: Lockdown, tmp_path: Path) -> None:
    with Sandbox("empty", faults=("GET *subscriptions* fail:403:Forbidden", "POST * fail:400:BadRequest")) as sandbox:
        environment = configured(sandbox, tmp_path, "file:store")
        done = lockdown("audit", "--quiet", "--out", "run", env=environment)
    shown = json.loads(lockdown("history", "--json", env=environment).out)
    assert len(shown["runs"]) == 1
    assert shown["runs"][0]["outcome"] == "indeterminate"
    assert shown["runs"][0]["endedAt"]
    assert done.code in (1, 5)


def test_a_folder_is_read_without_anything_of_azure(tmp_path: Path, key: FileSigner) -> None:
    made(Folder(tmp_path / "store"), key, tmp_path / "run")
    script = (
        "import sys; from lockdown.cli import run;"
        "codes = [run(['history', '--store', 'file:store']), run(['verify', 'run', '--history', 'file:store'])];"
        "print(codes, [name for name in sys.modules if name.split('.')[0] == 'azure'], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1].endswith("[<Exit.OK: 0>, <Exit.UNTRUSTED: 4>] []"), done.stderr


def test_a_store_takes_signed_runs_only(azure: Sandbox, lockdown: Lockdown, tmp_path: Path) -> None:
    with azure as sandbox:
        environment = configured(sandbox, tmp_path, "file:store", "unsigned")
        done = lockdown("audit", "--quiet", "--out", "run", env=environment)
    assert (done.code, "takes signed runs only" in done.err) == (2, True)
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "run").exists()


def test_missing_nights_missing_records_and_a_wrong_store(lockdown: Lockdown, tmp_path: Path, key: FileSigner) -> None:
    store = Folder(tmp_path / "store")
    for name in ("a", "b"):
        made(store, key, tmp_path / name)
    whole = lockdown("history", "--store", "file:store")
    assert (whole.code, "skipped  history keys" in whole.out) == (0, True)
    shutil.copytree(tmp_path / "store", tmp_path / "short")
    (tmp_path / "short" / log.name_of(2)).unlink()
    short = lockdown("history", "--store", "file:short", "--against", "b")
    assert (short.code, "missing from the history: 2" in short.out) == (Exit.INCOMPLETE, True)
    for arguments, told in (
        (("--store", "file:nowhere"), "holds no history"),
        (("--store", "s3://x"), "is no evidence store"),
        ((), "No evidence store is named"),
        (("--store", "file:store", "--cadence", "often"), "is not a time such as"),
    ):
        wrong = lockdown("history", *arguments)
        assert (wrong.code, told in wrong.out + wrong.err) == (2, True), wrong.out + wrong.err


def test_who_remembers_notices_that_the_end_was_cut_off(lockdown: Lockdown, tmp_path: Path, key: FileSigner) -> None:
    store = Folder(tmp_path / "store")
    for name in ("a", "b"):
        made(store, key, tmp_path / name)
    (tmp_path / "trust-root.json").write_bytes(written(handmade.root(key, lab=True)))
    verify = ("verify", "a", "--trust", "trust-root.json", "--allow-partial", "--history", "file:store")
    first = lockdown(*verify)
    assert (first.code, "not compared with one seen before" in first.out) == (0, True), first.out
    remembering = (*verify, "--trust-state", "state.json")
    assert lockdown(*remembering).code == 0
    for number in (3, 4):
        (tmp_path / "store" / log.name_of(number)).unlink()
    assert lockdown(*verify).code == 0, "which nothing in the store can show"
    cut = lockdown(*remembering)
    assert (cut.code, "record 4 was seen before" in cut.out) == (Exit.INCOMPLETE, True), cut.out
