"""One strict loader: what two parsers could read differently is refused; one canonical writer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
