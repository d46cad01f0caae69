"""Where a history is kept: a folder, or a container of Azure Blob Storage. What is there is never written over.

``store.json`` says what the store is, ``records/<sequence>.dsse.json`` are the records, ``runs/<sequence>.zip`` the
sealed runs, named by the record that started them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from lockdown.errors import ToolError, UsageError

ORIGIN, RECORDS, RUNS = "store.json", "records/", "runs/"
_FOLDERS = (RECORDS, RUNS)
_NEXT = "Check evidence.store in lockdown.yaml, or --store."


class Store(Protocol):
    """A place for files that are created whole, once."""

    @property
    def url(self) -> str:
        """What people call it."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in ``records/`` or ``runs/``, sorted, with the folder."""

    def read(self, name: str, most: int) -> bytes | None:
        """Return a file of at most ``most`` bytes, or None if there is none.

        Raises:
            ToolError: it is longer, or cannot be read.
        """

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a file of any size, in hex, or None if there is none."""

    def create(self, name: str, content: bytes | Path) -> bool:
        """Create a file whole; False if one of that name is there already, which is left as it is."""

    def protection(self) -> str:
        """Say in one line what keeps the files from being changed by others."""


def open_store(url: str, *, cloud: str | None = None, authority: str | None = None) -> Store:
    """Return the store that a URL names: ``file:DIR``, ``azblob://ACCOUNT/CONTAINER`` or its https URL.

    Raises:
        UsageError: the URL names no store.
    """
    if url.startswith("file:"):
        return Folder(Path(url.removeprefix("file:").removeprefix("//")))
    if url.startswith(("azblob://", "https://", "http://")):
        from lockdown.cloud import blob  # noqa: PLC0415 - a folder imports nothing of Azure

        return blob.open_container(url, cloud, authority)
    raise UsageError(
        f"{url!a} is no evidence store.", "Give file:DIR, azblob://ACCOUNT/CONTAINER, or the container's https URL."
    )


@dataclass(frozen=True)
class Folder:
    """A folder on a disk that knows hard links. Whoever may write to it can remove what is in it."""

    path: Path

    @property
    def url(self) -> str:
        """What people call it."""
        return f"file:{self.path}"

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, sorted; what is being written is no file yet."""
        try:
            with os.scandir(self.path / folder) as entries:
                found = [entry.name for entry in entries if not entry.name.startswith(".")]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ToolError(f"{self.path / folder} cannot be listed: {error.strerror}.", _NEXT) from error
        return sorted(folder + name for name in found)

    def read(self, name: str, most: int) -> bytes | None:
        """Return a plain file, or None if there is none."""
        file = self._opened(name)
        if file is None:
            return None
        with file:
            data = file.read(most + 1)
        if len(data) > most:
            raise ToolError(f"{self.path / name} is longer than {most} bytes.", _NEXT)
        return data

    def _opened(self, name: str) -> BufferedReader | None:
        path = self.path / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ToolError(f"{path} cannot be read: {error.strerror}.", _NEXT) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ToolError(f"{path} is not a plain file.", _NEXT)
        return os.fdopen(descriptor, "rb")

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a plain file, or None if there is none."""
        file = self._opened(name)
        if file is None:
            return None
        with file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def create(self, name: str, content: bytes | Path) -> bool:
        """Write beside the place, then link it there, which fails if something is there."""
        path = self.path / name
        temporary = path.with_name(f".writing-{secrets.token_hex(8)}")
        try:
            for folder in ("", *_FOLDERS):
                (self.path / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            with os.fdopen(descriptor, "wb") as file:
                if isinstance(content, Path):
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, file)
                else:
                    file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.link(temporary, path)
            _settle(path.parent)
        except OSError as error:
            if error.errno == errno.EEXIST and os.path.lexists(path):
                return False
            raise ToolError(f"{path} could not be written: {error.strerror}.", _NEXT) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        return True

    def protection(self) -> str:
        """A folder has nothing of its own."""
        return "a folder: whoever may write to it can remove records; only a copy of the head elsewhere shows that"


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
