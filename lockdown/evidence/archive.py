"""A run as one file: a zip archive that has exactly one form.

The archive is stored, sorted by name, dated 1980-01-01, mode 0644, without a comment or an extra field, so that a run
gives the same bytes anywhere. Its headers are signed by nobody. Therefore a reader makes every header again from names,
sizes and contents and compares: no byte of an archive can change unnoticed, and nothing can hide before, between or
after its files. Nothing is ever compressed (so nothing can swell) or extracted.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, Protocol

from lockdown.errors import TamperedError, UsageError
from lockdown.evidence.files import Files

MAX_FILES = 2_000
MAX_BYTES = 1024**3
"""Of all files together. A larger run is split by subscription."""

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _UNIX, _STORED, _MIDNIGHT, _FIRST_DAY = 20, 3 << 8, 0, 0, (1 << 5) | 1
_PLAIN_FILE = 0o100644 << 16
_MAX_DIRECTORY = 4 * 1024 * 1024
_MAX_COMMENT = 0xFFFF
_ENCRYPTED = 1
_KINDS, _KIND, _LINK = 0o170000, 0o100000, 0o120000
_BLOCK = 1024 * 1024
_BUFFER = 64 * 1024
_ANOTHER_FORM = "Whoever unpacked it and packed it again can have its folder verified instead."


class _Sink(Protocol):
    def write(self, data: bytes, /) -> object:
        """Take more bytes."""


@dataclass(frozen=True)
class _Entry:
    """One file in an archive; ``at`` is where its local header begins."""

    name: bytes
    size: int
    crc: int
    at: int

    @property
    def data_at(self) -> int:
        return self.at + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        return self.data_at + self.size

    @property
    def local(self) -> bytes:
        return _LOCAL.pack(_LOCAL_MARK, _VERSION, *self._middle, len(self.name), 0) + self.name

    @property
    def central(self) -> bytes:
        outer = (len(self.name), 0, 0, 0, 0, _PLAIN_FILE, self.at)
        return _CENTRAL.pack(_CENTRAL_MARK, _UNIX | _VERSION, _VERSION, *self._middle, *outer) + self.name

    @property
    def _middle(self) -> tuple[int, ...]:
        return 0, _STORED, _MIDNIGHT, _FIRST_DAY, self.crc, self.size, self.size


def write(files: Files, sink: _Sink) -> None:
    """Write the archive of a run.

    Raises:
        UsageError: there are more files or bytes than a reader accepts.
        TamperedError: a file changed while it was being read.
    """
    names = sorted(files.names())
    if len(names) > MAX_FILES:
        raise UsageError(f"The run holds {len(names)} files; an archive takes {MAX_FILES}.", "Audit less in one run.")
    entries: list[_Entry] = []
    at = total = 0
    for name in names:
        size, crc = _measured(files, name)
        entry = _Entry(name.encode("ascii"), size, crc, at)
        entries.append(entry)
        at, total = entry.end, total + size
        if total > MAX_BYTES:
            raise UsageError(f"The run is larger than {MAX_BYTES} bytes.", "Audit one subscription in a run.")
    for name, entry in zip(names, entries, strict=True):
        sink.write(entry.local)
        crc = size = 0
        for block in _blocks(files, name):
            sink.write(block)
            size, crc = size + len(block), zlib.crc32(block, crc)
        if (size, crc) != (entry.size, entry.crc):
            raise TamperedError(f"{name} changed while it was being read.")
    sink.write(_directory(entries, at))


def is_archive(file: BinaryIO) -> bool:
    """Say whether a file is, or once was, an archive: it begins or ends like one."""
    if file.seek(0, io.SEEK_END) < len(_LOCAL_MARK):
        return False
    file.seek(0)
    if file.read(len(_LOCAL_MARK)) == _LOCAL_MARK:
        return True
    return _END_MARK in _tail(file)


class ArchiveFiles:
    """The files of a run in an archive, checked as a whole before the first is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def names(self) -> Iterator[str]:
        """Yield every file name.

        Raises:
            TamperedError: the archive differs in any byte from what ``write`` makes of its files.
        """
        yield from self._entries

    def open(self, name: str) -> io.BufferedIOBase:
        """Return the file called ``name``."""
        return io.BufferedReader(_Slice(self._file, self._entries[name]), _BUFFER)

    @cached_property
    def _entries(self) -> dict[str, _Entry]:
        entries, directory_at = self._listed()
        at = 0
        for name, entry in entries.items():
            local = entry.local
            first = self._read(at, min(len(local) + entry.size, _BLOCK))
            if entry.at != at or first[: len(local)] != local[: len(first)]:
                raise _another(f"the header of {name} is not the one that its list gives")
            at = entry.end
            if self._crc(zlib.crc32(first[len(local) :]), entry.at + len(first), at) != entry.crc:
                raise TamperedError(f"{name} in the archive is damaged: its check sum is another.")
        if at != directory_at:
            raise _another("something lies between its files and its list")
        return entries

    def _listed(self) -> tuple[dict[str, _Entry], int]:
        """Read the list of files; return it with where it begins."""
        total = self._file.seek(0, io.SEEK_END)
        mark, disk, first, here, count, size, at, comment = _END.unpack(
            self._read(max(total - _END.size, 0), _END.size)
        )
        if mark != _END_MARK:
            follows = _END_MARK in _tail(self._file)
            raise _another("something follows its end" if follows else "its end is missing")
        if count > MAX_FILES or size > _MAX_DIRECTORY or total > MAX_BYTES + 2 * _MAX_DIRECTORY:
            raise TamperedError(f"The archive is larger than {MAX_FILES} files and {MAX_BYTES} bytes.")
        if (disk, first, comment) != (0, 0, 0) or here != count or at + size != total - _END.size:
            raise _another("its end does not say where its list is, or something lies before or after its files")
        data = self._read(at, size)
        entries: dict[str, _Entry] = {}
        position = 0
        for _ in range(count):
            name, entry, position = _entry(data, position)
            if name in entries:
                raise TamperedError(f"The archive holds {name} twice.")
            entries[name] = entry
        if list(entries) != sorted(entries):
            raise _another("its files are not in the order of their names")
        if _directory(list(entries.values()), at) != data + self._read(total - _END.size, _END.size):
            raise _another("its list has other headers")
        return entries, at

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        data = self._file.read(size)
        if len(data) != size:
            raise _another("it is cut")
        return data

    def _crc(self, crc: int, at: int, end: int) -> int:
        while at < end:
            block = self._read(at, min(_BLOCK, end - at))
            crc, at = zlib.crc32(block, crc), at + len(block)
        return crc


