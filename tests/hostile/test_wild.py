"""Whatever is done to a run, the verifier neither crashes nor says yes."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockdown.errors import Exit, LockdownError, UntrustedError, UsageError
from lockdown.evidence import root_file, timestamp, trust
from lockdown.evidence.dsse import Envelope, Signature, pae, wrap, written
from lockdown.evidence.files import BUNDLE, RESULTS, RUN, SUMS
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.trust import TrustRoot, Tsa
from lockdown.strict import canonical, loads
from tests.evidence.handmade import check, payload, signed_root, signer

Contents = dict[str, bytes]
WILD = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def never_yes(contents: Contents, trusted: TrustRoot | None) -> None:
    if contents.keys() & {RESULTS, SUMS, RUN, BUNDLE}:
        assert check(contents, trusted).exit_code is not Exit.OK
    else:
        with pytest.raises(UsageError):
            check(contents, trusted)


@st.composite
def edits(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    start, length = draw(st.integers(0, 4000)), draw(st.integers(0, 40))
    new = draw(st.binary(max_size=20) | st.text(string.printable, max_size=20).map(str.encode))

    def edit(data: bytes) -> bytes:
        at = start % (len(data) + 1)
        return data[:at] + new + data[at + length :]

    return edit


@WILD
@given(st.lists(st.tuples(st.integers(0, 100), edits()), min_size=1, max_size=4))
def test_bytes_replaced_inserted_and_deleted(
    genuine: Contents, trusted: TrustRoot, changes: list[tuple[int, Callable[[bytes], bytes]]]
) -> None:
    names, changed = sorted(genuine), dict(genuine)
    for number, edit in changes:
        name = names[number % len(names)]
        changed[name] = edit(changed[name])
    if changed != genuine:
        never_yes(changed, trusted)
        never_yes(changed, None)


@WILD
@given(
    st.sets(st.integers(0, 100), max_size=12), st.dictionaries(st.text(max_size=12), st.binary(max_size=12), max_size=3)
)
def test_files_removed_and_added(
    genuine: Contents, trusted: TrustRoot, removed: set[int], added: dict[str, bytes]
) -> None:
    names = sorted(genuine)
    changed = {name: data for number, name in enumerate(names) if number not in removed for data in [genuine[name]]}
    changed |= added
    if changed != genuine:
        never_yes(changed, trusted)


@WILD
@given(st.sampled_from([RUN, BUNDLE, SUMS, RESULTS]), st.binary(max_size=200) | JSON.map(canonical))
def test_a_file_of_anything(genuine: Contents, trusted: TrustRoot, name: str, data: bytes) -> None:
    never_yes(genuine | {name: data}, trusted)
    never_yes(genuine | {name: data + b"\n"}, None)


@WILD
@given(st.sampled_from([RUN, BUNDLE]), st.binary(max_size=200) | JSON.map(canonical))
def test_anything_in_an_envelope_that_a_trusted_key_signed(
    genuine: Contents, trusted: TrustRoot, key: FileSigner, name: str, data: bytes
) -> None:
    never_yes(genuine | {name: wrap(data, key)}, trusted)


@WILD
@given(st.sampled_from(["predicate", "subject", "_type", "predicateType", "more"]), JSON)
def test_anything_in_a_signed_statement(
    genuine: Contents, trusted: TrustRoot, key: FileSigner, field: str, value: object
) -> None:
    statement = loads(payload(genuine[BUNDLE]), name="statement") | {field: value}
    never_yes(genuine | {BUNDLE: wrap(canonical(statement), key)}, trusted)


ALICE = signer()


@WILD
@given(st.binary(max_size=100) | JSON.map(canonical) | edits())
def test_anything_as_a_signed_trust_root(trusted: TrustRoot, change: bytes | Callable[[bytes], bytes]) -> None:
    genuine = signed_root(trusted, ALICE)
    data = change if isinstance(change, bytes) else change(genuine)
    try:
        read = root_file.parse(data, name="trust root")
        read.check()
    except UntrustedError:
        return
    assert data == genuine or read.root.lab


@WILD
@given(st.binary(max_size=100) | JSON.map(canonical))
def test_anything_that_may_change_it_signed(data: bytes) -> None:
    signature = Signature(ALICE.key_id, ALICE.sign(pae(root_file.PAYLOAD_TYPE, data)))
    with pytest.raises(UntrustedError):
        root_file.parse(written(Envelope(data, (signature,), root_file.PAYLOAD_TYPE)), name="trust root").check()


TOKEN = (Path(__file__).parents[1] / "evidence/golden/token.tsr").read_bytes()
ROOT_OF_TIME = (Path(__file__).parents[1] / "evidence/golden/tsa-root.pem").read_text()


@WILD
@given(st.binary(max_size=200) | edits())
def test_anything_as_a_timestamp(change: bytes | Callable[[bytes], bytes]) -> None:
    pinned = (Tsa(roots=(ROOT_OF_TIME,), subject="CN=Time"),)
    genuine = timestamp.dated(TOKEN, b"signature", pinned, name="token")
    data = change if isinstance(change, bytes) else change(TOKEN)
    try:
        assert timestamp.dated(data, b"signature", pinned, name="token") == genuine
    except LockdownError:
        return


@WILD
@given(st.binary(max_size=100) | JSON.map(canonical) | edits())
def test_anything_as_a_trust_root(trusted: TrustRoot, change: bytes | Callable[[bytes], bytes]) -> None:
    data = change if isinstance(change, bytes) else change(trust.written(trusted))
    try:
        read = trust.parse(data, name="trust root")
    except UntrustedError:
        return
    assert trust.parse(trust.written(read), name="trust root") == read
