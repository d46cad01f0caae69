"""Who received a sealed run from whom: signed, chained, of this run, by keys that may."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lockdown.cli import run as lockdown
from lockdown.errors import Exit, TamperedError, UsageError
from lockdown.evidence import custody, keys, root_edit, timestamp
from lockdown.evidence.dsse import wrap
from lockdown.evidence.files import BUNDLE, CUSTODY, MemoryFiles
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.statement import Statement, written
from lockdown.evidence.trust import TrustRoot, Tsa
from lockdown.strict import loads
from tests.evidence.handmade import (
    MADE,
    NOW,
    archived,
    check,
    failures,
    memory,
    payload,
    public_pem,
    root,
    signer,
    write_run,
)
from tests.evidence.tsa import serving

Contents = dict[str, bytes]
ASSESSOR, STRANGER = signer(), signer()


@pytest.fixture
def trusting(key: FileSigner) -> TrustRoot:
    theirs = root_edit.trusted_key(public_pem(ASSESSOR), not_before=MADE - timedelta(hours=1), custody_only=True)
    return root_edit.with_key(root(key), theirs)


def received(contents: Contents, by: FileSigner, name: str = "Assessor", sender: str = "Platform") -> Contents:
    return contents | custody.added(MemoryFiles(contents), custody.Received(name, sender), by)


def claims(contents: Contents) -> list[dict[str, Any]]:
    return [loads(payload(line), name="line")["predicate"] for line in contents[CUSTODY].splitlines(keepends=True)]


def forged(claim: dict[str, Any], by: FileSigner, **changes: Any) -> bytes:
    stated = claim | changes
    subjects = {name: stated[name] for name in ("previous", "seal")}
    return wrap(written(Statement(custody.KIND.predicate_type, stated, subjects)), by)


def test_each_who_receives_it_signs(sealed: Path, key: FileSigner, trusting: TrustRoot) -> None:
    before = memory(sealed)
    one = received(before, key, "Infosec", "Platform")
    two = received(one, ASSESSOR, "Assessor \u202e", "Infosec")
    assert before.items() <= two.items()
    found = check(two, trusting)
    assert found.exit_code is Exit.OK
    (told,) = [entry.detail for entry in found.checks if entry.name == "custody"]
    assert told.startswith("2 hand-overs; the last, of ")
    assert told.endswith("received by Assessor \u202e from Infosec")
    assert [claim["receivedFrom"] for claim in claims(two)] == ["Platform", "Infosec"]
    alone = check(two, None)
    assert failures(alone) == ["trust root"]
    assert any("by whom they are signed was not checked" in entry.detail for entry in alone.checks)


def test_without_a_hand_over_nothing_is_said(sealed: Path, trusting: TrustRoot) -> None:
    assert "custody" not in {entry.name for entry in check(memory(sealed), trusting).checks}


def test_every_byte_of_a_line_counts(sealed: Path, key: FileSigner, trusting: TrustRoot) -> None:
    two = received(received(memory(sealed), key), ASSESSOR)
    data = two[CUSTODY]
    for position in range(0, len(data), 3):
        flipped = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        assert check(two | {CUSTODY: flipped}, trusting).exit_code in {Exit.TAMPERED, Exit.UNTRUSTED}, position


def test_one_is_left_out_moved_or_of_another_run(
    sealed: Path, tmp_path: Path, key: FileSigner, trusting: TrustRoot
) -> None:
    three = received(received(received(memory(sealed), key), ASSESSOR), key)
    first, second, third = three[CUSTODY].splitlines(keepends=True)
    for lines in ([second, third], [first, third], [second, first, third], [first, first], [b""]):
        assert check(three | {CUSTODY: b"".join(lines)}, trusting).exit_code is Exit.TAMPERED
    cut = check(three | {CUSTODY: first + second}, trusting)
    assert cut.exit_code is Exit.OK, "which no seal covers; the manual says so"
    other = write_run(tmp_path / "other", runId="other")
    sign_run(other, key)
    seal(other, key)
    assert check(memory(other) | {CUSTODY: first}, trusting).exit_code is Exit.TAMPERED


def test_who_may_sign_it(sealed: Path, key: FileSigner, trusting: TrustRoot) -> None:
    run = memory(sealed)
    found = check(received(run, STRANGER), trusting)
    assert (found.exit_code, failures(found)) == (Exit.UNTRUSTED, ["custody"])
    older = trusting.model_copy(update={"predicate_types": trusting.predicate_types[:2]})
    assert check(received(run, key), older).exit_code is Exit.UNTRUSTED
    (claim,) = claims(received(run, key))
    assert check(run | {CUSTODY: forged(claim, key)}, trusting).exit_code is Exit.OK
    for changes in ({"sequence": 2}, {"previous": "0" * 64}, {"seal": "0" * 64}, {"receivedBy": ""}):
        assert check(run | {CUSTODY: forged(claim, key, **changes)}, trusting).exit_code is Exit.TAMPERED, changes


def test_a_key_for_hand_overs_signs_nothing_else(tmp_path: Path, key: FileSigner, trusting: TrustRoot) -> None:
    run = write_run(tmp_path / "mine")
    sign_run(run, ASSESSOR)
    seal(run, ASSESSOR)
    found = check(memory(run), trusting)
    assert (found.exit_code, failures(found)[:2]) == (Exit.UNTRUSTED, ["run signature", "bundle signature"])
    with pytest.raises(UsageError, match="threshold is higher"):
        root_edit.next_version(trusting, threshold=2)
    with pytest.raises(UsageError, match="cannot accept drift"):
        root_edit.with_key(
            root(key),
            root_edit.trusted_key(public_pem(ASSESSOR), not_before=MADE).model_copy(
                update={"accepts": True, "custody_only": True}
            ),
        )


def test_times_that_contradict_each_other(sealed: Path, key: FileSigner, trusting: TrustRoot) -> None:
    run = memory(sealed)
    (claim,) = claims(received(run, key))
    for at in ("2026-01-01T00:00:00Z", "2199-01-01T00:00:00Z"):
        found = check(run | {CUSTODY: forged(claim, key, at=at)}, trusting)
        assert (found.exit_code, failures(found)) == (Exit.STALE, ["custody"])


def test_what_an_expired_key_signed(sealed: Path, key: FileSigner, tmp_path: Path) -> None:
    late = root_edit.trusted_key(public_pem(key), not_before=MADE - timedelta(hours=1)).model_copy(
        update={"not_after": "2199-01-01T00:00:00Z"}
    )
    theirs = root_edit.trusted_key(public_pem(ASSESSOR), not_before=MADE - timedelta(hours=1), custody_only=True)
    first = root(key)
    years = {"expires": "2199-01-01T00:00:00Z"}
    later = {"now": NOW + timedelta(days=3000)}
    with serving(tmp_path / "tsa") as tsa:
        pin = Tsa(roots=(tsa.root_pem,), subject=tsa.subject)
        trusted = root_edit.checked(first.model_copy(update={"keys": (late, theirs), "tsa": (pin,), **years}))
        run = memory(sealed)
        undated = received(run, ASSESSOR)
        assert check(undated, trusted).exit_code is Exit.OK
        assert failures(check(undated, trusted, **later)) == ["custody"]
        vouched = received(undated, key)
        assert check(vouched, trusted, **later).exit_code is Exit.OK, "a key that is good vouches for what is before"
        stamper = timestamp.authority(tsa.url)
        dated = run | custody.added(MemoryFiles(run), custody.Received("A", "B"), ASSESSOR, stamper)
        assert check(dated, trusted, **later).exit_code is Exit.OK
        token = custody.token_of(1)
        assert check(dated | {token: dated[token][:-1]}, trusted).exit_code is Exit.TAMPERED
        assert check(dated | {custody.token_of(2): dated[token]}, trusted).exit_code is Exit.TAMPERED
    assert check(run | {custody.token_of(1): b"x"}, trusted).exit_code is Exit.TAMPERED


def test_what_is_not_intact_or_not_signed_is_not_received(sealed: Path, tmp_path: Path, key: FileSigner) -> None:
    with pytest.raises(TamperedError, match="not what was signed"):
        received(memory(sealed) | {"report/report.html": b"x"}, key)
    unsigned = write_run(tmp_path / "unsigned")
    seal(unsigned, None)
    with pytest.raises(UsageError, match="not signed"):
        received(memory(unsigned), key)
    with pytest.raises(UsageError, match="received_by"):
        received(memory(sealed), key, "")


def test_a_bundle_keeps_its_one_form(sealed: Path, key: FileSigner) -> None:
    files = received(memory(sealed), key)
    assert archived(files) == archived(dict(reversed(files.items())))


def test_as_people_do_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("root", "job", "assessor"):
        keys.generate(tmp_path / name)
    run, job = write_run(tmp_path / "run"), keys.load_signer("file:job/private.pem")
    sign_run(run, job)
    seal(run, job)
    root_key = ["--root-key", "file:root/private.pem"]
    assert lockdown(["trust", "init", *root_key, "--public-key", "job/public.pem", "--out", "trust.json"]) == Exit.OK
    added = ["trust", "add-key", "trust.json", "--public-key", "assessor/public.pem", *root_key, "--custody-only"]
    assert lockdown([*added, "--accepts"]) == Exit.USAGE
    assert lockdown(added) == Exit.OK
    assert lockdown(["bundle", "run", "--out", "run.zip"]) == Exit.OK
    give = ["custody", "receive", "run", "--by", "Infosec", "--from", "Platform", "--key", "file:job/private.pem"]
    assert lockdown([*give, "--out", "x.zip"]) == Exit.USAGE
    assert lockdown(give) == Exit.OK
    take = ["custody", "receive", "run.zip", "--by", "Assessor\x1b", "--from", "Infosec", "--note", "By mail."]
    assert lockdown([*take, "--key", "file:assessor/private.pem"]) == Exit.USAGE
    assert lockdown([*take, "--key", "file:assessor/private.pem", "--out", "taken.zip"]) == Exit.OK
    assert lockdown([*take, "--key", "file:assessor/private.pem", "--out", "taken.zip"]) == Exit.USAGE
    for place in ("run", "run.zip", "taken.zip"):
        assert lockdown(["verify", place, "--trust", "trust.json"]) == Exit.OK
    capsys.readouterr()
    assert lockdown(["custody", "show", "taken.zip"]) == Exit.OK
    shown = capsys.readouterr().out
    assert shown.endswith("Assessor\\x1b, from Infosec (By mail.)\n")
    assert lockdown(["custody", "show", "taken.zip", "--json"]) == Exit.OK
    (one,) = json.loads(capsys.readouterr().out)["handovers"]
    assert (one["receivedBy"], one["sequence"]) == ("Assessor\x1b", 1)
    assert lockdown(["custody", "show", "run.zip"]) == Exit.OK
    assert "Nobody signed" in capsys.readouterr().err

    commands = (Path(__file__).parents[2] / "docs/evidence.md").read_text().split("#### A hand-over by hand")[1]
    text = commands.split("```sh\n")[1].split("```")[0]
    done = subprocess.run(
        ["sh", "-ec", f"KEY={tmp_path}/job/public.pem\nn=1\n{text}"],
        cwd=run,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Verified OK" in done.stdout
    assert (run / BUNDLE).exists()
    assert datetime.now(UTC) > MADE