class _Slice(io.RawIOBase):
    """One file's bytes in an archive."""

    def __init__(self, file: BinaryIO, entry: _Entry) -> None:
        self._file, self._at, self._end = file, entry.data_at, entry.end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # what BufferedReader gives
        self._file.seek(self._at)
        data = self._file.read(min(len(buffer), self._end - self._at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _entry(data: bytes, position: int) -> tuple[str, _Entry, int]:
    """Return the entry of the list at ``position``, and where the next begins."""
    try:
        (mark, made_by, _, flags, method, _, _, crc, packed, size, length, extra, comment, _, _, attributes, at) = (
            _CENTRAL.unpack_from(data, position)
        )
    except struct.error:
        raise _another("its list is cut") from None
    begins = position + _CENTRAL.size
    raw = data[begins : begins + length]
    if mark != _CENTRAL_MARK or len(raw) != length or not raw.isascii():
        raise _another("its list is cut, or holds a name that is not plain")
    name = raw.decode("ascii")
    if flags & _ENCRYPTED:
        raise TamperedError(f"{name!a} in the archive is encrypted.")
    if method != _STORED or packed != size:
        raise _another(f"{name!a} is compressed")
    kind = (attributes >> 16) & _KINDS if made_by >> 8 << 8 == _UNIX else _KIND
    if kind != _KIND:
        raise TamperedError(f"{name!a} in the archive is {'a link' if kind == _LINK else 'not a plain file'}.")
    if extra or comment:
        raise _another(f"{name!a} carries an extra field or a comment")
    return name, _Entry(raw, size, crc, at), begins + length


def _directory(entries: list[_Entry], at: int) -> bytes:
    listed = b"".join(entry.central for entry in entries)
    return listed + _END.pack(_END_MARK, 0, 0, len(entries), len(entries), len(listed), at, 0)


def _another(how: str) -> TamperedError:
    return TamperedError(f"The archive is not in the one form that lockdown bundle writes: {how}.", _ANOTHER_FORM)


def _tail(file: BinaryIO) -> bytes:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _MAX_COMMENT - _END.size))
    return file.read()


def _measured(files: Files, name: str) -> tuple[int, int]:
    size = crc = 0
    for block in _blocks(files, name):
        size, crc = size + len(block), zlib.crc32(block, crc)
    return size, crc


def _blocks(files: Files, name: str) -> Iterator[bytes]:
    with files.open(name) as file:
        while block := file.read(_BLOCK):
            yield block
