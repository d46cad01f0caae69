"""Raw paging: the pages of a recording, asked one after the other by a plain HTTP client.

    python -m benchmarks.raw DIRECTORY [--bytes-only]

Reads the environment that ``benchmarks.pages`` printed, and prints a JSON object: requests, rows, bytes, seconds and
CPU seconds of the paging alone (the access token is fetched before). Each answer is parsed, as a client must that
looks for the token of the next page; ``--bytes-only`` only receives it.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import requests

from benchmarks import exchanges

_QUERY = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"
_OK = 200


def page(directory: Path, environment: dict[str, str], *, parse: bool) -> dict[str, Any]:
    """Ask every page of a recording once, and return what that took.

    Raises:
        requests.RequestException: the server does not answer, or refuses the client.
        SystemExit: an answer is not the recorded one.
    """
    url = environment["LOCKDOWN_CLOUD"]
    asked = [(found.request, found.status, len(found.response)) for found in exchanges.read(directory)]
    rows = size = 0
    with requests.Session() as session:
        session.verify = environment["REQUESTS_CA_BUNDLE"]
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {_token(session, environment)}"
        session.headers["Content-Type"] = "application/json"
        started, processor = time.perf_counter(), time.process_time()
        for body, status, length in asked:
            response = session.post(url + _QUERY, data=body)
            content = response.content
            if response.status_code != status or len(content) != length:
                raise SystemExit(f"{url} answered {response.status_code} with {len(content)} bytes, not as recorded.")
            size += length
            if parse and status == _OK:
                rows += response.json()["count"]
        seconds, used = time.perf_counter() - started, time.process_time() - processor
    return {"requests": len(asked), "rows": rows, "bytes": size, "seconds": seconds, "cpuSeconds": used}


def _token(session: requests.Session, environment: dict[str, str]) -> str:
    response = session.post(
        f"{environment['AZURE_AUTHORITY_HOST']}/{environment['AZURE_TENANT_ID']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": environment["AZURE_CLIENT_ID"],
            "client_secret": environment["AZURE_CLIENT_SECRET"],
            "scope": f"{environment['LOCKDOWN_CLOUD']}/.default",
        },
    )
    response.raise_for_status()
    return str(response.json()["access_token"])


def main() -> None:
    """Print what paging through a recording takes."""
    parser = argparse.ArgumentParser(description="Page through a recording with a plain HTTP client.")
    parser.add_argument("directory", type=Path, help="the recording that benchmarks.pages serves")
    parser.add_argument("--bytes-only", action="store_true", help="receive the answers, do not parse them")
    asked = parser.parse_args()
    print(json.dumps(page(asked.directory, dict(os.environ), parse=not asked.bytes_only)))


if __name__ == "__main__":
    main()
