"""The report in Firefox ESR, where there is one: the same checks, filter and refusals as in Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockdown.report import html
from tests.evidence.handmade import signer
from tests.report import firefox, handmade
from tests.report.conftest import MakeRecord
from tests.report.firefox import Firefox
from tests.report.handmade import HOSTILE
from tests.report.test_self_check import flipped, report

pytestmark = pytest.mark.firefox


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    if os.environ.get("LOCKDOWN_TEST_NO_BROWSER") == "1":
        pytest.skip("LOCKDOWN_TEST_NO_BROWSER=1: no browser test was run")
    if not firefox.FIREFOX.exists():
        pytest.skip(f"{firefox.FIREFOX} is missing: the report was not seen in Firefox. apt-get install firefox-esr")
    with firefox.running(tmp_path_factory.mktemp("firefox") / "profile") as found:
        yield found


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return report(tmp_path_factory.mktemp("signed"), signer())


def opened(browser: Firefox, folder: Path, page: str, fragment: str = "") -> None:
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    browser.open(path.as_uri() + fragment)


def test_a_page_as_it_was_made_is_consistent_and_filters(browser: Firefox, tmp_path: Path, signed: str) -> None:
    opened(browser, tmp_path, signed, "#verdict=pass&q=vault00")
    browser.wait("document.body.dataset.ready !== undefined")
    assert "are consistent with this key" in browser.see("document.getElementById('checked').textContent")
    assert browser.see("document.querySelector('#filter output').textContent").startswith("10 of ")
    assert browser.see("document.querySelectorAll('#results tbody').length") == 10
    browser.see("document.getElementById('clear').click()")
    assert browser.see("document.querySelectorAll('#fail [data-row]').length") == 40 + len(HOSTILE)
    assert browser.see("document.getElementById('results').hidden")


def test_one_flipped_bit_shows_the_banner(browser: Firefox, tmp_path: Path, signed: str) -> None:
    opened(browser, tmp_path, flipped(signed, -3))
    told = browser.wait("document.querySelector('[role=alert]')?.textContent")
    assert "This page was changed, or is damaged" in told
    assert browser.see("getComputedStyle(document.querySelector('main')).display") == "none"


def test_hostile_names_are_inert_and_a_script_that_was_slipped_in_does_not_run(
    browser: Firefox, tmp_path: Path, signed: str
) -> None:
    slipped = "<script>document.title='owned'</script></main>"
    opened(browser, tmp_path, signed.replace("</main>", slipped))
    browser.wait("document.body.dataset.ready !== undefined")
    assert browser.see("document.title") != "owned"
    assert browser.see("document.querySelectorAll('img').length") == 0
    assert "\\u202e" in browser.see("document.getElementById('fail').textContent")


def test_a_small_page_has_no_script_and_is_whole(browser: Firefox, tmp_path: Path, make_record: MakeRecord) -> None:
    made = make_record(handmade.stock_policies(), handmade.stock_results())
    opened(browser, tmp_path, html.render(made, envelope=None, key_id=None).decode())
    assert browser.see("document.querySelectorAll('[data-row]').length") == 9
    assert browser.see("document.documentElement.scrollWidth <= innerWidth")
