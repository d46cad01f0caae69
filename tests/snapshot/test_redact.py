"""Secrets leave a snapshot before it touches the disk."""

from typing import Any

import pytest

from lockdown.snapshot.redact import REMOVED, Path, Redactor

REDACTOR = Redactor(
    [
        Path(("properties", "instrumentationkey")),
        Path(("properties", "settings", "*", "value"), frozenset({"microsoft.web/sites"})),
    ],
    ["AccountKey=", "-----BEGIN [A-Z ]*PRIVATE KEY"],
)


@pytest.mark.parametrize(
    ("row", "kept", "removed"),
    [
        ({"type": "a", "properties": {"InstrumentationKey": "x"}}, {"InstrumentationKey": REMOVED}, 1),
        ({"type": "a", "properties": {"InstrumentationKey": None}}, {"InstrumentationKey": None}, 0),
        (
            {"type": "Microsoft.Web/sites", "properties": {"settings": [{"value": "x"}, {"value": {"deep": 1}}]}},
            {"settings": [{"value": REMOVED}, {"value": REMOVED}]},
            2,
        ),
        ({"type": "other", "properties": {"settings": [{"value": "x"}]}}, {"settings": [{"value": "x"}]}, 0),
        ({"type": "a", "properties": {"a": ["k;AccountKey=abc"]}}, {"a": [REMOVED]}, 1),
        ({"type": "a", "properties": {"a": "-----BEGIN RSA PRIVATE KEY-----"}}, {"a": REMOVED}, 1),
    ],
)
def test_secrets_are_removed_by_place_and_by_look(row: dict[str, Any], kept: dict[str, Any], removed: int) -> None:
    assert REDACTOR.redact(row) == removed
    assert row["properties"] == kept


def test_a_second_pass_finds_nothing() -> None:
    row = {"type": "a", "properties": {"instrumentationkey": "x", "b": "AccountKey=1"}}
    assert (REDACTOR.redact(row), REDACTOR.redact(row)) == (2, 0)


@pytest.mark.parametrize(
    ("text", "answer"), [('{"instrumentationKEY":1}', True), ('{"a":"AccountKey="}', True), ('{"a":"b"}', False)]
)
def test_text_without_a_hint_needs_no_search(text: str, answer: bool) -> None:
    assert REDACTOR.might_hold(text) is answer
