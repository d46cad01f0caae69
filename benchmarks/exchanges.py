"""Recorded exchanges on disk: what was asked, and the exact bytes of the answer.

A directory holds ``index.jsonl`` (one exchange on each line, in the order in which they were answered), ``bodies`` with
what was sent and answered, one after the other, ``tenant`` with the tenant's id, ``lockdown.yaml`` with the scope
that was audited, and ``url`` with the host that answered: links to it are read as links to another host on request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

_QUOTA = ("x-ms-user-quota-", "x-ms-ratelimit-")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d(?:%3A|:)\d\d(?:%3A|:)\d\d(?:\.\d+)?Z", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        method: GET or POST.
        target: path and query as they were sent.
        request: the body that was sent.
        status: the HTTP status of the answer.
        headers: the headers of the answer that belong to it, not to its connection; names in lower case.
        response: the body of the answer.
    """

    method: str
    target: str
    request: bytes
    status: int
    headers: Mapping[str, str]
    response: bytes


def key(method: str, target: str, request: bytes) -> str:
    """Return what tells a request from every other, on whatever day it is sent.

    The activity log is asked for the days before now, so the moments in the address of a GET do not count.
    """
    asked = _MOMENT.sub("", target) if method == "GET" else target
    return sha256(b"\0".join((method.encode(), asked.encode(), request))).hexdigest()


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that belong to an answer. The quota's do not: the client of another day has its own."""
    return {
        name: value
        for name, value in headers.items()
        if name == "content-type" or (name.startswith("x-ms-") and not name.startswith(_QUOTA))
    }


class Writer:
    """Writes a new recording. Use as a context manager; thread-safe.

    Args:
        directory: must not exist.
        tenant: the tenant's id.
        config: the lockdown.yaml of the audit that is recorded.
        url: where the answers come from.
    """

    def __init__(self, directory: Path, tenant: str, config: str, url: str) -> None:
        directory.mkdir(parents=True)
        (directory / "tenant").write_text(tenant, "utf-8")
        (directory / "lockdown.yaml").write_text(config, "utf-8")
        (directory / "url").write_text(url, "utf-8")
        self._index = (directory / "index.jsonl").open("w", encoding="utf-8")
        self._bodies = (directory / "bodies").open("wb")
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._index.close()
        self._bodies.close()

    def add(self, exchange: Exchange) -> None:
        """Add an exchange at the end."""
        with self._lock:
            self._bodies.write(exchange.request)
            self._bodies.write(exchange.response)
            entry = {
                "method": exchange.method,
                "target": exchange.target,
                "status": exchange.status,
                "headers": dict(exchange.headers),
                "lengths": [len(exchange.request), len(exchange.response)],
            }
            self._index.write(json.dumps(entry) + "\n")


def read(directory: Path, url: str = "") -> Iterator[Exchange]:
    """Yield the exchanges of a recording in their order; with ``url``, their links lead there."""
    recorded = (directory / "url").read_bytes()
    with (directory / "index.jsonl").open(encoding="utf-8") as index, (directory / "bodies").open("rb") as bodies:
        for line in index:
            entry = json.loads(line)
            request, response = (bodies.read(length) for length in entry["lengths"])
            if url:
                response = response.replace(recorded, url.encode())
            yield Exchange(entry["method"], entry["target"], request, entry["status"], entry["headers"], response)
