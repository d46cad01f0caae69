"""lockdown keys generate, lockdown verify: what people and programs get."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence.keys import FileSigner, load_signer
from lockdown.evidence.seal import seal, sign_run
from tests.evidence.handmade import LOCAL_CLOUD, root, signed_root, signer, write_run

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def trust_file(tmp_path: Path, key: FileSigner) -> Path:
    path = tmp_path / "trust-root.json"
    path.write_bytes(signed_root(root(key), signer()))
    return path


def verify(directory: Path, *options: object, trust: Path | None = None) -> int:
    trusting = ["--trust", str(trust)] if trust else []
    return lockdown(["verify", str(directory), *trusting, *map(str, options)])


def test_generated_keys_sign_a_run_that_their_trust_root_accepts(tmp_path: Path, capsys: Captured) -> None:
    assert lockdown(["keys", "generate", "--out", str(tmp_path / "keys")]) == Exit.OK
    made = capsys.readouterr()
    assert made.out == f"{tmp_path}/keys/trust-root.json\n"
    assert "for a laboratory" in made.err
    key = load_signer(f"file:{tmp_path}/keys/private.pem")
    directory = write_run(tmp_path / "run-1", source="sandbox", cloud=LOCAL_CLOUD)
    sign_run(directory, key)
    seal(directory, key)
    assert verify(directory, trust=tmp_path / "keys/trust-root.json") == Exit.OK
    shown = capsys.readouterr().out.splitlines()
    assert shown[-2].startswith("This is a LABORATORY trust root")
    assert shown[-1].startswith(
        "VERIFIED: run 2026-01-02T03-04-05Z-6c0d2a2e (nonCompliant, source sandbox), signed with key "
    )


def test_keys_are_never_overwritten(tmp_path: Path, capsys: Captured) -> None:
    assert lockdown(["keys", "generate", "--out", str(tmp_path)]) == Exit.OK
    before = (tmp_path / "private.pem").read_bytes()
    assert lockdown(["keys", "generate", "--out", str(tmp_path)]) == Exit.USAGE
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "private.pem").read_bytes() == before


def test_every_check_has_a_line(sealed: Path, trust_file: Path, capsys: Captured) -> None:
    assert verify(sealed, trust=trust_file) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    marks = {line[9:26].strip(): line[:8].strip() for line in lines[:-1]}
    assert list(marks) == [
        *("structure", "trust root"),
        *("run envelope", "run timestamp", "run signature", "run statement"),
        *("bundle envelope", "bundle timestamp", "bundle signature", "bundle statement"),
        *("digests", "seal", "subjects", "policies", "record", "formats", "claim"),
        *("origin", "time"),
        *("age", "scope", "policy set", "complete", "outcome", "replay"),
    ]
    unasked = {"run timestamp", "bundle timestamp", "formats", "age", "scope", "policy set", "outcome", "replay"}
    assert {name for name, mark in marks.items() if mark != "ok"} == unasked
    assert not any("LABORATORY" in line for line in lines)


def test_a_changed_run_is_told_by_file(sealed: Path, trust_file: Path, capsys: Captured) -> None:
    (sealed / "inputs/scope.json").write_text("{ }\n")
    assert verify(sealed, "--quiet", trust=trust_file) == Exit.TAMPERED
    shown = capsys.readouterr().out.splitlines()
    failed, summary = shown
    assert failed.split(maxsplit=2) == ["failed", "digests", "inputs/scope.json is not as in SHA256SUMS."]
    assert summary == "NOT VERIFIED. TAMPERED: it is not what was signed."


def test_without_a_trust_root_it_says_what_is_intact(sealed: Path, capsys: Captured) -> None:
    assert verify(sealed) == Exit.UNTRUSTED
    shown = capsys.readouterr().out
    assert "it is intact, but anybody can have made it" in shown
    assert "NOT VERIFIED. NOT TRUSTED" in shown


def test_an_unsigned_run_says_so(tmp_path: Path, trust_file: Path, capsys: Captured) -> None:
    directory = write_run(tmp_path / "run-1")
    seal(directory, None)
    assert verify(directory, trust=trust_file) == Exit.UNTRUSTED
    assert "this run is not signed" in capsys.readouterr().out


def test_programs_get_the_same_as_json(sealed: Path, trust_file: Path, key: FileSigner, capsys: Captured) -> None:
    assert verify(sealed, "--json", trust=trust_file) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["verified"], found["exitCode"], found["laboratory"]) == (True, 0, False)
    assert (found["keyId"], found["outcome"]) == (key.key_id, "nonCompliant")
    assert found["checks"][0].keys() == {"name", "mark", "detail"}
    (sealed / "VERIFY.txt").write_text("trust me")
    assert verify(sealed, "--json", trust=trust_file) == Exit.TAMPERED
    assert json.loads(capsys.readouterr().out)["verified"] is False


def test_a_partial_run_is_incomplete_unless_allowed(
    tmp_path: Path, trust_file: Path, key: FileSigner, capsys: Captured
) -> None:
    unread = [{"what": "subscription", "name": "\x1b[31mx\u202e", "reason": "Forbidden."}]
    directory = write_run(tmp_path / "run-1", complete=False, unreadable=unread, outcome="indeterminate")
    sign_run(directory, key)
    seal(directory, key)
    assert verify(directory, trust=trust_file) == Exit.INCOMPLETE
    assert "NOT VERIFIED. INCOMPLETE" in capsys.readouterr().out
    assert verify(directory, "--allow-partial", trust=trust_file) == Exit.OK
    assert "does not cover its scope, which was allowed" in capsys.readouterr().out


def test_hostile_text_in_a_run_cannot_steer_the_terminal(
    tmp_path: Path, trust_file: Path, key: FileSigner, capsys: Captured
) -> None:
    directory = write_run(tmp_path / "run-1", runId="\x1b]0;owned\x07\u202e\nVERIFIED")
    sign_run(directory, key)
    seal(directory, key)
    assert verify(directory, trust=trust_file) == Exit.OK
    shown = capsys.readouterr().out
    assert all(line.isprintable() for line in shown.splitlines())
    assert sum(line.startswith("VERIFIED") for line in shown.splitlines()) == 1


@pytest.mark.parametrize("place", ["nothing", "a-file", "empty"])
def test_what_is_no_run_is_wrong_usage(tmp_path: Path, trust_file: Path, place: str, capsys: Captured) -> None:
    (tmp_path / "a-file").write_text("")
    (tmp_path / "empty").mkdir()
    assert verify(tmp_path / place, trust=trust_file) == Exit.USAGE
    assert "lockdown audit wrote" in capsys.readouterr().err


def test_a_trust_root_inside_the_run_is_refused(sealed: Path, key: FileSigner, capsys: Captured) -> None:
    (sealed / "inputs/trust-root.json").write_bytes(signed_root(root(key), signer()))
    assert verify(sealed, trust=sealed / "inputs/trust-root.json") == Exit.USAGE
    assert "lies in the run that it is to judge" in capsys.readouterr().err


def test_a_bad_trust_root_is_not_trusted_and_a_missing_one_is_wrong_usage(sealed: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    assert verify(sealed, trust=tmp_path / "bad.json") == Exit.UNTRUSTED
    assert verify(sealed, trust=tmp_path / "nothing.json") == Exit.USAGE


def test_a_link_to_a_run_may_be_named(sealed: Path, trust_file: Path) -> None:
    (sealed.parent / "latest").symlink_to(sealed)
    assert verify(sealed.parent / "latest", trust=trust_file) == Exit.OK


def test_another_key_is_not_trusted(sealed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(signed_root(root(signer()), signer()))
    assert verify(sealed, trust=other) == Exit.UNTRUSTED


def modules_after(*arguments: str) -> set[str]:
    code = "import sys; from lockdown.cli import run; run(sys.argv[1:]); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_verifying_imports_nothing_of_azure_and_no_query_engine(sealed: Path, trust_file: Path) -> None:
    loaded = modules_after("verify", str(sealed), "--trust", str(trust_file))
    assert "cryptography" in loaded
    assert not {"azure", "msal", "duckdb", "lockdown.run", "lockdown.cloud", "jinja2", "yaml"} & loaded


def test_verifying_starts_fast(sealed: Path, trust_file: Path) -> None:
    command = [sys.executable, "-m", "lockdown", "verify", str(sealed), "--trust", str(trust_file)]

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Of the processor's time, so that other work on the machine does not count.
    assert min(seconds() for _ in range(5)) < 0.3


def test_cryptography_is_loaded_only_for_signatures(sealed: Path) -> None:
    assert "cryptography" not in modules_after("verify", str(sealed))
    assert "cryptography" not in modules_after("verify", "--help")
