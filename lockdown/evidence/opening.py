"""Opening what is to be verified: a run directory or a bundle, and the trust root that was given for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lockdown.errors import TamperedError, ToolError, UntrustedError, UsageError
from lockdown.evidence.archive import ArchiveFiles, is_archive
from lockdown.evidence.files import DirectoryFiles, Files

if TYPE_CHECKING:
    from lockdown.evidence.verify import Trusted

_BLOCK = 1024 * 1024
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
def copied(files: Files, digests: Mapping[str, str], below: tuple[str, ...] = ("",)) -> Iterator[Path]:
    """Yield a folder of our own with files of a run, each as it was proven to be.

    Whoever can write to a run, or to a bundle, can change it between the moment when it is verified and the moment when
    it is used. So what is used is this copy, whose bytes are compared with what was proven while they are copied. It is
    gone afterwards.

    Args:
        files: the run.
        digests: SHA-256 of each file by name, as it was when it was proven.
        below: only what is in these folders.

    Raises:
        TamperedError: a file is no longer what was proven.
        ToolError: there is no room for the copy.
    """
    with TemporaryDirectory(prefix="lockdown-") as name:
        for file in sorted(file for file in digests if file.startswith(below)):
            path = Path(name) / file
            with files.open(file) as source:
                if _copy(source, path) != digests[file]:
                    raise TamperedError(f"{file!a} changed while the run was being read.")
        yield Path(name)


def _copy(source: BufferedIOBase, path: Path) -> str:
    """Copy a file and return the SHA-256 of what was written."""
    hashed = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as target:
            while block := source.read(_BLOCK):
                hashed.update(block)
                target.write(block)
    except OSError as error:
        raise ToolError(
            f"The run could not be copied into {path.parent}: {error.strerror}.",
            "Name a folder with more room in TMPDIR.",
        ) from error
    return hashed.hexdigest()


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
