"""How much of what Resource Graph allows in one query a query uses.

Source: Microsoft Learn, "Understanding the Azure Resource Graph query language": joins and unions are counted together;
one join across tables, more only between resources and resourcecontainers; a union within one table or between these
two; another table is brought in once; ``mv-expand`` gives at most 400 rows of each record. Looser queries have been
seen to run; what is not promised is not relied on.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from lockdown.policy import lint_query, shape
from lockdown.policy.shape import Operator, Pipeline

LOCAL = frozenset({"resources", "resourcecontainers"})
"""The tables that may be joined with each other as often as joins are allowed."""

MAX_LEGS = lint_query.MAX_LEGS
_BRINGS = frozenset({"join", "union"})
_REFUSED = frozenset({"no-let", "no-command", "operator", "source", "join-kind", "dynamic-key"})
"""Rules of the linter that Resource Graph enforces."""


@dataclass(frozen=True)
class Use:
    """What a query uses.

    Attributes:
        tables: the tables that it reads, lower-case.
        joins: how many tables its joins and unions bring in.
        unions: how many unions it has.
        expansions: how many ``mv-expand``.
        allowed: it keeps to what is allowed in one query.
    """

    tables: frozenset[str]
    joins: int
    unions: int
    expansions: int
    allowed: bool

    @property
    def combines(self) -> bool:
        """Tell whether it may be a leg of a union with others of its kind."""
        return self.allowed and self.tables <= LOCAL and not self.unions


def use(query: str) -> Use:
    """Return what ``query`` uses."""
    root = shape.parse(query)
    pipelines = tuple(root.every())
    operators = [operator for pipeline in pipelines for operator in pipeline.operators]
    tables = frozenset(pipeline.source.text.lower() for pipeline in pipelines if pipeline.source)
    unions = sum(operator.name.text == "union" for operator in operators)
    leading = root.source is None and bool(root.operators) and root.operators[0].name.text == "union"
    joins = sum(max(1, len(operator.queries)) for operator in operators if operator.name.text in _BRINGS) - leading
    expansions = [operator for operator in operators if operator.name.text in shape.EXPANDS]
    allowed = (
        _REFUSED.isdisjoint(rule for _, rule, _ in lint_query.check(query))
        and joins <= lint_query.MAX_JOINS
        and len(expansions) <= lint_query.MAX_EXPANDS
        and all(_within(operator) for operator in expansions)
        and (tables <= LOCAL or (not unions or len(tables) == 1))
        and (tables <= LOCAL or _crossings(pipelines) <= 1)
        and all(times == 1 for times in _brought(pipelines).values())
    )
    return Use(tables, joins, unions, len(expansions), allowed)


def fit(uses: list[Use]) -> bool:
    """Tell whether queries fit into one query as the legs of a union."""
    return (
        len(uses) <= MAX_LEGS
        and all(each.combines for each in uses)
        and sum(each.joins for each in uses) + len(uses) - 1 <= lint_query.MAX_JOINS
        and sum(each.expansions for each in uses) <= lint_query.MAX_EXPANDS
    )


def divisible(query: str) -> bool:
    """Tell whether the answers for parts of a scope are, together, the answer for the whole.

    So it is where each row comes of one resource, and no other is looked at.
    """
    root = shape.parse(query)
    return len(tuple(root.every())) == 1 and all(
        operator.name.text != "summarize" or _by_id(operator) for operator in root.operators
    )


def _within(operator: Operator) -> bool:
    limit = shape.expansion(operator.body).limit
    return limit is not None and limit <= lint_query.EXPAND_LIMITS[0]


def _by_id(operator: Operator) -> bool:
    texts = [token.text for token in operator.body]
    by = operator.body[texts.index("by") + 1 :] if "by" in texts else ()
    return any([token.text for token in item] == ["id"] for item in shape.items(by))


def _crossings(pipelines: tuple[Pipeline, ...]) -> int:
    return sum(
        leg.source is not None and leg.source.text.lower() != pipeline.source.text.lower()
        for pipeline in pipelines
        if pipeline.source
        for operator in pipeline.operators
        for leg in operator.queries
    )


def _brought(pipelines: tuple[Pipeline, ...]) -> Counter[str]:
    """Count how often each table that is not local is brought in."""
    legs = (leg for pipeline in pipelines for operator in pipeline.operators for leg in operator.queries)
    return Counter(leg.source.text.lower() for leg in legs if leg.source and leg.source.text.lower() not in LOCAL)
