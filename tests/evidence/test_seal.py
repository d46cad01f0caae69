"""Signing and sealing: what is written, that others' tools can check it, and what is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lockdown.errors import Exit, ToolError, UsageError
from lockdown.evidence import dsse
from lockdown.evidence.files import BUNDLE, RUN, DirectoryFiles
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.verify import verify
from tests.evidence.handmade import NOW, SUBSCRIPTION, TENANT, memory, public_pem, root, run_object, signer, write_run


def statement(directory: Path, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(b64decode(json.loads((directory / name).read_bytes())["payload"]))
    return loaded


def sums(directory: Path) -> dict[str, str]:
    lines = (directory / "SHA256SUMS").read_text().splitlines()
    return {line[66:]: line[:64] for line in lines}


def test_the_run_statement_binds_results_inputs_and_policies(sealed: Path) -> None:
    stated = statement(sealed, RUN)
    subjects = {entry["name"]: entry["digest"] for entry in stated["subject"]}
    bound = [name for name in memory(sealed) if name.split("/")[0] in {"results", "inputs", "policies"}]
    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    assert stated["predicateType"] == "urn:coa-lockdown:predicate:audit-run:v1"
    assert subjects == {name: {"sha256": sha256((sealed / name).read_bytes()).hexdigest()} for name in bound}


def test_its_predicate_says_what_the_run_object_says(sealed: Path) -> None:
    run = run_object()
    assert statement(sealed, RUN)["predicate"] == {
        "runId": run["runId"],
        "tool": {"name": "lockdown", "version": "0.1.0"},
        "source": "live",
        "cloud": {
            "name": "AzureCloud",
            "resourceManager": "management.azure.com",
            "authority": "login.microsoftonline.com",
        },
        "identity": run["identity"],
        "scope": {
            "tenant": TENANT,
            "subscriptions": [SUBSCRIPTION],
            "managementGroups": [],
            "complete": True,
            "partial": False,
            "unreadable": [],
            "resources": {"total": 1, "byType": {"microsoft.storage/storageaccounts": 1}, "unjudged": []},
        },
        "ruleSet": run["policySet"],
        "outcome": "nonCompliant",
        "counts": run["counts"],
        "startedAt": "2026-01-02T03:04:05Z",
        "finishedAt": "2026-01-02T03:05:00Z",
        "evaluatedAt": "2026-01-02T03:04:50Z",
    }


def test_the_bundle_statement_names_the_list_and_the_run(sealed: Path) -> None:
    stated = statement(sealed, BUNDLE)
    payload = b64decode(json.loads((sealed / RUN).read_bytes())["payload"])
    assert stated["predicateType"] == "urn:coa-lockdown:predicate:evidence-bundle:v1"
    assert [entry["name"] for entry in stated["subject"]] == ["SHA256SUMS"]
    assert stated["predicate"]["runPayload"] == {"sha256": sha256(payload).hexdigest()}


def test_the_list_has_every_file_but_itself_and_the_seal(sealed: Path) -> None:
    names = memory(sealed).keys() - {"SHA256SUMS", BUNDLE}
    assert list(sums(sealed)) == sorted(names)
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=sealed, check=True, capture_output=True)
    assert done.stdout.decode().splitlines() == [f"{name}: OK" for name in sorted(names)]


def test_sign_run_returns_the_envelope_it_wrote(tmp_path: Path, key: FileSigner) -> None:
    run = write_run(tmp_path / "run-1")
    assert sign_run(run, key) == (run / RUN).read_bytes()


def test_sealing_again_gives_a_run_that_verifies(sealed: Path, key: FileSigner) -> None:
    (sealed / "report/report.html").write_bytes(b"another rendering\n")
    seal(sealed, key)
    assert verify(DirectoryFiles(sealed), root(key), now=NOW).exit_code is Exit.OK


def test_a_run_from_a_file_has_no_hosts_and_no_tenant(tmp_path: Path, key: FileSigner) -> None:
    nowhere = {"name": "file", "resourceManager": "", "authority": ""}
    run = write_run(tmp_path / "run-1", source="file", cloud=nowhere, tenant="", identity="")
    sign_run(run, key)
    seal(run, key)
    predicate = statement(run, RUN)["predicate"]
    assert (predicate["cloud"], predicate["identity"], predicate["scope"]["tenant"]) == (None, None, None)
    assert verify(DirectoryFiles(run), root(key, lab=True), now=NOW).exit_code is Exit.OK


def printed(directory: Path) -> str:
    """The commands of VERIFY.txt, which are its indented lines."""
    text = (directory / "VERIFY.txt").read_text()
    return "\n".join(line.removeprefix("  ") for line in text.splitlines() if line.startswith("  "))


def by_hand(directory: Path, key_file: Path, tsa_file: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The commands of VERIFY.txt as printed, in a shell that knows nothing of lockdown."""
    assert "export KEY=/path/to/public.pem\n" in printed(directory)
    script = printed(directory).replace("/path/to/public.pem", str(key_file))
    if tsa_file is not None:
        assert "export TSA=/path/to/tsa-root.pem\n" in script
        script = script.replace("/path/to/tsa-root.pem", str(tsa_file))
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C"}
    return subprocess.run(
        ["sh", "-c", script], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def test_the_commands_of_verify_txt_work_as_printed(sealed: Path, key: FileSigner, tmp_path: Path) -> None:
    key_file = tmp_path / "public.pem"
    key_file.write_text(public_pem(key))
    done = by_hand(sealed, key_file)
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert lines[0] == f"{key.key_id}  -"
    assert lines[1:3] == ["Verified OK", "Verified OK"]
    assert lines[3] == "SHA256SUMS: OK"
    assert re.fullmatch(r"/.+/run: OK", lines[4])
    end = lines.index("{")
    assert all(line.endswith(": OK") for line in lines[5:end]), "and no file is extra"
    assert json.loads("\n".join(lines[end:])) == statement(sealed, RUN)["predicate"]


def test_they_notice_a_change_an_extra_file_and_another_key(sealed: Path, tmp_path: Path) -> None:
    key_file = tmp_path / "public.pem"
    key_file.write_text(public_pem(signer()))
    (sealed / "results/extra.json").write_text("{}")
    (sealed / "inputs/scope.json").write_text("{ }\n")
    done = by_hand(sealed, key_file)
    assert done.stdout.count("Verification failure") + done.stdout.count("Verification Failure") == 2
    assert "inputs/scope.json: FAILED" in done.stdout
    assert "results/extra.json" in done.stdout.splitlines()


def test_an_unsigned_run_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run-1")
    seal(run, None)
    assert not (run / "seal").exists()
    assert not (run / "run").exists()
    assert "nobody signed" in (run / "VERIFY.txt").read_text()
    done = subprocess.run(["sh", "-c", printed(run)], cwd=run, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "results/results.json: OK" in done.stdout


@pytest.mark.parametrize("name", ["results/Final.json", "inputs/a b.json", "inputs/\u202egpj.json", "inputs/-\n"])
def test_strange_names_are_refused(tmp_path: Path, key: FileSigner, name: str) -> None:
    run = write_run(tmp_path / "run-1")
    (run / name).write_text("")
    with pytest.raises(UsageError, match="is not one that a run can have"):
        sign_run(run, key)
    with pytest.raises(UsageError, match="is not one that a run can have"):
        seal(run, None)


@pytest.mark.parametrize("name", ["notes.txt", "keys/private.pem", "seal/other.json", ".writing-1"])
def test_files_that_do_not_belong_are_refused(tmp_path: Path, key: FileSigner, name: str) -> None:
    run = write_run(tmp_path / "run-1")
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).write_text("")
    with pytest.raises(UsageError, match="does not belong in a run"):
        sign_run(run, key)
    with pytest.raises(UsageError, match="does not belong in a run"):
        seal(run, None)
    assert not (run / "SHA256SUMS").exists()


def test_links_and_special_files_are_refused(tmp_path: Path, key: FileSigner) -> None:
    run = write_run(tmp_path / "run-1")
    (run / "inputs/link.json").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="is a link or a special file"):
        sign_run(run, key)
    (run / "inputs/link.json").unlink()
    os.mkfifo(run / "inputs/pipe.json")
    with pytest.raises(UsageError, match="is a link or a special file"):
        seal(run, None)


