"""Recorded Resource Graph exchanges on disk: what was asked, and the exact bytes of the answer.

A directory holds ``index.jsonl`` (one exchange on each line, in the order in which they were asked: the SHA-256 of
the request's body, the status, the headers of the answer), ``<digest>.request`` and ``<digest>.response`` with the two
bodies, ``tenant`` with the tenant's id, and ``lockdown.yaml`` with the scope that was audited.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_QUOTA = ("x-ms-user-quota-", "x-ms-ratelimit-")


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        request: the body that was sent.
        status: the HTTP status of the answer.
        headers: the headers of the answer that belong to it, not to its connection; names in lower case.
        response: the body of the answer.
    """

    request: bytes
    status: int
    headers: dict[str, str]
    response: bytes


def digest(request: bytes) -> str:
    """Return the name that a request's exchange has on disk."""
    return sha256(request).hexdigest()


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that belong to an answer. The quota's do not: the client of another day has its own."""
    return {
        name: value
        for name, value in headers.items()
        if name == "content-type" or (name.startswith("x-ms-") and not name.startswith(_QUOTA))
    }


def begin(directory: Path, tenant: str, config: str) -> None:
    """Make an empty recording."""
    directory.mkdir(parents=True)
    (directory / "index.jsonl").touch()
    (directory / "tenant").write_text(tenant, "utf-8")
    (directory / "lockdown.yaml").write_text(config, "utf-8")


def add(directory: Path, exchange: Exchange) -> None:
    """Add an exchange at the end of a recording."""
    name = digest(exchange.request)
    (directory / f"{name}.request").write_bytes(exchange.request)
    (directory / f"{name}.response").write_bytes(exchange.response)
    with (directory / "index.jsonl").open("a", encoding="utf-8") as index:
        index.write(json.dumps({"request": name, "status": exchange.status, "headers": exchange.headers}) + "\n")


def read(directory: Path) -> Iterator[Exchange]:
    """Yield the exchanges of a recording in their order."""
    with (directory / "index.jsonl").open(encoding="utf-8") as index:
        for line in index:
            entry = json.loads(line)
            yield Exchange(
                (directory / f"{entry['request']}.request").read_bytes(),
                entry["status"],
                entry["headers"],
                (directory / f"{entry['request']}.response").read_bytes(),
            )
