"""Ctrl-C and SIGTERM end a run with the partial directory marked; a full disk leaves nothing behind."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockdown.sandbox.server import Sandbox

AUDIT = (sys.executable, "-m", "lockdown", "audit", "--out")


def environment(sandbox: Sandbox) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **sandbox.environment("auditor")}


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_is_marked_partial(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    with Sandbox("coa-stock", faults=("POST *ResourceGraph* delay:20",)) as sandbox:
        running = subprocess.Popen(
            [*AUDIT, str(tmp_path / "run")], env=environment(sandbox), stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        partial = tmp_path / "run.partial"
        until = time.monotonic() + 30
        while not (partial / "inputs/snapshot").exists() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.5)
        running.send_signal(sent)
        _, err = running.communicate(timeout=30)
    assert running.returncode == code, err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()
    assert "proves nothing" in (partial / "PARTIAL.txt").read_text("utf-8")


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    with Sandbox("coa-stock") as sandbox:
        done = subprocess.run(
            [*AUDIT, str(tmp_path / "run")],
            env=environment(sandbox),
            preexec_fn=limit,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    assert "Nothing was left behind" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
