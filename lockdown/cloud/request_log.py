"""The request log of a run: what was asked of Azure, and what came back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """One request as the request log keeps it: what was asked, and what came back. Never a token.

    Attributes:
        path: as it was sent, without its query.
        status: HTTP status; 0 if no answer came.
    """

    method: str
    path: str
    api_version: str
    status: int
    request_id: str
    date: str
    body_sha256: str
    rows: int


def write(path: Path, log: Iterable[Request]) -> None:
    """Write the request log as JSON lines."""
    path.write_text("".join(json.dumps(asdict(r), sort_keys=True, separators=(",", ":")) + "\n" for r in log), "utf-8")
