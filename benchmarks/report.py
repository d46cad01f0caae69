"""The report in a browser: ``python -m benchmarks.report [--quick]``.

A closed deployment and a tenant of 300 resources are audited in the sandbox, their snapshots multiplied by
:mod:`benchmarks.multiply`, audited and signed. Each report is opened from disk in Debian's Chromium, beside an empty
page in the same browser: what that takes is the machine's own. A filter's time goes from the change of the address to
the laid out list.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks import measure
from benchmarks.multiply import multiply
from lockdown import record
from lockdown.evidence import keys

_CHROMIUM = "/usr/bin/chromium"
_CLOSED, _TENANT = ("coa-private",), ("tenant", "--option", "resources=300")
_SIZES = ((_CLOSED, 5), (_TENANT, 1), (_TENANT, 54))
_TRIES = 5
_FILTERS = ("verdict=pass", "q=blob", "q=storage+network", "severity=high&control=nist-800-53-r5/AC-4", "q=x")
_COLUMNS = ("results", "fail", "MB", "empty s", "shown s", "ready s", "filter ms", "slowest ms")
_WIDTHS = (9, 8, 6, 8, 8, 8, 10, 11)
_FILTERED = """fragment => new Promise(done => {
  const start = performance.now();
  const laid = () => { document.body.offsetHeight; done(performance.now() - start); };
  addEventListener("hashchange", laid, { once: true });
  location.hash = fragment;
})"""


@dataclass(frozen=True)
class _Row:
    """What one report took; seconds and milliseconds are medians, but for the slowest filter."""

    results: int
    failing: int
    size: int
    empty: float
    shown: float
    ready: float
    filters: tuple[float, ...]


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="benchmarks.report", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out 100,000 results")
    sizes = _SIZES[:-1] if parser.parse_args().quick else _SIZES
    print(_line(_COLUMNS))
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        keys.generate(folder / "keys")
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        empty = folder / "empty.html"
        empty.write_text("<!doctype html><title>Empty</title>", "utf-8")
        for scenario, times in sizes:
            run = _audited(_base(scenario, folder, environment), folder, times, environment)
            browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            print(_shown(_measured(browser, run, empty)), flush=True)
            browser.close()


def _base(scenario: tuple[str, ...], folder: Path, environment: dict[str, str]) -> Path:
    """Return a run over a scenario, made once."""
    base = folder / scenario[0]
    if not base.exists():
        made = [sys.executable, "-m", "benchmarks.sandboxed", str(base), "--scenario", *scenario]
        subprocess.run(made, check=True, env=environment)
    return base


def _audited(base: Path, folder: Path, times: int, environment: dict[str, str]) -> Path:
    given, run = folder / f"{base.name}{times}", folder / f"{base.name}{times}-run"
    multiply(base, given, times)
    audit = [sys.executable, "-m", "lockdown", "audit", "--quiet", "--snapshot", str(given), "--out", str(run)]
    measure.run([*audit, "--key", f"file:{folder}/keys/private.pem"], environment)
    return run


def _measured(browser: Browser, run: Path, empty: Path) -> _Row:
    report = run / "report/report.html"
    counts = record.read(run / "results/results.json").run["counts"]
    opened = [_opened(browser, report) for _ in range(_TRIES)]
    return _Row(
        results=sum(number for kind, number in counts.items() if kind != "notObserved"),
        failing=counts["fail"],
        size=report.stat().st_size,
        empty=statistics.median(_load(browser, empty) for _ in range(_TRIES)),
        shown=statistics.median(shown for shown, _ in opened),
        ready=statistics.median(ready for _, ready in opened),
        filters=tuple(_filtered(browser, report)),
    )


def _load(browser: Browser, page: Path) -> float:
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    start = time.perf_counter()
    tab.goto(page.as_uri())
    took = time.perf_counter() - start
    tab.close()
    return took


def _opened(browser: Browser, page: Path) -> tuple[float, float]:
    """Return after how many seconds the first screen is drawn, and all is checked and can be filtered."""
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    start = time.perf_counter()
    tab.goto(page.as_uri(), wait_until="commit")
    tab.locator("body[data-ready]").wait_for(timeout=120_000)
    ready = time.perf_counter() - start
    shown = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
    assert "consistent with this key" in tab.locator("#checked").inner_text()
    tab.close()
    return shown, ready


def _filtered(browser: Browser, page: Path) -> Iterator[float]:
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.goto(page.as_uri())
    tab.locator("body[data-ready]").wait_for(timeout=120_000)
    for _ in range(_TRIES):
        for fragment in _FILTERS:
            yield tab.evaluate(_FILTERED, fragment)
    tab.close()


def _shown(row: _Row) -> str:
    return _line(
        (
            f"{row.results:,}",
            f"{row.failing:,}",
            f"{row.size / 1e6:.2f}",
            f"{row.empty:.2f}",
            f"{row.shown:.2f}",
            f"{row.ready:.2f}",
            f"{statistics.median(row.filters):.0f}",
            f"{max(row.filters):.0f}",
        )
    )


def _line(values: tuple[object, ...]) -> str:
    return " ".join(f"{value:>{width}}" for value, width in zip(values, _WIDTHS, strict=True)).rstrip()


if __name__ == "__main__":
    main()
