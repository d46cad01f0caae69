"""Printed to A4 and Letter: every failure, each row whole on one page, the run and its digest on top of every page."""

from __future__ import annotations

import io
import re
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pypdf import PageObject, PdfReader

from lockdown.record import Record
from lockdown.report import html
from tests.report.conftest import MakeRecord
from tests.report.handmade import GROUP, KEY_ID, envelope, policy, result

pytestmark = pytest.mark.browser

SIZES = {"A4": (595, 842), "Letter": (612, 792)}
FAILURES = 140


@pytest.fixture
def long(make_record: MakeRecord) -> Record:
    store = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
    return make_record(
        [policy("one", "Stores are closed"), policy("two", "Vaults are closed")],
        [
            *(
                result("one", f"{store}/begin{i:03}x", "fail", observed=f"seen{i:03}x", reason=f"Reason {i:03}x. " * 9)
                for i in range(FAILURES)
            ),
            *(result("two", f"{store}/vault{i:03}", "unknown") for i in range(30)),
            *(result("two", f"{store}/fine{i:03}", "pass") for i in range(300)),
        ],
    )


def printed(chromium: Browser, folder: Path, made: Record, paper: str, fragment: str) -> list[PageObject]:
    path = folder / "report.html"
    path.write_bytes(html.render(made, envelope=envelope(), key_id=KEY_ID))
    page = chromium.new_page(color_scheme="dark")
    page.goto(f"{path.as_uri()}{fragment}")
    page.locator("body[data-ready]").wait_for()
    pdf = page.pdf(format=paper, print_background=True)
    page.close()
    return list(PdfReader(io.BytesIO(pdf)).pages)


def words(page: PageObject) -> str:
    return re.sub(r"\s+", "", page.extract_text())


@pytest.mark.parametrize("fragment", ["", "#q=nothing-has-this-name"], ids=["whole", "filtered"])
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_every_failure_is_printed_and_no_row_is_cut(
    chromium: Browser, tmp_path: Path, long: Record, paper: str, fragment: str
) -> None:
    pages = printed(chromium, tmp_path, long, paper, fragment)
    told = [words(page) for page in pages]
    assert len(pages) > 20
    for page in pages:
        assert [round(float(side)) for side in page.mediabox[2:]] == pytest.approx(SIZES[paper], abs=1)
    for number in range(FAILURES):
        (holding,) = [text for text in told if f"seen{number:03}x" in text]
        assert f"storageAccounts/begin{number:03}x--public-network-accessDisabled" in holding
        assert holding.count(f"Reason{number:03}x.") == 9
    whole = "".join(told)
    assert all(f"vault{number:03}" in whole for number in range(30))
    assert "Resultsthatfit" not in whole


def test_every_page_has_the_run_the_digest_and_its_number_on_it(
    chromium: Browser, tmp_path: Path, long: Record
) -> None:
    pages = printed(chromium, tmp_path, long, "A4", "")
    digest = sha256(b'{"_type":"https://in-toto.io/Statement/v1"}').hexdigest()[:16]
    for number, page in enumerate(pages, 1):
        text = words(page)
        assert f"lockdownrun{long.run['runId']}" in text
        assert f"signedrecordsha256{digest}" in text
        assert f"page{number}of{len(pages)}" in text
