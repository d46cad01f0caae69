"""Record what an audit reads, from a sandbox.

    python -m benchmarks.record DIRECTORY [--scenario tenant] [--option resources=100000 ...]

An audit runs against a server that passes each request on to the sandbox and keeps what it answered. The sandbox has
its quotas off and may take as long as it likes: what is measured later is never the sandbox.
"""

import argparse
import asyncio
import tempfile
import threading
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from benchmarks import exchanges, pages
from benchmarks.sandboxed import arguments, audit
from lockdown.sandbox.server import Sandbox

_CONNECTIONS = 64


class Upstream:
    """The answers of a sandbox, asked for once each and kept; their links lead to ``seen_at``. Thread-safe."""

    def __init__(self, sandbox: Sandbox, writer: exchanges.Writer, seen_at: str) -> None:
        self._writer = writer
        self._url = sandbox.url
        self._seen_at = seen_at
        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
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

    async def __call__(self, asked: pages.Asked) -> pages.Answer:
        """Return the sandbox's answer, and add it to the recording."""
        return await asyncio.to_thread(self._ask, asked)

    def _ask(self, asked: pages.Asked) -> pages.Answer:
        response = self._session.request(asked.method, self._url + asked.target, data=asked.body or None)
        headers = exchanges.kept({name.lower(): value for name, value in response.headers.items()})
        status, content = response.status_code, response.content
        self._writer.add(exchanges.Exchange(asked.method, asked.target, asked.body, status, headers, content))
        return status, headers, content.replace(self._url.encode(), self._seen_at.encode())


def record(directory: Path, scenario: str, options: dict[str, str]) -> None:
    """Record an audit of a scenario into ``directory``, which must not exist.

    Raises:
        SystemExit: the audit did not read everything.
    """
    with Sandbox(scenario, options=options, quota=False) as sandbox, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = sandbox.config_file.read_text("utf-8")
        with exchanges.Writer(directory, sandbox.tenant, config, sandbox.url) as writer:
            listener, url = pages.listen()
            cloud = pages.Cloud(url, sandbox.tenant, Upstream(sandbox, writer, url))
            serving = pages.server(cloud, folder)
            thread = threading.Thread(target=serving.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                found = pages.environment(cloud, url, sandbox.tenant, folder / "ca.pem", directory / "lockdown.yaml")
                audit(folder / "run", found)
            finally:
                serving.should_exit = True
                thread.join()


def main() -> None:
    """Record an audit of a scenario."""
    parser = argparse.ArgumentParser(description="Record what an audit reads.")
    parser.add_argument("directory", type=Path, help="where to; it must not exist")
    asked, options = arguments(parser)
    record(asked.directory.resolve(), asked.scenario, options)


if __name__ == "__main__":
    main()
