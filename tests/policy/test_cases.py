"""Cases run on the real engine, as an audit would, and say readably what differs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lockdown.errors import UsageError
from lockdown.model import Policy
from lockdown.policy import cases
from tests.policy.sample import CASES, POLICY, QUERY, STORAGE, SUBSCRIPTION

Make = Callable[..., Policy]


def differences(policy: Policy) -> list[str]:
    shown = STORAGE.lower()
    return [line.replace(shown, "") for result in cases.run(policy) for line in result.differences]


def test_cases_that_hold(policy_with: Make) -> None:
    results = cases.run(policy_with())
    assert [(result.name, result.line, result.passed) for result in results] == [
        ("closed", 1, True),
        ("absent means open", 7, True),
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("verdict: fail", "verdict: pass", "~ /a: expected pass, got fail (It is open.)"),
        ("reason: closed", "reason: locked", "~ /a: expected a reason with 'locked', got 'It is closed.'"),
        ("verdict: fail", "verdict: fail, severity: high", "~ /a: expected severity high, got none"),
        ("storageAccounts/A", "storageAccounts/B", "- /b: expected pass, got no result"),
        ("storageAccounts/A", "storageAccounts/B", "+ /a: not expected, got pass (It is closed.)"),
        ("verdict: fail", "part: blob, verdict: fail", "- /a [blob]: expected fail, got no result"),
    ],
)
def test_a_case_that_fails_says_what_differs(policy_with: Make, old: str, new: str, told: str) -> None:
    assert told in differences(policy_with(cases=CASES.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("'fail')", "'failed')", "! /a: 'failed' is not a verdict"),
        ("'It is open.'", "''", "! /a: the reason is empty"),
        ("observed = access", "observed = 1", "! /a: observed is 1, not a text"),
        ("observed = access", "observed = access, severity = 'grave'", "! /a: 'grave' is not a severity"),
        ("observed = access", "observed = toint(access)", "! /a: observed is None, not a text"),
        ("| project", "| mv-expand n = dynamic([1, 2]) limit 400\n| project", "+ /a: judged twice (pass, pass)"),
        ("reason =", "why =", "the query gives no column reason"),
        ("observed = access", "observed = acess", "the query did not run: "),
    ],
)
def test_rows_that_are_no_results_are_told(policy_with: Make, old: str, new: str, told: str) -> None:
    assert any(line.startswith(told) for line in differences(policy_with(query=QUERY.replace(old, new))))


def test_a_case_runs_over_what_the_policy_reads(policy_with: Make) -> None:
    """A row that ``reads`` does not ask for would be missing in an audit, whatever the query does with it."""
    foreign = CASES.replace("type: Microsoft.Storage/storageAccounts", "type: Microsoft.Batch/batchAccounts", 1)
    loose = QUERY.replace("'microsoft.storage/storageaccounts'", "'microsoft.batch/batchaccounts'")
    assert "- /a: expected pass, got no result" in differences(policy_with(query=loose, cases=foreign))


def test_a_case_runs_again_with_what_other_policies_may_have_collected(policy_with: Make) -> None:
    look_alike = CASES.replace(
        "    resources:\n", f"    resources:\n      - {{id: {STORAGE}/x/child/y, type: Microsoft.Storage/other}}\n", 1
    )
    assert differences(policy_with(cases=look_alike)) == []
    loose = QUERY.replace("| where type =~ 'microsoft.storage/storageaccounts'\n", "")
    (told,) = differences(policy_with(query=loose, cases=look_alike))
    assert told.startswith("with rows of other types: + /x/child/y: not expected")


def test_columns_follow_from_the_id() -> None:
    row = cases.complete({"id": f"{STORAGE}/Account", "type": "Microsoft.Storage/storageAccounts"})
    assert (row["name"], row["subscriptionId"], row["resourceGroup"]) == ("Account", SUBSCRIPTION, "rg")
    assert cases.complete({"id": f"/subscriptions/{SUBSCRIPTION}", "name": "Research"})["name"] == "Research"


def test_the_boundary_defaults_to_the_subscriptions_of_the_rows(policy_with: Make) -> None:
    query = QUERY.replace("access =~ 'Disabled'", "subscriptionId in~ (boundary.subscriptions)")
    own = CASES.replace("verdict: fail", "verdict: pass")
    assert differences(policy_with(query=query, cases=own)) == []
    other = own.replace("  expect:", "  boundary: {subscriptions: [00000000-0000-0000-0000-000000000009]}\n  expect:")
    assert any("expected pass, got fail" in line for line in differences(policy_with(query=query, cases=other)))


def test_a_case_may_say_what_time_it_is(policy_with: Make) -> None:
    query = QUERY.replace("access =~ 'Disabled'", "now() < datetime(2026-06-01)")
    later = CASES.replace("  tables:", "  now: 2026-07-01T00:00:00Z\n  tables:").replace(
        "verdict: pass, reason: closed", "verdict: fail"
    )
    assert differences(policy_with(query=query, cases=later)) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("- name: closed", "- nam: closed", "line 1: 0.nam: extra inputs"),
        ("verdict: pass", "verdict: good", "line 6: 0.expect.0.verdict: input should be"),
        ("verdict: pass", "verdict: notObserved", "line 6: 0.expect.0: value error, notObserved is no verdict"),
        ("name: absent means open", "name: closed", "line 7: name: 'closed' is given to two cases"),
        ("    resources:", "    resorces:", "line 3: 0.tables.resorces"),
        ("type: Microsoft.Storage/storageAccounts, ", "", "line 4: a row of resources lacks type"),
        (f"id: {STORAGE}/a, ", "", "line 4: a row of resources lacks id"),
        ("publicNetworkAccess: Disabled", "createdAt: 2026-01-01", "line 4: 0.tables.resources.0.properties"),
    ],
)
def test_cases_are_read_strictly(policy_with: Make, old: str, new: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        cases.run(policy_with(cases=CASES.replace(old, new, 1)))
    name = "policies/public-network-access/storage-closed/cases.yaml, "
    assert any(line.startswith(name + told) for line in caught.value.message.splitlines()), caught.value.message


def test_a_policy_has_cases(policy_with: Make) -> None:
    with pytest.raises(UsageError, match=r"cases\.yaml"):
        cases.run(policy_with(cases="[]"))


def test_a_policy_that_reads_all_rows_of_a_table(policy_with: Make) -> None:
    metadata = POLICY.replace("resources: [Microsoft.Storage/storageAccounts]", "resources: []")
    assert differences(policy_with(metadata=metadata)) == []
