"""SHA256SUMS: the list of every file with its digest, as ``sha256sum -c`` reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lockdown.errors import TamperedError

_LINE = re.compile(rb"([0-9a-f]{64})  ([a-z0-9._/-]+|VERIFY\.txt)\n")


def written(digests: Mapping[str, str]) -> bytes:
    """Return the file for digests by name: sorted, two spaces, one line each."""
    return b"".join(f"{digests[name]}  {name}\n".encode() for name in sorted(digests))


def parse(data: bytes) -> dict[str, str]:
    """Return the digests by name.

    Raises:
        TamperedError: it is not exactly what ``written`` makes of its own content.
    """
    digests: dict[str, str] = {}
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise TamperedError(f"SHA256SUMS, line {number}, is not a digest, two spaces and a file name.")
        digests[match[2].decode()] = match[1].decode()
    if written(digests) != data:
        raise TamperedError("SHA256SUMS is not sorted, or names a file twice.")
    return digests
