"""The report in a real browser: opened from disk as a mail attachment would be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from lockdown.record import Record
from lockdown.report import html
from tests.report.conftest import MakeRecord
from tests.report.handmade import GROUP, HOSTILE, KEY_ID, envelope, policy, result, stock_policies, stock_results

pytestmark = pytest.mark.browser

Opened = Callable[..., Any]


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Opened:
    """Return what opens the report of a record, fails on any complaint of the browser and on any request."""

    @contextmanager
    def open_report(made: Record, *, signed: bool = True, **options: Any) -> Iterator[Page]:
        path = tmp_path / "report.html"
        path.write_bytes(html.render(made, envelope=envelope() if signed else None, key_id=KEY_ID if signed else None))
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        page = context.new_page()
        heard: list[str] = []
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", lambda dialog: heard.append(dialog.message))
        page.on("request", lambda request: heard.append(request.url))
        page.goto(path.as_uri())
        yield page
        assert heard == [path.as_uri()]
        context.close()

    return open_report


@pytest.fixture
def long(make_record: MakeRecord) -> Record:
    """Return a record with enough rows for the filter."""
    failures = [result("one", f"{GROUP}/providers/A.B/c/store{i:03}", "fail") for i in range(40)]
    passes = [result("two", f"{GROUP}/providers/A.B/c/vault{i:03}", "pass") for i in range(20)]
    return make_record([policy("one", "Stores are closed"), policy("two", "Vaults are closed")], [*failures, *passes])


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")]


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_it_opens_from_disk_and_everybody_can_read_it(opened: Opened, stock: Record, scheme: str, width: int) -> None:
    with opened(stock, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        page.locator("details").evaluate_all("all => all.forEach(details => { details.open = true })")
        assert violations(page) == []
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 26)")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_of_doubts_is_as_readable(opened: Opened, make_record: MakeRecord) -> None:
    made = make_record(
        [policy("one", "One"), policy("two", "Two", error="its query is wrong")],
        [result("one", f"{GROUP}/providers/A.B/c/{i}", verdict) for i, verdict in enumerate(["unknown", "manual"] * 8)],
        source="sandbox",
        unreadable=[{"what": "subscription", "name": "s", "reason": "Access was refused."}],
        warnings=["A waiver matches nothing."],
    )
    for scheme in ("light", "dark"):
        with opened(made, signed=False, color_scheme=scheme) as page:
            assert violations(page) == []


@pytest.mark.parametrize("signed", [True, False])
def test_the_first_screen_holds_the_verdict_the_signer_and_the_first_three_commands(
    opened: Opened, make_record: MakeRecord, signed: bool
) -> None:
    made = make_record(stock_policies(), stock_results(), source="live" if signed else "sandbox")
    with opened(made, signed=signed) as page:
        for seen in (".verdict", ".counts", "header dl", "ol.first li:nth-child(3) .cmd"):
            box = page.locator(seen).bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= 800


def test_hostile_names_are_inert_text(opened: Opened, hostile: Record) -> None:
    with opened(hostile) as page:
        assert page.title() != "owned"
        assert page.locator("img").count() == 0
        assert page.locator("body").is_visible()
        shown = page.locator("#fail").inner_text()
        for name in ("markup", "closing", "style", "template", "quotes", "wide"):
            assert HOSTILE[name] in shown
        assert "log\\u202egpj.exe" in shown
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert violations(page) == []


def test_a_script_that_was_slipped_in_does_not_run(chromium: Browser, long: Record, tmp_path: Path) -> None:
    made = html.render(long, envelope=envelope(), key_id=KEY_ID)
    path = tmp_path / "edited.html"
    path.write_bytes(
        made.replace(b"</main>", b"<script>document.title='owned'</script><img src=https://example.org></main>")
    )
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(path.as_uri())
    assert page.title() != "owned"
    assert len([text for text in complaints if "Content Security Policy" in text]) == 2
    page.close()


def test_without_scripts_every_failure_is_there_and_no_dead_control(opened: Opened, long: Record) -> None:
    with opened(long, java_script_enabled=False) as page:
        rows = page.locator("#fail [data-row]")
        assert rows.count() == 40
        assert all(rows.nth(i).is_visible() for i in range(40))
        assert not page.locator("#filter").is_visible()
        assert (
            "the 20 rows of passes and not applicable are not listed here" in page.locator("#pass .note").inner_text()
        )
        page.locator("#pass summary").click()
        assert page.locator("#pass-two").is_visible()


def test_the_filter_works_by_keyboard_and_says_what_it_shows(opened: Opened, long: Record) -> None:
    with opened(long) as page:
        shown = page.locator("#results tbody:visible")
        page.locator("#filter").wait_for()
        assert page.locator("output").inner_text() == "60 results"
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.type") == "search":
                break
        page.keyboard.type("STORE00 one")
        page.get_by_text("10 of 60 results", exact=True).wait_for()
        assert shown.count() == 10
        assert not page.locator("#fail").is_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("P")
        page.get_by_text("0 of 60 results", exact=True).wait_for()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Control+A")
        page.keyboard.type("vault019")
        page.get_by_text("1 of 60 results", exact=True).wait_for()
        assert shown.inner_text().startswith("Pass")
        page.locator("#clear").focus()
        page.keyboard.press("Enter")
        assert page.locator("output").inner_text() == "60 results"
        assert page.locator("#fail [data-row]:visible").count() == 40
        assert shown.count() == 0


def test_a_link_to_a_finding_ends_the_filter(opened: Opened, long: Record) -> None:
    with opened(long) as page:
        page.locator("input").fill("vault")
        page.locator("body.filtered").wait_for()
        page.locator("ol.first a").first.click()
        page.locator("body:not(.filtered)").wait_for()
        assert page.locator("#fail [data-row]:visible").count() == 40
        assert page.locator("input").input_value() == ""


@pytest.mark.parametrize("scripts", [True, False])
def test_a_control_opens_to_its_policies_and_a_policy_to_its_results(
    opened: Opened, long: Record, scripts: bool
) -> None:
    with opened(long, java_script_enabled=scripts) as page:
        page.locator("nav a", has_text="By control").click()
        nist = page.locator("#controls > details", has_text="NIST")
        shown = nist.locator("a", has_text="two").first
        assert not shown.is_visible()
        nist.locator("summary").first.click()
        nist.locator("td summary").first.click()
        assert shown.is_visible()
        shown.click()
        assert page.locator("#pass-two").is_visible()
        assert page.locator("#pass .row").count() == (20 if scripts else 0)
        top = page.locator("#pass details").bounding_box()
        assert top is not None
        assert 0 <= top["y"] <= 800


def test_a_link_to_what_the_filter_hides_ends_the_filter_and_opens_it(opened: Opened, long: Record) -> None:
    with opened(long) as page:
        page.locator("input").fill("store")
        page.locator("body.filtered").wait_for()
        page.goto(page.url.split("#")[0] + "#pass-two")
        page.locator("body:not(.filtered)").wait_for()
        assert page.locator("#pass .row:visible").count() == 20
        assert page.locator("input").input_value() == ""


def test_frameworks_print_as_a_line_each_the_first_with_its_map_and_others_once_opened(
    opened: Opened, stock: Record
) -> None:
    with opened(stock) as page:
        page.emulate_media(media="print")
        assert page.locator("#controls > details > summary:visible").count() == 3
        assert page.locator("#controls table.heat:visible").count() == 1
        assert page.locator("#controls table.rows:visible").count() == 0
        page.locator("#controls > details", has_text="NIST").evaluate("details => details.open = true")
        assert page.locator("#controls table.heat:visible").count() == 2
        assert page.locator("#controls table.rows:visible").count() == 1


def test_the_filter_that_stays_in_sight_covers_nothing_that_a_link_leads_to(opened: Opened, long: Record) -> None:
    with opened(long) as page:
        page.locator("body[data-ready]").wait_for()
        page.locator("nav a", has_text="Scope and coverage").click()
        heading, bar = page.locator("#scope h2").bounding_box(), page.locator("#filter").bounding_box()
        assert heading is not None
        assert bar is not None
        assert bar["y"] >= 0, "it stays in sight"
        assert heading["y"] >= bar["y"] + bar["height"]


def test_the_first_stop_of_the_keyboard_skips_to_the_findings(opened: Opened, stock: Record) -> None:
    with opened(stock) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        box = page.locator(".skip").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_it_prints_every_failure_whatever_the_filter_hides(opened: Opened, long: Record, paper: str) -> None:
    with opened(long, color_scheme="dark") as page:
        whole = page.pdf(format=paper)
        page.locator("input").fill("nothing has this name")
        page.locator("body.filtered").wait_for()
        assert page.locator("#fail [data-row]:visible").count() == 0
        assert pages(page.pdf(format=paper)) == pages(whole) > 4
        page.emulate_media(media="print")
        rows = page.locator("#fail [data-row]")
        assert all(rows.nth(i).is_visible() for i in range(40))
        assert page.evaluate("getComputedStyle(document.querySelector('[data-row]')).breakInside") == "avoid"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator("#filter").is_visible()


def test_every_printed_page_names_the_run(opened: Opened, stock: Record) -> None:
    with opened(stock) as page:
        rule = page.locator("style").inner_text()
        assert f'@top-left{{content:"lockdown run {stock.run["runId"]}"}}' in rule
        assert "counter(page)" in rule
