"""Pages, tokens and the two result formats."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from lockdown.sandbox.resource_graph.answers import Answers
from lockdown.sandbox.resource_graph.body import Body
from lockdown.sandbox.resource_graph.limits import prepare
from lockdown.sandbox.resource_graph.service import LARGEST
from tests.sandbox.resource_graph.graph_client import GraphClient, accounts, group, resource

ALL = "resources | where type == 'microsoft.storage/storageaccounts' | project id, name | order by id asc"
COUNT = 2_300


@pytest.fixture(scope="module", autouse=True)
def documents(graph: GraphClient) -> None:
    graph.sandbox.state.seed([group(graph.sandbox.subscription, "RG-One")])
    graph.sandbox.state.seed(accounts(graph.sandbox.subscription, COUNT))


def pages(graph: GraphClient, query: str, **options: Any) -> list[dict[str, Any]]:
    found = [graph.ask(query, options=options)]
    while "$skipToken" in found[-1]:
        found.append(graph.ask(query, options={"$skipToken": found[-1]["$skipToken"]}))
    return found


def test_a_page_has_a_thousand_rows_and_the_token_leads_to_the_next(graph: GraphClient) -> None:
    found = pages(graph, ALL)
    assert [page["count"] for page in found] == [1000, 1000, 300]
    assert [page["resultTruncated"] for page in found] == ["true", "true", "false"]
    assert {page["totalRecords"] for page in found} == {COUNT}
    assert all(page["facets"] == [] for page in found)
    names = [row["name"] for page in found for row in page["data"]]
    assert len(names) == len(set(names)) == COUNT


@pytest.mark.parametrize(("top", "counts"), [(900, [900, 900, 500]), (5_000, [1000, 1000, 300])])
def test_top_is_the_size_of_a_page_up_to_a_thousand(graph: GraphClient, top: int, counts: list[int]) -> None:
    assert [page["count"] for page in pages(graph, ALL, **{"$top": top})] == counts


def test_skip_leaves_out_rows(graph: GraphClient) -> None:
    found = graph.ask(ALL, options={"$top": 2, "$skip": 2_297})
    assert (found["count"], found["totalRecords"]) == (2, COUNT)
    assert len(graph.rows(ALL, options={"$skipToken": found["$skipToken"]})) == 1


def test_top_and_skip_override_what_the_token_carries(graph: GraphClient) -> None:
    token = graph.ask(ALL)["$skipToken"]
    found = graph.ask(ALL, options={"$skipToken": token, "$top": 3, "$skip": 0})
    assert found["data"] == graph.rows(ALL, options={"$top": 3})


@pytest.mark.parametrize(
    "change",
    [{"query": "resources | project id | order by id asc"}, {"subscriptions": True}, {"token": "bm9uc2Vuc2U="}],
)
def test_a_token_is_good_for_its_own_query_and_scope_only(graph: GraphClient, change: dict[str, Any]) -> None:
    token = change.get("token") or graph.ask(ALL)["$skipToken"]
    body = {"subscriptions": [graph.sandbox.subscription]} if "subscriptions" in change else {}
    refused = graph.refusal(change.get("query", ALL), options={"$skipToken": token}, **body)
    assert refused == (400, ["InvalidSkipToken"])


def test_a_token_of_somebody_else_is_refused(graph: GraphClient, auditor: GraphClient) -> None:
    token = graph.ask(ALL)["$skipToken"]
    assert auditor.refusal(ALL, options={"$skipToken": token}) == (400, ["InvalidSkipToken"])


@pytest.mark.parametrize("skip", [-1, True, "1", 10**30])
def test_a_forged_token_is_refused(graph: GraphClient, skip: object) -> None:
    told = orjson.loads(base64.b64decode(graph.ask(ALL)["$skipToken"]))
    forged = base64.b64encode(repr({**told, "RowsToSkip": skip}).replace("'", '"').encode()).decode()
    response = graph.post(ALL, options={"$skipToken": forged})
    assert (response.status_code, response.json().get("count")) in {(400, None), (200, 0)}


@pytest.mark.parametrize("bound", ["limit 1500", "take 1500"])
def test_a_query_with_its_own_limit_gets_no_token(graph: GraphClient, bound: str) -> None:
    found = graph.ask(f"{ALL} | {bound}")
    assert (found["count"], found["totalRecords"], found["resultTruncated"]) == (1000, 1500, "true")
    assert "$skipToken" not in found


def test_a_limit_that_is_met_is_a_whole_answer(graph: GraphClient) -> None:
    found = graph.ask(f"{ALL} | limit 7", options={"$skip": 5})
    assert (found["count"], found["totalRecords"], found["resultTruncated"]) == (7, 7, "false")


def test_an_answer_of_dynamic_columns_alone_gets_no_token(graph: GraphClient) -> None:
    found = graph.ask("resources | project properties, properties.n")
    assert (found["count"], found["resultTruncated"], "$skipToken" in found) == (1000, "true", False)


def test_the_table_format_names_and_types_its_columns(graph: GraphClient) -> None:
    query = (
        "resources | where name == 'a00003' | project name, n = toint(properties.n), half = todouble(properties.n) / 2,"
        " odd = properties.n == 3, properties, at = datetime(2026-01-02T03:04:05Z), took = 90m"
    )
    found = graph.ask(query, options={"resultFormat": "table"})["data"]
    assert found["columns"] == [
        {"name": "name", "type": "string"},
        {"name": "n", "type": "integer"},
        {"name": "half", "type": "number"},
        {"name": "odd", "type": "boolean"},
        {"name": "properties", "type": "object"},
        {"name": "at", "type": "datetime"},
        {"name": "took", "type": "object"},
    ]
    assert found["rows"] == [["a00003", 3, 1.5, True, {"n": 3}, "2026-01-02T03:04:05Z", "01:30:00"]]


def test_columns_are_named_after_their_paths_and_joined_ones_are_numbered(graph: GraphClient) -> None:
    query = (
        "resources | where name == 'a00003' | project subscriptionId, properties.n"
        " | join kind=inner (resourcecontainers | where type == 'microsoft.resources/subscriptions'"
        " | project subscriptionId, name) on subscriptionId"
    )
    row = graph.rows(query)[0]
    assert row.keys() == {"subscriptionId", "properties_n", "subscriptionId1", "name"}


def test_lists_of_dynamic_values_hold_values(graph: GraphClient) -> None:
    row = graph.rows("resources | where name in ('a00001') | summarize found = make_list(properties)")[0]
    assert row == {"found": [{"n": 1}]}


def test_an_answer_over_sixteen_megabytes_is_refused(graph: GraphClient) -> None:
    sub = graph.sandbox.subscription
    graph.put(*(resource(sub, "Microsoft.Big/things", f"b{n}", properties={"text": "x" * 60_000}) for n in range(300)))
    query = "resources | where type == 'microsoft.big/things'"
    response = graph.post(query)
    (detail,) = response.json()["error"]["details"]
    assert detail["code"] == "ResponsePayloadTooLarge"
    assert f"exceeded the limit of {LARGEST}" in detail["message"]
    assert graph.ask(query, options={"$top": 100})["count"] == 100


def test_pages_of_an_answer_cost_one_execution(graph: GraphClient) -> None:
    answers = Answers(graph.sandbox.state, 0.0)
    caller = graph.sandbox.identity.applications["owner"].principal
    body, query = Body(ALL), prepare(ALL)
    first = answers.answer(body, query, caller, "digest")
    assert answers.answer(body, query, caller, "digest") is first
    graph.put(resource(graph.sandbox.subscription, "Microsoft.Storage/storageAccounts", "new"))
    assert len(answers.answer(body, query, caller, "digest").answer.rows) == COUNT + 1


def test_a_query_that_reads_the_clock_is_run_anew(graph: GraphClient) -> None:
    query = "resourcecontainers | take 1 | project at = now()"
    before = graph.rows(query)
    graph.sandbox.clock.advance(60)
    assert graph.rows(query) != before
