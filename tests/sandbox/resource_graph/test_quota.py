"""The quota of queries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.resource_graph.graph_client import GraphClient

REMAINING = "x-ms-user-quota-remaining"


@pytest.fixture
def metered() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        yield sandbox


def test_fifteen_queries_in_five_seconds_and_a_refused_one_is_a_query_too(metered: Sandbox) -> None:
    graph = GraphClient(metered)
    queries = ["resources", "where where", *["resources | count"] * 13]
    responses = [graph.post(query) for query in queries]
    assert [response.headers[REMAINING] for response in responses] == [str(left) for left in range(14, -1, -1)]
    assert [response.status_code for response in responses] == [200, 400, *[200] * 13]
    assert responses[0].headers["x-ms-user-quota-resets-after"] == "00:00:05"
    assert responses[0].headers["x-ms-ratelimit-remaining-tenant-resource-requests"] == "14"
    graph.arm.close()


def test_the_sixteenth_is_throttled_until_the_window_ends(metered: Sandbox) -> None:
    graph = GraphClient(metered)
    for _ in range(15):
        graph.ask("resources")
    refused = graph.post("resources")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["details"][0]["code"]) == (429, "RateLimiting", "RateLimiting")
    assert "correlationId = " in error["message"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 5
    assert refused.headers[REMAINING] == "0"
    metered.clock.advance(int(refused.headers["Retry-After"]))
    assert graph.post("resources").headers[REMAINING] == "14"
    graph.arm.close()


def test_each_principal_has_its_own(metered: Sandbox) -> None:
    owner, auditor = GraphClient(metered), GraphClient(metered, "auditor")
    owner.ask("resources")
    assert auditor.post("resources").headers[REMAINING] == "14"
    owner.arm.close()
    auditor.arm.close()


def test_without_quota_the_headers_are_there_and_never_fall(graph: GraphClient) -> None:
    responses = [graph.post("resources") for _ in range(20)]
    assert {(response.status_code, response.headers[REMAINING]) for response in responses} == {(200, "15")}
    assert responses[0].headers["x-ms-resource-graph-request-duration"].startswith("0:00:00:0")
