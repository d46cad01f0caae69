"""What Azure refuses or cuts short, and the embedded engine does not.

Source: Microsoft Learn, "Understanding the Azure Resource Graph query language" (tabular operators and their notes),
and observed answers. docs/sandbox-resource-graph.md grades each.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from lockdown.sandbox.resource_graph import errors
from lockdown.sandbox.resource_graph.outline import Pipeline, Stage, outline, splits
from lockdown.snapshot.kql import Token, line_of, significant
from lockdown.snapshot.tables import DYNAMIC, TABLES

DEFAULT_TABLE = "resources"
KNOWN_TABLES = TABLES - {"armresources"}
OPERATORS = frozenset(
    {"count", "distinct", "extend", "join", "limit", "mv-expand", "mvexpand", "order", "parse", "project"}
    | {"project-away", "sample", "sort", "summarize", "take", "top", "union", "where"}
)
JOIN_KINDS = frozenset({"innerunique", "inner", "leftouter", "fullouter"})
JOINS_AND_UNIONS = 3
EXPANSIONS = 3
EXPANDED_ROWS = 128
MOST_EXPANDED_ROWS = 2_000

_BEGINNINGS = frozenset(
    {"let", "set", "declare", "alias", "print", "range", "datatable", "externaldata", "find", "search", "evaluate"}
)
_EXPAND = frozenset({"mv-expand", "mvexpand"})
_BOUNDS = frozenset({"limit", "take", "sample"})
_JOIN_SPELLING = {
    name.lower(): name
    for name in (
        "LeftSemi",
        "LeftAnti",
        "LeftAntiSemi",
        "RightOuter",
        "RightSemi",
        "RightAnti",
        "RightAntiSemi",
        "Anti",
    )
}


@dataclass(frozen=True)
class Prepared:
    """A query that Azure would run.

    Attributes:
        text: the query for the engine, with Azure's silent cuts written out.
        tables: the tables that it reads, lower-case.
        bounded: it has a limit, take or sample, so that paging ends with the first page.
        timed: it reads the clock, so that its answer is good for one moment only.
        shift: how many characters ``text`` has before the query as it was written.
    """

    text: str
    tables: frozenset[str]
    bounded: bool
    timed: bool
    shift: int = 0


def prepare(query: str) -> Prepared:
    """Hold ``query`` to Azure's limits, and write out what Azure does silently.

    Raises:
        GraphError: Azure would refuse it.
    """
    text, words = _statement(query)
    shift = 0
    if words[0].text in OPERATORS - {"union"}:
        prefix = f"{DEFAULT_TABLE} | "
        text, shift = prefix + text, len(prefix)
    main = outline(text)
    _head(text, main)
    every = list(main.walk())
    _operators(text, every, shift)
    _joins(main, every)
    _dynamic_keys(main, every)
    tables = _tables(every)
    return Prepared(
        text=_cut_expansions(text, [stage for pipeline in every for stage in pipeline.stages]),
        tables=frozenset(tables),
        bounded=any(stage.operator in _BOUNDS for stage in main.stages),
        timed=any(word.text in {"now", "ago"} for word in words),
        shift=shift,
    )


def _statement(query: str) -> tuple[str, list[Token]]:
    words = significant(query)
    while words and words[-1].text == ";":
        query = query[: words[-1].start]
        words = words[:-1]
    if not words:
        raise errors.parser_failure(1, len(query), "<EOF>")
    if words[0].text in _BEGINNINGS:
        raise errors.unsupported_operator(words[0].text)
    if any(word.kind == "sign" and word.text == ";" for word in words):
        raise errors.unsupported_operator(";")
    return query, words


def _head(text: str, main: Pipeline) -> None:
    if main.source or not main.stages or main.stages[0].operator == "union":
        return
    first = main.stages[0].tokens
    if first and first[0].start == significant(text)[0].start:
        wrong = first[min(1, len(first) - 1)]
        raise _failure(text, wrong.start, wrong.text, 0)


def _operators(text: str, every: list[Pipeline], shift: int) -> None:
    for pipeline in every:
        for stage in pipeline.stages:
            if stage.operator and stage.operator not in OPERATORS:
                raise errors.unsupported_operator(stage.operator)
            if stage.operator in _EXPAND:
                _expansion(stage)
            if stage.operator == "where" and all(word.text in OPERATORS for word in stage.tokens):
                raise _unfinished(text, stage, shift)
    expansions = sum(stage.operator in _EXPAND for pipeline in every for stage in pipeline.stages)
    if expansions > EXPANSIONS:
        raise errors.over_limit(f"The query has {expansions} mv-expand operators; {EXPANSIONS} are allowed.")


def _unfinished(text: str, stage: Stage, shift: int) -> errors.GraphError:
    after = significant(text[stage.end :])
    if not after:
        return _failure(text, len(text.rstrip()), "<EOF>", shift)
    return _failure(text, stage.end + after[0].start, after[0].text, shift)


def _failure(text: str, at: int, token: str, shift: int) -> errors.GraphError:
    line = line_of(text, at)
    position = at - text.rfind("\n", 0, at) - 1
    return errors.parser_failure(line, position - (shift if line == 1 else 0), token)


def _expansion(stage: Stage) -> None:
    limit = _row_limit(stage)
    if limit is not None and limit > MOST_EXPANDED_ROWS:
        raise errors.over_limit(f"The row limit of mv-expand is {limit}; at most {MOST_EXPANDED_ROWS} is allowed.")


def _row_limit(stage: Stage) -> int | None:
    flat = stage.flat
    for before, after in pairwise(flat):
        if before.text == "limit" and after.kind == "number" and after.text.isdigit():
            return int(after.text)
    return None


def _cut_expansions(text: str, stages: list[Stage]) -> str:
    silent = [stage for stage in stages if stage.operator in _EXPAND and _row_limit(stage) is None]
    for end in sorted((stage.end for stage in silent), reverse=True):
        text = f"{text[:end]} limit {EXPANDED_ROWS}{text[end:]}"
    return text


def _joins(main: Pipeline, every: list[Pipeline]) -> None:
    for stage in (stage for pipeline in every for stage in pipeline.stages):
        if stage.operator == "join":
            _join(stage)
        if stage.operator == "union" and stage.option("isfuzzy").lower() == "true":
            raise errors.over_limit("Fuzzy resolution of the tables of a union is not allowed.")
    legs = [leg for pipeline in every for leg in pipeline.legs]
    whole = [*legs]
    if main.stages and main.stages[0].operator == "union" and not main.source:
        whole = whole[1:]
    if len(whole) > JOINS_AND_UNIONS:
        raise errors.over_limit(f"The query has {len(whole)} joins and unions; {JOINS_AND_UNIONS} are allowed.")
    _remote_tables(main, legs)


def _join(stage: Stage) -> None:
    kind = stage.option("kind") or "innerunique"
    if kind not in JOIN_KINDS:
        raise errors.unsupported_join(_JOIN_SPELLING.get(kind.lower(), kind))
    if any(word.text == "hint" for word in stage.flat):
        raise errors.over_limit("Custom join strategies are not allowed.")


def _remote_tables(main: Pipeline, legs: list[tuple[str, str]]) -> None:
    own = (main.source or (legs[0][1] if legs else "")).lower() or DEFAULT_TABLE
    local = {DEFAULT_TABLE, "resourcecontainers"}
    counted = Counter(name.lower() for _, name in legs if name.lower() not in local)
    for name, times in counted.items():
        if times > 1:
            raise errors.too_many_remote_tables(f"Table {name} is brought in {times} times; once is allowed.")
    crossing = [name.lower() for operator, name in legs if operator == "join" and name.lower() != own]
    if len(crossing) > 1 and not {own, *crossing} <= local:
        raise errors.too_many_remote_tables(
            f"The query joins {', '.join(sorted({own, *crossing}))}; one join across tables is allowed, "
            "more only between resources and resourcecontainers."
        )


def _tables(every: list[Pipeline]) -> set[str]:
    named = [pipeline.source for pipeline in every if pipeline.source]
    named += [name for pipeline in every for _, name in pipeline.legs if name]
    for name in named:
        if name.lower() not in KNOWN_TABLES:
            raise errors.unknown_table(name)
    return {name.lower() for name in named}


def _dynamic_keys(main: Pipeline, every: list[Pipeline]) -> None:
    words = [word for stage in main.stages for word in stage.tokens]
    assigned = {word.text for word, after in pairwise(words) if after.text == "="}
    for stage in (stage for pipeline in every for stage in pipeline.stages):
        for key in _keys(stage):
            if key and key[0].text in DYNAMIC - assigned and all(_is_path(word) for word in key):
                written = "".join(word.text for word in key)
                raise errors.unresolved(
                    f"The key ('{written}') of {stage.operator} is of a 'dynamic' type. Please use an explicit cast."
                )


def _keys(stage: Stage) -> Iterator[tuple[Token, ...]]:
    if stage.operator == "distinct":
        yield from splits(stage.tokens[1:], ",")
    elif stage.operator == "summarize":
        outside = {word.start for word in stage.flat}
        at = next((i for i, word in enumerate(stage.tokens) if word.text == "by" and word.start in outside), None)
        for part in splits(stage.tokens[at + 1 :], ",") if at is not None else ():
            yield splits(part, "=")[-1]


def _is_path(word: Token) -> bool:
    return word.kind in {"word", "string", "number"} or word.text in {".", "[", "]"}
