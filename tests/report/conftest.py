from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from lockdown.record import Record
from tests.report import handmade

CHROMIUM = Path("/usr/bin/chromium")

MakeRecord = Callable[..., Record]


@pytest.fixture
def make_record(tmp_path: Path) -> MakeRecord:
    return lambda policies, results, **run: handmade.write(tmp_path / "results.json", policies, results, **run)


@pytest.fixture
def stock(make_record: MakeRecord) -> Record:
    return make_record(handmade.stock_policies(), handmade.stock_results())


@pytest.fixture
def hostile(tmp_path: Path) -> Record:
    return handmade.hostile(tmp_path / "results.json")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if os.environ.get("LOCKDOWN_TEST_NO_BROWSER") == "1":
        pytest.skip("LOCKDOWN_TEST_NO_BROWSER=1: no browser test was run")
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing, and a report must be seen in a browser. Run: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
