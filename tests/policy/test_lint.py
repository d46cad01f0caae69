"""Each rule of the linter, with a query that breaks it and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.model import Policy
from lockdown.policy import lint_query
from lockdown.policy.lint import RULES, Finding, lint, runs_in
from lockdown.policy.shape import word_set
from lockdown.snapshot.kql import line_of, significant
from tests.policy.sample import CASES, POLICY, QUERY

Make = Callable[..., Policy]

SIDE = "(resourcecontainers | where type =~ 'microsoft.resources/subscriptions')"
OTHER = "resources | where type =~ 'a.b/c'"


def said(query: str) -> set[tuple[int, str]]:
    return {(line_of(query, token.start), rule) for token, rule, _ in lint_query.check(query)}


BREAKS = [
    ("let x = 1;\nresources | where name == x", {(1, "no-let"), (1, "source")}),
    ("set notruncation;\nresources", {(1, "no-let"), (1, "source")}),
    (".drop table resources", {(1, "no-command"), (1, "source")}),
    ("resources\n| where name in (externaldata(x:string)['https://example.org/x'])", {(2, "no-command")}),
    ("resources\n| join kind=inner (cluster('c').database('d').t) on name", {(2, "no-command"), (2, "source")}),
    ("resources\n| where toscalar(resources | count) > 1", {(2, "no-command"), (2, "all-rows")}),
    ("resources\n| evaluate bag_unpack(tags)", {(2, "operator"), (2, "engine")}),
    ("resources\n| mv-apply x = properties.a on (where true)", {(2, "operator")}),
    ("resources\n| lookup resourcecontainers on subscriptionId", {(2, "operator")}),
    ("resources\n| parse id with * '/x/' y", {(2, "engine")}),
    ("resources\n| where * has 'x'", {(2, "engine")}),
    ("resources\n| where string_size(name) > 1", {(2, "engine")}),
    ("resources\n| where ipv4_is_private(name)", {(2, "engine")}),
    ("resources\n| extend x = split(id, '/', 2)", {(2, "engine")}),
    ("resources\n| extend n = toint(sku.count)", {(2, "engine")}),
    ("Resources\n| where name == 'x'", {(1, "source")}),
    ("resources\n| join kind=inner (secrets) on name", {(2, "source")}),
    (f"resources\n| join {SIDE} on subscriptionId", {(2, "join-kind")}),
    (f"resources\n| join kind=fullouter {SIDE} on subscriptionId", {(2, "join-kind")}),
    (f"resources\n| join kind=leftanti {SIDE} on subscriptionId", {(2, "join-kind")}),
    (f"resources\n| join kind=inner hint.strategy=broadcast {SIDE} on subscriptionId", {(2, "join-kind")}),
    ("resources" + f"\n| join kind=inner {SIDE} on subscriptionId" * 4, {(5, "join-count")}),
    (f"resources\n| union ({OTHER}), ({OTHER}), ({OTHER})", {(2, "join-count")}),
    (f"union ({OTHER}), ({OTHER}), ({OTHER}), ({OTHER})", {(1, "join-count")}),
    ("resources\n| mv-expand x = properties.a", {(2, "mv-expand")}),
    ("resources\n| mv-expand x = properties.a limit 128", {(2, "mv-expand")}),
    ("resources\n| mv-expand x = properties.a limit 5000", {(2, "mv-expand")}),
    ("resources\n| mv-expand properties.a limit 400", {(2, "mv-expand")}),
    ("resources" + "\n| mv-expand a = properties.a limit 400" * 4, {(5, "mv-expand")}),
    ("resources\n| summarize n = count() by properties.a", {(2, "dynamic-key")}),
    ("resources\n| distinct sku", {(2, "dynamic-key")}),
    ("resources\n| extend a = properties.a\n| summarize n = count() by a", {(3, "dynamic-key")}),
    (
        "resources\n| extend k = properties.k\n| join kind=inner (resources | extend k = tostring(name)) on k",
        {(3, "dynamic-key")},
    ),
    (
        "resources\n| extend k = name\n| join kind=inner (resources | project z = tags) on $left.k == $right.z",
        {(3, "dynamic-key")},
    ),
    ("resources\n| where properties.a == true", {(2, "dynamic-comparison")}),
    ("resources\n| where properties['a'][0].b =~ 'x'", {(2, "dynamic-comparison")}),
    ("resources\n| where 'x' == properties.a", {(2, "dynamic-comparison")}),
    ("resources\n| where split(id, '/')[2] == 'x'", {(2, "dynamic-comparison")}),
    ("resources\n| where properties.a !in~ ('x')", {(2, "dynamic-comparison")}),
    ("resources\n| where not(properties.a has 'x')", {(2, "dynamic-comparison")}),
    ("resources\n| project x = tostring(properties.a == 1)", {(2, "dynamic-comparison")}),
    ("resources\n| summarize n = countif(properties.a > 1) by name", {(2, "dynamic-comparison")}),
    ("resources\n| mv-expand s = properties.a limit 400\n| where s.b =~ 'x'", {(3, "dynamic-comparison")}),
    (
        "resources\n| join kind=inner (resources | project name, rest = properties) on name\n| where rest.a =~ 'x'",
        {(3, "dynamic-comparison")},
    ),
    ("resources\n| extend x = iff(isnull(properties.a), 'none', properties.a)", {(2, "dynamic-mix")}),
    ("resources\n| extend x = coalesce(properties.a, 'none')", {(2, "dynamic-mix")}),
    ("resources\n| extend x = case(name == 'x', properties.a, 'none')", {(2, "dynamic-mix")}),
    ("resources\n| join kind=inner (resources | project id) on id", {(2, "id-casing")}),
    (
        "resources\n| project key = id\n| join kind=inner (resources | project k = name) on $left.key == $right.k",
        {(3, "id-casing")},
    ),
    ("resources\n| extend SKU = tostring(sku.name)", {(2, "column-case")}),
    ("resources\n| where Name == 'x'", {(2, "column-case")}),
    ("resources\n| project a = tostring(Properties.a)", {(2, "column-case")}),
    ("resources\n| take 10", {(2, "all-rows")}),
    ("resources\n| top 5 by name", {(2, "all-rows")}),
    ("resources\n| extend x = rand()", {(2, "replay")}),
]


@pytest.mark.parametrize(("query", "expected"), BREAKS)
def test_a_rule_is_told_with_its_line(query: str, expected: set[tuple[int, str]]) -> None:
    assert said(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "resources // let x = 1; | take 5\n| where name has 'let ; | externaldata(' // properties.a == 1",
        "resources | where tostring(properties.a) == 'x' and tobool(properties.b) == true and isnull(properties.c)",
        "resources | where array_length(properties.a) > 0 and tostring(split(id, '/')[2]) =~ 'x'",
        "resources | mv-expand s = properties.subnets limit 400 | where tostring(s.name) in~ ('a', 'b')",
        "resources | mv-expand s = properties.a to typeof(string) limit 2000 | where s =~ 'x'",
        "resources | mv-expand with_itemindex=i s = properties.a limit 400 | where i > 3",
        "resources | mv-expand zones limit 400 | extend z = tostring(zones)",
        "resources | extend a = tostring(properties.a) | summarize n = count() by a, id, tostring(properties.b)",
        "resources | extend properties = tostring(properties) | where properties contains 'x'",
        f"resources | join kind=leftouter {SIDE} on subscriptionId | where isempty(subscriptionId1)",
        "resources | extend id = tolower(id) | join kind=inner (resources | project id = tolower(id)) on id",
        "union (resources | where type == 'a.b/c'), (resourcecontainers | where type == 'd.e/f') | project id",
        "resources | extend x = iff(name == 'a', properties.a, properties.b), y = iff(isnull(properties.a), 'a', 'b')",
        "resources | extend n = toint(properties['count']) | where name in (boundary.subscriptions)",
        "resources | where name between ('a' .. 'b') and kind =~ 'x' | order by name asc, id desc nulls last",
    ],
)
def test_what_is_right_is_not_told(query: str) -> None:
    assert list(lint_query.check(query)) == []


PIECES = sorted(
    word_set(
        "resources resourcecontainers | where extend project summarize by join kind = inner on mv-expand limit 400 "
        "union distinct ( ) [ ] { } , . == =~ ! in has tostring iff case coalesce properties id type $left 'x' 1 ; //"
    )
)


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=60))
def test_whatever_is_written_the_linter_answers(pieces: list[str]) -> None:
    query = " ".join(pieces)
    places = {token.start for token in significant(query)}
    assert all(rule in RULES and token.start in places for token, rule, _ in lint_query.check(query))


def test_more_joins_are_allowed_where_only_the_snapshot_can_run_it() -> None:
    joins = f"\n| join kind=inner {SIDE} on subscriptionId" * 4
    assert said(f"armresources{joins}") == set()


def test_the_sample_is_clean(policy_with: Make) -> None:
    assert lint(policy_with()) == ()


def rules(found: tuple[Finding, ...]) -> set[tuple[str, int, str]]:
    return {(finding.file.rsplit("/", 1)[1], finding.line, finding.rule) for finding in found}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (QUERY.replace("observed = access", "observed = acess"), {("query.kql", 9, "translates")}),
        (QUERY.replace("reason =", "why ="), {("query.kql", 9, "columns")}),
        (QUERY.replace("expected = 'Disabled'", "expected = boundary.planets"), {("query.kql", 8, "boundary")}),
        (QUERY.replace("=~ 'microsoft.storage/", "== 'Microsoft.Storage/"), {("query.kql", 2, "type-casing")}),
        (
            QUERY.replace("microsoft.storage/storageaccounts", "microsoft.batch/batchaccounts"),
            {("query.kql", 2, "reads")},
        ),
        (
            QUERY.replace("resources\n", "resourcecontainers\n", 1),
            {("query.kql", 1, "reads"), ("query.kql", 1, "translates")},
        ),
        (QUERY.replace("'fail')", "'failed')"), {("cases.yaml", 7, "cases")}),
    ],
)
def test_a_query_is_held_to_its_policy(policy_with: Make, query: str, expected: set[tuple[str, int, str]]) -> None:
    found = rules(lint(policy_with(query=query)))
    assert expected <= found


def test_types_are_held_to_the_table_that_they_are_read_from(policy_with: Make) -> None:
    metadata = POLICY.replace(
        "  resources: [Microsoft.Storage/storageAccounts]",
        "  resources: [Microsoft.Storage/storageAccounts]\n  resourcecontainers: [Microsoft.Resources/subscriptions]",
    )
    join = (
        "| join kind=leftouter (\n"
        "    resourcecontainers\n"
        "    | where type =~ 'microsoft.storage/storageaccounts'\n"
        "    | project subscriptionId) on subscriptionId\n"
    )
    policy = policy_with(query=QUERY.replace("| extend", join + "| extend"), metadata=metadata)
    assert {("query.kql", 5, "reads"), ("query.kql", 4, "reads")} <= rules(lint(policy))


def test_a_table_that_is_read_and_not_used_would_be_collected_for_nothing(policy_with: Make) -> None:
    metadata = POLICY.replace("reads:\n", "reads:\n  resourcecontainers: []\n")
    assert rules(lint(policy_with(metadata=metadata))) == {("query.kql", 1, "reads")}


def test_what_it_applies_to_is_read(policy_with: Make) -> None:
    metadata = POLICY.replace("applies_to: [", "applies_to: [Microsoft.Batch/batchAccounts, ")
    assert rules(lint(policy_with(metadata=metadata))) == {("policy.yaml", 4, "applies-to")}


def test_cases_show_a_pass_and_a_fail(policy_with: Make) -> None:
    only_pass = CASES[: CASES.index("- name: absent")]
    assert rules(lint(policy_with(cases=only_pass))) == {("cases.yaml", 1, "coverage")}


def test_cases_that_are_malformed_are_a_finding(policy_with: Make) -> None:
    (finding,) = lint(policy_with(cases=CASES.replace("verdict: pass", "verdict: good")))
    assert (finding.rule, finding.line) == ("cases", 6)
    assert "expect.0.verdict" in finding.message


@pytest.mark.parametrize(
    ("query", "everywhere"),
    [
        ("resources | project id", True),
        (f"resources | join kind=inner {SIDE} on subscriptionId", True),
        ("resources" + f" | join kind=inner {SIDE} on subscriptionId" * 3, True),
        ("resources" + f" | join kind=inner {SIDE} on subscriptionId" * 4, False),
        ("armresources | project id", False),
        ("resources | join kind=inner (armresources) on name", False),
        ("resources | join kind=inner (networkresources) on name", True),
        ("resources | join kind=inner (networkresources) on name | join kind=inner (dnsresources) on name", False),
        ("resources | join kind=inner (resources) on name | join kind=inner (dnsresources) on name", True),
    ],
)
def test_where_a_policy_can_run_is_derived(policy_with: Make, query: str, everywhere: bool) -> None:
    assert runs_in(policy_with(query=query)) == ({"snapshot", "resource-graph"} if everywhere else {"snapshot"})


def test_every_rule_is_documented() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/policies.md").read_text()
    assert [rule for rule in RULES if f"`{rule}`" not in text] == []


def test_every_rule_on_queries_has_a_query_that_breaks_it() -> None:
    broken = {rule for _, expected in BREAKS for _, rule in expected}
    assert broken == lint_query.RULES.keys() - {"type-casing"}
