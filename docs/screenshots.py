"""Make the pictures of docs/images from a fresh telling of the demo: ``make screenshots``.

Needs Debian's package chromium, and the development extra for playwright.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import html
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1280, 800
_FROM, _UP_TO = "3. Somebody opens it", "5. The evidence"
_TERMINAL = (
    "<!doctype html><meta charset='utf-8'><style>"
    "body{margin:0;background:#14171a}"
    "pre{margin:0;padding:20px 28px;color:#e3e7ea;font:13px/1.3 'DejaVu Sans Mono',monospace}"
    "</style><pre>%s</pre>"
)


def main() -> int:
    """Write every picture, or say what is missing."""
    if not CHROMIUM.exists():
        sys.stderr.write(f"{CHROMIUM} is missing. Run: apt-get install chromium\n")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        told = _tell(Path(folder))
        (story,) = Path(folder).iterdir()
        terminal = story / "terminal.html"
        terminal.write_text(_TERMINAL % html.escape(_excerpt(told)), "utf-8")
        pictures = {
            "report-stock.png": story / "stock/report/report.html",
            "report-private.png": story / "private/report/report.html",
            "demo.png": terminal,
        }
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            for name, page in pictures.items():
                _shoot(browser, page, IMAGES / name)
            browser.close()
    return 0


def _tell(folder: Path) -> str:
    """Return what the demo writes on stdout; its runs are left below ``folder``."""
    command = [sys.executable, "-m", "lockdown", "demo", "--out", str(folder), "--quiet"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _excerpt(told: str) -> str:
    """Return the chapters that the picture of the terminal shows.

    Raises:
        ValueError: the story has no such chapters any more.
    """
    return told[told.index(_FROM) : told.index(_UP_TO)].rstrip()


def _shoot(browser: Browser, page: Path, picture: Path) -> None:
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    opened = context.new_page()
    opened.goto(page.as_uri())
    opened.screenshot(path=picture)
    context.close()


if __name__ == "__main__":
    sys.exit(main())
