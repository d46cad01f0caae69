"""What policies ask of Resource Graph: which can, in which words, and in how few queries."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest

from lockdown.model import Boundary, Policy, Severity
from lockdown.policy import allowance, lint, shape
from lockdown.policy.load import PolicySet, load
from lockdown.policy.questions import as_of, batches, judged_there, names_secret, question, text
from lockdown.policy.redaction import Redaction
from lockdown.sandbox.resource_graph.errors import GraphError
from lockdown.sandbox.resource_graph.limits import prepare
from lockdown.snapshot.answers import COLUMNS, Question
from lockdown.snapshot.redact import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MOMENT = "datetime(2026-01-02T03:04:05Z)"
SUB = "00000000-0000-0000-0000-000000000001"
INSIDE = Boundary((SUB,))
COLUMN = "id, verdict = 'pass', reason = '', expected = '', observed = ''"
JOIN = "\n| join kind=leftouter (resources | project id = tolower(id)) on id"
FAR = "\n| join kind=leftouter (networkresources | project id = tolower(id)) on id"
EXPAND = "\n| mv-expand x = properties.list limit 400"


@cache
def shipped() -> PolicySet:
    return load(translate=False)


def policy(query: str, name: str = "one", **reads: tuple[str, ...]) -> Policy:
    empty = {"rationale": "", "remediation": "", "command": "", "controls": ()}
    kinds = ("microsoft.storage/storageaccounts",)
    return Policy(name, "theme", "Title", Severity.HIGH, kinds, reads or {"resources": kinds}, query=query, **empty)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("a > now()", f"a > {MOMENT}"),
        ("a > now( )", f"a > {MOMENT}"),
        ("a > now(-1d)", f"a > ({MOMENT} + (-1d))"),
        ("a > ago(1d)", f"a > ({MOMENT} - (1d))"),
        ("a > ago (f(1d))", f"a > ({MOMENT} - (f(1d)))"),
        ("a > ago(b - ago(1h))", f"a > ({MOMENT} - (b - ({MOMENT} - (1h))))"),
        ("'now()' // now()", "'now()' // now()"),
        ("properties.now(1)", "properties.now(1)"),
        ("now = 1 | extend ago = now", "now = 1 | extend ago = now"),
    ],
)
def test_the_clock_of_the_run_is_told(written: str, sent: str) -> None:
    assert as_of(written, NOW) == sent


def test_a_question_gives_exactly_the_columns_of_a_result() -> None:
    asked = question(
        policy(f"resources\n| where 1 in (boundary.subscriptions)\n| project {COLUMN} // all"), INSIDE, NOW
    )
    assert f'dynamic(["{SUB}"])' in asked.query
    assert "// all\n| project\n    policy = 'one',\n    id = tostring(id),\n    part = ''," in asked.query
    given = shape.before_each(shape.parse(asked.query))[-1]
    assert tuple(given) == COLUMNS
    partly = question(policy(f"resources | project part = 'x', severity = 'low', {COLUMN}"), INSIDE, NOW)
    assert "part = tostring(part)" in partly.query
    assert "severity = tostring(severity)" in partly.query


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        (f"resources{EXPAND * 3}{JOIN * 3}", True),
        (f"resources{JOIN * 4}", False),
        (f"resources{EXPAND * 4}", False),
        ("resources\n| mv-expand x = properties.list", False),
        ("resources\n| mv-expand x = properties.list limit 401", False),
        (f"resources{JOIN * 2}\n| union resourcecontainers, (resources | project id)", False),
        (f"resources{JOIN * 2}\n| union resourcecontainers", True),
        (f"union resources, resourcecontainers{JOIN * 2}", True),
        (f"resources{FAR}", True),
        (f"resources{FAR}{FAR}", False),
        (f"resources{FAR}{JOIN}", True),
        (f"networkresources{JOIN}{JOIN}", False),
        ("networkresources\n| union (networkresources | project id)", True),
        ("resources\n| union (networkresources | project id)", False),
        (f"resources{FAR}\n| union (resources | project id)", False),
        ("let n = 1;\nresources", False),
        ("resources\n| join kind=leftanti (resources | project id) on name", False),
        ("resources\n| join (resources | project id) on name", False),
        ("resources\n| project-rename called = name", False),
        ("resources\n| summarize count() by tags", False),
        ("widgets", False),
    ],
)
def test_what_resource_graph_promises_to_run_is_asked_of_it_and_nothing_else(query: str, allowed: bool) -> None:
    assert allowance.use(query).allowed is allowed
    assert (lint.RESOURCE_GRAPH in lint.runs_in(policy(query))) is allowed
    if allowed:
        prepare(query)


def test_what_resource_graph_lacks_stays() -> None:
    assert lint.runs_in(policy("armresources")) == {lint.SNAPSHOT}
    assert lint.runs_in(policy("resources", armresources=("a.b/c",))) == {lint.SNAPSHOT}


@pytest.mark.parametrize(
    ("uses", "together"),
    [
        (["resources"] * 3, True),
        (["resources"] * 4, False),
        (["resources", f"resourcecontainers{JOIN}", "resources"], True),
        ([f"resources{JOIN}", f"resources{JOIN}"], True),
        ([f"resources{JOIN}", f"resources{JOIN}", "resources"], False),
        ([f"resources{JOIN * 3}", "resources"], False),
        ([f"resources{EXPAND * 2}", f"resources{EXPAND}"], True),
        ([f"resources{EXPAND * 2}", f"resources{EXPAND * 2}"], False),
        (["resources", "networkresources"], False),
        (["resources", "resources\n| union resourcecontainers"], False),
    ],
)
def test_queries_are_combined_within_the_limits(uses: list[str], together: bool) -> None:
    asked = [Question(f"p{number}", query) for number, query in enumerate(uses)]
    found = batches(asked)
    assert (len(found) == 1) is together
    assert sorted(each.policy for batch in found for each in batch) == [each.policy for each in asked]


def test_a_combined_query_is_a_union_in_an_order_that_pages_can_follow() -> None:
    asked = [Question(name, f"resources\n| project policy = '{name}', id, part = ''") for name in ("a", "b", "c")]
    whole = text(asked)
    assert whole.startswith("resources\n| project policy = 'a'")
    assert whole.count("| union (\n") == 1
    assert whole.endswith("\n| order by policy asc, id asc, part asc")
    prepare(whole)
    assert "union" not in text(asked[:1])


def test_the_shipped_policies_are_asked_in_few_queries_and_every_one_keeps_to_the_limits() -> None:
    there = judged_there(shipped(), whole=True)
    found = batches(question(each, INSIDE, NOW) for each in there)
    assert len(there) > len(shipped().policies) / 2
    assert len(found) <= len(shipped().policies) / 2
    for batch in found:
        prepare(text(batch))
    assert batches(question(each, INSIDE, NOW) for each in reversed(there)) == found


def test_what_the_sandbox_refuses_of_the_shipped_policies_stays() -> None:
    there = judged_there(shipped(), whole=True)
    for each in shipped().policies:
        if each not in there and not names_secret(each, shipped().redaction):
            with pytest.raises(GraphError):
                prepare(each.query)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("resources | where isnotempty(properties.osProfile.AdminPassword)", True),
        ("resources | where isnotempty(properties['adminPassword'])", True),
        ("resources | extend adminPassword = name", False),
        ("resources | where properties.startTask.commandLine != ''", False),
    ],
)
def test_a_policy_that_names_a_secret_stays(query: str, named: bool) -> None:
    paths = (
        Path(("properties", "osprofile", "adminpassword")),
        Path(("properties", "starttask", "commandline"), frozenset({"microsoft.batch/batchaccounts/pools"})),
    )
    assert names_secret(policy(query), Redaction(paths, ())) is named
    assert (
        names_secret(policy(query), Redaction((Path(("properties", "osprofile", "adminpassword", "*")),), ())) is named
    )


@pytest.mark.parametrize(
    ("query", "divisible"),
    [
        ("resources | project id", True),
        ("resources | mv-expand x = properties.list limit 400 | summarize n = count() by id, name", True),
        ("resources | summarize n = count() by id = tolower(managedBy)", False),
        ("resources | summarize n = count()", False),
        (f"resources{JOIN}", False),
        ("resources | union resourcecontainers", False),
    ],
)
def test_an_answer_for_parts_of_a_scope_is_one_for_the_whole_only_where_each_row_is_of_one_resource(
    query: str, divisible: bool
) -> None:
    assert allowance.divisible(query) is divisible
