"""Every state of the page, light and dark: axe-core finds nothing serious, and nothing is wider than the screen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from lockdown import topology
from lockdown.drift import to_json
from lockdown.record import Record
from lockdown.report import html
from tests.drift.conftest import Nights, nights
from tests.evidence.handmade import signer
from tests.report.conftest import MakeRecord
from tests.report.handmade import FRAMEWORKS, GROUP, policy, result, stock_policies, stock_results
from tests.report.test_browser import violations
from tests.report.test_drift_text import CLOSED, OPENED
from tests.report.test_paths import ENDPOINT, SERVICE
from tests.report.test_self_check import flipped, report
from tests.report.test_trend import newest, shown
from tests.topology.test_read import NETWORK, row, seen

__all__ = ["nights"]

pytestmark = pytest.mark.browser

STORE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
STEP = {
    "key": "storage/account",
    "theme": "storage",
    "resource": f"{STORE}/data",
    "kind": "update",
    "why": "It was opened.",
    "severity": "critical",
    "differences": [{"path": "properties.x", "before": "Enabled", "after": "Disabled"}],
}


def written(made: Record) -> str:
    return html.render(made, envelope=None, key_id=None).decode()


def drifted(made: Record, nights: Nights) -> str:
    document: dict[str, Any] = to_json(nights(CLOSED, OPENED))
    made.path.with_name("drift.json").write_text(json.dumps({**document, "blueprint": [STEP]}))
    return written(made)


def mapped(made: Record) -> str:
    pending = replace(SERVICE, id=f"{SERVICE.id}2", endpoints=(replace(ENDPOINT, status="Pending"),))
    unread = replace(SERVICE, id=f"{SERVICE.id}3", endpoints=(replace(ENDPOINT, names=()),))
    where = replace(seen([row(NETWORK)]), services=(SERVICE, pending, unread), names_read=True)
    made.path.with_name("topology.json").write_text(json.dumps(topology.to_json(where)))
    return written(made)


def huge(make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a page of 20,000 results, 600 of which fail: more than stand on it, which is made to hold few."""
    monkeypatch.setattr(html, "ROWS", 500)
    policies = [policy(f"p{i}", f"Policy {i}") for i in range(20)]
    results = [
        result(f"p{i % 20}", f"{STORE}/store{i:06}", "fail" if i < 600 else "pass", severity="high" if i % 3 else "low")
        for i in range(20_000)
    ]
    return written(make_record(policies, results, frameworks=FRAMEWORKS))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", ["drift", "map and paths", "trend", "signed", "damaged", "huge", "huge, filtered"])
def test_everybody_can_read_every_state(
    chromium: Browser,
    tmp_path: Path,
    make_record: MakeRecord,
    nights: Nights,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    scheme: str,
) -> None:
    match state:
        case "drift":
            page = drifted(make_record(stock_policies(), stock_results()), nights)
        case "map and paths":
            page = mapped(make_record(stock_policies(), stock_results()))
        case "trend":
            page = shown(newest(tmp_path / "nights", killed=True))
        case "signed" | "damaged":
            page = report(tmp_path, signer())
            page = flipped(page, -3) if state == "damaged" else page
        case _:
            page = huge(make_record, monkeypatch)
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    fragment = "#verdict=pass&severity=low" if state == "huge, filtered" else ""
    context = chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
    seen_ = context.new_page()
    seen_.goto(f"{path.as_uri()}{fragment}")
    if state == "damaged":
        seen_.get_by_role("alert").wait_for()
    elif state in ("signed", "huge", "huge, filtered"):
        seen_.locator("body[data-ready]").wait_for()
    if not state.startswith("huge"):
        seen_.locator("details").evaluate_all("all => all.forEach(details => { details.open = true })")
    assert violations(seen_) == []
    assert seen_.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_of_a_huge_run_every_failure_is_in_the_list_though_not_on_the_page(
    chromium: Browser, tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.html"
    path.write_text(huge(make_record, monkeypatch), encoding="utf-8")
    page = chromium.new_page()
    page.goto(f"{path.as_uri()}#verdict=fail")
    page.locator("body[data-ready]").wait_for()
    assert page.locator("output").inner_text() == "600 of 20,000 results"
    page.locator("#clear").click()
    assert page.locator("#fail [data-row]").count() == 500
    assert "500 of 600 results are listed" in page.locator("#fail > .note").inner_text()
    page.close()
