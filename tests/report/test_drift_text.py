"""Drift on a terminal: 80 columns, worst first, nothing hostile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from lockdown.drift import to_json
from lockdown.report.drift_text import render
from lockdown.report.visible import hidden
from tests.drift.conftest import nights
from tests.drift.handmade import GROUP, STORE, change, result, row
from tests.report.handmade import HOSTILE

if TYPE_CHECKING:
    from tests.drift.conftest import Nights

__all__ = ["nights"]

CLOSED: dict[str, Any] = {"rows": [row(properties={"publicNetworkAccess": "Disabled"})], "results": [result("pass")]}
OPENED: dict[str, Any] = {"rows": [row(properties={"publicNetworkAccess": "Enabled"})], "results": [result("fail")]}


def test_it_reads_as_a_person_would_tell_it(nights: Nights) -> None:
    records = [change(paths={"properties.publicNetworkAccess": ("Disabled", "Enabled")})]
    assert render(to_json(nights(CLOSED, OPENED, records))) == (
        "Compared with the baseline of 2026-03-01T02:00:00Z.",
        "1 verdict worse, 1 property changed.",
        "",
        "CRITICAL  coastore",
        "  Microsoft.Storage/storageAccounts in coa",
        "  storage-pna-disabled: pass -> fail",
        "    It is fail.",
        "    by operator@research.example (User), 2026-03-01T14:30:00Z, Azure Portal,",
        "      microsoft.storage/storageaccounts/write",
        "  properties.publicNetworkAccess",
        '    "Disabled" -> "Enabled"',
    )


def test_no_drift_is_said(nights: Nights) -> None:
    assert render(to_json(nights(CLOSED, CLOSED)))[1] == "No drift."


def test_unknown_is_said_with_its_reason(nights: Nights) -> None:
    text = "\n".join(render(to_json(nights(CLOSED, OPENED))))
    assert "by whom is unknown: Azure has no change record of it." in text


def test_what_was_taken_back_and_what_was_not_compared(nights: Nights) -> None:
    lost = [{"what": "table", "name": "networkresources", "reason": "Azure refused the query."}]
    records = [
        change(paths={"properties.publicNetworkAccess": ("Disabled", "Enabled")}, at="2026-03-01T10:00:00Z"),
        change(paths={"properties.publicNetworkAccess": ("Enabled", "Disabled")}, by="b", at="2026-03-01T11:00:00Z"),
    ]
    text = " ".join(" ".join(render(to_json(nights(CLOSED, {**CLOSED, "unreadable": lost}, records)))).split())
    assert "properties.publicNetworkAccess: changed and changed back, Enabled in between" in text
    assert "back: by b (User), 2026-03-01T11:00:00Z" in text
    assert "networkresources: 0 resources and 0 results that the current run lacks. Azure refused the query." in text


def test_the_worst_comes_first_and_what_is_left_out_is_counted(nights: Nights) -> None:
    names = [f"{GROUP}/providers/Microsoft.Storage/storageAccounts/n{number}" for number in range(5)]
    after = {"rows": [*CLOSED["rows"], *map(row, names)], "results": [result("pass"), result("fail", names[-1])]}
    lines = render(to_json(nights(CLOSED, after)), limit=2)
    assert [line for line in lines if "  n" in line and line[0] != " "] == ["CRITICAL  n4", "INFORMATIONAL  n0"]
    assert "3 more resources drifted; results/drift.json has everything." in lines


def test_hostile_names_are_shown_and_do_nothing(nights: Nights) -> None:
    names = [f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}" for name in HOSTILE.values()]
    after = {
        "rows": [row(name, tags={name: name}) for name in names],
        "results": [result("fail", name, part=name, reason=name) for name in names],
    }
    before = {"rows": [row(name) for name in names]}
    lines = render(to_json(nights(before, after, [change(name, by=name) for name in names])))
    assert not any(hidden(line) for line in lines)
    assert any("\\u202e" in line for line in lines)
    assert all(cell_len(line) <= 80 for line in lines)


@settings(max_examples=50)
@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_fits_80_columns(one: str, two: str) -> None:
    attribution = {"who": one, "whoType": two, "when": one, "unknown": two}
    document = {
        "baseline": {"evaluatedAt": one},
        "counts": dict.fromkeys(
            (
                "worse", "better", "changed", "appeared", "vanished", "added", "removed",
                "properties", "waivers", "policies", "reverted",
            ),
            7,
        ),
        "verdicts": [],
        "resources": [],
        "properties": [
            {"resource": one, "severity": "high", "path": two, "before": one, "after": [two], "note": one,
             "attribution": attribution},
        ],
        "waivers": [],
        "reverted": [
            {"kind": "property", "resource": STORE, "severity": "low", "path": one, "during": two,
             "changed": attribution, "restored": attribution},
        ],
        "policies": [{"policy": one, "kind": "changed"}],
        "notCompared": [{"name": one, "reason": two, "side": "current", "resources": 1, "results": 2}],
        "warnings": [two],
    }  # fmt: skip
    lines = render(document)
    assert all(cell_len(line) <= 80 and not hidden(line) for line in lines)
