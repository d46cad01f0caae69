"""Raw reading: everything in a recording, asked by a plain HTTP client.

    python -m benchmarks.raw DIRECTORY [--bytes-only]

Asks for the pages of Resource Graph one after the other, then for what Azure Resource Manager was asked, 8 at once.
Reads the environment that ``benchmarks.pages`` printed, and prints a JSON object: queries, reads, rows, bytes, seconds
and CPU seconds of that alone (the access token is fetched before). Each answer is parsed, as a client must that looks
for a next page; ``--bytes-only`` only receives it.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from benchmarks import exchanges

THREADS = 8


@dataclass(frozen=True)
class _Wanted:
    """A request, with the status and length of the answer that was recorded."""

    method: str
    target: str
    body: bytes
    status: int
    length: int


def read(directory: Path, environment: dict[str, str], *, parse: bool) -> dict[str, Any]:
    """Ask for everything in a recording once, and return what that took.

    Raises:
        requests.RequestException: the server does not answer, or refuses the client.
        SystemExit: an answer is not the recorded one.
    """
    url = environment["LOCKDOWN_CLOUD"]
    asked = [
        _Wanted(found.method, found.target, found.request, found.status, len(found.response))
        for found in exchanges.read(directory, url)
    ]
    pages = [wanted for wanted in asked if wanted.method == "POST"]
    reads = [wanted for wanted in asked if wanted.method == "GET"]
    own = threading.local()
    with (
        _session(environment) as session,
        ThreadPoolExecutor(THREADS, initializer=_begin, initargs=(own, session)) as at,
    ):
        started, processor = time.perf_counter(), time.process_time()
        rows = sum(_ask(session, url, wanted, parse=parse) for wanted in pages)
        rows += sum(at.map(lambda wanted: _ask(own.session, url, wanted, parse=parse), reads))
        seconds, used = time.perf_counter() - started, time.process_time() - processor
    size = sum(wanted.length for wanted in asked)
    counted = {"queries": len(pages), "reads": len(reads), "rows": rows, "bytes": size}
    return {**counted, "seconds": seconds, "cpuSeconds": used}


def _ask(session: requests.Session, url: str, wanted: _Wanted, *, parse: bool) -> int:
    """Ask once, and return how many rows a page of Resource Graph has."""
    response = session.request(wanted.method, url + wanted.target, data=wanted.body or None)
    content = response.content
    if response.status_code != wanted.status or len(content) != wanted.length:
        raise SystemExit(f"{url} answered {response.status_code} with {len(content)} bytes, not as recorded.")
    found = response.json() if parse else {}
    return int(found.get("count", 0)) if wanted.method == "POST" else 0


def _session(environment: dict[str, str]) -> requests.Session:
    session = requests.Session()
    session.verify = environment["REQUESTS_CA_BUNDLE"]
    session.trust_env = False
    session.headers["Content-Type"] = "application/json"
    session.headers["Authorization"] = f"Bearer {_token(session, environment)}"
    return session


def _begin(own: threading.local, session: requests.Session) -> None:
    """Give a thread a session of its own, with what ``session`` says."""
    own.session = requests.Session()
    own.session.verify, own.session.trust_env = session.verify, session.trust_env
    own.session.headers.update(session.headers)


def _token(session: requests.Session, environment: dict[str, str]) -> str:
    response = session.post(
        f"{environment['AZURE_AUTHORITY_HOST']}/{environment['AZURE_TENANT_ID']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": environment["AZURE_CLIENT_ID"],
            "client_secret": environment["AZURE_CLIENT_SECRET"],
            "scope": f"{environment['LOCKDOWN_CLOUD']}/.default",
        },
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    response.raise_for_status()
    return str(response.json()["access_token"])


def main() -> None:
    """Print what reading a recording takes."""
    parser = argparse.ArgumentParser(description="Read a recording with a plain HTTP client.")
    parser.add_argument("directory", type=Path, help="the recording that benchmarks.pages serves")
    parser.add_argument("--bytes-only", action="store_true", help="receive the answers, do not parse them")
    asked = parser.parse_args()
    print(json.dumps(read(asked.directory, dict(os.environ), parse=not asked.bytes_only)))


if __name__ == "__main__":
    main()
