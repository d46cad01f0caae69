"""Make the pictures of docs/images from a fresh telling of the demo: ``make screenshots``.

Needs Debian's package chromium, and the development extra for playwright.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import html
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1280, 800
UP_TO = 1_500_000
"""How many bytes all pictures may have."""
_FROM, _UP_TO = "3. Somebody opens it", "5. The evidence"
_TERMINAL = (
    "<!doctype html><meta charset='utf-8'><style>"
    "body{margin:0;background:#14171a}"
    "pre{margin:0;padding:20px 28px;color:#e3e7ea;font:13px/1.3 'DejaVu Sans Mono',monospace}"
    "</style><pre>%s</pre>"
)


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        page: of which page, below the folder of the story.
        fragment: what its address ends in.
        of: the part of the page to show; empty for the first screen.
        tall: how much of it is shown at most.
        after: what is clicked first.
    """

    page: str
    fragment: str = ""
    of: str = ""
    tall: int = HEIGHT
    after: str = ""
    scheme: Literal["light", "dark"] = "light"


SHOTS = {
    "demo.png": Shot("terminal.html"),
    "report-stock.png": Shot("stock/report/report.html"),
    "report-private.png": Shot("private/report/report.html"),
    "report-dark.png": Shot("stock/report/report.html", scheme="dark", tall=540),
    "report-filtered.png": Shot("stock/report/report.html", fragment="#verdict=fail&q=storage", tall=600),
    "report-map.png": Shot("stock/report/report.html", of="#map"),
    "report-map-private.png": Shot("private/report/report.html", of="#map"),
    "report-paths.png": Shot("stock/report/report.html", of="#paths", after="#paths summary"),
    "report-controls.png": Shot("stock/report/report.html", of="#controls", tall=600),
    "report-drift.png": Shot("drift/report/report.html", of="#drift", tall=620),
    "report-trend.png": Shot("nights/4/report/report.html", of="#trend"),
    "report-changed.png": Shot("changed.html"),
}


def main() -> int:
    """Write every picture, or say what is missing."""
    if not CHROMIUM.exists():
        sys.stderr.write(f"{CHROMIUM} is missing. Run: apt-get install chromium\n")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        told = _tell(Path(folder))
        (story,) = Path(folder).iterdir()
        (story / "terminal.html").write_text(_TERMINAL % html.escape(_excerpt(told)), "utf-8")
        _change(story)
        _nights(story)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            for name, shot in SHOTS.items():
                _shoot(browser, story, shot, IMAGES / name)
            browser.close()
    total = sum(picture.stat().st_size for picture in IMAGES.iterdir())
    sys.stderr.write(f"{len(SHOTS)} pictures, {total:,} bytes. Look at them before you commit them.\n")
    return int(total > UP_TO)


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


def _change(story: Path) -> None:
    """Write a page in which somebody has changed one value."""
    page = (story / "stock/report/report.html").read_text("utf-8")
    start, found, rest = page.partition('<td class="seen"><bdi>')
    if not found:
        raise ValueError("the page shows no observed value")
    (story / "changed.html").write_text(f"{start}{found}not {rest}", "utf-8")


def _nights(story: Path) -> None:
    """Audit what the story left behind four times over, recorded in one evidence store."""
    folder = story / "nights"
    folder.mkdir()
    (folder / "lockdown.yaml").write_text(f"evidence:\n  store: {(folder / 'store').as_uri()}\n", "utf-8")
    for number, run in enumerate(("stock", "private", "drift", "private"), 1):
        command = [sys.executable, "-m", "lockdown", "audit", "--quiet", "-c", str(folder / "lockdown.yaml")]
        command += ["--snapshot", str(story / run), "--out", str(folder / str(number))]
        command += ["--key", f"file:{story}/keys/private.pem"]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # 7: not compliant


def _shoot(browser: Browser, story: Path, shot: Shot, picture: Path) -> None:
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT if shot.of else shot.tall}, color_scheme=shot.scheme
    )
    opened = context.new_page()
    opened.goto(f"{(story / shot.page).as_uri()}{shot.fragment}")
    if "report" in shot.page:
        opened.locator("body[data-ready]").wait_for()
    if shot.after:
        opened.locator(shot.after).first.click()
    if shot.of:
        _part(opened, shot, picture)
    else:
        opened.screenshot(path=picture)
    context.close()


def _part(opened: Page, shot: Shot, picture: Path) -> None:
    """Show a part of a page, as much of it as fits; the filter, which would stay before it, is not shown."""
    opened.evaluate("document.getElementById('filter').remove()")
    box = opened.locator(shot.of).bounding_box()
    if box is None:
        raise ValueError(f"{shot.page} has no {shot.of}")
    top = box["y"] + opened.evaluate("scrollY")
    clip = {"x": box["x"] - 16, "y": top, "width": box["width"] + 32, "height": min(box["height"], shot.tall)}
    opened.screenshot(path=picture, full_page=True, clip=clip)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
