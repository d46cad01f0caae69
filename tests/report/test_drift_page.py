"""Drift on the page: each resource with what was before, what is now, and by whom, as results/drift.json has it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lockdown.drift import to_json
from lockdown.record import Record
from lockdown.report import drift_view, html
from tests.drift.conftest import Nights, nights
from tests.drift.handmade import change, result, row
from tests.report.handmade import HOSTILE
from tests.report.test_drift_text import CLOSED, OPENED

__all__ = ["nights"]


def page(record: Record, drift: dict[str, Any]) -> str:
    record.path.with_name("drift.json").write_text(json.dumps(drift))
    return html.render(record, envelope=None, key_id=None).decode()


def section(made: str) -> str:
    return made.partition('<section id="drift">')[2].partition("</section>")[0]


def words(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", markup))


def test_it_says_what_was_what_is_and_who_did_it_when(stock: Record, nights: Nights) -> None:
    records = [change(paths={"properties.publicNetworkAccess": ("Disabled", "Enabled")})]
    drift = to_json(nights(CLOSED, OPENED, records))
    shown = section(page(stock, drift))
    assert "coastore" in words(shown)
    for told in (
        "pass",
        "fail",
        "Disabled",
        "Enabled",
        "operator@research.example",
        "Azure Portal",
        "2026-03-01 14:30",
    ):
        assert told in words(shown), told
    for listed in ("verdicts", "properties"):
        for item in drift[listed]:  # type: ignore[attr-defined]
            assert item["id"] in shown


def test_no_drift_and_no_baseline_are_told_apart(stock: Record, nights: Nights) -> None:
    assert 'id="drift"' not in html.render(stock, envelope=None, key_id=None).decode()
    assert "No drift" in words(section(page(stock, to_json(nights(CLOSED, CLOSED)))))


def test_what_is_unknown_is_said_with_its_reason(stock: Record, nights: Nights) -> None:
    assert "Unknown: Azure has no change record of it." in words(section(page(stock, to_json(nights(CLOSED, OPENED)))))


@pytest.mark.parametrize("after", [OPENED, CLOSED, {"rows": [], "results": []}], ids=["opened", "back", "gone"])
def test_every_item_of_the_record_is_on_the_page_once(nights: Nights, after: dict[str, Any]) -> None:
    records = [
        change(paths={"properties.publicNetworkAccess": ("Disabled", "Enabled")}, at="2026-03-01T10:00:00Z"),
        change(paths={"properties.publicNetworkAccess": ("Enabled", "Disabled")}, by="b", at="2026-03-01T11:00:00Z"),
    ]
    document: Any = to_json(nights(CLOSED, after, records))
    turns = [turn.id for one in drift_view.drifted(document) for turn in one.turns]
    listed = ("verdicts", "resources", "properties", "waivers", "reverted")
    assert turns
    assert sorted(turns) == sorted(item["id"] for key in listed for item in document[key])


def test_what_departs_from_the_environment_file_is_told_with_what_it_would_take(stock: Record, nights: Nights) -> None:
    texts = "".join(HOSTILE.values())
    document: Any = to_json(nights(CLOSED, CLOSED))
    drift = {
        **document,
        "empty": False,
        "blueprint": [
            {
                "key": "storage/account",
                "theme": "storage",
                "resource": f"/subscriptions/s/resourceGroups/rg/providers/A.B/c/{texts}",
                "kind": "update",
                "why": texts,
                "severity": "critical",
                "differences": [{"path": "properties.x", "before": "Enabled", "after": False}],
            }
        ],
    }
    shown = section(page(stock, drift))
    for told in ("Not as the environment file says", "it differs: change it", "storage/account", "Enabled", "false"):
        assert told in words(shown), told
    assert "1 step is" in words(shown)
    assert "<script" not in shown
    assert "environment is as its file says" in words(section(page(stock, {**document, "blueprint": []})))
    assert "environment file" not in words(section(page(stock, document)))


def test_it_says_first_how_many_failures_are_new_fixed_and_still_open(stock: Record, nights: Nights) -> None:
    document: Any = to_json(nights(CLOSED, OPENED))
    assert "Since the baseline: 1 new failure, 0 fixed or gone, 6 still open" in words(section(page(stock, document)))
    back = [{**item, "before": item["after"], "after": item["before"]} for item in document["verdicts"]]
    shown = words(section(page(stock, {**document, "verdicts": back})))
    assert "Since the baseline: 0 new failures, 1 fixed or gone, 7 still open" in shown


def test_beyond_the_limit_the_rest_is_counted(stock: Record, nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_view, "LIMIT", 0)
    assert "1 more resource drifted" in words(section(page(stock, to_json(nights(CLOSED, OPENED)))))


def test_hostile_values_are_text(stock: Record, nights: Nights) -> None:
    texts = "".join(HOSTILE.values())
    opened = {"rows": [row(properties={"publicNetworkAccess": texts})], "results": [result("fail", reason=texts)]}
    shown = section(page(stock, to_json(nights(CLOSED, opened))))
    assert "<img" not in shown
    assert "<script" not in shown
    assert "\u202e" not in shown
