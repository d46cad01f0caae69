"""The files of a run as a verifier sees them, and how new ones are put beside them.

A verifier needs only names and bytes, so that a directory, an archive and a dictionary are checked by the same code.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from lockdown.errors import TamperedError, ToolError

RESULTS, RUN, SUMS, BY_HAND, BUNDLE = (
    "results/results.json",
    "run/run.dsse.json",
    "SHA256SUMS",
    "VERIFY.txt",
    "seal/bundle.dsse.json",
)
DRIFT, TOPOLOGY = "results/drift.json", "results/topology.json"
ACCEPTED, CUSTODY = "history/accepted.jsonl", "seal/custody.jsonl"
RUN_TOKEN, BUNDLE_TOKEN = "run/run.tsr", "seal/bundle.tsr"
SIGNED_FOLDERS = ("inputs/", "policies/", "results/")
SEAL_FOLDER = "seal/"
MAX_SMALL = 16 * 1024 * 1024
"""Bytes of an envelope or a list of digests; a run statement with 2,000 subjects has less than one."""

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_BLOCK = 1 << 16
_NAME = re.compile(r"[a-z0-9._/-]+")


class Files(Protocol):
    """The files of one run, by name relative to its root with ``/`` between the parts."""

    def names(self) -> Iterable[str]:
        """Return every file name. Raises TamperedError where something is neither a plain file nor a folder."""

    def open(self, name: str) -> io.BufferedIOBase:
        """Open one of ``names()``. Raises TamperedError if it is no longer there."""


@dataclass(frozen=True)
class MemoryFiles:
    """Files held in memory."""

    contents: Mapping[str, bytes]

    def names(self) -> Iterable[str]:
        """Return every name."""
        return self.contents.keys()

    def open(self, name: str) -> io.BufferedIOBase:
        """Return the file called ``name``."""
        return io.BytesIO(self.contents[name])


@dataclass(frozen=True)
class OverlaidFiles:
    """Files with some added or replaced, held in memory."""

    below: Files
    above: Mapping[str, bytes]

    def names(self) -> Iterable[str]:
        """Return every name once."""
        return {*self.below.names(), *self.above}

    def open(self, name: str) -> io.BufferedIOBase:
        """Return the file called ``name``."""
        return io.BytesIO(self.above[name]) if name in self.above else self.below.open(name)


@dataclass(frozen=True)
class DirectoryFiles:
    """The files below a directory. Links are never followed, not even ones that appear between two calls."""

    root: Path

    def names(self) -> Iterator[str]:
        """Yield every file name; folders are walked, anything else is refused."""
        folders = [""]
        while folders:
            prefix = folders.pop()
            try:
                with os.scandir(self.root / prefix) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                raise ToolError(f"{self.root / prefix} cannot be listed: {error.strerror}.") from error
            for entry in found:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(name + "/")
                elif entry.is_file(follow_symlinks=False):
                    yield name
                else:
                    raise TamperedError(f"{name!a} is a link or a special file; a run holds plain files only.")

    def open(self, name: str) -> io.BufferedIOBase:
        """Open a plain file, refusing a link in any part of its name."""
        try:
            return os.fdopen(_opened(self.root, name.split("/")), "rb")
        except OSError as error:
            raise _refused(name, error) from error

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """Return the SHA-256 of many files by name, opening each folder once."""
        found: dict[str, str] = {}
        opened: list[tuple[str, int]] = []
        name = "."
        try:
            opened.append(("", os.open(self.root, _FLAGS | os.O_DIRECTORY)))
            for name in sorted(names):
                *folders, last = ["", *name.split("/")]
                while [folder for folder, _ in opened] != folders[: len(opened)]:
                    os.close(opened.pop()[1])
                for folder in folders[len(opened) :]:
                    opened.append((folder, os.open(folder, _FLAGS | os.O_NOFOLLOW, dir_fd=opened[-1][1])))
                found[name] = _hashed_at(last, opened[-1][1])
        except OSError as error:
            raise _refused(name, error) from error
        finally:
            for _, descriptor in opened:
                os.close(descriptor)
        return found


def read(files: Files, name: str) -> bytes:
    """Return the whole of a file that must be small: an envelope, a timestamp, the list of digests.

    Raises:
        TamperedError: it is not.
    """
    with files.open(name) as file:
        data = file.read(MAX_SMALL + 1)
    if len(data) > MAX_SMALL:
        raise TamperedError(f"{name} is longer than the {MAX_SMALL} bytes that it could need.")
    return data


def digest(files: Files, name: str) -> str:
    """Return the SHA-256 of a file of any size, in hex."""
    with files.open(name) as file:
        return _hashed(file)


def digests(files: Files, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of many files by name."""
    if isinstance(files, DirectoryFiles):
        return files.digests(names)
    return {name: digest(files, name) for name in names}


def _hashed(file: io.BufferedIOBase) -> str:
    # hashlib.file_digest makes and clears a buffer of 256 KiB for each file, and most files are small.
    hashed = hashlib.sha256()
    while block := file.read(_BLOCK):
        hashed.update(block)
    return hashed.hexdigest()


def _hashed_at(name: str, folder: int) -> str:
    descriptor = os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=folder)
    try:
        hashed = hashlib.sha256()
        while block := os.read(descriptor, _BLOCK):
            hashed.update(block)
        return hashed.hexdigest()
    finally:
        os.close(descriptor)


def plain_names(names: Iterable[str]) -> frozenset[str]:
    """Return the names, each proven to need no escaping anywhere.

    Raises:
        TamperedError: a name, other than SHA256SUMS and VERIFY.txt, has characters besides
            ``a-z 0-9 . _ / -``, or an empty, ``.`` or ``..`` part; or two would be one on some disk.
    """
    found = frozenset(names)
    for name in sorted(found - {SUMS, BY_HAND}):
        if not _NAME.fullmatch(name) or not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise TamperedError(f"The file name {name!a} is not one that a run can have (a-z 0-9 . _ - and / only).")
    _refuse_colliding(found)
    return found


def _refuse_colliding(names: frozenset[str]) -> None:
    lower = {name.lower() for name in names}
    folders: set[str] = set()
    for name in lower:
        folder = _folder(name)
        while folder and folder not in folders:
            folders.add(folder)
            folder = _folder(folder)
    twice = {name for name in (SUMS, BY_HAND) if name in names and name.lower() in names}
    for name in sorted(twice | (folders & lower)):
        raise TamperedError(f"The file name {name!a} is also that of another file or folder on some disks.")


def signed_names(names: Iterable[str]) -> list[str]:
    """Return the names that a run statement covers, in order."""
    return sorted(name for name in names if name.startswith(SIGNED_FOLDERS))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file completely or not at all.

    Raises:
        ToolError: the disk is full or the folder cannot be written.
    """
    with whole(path) as file:
        file.write(data)


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes its place when the block ends well, and leaves nothing behind otherwise.

    Raises:
        ToolError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".writing-{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ToolError(f"{path} could not be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _refused(name: str, error: OSError) -> TamperedError | ToolError:
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR}:
        return TamperedError(f"{name!a} changed while the run was being read.")
    return ToolError(f"{name!a} cannot be read: {error.strerror}.")


def _opened(root: Path, parts: list[str]) -> int:
    # Part by part, so that a folder swapped for a link between listing and reading is noticed too.
    descriptor = os.open(root, _FLAGS | os.O_DIRECTORY)
    for part in parts:
        outer = descriptor
        try:
            descriptor = os.open(part, _FLAGS | os.O_NOFOLLOW, dir_fd=outer)
        finally:
            os.close(outer)
    return descriptor
