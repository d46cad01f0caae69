"""The body of a query request, read strictly.

Source: azure-rest-api-specs, Microsoft.ResourceGraph, 2021-03-01, 2022-10-01 and 2024-04-01.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lockdown.sandbox.resource_graph.errors import SERVER_ERROR, GraphError, bad_request

VERSIONS = ("2021-03-01", "2022-10-01", "2024-04-01")
PAGE = 1000

_FILTERS = ("AtScopeAndBelow", "AtScopeAndAbove", "AtScopeExact", "AtScopeAboveAndBelow")
_BODY = frozenset({"query", "subscriptions", "managementGroups", "options", "facets"})
_OPTIONS = frozenset({"$top", "$skip", "$skipToken", "resultFormat", "allowPartialScopes", "authorizationScopeFilter"})
_FACET = frozenset({"expression", "options"})
_FACET_OPTIONS = frozenset({"sortBy", "sortOrder", "filter", "$top"})


@dataclass(frozen=True)
class Facet:
    """A count of the answer's rows by a column.

    Attributes:
        expression: the column, or columns separated by commas.
        sort_by: a column or expression; '' is the count.
        descending: the order.
        filter: what the rows must fulfil to be counted; '' is none.
        top: how many rows of the facet are returned, 1 to 1000.
    """

    expression: str
    sort_by: str = ""
    descending: bool = True
    filter: str = ""
    top: int = PAGE


@dataclass(frozen=True)
class Body:
    """What was asked for.

    Attributes:
        subscriptions: ids, lower-case; None when the key is absent, which means all.
        management_groups: names, lower-case; None when absent.
        top: rows a page, 1 to 1000, or None.
        skip: rows to leave out, or None.
        token: the ``$skipToken``, or ''.
        table: the result format: ``table``, else ``objectArray``.
        scope_filter: the authorizationScopeFilter.
    """

    query: str
    subscriptions: tuple[str, ...] | None = None
    management_groups: tuple[str, ...] | None = None
    top: int | None = None
    skip: int | None = None
    token: str = ""
    table: bool = False
    allow_partial_scopes: bool = False
    scope_filter: str = _FILTERS[0]
    facets: tuple[Facet, ...] = ()


def read(content: bytes, content_type: str, version: str) -> Body:
    """Read a request body.

    Raises:
        GraphError: it is not JSON, or a key is unknown, missing or of the wrong type.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise GraphError(SERVER_ERROR, "InternalServerError", "The content type must be application/json.")
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise bad_request("InvalidRequestBody", f"The request body is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise bad_request("InvalidRequestBody", "The request body must be a JSON object.")
    body = _known("", found, _BODY)
    allowed = _OPTIONS - ({"authorizationScopeFilter"} if version < VERSIONS[1] else frozenset())
    options = _known("options.", _object(body, "options"), allowed)
    subscriptions = _names(body, "subscriptions")
    groups = _names(body, "managementGroups")
    if subscriptions and groups:
        raise bad_request("InvalidScope", "subscriptions and managementGroups exclude each other.")
    return Body(
        query=_text(body, "query", required=True),
        subscriptions=subscriptions,
        management_groups=groups,
        top=_page_size(options, "options."),
        skip=_number(options, "$skip", "options."),
        token=_text(options, "$skipToken"),
        table=_choice(options, "resultFormat", ("objectArray", "table")) == "table",
        allow_partial_scopes=_flag(options, "allowPartialScopes"),
        scope_filter=_choice(options, "authorizationScopeFilter", _FILTERS),
        facets=tuple(_facet(item) for item in _list(body, "facets")),
    )


def _facet(item: object) -> Facet:
    if not isinstance(item, dict):
        raise bad_request("InvalidFacet", "Each of facets must be a JSON object.")
    facet = _known("facets.", item, _FACET)
    options = _known("facets.options.", _object(facet, "options"), _FACET_OPTIONS)
    return Facet(
        expression=_text(facet, "expression", required=True),
        sort_by=_text(options, "sortBy"),
        descending=_choice(options, "sortOrder", ("desc", "asc")) == "desc",
        filter=_text(options, "filter"),
        top=_page_size(options, "facets.options.") or PAGE,
    )


def _known(path: str, found: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
    unknown = sorted(found.keys() - allowed)
    if unknown:
        raise bad_request("InvalidRequestBody", f"{path}{unknown[0]} is not known at this api-version.")
    return {key: value for key, value in found.items() if value is not None}


def _wrong(key: str, wanted: str) -> GraphError:
    return bad_request("InvalidRequestBody", f"{key} must be {wanted}.")


def _text(found: Mapping[str, Any], key: str, *, required: bool = False) -> str:
    value = found.get(key, "")
    if not isinstance(value, str) or (required and not value.strip()):
        raise _wrong(key, "a string that is not empty" if required else "a string")
    return value


def _object(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = found.get(key, {})
    if not isinstance(value, dict):
        raise _wrong(key, "an object")
    return value


def _list(found: Mapping[str, Any], key: str) -> list[Any]:
    value = found.get(key, [])
    if not isinstance(value, list):
        raise _wrong(key, "an array")
    return value


def _names(found: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    names = _list(found, key)
    if not all(isinstance(name, str) and name for name in names):
        raise _wrong(key, "an array of strings")
    return tuple(sorted({name.lower() for name in names})) or None


def _number(found: Mapping[str, Any], key: str, path: str) -> int | None:
    value = found.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(path + key, "a whole number that is not negative")
    return value


def _page_size(found: Mapping[str, Any], path: str) -> int | None:
    value = _number(found, "$top", path)
    if value == 0:
        raise _wrong(f"{path}$top", "at least 1")
    return value if value is None else min(value, PAGE)


def _flag(found: Mapping[str, Any], key: str) -> bool:
    value = found.get(key, False)
    if not isinstance(value, bool):
        raise _wrong(key, "true or false")
    return value


def _choice(found: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    value = _text(found, key) or choices[0]
    for choice in choices:
        if choice.lower() == value.lower():
            return choice
    raise _wrong(key, f"one of {', '.join(choices)}")
