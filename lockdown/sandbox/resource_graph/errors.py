"""What Resource Graph answers when it refuses.

Shapes and texts are those of recorded or published answers; docs/sandbox-resource-graph.md says which one is which,
and which codes could not be observed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Detail = dict[str, str | int]

BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
NOT_IMPLEMENTED = 501

_INVALID_QUERY: Detail = {
    "code": "InvalidQuery",
    "message": (
        "Query is invalid. Please refer to the documentation for the Azure Resource Graph service "
        "and fix the error before retrying."
    ),
}


@dataclass
class GraphError(Exception):
    """An answer that is an error.

    Attributes:
        status: the HTTP status.
        code: the outer code.
        message: the outer message; '' gives the text that asks to name timestamp and correlation id to support.
        details: the inner errors.
        headers: headers that belong to this refusal.
    """

    status: int
    code: str
    message: str = ""
    details: tuple[Detail, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def errors(self) -> list[Detail]:
        """Return what went wrong, as the errors of a facet tell it."""
        return list(self.details) or [{"code": self.code, "message": self.message}]

    def body(self, now: datetime, correlation_id: str) -> dict[str, Any]:
        """Return the JSON body."""
        moment = now.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
        support = (
            "Please provide below info when asking for support: "
            f"timestamp = {moment}, correlationId = {correlation_id}."
        )
        error: dict[str, Any] = {"code": self.code, "message": self.message or support}
        if self.details:
            error["details"] = list(self.details)
        return {"error": error}


def bad_request(code: str, message: str) -> GraphError:
    """Return the refusal of a request whose body or options are wrong."""
    return GraphError(BAD_REQUEST, "BadRequest", details=({"code": code, "message": message},))


def invalid_query(*details: Detail) -> GraphError:
    """Return the refusal of a query."""
    return GraphError(BAD_REQUEST, "BadRequest", details=(_INVALID_QUERY, *details))


def parser_failure(line: int, position: int, token: str) -> GraphError:
    """Return the refusal of a query that is not KQL; ``line`` is 1-based, ``position`` 0-based."""
    return invalid_query(
        {
            "code": "ParserFailure",
            "message": "ParserFailure",
            "line": line,
            "characterPositionInLine": position,
            "token": token,
            "expectedToken": "Ǐ",
        }
    )


def unsupported_operator(word: str) -> GraphError:
    """Return the refusal of an operator that Resource Graph does not have."""
    return invalid_query(
        {
            "code": "InvalidQueryLanguage",
            "message": "InvalidQueryLanguage",
            "line": -1,
            "characterPositionInLine": -1,
            "token": word,
        }
    )


def unsupported_join(kind: str) -> GraphError:
    """Return the refusal of a join flavour."""
    message = f'The join kind "{kind}" is not supported or not allowed.'
    return invalid_query({"code": "UnsupportedJoinFlavor", "message": message})


def unknown_table(name: str) -> GraphError:
    """Return the refusal of a table that does not exist."""
    message = f"Logical table {name} is invalid, unsupported or disallowed."
    return invalid_query({"code": "DisallowedLogicalTableName", "message": message})


def too_many_remote_tables(message: str) -> GraphError:
    """Return the refusal of joins that reach for too many tables."""
    return invalid_query({"code": "DisallowedMaxNumberOfRemoteTables", "message": message})


def over_limit(message: str) -> GraphError:
    """Return the refusal of a query that goes beyond a documented limit whose own code was never observed."""
    return invalid_query({"code": "DisallowedQuery", "message": message})


def unresolved(message: str) -> GraphError:
    """Return the refusal of a query that parses, but names what is not there."""
    return invalid_query({"code": "Default", "message": message})


def beyond_sandbox(message: str) -> GraphError:
    """Return the refusal of a query that Azure may run and the sandbox's engine cannot."""
    text = f"{message} Azure may run this query. The sandbox refuses rather than guesses."
    return GraphError(NOT_IMPLEMENTED, "NotSupportedBySandbox", text)


def payload_too_large(size: int, limit: int) -> GraphError:
    """Return the refusal of an answer that is too large."""
    return bad_request(
        "ResponsePayloadTooLarge",
        f"Response payload size is {size}, and has exceeded the limit of {limit}. "
        "Please consider querying less data at a time and make paginated call if needed.",
    )


def access_denied() -> GraphError:
    """Return the refusal for a caller who can read nothing of what was asked for."""
    message = "Access is denied to the requested resource. The user might not have enough permission."
    return GraphError(FORBIDDEN, "AccessDenied", details=({"code": "AccessDenied", "message": message},))


def throttled(retry_after: int) -> GraphError:
    """Return the refusal for a caller whose quota is used up; ``retry_after`` in seconds."""
    message = (
        "Client application has been throttled and should not attempt to repeat the request until an amount of time "
        "has elapsed. Please see https://aka.ms/resourcegraph-throttling for help."
    )
    details: tuple[Detail, ...] = ({"code": "RateLimiting", "message": message},)
    return GraphError(TOO_MANY_REQUESTS, "RateLimiting", details=details, headers={"Retry-After": str(retry_after)})
