"""Respelling touches only what the embedded grammar lacks, and never a string or a comment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.snapshot import kql


@pytest.mark.parametrize(
    ("written", "respelled"),
    [
        ("resources | where kind =~ 'x'", "resources | where ['kind'] =~ 'x'"),
        ("resources | project kind, id", "resources | project ['kind'], id"),
        ("a | join kind=inner (b) on id", "a | join kind=inner (b) on id"),
        ("a | union kind=outer b", "a | union kind=outer b"),
        ("a | extend x = properties.kind", "a | extend x = properties['kind']"),
        ("a | where b.[0].c == 1", "a | where b[0].c == 1"),
        ("a | mvexpand x = b", "a | mv-expand x = b"),
        ("a | summarize makeset(x), makelist(y)", "a | summarize make_set(x), make_list(y)"),
        ("a | where b == 'kind .[ makeset' // kind", "a | where b == 'kind .[ makeset' // kind"),
        ('a | where b == "it\'s kind"', 'a | where b == "it\'s kind"'),
        ("a | where b == @'\\' and kind == 1", "a | where b == @'\\' and ['kind'] == 1"),
    ],
)
def test_respelling(written: str, respelled: str) -> None:
    assert kql.respell(written) == respelled


@given(st.text())
def test_tokens_are_the_query_whatever_it_is(text: str) -> None:
    assert "".join(token.text for token in kql.tokens(text)) == text


def test_lines_are_counted_from_one() -> None:
    query = "a\n| where b\n| project c"
    assert [kql.line_of(query, token.start) for token in kql.significant(query)] == [1, 2, 2, 2, 3, 3, 3]
