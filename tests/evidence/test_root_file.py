"""Trust roots that are signed: by whom, by how many, and how one version follows another."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lockdown.errors import IncompleteError, UntrustedError, UsageError
from lockdown.evidence import root_edit, root_file, state, trust
from lockdown.evidence.dsse import PAYLOAD_TYPE, Envelope, Signature, pae, written
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.trust import TrustRoot
from tests.evidence.handmade import MADE, root, signed_root, signer

ALICE, BOB, EVE = signer(), signer(), signer()


def read(data: bytes) -> root_file.RootFile:
    return root_file.parse(data, name="trust root")


def accepted(data: bytes) -> TrustRoot:
    found = read(data)
    found.check()
    return found.root


@pytest.fixture
def first(key: FileSigner) -> root_file.RootFile:
    return read(signed_root(root(key), ALICE))


def following(found: root_file.RootFile, *by: FileSigner, keys: tuple[FileSigner, ...] = (ALICE,)) -> bytes:
    return root_file.signed(root_edit.next_version(found.root, root=root_edit.root_keys(keys, 1)), by)


def test_who_may_change_it_signs_it(key: FileSigner) -> None:
    found = accepted(signed_root(root(key), ALICE))
    assert found.keys == root(key).keys
    assert found.root is not None
    assert [each.keyid for each in found.root.keys] == [ALICE.key_id]


def test_nobody_else_does(key: FileSigner, first: root_file.RootFile) -> None:
    for by in ((EVE,), (key,)):
        with pytest.raises(UntrustedError, match="lacks 1 of the signatures"):
            accepted(root_file.signed(first.root, by))
    assert first.envelope is not None
    impostor = Signature(ALICE.key_id, EVE.sign(first.envelope.message))
    with pytest.raises(UntrustedError, match="lacks 1"):
        accepted(written(Envelope(first.envelope.payload, (impostor,), root_file.PAYLOAD_TYPE)))


def test_a_signature_of_a_run_is_none_of_a_trust_root(first: root_file.RootFile) -> None:
    assert first.envelope is not None
    other_type = Signature(ALICE.key_id, ALICE.sign(pae(PAYLOAD_TYPE, first.envelope.payload)))
    with pytest.raises(UntrustedError, match="lacks 1"):
        accepted(written(Envelope(first.envelope.payload, (other_type,), root_file.PAYLOAD_TYPE)))
    with pytest.raises(UntrustedError, match="payload type"):
        accepted(written(Envelope(first.envelope.payload, (other_type,), PAYLOAD_TYPE)))


def test_a_threshold_counts_keys(key: FileSigner) -> None:
    both = read(signed_root(root(key), ALICE, BOB, threshold=2)).root
    assert accepted(root_file.signed(both, (ALICE, BOB))) == both
    for by in ((ALICE,), (ALICE, ALICE), (ALICE, EVE)):
        with pytest.raises(UntrustedError, match="lacks 1"):
            accepted(root_file.signed(both, by))
    one = read(root_file.signed(both, (ALICE,)))
    assert accepted(root_file.signed_too(one, (BOB,))) == both


def test_one_key_cannot_sign_twice(key: FileSigner) -> None:
    found = read(signed_root(root(key), ALICE, BOB, threshold=2)).envelope
    assert found is not None
    twice = Envelope(found.payload, (found.signatures[0], found.signatures[0]), found.payload_type)
    with pytest.raises(UntrustedError, match="two signatures by one key"):
        read(written(twice))


def test_the_key_of_runs_cannot_change_it(key: FileSigner) -> None:
    with pytest.raises(UntrustedError, match="must not sign runs"):
        read(signed_root(root(key), key))
    with pytest.raises(UsageError, match="must not sign runs"):
        root_edit.with_key(read(signed_root(root(key), ALICE)).root, root(ALICE).keys[0])


def test_only_a_laboratorys_may_be_unsigned(key: FileSigner) -> None:
    with pytest.raises(UntrustedError, match="not signed"):
        accepted(trust.written(root(key)))
    assert accepted(trust.written(root(key, lab=True))).lab
    with pytest.raises(UntrustedError, match="does not say by whom"):
        accepted(root_file.signed(root(key), (ALICE,)))


@pytest.mark.parametrize("threshold", [0, 2])
def test_a_threshold_that_cannot_be_reached(threshold: int) -> None:
    with pytest.raises(UsageError, match="root keys"):
        root_edit.root_keys([ALICE], threshold)


def test_the_fingerprint_is_of_what_is_signed(key: FileSigner, first: root_file.RootFile) -> None:
    assert first.fingerprint == read(root_file.signed(first.root, (ALICE, EVE))).fingerprint
    assert first.fingerprint != read(signed_root(root(key, now=MADE + timedelta(days=1)), ALICE)).fingerprint


def test_every_byte_counts(first: root_file.RootFile) -> None:
    data = root_file.signed(first.root, (ALICE,))
    for at in range(len(data)):
        for flip in (0x01, 0x20):
            with pytest.raises(UntrustedError):
                accepted(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])


def test_a_key_is_added_and_revoked(first: root_file.RootFile) -> None:
    more = root_edit.with_key(first.root, root_edit.trusted_key(BOB.public_pem, not_before=MADE))
    assert (more.version, [each.keyid for each in more.keys][1:]) == (2, [BOB.key_id])
    less = root_edit.without_key(more, BOB.key_id[:12], at=MADE, reason="The disk was lost.")
    assert (less.version, less.keys[1].revoked_at is not None, less.keys[1].reason) == (3, True, "The disk was lost.")
    with pytest.raises(UsageError, match="revoked since"):
        root_edit.without_key(less, BOB.key_id, at=MADE + timedelta(days=1), reason="Again.")
    for nobody in ("0" * 64, ""):
        with pytest.raises(UsageError, match="begin with"):
            root_edit.without_key(more, nobody, at=MADE, reason="No.")
    with pytest.raises(UsageError, match="listed twice"):
        root_edit.with_key(more, more.keys[1])


# What a verifier remembers.


def test_versions_only_grow(first: root_file.RootFile) -> None:
    second = read(following(first, ALICE))
    seen = state.advance(state.advance(None, first), second)
    assert (seen.trust_root.version, seen.trust_root.fingerprint) == (2, second.fingerprint)
    assert state.advance(seen, second) == seen
    with pytest.raises(UntrustedError, match="rolled back"):
        state.advance(seen, first)


def test_another_of_the_same_version_is_refused(key: FileSigner, first: root_file.RootFile) -> None:
    other = read(signed_root(root(key, now=MADE + timedelta(days=1)), ALICE))
    with pytest.raises(UntrustedError, match="Another trust root of version 1"):
        state.advance(state.advance(None, first), other)


def test_the_next_is_signed_by_the_keys_of_both(first: root_file.RootFile) -> None:
    seen = state.advance(None, first)
    usurped = read(following(first, EVE, keys=(EVE,)))
    usurped.check()
    with pytest.raises(UntrustedError, match="did not sign version 2"):
        state.advance(seen, usurped)
    with pytest.raises(UntrustedError, match="lacks 1"):
        read(following(first, ALICE, keys=(BOB,))).check()
    handed_on = read(following(first, ALICE, BOB, keys=(BOB,)))
    handed_on.check()
    assert state.advance(seen, handed_on).trust_root.version == 2


def test_a_version_left_out_must_be_shown_unless_the_old_keys_signed(first: root_file.RootFile) -> None:
    second = read(following(first, ALICE, BOB, keys=(BOB,)))
    third = read(following(second, BOB, keys=(BOB,)))
    seen = state.advance(None, first)
    with pytest.raises(UntrustedError, match="did not sign version 3") as caught:
        state.advance(seen, third)
    assert "in turn" in caught.value.next_step
    assert state.advance(state.advance(seen, second), third).trust_root.version == 3


def test_the_threshold_of_the_old_version_counts_too(key: FileSigner) -> None:
    old = read(signed_root(root(key), ALICE, BOB, threshold=2))
    with pytest.raises(UntrustedError, match="did not sign"):
        state.advance(state.advance(None, old), read(following(old, ALICE, keys=(ALICE,))))


def test_nothing_follows_an_unsigned_one(key: FileSigner, first: root_file.RootFile) -> None:
    laboratory = state.advance(None, read(trust.written(root(key, lab=True))))
    with pytest.raises(UntrustedError):
        state.advance(laboratory, read(following(first, ALICE)))


def test_it_is_written_and_read_back(tmp_path: Path, first: root_file.RootFile) -> None:
    assert state.load(tmp_path / "state.json") is None
    state.save(tmp_path / "state.json", state.advance(None, first))
    assert state.load(tmp_path / "state.json") == state.advance(None, first)
    for broken in (b"", b"{}", b'{"schema":"urn:coa-lockdown:trust-state:v1","trustRoot":{"version":1}}', b"\xff"):
        (tmp_path / "state.json").write_bytes(broken)
        with pytest.raises(UsageError, match="is not what lockdown remembered"):
            state.load(tmp_path / "state.json")


def test_the_end_of_a_history_is_remembered(tmp_path: Path, first: root_file.RootFile) -> None:
    digests = {number: f"{number:064}" for number in range(1, 5)}
    seen = state.advance_head(state.advance(None, first), "file:store", digests)
    assert (seen.heads["file:store"].sequence, seen.heads["file:store"].digest) == (4, digests[4])
    state.save(tmp_path / "state.json", seen)
    assert state.load(tmp_path / "state.json") == seen
    grown = digests | {5: "5" * 64}
    assert state.advance_head(seen, "file:store", grown).heads["file:store"].sequence == 5
    with pytest.raises(IncompleteError, match="ends at record 3, and record 4 was seen"):
        state.advance_head(seen, "file:store", {number: digests[number] for number in (1, 2, 3)})
    with pytest.raises(IncompleteError, match="ends at record 0"):
        state.advance_head(seen, "file:store", {})
    with pytest.raises(IncompleteError, match="forks: record 4"):
        state.advance_head(seen, "file:store", digests | {4: "4" * 64})
    assert state.advance_head(seen, "file:another", {}) == seen
    second = read(following(first, ALICE))
    assert state.advance(seen, second).heads == seen.heads
