"""Record the pages that an audit reads, from a sandbox.

    python -m benchmarks.record DIRECTORY [--scenario tenant] [--option resources=100000 ...]

An audit runs against a server that asks the sandbox for each page and keeps what it answered. The sandbox has its
quota off and may take as long as it likes: what is measured later is never the sandbox.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import requests

from benchmarks import exchanges, pages
from lockdown.sandbox.server import Sandbox

_DONE = frozenset({0, 7})
"""Exit codes of an audit that read everything: compliant, and not compliant."""


class Upstream:
    """The pages of a sandbox, asked once each and kept."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self._directory = directory
        self._url = f"{sandbox.url}{pages.GRAPH}?api-version=2022-10-01"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(sandbox.ca_file)
        found = sandbox.environment("auditor")
        token = self._session.post(
            f"{sandbox.url}/{sandbox.tenant}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": found["AZURE_CLIENT_ID"],
                "client_secret": found["AZURE_CLIENT_SECRET"],
                "scope": f"{sandbox.url}/.default",
            },
        )
        token.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        self._session.headers["Content-Type"] = "application/json"

    async def __call__(self, request: bytes) -> pages.Answer:
        """Return the sandbox's answer, and add it to the recording."""
        return await asyncio.to_thread(self._ask, request)

    def _ask(self, request: bytes) -> pages.Answer:
        response = self._session.post(self._url, data=request)
        headers = {name.lower(): value for name, value in response.headers.items()}
        exchange = exchanges.Exchange(request, response.status_code, exchanges.kept(headers), response.content)
        exchanges.add(self._directory, exchange)
        return exchange.status, exchange.headers, exchange.response


def record(directory: Path, scenario: str, options: dict[str, str]) -> None:
    """Record an audit of a scenario into ``directory``, which must not exist.

    Raises:
        SystemExit: the audit did not read everything.
    """
    with Sandbox(scenario, options=options, quota=False) as sandbox, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exchanges.begin(directory, sandbox.tenant, sandbox.config_file.read_text("utf-8"))
        listener, url = pages.listen()
        cloud = pages.Cloud(url, sandbox.tenant, Upstream(sandbox, directory))
        serving = pages.server(cloud, folder)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            found = pages.environment(cloud, url, sandbox.tenant, folder / "ca.pem", directory / "lockdown.yaml")
            audited = subprocess.run(
                [sys.executable, "-m", "lockdown", "audit", "--quiet", "--out", str(folder / "run")],
                env=os.environ | found,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            serving.should_exit = True
            thread.join()
    if audited.returncode not in _DONE:
        raise SystemExit(f"The audit ended with {audited.returncode}: {audited.stderr}")


def main() -> None:
    """Record the pages of a scenario."""
    parser = argparse.ArgumentParser(description="Record the Resource Graph pages that an audit reads.")
    parser.add_argument("directory", type=Path, help="where to; it must not exist")
    parser.add_argument("--scenario", default="tenant")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="an option of the scenario")
    asked = parser.parse_args()
    options = {name: value for name, _, value in (text.partition("=") for text in asked.option)}
    record(asked.directory.resolve(), asked.scenario, options)


if __name__ == "__main__":
    main()
