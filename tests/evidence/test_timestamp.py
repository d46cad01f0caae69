"""Signatures dated by somebody else: a real time-stamping authority, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lockdown import run
from lockdown.errors import Exit, LockdownError, TamperedError, ToolError, UntrustedError, UsageError
from lockdown.evidence import timestamp
from lockdown.evidence.files import BUNDLE, BUNDLE_TOKEN, RUN, RUN_TOKEN
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.times import stamp
from lockdown.evidence.trust import Tsa
from lockdown.evidence.verify import Demands
from tests.evidence.handmade import changed_root, check, failures, memory, root, write_run
from tests.evidence.test_seal import by_hand
from tests.evidence.tsa import Authority, serving
from tests.hostile.test_small_run import Quiet, small_run

Contents = dict[str, bytes]
DEMANDED = Demands(timestamp=True)


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with serving(tmp_path_factory.mktemp("tsa") / "files") as authority:
        yield authority


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other") / "files")


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch, tsa: Authority) -> None:
    monkeypatch.setattr(timestamp, "WAITS", (0, 0))
    tsa.faults.clear()


def pinned(by: Authority, **changes: Any) -> Tsa:
    return Tsa(**{"roots": (by.root_pem,), "subject": by.subject, **changes})


def made(directory: Path, key: FileSigner, tsa: Authority, ago: timedelta = timedelta(0)) -> Path:
    finished = stamp(datetime.now(UTC) - ago)
    write_run(directory, finishedAt=finished)
    stamper = timestamp.authority(tsa.url)
    sign_run(directory, key, stamper)
    seal(directory, key, stamper)
    return directory


@pytest.fixture
def dated(tmp_path: Path, key: FileSigner, tsa: Authority) -> Path:
    return made(tmp_path / "run-1", key, tsa)


def trusting(key: FileSigner, tsa: Authority | None, **changes: Any) -> Any:
    pins = [pinned(tsa).model_dump(by_alias=True, exclude_none=True)] if tsa else []
    return changed_root(root(key), tsa=pins, **changes)


def now() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def test_a_timestamp_proves_when_it_was_signed(dated: Path, key: FileSigner, tsa: Authority) -> None:
    found = check(memory(dated), trusting(key, tsa), demands=DEMANDED)
    assert (found.exit_code, failures(found)) == (Exit.OK, [])
    assert found.proven_at is not None
    assert abs(datetime.fromisoformat(found.proven_at) - datetime.now(UTC)) < timedelta(minutes=1)
    assert "which a timestamp proves" in next(c.detail for c in found.checks if c.name == "time")


def test_the_commands_of_verify_txt_work_as_printed(
    dated: Path, key: FileSigner, tsa: Authority, other: Authority, tmp_path: Path
) -> None:
    key_file = tmp_path / "public.pem"
    key_file.write_text(key.public_pem)
    done = by_hand(dated, key_file, tsa.folder / "root.pem")
    lines = done.stdout.splitlines()
    assert [line for line in done.stderr.splitlines() if not line.startswith("Using configuration")] == []
    assert lines.count("Verification: OK") == 2
    assert sum(line.startswith("Time stamp:") for line in lines) == 2
    refused = by_hand(dated, key_file, other.folder / "root.pem")
    assert refused.stdout.splitlines().count("Verification: OK") == 0


def test_without_a_pinned_authority_the_time_is_a_claim(dated: Path, key: FileSigner) -> None:
    assert check(memory(dated), trusting(key, None)).proven_at is None
    found = check(memory(dated), trusting(key, None), demands=DEMANDED)
    assert (found.exit_code, failures(found)) == (Exit.STALE, ["run timestamp", "bundle timestamp"])


def test_without_a_timestamp_the_time_is_a_claim(sealed: Path, key: FileSigner, tsa: Authority) -> None:
    assert check(memory(sealed), trusting(key, tsa)).exit_code is Exit.OK
    found = check(memory(sealed), trusting(key, tsa), demands=DEMANDED)
    assert (found.exit_code, failures(found)) == (Exit.STALE, ["run timestamp", "bundle timestamp"])


def test_another_authority_is_not_trusted(dated: Path, key: FileSigner, other: Authority) -> None:
    found = check(memory(dated), trusting(key, other))
    assert (found.exit_code, failures(found)) == (Exit.UNTRUSTED, ["run timestamp", "bundle timestamp"])


def test_another_of_the_same_root_is_not_trusted(
    dated: Path, key: FileSigner, tsa: Authority, other: Authority
) -> None:
    for pin in (pinned(tsa, subject="CN=Other"), pinned(tsa, subject=None, certificate=other.certificate_pem)):
        accepted = changed_root(root(key), tsa=[pin.model_dump(by_alias=True, exclude_none=True)])
        assert check(memory(dated), accepted).exit_code is Exit.UNTRUSTED
    exact = pinned(tsa, subject=None, certificate=tsa.certificate_pem)
    accepted = changed_root(root(key), tsa=[exact.model_dump(by_alias=True, exclude_none=True)])
    assert check(memory(dated), accepted).exit_code is Exit.OK


def test_an_authority_is_pinned_by_more_than_its_root(key: FileSigner, tsa: Authority) -> None:
    for pin in ({"roots": [tsa.root_pem]}, {"roots": [], "subject": "CN=x"}, {"roots": ["no"], "subject": "CN=x"}):
        with pytest.raises(UntrustedError, match="tsa"):
            changed_root(root(key), tsa=[pin])


# A key that no longer counts vouches for what is proven to be older.


def test_a_revoked_key_vouches_for_what_is_older(dated: Path, key: FileSigner, tsa: Authority) -> None:
    later, earlier = stamp(now() + timedelta(hours=1)), stamp(now() - timedelta(hours=1))
    for revoked_at, code in ((later, Exit.OK), (earlier, Exit.UNTRUSTED)):
        accepted = trusting(key, tsa, key_revokedAt=revoked_at, key_reason="Stolen.")
        assert check(memory(dated), accepted, now=now() + timedelta(hours=2)).exit_code is code


def test_an_expired_key_vouches_for_what_is_older(dated: Path, key: FileSigner, tsa: Authority) -> None:
    accepted = trusting(key, tsa, key_notAfter=stamp(now()))
    assert check(memory(dated), accepted, now=now() + timedelta(days=9)).exit_code is Exit.OK
    late = trusting(key, tsa, key_notAfter=stamp(now() - timedelta(hours=1)))
    assert check(memory(dated), late).exit_code is Exit.UNTRUSTED
    not_yet = trusting(key, tsa, key_notBefore=stamp(now() + timedelta(hours=1)))
    assert check(memory(dated), not_yet, now=now() + timedelta(hours=2)).exit_code is Exit.UNTRUSTED


def test_without_a_timestamp_it_vouches_for_nothing(sealed: Path, key: FileSigner, tsa: Authority) -> None:
    accepted = trusting(key, tsa, key_revokedAt=stamp(now() + timedelta(days=1)), key_reason="Stolen.")
    found = check(memory(sealed), accepted)
    assert failures(found) == ["run signature", "bundle signature"]
    assert "nothing proves" in next(c.detail for c in found.checks if c.name == "run signature")


def test_a_run_that_states_another_time_than_is_proven(tmp_path: Path, key: FileSigner, tsa: Authority) -> None:
    for number, (ago, code) in enumerate(
        (
            (timedelta(hours=23), Exit.OK),
            (timedelta(hours=25), Exit.STALE),
            (timedelta(days=-1), Exit.STALE),
        )
    ):
        run = made(tmp_path / f"other-{number}", key, tsa, ago)
        found = check(memory(run), trusting(key, tsa))
        assert (found.exit_code, failures(found)) == (code, ["time"] if code else [])


def test_a_timestamp_of_the_future(dated: Path, key: FileSigner, tsa: Authority) -> None:
    early = trusting(key, tsa, key_notBefore="2026-01-01T00:00:00Z")
    found = check(memory(dated), early, now=datetime.now(UTC) - timedelta(hours=1))
    assert (found.exit_code, failures(found)) == (Exit.STALE, ["time"])


# Tokens changed.


def test_the_token_of_another_signature(dated: Path, key: FileSigner, tsa: Authority, tmp_path: Path) -> None:
    elsewhere = memory(made(tmp_path / "run-2", key, tsa))
    contents = memory(dated)
    swapped = contents | {BUNDLE_TOKEN: contents[RUN_TOKEN]}
    for changed in (swapped, contents | {BUNDLE_TOKEN: elsewhere[BUNDLE_TOKEN]}):
        found = check(changed, trusting(key, tsa))
        assert (found.exit_code, failures(found)) == (Exit.TAMPERED, ["bundle timestamp"])


def test_a_token_taken_away_or_added(dated: Path, key: FileSigner, tsa: Authority) -> None:
    contents = memory(dated)
    for name in (RUN_TOKEN, BUNDLE_TOKEN):
        less = {each: data for each, data in contents.items() if each != name}
        assert failures(check(less, trusting(key, tsa)))[0] == "structure"
    both = {each: data for each, data in contents.items() if each not in {RUN_TOKEN, BUNDLE_TOKEN}}
    found = check(both, trusting(key, tsa))
    assert (found.exit_code, failures(found)) == (Exit.TAMPERED, ["digests"])
    unsigned = {each: data for each, data in contents.items() if each not in {RUN, BUNDLE}}
    assert check(unsigned, trusting(key, tsa)).exit_code is Exit.TAMPERED


def test_no_byte_of_a_token_changes_what_it_proves(tsa: Authority) -> None:
    token = timestamp.authority(tsa.url)(b"signature")
    genuine = timestamp.dated(token, b"signature", (pinned(tsa),), name="token")
    unnoticed = 0
    for at in range(len(token)):
        for flip in (0x01, 0x20, 0x80):
            changed = token[:at] + bytes([token[at] ^ flip]) + token[at + 1 :]
            try:
                assert timestamp.dated(changed, b"signature", (pinned(tsa),), name="token") == genuine
                unnoticed += 1
            except LockdownError:
                pass
    assert unnoticed < 30, "the name of the signature's algorithm is in nobody's signature, and nothing else"


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x03\x02\x01\x00", b"PK", bytes(1000)])
def test_what_is_no_token(data: bytes, tsa: Authority) -> None:
    with pytest.raises(TamperedError, match="is not an RFC 3161 answer"):
        timestamp.dated(data, b"signature", (pinned(tsa),), name="token")


def test_a_token_that_is_too_long(tsa: Authority) -> None:
    with pytest.raises(TamperedError, match="longer than"):
        timestamp.dated(bytes(timestamp.MAX_BYTES + 1), b"signature", (pinned(tsa),), name="token")


# Asking.


@pytest.mark.parametrize("fault", [(500, b""), (302, b""), (200, b""), (200, b"<html>"), (200, bytes(100_000))])
def test_it_is_asked_again_and_then_given_up(tsa: Authority, fault: tuple[int, bytes]) -> None:
    asked = tsa.asked
    tsa.faults[:] = [fault, fault]
    assert timestamp.authority(tsa.url)(b"signature")
    tsa.faults[:] = [fault, fault, fault]
    with pytest.raises(ToolError, match="time-stamping authority"):
        timestamp.authority(tsa.url)(b"signature")
    assert tsa.asked - asked == 6


def test_the_answer_to_another_question_is_refused(tsa: Authority) -> None:
    for data in (b"another", b"signature"):
        replayed = timestamp.authority(tsa.url)(data)
        tsa.faults[:] = [(200, replayed)] * 3
        with pytest.raises(ToolError, match=r"something else|another request"):
            timestamp.authority(tsa.url)(b"signature")


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "ftp://host/", "http://", "http://u@host/", "tsa"])
def test_what_is_no_url_of_an_authority(url: str) -> None:
    with pytest.raises(UsageError, match="is not the URL"):
        timestamp.authority(url)


def test_nobody_answers() -> None:
    with pytest.raises(ToolError, match="cannot be asked"):
        timestamp.authority("http://127.0.0.1:9/")(b"signature")


def test_run_and_seal_are_dated_both_or_neither(tmp_path: Path, key: FileSigner, tsa: Authority) -> None:
    run = write_run(tmp_path / "run-1")
    stamper = timestamp.authority(tsa.url)
    sign_run(run, key, stamper)
    with pytest.raises(UsageError, match="has a timestamp"):
        seal(run, key)
    (run / RUN_TOKEN).unlink()
    with pytest.raises(UsageError, match="has no timestamp"):
        seal(run, key, stamper)


def test_an_audit_has_its_signatures_dated(tmp_path: Path, tsa: Authority) -> None:
    files, laboratory = small_run(tmp_path, tsa.url)
    assert {RUN_TOKEN, BUNDLE_TOKEN} <= files.keys()
    pins = [pinned(tsa).model_dump(by_alias=True, exclude_none=True)]
    accepted = changed_root(laboratory, tsa=pins)
    assert check(files, accepted, now=now(), demands=DEMANDED).exit_code is Exit.OK


def test_an_authority_that_does_not_answer_is_noticed_before_the_audit(tmp_path: Path, tsa: Authority) -> None:
    tsa.faults[:] = [(500, b"")] * 3
    with pytest.raises(ToolError, match="cannot be asked"):
        small_run(tmp_path, tsa.url)
    assert not (tmp_path / "run").exists()


def test_nothing_is_dated_that_is_not_signed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is to be signed"):
        run.audit(run.Wanted(snapshot=tmp_path, tsa="http://127.0.0.1:9/"), Quiet())
