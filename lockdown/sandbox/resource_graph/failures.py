"""The engine's errors as Resource Graph's."""

import re

import duckdb
from duckdb_kql import KqlError, KqlSyntaxError

from lockdown.sandbox.resource_graph.errors import GraphError, beyond_sandbox, parser_failure, unresolved
from lockdown.snapshot.engine import QueryError

_TOKEN = re.compile(r"(?:input|token recognition error at:) '(.*?)'")
_COLUMN = re.compile(r'"([^"]+)"')


def refusal_of(error: QueryError, shift: int) -> GraphError:
    """Return what Resource Graph would answer, or that only the sandbox cannot run the query.

    Args:
        error: what the engine says of the query.
        shift: how many characters were put before the query as it was written.
    """
    cause = error.__cause__
    if isinstance(cause, KqlSyntaxError) and cause.diagnostics:
        first = cause.diagnostics[0]
        found = _TOKEN.search(first.message)
        position = first.span.column - (shift if first.span.line == 1 else 0)
        return parser_failure(first.span.line, max(0, position), found[1] if found else "")
    if isinstance(cause, duckdb.BinderException):
        named = _COLUMN.search(str(cause))
        what = f" named '{named[1]}'" if named else ""
        return unresolved(f"Failed to resolve column or scalar expression{what}.")
    if isinstance(cause, KqlError) or cause is None or isinstance(cause, duckdb.Error | RecursionError):
        return beyond_sandbox(f"The sandbox's engine: {error.message}.")
    raise error
