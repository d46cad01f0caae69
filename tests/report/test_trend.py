"""The last nights: those of this scope alone, as a real history tells them, and nothing where there is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lockdown import record
from lockdown.errors import TamperedError
from lockdown.evidence.seal import sign_run
from lockdown.history.records import RETENTION_DAYS
from lockdown.history.session import Entry, entered
from lockdown.history.store import Folder
from lockdown.record import Record
from lockdown.report import html, trend, view
from lockdown.report.trend import NIGHTS, Night
from tests.evidence.handmade import signer, write_run
from tests.history.test_chain import OTHER, SCOPE, made
from tests.report.handmade import stock_policies, stock_results, write

NOW = datetime.now(UTC).strftime("%Y-%m-%d")


def newest(folder: Path, *, killed: bool = False) -> Record:
    """Return a run after two nights of its scope and one of another; with ``killed``, one began that never ended."""
    store, key = Folder(folder / "store"), signer()
    made(store, key, folder / "a")
    made(store, key, folder / "other", OTHER)
    if killed:
        Entry(store, key, "run-killed", SCOPE).start(RETENTION_DAYS)
    made(store, key, folder / "b")
    directory = folder / "c"
    with entered(Entry(store, key, "run-c", SCOPE), RETENTION_DAYS) as entry:
        assert entry is not None
        write_run(directory, runId="run-c")
        sign_run(directory, key)
        entry.write_chain(directory)
        entry.fail(ValueError())
    return record.read(directory / "results/results.json")


def shown(made_: Record) -> str:
    """Return the page of a run with the results of a stock deployment, where the run of ``made_`` stands."""
    stock_ = write(made_.path, stock_policies(), stock_results(), runId=made_.run["runId"])
    return html.render(stock_, envelope=None, key_id=None).decode()


def test_the_nights_are_those_of_this_scope_with_their_counts_and_this_run_last(tmp_path: Path) -> None:
    made_ = newest(tmp_path)
    found = trend.nights(made_)
    assert [night.outcome for night in found] == ["nonCompliant"] * 3
    assert all(night.counts["fail"] == made_.run["counts"]["fail"] for night in found)
    assert all(night.at.startswith(NOW) for night in found)


def test_a_night_that_was_killed_is_indeterminate_and_says_that_it_left_nothing(tmp_path: Path) -> None:
    made_ = newest(tmp_path, killed=True)
    assert [night.outcome for night in trend.nights(made_)].count("indeterminate") == 1
    page = shown(made_)
    section = page.partition('<section id="trend">')[2].partition("</section>")[0]
    assert "4 runs of this scope" in section
    assert re.search(r'mark unknown">Indeterminate</td><td>it left no evidence', section)


def test_where_no_history_is_known_the_page_says_so_plainly(tmp_path: Path, stock: Record) -> None:
    assert trend.nights(stock) == ()
    page = html.render(stock, envelope=None, key_id=None).decode()
    assert "no history is known to this run: it was made without an evidence store" in page
    assert 'id="trend"' not in page
    first = made(Folder(tmp_path / "store"), signer(), tmp_path / "first")
    page = shown(record.read(first / "results/results.json"))
    assert "this is the first run of this scope in the history" in page
    assert 'id="trend"' not in page


def test_a_history_that_is_none_is_refused(tmp_path: Path) -> None:
    made_ = newest(tmp_path)
    (tmp_path / "c/history/chain.jsonl").write_text('{"payload": "e30="}\n')
    with pytest.raises(TamperedError, match="is not a history"):
        trend.nights(made_)


def test_a_bar_has_a_number_and_a_sign_and_of_many_nights_the_last_are_drawn() -> None:
    assert trend.draw((Night("2026-01-01T00:00:00Z", "compliant", {}),)) is None
    nights = tuple(
        Night(f"2026-01-{day:02}T03:00:00Z", "nonCompliant", {**dict.fromkeys(view.KINDS, 0), "fail": day})
        for day in range(1, NIGHTS + 1)
    )
    drawn = trend.draw(nights)
    assert drawn is not None
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"1", "30", "\u00d7", "01-30"} <= set(texts)
    bars = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("class") == "fails"]
    assert len(bars) == NIGHTS
    assert float(bars[-1].get("x", "0")) < trend.WIDTH
    assert float(bars[-1].get("height", "0")) > float(bars[0].get("height", "0"))
