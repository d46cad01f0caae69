"""results/results.json: the record of a run, from which every other format is rendered.

One policy and one result stand on each line, so that a record of any size is written and read in flat memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from lockdown.errors import UsageError
from lockdown.strict import canonical

SCHEMA = "urn:coa-lockdown:results:v1"
_OPEN, _MIDDLE, _END = b'{"policies":[', b'],"results":[', b'],"run":'
_TAIL = b',"schema":' + canonical(SCHEMA) + b"}\n"


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
        return (json.loads(line) for line in _section(self.path, _MIDDLE, _END))


def write(
    path: Path,
    run: Mapping[str, Any],
    policies: Iterable[Mapping[str, Any]],
    results: Iterable[Mapping[str, Any]],
) -> str:
    """Write a record and return the SHA-256 of the canonical bytes of its policies and results.

    Two runs are identical if that digest is equal; the run object (times, scope, source) may differ.
    """
    digest = sha256()
    with path.open("wb") as out:
        for opening, items in ((_OPEN, policies), (_MIDDLE, results)):
            out.write(opening)
            digest.update(opening)
            first = True
            for item in items:
                line = canonical(item)
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
        with path.open("rb") as file:
            tail = next((line for line in file if line.startswith(_END)), None)
        run = _run(tail)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} is not the record of a run: {error}.", "Name a directory that lockdown audit wrote."
        ) from error
    return Record(path, run, policies)


def digest(record: Record) -> str:
    """Return the digest that ``write`` returned for this record."""
    found = sha256()
    for opening, closing in ((_OPEN, _MIDDLE), (_MIDDLE, _END)):
        found.update(opening)
        for number, line in enumerate(_section(record.path, opening, closing)):
            found.update(line if number == 0 else b"," + line)
    return found.hexdigest()


def _run(line: bytes | None) -> Any:  # noqa: ANN401
    if line is None or not line.endswith(_TAIL):
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
