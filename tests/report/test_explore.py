"""The list of every result in a real browser: filtered, shared by its address, exported; the map that leads to it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Browser, Page

from lockdown import record, topology
from lockdown.record import Record
from lockdown.report import csv_, export, html
from lockdown.topology import Service, Topology
from tests.report.conftest import MakeRecord
from tests.report.handmade import GROUP, HOSTILE, policy, result
from tests.report.test_browser import violations

pytestmark = pytest.mark.browser

STORE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
ELSEWHERE = STORE.replace("rg-coa", "rg-data")
WAIVER = {"reason": "=Because.", "owner": "me@research.example", "expires": "2026-01-31"}
FORMULAS = ("=1+1", "+1", "-1", "@x", "\t=1", "\uff1d1", ' "=1', 'plain, with "quotes"\nand a line')


@pytest.fixture
def mixed(make_record: MakeRecord) -> Record:
    policies = [
        policy("one", "Stores are closed", theme="public-network-access"),
        policy("two", "Vaults are closed", theme="private-endpoint", severity="low", controls=[]),
    ]
    texts = [*FORMULAS, *HOSTILE.values()]
    return make_record(
        policies,
        [
            *(result("one", f"{STORE}/store{i:03}", "fail") for i in range(130)),
            *(result("one", f"{ELSEWHERE}/odd{i:02}", "pass", observed=text) for i, text in enumerate(texts)),
            *(result("two", f"{ELSEWHERE}/vault{i:03}", "pass", severity="low") for i in range(250)),
            result("two", f"{ELSEWHERE}/vault900", "unknown", severity="low"),
            result("one", f"{ELSEWHERE}/waived", "fail", waiver=WAIVER),
        ],
    )


def shown(chromium: Browser, folder: Path, made: Record, fragment: str = "") -> Page:
    path = folder / "report.html"
    path.write_bytes(html.render(made, envelope=None, key_id=None))
    page = chromium.new_page()
    page.goto(f"{path.as_uri()}{fragment}")
    page.locator("body[data-ready]").wait_for()
    return page


def told(page: Page) -> str:
    return page.locator("output").inner_text()


@pytest.mark.parametrize(
    ("fragment", "number"),
    [
        ("#verdict=fail", 130),
        ("#verdict=pass&severity=low", 250),
        ("#topic=private-endpoint", 251),
        ("#control=nist-800-53-r5%2FAC-4", 130 + 18 + 1),
        ("#control=fedramp-moderate-r5%2FAC-4&verdict=pass", 18),
        ("#group=rg-coa", 130),
        ("#policy=two&verdict=unknown", 1),
        (f"#resource={STORE.lower()}/store007", 1),
        ("#type=microsoft.storage/storageaccounts", 130 + 18 + 251 + 1),
        ("#q=VAULT09+closed", 10),
        ("#q=storage-nothing", 0),
        ("#nothing=known", None),
    ],
)
def test_an_address_opens_the_list_that_it_was_copied_from(
    chromium: Browser, tmp_path: Path, mixed: Record, fragment: str, number: int | None
) -> None:
    page = shown(chromium, tmp_path, mixed, fragment)
    total = 130 + 18 + 251 + 1
    assert told(page) == (f"{total} results" if number is None else f"{number} of {total} results")
    assert page.locator("#results").is_visible() is (number is not None)
    assert page.locator("#results tbody").count() == min(number or 0, 100)
    if (number or 0) >= 10:  # fewer make a page too short to scroll
        box = page.locator("#filter").bounding_box()
        assert box is not None
        assert box["y"] == pytest.approx(0, abs=2), "the list is in sight"
    page.close()


def test_what_is_asked_stands_in_the_address_and_comes_back(chromium: Browser, tmp_path: Path, mixed: Record) -> None:
    page = shown(chromium, tmp_path, mixed)
    page.get_by_label("Verdict").select_option("fail")
    page.get_by_label("Find").fill("store01")
    page.locator("output", has_text="10 of").wait_for()
    assert page.url.endswith("#verdict=fail&q=store01")
    again = shown(chromium, tmp_path, mixed, page.url[page.url.index("#") :])
    assert told(again) == told(page)
    assert again.get_by_label("Find").input_value() == "store01"
    assert again.get_by_label("Verdict").input_value() == "fail"
    page.close()
    again.close()


def test_a_long_list_is_shown_by_the_hundred_and_says_what_is_left(
    chromium: Browser, tmp_path: Path, mixed: Record
) -> None:
    page = shown(chromium, tmp_path, mixed, "#verdict=fail")
    more = page.locator("#more")
    assert more.inner_text() == "Show 30 more of 30"
    more.click()
    assert page.locator("#results tbody").count() == 130
    assert not more.is_visible()
    assert page.evaluate("document.activeElement === document.querySelectorAll('#results tbody')[100]")
    page.close()


def test_a_row_of_the_list_is_the_row_of_the_page_with_its_command(
    chromium: Browser, tmp_path: Path, mixed: Record
) -> None:
    page = shown(chromium, tmp_path, mixed, "#q=store007")
    row = page.locator("#results tbody")
    assert "Fail\u00a0" in row.inner_text() or "Fail" in row.inner_text()
    assert f"az storage account update --ids {STORE}/store007" in row.inner_text()
    row.locator("a").click()
    page.locator("body:not(.filtered)").wait_for()
    assert page.url.endswith("#fail-one")
    page.close()


def test_the_saved_rows_are_those_of_results_csv(chromium: Browser, tmp_path: Path, mixed: Record) -> None:
    page = shown(chromium, tmp_path, mixed, "#topic=public-network-access")
    with page.expect_download() as waited:
        page.locator("#csv").click()
    saved = tmp_path / "saved.csv"
    waited.value.save_as(saved)
    written = "".join(csv_.render(export.read(record.read(mixed.path))))

    def rows(text: str) -> set[tuple[str, ...]]:
        return {tuple(row) for row in csv.reader(text.splitlines(keepends=True), strict=True)}

    ours, theirs = rows(saved.read_text(encoding="utf-8")), rows(written)
    assert ours == {row for row in theirs if row[2] in ("theme", "public-network-access")}
    assert len(ours) == 1 + 130 + 18 + 1
    page.close()


def test_hostile_texts_are_inert_in_the_list_and_nothing_hides_in_them(
    chromium: Browser, tmp_path: Path, mixed: Record
) -> None:
    page = shown(chromium, tmp_path, mixed, "#verdict=pass&group=rg-data&policy=one")
    text = page.locator("#results").inner_text()
    assert page.title() != "owned"
    assert page.locator("#results img, #results script").count() == 0
    for name in ("markup", "closing", "style", "template", "quotes", "wide"):
        assert HOSTILE[name] in text
    for name in ("override", "zero-width", "terminal"):
        assert HOSTILE[name].encode("unicode_escape").decode() in text
    assert not any(unseen in text for unseen in ("\u202e", "\u200b", "\x1b"))
    assert violations(page) == []
    page.close()


def test_the_rows_of_a_policy_that_passes_are_written_when_it_is_opened(
    chromium: Browser, tmp_path: Path, mixed: Record
) -> None:
    page = shown(chromium, tmp_path, mixed)
    assert page.locator("#pass tbody").count() == 0
    page.locator("#pass summary", has_text="Vaults are closed").click()
    page.locator("#pass tbody").first.wait_for()
    assert page.locator("#pass tbody").count() == 100
    page.locator("#pass a", has_text="All 250 of them").click()
    page.locator("output", has_text="251 of").wait_for()
    page.close()


def test_a_node_of_the_map_leads_to_its_results_and_the_map_is_saved(
    chromium: Browser, tmp_path: Path, mixed: Record
) -> None:
    services = (Service(f"{STORE}/store003", "microsoft.storage/storageaccounts", "store003", ()),)
    where = Topology((), services, (topology.Address("/ip", "ip", "203.0.113.9", ""),), {})
    mixed.path.with_name("topology.json").write_text(json.dumps(topology.to_json(where)))
    page = shown(chromium, tmp_path, mixed)
    page.locator("svg.map a", has_text="store003").click()
    page.locator("body.filtered").wait_for()
    assert told(page).startswith("1 of")
    assert "store003" in page.locator("#results tbody").inner_text()
    page.locator("#also button").click()
    page.locator("body:not(.filtered)").wait_for()
    with page.expect_download() as waited:
        page.locator("#save-map").click()
    saved = tmp_path / "saved.svg"
    waited.value.save_as(saved)
    root = ET.parse(saved).getroot()  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "store003" in "".join(root.itertext())
    assert "--paper" in "".join(root.itertext())
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_a_filtered_page_is_as_readable(
    chromium: Browser, tmp_path: Path, mixed: Record, scheme: str, width: int
) -> None:
    page = shown(chromium, tmp_path, mixed, "#verdict=fail")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()
