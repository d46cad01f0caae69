"""lockdown convert, and audit --format: the same bytes either way, sealed with the run or beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockdown import record
from lockdown.cli import run
from lockdown.errors import Exit
from lockdown.evidence import keys, seal
from lockdown.report.formats import FORMATS, recount
from tests.report import exports, handmade

if TYPE_CHECKING:
    from tests.conftest import Lockdown

ALL = [part for name in FORMATS for part in ("--format", name)]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "run/results").mkdir(parents=True)
    exports.mixed(tmp_path / "run/results/results.json")
    return tmp_path / "run"


@pytest.mark.parametrize("name", FORMATS)
def test_one_format_goes_to_stdout_or_to_a_file(
    made: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], name: str
) -> None:
    assert run(["convert", str(made), "--format", name]) == Exit.OK
    shown = capfdbinary.readouterr()
    assert run(["convert", str(made), "--format", name, "--out", str(tmp_path / "new/file")]) == Exit.OK
    assert (tmp_path / "new/file").read_bytes() == shown.out
    assert shown.err == b""
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_several_formats_go_to_a_folder(made: Path, tmp_path: Path) -> None:
    assert run(["convert", str(made), *ALL, "--out", str(tmp_path / "out")]) == Exit.OK
    assert {path.name for path in (tmp_path / "out").iterdir()} == {how.file for how in FORMATS.values()}
    assert recount(tmp_path / "out", record.read(made / "results/results.json").run["counts"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Missing option '--format'"),
        (["--format", "pdf"], "'pdf' is not one of"),
        (["--format", "csv", "--format", "junit"], "Several formats need a folder"),
        (["--format", "csv", "--out", "there"], "there exists already"),
        (["--format", "csv", "--out", "run/results/results.csv"], "lies in the run"),
    ],
)
def test_wrong_usage(
    made: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(made.parent)
    Path("there").write_text("mine", "utf-8")
    assert run(["convert", "run", *arguments]) == Exit.USAGE
    assert told in capsys.readouterr().err
    assert Path("there").read_text("utf-8") == "mine"
    assert {path.name for path in Path("run/results").iterdir()} == {"results.json"}


def test_what_is_no_run_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", str(tmp_path), "--format", "csv"]) == Exit.USAGE
    assert "is not the record of a run" in capsys.readouterr().err


def test_a_record_that_was_changed_is_tampered_with_and_leaves_nothing(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made / "results/results.json"
    path.write_bytes(path.read_bytes().replace(b'"verdict":"fail","waiver"', b'"verdict":"fail","weaver"', 1))
    assert run(["convert", str(made), *ALL, "--out", str(tmp_path / "out")]) == Exit.TAMPERED
    assert "contradicts itself" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_error_half_way_leaves_no_file(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = handmade.stock_results()
    handmade.write(made / "results/results.json", handmade.stock_policies(), [results[1], results[0], *results[2:]])
    monkeypatch.chdir(tmp_path)
    assert run(["convert", "run", "--format", "junit", "--out", "out/junit.xml"]) == Exit.TAMPERED
    assert "are apart" in capsys.readouterr().err
    assert list(Path("out").iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", str(made), "--format", "csv", "--out", "/proc/here/results.csv"]) == Exit.FAILED
    assert "cannot be written" in capsys.readouterr().err


def test_a_plan_of_action_without_failures_is_told_and_not_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run/results").mkdir(parents=True)
    passes = [handmade.result("p", "/a", "pass")]
    handmade.write(tmp_path / "run/results/results.json", [handmade.policy("p", "P")], passes)
    assert run(["convert", str(tmp_path / "run"), "--format", "oscal-poam"]) == Exit.OK
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "No oscal-poam was written: nothing fails" in shown.err


def test_an_audit_seals_the_formats_that_it_was_asked_for(stock_run: Path, lockdown: Lockdown, tmp_path: Path) -> None:
    lockdown("keys", "generate", "--out", tmp_path / "keys")
    key = f"file:{tmp_path / 'keys/private.pem'}"
    ran = lockdown("audit", "--snapshot", stock_run, "--key", key, "--out", tmp_path / "run", "--quiet", *ALL)
    assert ran.code == Exit.NOT_COMPLIANT, ran.err
    names = {f"results/{how.file}" for how in FORMATS.values()}
    made = tmp_path / "run"
    assert names <= {line.split("  ")[1] for line in (made / "SHA256SUMS").read_text("utf-8").splitlines()}
    verified = lockdown("verify", made, "--trust", tmp_path / "keys/trust-root.json", "--json")
    assert verified.code == Exit.OK, verified.out
    counts = record.read(made / "results/results.json").run["counts"]
    assert len(recount(made / "results", counts)) == len(FORMATS)
    for name, how in FORMATS.items():
        again = lockdown("convert", made, "--format", name, "--out", tmp_path / how.file)
        assert again.code == Exit.OK, again.err
        assert (tmp_path / how.file).read_bytes() == (made / "results" / how.file).read_bytes()
    broken = made / "results/results.csv"
    broken.write_bytes(broken.read_bytes() + b"\n")
    assert lockdown("verify", made, "--trust", tmp_path / "keys/trust-root.json").code == Exit.TAMPERED
    archive = tmp_path / "run.zip"
    broken.write_bytes(b"".join(broken.read_bytes().splitlines(keepends=True)[:-2]))
    signer = keys.load_signer(key)
    seal.sign_run(made, signer)
    seal.seal(made, signer)
    assert lockdown("bundle", made, "--out", archive).code == Exit.OK
    for place in (made, archive):
        told = lockdown("verify", place, "--trust", tmp_path / "keys/trust-root.json", "--json")
        assert told.code == Exit.TAMPERED
        assert [check["name"] for check in json.loads(told.out)["checks"] if check["mark"] == "failed"] == ["formats"]


def test_an_audit_writes_no_format_unasked(stock_run: Path) -> None:
    assert {path.name for path in (stock_run / "results").iterdir()} == {"results.json", "topology.json"}


def test_the_formats_of_a_whole_stock_environment_hold_the_same_counts(
    stock_run: Path, lockdown: Lockdown, tmp_path: Path
) -> None:
    ran = lockdown("convert", stock_run, *ALL, "--out", tmp_path / "out")
    assert ran.code == Exit.OK, ran.err
    counts = record.read(stock_run / "results/results.json").run["counts"]
    found = recount(tmp_path / "out", counts)
    assert found.pop("oscal-poam.json") == counts["fail"] + counts["waived"]
    assert found.pop("oscal-component-definition.json") == sum(counts.values()) - counts["notObserved"]
    assert set(found.values()) == {sum(counts.values())}
    json.loads((tmp_path / "out/oscal-assessment-results.json").read_bytes())
