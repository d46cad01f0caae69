"""A real Firefox, asked over its own protocol (Marionette): started with a profile of its own, as a person has it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIREFOX = Path("/usr/bin/firefox-esr")
_PATIENCE = 60.0
_PREFERENCES = {
    "marionette.port": 0,
    "security.fileuri.strict_origin_policy": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


class Firefox:
    """A session. What it runs in a page stands apart from the page's own scripts."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._buffer, self._number = connection, b"", 0
        self._read()
        self.ask("WebDriver:NewSession", capabilities={})

    def ask(self, command: str, **parameters: Any) -> Any:
        """Return what a command answers."""
        self._number += 1
        message = json.dumps([0, self._number, command, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        if error:
            raise AssertionError(f"{command}: {error['error']}: {error['message']}")
        return result

    def open(self, url: str) -> None:
        self.ask("WebDriver:Navigate", url=url)

    def see(self, expression: str) -> Any:
        """Return what an expression is in the page."""
        return self.ask("WebDriver:ExecuteScript", script=f"return {expression}", args=[], sandbox="seeing")["value"]

    def wait(self, expression: str) -> Any:
        """Return what an expression is once it is true."""
        end = time.monotonic() + _PATIENCE
        while not (found := self.see(expression)):
            assert time.monotonic() < end, f"still not so: {expression}"
            time.sleep(0.1)
        return found

    def _read(self) -> Any:
        while b":" not in self._buffer:
            self._more()
        length, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(length):
            self._more()
        message, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(message)

    def _more(self) -> None:
        data = self._connection.recv(1 << 16)
        assert data, "Firefox hung up"
        self._buffer += data


@contextmanager
def running(folder: Path) -> Iterator[Firefox]:
    """Yield a Firefox whose profile is in ``folder``."""
    folder.mkdir()
    lines = (f'user_pref("{name}", {json.dumps(value)});\n' for name, value in _PREFERENCES.items())
    (folder / "user.js").write_text("".join(lines))
    command = [str(FIREFOX), "--headless", "--marionette", "--no-remote", "--profile", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)})
        try:
            with socket.create_connection(("127.0.0.1", _port(folder, process)), timeout=_PATIENCE) as connection:
                yield Firefox(connection)
        finally:
            process.terminate()
            process.wait(20)


def _port(folder: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + _PATIENCE
    active = folder / "MarionetteActivePort"
    while not (active.is_file() and active.read_text().strip()):
        assert process.poll() is None, (folder / "log").read_text(errors="replace")
        assert time.monotonic() < end, "Firefox did not start"
        time.sleep(0.1)
    return int(active.read_text())
