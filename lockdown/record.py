"""results/results.json: the record of a run, from which every other format is rendered.

One policy and one result stand on each line, so that a record of any size is written and read in flat memory.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from lockdown.errors import UsageError
from lockdown.strict import canonical

SCHEMA = "urn:coa-lockdown:results:v1"
_OPEN, _MIDDLE, _END = b'{"policies":[', b'],"results":[', b'],"run":'
_TAIL = b',"schema":' + canonical(SCHEMA) + b"}\n"
_BLOCK = 1 << 16
_LATER = re.compile(rb',"schema":"urn:coa-lockdown:results:v([0-9]{1,9})"\}\n\Z')


@dataclass(frozen=True)
class Record:
    """A results.json on disk. ``run`` and ``policies`` are held; results are streamed.

    Attributes:
        path: the file.
        run: the run object.
        policies: the policy objects, in order.
    """

    path: Path
    run: Mapping[str, Any]
    policies: tuple[Mapping[str, Any], ...]

    def results(self) -> Iterator[dict[str, Any]]:
        """Yield every result in the order of the record."""
        return (orjson.loads(line) for line in _section(self.path, _MIDDLE, _END))


def write(
    path: Path,
    run: Mapping[str, Any],
    policies: Iterable[Mapping[str, Any]],
    results: Iterable[Mapping[str, Any]],
) -> str:
    """Write a record and return the SHA-256 of the canonical bytes of its policies and results.

    Two runs are identical if that digest is equal; the run object (times, scope, source) may differ.

    Args:
        path: where to.
        run: the run object.
        policies: the policy objects.
        results: the result objects, of texts alone: those are canonical however they are written.
    """
    digest = sha256()
    with path.open("wb") as out:
        for opening, items, written in ((_OPEN, policies, canonical), (_MIDDLE, results, _texts)):
            out.write(opening)
            digest.update(opening)
            first = True
            for item in items:
                line = written(item)
                digest.update(line if first else b"," + line)
                out.write((b"\n" if first else b",\n") + line)
                first = False
            out.write(b"\n")
        out.write(_END + canonical(run) + _TAIL)
    return digest.hexdigest()


def read(path: Path) -> Record:
    """Open the record at ``path``.

    Raises:
        UsageError: there is none, or it is not one that lockdown wrote.
    """
    try:
        policies = tuple(json.loads(line) for line in _section(path, _OPEN, _MIDDLE))
        run = _run(_last_line(path))
    except (OSError, ValueError) as error:
        if path.is_file():
            refuse_later(_last_line(path), str(path))
        raise UsageError(
            f"{path} is not the record of a run: {error}.", "Name a directory that lockdown audit wrote."
        ) from error
    return Record(path, run, policies)


def refuse_later(last_line: bytes, name: str) -> None:
    """Say so if the last line of a record is that of a later version's.

    Raises:
        UsageError: it is.
    """
    found = _LATER.search(last_line)
    if found and int(found[1]) > int(SCHEMA.rpartition(":v")[2]):
        raise UsageError(
            f"{name} was written by a later version of lockdown (results:v{int(found[1])}; this one reads {SCHEMA}).",
            "Use that version or a later one.",
        )


def digest(record: Record) -> str:
    """Return the digest that ``write`` returned for this record."""
    found = sha256()
    for opening, closing in ((_OPEN, _MIDDLE), (_MIDDLE, _END)):
        found.update(opening)
        for number, line in enumerate(_section(record.path, opening, closing)):
            found.update(line if number == 0 else b"," + line)
    return found.hexdigest()


def _texts(item: Mapping[str, Any]) -> bytes:
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)


def _last_line(path: Path) -> bytes:
    """Return the last line of a file of any size, without reading what is before it."""
    with path.open("rb") as file:
        start = file.seek(0, os.SEEK_END)
        found = b""
        while start and b"\n" not in found[:-1]:
            length = min(_BLOCK, start)
            start = file.seek(start - length)
            found = file.read(length) + found
    return found[found.rfind(b"\n", 0, -1) + 1 :]


def _run(line: bytes) -> Any:  # noqa: ANN401
    if not line.startswith(_END) or not line.endswith(_TAIL):
        raise ValueError("its last line is missing")
    return json.loads(line[len(_END) : -len(_TAIL)])


def _section(path: Path, opening: bytes, closing: bytes) -> Iterator[bytes]:
    with path.open("rb") as file:
        inside = False
        for line in file:
            if inside and line.startswith(closing):
                return
            if inside:
                yield line.rstrip(b"\n").removesuffix(b",")
            elif line.startswith(opening):
                inside = True
    raise ValueError(f"the part that begins with {opening.decode()} is missing or cut")
