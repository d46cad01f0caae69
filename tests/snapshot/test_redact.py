"""Secrets leave a snapshot before it touches the disk."""

import json
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
    ("row", "removed"),
    [
        ({"type": "a", "properties": {"instrumentationKEY": "x", "b": "AccountKey=1"}}, 2),
        ({"type": "a", "properties": {"instrumentationKey": "x"}}, 1),
        ({"type": "a", "properties": {"b": ["AccountKey=1"]}}, 1),
        ({"type": "microsoft.web/sites", "properties": {"settings": [{"Value": "x"}]}}, 1),
    ],
)
def test_what_a_page_narrows_to_finds_the_same(row: dict[str, Any], removed: int) -> None:
    narrowed = REDACTOR.narrowed(json.dumps([row]))
    assert narrowed is not None
    assert narrowed.redact(row) == removed


def test_escapes_do_not_hide_a_secret_from_the_search_of_a_page() -> None:
    redactor = Redactor([], ["[?&]sig="])
    text = r'[{"type":"a","properties":{"url":"https://x/?sv=1\u0026sig=abc"}}]'
    narrowed = redactor.narrowed(text)
    assert narrowed is not None
    assert narrowed.redact(json.loads(text)[0]) == 1


@pytest.mark.parametrize("text", ['{"a":"instrumentationKey"}', '{"a":"b"}', "[]"])
def test_a_page_without_a_hint_needs_no_search(text: str) -> None:
    found = REDACTOR.narrowed(text)
    assert found is None or found.redact(json.loads(text)) == 0
