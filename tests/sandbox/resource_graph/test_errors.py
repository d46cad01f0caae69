"""Requests that are refused, in the shapes that Resource Graph gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.sandbox.resource_graph.body import VERSIONS, read
from lockdown.sandbox.resource_graph.errors import GraphError
from lockdown.sandbox.resource_graph.limits import prepare
from tests.sandbox.resource_graph.graph_client import PATH, GraphClient


@pytest.mark.parametrize(
    ("query", "line", "position", "token"),
    [
        ("where where", 1, 11, "<EOF>"),
        ("project id, location | where where", 1, 34, "<EOF>"),
        ("resources\n| where where | count", 2, 14, "|"),
        ("resources | where name ==", 1, 25, "<EOF>"),
        ("where name ==", 1, 13, "<EOF>"),
        ("resources where name", 1, 10, "where"),
        ("", 1, 0, "<EOF>"),
    ],
)
def test_a_parser_failure_tells_where(graph: GraphClient, query: str, line: int, position: int, token: str) -> None:
    if not query:
        with pytest.raises(GraphError) as caught:
            prepare(query)
        details: Any = caught.value.details
    else:
        response = graph.post(query)
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (400, "BadRequest")
        correlation = response.headers["x-ms-correlation-request-id"]
        assert error["message"].endswith(f"correlationId = {correlation}.")
        details = error["details"]
    assert details[0]["code"] == "InvalidQuery"
    failure = details[1]
    assert (failure["code"], failure["message"]) == ("ParserFailure", "ParserFailure")
    found = (failure["line"], failure["characterPositionInLine"], failure["token"])
    assert found == (line, position, token)
    assert len(failure["expectedToken"]) == 1


def test_a_column_that_is_not_there_is_named(graph: GraphClient) -> None:
    details = graph.post("resources | project widget").json()["error"]["details"]
    assert "'widget'" in details[1]["message"]


def test_an_operator_that_is_not_there_is_the_token(graph: GraphClient) -> None:
    detail = graph.post("resources | evaluate bag_unpack(tags)").json()["error"]["details"][1]
    assert detail == {
        "code": "InvalidQueryLanguage",
        "message": "InvalidQueryLanguage",
        "line": -1,
        "characterPositionInLine": -1,
        "token": "evaluate",
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_three_versions_are_served_and_all_answer_in_objects(graph: GraphClient, version: str) -> None:
    assert isinstance(graph.rows("resources", version=version), list)


@pytest.mark.parametrize(
    ("version", "status", "code"),
    [(None, 400, "MissingApiVersionParameter"), ("2019-04-01", 404, "InvalidResourceType")],
)
def test_other_versions_are_refused_as_arm_refuses_them(
    graph: GraphClient, version: str | None, status: int, code: str
) -> None:
    response = graph.post("resources", version=version)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_the_path_is_read_in_any_casing(graph: GraphClient) -> None:
    response = graph.arm.call("POST", PATH.lower(), {"query": "resources"}, version="2022-10-01")
    assert response.status_code == 200


def test_another_content_type_is_an_error_of_the_server(graph: GraphClient) -> None:
    graph.ask("resources")
    session, url = graph.arm.session, f"{graph.sandbox.url}{PATH}?api-version=2022-10-01"
    response = session.post(url, data='{"query": "resources"}', headers={"Content-Type": "text/plain"})
    assert response.status_code == 500


def test_without_a_token_nothing_is_answered(graph: GraphClient) -> None:
    session, url = graph.arm.session, f"{graph.sandbox.url}{PATH}?api-version=2022-10-01"
    assert session.post(url, json={"query": "resources"}, headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"query": ""},
        {"query": 1},
        {"queries": "resources"},
        {"query": "resources", "options": {"$top": 0}},
        {"query": "resources", "options": {"$top": "5"}},
        {"query": "resources", "options": {"$skip": -1}},
        {"query": "resources", "options": {"top": 5}},
        {"query": "resources", "options": {"resultFormat": "csv"}},
        {"query": "resources", "subscriptions": "all"},
        {"query": "resources", "facets": [{"options": {}}]},
        {"query": "resources", "facets": ["name"]},
        ["resources"],
    ],
)
def test_a_body_that_makes_no_sense_is_a_bad_request(graph: GraphClient, body: object) -> None:
    response = graph.arm.call("POST", PATH, body, version="2022-10-01")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "BadRequest")


def test_scopes_exclude_each_other(graph: GraphClient) -> None:
    assert graph.refusal("resources", subscriptions=["a"], managementGroups=["b"]) == (400, ["InvalidScope"])


def test_the_authorization_scope_filter_came_after_the_first_version(graph: GraphClient) -> None:
    options = {"authorizationScopeFilter": "AtScopeExact"}
    assert graph.refusal("resources", version="2021-03-01", options=options) == (400, ["InvalidRequestBody"])
    graph.ask("resources", version="2022-10-01", options=options)


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(lambda v: repr(v).encode()))
def test_no_body_is_more_than_refused(content: bytes) -> None:
    with pytest.raises(GraphError):
        read(content, "application/json", "2022-10-01")


WORDS = ["resources", "|", "where", "join", "kind", "=", "(", ")", "on", "id", ",", "union", "mv-expand", "limit", "5"]
MORE = ["'x'", '"', "[", "]", ".", ";", "summarize", "by", "let", "\n", "//", "count()"]


def status_of(query: str) -> int:
    """Return the status with which a query is refused before it is run, or 200."""
    try:
        prepare(query)
    except GraphError as refused:
        return refused.status
    return 200


@given(st.lists(st.sampled_from(WORDS + MORE) | st.text(max_size=4), max_size=14).map(" ".join))
def test_no_query_is_more_than_refused(query: str) -> None:
    assert status_of(query) in {200, 400}
