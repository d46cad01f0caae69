"""A template has everything of a waiver but its owner, and is refused until somebody answers for it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lockdown import config
from lockdown.cli import run
from lockdown.errors import Exit, UsageError
from lockdown.record import Record
from lockdown.report import waivers
from tests.report.handmade import stock_policies, stock_results, write

TODAY = date(2026, 3, 2)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "lockdown.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return write(tmp_path / "results.json", stock_policies(), stock_results())


def test_every_counted_failure_gets_an_entry_and_no_other_result_does(record: Record, tmp_path: Path) -> None:
    text = waivers.render(record, (), TODAY, 30)
    found = config.load(written(tmp_path, text.replace("owner: ''", "owner: platform")), TODAY)
    counted = [r for r in record.results() if r["verdict"] == "fail" and not r.get("waiver")]
    covered = {(waiver.policy, resource) for waiver in found.waivers for resource in waiver.resources}
    assert covered == {(r["policy"], r["resource"].lower()) for r in counted}
    assert {waiver.reason for waiver in found.waivers} == {r["reason"] for r in counted}
    assert {waiver.expires for waiver in found.waivers} == {date(2026, 4, 1)}


def test_it_is_refused_until_the_owner_is_filled_in(record: Record, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"waivers\.0\.owner: .*must not be empty"):
        config.load(written(tmp_path, waivers.render(record, (), TODAY, 30)), TODAY)


@pytest.mark.parametrize("days", [0, 181])
def test_no_waiver_holds_for_longer_than_180_days(record: Record, days: int) -> None:
    with pytest.raises(UsageError, match="1 to 180 days"):
        waivers.render(record, (), TODAY, days)


def test_the_longest_is_accepted_on_the_day_it_is_written(record: Record, tmp_path: Path) -> None:
    text = waivers.render(record, (), TODAY, 180).replace("owner: ''", "owner: platform")
    assert config.load(written(tmp_path, text), TODAY).waivers
    with pytest.raises(UsageError, match="later than"):
        config.load(written(tmp_path, text), date(2026, 3, 1))


def test_the_command_writes_to_stdout_and_takes_policies(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    (folder / "results").mkdir(parents=True)
    (folder / "results/results.json").write_bytes(record.path.read_bytes())
    failing = next(r["policy"] for r in record.results() if r["verdict"] == "fail" and not r.get("waiver"))
    assert run(["waivers", "template", str(folder), failing]) == Exit.OK
    assert f"- policy: {failing}" in capsys.readouterr().out
    assert run(["waivers", "template", str(folder), "nothing"]) == Exit.USAGE
    assert "The run has no policy 'nothing'." in capsys.readouterr().err
