"""One strict loader: what two parsers could read differently is refused; one canonical writer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown import strict
from lockdown.errors import TamperedError
from lockdown.strict import canonical, loads

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"a":1,"a":2}', "given twice"),
        (b'{"a":NaN}', "NaN"),
        (b"[Infinity]", "Infinity"),
        (b'"\xff"', "utf-8"),
        (b'\xef\xbb\xbf{"a":1}', "BOM"),
        (rb'"\ud800"', "surrogates"),
        (b"[" * 40 + b"]" * 40, "deeper than 32"),
        (b'{"a":1} x', "Extra data"),
        (b"", "Expecting value"),
    ],
)
def test_what_parsers_disagree_on_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(TamperedError, match=told) as caught:
        loads(data, name="run.json")
    assert caught.value.message.startswith("run.json")


def test_brackets_inside_strings_are_not_depth() -> None:
    assert loads(json.dumps("[" * 100).encode(), name="x") == "[" * 100


def test_size_is_capped() -> None:
    with pytest.raises(TamperedError, match="at most 3"):
        loads(b"[1,2]", name="x", max_bytes=3)


@given(JSON)
def test_canonical_bytes_read_back_and_are_the_only_ones(value: object) -> None:
    data = canonical(value)
    assert loads(data, name="x") == value
    assert canonical(loads(data, name="x")) == data


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=15,
)


@given(HOSTILE)
def test_the_fast_way_and_the_careful_way_agree(value: object) -> None:
    """Whatever the fast parser is certain of, the careful one reads and writes to the letter."""
    try:
        slow = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - the same, whatever it says
            canonical(value)
        return
    assert canonical(value) == slow
    found = strict.certain(slow)
    assert found is None or found == value == json.loads(slow)
    for data in (slow + b" ", slow.replace(b":", b": ", 1), slow.replace(b'"', b'"\\u0041', 1)):
        if data != slow:
            assert strict.certain(data) is None or json.loads(data) == strict.certain(data)


def test_what_the_fast_parser_must_not_decide() -> None:
    for data in (b'{"a":1,"a":1}', b'{"b":1,"a":1}', b'{"a":1.0}', b'{"a":18446744073709551616}', b'{"a":-0}', b"1"):
        assert strict.certain(data) is None, data
    assert strict.certain(b"[" * 32 + b"]" * 32) is not None
    assert strict.certain(b"[" * 33 + b"]" * 33) is None


ODD = st.text(st.sampled_from('a\u00e9\x7f\x1f\x00\u2028\u202e\U0001f600"\\\\/\n'), max_size=8)


@given(st.dictionaries(ODD, st.one_of(ODD, st.dictionaries(ODD, ODD, max_size=3)), max_size=5))
def test_the_fast_reader_is_certain_of_texts(value: dict[str, object]) -> None:
    assert strict.certain(strict.canonical(value)) == value


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":"b","a":"b"}',
        b'{"b":"","a":""}',
        b'{"a": "b"}',
        b'{"a":"\\u0062"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":1.0}',
        b'{"a":NaN}',
        b'\xef\xbb\xbf{"a":"b"}',
    ],
)
def test_the_fast_reader_leaves_everything_else_to_the_strict_one(line: bytes) -> None:
    assert strict.certain(line) is None
