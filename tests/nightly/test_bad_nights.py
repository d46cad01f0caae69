"""Nights that are not as they should be: clocks, gaps, moves. Other bad baselines are in tests/cli/test_earlier.py."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lockdown import record
from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import keys
from lockdown.evidence.seal import seal, sign_run
from lockdown.notify import notice
from tests.cli.test_earlier import Captured, Place
from tests.hostile.test_small_run import small_run, vault
from tests.nightly.nights import ROOT


class Nights(Place):
    """A folder of nights over snapshots, and a baseline whose times can be anything."""

    def baseline_of(self, **times: datetime) -> None:
        """Let the clock of who made the baseline have been wrong, and sign that."""
        path = self.run / "results/results.json"
        found = record.read(path)
        results = list(found.results())
        stamps = {name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items()}
        record.write(path, {**found.run, **stamps}, found.policies, results)
        for sealed in (*self.run.glob("seal/*"), *self.run.glob("run/*")):
            sealed.unlink()
        key = keys.load_signer(f"file:{self.folder}/keys/private.pem")
        sign_run(self.run, key)
        seal(self.run, key)

    def document(self, name: str = "later") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name / "results/drift.json").read_bytes())
        return found


@pytest.fixture
def nights(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Nights:
    small_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    return Nights(tmp_path)


def test_a_baseline_of_a_clock_that_is_ahead(nights: Nights, capsys: Captured) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=3)
    nights.baseline_of(startedAt=ahead, evaluatedAt=ahead, finishedAt=ahead)
    nights.see(open="Enabled", closed="Enabled")
    assert nights.drift(nights.run, *nights.trust()) == Exit.STALE
    assert "before it finished" in capsys.readouterr().err
    assert not (nights.folder / "later").exists()
    assert nights.drift(nights.run, out="untrusting") == Exit.DRIFT
    assert nights.document("untrusting")["warnings"]


def test_a_baseline_of_a_clock_that_was_behind_is_old_and_serves(nights: Nights) -> None:
    behind = datetime.now(UTC) - timedelta(days=400)
    nights.baseline_of(startedAt=behind, evaluatedAt=behind, finishedAt=behind)
    nights.see(open="Enabled", closed="Enabled")
    assert nights.drift(nights.run, *nights.trust()) == Exit.DRIFT
    (worse,) = nights.document()["verdicts"]
    assert worse["attribution"]["who"] == ""
    assert worse["attribution"]["unknown"]


@pytest.mark.parametrize("where", ["resourceGroups/other/providers/Microsoft.KeyVault/vaults/closed", "renamed"])
def test_a_resource_that_was_moved_or_renamed_is_gone_and_new(nights: Nights, where: str) -> None:
    new = vault(where) if where == "renamed" else f"{vault('x').split('/resourceGroups/')[0]}/{where}"
    rows = [
        {"id": found, "type": "microsoft.keyvault/vaults", "properties": {"publicNetworkAccess": state}}
        for found, state in ((vault("open"), "Enabled"), (new, "Disabled"))
    ]
    (nights.folder / "snapshot.json").write_text(json.dumps(rows), "utf-8")
    assert nights.drift(nights.run, *nights.trust(), "--key", "file:keys/private.pem") == Exit.DRIFT
    found = nights.document()
    assert {(item["kind"], item["resource"]) for item in found["resources"]} == {
        ("removed", vault("closed")),
        ("added", new),
    }
    assert found["properties"] == []
    compared = notice.read(nights.folder / "later").drift
    assert compared is not None
    assert {one.resource for one in compared.findings} == {vault("closed"), new}
    assert len({one.fingerprint for one in compared.findings}) == 2


def test_the_casing_of_an_id_moves_nothing(nights: Nights) -> None:
    shutil.copy(ROOT / "policies/drift-noise.yaml", nights.folder / "policies/drift-noise.yaml")
    text = (nights.folder / "snapshot.json").read_text("utf-8")
    (nights.folder / "snapshot.json").write_text(text.replace("resourceGroups", "RESOURCEGROUPS"), "utf-8")
    assert nights.drift(nights.run, *nights.trust()) == Exit.OK


def test_a_night_that_is_missing_is_told_and_the_next_one_compares_all_the_same(
    nights: Nights, capsys: Captured
) -> None:
    trust = ["--trust", "keys/trust-root.json"]
    nights.see(open="Enabled", closed="Enabled")
    config = nights.folder / "lockdown.yaml"
    config.write_text(f"evidence:\n  store: file:{nights.folder}/store\n", "utf-8")
    assert nights.drift(nights.run, *trust, "--key", "file:keys/private.pem", out="one") == Exit.DRIFT
    first = nights.folder / "store/records/00000001.dsse.json"
    assert first.is_file()
    assert lockdown(["history", *trust, "--cadence", "1d"]) == Exit.OK
    capsys.readouterr()
    # The night after was never started: nothing but the cadence can tell.
    later = datetime.now(UTC) + timedelta(hours=40)
    from lockdown.cli import history as command  # noqa: PLC0415

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return later.astimezone(tz)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(command, "datetime", Later)
        assert lockdown(["history", *trust, "--cadence", "1d"]) == Exit.INCOMPLETE
    assert "missing" in capsys.readouterr().out
    assert nights.drift(nights.run, *trust, "--key", "file:keys/private.pem", out="three") == Exit.DRIFT
    # One whose records were taken away is told by its number.
    first.unlink()
    assert lockdown(["history", *trust]) == Exit.INCOMPLETE
