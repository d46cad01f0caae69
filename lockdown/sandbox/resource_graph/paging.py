"""Pages: where one begins and ends, and whether another follows.

Source: Microsoft Learn, "Work with large data sets" and "Paging results in Azure Resource Graph" (2026): a page has at
most 1,000 rows; no token is given when the query has a limit, take or sample, or when every column is dynamic.
"""

import base64
import binascii
from dataclasses import dataclass

import orjson

from lockdown.sandbox.resource_graph.body import PAGE, Body
from lockdown.sandbox.resource_graph.errors import bad_request


@dataclass(frozen=True)
class Page:
    """Rows ``start`` up to ``stop`` of an answer.

    Attributes:
        token: the ``$skipToken`` of the next page, or ''.
        truncated: there are rows after this page.
    """

    start: int
    stop: int
    token: str
    truncated: bool


@dataclass(frozen=True)
class Position:
    """Where a request wants to read: what it says itself goes before what its token says."""

    top: int
    skip: int


def position(body: Body, digest: str, *, bounded: bool) -> Position:
    """Return where the page of a request begins. ``$skip`` is ignored by a query with a limit of its own.

    Raises:
        GraphError: the token is not one of ours, or was given for another query or scope.
    """
    top, skip = PAGE, 0
    if body.token:
        top, skip = _decode(body.token, digest)
    top = body.top or top
    skip = skip if body.skip is None else body.skip
    return Position(top, 0 if bounded else skip)


def page(at: Position, total: int, digest: str, *, continues: bool) -> Page:
    """Return the page at a position of an answer with ``total`` rows; ``continues``: it may have a token."""
    start = min(at.skip, total)
    stop = min(start + at.top, total)
    truncated = stop < total
    token = _encode(at.top, stop, digest) if truncated and continues else ""
    return Page(start, stop, token, truncated)


def _encode(top: int, skip: int, digest: str) -> str:
    content = orjson.dumps({"$id": "1", "MaxRows": top, "RowsToSkip": skip, "Digest": digest})
    return base64.b64encode(content).decode()


def _decode(token: str, digest: str) -> tuple[int, int]:
    try:
        found = orjson.loads(base64.b64decode(token, validate=True))
        top, skip, made_for = found["MaxRows"], found["RowsToSkip"], found["Digest"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request("InvalidSkipToken", "The $skipToken cannot be read.") from error
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in (top, skip))
    if not whole or not 0 < top <= PAGE or skip < 0:
        raise bad_request("InvalidSkipToken", "The $skipToken cannot be read.")
    if made_for != digest:
        raise bad_request("InvalidSkipToken", "The $skipToken was given for another query or another scope.")
    return top, skip