def test_run_and_seal_are_signed_both_or_neither(tmp_path: Path, key: FileSigner) -> None:
    run = write_run(tmp_path / "run-1")
    with pytest.raises(UsageError, match="is not signed"):
        seal(run, key)
    sign_run(run, key)
    with pytest.raises(UsageError, match="is signed"):
        seal(run, None)


def test_only_a_run_is_signed(tmp_path: Path, key: FileSigner) -> None:
    with pytest.raises(UsageError, match="is not a run"):
        sign_run(tmp_path, key)
    with pytest.raises(UsageError, match="is not a run"):
        seal(tmp_path, None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"outcome": "fine"}, "outcome"),
        ({"finishedAt": "yesterday"}, "finishedAt"),
        ({"finishedAt": "2025-01-01T00:00:00Z"}, "finished before it started"),
        ({"counts": {"pass": 1.5}}, "counts"),
        ({"tenant": ""}, "names its hosts and its tenant"),
        ({"cloud": None}, "names its hosts and its tenant"),
        ({"cloud": {"name": "x", "resourceManager": "http://management.azure.com", "authority": "x"}}, "HTTPS"),
        ({"cloud": {"name": "x", "resourceManager": "https://user@management.azure.com", "authority": "x"}}, "cloud"),
        ({"scope": None}, "another shape"),
        ({"scope": {}}, "lacks 'subscriptions'"),
    ],
)
def test_a_run_object_that_is_not_a_runs_is_not_signed(
    tmp_path: Path, key: FileSigner, changes: dict[str, Any], says: str
) -> None:
    run = write_run(tmp_path / "run-1", **changes)
    with pytest.raises(UsageError, match=says):
        sign_run(run, key)
    assert not (run / RUN).exists()


def test_a_broken_run_envelope_is_not_sealed(sealed: Path, key: FileSigner) -> None:
    (sealed / RUN).write_bytes(b"{}")
    with pytest.raises(UsageError, match=RUN):
        seal(sealed, key)


def test_nothing_half_written_is_left_where_a_file_is_in_the_way(tmp_path: Path, key: FileSigner) -> None:
    run = write_run(tmp_path / "run-1")
    (run / RUN).mkdir(parents=True)
    before = memory(run)
    with pytest.raises(ToolError, match="could not be written"):
        sign_run(run, key)
    assert memory(run) == before


def test_the_envelope_is_one_line_of_text(sealed: Path) -> None:
    for name in (RUN, BUNDLE):
        data = (sealed / name).read_bytes()
        assert data.count(b"\n") == 1
        assert dsse.parse(data, name=name).payload
