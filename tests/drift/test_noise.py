"""The file of noise rules: strict, and every rule says why."""

from __future__ import annotations

import pytest

from lockdown.drift import noise
from lockdown.errors import UsageError


def test_every_shipped_rule_has_a_reason() -> None:
    rules = noise.shipped().rules
    assert len(rules) > 30
    assert all(len(rule.reason) > 10 for rule in rules)


def test_no_shipped_rule_ignores_a_whole_column_but_the_api_version() -> None:
    whole = {rule.path for rule in noise.shipped().rules if rule.kind == "ignore" and "." not in rule.path}
    assert whole == {"apiVersion"}


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("{path: a, kind: ignore}", "reason: field required"),
        ("{path: a, kind: ignore, reason: ' '}", "every rule says why"),
        ("{path: a, kind: drop, reason: r}", "rules.0.kind"),
        ("{path: 'a..b', kind: ignore, reason: r}", "names with dots between"),
        ("{path: a, kind: ignore, reason: r, types: [storage]}", "not an ARM type"),
        ("{path: a, kind: ignore, reason: r, extra: 1}", "extra"),
        ("{path: a, kind: ignore, reason: r, key: id}", "key belongs to rules of kind set"),
        ("{path: a, kind: set, reason: r, values: x}", "values belongs to rules of kind caseInsensitive"),
        ("{path: a, kind: caseInsensitive, reason: r, values: '('}", "not a regular expression"),
    ],
)
def test_a_wrong_rule_is_named_with_its_line(rule: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        noise.parse("drift-noise.yaml", f"rules:\n  - {rule}\n".encode())
    assert "drift-noise.yaml, line 2" in caught.value.message
    assert complaint in caught.value.message


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("properties.etag", "properties.etag", True),
        ("properties.etag", "properties.inner.etag", False),
        ("**.etag", "etag", True),
        ("**.etag", "properties.inner.ETag", True),
        ("properties.**.id", "properties.id", True),
        ("properties.last*", "properties.lastModified", True),
        ("properties.last*", "properties.last.modified", False),
        ("**", "anything.at.all", True),
    ],
)
def test_what_a_path_stands_for(pattern: str, path: str, fits: bool) -> None:
    rules = noise.parse("n", f"rules: [{{path: '{pattern}', kind: ignore, reason: because}}]".encode())
    assert rules.treatment("a/b")(tuple(path.split("."))).ignored is fits
