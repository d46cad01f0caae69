"""A run or a bundle as baseline or snapshot: verified before anything in it is used."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lockdown import record
from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import keys, opening
from lockdown.evidence.seal import seal
from tests.hostile.test_small_run import small_run, vault

Captured = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Place:
    """A folder with an approved run, as directory and as bundle, of one open and one closed vault."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle.zip"

    def trust(self, name: str = "keys") -> list[str]:
        return ["--trust", str(self.folder / name / "trust-root.json")]

    def drift(self, baseline: Path, *options: str, out: str = "later") -> int:
        given = ["--snapshot", str(self.folder / "snapshot.json"), "--only-policies", str(self.folder / "policies")]
        return lockdown(
            ["drift", "--baseline", str(baseline), *given, "--out", str(self.folder / out), *map(str, options)]
        )

    def audit(self, snapshot: Path, *options: str, out: str = "again") -> int:
        given = ["--snapshot", str(snapshot), "--only-policies", str(self.folder / "policies")]
        return lockdown(["audit", *given, "--out", str(self.folder / out), *options])

    def see(self, **vaults: str) -> None:
        rows = [
            {"id": vault(name), "type": "microsoft.keyvault/vaults", "properties": {"publicNetworkAccess": state}}
            for name, state in vaults.items()
        ]
        (self.folder / "snapshot.json").write_text(json.dumps(rows), "utf-8")


@pytest.fixture
def place(tmp_path: Path, capsys: Captured) -> Place:
    small_run(tmp_path)
    found = Place(tmp_path)
    assert lockdown(["bundle", str(found.run), "--out", str(found.bundle)]) == Exit.OK
    keys.generate(tmp_path / "others")
    capsys.readouterr()
    return found


@pytest.mark.parametrize("form", ["run", "bundle.zip"])
def test_a_run_and_its_bundle_serve_alike(place: Place, form: str, capsys: Captured) -> None:
    place.see(open="Enabled", closed="Enabled")
    assert place.drift(place.folder / form, *place.trust()) == Exit.DRIFT
    assert "by a LABORATORY trust root" in capsys.readouterr().err
    drift = json.loads((place.folder / "later/results/drift.json").read_bytes())
    assert [item["direction"] for item in drift["verdicts"]] == ["worse"]
    assert drift["warnings"] == []
    assert place.audit(place.folder / form, *place.trust()) == Exit.NOT_COMPLIANT
    again = record.read(place.folder / "again/results/results.json")
    assert record.digest(again) == record.digest(record.read(place.run / "results/results.json"))
    assert again.run["warnings"] == record.read(place.run / "results/results.json").run["warnings"]


def test_that_nobody_vouches_for_it_is_told_and_kept(place: Place, capsys: Captured) -> None:
    assert place.drift(place.bundle) == Exit.OK
    doubt = "whether that is to be trusted was not checked"
    assert doubt in capsys.readouterr().err
    assert doubt in json.loads((place.folder / "later/results/drift.json").read_bytes())["warnings"][0]
    assert any(doubt in text for text in record.read(place.folder / "later/results/results.json").run["warnings"])
    assert place.audit(place.bundle) == Exit.NOT_COMPLIANT
    assert any(doubt in text for text in record.read(place.folder / "again/results/results.json").run["warnings"])


def test_an_unsigned_run_is_told_and_with_a_trust_root_refused(place: Place, capsys: Captured) -> None:
    place.audit(place.folder / "snapshot.json", out="unsigned")
    capsys.readouterr()
    assert place.drift(place.folder / "unsigned") == Exit.OK
    assert "The baseline is not signed: it is intact, but anybody can have made it." in capsys.readouterr().err
    assert place.drift(place.folder / "unsigned", *place.trust(), out="never") == Exit.UNTRUSTED
    assert place.audit(place.folder / "unsigned", *place.trust(), out="never") == Exit.UNTRUSTED
    assert not (place.folder / "never").exists()


@pytest.mark.parametrize("trusting", [False, True])
@pytest.mark.parametrize("file", ["results/results.json", "inputs/snapshot/resources.jsonl", "report/report.html"])
def test_a_changed_run_is_refused(place: Place, file: str, trusting: bool, capsys: Captured) -> None:
    path = place.run / file
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    options = place.trust() if trusting else []
    assert place.drift(place.run, *options) == Exit.TAMPERED
    told = capsys.readouterr().err
    assert "is not used. digests:" in told
    assert file in told
    assert place.audit(place.run, *options) == Exit.TAMPERED
    assert not (place.folder / "later").exists()
    assert not (place.folder / "again").exists()


def test_a_changed_bundle_is_refused(place: Place, tmp_path: Path) -> None:
    data = place.bundle.read_bytes()
    at = data.index(b'"publicNetworkAccess"')
    (tmp_path / "changed.zip").write_bytes(data[:at] + b"x" + data[at + 1 :])
    assert place.drift(tmp_path / "changed.zip") == Exit.TAMPERED
    assert place.audit(tmp_path / "changed.zip", *place.trust()) == Exit.TAMPERED


Opened = Callable[[Place, str], int]


def audited(place: Place, form: str) -> int:
    return place.audit(place.folder / form, *place.trust())


def compared(place: Place, form: str) -> int:
    return place.drift(place.folder / form, *place.trust())


def replayed(place: Place, form: str) -> int:
    return lockdown(["verify", str(place.folder / form), *place.trust(), "--replay"])


