"""More keys than one on what is handed over."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from lockdown.cli import run as lockdown
from lockdown.errors import Exit, TamperedError, UsageError
from lockdown.evidence import keys, root_edit
from lockdown.evidence.countersign import countersign, name_of
from lockdown.evidence.dsse import wrap
from lockdown.evidence.files import BUNDLE
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.trust import TrustRoot
from tests.evidence.handmade import (
    MADE,
    archived,
    check,
    failures,
    memory,
    payload,
    public_pem,
    resigned,
    root,
    signer,
    write_run,
)

SECOND, THIRD, STRANGER = signer(), signer(), signer()


@pytest.fixture
def two_of_three(key: FileSigner) -> TrustRoot:
    first = root(key)
    others = tuple(root_edit.trusted_key(public_pem(of), not_before=MADE) for of in (SECOND, THIRD))
    return first.model_copy(update={"keys": (*first.keys, *others), "threshold": 2})


def test_two_of_three_is_enough_and_one_is_not(sealed: Path, two_of_three: TrustRoot) -> None:
    alone = check(memory(sealed), two_of_three)
    assert (alone.exit_code, failures(alone)) == (Exit.UNTRUSTED, ["signers"])
    before = memory(sealed)
    made = countersign(sealed, SECOND)
    assert made == sealed / name_of(SECOND.key_id)
    assert before.items() <= memory(sealed).items()
    assert check(memory(sealed), two_of_three).exit_code is Exit.OK
    countersign(sealed, THIRD)
    whole = check(memory(sealed), two_of_three)
    assert whole.exit_code is Exit.OK
    assert any(entry.detail == "signed by 3 keys, 2 required" for entry in whole.checks)


def test_who_signed_cannot_sign_again(sealed: Path, key: FileSigner) -> None:
    countersign(sealed, SECOND)
    for again in (key, SECOND):
        with pytest.raises(UsageError, match="signed this run already"):
            countersign(sealed, again)


def test_what_is_not_intact_or_not_signed_is_not_countersigned(sealed: Path, tmp_path: Path) -> None:
    (sealed / "report/report.html").write_text("x")
    with pytest.raises(TamperedError):
        countersign(sealed, SECOND)
    unsigned = write_run(tmp_path / "unsigned")
    seal(unsigned, None)
    with pytest.raises(UsageError, match="nothing to countersign"):
        countersign(unsigned, SECOND)


def test_every_byte_of_one_counts(sealed: Path, two_of_three: TrustRoot) -> None:
    name = name_of(SECOND.key_id)
    countersign(sealed, SECOND)
    files = memory(sealed)
    data = files[name]
    for position in range(len(data)):
        flipped = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        assert check(files | {name: flipped}, two_of_three).exit_code is Exit.TAMPERED, position


def test_one_of_somebody_else_or_of_something_else(sealed: Path, key: FileSigner, two_of_three: TrustRoot) -> None:
    files = memory(sealed)
    own = payload(files[BUNDLE])
    one = name_of(SECOND.key_id)

    def code(**changed: bytes) -> Exit:
        return check(files | {f"seal/{name}.dsse.json": data for name, data in changed.items()}, two_of_three).exit_code

    def named(of: FileSigner) -> str:
        return of.key_id[:16]

    good = wrap(own, SECOND)
    assert code(**{named(SECOND): good}) is Exit.OK
    assert code(**{named(STRANGER): wrap(own, STRANGER)}) is Exit.UNTRUSTED
    assert code(**{named(SECOND): good, named(STRANGER): wrap(own, STRANGER)}) is Exit.UNTRUSTED
    assert code(**{named(SECOND): resigned(files[BUNDLE], SECOND, predicateType="urn:other")}) is Exit.TAMPERED
    assert code(**{named(THIRD): good}) is Exit.TAMPERED
    assert code(**{named(key): files[BUNDLE]}) is Exit.TAMPERED
    forged = good.replace(SECOND.key_id.encode(), THIRD.key_id.encode())
    assert code(**{named(THIRD): forged}) is Exit.TAMPERED
    assert code(other=good) is Exit.TAMPERED
    assert check(files | {one.replace(".dsse.json", ".tsr"): b"x"}, two_of_three).exit_code is Exit.TAMPERED


def test_one_of_a_revoked_key_does_not_count(sealed: Path, two_of_three: TrustRoot) -> None:
    countersign(sealed, SECOND)
    revoked = root_edit.without_key(two_of_three, SECOND.key_id, at=MADE - timedelta(hours=1), reason="Left.")
    assert check(memory(sealed), revoked).exit_code is Exit.UNTRUSTED


def test_one_signature_stays_enough_where_one_is_asked_for(sealed: Path, key: FileSigner) -> None:
    both = root_edit.with_key(root(key), root_edit.trusted_key(public_pem(SECOND), not_before=MADE))
    countersign(sealed, SECOND)
    assert check(memory(sealed), both).exit_code is Exit.OK
    assert check(memory(sealed), None).exit_code is Exit.UNTRUSTED
    assert archived(memory(sealed)) == archived(memory(sealed))


def test_as_people_do_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("root", "job", "person"):
        keys.generate(tmp_path / name)

    def uri(name: str) -> str:
        return f"file:{tmp_path / name}/private.pem"

    run, trust = write_run(tmp_path / "run"), str(tmp_path / "trust.json")
    job = keys.load_signer(uri("job"))
    sign_run(run, job)
    seal(run, job)
    public = [part for name in ("job", "person") for part in ("--public-key", str(tmp_path / name / "public.pem"))]
    init = ["trust", "init", "--root-key", uri("root"), *public, "--out", trust]
    assert lockdown([*init, "--signatures", "3"]) == Exit.USAGE
    assert lockdown([*init, "--signatures", "2"]) == Exit.OK
    assert lockdown(["trust", "show", trust]) == Exit.OK
    assert "by 2 keys, on what is handed over" in capsys.readouterr().out
    assert lockdown(["verify", str(run), "--trust", trust]) == Exit.UNTRUSTED
    assert lockdown(["countersign", str(run), "--key", uri("person")]) == Exit.OK
    assert lockdown(["verify", str(run), "--trust", trust]) == Exit.OK
    assert lockdown(["bundle", str(run), "--out", str(tmp_path / "run.zip")]) == Exit.OK
    assert lockdown(["verify", str(tmp_path / "run.zip"), "--trust", trust]) == Exit.OK
    (envelope,) = (path for path in (run / "seal").iterdir() if path.name != "bundle.dsse.json")
    commands = (Path(__file__).parents[2] / "docs/evidence.md").read_text().split("#### A countersignature")[1]
    text = commands.split("```sh\n")[1].split("```")[0]
    given = f"KEY={tmp_path}/person/public.pem\ne={envelope.relative_to(run)}\n"
    done = subprocess.run(["sh", "-ec", given + text], cwd=run, capture_output=True, text=True, check=True)
    assert "Verified OK" in done.stdout
