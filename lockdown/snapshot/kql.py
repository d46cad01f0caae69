"""KQL as a list of tokens: enough to look at a query, and to respell it, without touching strings or comments."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HYPHENATED = (
    "mv-expand|mv-apply|project-away|project-rename|project-keep|project-reorder|make-series|top-nested|"
    "parse-where|parse-kv|sample-distinct|macro-expand|graph-match|graph-merge|make-graph"
)
_TOKEN = re.compile(
    r"""
      (?P<comment>//[^\n]*)
    | (?P<string>[hH]?(?:
          ```.*?```
        | @"(?:[^"]|"")*"
        | @'(?:[^']|'')*'
        | "(?:[^"\\\n]|\\.)*"
        | '(?:[^'\\\n]|\\.)*'))
    | (?P<space>\s+)
    | (?P<word>(?:"""
    + _HYPHENATED
    + r""")\b|[A-Za-z_$][A-Za-z0-9_]*)
    | (?P<number>\d[A-Za-z0-9_.]*)
    | (?P<sign>==|=~|!=|!~|<=|>=|<>|=>|<\||\.\.|!(?=[a-z])|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_RESPELLED = {"makeset": "make_set", "makelist": "make_list", "mvexpand": "mv-expand"}
_TAKES_KIND = frozenset({"join", "union", "lookup", "parse", "parse-where", "mv-expand", "mvexpand", "search"})


@dataclass(frozen=True)
class Token:
    """A piece of a query.

    Attributes:
        kind: comment, string, space, word, number or sign.
        text: as written.
        start: offset in the query.
    """

    kind: str
    text: str
    start: int


def tokens(query: str) -> list[Token]:
    """Return every token of ``query``; joined, their texts are the query again."""
    return [Token(str(m.lastgroup), m.group(), m.start()) for m in _TOKEN.finditer(query)]


def significant(query: str) -> list[Token]:
    """Return the tokens that mean something: all but comments and white space."""
    return [token for token in tokens(query) if token.kind not in {"comment", "space"}]


def line_of(query: str, offset: int) -> int:
    """Return the 1-based line that ``offset`` is on."""
    return query.count("\n", 0, offset) + 1


def respell(query: str) -> str:
    """Return ``query`` in the spelling that the embedded engine's grammar accepts, meaning unchanged.

    The bare word ``kind`` is a keyword there, ``.[`` is not accepted, and three functions carry only their newer names.
    """
    out: list[str] = []
    before = Token("sign", "|", 0)
    for token in tokens(query):
        if token.kind in {"comment", "space"}:
            out.append(token.text)
            continue
        text = token.text
        if token.kind == "word":
            text = _RESPELLED.get(text, text)
            if text == "kind" and before.text not in _TAKES_KIND:
                if before.text == ".":
                    _drop_last(out, ".")
                text = "['kind']"
        elif text == "[" and before.text == ".":
            _drop_last(out, ".")
        out.append(text)
        before = token
    return "".join(out)


def _drop_last(out: list[str], text: str) -> None:
    for index in range(len(out) - 1, -1, -1):
        if out[index] == text:
            del out[index]
            return
