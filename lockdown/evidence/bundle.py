"""Making the one file that is handed over: a sealed run, archived."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from lockdown.errors import Exit, TamperedError, UntrustedError, UsageError
from lockdown.evidence import archive, opening, predicate
from lockdown.evidence.files import DirectoryFiles, Files, OverlaidFiles, whole
from lockdown.evidence.ledger import Mark
from lockdown.evidence.verify import verify


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk."""

    path: Path
    sha256: str
    size: int


def bundle(directory: Path, out: Path) -> Bundle:
    """Archive a sealed run; ``out`` is the file to make, or a folder to make it in.

    Raises:
        UsageError: this is not a run, or not signed; ``out`` exists, or lies in the run.
        TamperedError: the run is not what was signed.
        ToolError: a file cannot be read or written; nothing is left behind.
    """
    files = DirectoryFiles(directory.resolve())
    run, payload = _intact(files)
    path = out / _name(run, payload) if out.is_dir() else out
    if path.resolve().is_relative_to(directory.resolve()):
        raise UsageError(f"{path} lies in the run that it is to hold.", "Name another place with --out.")
    if os.path.lexists(path):
        raise UsageError(f"{path} exists already; a bundle is never overwritten.", "Name another file with --out.")
    return _written(files, path)


def with_more(path: Path, more: Callable[[Files], Mapping[str, bytes]], out: Path) -> Bundle:
    """Write a bundle again with what ``more`` adds to it or replaces; ``out`` is the file to make.

    Raises:
        UsageError: ``path`` is not a bundle, or ``out`` exists.
        TamperedError: it is not in the one form of a bundle.
        ToolError: a file cannot be read or written; nothing is left behind.
    """
    if os.path.lexists(out):
        raise UsageError(f"{out} exists already; a bundle is never overwritten.", "Name another file with --out.")
    with opening.opened(path) as files:
        return _written(OverlaidFiles(files, more(files)), out)


def _intact(files: Files) -> tuple[predicate.AuditRun, str]:
    found = verify(files, None, now=datetime.now(UTC))
    if found.exit_code is Exit.TAMPERED:
        wrong = next(check for check in found.checks if check.exit_code is Exit.TAMPERED)
        raise TamperedError(f"The run is not what was signed. {wrong.name}: {wrong.detail}")
    if found.run is None or found.payload is None:
        wrong = next(check for check in found.checks if check.mark is Mark.FAILED and check.name != "trust root")
        raise UsageError(wrong.detail, "Only a run that lockdown audit signed (--key) can be handed over.")
    return found.run, found.payload


def _name(run: predicate.AuditRun, payload: str) -> str:
    subscriptions = run.scope.subscriptions
    scope = subscriptions[0][:8] if len(subscriptions) == 1 else f"{len(subscriptions)}-subscriptions"
    stamp = run.finished_at.replace("-", "").replace(":", "")
    if not scope.isascii() or not scope.replace("-", "").isalnum():
        raise UntrustedError(f"The run states that its subscription is {subscriptions[0]!a}, which is no id.")
    return f"lockdown-{scope}-{stamp}-{payload[:8]}.zip"


class _Hashing:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = sha256()
        self.size = 0

    def write(self, data: bytes, /) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)


def _written(files: Files, path: Path) -> Bundle:
    with whole(path) as file:
        sink = _Hashing(file)
        archive.write(files, sink)
    return Bundle(path, sink.digest.hexdigest(), sink.size)
