"""Facets, as the example of the REST specification has them."""

from __future__ import annotations

import pytest

from tests.sandbox.resource_graph.graph_client import GraphClient, resource

QUERY = "resources | project id, name, location, resourceGroup, properties.os.type | order by id asc"


@pytest.fixture(scope="module", autouse=True)
def documents(graph: GraphClient) -> None:
    sub = graph.sandbox.subscription
    for index, place in enumerate(("eastus", "eastus", "eastus", "westus")):
        system = {"os": {"type": "Linux" if index else "Windows"}}
        graph.put(resource(sub, "Microsoft.X/ys", f"r{index}", rg=f"rg-{index}", location=place, properties=system))


def test_a_facet_counts_the_rows_by_a_column(graph: GraphClient) -> None:
    (facet,) = graph.ask(QUERY, facets=[{"expression": "location"}])["facets"]
    assert facet == {
        "expression": "location",
        "resultType": "FacetResult",
        "totalRecords": 2,
        "count": 2,
        "data": [{"location": "eastus", "count": 3}, {"location": "westus", "count": 1}],
    }


def test_a_path_means_the_column_that_it_was_projected_to(graph: GraphClient) -> None:
    (facet,) = graph.ask(QUERY, facets=[{"expression": "properties.os.type"}])["facets"]
    assert facet["data"][0] == {"properties_os_type": "Linux", "count": 3}


def test_filter_order_and_size(graph: GraphClient) -> None:
    options = {"filter": "location == 'eastus'", "sortBy": "tolower(resourceGroup)", "sortOrder": "asc", "$top": 2}
    (facet,) = graph.ask(QUERY, facets=[{"expression": "resourceGroup", "options": options}])["facets"]
    assert (facet["totalRecords"], facet["count"]) == (3, 2)
    assert [row["resourceGroup"] for row in facet["data"]] == ["rg-0", "rg-1"]


def test_a_facet_counts_what_the_query_left_after_its_limit(graph: GraphClient) -> None:
    (facet,) = graph.ask(f"{QUERY} | limit 2", facets=[{"expression": "location"}])["facets"]
    assert facet["data"] == [{"location": "eastus", "count": 2}]


def test_a_facet_that_is_wrong_leaves_the_answer_good(graph: GraphClient) -> None:
    wrong = [{"expression": "nonExistingColumn"}, {"expression": "location", "options": {"filter": "nope == 1"}}]
    answer = graph.ask(QUERY, facets=wrong)
    assert answer["count"] == 4
    first, second = answer["facets"]
    assert first == {
        "expression": "nonExistingColumn",
        "resultType": "FacetError",
        "errors": [
            {"code": "NoValidColumns", "message": "No valid columns in facet expression."},
            {"code": "InvalidColumnNames", "message": "Invalid column names: [nonExistingColumn]."},
        ],
    }
    assert second["resultType"] == "FacetError"


def test_facets_come_in_the_format_that_was_asked_for(graph: GraphClient) -> None:
    (facet,) = graph.ask(QUERY, facets=[{"expression": "location"}], options={"resultFormat": "table"})["facets"]
    assert facet["data"]["columns"] == [{"name": "location", "type": "string"}, {"name": "count", "type": "integer"}]


def test_a_filter_is_held_to_the_limits_of_a_query(graph: GraphClient) -> None:
    options = {"filter": "1 == 1 | lookup (resourcecontainers) on id"}
    (facet,) = graph.ask(QUERY, facets=[{"expression": "location", "options": options}])["facets"]
    assert [error["code"] for error in facet["errors"]] == ["InvalidQuery", "InvalidQueryLanguage"]
