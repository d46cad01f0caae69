"""Where Azure refuses or cuts short, and the bare engine does not: each limit with a query on which the two differ."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from lockdown.sandbox.resource_graph.limits import prepare
from lockdown.sandbox.resource_graph.normal import row
from lockdown.snapshot.engine import Engine
from tests.sandbox.resource_graph.graph_client import GraphClient, resource

NOW = datetime(2026, 11, 24, tzinfo=UTC)
RULES = [{"name": f"rule-{index:03}"} for index in range(200)]
JOIN = " | join kind=inner (resources | project id) on id"


@pytest.fixture(scope="module", autouse=True)
def documents(graph: GraphClient) -> None:
    sub = graph.sandbox.subscription
    graph.put(resource(sub, "Microsoft.Network/networkSecurityGroups", "nsg", properties={"securityRules": RULES}))


@pytest.fixture(scope="module")
def bare() -> Iterator[Engine]:
    with Engine() as engine:
        row = {"id": "/x", "name": "nsg", "type": "t", "properties": {"securityRules": RULES}}
        engine.load_rows("resources", [row])
        engine.load_rows("armresources", [row])
        for table in ("resourcecontainers", "networkresources", "policyresources"):
            engine.load_rows(table, [])
        yield engine


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("let n = 1; resources | where name == 'nsg' | extend n = n", "InvalidQueryLanguage"),
        ("resources | lookup kind=leftouter (resourcecontainers | project subscriptionId) on subscriptionId", "="),
        ("resources | project-rename called = name", "InvalidQueryLanguage"),
        ("resources | join kind=leftanti (resourcecontainers | project id) on id", "UnsupportedJoinFlavor"),
        ("resources | join kind=rightouter (resourcecontainers | project id) on id", "UnsupportedJoinFlavor"),
        ("resources" + JOIN * 4, "DisallowedQuery"),
        ("resources" + JOIN * 2 + " | union resourcecontainers, networkresources", "DisallowedQuery"),
        (
            (
                "resources | mv-expand a = properties.securityRules | mv-expand b = properties.securityRules limit 1"
                " | mv-expand c = properties.securityRules limit 1 | mv-expand d = properties.securityRules limit 1"
            ),
            "DisallowedQuery",
        ),
        ("resources | mv-expand r = properties.securityRules limit 2001", "DisallowedQuery"),
        (
            (
                "resources | join kind=leftouter (networkresources | project id) on id"
                " | join kind=leftouter (networkresources | project id, name) on id"
            ),
            "DisallowedMaxNumberOfRemoteTables",
        ),
        (
            (
                "resources | join kind=leftouter (networkresources | project id) on id"
                " | join kind=leftouter (resourcecontainers | project id) on id"
            ),
            "DisallowedMaxNumberOfRemoteTables",
        ),
        ("armresources", "DisallowedLogicalTableName"),
        ("resources | summarize count() by properties.securityRules", "Default"),
        ("resources | distinct tags", "Default"),
    ],
)
def test_azure_refuses_what_the_engine_runs(graph: GraphClient, bare: Engine, query: str, code: str) -> None:
    bare.run(query, NOW)
    expected = "InvalidQueryLanguage" if code == "=" else code
    assert graph.refusal(query) == (400, ["InvalidQuery", expected])


@pytest.mark.parametrize(
    ("written", "rows"), [("", 128), (" limit 200", 200), (" limit 3", 3), (" to typeof(string)", 128)]
)
def test_mv_expand_is_cut_silently_to_128_rows_a_record(
    graph: GraphClient, bare: Engine, written: str, rows: int
) -> None:
    query = f"resources | where name == 'nsg' | mv-expand rule = properties.securityRules{written} | count"
    assert graph.rows(query) == [{"Count": rows}]
    assert bare.run(query, NOW).rows == [(rows if "limit" in written else 200,)]


def test_the_older_spelling_is_cut_too_and_so_is_one_inside_a_join(graph: GraphClient) -> None:
    assert graph.rows("resources | mvexpand rule = properties.securityRules | count") == [{"Count": 128}]
    inside = (
        "resources | project id | join kind=inner (resources | mv-expand r = properties.securityRules) on id | count"
    )
    assert graph.rows(inside) == [{"Count": 128}]


def test_an_unknown_table_is_named(graph: GraphClient) -> None:
    details = graph.post("resources | union widgets").json()["error"]["details"]
    assert details[1]["message"] == "Logical table widgets is invalid, unsupported or disallowed."


@pytest.mark.parametrize(
    "query",
    [
        (
            "Resources | join kind=leftouter (ResourceContainers | project subscriptionId, s = name) on subscriptionId"
            " | join kind=leftouter (resourcecontainers | project resourceGroup, g = name) on resourceGroup"
            " | join kind=fullouter (Resources | project id) on id | count"
        ),
        "union resources, resourcecontainers | summarize count() by type",
        "resources | union (resourcecontainers | where type has 'groups') | count",
        "summarize count()",
        "where type =~ 'microsoft.network/networksecuritygroups' | project name | limit 1",
        "resources | extend tags = tostring(tags) | summarize count() by tags",
        "resources | project kind, id;  ",
        "resources // a | lookup in a comment; let\n| where name != '| lookup x' | count",
    ],
)
def test_what_azure_documents_is_run(graph: GraphClient, query: str) -> None:
    graph.ask(query)


def test_the_tables_of_a_query_are_found_wherever_they_stand() -> None:
    query = (
        "resources | where id in (networkresources | project id) | join kind=inner (policyresources"
        " | union dnsresources) on id"
    )
    assert prepare(query).tables == {"resources", "networkresources", "policyresources", "dnsresources"}


def test_a_query_that_only_the_sandbox_cannot_run_is_not_blamed_on_the_query(graph: GraphClient) -> None:
    response = graph.post("resources | sample 1")
    assert (response.status_code, response.json()["error"]["code"]) == (501, "NotSupportedBySandbox")


@pytest.mark.parametrize(
    ("query", "text", "count", "outcome"),
    [
        ("resources | where type == 'microsoft.many/small' | limit 1100", "", 1100, (1000, "true")),
        ("resources | where type == 'microsoft.many/large'", "x" * 60_000, 300, "ResponsePayloadTooLarge"),
    ],
)
def test_what_the_engine_returns_whole_azure_cuts_or_refuses(
    graph: GraphClient, query: str, text: str, count: int, outcome: object
) -> None:
    sub, kind = graph.sandbox.subscription, "Microsoft.Many/large" if text else "Microsoft.Many/small"
    documents = [resource(sub, kind, f"m{index}", properties={"text": text}) for index in range(count)]
    with Engine() as engine:
        engine.load_rows("resources", [row(document, graph.sandbox.tenant) for document in documents])
        assert len(engine.run(query, NOW).rows) == count
    graph.put(*documents)
    answer = graph.post(query).json()
    if "error" in answer:
        assert answer["error"]["details"][0]["code"] == outcome
    else:
        assert (answer["count"], answer["resultTruncated"]) == outcome
        assert "$skipToken" not in answer