@pytest.mark.parametrize("use", [audited, compared, replayed])
@pytest.mark.parametrize("form", ["run", "bundle.zip"])
@pytest.mark.parametrize("late", [False, True], ids=["before its copy is made", "after that"])
def test_one_that_changes_after_it_was_verified(
    place: Place, form: str, use: Opened, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = use(place, form)
    for made in ("later", "again"):
        shutil.rmtree(place.folder / made, ignore_errors=True)
    changed = place.run / "inputs/snapshot/resources.jsonl" if form == "run" else place.bundle
    real, proven = opening.copied, record.digest(record.read(place.run / "results/results.json"))

    def change() -> None:
        data = changed.read_bytes()
        at = data.index(b'"Disabled"')
        with changed.open("r+b") as file:
            file.seek(at + 1)
            file.write(b"enabled!")

    @contextmanager
    def between(*arguments: Any) -> Iterator[Path]:
        if late:
            with real(*arguments) as folder:
                change()
                yield folder
        else:
            change()
            with real(*arguments) as folder:
                yield folder

    monkeypatch.setattr(opening, "copied", between)
    assert use(place, form) == (before if late else Exit.TAMPERED)
    if late and use is audited:
        assert record.digest(record.read(place.folder / "again/results/results.json")) == proven


def test_what_is_accepted_is_what_was_verified(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.see(open="Enabled", closed="Enabled")
    key = f"file:{place.folder}/keys/private.pem"
    assert place.drift(place.run, "--key", key) == Exit.DRIFT
    later, real = place.folder / "later", opening.copied
    report = (later / "report/report.html").read_bytes()

    @contextmanager
    def between(*arguments: Any) -> Iterator[Path]:
        with real(*arguments) as folder:
            if (folder / "results/drift.json").exists():
                for name in ("results/drift.json", "report/report.html", "inputs/snapshot/resources.jsonl"):
                    (later / name).write_text("{}", "utf-8")
            yield folder

    monkeypatch.setattr(opening, "copied", between)
    asked = ["--run", str(later), "--accept", "all", "--reason", "Agreed.", "--key", key, "--out", f"{later}-approved"]
    assert lockdown(["drift", "--baseline", str(place.run), *asked]) == Exit.OK
    assert Path(f"{later}-approved/report/report.html").read_bytes() == report
    assert lockdown(["verify", f"{later}-approved", *place.trust()]) == Exit.OK
    assert lockdown(["verify", str(later), *place.trust()]) == Exit.TAMPERED


def test_another_organisation_does_not_vouch_for_it(place: Place) -> None:
    assert place.drift(place.bundle, *place.trust("others")) == Exit.UNTRUSTED
    assert place.audit(place.bundle, *place.trust("others")) == Exit.UNTRUSTED
    assert place.audit(place.bundle, *place.trust(), "--trust-fingerprint", "0" * 64) == Exit.UNTRUSTED


def test_a_run_that_was_never_sealed_is_refused(place: Place) -> None:
    for name in ("run", "seal"):
        shutil.rmtree(place.run / name)
    (place.run / "SHA256SUMS").unlink()
    (place.run / "VERIFY.txt").unlink()
    assert place.drift(place.run) == Exit.UNTRUSTED
    assert place.audit(place.run) == Exit.UNTRUSTED


def test_a_run_of_a_later_version_is_told_as_such(place: Place, capsys: Captured) -> None:
    place.audit(place.folder / "snapshot.json", out="later-version")
    run = place.folder / "later-version"
    path = run / "results/results.json"
    path.write_bytes(path.read_bytes().replace(b"urn:coa-lockdown:results:v1", b"urn:coa-lockdown:results:v12"))
    for name in ("SHA256SUMS", "VERIFY.txt"):
        (run / name).unlink()
    seal(run, None)
    capsys.readouterr()
    assert place.drift(run) == Exit.USAGE
    assert "written by a later version of lockdown (results:v12" in capsys.readouterr().err
    assert lockdown(["verify", str(run)]) == Exit.USAGE
    assert lockdown(["convert", str(run), "--format", "csv"]) == Exit.USAGE


def test_a_baseline_of_another_scope_is_told(place: Place, capsys: Captured) -> None:
    text = (place.folder / "snapshot.json").read_text("utf-8")
    (place.folder / "snapshot.json").write_text(text.replace("11111111-", "22222222-"), "utf-8")
    assert place.drift(place.bundle) == Exit.USAGE
    assert "no subscription in common" in capsys.readouterr().err


def test_a_trust_root_with_nothing_to_vouch_for_is_wrong_usage(place: Place, capsys: Captured) -> None:
    assert place.audit(place.folder / "snapshot.json", *place.trust()) == Exit.USAGE
    assert "Nothing here can be verified" in capsys.readouterr().err
    assert place.drift(place.bundle, *place.trust()) == Exit.OK


def test_what_to_do_next_is_told(place: Place, capsys: Captured) -> None:
    assert place.drift(place.run, out="same") == Exit.OK
    told = capsys.readouterr().err
    assert told.endswith("\nNext: nothing drifted; report/report.html has what fails as it did before.\n")
    assert told.count("Next:") == 1
    place.see(open="Enabled", closed="Enabled")
    assert place.drift(place.run, out="it's worse") == Exit.DRIFT
    told = capsys.readouterr().err
    assert told.count("Next:") == 1
    command = told.split("Next: undo it, or accept what was meant:\n")[1].split("\n  (")[0]
    words = shlex.split(command.replace("\\\n", " "))
    assert words[words.index("--baseline") + 1] == str(place.run)
    assert words[words.index("--run") + 1] == str(place.folder / "it's worse")
