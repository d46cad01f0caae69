"""The shape of a query: its pipelines, their operators, and what kind of value each column holds on the way.

This is not a KQL parser: it knows brackets, bars, commas and names, which is enough for the linter to say only what is
certainly so. Whether a query is valid KQL is for the engine, and for Microsoft's parser, to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from lockdown.snapshot.kql import Token, significant
from lockdown.snapshot.tables import COLUMNS, DYNAMIC, TABLES


def word_set(text: str) -> frozenset[str]:
    """Return the words of ``text``."""
    return frozenset(text.split())


_CLOSING = {"(": ")", "[": "]", "{": "}"}
_OPENING = {closing: opening for opening, closing in _CLOSING.items()}
EXPANDS = frozenset({"mv-expand", "mvexpand"})
_TABULAR = frozenset({"join", "union", "lookup"})
_GIVES_DYNAMIC = word_set(
    "dynamic todynamic parse_json split pack bag_pack pack_array array_concat array_slice array_sort_asc "
    "array_sort_desc zip extract_all make_list make_set make_list_if make_set_if parse_url bag_remove_keys "
    "set_intersect"
)
_LOWERS_NOTHING = frozenset({"tostring", "trim"})


class Kind(Enum):
    """What a column or expression certainly holds."""

    DYNAMIC = "dynamic"
    RAW_ID = "an id in the casing of its provider"
    OTHER = "anything else"


Columns = dict[str, Kind]
Words = Sequence[Token]


@dataclass(frozen=True)
class Operator:
    """One step of a pipeline.

    Attributes:
        name: the word after the bar.
        body: what follows it, without sub-queries.
        queries: its sub-queries, in order.
    """

    name: Token
    body: Words
    queries: tuple[Pipeline, ...]


@dataclass(frozen=True)
class Pipeline:
    """A table and the operators on it; ``source`` is None if it starts with an operator, such as ``union``."""

    source: Token | None
    operators: tuple[Operator, ...]

    def every(self) -> Iterator[Pipeline]:
        """Yield this pipeline and every sub-query below it."""
        yield self
        for operator in self.operators:
            for query in operator.queries:
                yield from query.every()


def parse(query: str) -> Pipeline:
    """Return the shape of ``query``. Brackets that do not match are taken as they come."""
    return _pipeline(significant(query))


def before_each(pipeline: Pipeline) -> tuple[Columns, ...]:
    """Return the columns that each operator of ``pipeline`` sees, and last the columns that it gives."""
    states = [_source_columns(pipeline)]
    for operator in pipeline.operators:
        states.append(_after(operator, states[-1]))
    return tuple(states)


@dataclass(frozen=True)
class Expansion:
    """What an ``mv-expand`` says.

    Attributes:
        items: each ``name = expression`` or expression.
        index_name: the column of ``with_itemindex``.
        limit: the number after ``limit``; None without one.
    """

    items: tuple[Words, ...]
    index_name: str | None
    limit: int | None


def expansion(body: Words) -> Expansion:
    """Return what the body of an ``mv-expand`` says."""
    index_name: str | None = None
    while len(body) > 2 and body[0].text in {"with_itemindex", "bagexpansion", "kind"} and body[1].text == "=":  # noqa: PLR2004
        index_name = body[2].text if body[0].text == "with_itemindex" else index_name
        body = body[3:]
    limit: int | None = None
    cuts = [index for index in _outside(body) if body[index].text == "limit" and index + 1 < len(body)]
    if cuts:
        number = body[cuts[-1] + 1].text
        limit = int(number) if number.isdecimal() else None
        body = body[: cuts[-1]]
    return Expansion(tuple(items(body)), index_name, limit)


def items(body: Words) -> list[Words]:
    """Split at commas outside brackets."""
    found: list[Words] = []
    start = 0
    for index in _outside(body):
        if body[index].text == ",":
            found.append(body[start:index])
            start = index + 1
    if start < len(body):
        found.append(body[start:])
    return found


def named(item: Words) -> tuple[Token | None, Words]:
    """Return the name of ``name = expression`` and the expression; None for an expression that stands alone."""
    if len(item) > 1 and item[0].kind == "word" and item[1].text == "=":
        return item[0], item[2:]
    return None, item


def kind_of(expression: Words, columns: Columns) -> Kind:
    """Return what ``expression`` certainly holds."""
    words = list(expression)
    while len(words) > 1 and words[0].text == "(" and partner(words, 0) == len(words) - 1:
        words = words[1:-1]
    if not words or words[0].kind != "word" or not _is_postfix(words):
        return Kind.OTHER
    if len(words) > 1 and words[1].text == "(":
        close = partner(words, 1)
        if words[0].text in _GIVES_DYNAMIC:
            return Kind.DYNAMIC
        inner = kind_of(words[2:close], columns)
        keeps = words[0].text in _LOWERS_NOTHING and close == len(words) - 1 and inner is Kind.RAW_ID
        return Kind.RAW_ID if keeps else Kind.OTHER
    root = columns.get(words[0].text, Kind.OTHER)
    return root if root is Kind.DYNAMIC or len(words) == 1 else Kind.OTHER


def operand_before(body: Words, end: int) -> Words:
    """Return the name, path, call or bracket that ends just before index ``end``."""
    start = end
    while start > 0:
        token = body[start - 1]
        if token.text in _OPENING:
            start = _partner_before(body, start - 1)
            if start == 0 or (token.text == ")" and body[start - 1].kind != "word"):
                break
            if body[start - 1].text in (".", *_OPENING):
                start -= body[start - 1].text == "."
                continue
            token = body[start - 1]
        if token.kind not in {"word", "string", "number"}:
            break
        start -= 1
        if start == 0 or body[start - 1].text != ".":
            break
        start -= 1
    return body[start:end]


def operand_after(body: Words, start: int) -> Words:
    """Return the name, path, call or bracket that begins at index ``start``."""
    end = start
    while end < len(body):
        token = body[end]
        if token.text in _CLOSING:
            end = partner(body, end) + 1
        elif token.kind in {"word", "string", "number"}:
            end += 1
        else:
            break
        if end < len(body) and body[end].text == ".":
            end += 1
        elif end >= len(body) or body[end].text not in ("(", "["):
            break
    return body[start:end]


def partner(body: Words, opening: int) -> int:
    """Return the index of the bracket that closes the one at ``opening``; the last index if none does."""
    depth = 0
    for index in range(opening, len(body)):
        if body[index].text in _CLOSING:
            depth += 1
        elif body[index].text in _OPENING:
            depth -= 1
            if depth == 0:
                return index
    return len(body) - 1


def _partner_before(body: Words, closing: int) -> int:
    depth = 0
    for index in range(closing, -1, -1):
        if body[index].text in _OPENING:
            depth += 1
        elif body[index].text in _CLOSING:
            depth -= 1
            if depth == 0:
                return index
    return 0


def _outside(body: Words) -> Iterator[int]:
    index = 0
    while index < len(body):
        yield index
        index = partner(body, index) + 1 if body[index].text in _CLOSING else index + 1


def _is_postfix(words: Words) -> bool:
    return len(operand_after(words, 0)) == len(words)


def _pipeline(words: Words) -> Pipeline:
    bars = [index for index in _outside(words) if words[index].text == "|"]
    segments = [words[a + 1 : b] for a, b in zip([-1, *bars], [*bars, len(words)], strict=True)]
    source: Token | None = None
    first = segments[0]
    if first and first[0].text not in _TABULAR:
        source, segments = first[0], segments[1:]
    return Pipeline(source, tuple(_operator(segment) for segment in segments if segment))


def _operator(segment: Words) -> Operator:
    name, rest = segment[0], segment[1:]
    body: list[Token] = []
    queries: list[Pipeline] = []
    start = 0
    for index in _outside(rest):
        token = rest[index]
        if token.text == "(" and _is_query(name, rest, index):
            body += rest[start:index]
            close = partner(rest, index)
            queries.append(_pipeline(rest[index + 1 : close]))
            start = close + 1
    body += rest[start:]
    if name.text in _TABULAR:
        cut = next((index for index, token in enumerate(body) if token.text == "on"), len(body))
        queries += [Pipeline(token, ()) for token in body[:cut] if token.text.lower() in TABLES]
    return Operator(name, tuple(body), tuple(queries))


def _is_query(name: Token, rest: Words, opening: int) -> bool:
    if name.text in _TABULAR:
        return all(token.text != "on" for token in rest[:opening])
    inside = rest[opening + 1 : partner(rest, opening)]
    return any(inside[index].text == "|" for index in _outside(inside))


def _source_columns(pipeline: Pipeline) -> Columns:
    if pipeline.source is None:
        return {}
    return {c: Kind.DYNAMIC if c in DYNAMIC else Kind.RAW_ID if c == "id" else Kind.OTHER for c in COLUMNS}


def _after(operator: Operator, columns: Columns) -> Columns:
    name = operator.name.text
    if name == "extend" or name in EXPANDS:
        added = _expanded(expansion(operator.body)) if name in EXPANDS else _assigned(operator.body, columns)
        return {**columns, **added}
    if name in {"project", "distinct"}:
        return _assigned(operator.body, columns)
    if name == "summarize":
        words = [token.text for token in operator.body]
        cut = words.index("by") if "by" in words else len(words)
        return {**_assigned(operator.body[:cut], columns), **_assigned(operator.body[cut + 1 :], columns)}
    if name == "project-away":
        gone = {token.text for token in operator.body if token.kind == "word"}
        return {column: kind for column, kind in columns.items() if column not in gone}
    if name in _TABULAR:
        return _joined(operator, columns)
    return columns


def _assigned(body: Words, columns: Columns) -> Columns:
    found: Columns = {}
    for item in items(body):
        target, expression = named(item)
        name = target.text if target else _path_name(expression)
        if name:
            found[name] = kind_of(expression, columns)
    return found


def _expanded(expansion: Expansion) -> Columns:
    found: Columns = {}
    for item in expansion.items:
        target, expression = named(item)
        cut = next((index for index, token in enumerate(expression) if token.text == "to"), len(expression))
        name = target.text if target else _path_name(expression[:cut])
        if name:
            found[name] = Kind.OTHER if cut < len(expression) else Kind.DYNAMIC
    if expansion.index_name:
        found[expansion.index_name] = Kind.OTHER
    return found


def _path_name(expression: Words) -> str | None:
    """Kusto names ``properties.a.b`` properties_a_b, and a call after itself: of those no name is certain."""
    if all(token.kind == "word" or token.text == "." for token in expression):
        return "_".join(token.text for token in expression if token.kind == "word") or None
    return None


def _joined(operator: Operator, columns: Columns) -> Columns:
    found = dict(columns)
    for query in operator.queries:
        for column, kind in before_each(query)[-1].items():
            free = column if column not in found or operator.name.text == "union" else f"{column}1"
            found.setdefault(free, kind)
    return found
