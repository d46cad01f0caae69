"""The request log of a provision run: every request, as often as it was sent, and what became of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Entry:
    """One request: never a body, a token or a secret.

    Attributes:
        time: when it was sent, UTC.
        path: as it was sent, without its query.
        status: HTTP status; 0 if no answer came.
        code: ARM's error code, or the kind of failure if no answer came; '' where nothing failed.
        seconds: until its answer.
        body_sha256: of what was sent; '' if nothing was.
    """

    time: str
    method: str
    path: str
    api_version: str
    status: int
    code: str
    request_id: str
    seconds: float
    body_sha256: str


class Ledger:
    """Appends entries to a file as JSON lines, each at once, so that an ended process leaves all of them behind."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __call__(self, entry: Entry) -> None:
        """Add an entry."""
        line = json.dumps(asdict(entry), sort_keys=True, separators=(",", ":")) + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
