"""A person who has never seen the tool: the first screen of a real run says what to fix first, and how."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from lockdown import record
from lockdown.evidence import keys
from lockdown.sandbox.server import Sandbox

pytestmark = pytest.mark.browser


def test_the_first_three_things_to_fix_of_a_stock_deployment_are_on_the_first_screen_each_with_its_command(
    chromium: Browser, tmp_path: Path
) -> None:
    keys.generate(tmp_path / "keys")
    with Sandbox("coa-stock") as sandbox:
        command = [sys.executable, "-m", "lockdown", "audit", "--quiet", "--out", str(tmp_path / "run")]
        command += ["--key", f"file:{tmp_path}/keys/private.pem"]
        audited = subprocess.run(
            command, env={**os.environ, **sandbox.environment("auditor")}, capture_output=True, text=True, check=False
        )
        assert audited.returncode == 7, audited.stderr
    made = record.read(tmp_path / "run/results/results.json")
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto((tmp_path / "run/report/report.html").as_uri())
    page.locator("body[data-ready]").wait_for()
    assert "are consistent with this key" in page.locator("#checked").inner_text()
    fixes = page.locator("ol.first li")
    assert fixes.count() == 3
    failing = {(r["policy"], r["severity"]) for r in made.results() if r["verdict"] == "fail"}
    for number in range(3):
        box = fixes.nth(number).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800
        assert "Critical" in fixes.nth(number).inner_text()
        assert fixes.nth(number).locator(".cmd").inner_text().startswith("az ")
        anchor = fixes.nth(number).locator("a").get_attribute("href") or ""
        assert (anchor.removeprefix("#fail-"), "critical") in failing
        assert page.locator(f"[id='{anchor[1:]}']").count() == 1
    page.close()
