"""Whatever stands in the file of acceptances, a verifier never crashes on it and never believes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.errors import TamperedError, UntrustedError
from lockdown.evidence import statement
from lockdown.evidence.dsse import wrap
from lockdown.evidence.files import MemoryFiles
from lockdown.evidence.predicate import ACCEPTANCE
from lockdown.history import acceptance, baseline
from lockdown.strict import canonical
from tests.evidence.handmade import NOW, root, signer

ONE, OTHER = "1" * 64, "2" * 64
SIGNER = signer()
CLAIM = {
    "sequence": 1,
    "previous": ONE,
    "baseline": ONE,
    "run": OTHER,
    "becomes": ONE,
    "accepted": [
        {"id": "0" * 16, "section": "properties", "severity": "high", "state": "", "what": "A property changed."}
    ],
    "withdrawn": [],
    "reason": "Agreed.",
    "at": "2026-01-02T03:04:05Z",
    "tool": {"name": "lockdown", "version": "1"},
}
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def line(**changes: object) -> bytes:
    claim = {**CLAIM, **changes}
    subjects = {name: str(claim[name]) for name in ("baseline", "previous", "run")}
    return wrap(statement.written(statement.Statement(ACCEPTANCE, claim, subjects)), SIGNER)


def read(data: bytes) -> list[acceptance.Line]:
    return acceptance.read_lines(MemoryFiles({acceptance.FILE: data}))


def test_what_nobody_attacked() -> None:
    lines = read(line())
    baseline.check(lines, ONE, SIGNER.key_id, root(SIGNER, lab=True), NOW)
    held = baseline.in_force(lines)
    assert [item.id for item in held.items] == ["0" * 16]
    assert held.head == lines[-1].digest


@given(st.binary(max_size=400))
def test_anything_instead(data: bytes) -> None:
    if not data:
        return
    with pytest.raises(TamperedError):
        read(data)


@given(st.integers(0, len(line()) - 1), st.integers(1, 255))
def test_any_byte_changed(position: int, mask: int) -> None:
    data = line()
    if position >= len(data):
        return
    changed = data[:position] + bytes([data[position] ^ mask]) + data[position + 1 :]
    with pytest.raises((TamperedError, UntrustedError)):
        baseline.check(read(changed), ONE, SIGNER.key_id, root(SIGNER, lab=True), NOW)


@given(st.sampled_from(sorted(CLAIM)), ANY)
def test_anything_in_a_field_that_was_signed(field: str, value: object) -> None:
    try:
        data = line(**{field: value})
        canonical(value)
    except (TamperedError, UnicodeEncodeError):
        return
    try:
        lines = read(data)
    except TamperedError:
        return
    assert lines[0].claim.baseline == ONE


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (lambda one: line(sequence=2, previous=one), None),
        (lambda one: line(sequence=3, previous=one), "does not follow"),
        (lambda _: line(sequence=2, previous=OTHER), "does not follow"),
        (lambda one: line(sequence=2, previous=one, baseline=OTHER, becomes=OTHER), "does not follow"),
        (lambda one: line(sequence=2, previous=one, accepted=[]), "accepts nothing"),
        (lambda one: line(sequence=2, previous=one, becomes="3" * 64), "not about"),
    ],
)
def test_each_follows_the_one_before(second: Callable[[str], bytes], says: str | None) -> None:
    first = line()
    data = first + second(read(first)[0].digest)
    if says is None:
        assert len(read(data)) == 2
        return
    with pytest.raises(TamperedError, match=says):
        read(data)


def test_of_another_run_sealed_by_another_key_or_by_one_that_may_not() -> None:
    lines, trusted = read(line()), root(SIGNER, lab=True)
    with pytest.raises(TamperedError, match="not of this run"):
        baseline.check(lines, OTHER, SIGNER.key_id, trusted, NOW)
    with pytest.raises(TamperedError, match="another key"):
        baseline.check(lines, ONE, "a" * 64, trusted, NOW)
    with pytest.raises(UntrustedError, match="does not allow the predicate type"):
        baseline.check(lines, ONE, SIGNER.key_id, root(SIGNER), NOW)


def test_no_file_is_longer_than_it_can_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "MOST_LINES", 1)
    with pytest.raises(TamperedError, match="more than 1 lines"):
        read(line() * 2)
