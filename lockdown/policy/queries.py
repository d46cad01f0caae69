"""A policy's query on the embedded engine, over empty tables: does it translate, and what does it return?"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from lockdown.errors import UsageError
from lockdown.model import Boundary, Policy
from lockdown.policy import boundary
from lockdown.snapshot.engine import Engine, QueryError
from lockdown.snapshot.kql import line_of, significant
from lockdown.snapshot.translations import Translated

_POSITION = re.compile(r"\bat (\d+):\d+")
_NAMED = re.compile(r"'(?:function:)?(\w+)'|the table (\w+) was not collected|column \"(\w+)\" not found")
_TRANSLATING = threading.Lock()
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_ANY_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"

EXAMPLE = Boundary(
    (_ANY_SUBSCRIPTION,),
    (f"/subscriptions/{_ANY_SUBSCRIPTION}/resourcegroups/any/providers/microsoft.network/virtualnetworks/any",),
    ("192.0.2.0/24",),
)
"""A boundary with one value of each kind, for checking queries that will run with another."""


@dataclass(frozen=True)
class QueryProblem:
    """Why a query cannot be used; ``line`` is where in query.kql, None if no place is to blame."""

    line: int | None
    message: str


def problem(policy: Policy, engine: Engine) -> QueryProblem | None:
    """Return why the query of ``policy`` does not translate over exactly the tables it reads, or None if it does.

    It is planned, so that a column that does not exist is found, and not run.
    """
    try:
        translated = translate(engine, _prepared(policy, engine))
        with engine.limits():
            engine.connection.execute(f"EXPLAIN {translated.sql}", translated.bind(_ANY_TIME) or None)
    except UsageError as error:
        place = re.match(r"line (\d+): ", error.message)
        return QueryProblem(int(place[1]), error.message[place.end() :]) if place else QueryProblem(None, error.message)
    except QueryError as error:
        message = error.message.removeprefix("the query failed on the data: ")
        return QueryProblem(_line(policy.query, message), f"{message}.")
    return None


def output(policy: Policy, engine: Engine) -> tuple[str, ...]:
    """Return the columns that the query of ``policy`` gives.

    Raises:
        QueryError: it cannot be translated or run.
    """
    bound = _prepared(policy, engine)
    translate(engine, bound)
    return tuple(column.name for column in engine.run(bound, _ANY_TIME).columns)


def translate(engine: Engine, query: str) -> Translated:
    """Translate a query, one at a time in this process: the translator's parser shares state between threads.

    The engine keeps the answer, so that running the query later does not translate again.

    Raises:
        QueryError: it cannot be translated.
    """
    with _TRANSLATING:
        return engine.translate(query)


def _prepared(policy: Policy, engine: Engine) -> str:
    bound = boundary.bind(policy.query, EXAMPLE)
    for table in engine.tables - policy.reads.keys():
        engine.drop(table)
    for table in policy.reads.keys() - engine.tables:
        engine.load_rows(table, ())
    return bound


def _line(query: str, message: str) -> int | None:
    position = _POSITION.search(message)
    if position:
        return int(position[1])
    named = _NAMED.search(message)
    wanted = next(filter(None, named.groups())) if named else None
    places = (token.start for token in significant(query) if token.text == wanted)
    return next((line_of(query, start) for start in places), None)
