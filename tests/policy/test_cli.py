"""lockdown policies: list, show, test, lint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lockdown.cli import run
from lockdown.errors import Exit
from tests.policy.sample import FOLDER, QUERY, STORAGE, SUBSCRIPTION, Spoil

Output = pytest.CaptureFixture[str]


def answer(out: Output, *arguments: str) -> Any:
    assert run(["policies", *arguments, "--json"]) == Exit.OK
    return json.loads(out.readouterr().out)


def test_list_in_a_pipe_is_one_whole_line_a_policy(tree: Path, capsys: Output) -> None:
    assert run(["policies", "list", "--only-policies", str(tree)]) == Exit.OK
    assert capsys.readouterr().out == (
        "storage-closed\tpublic-network-access\tcritical\tStorage accounts refuse public network access\tAC-4, SC-7\n"
    )


def test_list_by_framework_takes_the_start_of_its_id(tree: Path, capsys: Output) -> None:
    (policy,) = answer(capsys, "list", "--framework", "base", "--only-policies", str(tree))["policies"]
    assert policy["controls"] == [{"framework": "baseline", "id": "SC-7", "basis": "project"}]
    assert answer(capsys, "list", "--framework", "hipaa", "--only-policies", str(tree))["policies"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "--framework", "soc2"], "'soc2' is not a framework."),
        (["list", "--theme", "weather"], "There is no theme 'weather'."),
        (["show", "nothing"], "There is no policy 'nothing'"),
        (["test", "nothing"], "There is no policy 'nothing'"),
        (["lint", "nothing"], "There is no policy 'nothing'"),
    ],
)
def test_what_does_not_exist_is_a_usage_error(tree: Path, capsys: Output, arguments: list[str], told: str) -> None:
    assert run(["policies", *arguments, "--only-policies", str(tree)]) == Exit.USAGE
    streams = capsys.readouterr()
    assert told in streams.err
    assert streams.out == ""


def test_a_set_that_cannot_be_loaded_is_told_without_a_traceback(spoil: Spoil, capsys: Output) -> None:
    root = spoil("policy.yaml", "severity: critical", "severity: awful")
    assert run(["policies", "list", "--only-policies", str(root)]) == Exit.USAGE
    assert f"{root}/{FOLDER}/policy.yaml, line 3: severity: " in capsys.readouterr().err


def test_show_tells_everything(tree: Path, capsys: Output) -> None:
    assert run(["policies", "show", "storage-closed", "--only-policies", str(tree)]) == Exit.OK
    shown = capsys.readouterr().out
    for part in (
        "critical",
        "Data is in it.",
        "az storage account update",
        "AC-4 (microsoft)",
        "A baseline: SC-7",
        QUERY,
    ):
        assert part.strip() in shown
    found = answer(capsys, "show", "storage-closed", "--only-policies", str(tree))
    assert (found["query"], found["runsIn"]) == (QUERY, ["resource-graph", "snapshot"])


def test_show_query_can_be_pasted_into_the_portal(spoil: Spoil, tmp_path: Path, capsys: Output) -> None:
    root = spoil("query.kql", "expected = 'Disabled'", "expected = tostring(boundary.subscriptions)")
    show = ["policies", "show", "storage-closed", "--query", "--only-policies", str(root)]
    config = tmp_path / "lockdown.yaml"
    config.write_text(f"boundary: {{subscriptions: [{SUBSCRIPTION}]}}\n")
    assert run([*show, "-c", str(config)]) == Exit.OK
    streams = capsys.readouterr()
    assert streams.out == QUERY.replace("expected = 'Disabled'", f'expected = tostring(dynamic(["{SUBSCRIPTION}"]))')
    assert streams.err == ""
    assert run(show) == Exit.OK
    assert "add -c lockdown.yaml" in capsys.readouterr().err


def test_test_counts_the_cases(tree: Path, capsys: Output) -> None:
    assert run(["policies", "test", "--only-policies", str(tree)]) == Exit.OK
    assert capsys.readouterr().out == "ok   storage-closed: 2 of 2 cases\n1 policies, 2 cases, 0 failed.\n"


def test_test_shows_what_differs(spoil: Spoil, capsys: Output) -> None:
    root = spoil("cases.yaml", "verdict: fail", "verdict: pass")
    assert run(["policies", "test", "--only-policies", str(root)]) == Exit.USAGE
    assert capsys.readouterr().out.splitlines() == [
        "FAIL storage-closed: 1 of 2 cases",
        f"     {root}/{FOLDER}/cases.yaml, line 7: absent means open",
        f"       ~ {STORAGE.lower()}/a: expected pass, got fail (It is open.)",
        "1 policies, 2 cases, 1 failed.",
    ]
    assert run(["policies", "test", "--json", "--only-policies", str(root)]) == Exit.USAGE
    told = json.loads(capsys.readouterr().out)
    assert (told["cases"], told["failed"]) == (2, 1)
    assert [(item["case"], item["passed"]) for item in told["results"]] == [
        ("closed", True),
        ("absent means open", False),
    ]


def test_a_hostile_name_in_a_case_does_not_reach_the_terminal(spoil: Spoil, capsys: Output) -> None:
    spoil("cases.yaml", "name: absent means open", 'name: "\\e[31mred\\u202E"')
    root = spoil("cases.yaml", "verdict: fail", "verdict: pass")
    assert run(["policies", "test", "--only-policies", str(root)]) == Exit.USAGE
    assert "\\x1b[31mred\\u202e" in capsys.readouterr().out


def test_lint_names_the_rule_and_says_which_checks_ran(spoil: Spoil, capsys: Output) -> None:
    root = spoil("query.kql", "| extend", "| take 5\n| extend")
    assert run(["policies", "lint", "--require-kusto", "--only-policies", str(root)]) == Exit.USAGE
    assert capsys.readouterr().out.splitlines() == [
        f"{root}/{FOLDER}/query.kql, line 3: all-rows: take would hide resources from judgement",
        "lockdown's rules: 1 policies, 1 findings",
        "Microsoft's parser 12.4.1: 1 queries, 0 errors",
    ]


def test_lint_of_what_is_right(tree: Path, capsys: Output) -> None:
    found = answer(capsys, "lint", "--require-kusto", "--only-policies", str(tree))
    assert found == {
        "policies": 1,
        "findings": [],
        "microsoftParser": {"ran": True, "queries": 1, "reason": ""},
        "runsIn": {"storage-closed": ["resource-graph", "snapshot"]},
    }


def test_a_framework_is_listed_by_control_and_says_what_nothing_assesses(tree: Path, capsys: Output) -> None:
    found = answer(capsys, "list", "--framework", "nist", "--only-policies", str(tree))
    assert [(c["id"], [p["id"] for p in c["policies"]]) for c in found["controls"]] == [
        ("AC-4", ["storage-closed"]),
        ("SC-7", ["storage-closed"]),
    ]
    assert run(["policies", "list", "--framework", "hipaa", "--only-policies", str(tree)]) == Exit.OK
    streams = capsys.readouterr()
    assert all(line.endswith("not assessed by lockdown") for line in streams.out.splitlines())
    assert "0 of 1 controls have a policy" in streams.err


def test_a_new_policy_loads_lints_clean_and_passes(tmp_path: Path, capsys: Output) -> None:
    root = tmp_path / "mine"
    made = [
        "policies",
        "new",
        "cache-closed",
        "--theme",
        "caches",
        "--type",
        "Microsoft.Cache/redis",
        "--dir",
        str(root),
    ]
    assert run(made) == Exit.OK
    assert capsys.readouterr().out.strip() == str(root / "caches/cache-closed")
    assert run(["policies", "test", "cache-closed", "--only-policies", str(root)]) == Exit.OK
    assert run(["policies", "lint", "cache-closed", "--only-policies", str(root)]) == Exit.OK
    capsys.readouterr()
    assert run(made) == Exit.USAGE
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("policy", "kind", "told"),
    [("../x", "Microsoft.Cache/redis", "'../x' is not an id"), ("x", "redis", "'redis' is not a resource type")],
)
def test_a_new_policy_needs_a_name_and_a_type(
    tmp_path: Path, capsys: Output, policy: str, kind: str, told: str
) -> None:
    found = ["policies", "new", policy, "--theme", "caches", "--type", kind, "--dir", str(tmp_path)]
    assert run(found) == Exit.USAGE
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_catalogue_has_an_anchor_for_each_policy_and_hostile_text_stays_text(spoil: Spoil, capsys: Output) -> None:
    root = spoil("policy.yaml", "rationale: Data is in it.", "rationale: '<script> | [x](javascript:y) # `z`'")
    assert run(["policies", "catalogue", "--only-policies", str(root)]) == Exit.OK
    page = capsys.readouterr().out
    assert "### storage-closed\n" in page
    assert r"Why: \<script\> \| \[x\](javascript:y) \# \`z\`" in page
    assert "| HIPAA | 1 | 0 | 1 |" in page


def test_policies_of_your_own_stand_beside_those_that_ship(tmp_path: Path, capsys: Output) -> None:
    root = tmp_path / "mine"
    made = [
        "policies",
        "new",
        "cache-closed",
        "--theme",
        "caches",
        "--type",
        "Microsoft.Cache/redis",
        "--dir",
        str(root),
    ]
    assert run(made) == Exit.OK
    capsys.readouterr()
    listed = {policy["id"] for policy in answer(capsys, "list", "--policies", str(root))["policies"]}
    assert {"cache-closed", "storage-pna-disabled"} <= listed
    alone = answer(capsys, "list", "--only-policies", str(root))["policies"]
    assert [policy["id"] for policy in alone] == ["cache-closed"]
    tested = answer(capsys, "test", "--policies", str(root))["results"]
    assert {result["policy"] for result in tested} == {"cache-closed"}


def test_a_policy_of_your_own_replaces_none_that_ships(tmp_path: Path, capsys: Output) -> None:
    for theme, policy in (("public-network-access", "storage-pna-disabled"), ("mine", "kv-pna-disabled")):
        root = tmp_path / theme
        asked = ["--theme", theme, "--type", "Microsoft.KeyVault/vaults", "--dir", str(root)]
        assert run(["policies", "new", policy, *asked]) == Exit.OK
    assert run(["policies", "list", "--policies", str(tmp_path / "public-network-access")]) == Exit.USAGE
    assert "storage-pna-disabled/policy.yaml is lockdown's own already." in capsys.readouterr().err
    assert run(["policies", "list", "--policies", str(tmp_path / "mine")]) == Exit.USAGE
    told = capsys.readouterr().err
    assert f"{tmp_path}/mine/mine/kv-pna-disabled" in told
    assert "policies/public-network-access/kv-pna-disabled" in told


def test_adding_and_replacing_at_once_is_a_usage_error(tree: Path, capsys: Output) -> None:
    assert run(["policies", "list", "--policies", str(tree), "--only-policies", str(tree)]) == Exit.USAGE
    assert "Give one of them." in capsys.readouterr().err
