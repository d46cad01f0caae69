"""What Resource Graph, and a reviewer, ask of a query: rules over its shape.

Sources: Microsoft Learn, "Understanding the Azure Resource Graph query language" (operators, join kinds, limits), and
what the embedded engine is known to lack or to read differently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from lockdown.policy import shape
from lockdown.policy.shape import EXPANDS, Columns, Kind, Operator, Pipeline, Words, word_set
from lockdown.snapshot.kql import Token, significant
from lockdown.snapshot.tables import TABLES

OPERATORS = word_set(
    "count distinct extend join limit take mvexpand mv-expand order sort parse project project-away summarize top "
    "union where"
)
JOIN_KINDS = ("inner", "leftouter", "innerunique")
MAX_JOINS = MAX_EXPANDS = MAX_LEGS = 3
EXPAND_LIMITS = (400, 2000)

RULES: Mapping[str, str] = MappingProxyType(
    {
        "no-let": "one statement, without let or set: neither is documented for Resource Graph",
        "no-command": "no management command, and nothing that reads or writes outside the collected tables",
        "operator": "only the tabular operators that Resource Graph documents",
        "engine": "nothing that the embedded engine lacks or reads differently",
        "source": "every pipeline starts from a table of Resource Graph, in lower case",
        "join-kind": f"every join says kind= and it is one of {', '.join(JOIN_KINDS)}; no hints",
        "join-count": f"at most {MAX_JOINS} joins and unions, and {MAX_LEGS} legs in a union",
        "mv-expand": f"at most {MAX_EXPANDS}, each item named, with limit {EXPAND_LIMITS[0]} to {EXPAND_LIMITS[1]}",
        "dynamic-key": "join, group and distinct keys are not dynamic: wrap them in tostring()",
        "dynamic-comparison": "a dynamic is compared only through tostring(), toint(), tobool(), ...",
        "dynamic-mix": "iff(), case() and coalesce() do not mix a dynamic with a text",
        "id-casing": "no join on an id as its provider spelt it: use tolower()",
        "type-casing": "a type compared with == is written in lower case, as Resource Graph stores it",
        "column-case": "no two columns, and no column and its use, differ in casing only",
        "all-rows": "no limit, take, top, sample or count: every resource gets its row",
        "replay": "no rand() or new_guid(): a verdict must come out the same again",
    }
)

_MISSING = word_set(
    "string_size dynamic_to_json pack_all bag_keys buildschema hash make_bag bag_has_key bag_merge set_union "
    "set_difference jaccard_index treepath parse_version column_ifexists row_number bag_unpack"
)
_OUTSIDE = word_set(
    "externaldata external_table cluster database workspace app datatable materialize toscalar evaluate "
    "stored_query_result invoke"
)
_LOSES_ROWS = frozenset({"limit", "take", "top", "sample", "count"})
_COMPARISONS = frozenset({"==", "!=", "=~", "!~", "<", ">", "<=", ">=", "<>"})
_WORD_COMPARISONS = word_set(
    "in has has_cs hasprefix hassuffix has_any has_all contains contains_cs startswith startswith_cs endswith "
    "endswith_cs between matches"
)
_CHOOSES = frozenset({"iff", "iif", "case", "coalesce"})
_EXPRESSIONS = frozenset({"where", "extend", "project", "summarize", "distinct", "order", "sort", *EXPANDS})
_NOT_COLUMNS = word_set(
    "and or not in has has_cs hasprefix hassuffix has_any has_all contains contains_cs startswith startswith_cs "
    "endswith endswith_cs between matches regex by asc desc nulls first last true false null to typeof limit "
    "with_itemindex bagexpansion bool boolean string int long real double datetime timespan guid dynamic boundary"
)

Report = tuple[Token, str, str]


def check(query: str) -> Iterator[Report]:
    """Yield (token to blame, rule, message) for everything that is wrong with ``query``."""
    words = significant(query)
    if not words:
        return
    yield from _statement(words)
    yield from _calls(words)
    root = shape.parse(query)
    yield from _counts(root)
    for pipeline in root.every():
        yield from _source(pipeline)
        states = shape.before_each(pipeline)
        for operator, before, after in zip(pipeline.operators, states, states[1:], strict=False):
            for rule in (_operator, _join, _keys, _comparisons, _choices, _casing):
                yield from rule(operator, before, after)


def types_named(pipeline: Pipeline) -> Iterator[tuple[Token, bool]]:
    """Yield each literal that a ``where`` of this pipeline compares ``type`` with, and whether casing counts there."""
    for operator in pipeline.operators:
        if operator.name.text != "where":
            continue
        body = operator.body
        for index, token in enumerate(body):
            if token.text != "type" or (index and body[index - 1].text == "."):
                continue
            lowered = index > 1 and body[index - 1].text == "(" and body[index - 2].text == "tolower"
            yield from _literals(body, index + 2 if lowered else index + 1)


def _literals(body: Words, index: int) -> Iterator[tuple[Token, bool]]:
    if index + 1 >= len(body):
        return
    sign, following = body[index], body[index + 1]
    if sign.text in {"==", "=~"} and following.kind == "string":
        yield following, sign.text == "=="
    elif sign.text == "in":
        opening = index + 2 if following.text == "~" else index + 1
        if opening < len(body) and body[opening].text == "(":
            inside = body[opening + 1 : shape.partner(body, opening)]
            yield from ((token, following.text != "~") for token in inside if token.kind == "string")


def _statement(words: Words) -> Iterator[Report]:
    if words[0].text == ".":
        yield words[0], "no-command", "management commands are refused"
    for index, token in enumerate(words):
        if token.text == ";":
            yield token, "no-let", "only one statement is accepted"
        is_start = index == 0 or words[index - 1].text == ";"
        if is_start and token.text in {"let", "set", "declare", "alias", "restrict"}:
            yield token, "no-let", f"{token.text} is not documented for Resource Graph: write the expression out"


def _calls(words: Words) -> Iterator[Report]:
    for index, token in enumerate(words):
        if token.kind != "word":
            continue
        after = words[index + 1].text if index + 1 < len(words) else ""
        after_dot = index > 0 and words[index - 1].text == "."
        if after_dot and token.text == "count":
            yield token, "engine", "the engine does not read .count as a property: write ['count']"
        if after_dot or after != "(":
            continue
        if token.text in _OUTSIDE:
            yield token, "no-command", f"{token.text}() reaches beyond the collected tables"
        elif token.text in _MISSING or token.text.startswith(("ipv4_", "ipv6_")):
            yield token, "engine", f"the engine has no {token.text}()"
        elif token.text in {"rand", "new_guid"}:
            yield token, "replay", f"{token.text}() gives another value each time"
        elif token.text == "split" and len(shape.items(words[index + 2 : shape.partner(words, index + 1)])) > 2:  # noqa: PLR2004
            yield token, "engine", "the engine has no split() with an index: write split(text, separator)[index]"


def _counts(root: Pipeline) -> Iterator[Report]:
    joins = [o for p in root.every() for o in p.operators if o.name.text in {"join", "union"}]
    uses_arm = any(p.source is not None and p.source.text == "armresources" for p in root.every())
    for operator in joins[MAX_JOINS:] if not uses_arm else ():
        yield operator.name, "join-count", f"this is join or union number {joins.index(operator) + 1}"
    for operator in joins:
        legs = len(operator.queries) + (operator is not root.operators[0] or root.source is not None)
        if operator.name.text == "union" and legs > MAX_LEGS:
            yield operator.name, "join-count", f"this union has {legs} legs"
    expands = [o for p in root.every() for o in p.operators if o.name.text in EXPANDS]
    for operator in expands[MAX_EXPANDS:]:
        yield operator.name, "mv-expand", f"this is mv-expand number {expands.index(operator) + 1}"


def _source(pipeline: Pipeline) -> Iterator[Report]:
    if pipeline.source is not None and pipeline.source.text not in TABLES:
        yield pipeline.source, "source", f"{pipeline.source.text} is not a table of Resource Graph in lower case"


def _operator(operator: Operator, _before: Columns, _after: Columns) -> Iterator[Report]:
    name = operator.name
    if name.text not in OPERATORS:
        yield name, "operator", f"{name.text} is not an operator that Resource Graph documents"
    elif name.text == "parse":
        yield name, "engine", "the engine has no parse: use extract() or split()"
    elif name.text in _LOSES_ROWS:
        yield name, "all-rows", f"{name.text} would hide resources from judgement"
    if name.text == "where" and operator.body and operator.body[0].text == "*":
        yield operator.body[0], "engine", "the engine cannot search every column: name them"
    if name.text in EXPANDS:
        found = shape.expansion(operator.body)
        for item in found.items:
            target, expression = shape.named(item)
            if target is None and (len(expression) > 1 or not expression or expression[0].kind != "word"):
                yield name, "mv-expand", "name what it gives: mv-expand subnet = properties.subnets limit 400"
        if found.limit is None or not EXPAND_LIMITS[0] <= found.limit <= EXPAND_LIMITS[1]:
            yield name, "mv-expand", "Resource Graph cuts at 128 rows without a word: write limit 400 (at most 2000)"


def _join(operator: Operator, before: Columns, _after: Columns) -> Iterator[Report]:
    if operator.name.text != "join":
        return
    texts = [token.text for token in operator.body]
    kind = texts[2] if texts[:2] == ["kind", "="] else None
    if kind not in JOIN_KINDS:
        yield operator.name, "join-kind", f"write kind= and one of {', '.join(JOIN_KINDS)}"
    if "hint" in texts:
        yield operator.name, "join-kind", "Resource Graph takes no hints"
    right = shape.before_each(operator.queries[0])[-1] if operator.queries else {}
    for item in shape.items(operator.body[texts.index("on") + 1 :] if "on" in texts else ()):
        for index, token in enumerate(item):
            if token.kind != "word" or token.text.startswith("$"):
                continue
            side = item[index - 2].text if index > 1 and item[index - 1].text == "." else ""
            sides = {"$left": [before], "$right": [right]}.get(side, [before, right])
            kinds = {columns.get(token.text) for columns in sides}
            if Kind.DYNAMIC in kinds:
                yield token, "dynamic-key", f"{token.text} is dynamic: join on tostring() of it"
            if Kind.RAW_ID in kinds:
                yield token, "id-casing", f"{token.text} keeps its provider's casing: join on tolower({token.text})"


def _keys(operator: Operator, before: Columns, _after: Columns) -> Iterator[Report]:
    body = operator.body
    if operator.name.text == "summarize":
        by = next((index for index, token in enumerate(body) if token.text == "by"), None)
        body = body[by + 1 :] if by is not None else ()
    elif operator.name.text != "distinct":
        return
    for item in shape.items(body):
        _, expression = shape.named(item)
        if shape.kind_of(expression, before) is Kind.DYNAMIC:
            text = "".join(token.text for token in expression)
            yield expression[0], "dynamic-key", f"{text} is dynamic: group by tostring({text})"


def _comparisons(operator: Operator, before: Columns, _after: Columns) -> Iterator[Report]:
    body = operator.body if operator.name.text in _EXPRESSIONS else ()
    columns = before
    for index, token in enumerate(body):
        is_word = token.text in _WORD_COMPARISONS and index > 0 and body[index - 1].text not in {".", "(", ","}
        if token.text not in _COMPARISONS and not is_word:
            continue
        end = index - 1 if is_word and body[index - 1].text == "!" else index
        sides = [shape.operand_before(body, end)]
        if not is_word:
            sides.append(shape.operand_after(body, index + 1))
        for side in sides:
            if shape.kind_of(side, columns) is Kind.DYNAMIC:
                text = "".join(part.text for part in side)
                message = f"{text} is dynamic: compare tostring({text}), or tobool(), toint(), ... of it"
                yield side[0], "dynamic-comparison", message


def _choices(operator: Operator, before: Columns, _after: Columns) -> Iterator[Report]:
    body = operator.body
    for index, token in enumerate(body[:-1]):
        if token.text not in _CHOOSES or body[index + 1].text != "(":
            continue
        arguments = shape.items(body[index + 2 : shape.partner(body, index + 1)])
        chosen = _chosen(token.text, arguments)
        has_text = any(len(argument) == 1 and argument[0].kind == "string" for argument in chosen)
        dynamic = [argument for argument in chosen if shape.kind_of(argument, before) is Kind.DYNAMIC]
        if has_text and dynamic:
            text = "".join(part.text for part in dynamic[0])
            yield token, "dynamic-mix", f"{text} is dynamic and another choice is a text: write tostring({text})"


def _chosen(function: str, arguments: list[Words]) -> list[Words]:
    if function == "coalesce":
        return arguments
    if function == "case":
        return [*arguments[1:-1:2], *arguments[-1:]]
    return arguments[1:]


def _casing(operator: Operator, before: Columns, after: Columns) -> Iterator[Report]:
    if operator.name.text not in _EXPRESSIONS:
        return
    spelled = {name.lower(): name for name in before}
    for name in after:
        other = spelled.get(name.lower(), name)
        if other != name and operator.name.text in {"extend", *EXPANDS}:
            yield operator.name, "column-case", f"{name} and {other} differ in casing only"
    for index, token in enumerate(operator.body):
        previous = operator.body[index - 1].text if index else ""
        following = operator.body[index + 1].text if index + 1 < len(operator.body) else ""
        if token.kind != "word" or previous == "." or following in {"(", "="} or token.text in _NOT_COLUMNS:
            continue
        other = spelled.get(token.text.lower(), token.text)
        if other != token.text and token.text not in after:
            yield token, "column-case", f"the column is spelt {other}"
