"""Translated SQL without the questions whose answers are known before it runs.

The translator knows no column types, so it asks ``typeof()`` around every comparison and every conversion to text, and
answers for each type: most of what the database then plans can never be reached. The types are known here: the tables
of a snapshot hold texts and JSON, and what follows from them follows from the expression. Each ``CASE`` on a known
``typeof()`` is replaced by the branch that it would take, a filter is written so that the database can skip what it
rules out, and nothing else is changed; what is not known stays as it was.

The tree is that of DuckDB's ``json_serialize_sql``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Node = dict[str, Any]
Columns = Mapping[str, str]
"""Lower-case column name to type; a column that is missing has a type that is not known."""

LOWER = "LOWER"
"""The type of a VARCHAR that is known to be in lower case."""

_NULL = "NULL"
_OPEN: Columns = {}
_TEXT = frozenset(
    {
        *("lower", "upper", "replace", "trim", "ltrim", "rtrim", "substring", "substr", "lpad", "rpad"),
        *("regexp_extract", "regexp_replace", "strftime", "typeof", "array_to_string"),
    }
)
_TRUTH = frozenset({"contains", "starts_with", "ends_with", "prefix", "suffix", "regexp_matches", "~~", "!~~"})
_JSON = frozenset({"to_json", "json_array", "json_object", "json_group_array", "array_to_json"})
_LISTS = frozenset({"list_concat", "list_slice", "list_value", "list_distinct", "flatten", "list"})
_COUNT = frozenset({"count", "count_star"})
_SAME = frozenset({"max", "min", "any_value", "first"})
_TRUE_OR_FALSE = frozenset({"OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "COMPARE_IN", "COMPARE_NOT_IN"})
_LITERALS = {"STRING": "VARCHAR", "BOOLEAN": "BOOLEAN", "INTEGER": "INTEGER", "NULL_LITERAL": _NULL}
_INT = 2**31


def fold(statement: Node, tables: Mapping[str, Columns]) -> None:
    """Simplify a serialized SELECT statement in place.

    Args:
        statement: one of ``statements`` of ``json_serialize_sql``.
        tables: for each table (lower-case name) the types of its columns: ``VARCHAR``, ``JSON`` or ``LOWER``.
    """
    _query(statement["node"], tables)


def _query(node: Node, tables: Mapping[str, Columns]) -> Columns:
    known = dict(tables)
    for entry in node.get("cte_map", {}).get("map", ()):
        value = entry["value"]
        columns = _query(value["query_node"], known)
        known[entry["key"].lower()] = _OPEN if value.get("aliases") else columns
    if node["type"] == "SELECT_NODE":
        return _select(node, known)
    if node.get("setop_type") == "UNION_BY_NAME":
        sides = [_query(child, known) for child in node["children"]]
        return {name: kind for name, kind in sides[0].items() if all(side.get(name) == kind for side in sides)}
    return _OPEN


def _select(node: Node, tables: Mapping[str, Columns]) -> Columns:
    folding = _Folding(tables)
    folding.enter(node["from_table"])
    found: dict[str, str] = {}
    for index, item in enumerate(node["select_list"]):
        if item["class"] == "STAR":
            found.update(folding.starred(item))
            continue
        folded, kind = folding.fold(item)
        if item["alias"] or folded is item:
            node["select_list"][index] = folded
        name = item["alias"] or (item["column_names"][-1] if item["class"] == "COLUMN_REF" else "")
        found.pop(name.lower(), None)
        if name and kind:
            found[name.lower()] = kind
    if node["where_clause"]:
        node["where_clause"] = _filter(folding.fold(node["where_clause"])[0])
    for key in ("having", "qualify"):
        if node.get(key):
            node[key] = folding.fold(node[key])[0]
    folding.children(node, "group_expressions")
    return found


class _Folding:
    """The relations that one SELECT names in its FROM, and what its expressions come to among them."""

    def __init__(self, tables: Mapping[str, Columns]) -> None:
        self._tables = tables
        self._relations: list[tuple[str, Columns]] = []

    def enter(self, source: Node) -> None:
        """Take in the relations of a FROM."""
        alias = str(source.get("alias") or "")
        columns = _OPEN
        if source["type"] == "JOIN":
            self.enter(source["left"])
            self.enter(source["right"])
            if source.get("condition"):
                source["condition"] = self.fold(source["condition"])[0]
            return
        if source["type"] == "BASE_TABLE":
            alias = alias or source["table_name"]
            columns = self._tables.get(source["table_name"].lower(), _OPEN)
        elif source["type"] == "SUBQUERY":
            columns = _query(source["subquery"]["node"], self._tables)
        self._relations.append((alias.lower(), _OPEN if source.get("column_name_alias") else columns))

    def starred(self, item: Node) -> Columns:
        """Return the columns that a star stands for, as far as they are known."""
        if any(item.get(key) for key in ("replace_list", "rename_list", "expr", "qualified_exclude_list")):
            return _OPEN
        left_out = {str(name).lower() for name in item.get("exclude_list", ())}
        columns = self._columns(item["relation_name"]) if item.get("relation_name") else self._only()
        return {name: kind for name, kind in columns.items() if name not in left_out}

    def fold(self, node: Node) -> tuple[Node, str]:
        """Return what stands for ``node``, and its type; '' if that is not known."""
        known = _FOLDS.get(node["class"])
        return known(self, node) if known else (node, "")

    def children(self, node: Node, key: str = "children") -> list[str]:
        """Fold the expressions of a list in place, and return their types."""
        folded = [self.fold(child) for child in node[key]]
        node[key] = [child for child, _ in folded]
        return [kind for _, kind in folded]

    def column(self, node: Node) -> tuple[Node, str]:
        """A column that exactly one relation can have."""
        *relation, name = node["column_names"]
        columns = self._columns(relation[-1]) if relation else self._only()
        return node, columns.get(name.lower(), "")

    def constant(self, node: Node) -> tuple[Node, str]:
        """A literal; an INTEGER only where DuckDB takes it for one."""
        literal = node["literal"]
        kind = _LITERALS.get(literal["kind"], "")
        return node, "" if kind == "INTEGER" and not -_INT <= int(literal["text"]) < _INT else kind

    def case(self, node: Node) -> tuple[Node, str]:
        """A CASE without the branches that cannot be taken."""
        checks: list[Node] = []
        kinds: list[str] = []
        last = node["else_expr"]
        for check in node["case_checks"]:
            taken = self._known(check["when_expr"])
            if taken is False:
                continue
            if taken:
                last = check["then_expr"]
                break
            check["when_expr"] = self.fold(check["when_expr"])[0]
            check["then_expr"], kind = self.fold(check["then_expr"])
            checks.append(check)
            kinds.append(kind)
        folded, kind = self.fold(last)
        if not checks:
            return {**folded, "alias": node["alias"]}, kind
        node["case_checks"] = checks
        node["else_expr"] = folded
        return node, _common([*kinds, kind])

    def cast(self, node: Node) -> tuple[Node, str]:
        """A cast; that of a text to a text is the text, and that of a list to JSON a list in JSON.

        DuckDB makes ``[NULL]`` of a list with a null where it casts one to JSON, and reading that ends the database.
        """
        node["child"], kind = self.fold(node["child"])
        target = node["type_expr"]
        name = str(target["type_name"]).upper()
        if name == "JSON" and node["child"].get("function_name") in _LISTS and not target.get("children"):
            return _call("to_json", node["child"], node), "JSON"
        if name == "VARCHAR" and kind in {"VARCHAR", LOWER} and not target.get("children"):
            return {**node["child"], "alias": node["alias"]}, kind
        return node, "" if target.get("children") else name

    def function(self, node: Node) -> tuple[Node, str]:
        """A call; what is inside a lambda is left alone, because its parameters hide columns."""
        name = node["function_name"]
        if any(argument["expression"]["class"] == "LAMBDA" for argument in node["arguments"]):
            return node, ""
        kinds: list[str] = []
        for argument in node["arguments"]:
            argument["expression"], kind = self.fold(argument["expression"])
            kinds.append(kind)
        if node.get("filter"):
            node["filter"] = _filter(self.fold(node["filter"])[0])
        if name == "lower" and len(kinds) == 1:
            return _lowered(node, kinds[0])
        if name in {"->>", "json_extract_string"}:
            return _unwrapped(node), "VARCHAR" if _plain_path(node) else ""
        return node, _result(name, kinds, node)

    def operator(self, node: Node) -> tuple[Node, str]:
        """COALESCE, NOT, IN, IS NULL and the like."""
        kinds = self.children(node)
        if node["type"] == "OPERATOR_COALESCE":
            return node, _common(kinds)
        return node, "BOOLEAN" if node["type"] in _TRUE_OR_FALSE else ""

    def conjunction(self, node: Node) -> tuple[Node, str]:
        """AND and OR."""
        self.children(node)
        return node, "BOOLEAN"

    def comparison(self, node: Node) -> tuple[Node, str]:
        """A comparison of two values, or of one with two ends."""
        for key in ("left", "right", "input", "lower", "upper"):
            if key in node:
                node[key] = self.fold(node[key])[0]
        return node, "BOOLEAN"

    def subquery(self, node: Node) -> tuple[Node, str]:
        """A query inside an expression."""
        _query(node["subquery"]["node"], self._tables)
        return node, ""

    def _known(self, node: Node) -> bool | None:
        """Return what a condition on ``typeof()`` of an expression of known type comes to; None for any other."""
        asked, *wanted = _operands(node)
        if asked.get("class") != "FUNCTION" or asked["function_name"] != "typeof":
            return None
        kind = self.fold(asked["arguments"][0]["expression"])[1]
        if kind in {"", _NULL} or any(
            self.fold(item)[1] != "VARCHAR" or item["class"] != "CONSTANT" for item in wanted
        ):
            return None
        name = "VARCHAR" if kind == LOWER else kind
        texts = [item["literal"]["text"] for item in wanted]
        if node["class"] == "FUNCTION":
            return re.fullmatch(".*".join(map(re.escape, texts[0].split("%"))), name) is not None
        return name in texts

    def _columns(self, alias: str) -> Columns:
        return next((columns for name, columns in self._relations if name == alias.lower()), _OPEN)

    def _only(self) -> Columns:
        return self._relations[0][1] if len(self._relations) == 1 else _OPEN


_FOLDS: Mapping[str, Callable[[_Folding, Node], tuple[Node, str]]] = {
    "BETWEEN": _Folding.comparison,
    "CASE": _Folding.case,
    "CAST": _Folding.cast,
    "COLUMN_REF": _Folding.column,
    "COMPARISON": _Folding.comparison,
    "CONJUNCTION": _Folding.conjunction,
    "CONSTANT": _Folding.constant,
    "FUNCTION": _Folding.function,
    "OPERATOR": _Folding.operator,
    "SUBQUERY": _Folding.subquery,
}


def _operands(node: Node) -> list[Node]:
    """Return what an equation, an IN or a LIKE compares: first what is asked about, then what with."""
    if node["type"] == "COMPARE_EQUAL":
        return [node["left"], node["right"]]
    if node["type"] == "COMPARE_IN":
        return list(node["children"])
    if node["class"] == "FUNCTION" and node["function_name"] == "~~":
        return [argument["expression"] for argument in node["arguments"]]
    return [{}]


def _result(name: str, kinds: list[str], node: Node) -> str:
    texts = set(kinds) <= {"VARCHAR", LOWER}
    answers = (
        (name in _TEXT or (name == "concat" and "VARCHAR" in kinds) or (name == "||" and texts), "VARCHAR"),
        (name in _TRUTH, "BOOLEAN"),
        (name in _COUNT, "BIGINT"),
        (name in _JSON or (name == "json_extract" and _plain_path(node)), "JSON"),
        (name in _SAME and len(kinds) == 1, kinds[0] if kinds else ""),
    )
    return next((kind for holds, kind in answers if holds), "")


def _lowered(node: Node, kind: str) -> tuple[Node, str]:
    inner = node["arguments"][0]["expression"]
    if kind == LOWER:
        return {**inner, "alias": node["alias"]}, LOWER
    if inner["class"] == "CONSTANT" and kind == "VARCHAR" and inner["literal"]["text"].isascii():
        literal = {**inner["literal"], "text": inner["literal"]["text"].lower()}
        return {**inner, "literal": literal, "alias": node["alias"]}, "VARCHAR"
    return node, "VARCHAR"


def _call(name: str, argument: Node, place: Node) -> Node:
    """Return a call of a function with one argument, for the place of another node."""
    return {
        "class": "FUNCTION",
        "type": "FUNCTION",
        "alias": place["alias"],
        "function_name": name,
        "schema": "",
        "query_location": place["query_location"],
        "filter": None,
        "distinct": False,
        "is_operator": False,
        "order_bys": {"type": "ORDER_MODIFIER", "orders": []},
        "export_state": False,
        "catalog": "",
        "arguments": [{"name": "", "expression": argument}],
        "qualified_name": {"path": [name]},
    }


def _unwrapped(node: Node) -> Node:
    """Read ``json_extract(x, path) ->> '$'`` as ``x ->> path``: one walk through the document instead of two."""
    inner, path = (argument["expression"] for argument in node["arguments"])
    whole = path["class"] == "CONSTANT" and path["literal"] == {"kind": "STRING", "text": "$"}
    if whole and inner["class"] == "FUNCTION" and inner["function_name"] == "json_extract" and _plain_path(inner):
        return {**node, "arguments": inner["arguments"]}
    return node


def _plain_path(node: Node) -> bool:
    path = node["arguments"][-1]["expression"]
    if path["class"] != "CONSTANT" or path["literal"]["kind"] != "STRING":
        return False
    text = str(path["literal"]["text"])
    return text.startswith("$") and "*" not in text


def _filter(node: Node) -> Node:
    """Write a condition for a place where null counts as false without saying so: then it can be used to skip rows."""
    if node["class"] == "CONJUNCTION":
        node["children"] = [_filter(child) for child in node["children"]]
    elif node["type"] == "OPERATOR_COALESCE":
        first, *rest = node["children"]
        if [item.get("literal") for item in rest] == [{"kind": "BOOLEAN", "text": "false"}]:
            return _filter({**first, "alias": node["alias"]})
    return node


def _common(kinds: list[str]) -> str:
    named = {kind for kind in kinds if kind != _NULL}
    if named == {"VARCHAR", LOWER}:
        return "VARCHAR"
    return named.pop() if len(named) == 1 else ""
