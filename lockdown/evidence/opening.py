"""Opening what is to be verified: a run directory or a bundle, and the trust root that was given for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lockdown.errors import TamperedError, ToolError, UntrustedError, UsageError
from lockdown.evidence.archive import ArchiveFiles, is_archive
from lockdown.evidence.files import DirectoryFiles, Files, signed_names

if TYPE_CHECKING:
    from lockdown.evidence.verify import Trusted

_EXPECTED = "Name a directory that lockdown audit wrote, or a file that lockdown bundle wrote."


@contextmanager
def opened(run: Path) -> Iterator[Files]:
    """Yield the files of a run directory or bundle.

    Raises:
        UsageError: it is neither.
        ToolError: it cannot be read.
    """
    if run.is_dir():
        yield DirectoryFiles(run.resolve())
        return
    if not run.is_file():
        raise UsageError(f"{run} {'is not a file' if run.exists() else 'does not exist'}.", _EXPECTED)
    try:
        with run.open("rb", buffering=0) as file:
            if not is_archive(file):
                raise UsageError(f"{run} is not a bundle.", _EXPECTED)
            yield ArchiveFiles(file)
    except OSError as error:
        raise ToolError(f"{run} cannot be read: {error.strerror}.") from error


def is_bundle(path: Path) -> bool:
    """Tell whether a file begins as a bundle does."""
    if not path.is_file():
        return False
    try:
        with path.open("rb", buffering=0) as file:
            return is_archive(file)
    except OSError as error:
        raise ToolError(f"{path} cannot be read: {error.strerror}.") from error


@contextmanager
def unpacked(files: Files, below: tuple[str, ...], digests: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Yield a temporary folder with what a bundle holds in some of its signed folders. Call it once that is proven.

    Args:
        files: the bundle.
        below: the folders.
        digests: SHA-256 of each file, as it was when it was proven; None does not compare.

    Raises:
        TamperedError: a file is no longer what was proven.
    """
    with TemporaryDirectory(prefix="lockdown-") as name:
        for found in signed_names(files.names()):
            if found.startswith(below):
                path = Path(name) / found
                path.parent.mkdir(parents=True, exist_ok=True)
                with files.open(found) as source, path.open("xb") as target:
                    copyfileobj(source, target)
                if digests is not None and _digest(path) != digests.get(found):
                    raise TamperedError(f"{found!a} changed while the run was being read.")
        yield Path(name)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def trust_root(run: Path, trust: Path | None, fingerprint: str | None, state: Path | None = None) -> Trusted:
    """Return whom to believe about ``run``, or why nobody; what was seen is remembered in ``state``.

    Raises:
        UsageError: the trust root or the state lies in the run, or a file cannot be read.
    """
    if trust is None:
        if fingerprint or state:
            raise UsageError("--trust-fingerprint and --trust-state are about a trust root.", "Name it with --trust.")
        return None
    # Signatures are not needed to tell what is intact, and their library takes a third of the start.
    from lockdown.evidence import root_file  # noqa: PLC0415
    from lockdown.evidence import state as states  # noqa: PLC0415

    for path in (trust, *([state] if state else [])):
        if run.is_dir() and path.resolve().is_relative_to(run.resolve()):
            raise UsageError(
                f"{path} lies in the run that it is to judge.",
                "Obtain the trust root from the organisation that signs, apart from the run.",
            )
    remembered = states.load(state) if state else None
    try:
        found = root_file.read(trust)
        found.check(fingerprint)
        if state is not None:
            seen = states.advance(remembered, found)
            if seen != remembered:
                states.save(state, seen)
    except UntrustedError as error:
        return error
    return found.root
