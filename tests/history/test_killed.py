"""A run that is killed at any moment leaves a chain that verifies and shows it, and is in nobody's way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lockdown.errors import Exit
from lockdown.evidence import keys
from lockdown.evidence.ledger import Ledger
from lockdown.evidence.predicate import HISTORY_RECORD
from lockdown.history import chain, log, proof
from lockdown.history.store import Folder
from lockdown.model import Outcome
from lockdown.sandbox.server import Sandbox
from tests.conftest import clean
from tests.evidence.handmade import root
from tests.history.killed import HALF_WRITTEN, PLACES, UNDER_WAY
from tests.history.test_chain import made

MOMENTS = [(place, when) for place in PLACES for when in ("before", "after")]
ENDED = (PLACES[-1], "after")


def proven(store: Folder, signer: keys.Signer) -> Exit:
    ledger = Ledger()
    assert isinstance(signer, keys.FileSigner)
    proof.prove(ledger, store, root(signer, lab=True, now=datetime.now(UTC)), now=datetime.now(UTC))
    return ledger.exit_code


@pytest.mark.parametrize(("moment", "when"), [*MOMENTS, (UNDER_WAY, "before"), (HALF_WRITTEN, "before")])
@pytest.mark.parametrize("earlier", [False, True], ids=["first run", "later run"])
def test_a_killed_run_shows(tmp_path: Path, moment: str, when: str, *, earlier: bool) -> None:
    if earlier and moment == PLACES[0]:
        pytest.skip("a store is made once")
    keys.generate(tmp_path / "keys")
    uri = f"file:{tmp_path}/keys/private.pem"
    signer, store = keys.load_signer(uri), Folder(tmp_path / "store")
    assert isinstance(signer, keys.FileSigner)
    if earlier:
        made(store, signer, tmp_path / "earlier")
    done = subprocess.run(
        [sys.executable, "-m", "tests.history.killed", str(store.path), uri, moment, when, str(tmp_path / "killed")],
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    started = not (moment == PLACES[0] or (moment, when) == (PLACES[1], "before"))
    if (moment, when) != (PLACES[0], "before"):
        assert proven(store, signer) == Exit.OK
        runs = chain.runs(log.links(store))
        assert len(runs) == earlier + started
        if started:
            assert runs[-1].outcome == (Outcome.NON_COMPLIANT if (moment, when) == ENDED else Outcome.INDETERMINATE)
            assert (runs[-1].ended is None) == ((moment, when) != ENDED)
    made(store, signer, tmp_path / "next")
    assert proven(store, signer) == Exit.OK
    assert chain.runs(log.links(store))[-1].proven


def test_a_killed_audit_shows_in_the_command(tmp_path: Path) -> None:
    keys.generate(tmp_path / "keys")
    with Sandbox("empty", faults=("POST *ResourceGraph* delay:20",)) as sandbox:
        text = (
            sandbox.config_file.read_text()
            + 'signing: {key: "file:keys/private.pem"}\nevidence: {store: "file:store"}\n'
        )
        (tmp_path / "own.yaml").write_text(text)
        environment = clean({**sandbox.environment("auditor"), "LOCKDOWN_CONFIG": "own.yaml"})
        running = subprocess.Popen(
            [sys.executable, "-m", "lockdown", "audit", "--quiet", "--out", "run"],
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while not (tmp_path / "store/records/00000001.dsse.json").exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    shown = subprocess.run(
        [sys.executable, "-m", "lockdown", "history", "--trust", "keys/trust-root.json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == Exit.OK, shown.stdout + shown.stderr
    assert "indeterminate  never ended" in shown.stdout
    assert HISTORY_RECORD in (tmp_path / "keys/trust-root.json").read_text()
