"""JSON documents with long arrays: written and counted again with one item in memory.

Such an array stands with one item on each line. All else of the document stands around it, so that a reader who takes
the items out is left with a small document that is JSON itself. Everything is ASCII: no name can hide in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockdown import strict
from lockdown.errors import TamperedError

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one item."""

_OPENING = re.compile(rb'"([a-zA-Z-]+)":\[\n\Z')

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Stream:
    """An array whose items are made one at a time; what stands after it in a document is made after them."""

    items: Iterable[Item]


def render(value: object) -> Iterator[str]:
    """Yield the text of a document: mappings in their order, streams an item a line, iterators as lists."""
    yield from _render(value)
    yield "\n"


def one_line(value: object) -> str:
    """Return JSON on one line, with sorted keys, in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read(path: Path, take: Callable[[str, Item], None]) -> Any:  # noqa: ANN401 - any JSON value
    """Give each streamed item to ``take``, with the key of its array, and return the document without them.

    Raises:
        TamperedError: it is not a document as ``render`` writes it.
    """
    around = bytearray()
    inside: str | None = None
    more: bool | None = None
    for line in lines(path):
        if inside is None or line.startswith(b"]"):
            if more:
                raise TamperedError(f"{path.name} lacks an item after a comma.")
            around += line
            opening = _OPENING.search(line)
            inside, more = (opening[1].decode() if opening else None), None
            continue
        if more is False:
            raise TamperedError(f"{path.name} lacks a comma between two items.")
        more = line.endswith(b",\n")
        take(inside, item(line.removesuffix(b"\n").removesuffix(b","), path))
    return strict.loads(bytes(around), name=path.name)


def item(data: bytes, path: Path) -> Item:
    """Return the object in ``data``."""
    value = strict.loads(data, name=path.name)
    if not isinstance(value, dict):
        raise TamperedError(f"{path.name} has an item that is not an object.")
    return value


def lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, each with its end.

    Raises:
        TamperedError: one is cut, or longer than any item.
    """
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            if not line.endswith(b"\n"):
                raise TamperedError(f"{path.name} has a line that is cut, or longer than {MAX_LINE} bytes.")
            yield line


def _render(value: object) -> Iterator[str]:
    if isinstance(value, Stream):
        yield "[\n"
        before = ""
        for member in value.items:
            yield before + one_line(member)
            before = ",\n"
        yield "\n]" if before else "]"
    elif isinstance(value, Mapping):
        before = "{"
        for key, member in value.items():
            yield f"{before}{json.dumps(key)}:"
            yield from _render(member)
            before = ","
        yield "}" if value else "{}"
    elif isinstance(value, (list, tuple, Iterator)):
        before = "["
        for member in value:
            yield before
            yield from _render(member)
            before = ","
        yield "]" if before == "," else "[]"
    else:
        yield json.dumps(value, allow_nan=False)
