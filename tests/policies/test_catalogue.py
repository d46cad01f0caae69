"""The policies that ship: their cases hold, they say what a person needs, and they claim no more than they may."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from lockdown.model import Policy, Verdict
from lockdown.policy import cases
from lockdown.policy.catalogue import render
from lockdown.policy.frameworks import controls_of
from lockdown.policy.load import PolicySet, load

DATA = Path(__file__).parent / "data"
THEMES = {
    "activity-log": 3,
    "aks": 12,
    "batch-pools": 6,
    "change-control": 4,
    "data-protection": 12,
    "defender": 9,
    "encryption-at-rest": 13,
    "encryption-in-transit": 8,
    "identity": 19,
    "jumpbox": 10,
    "logging": 12,
    "network-default-deny": 10,
    "network-routes": 5,
    "network-security-groups": 7,
    "private-dns": 8,
    "private-endpoint": 14,
    "public-ip": 14,
    "public-network-access": 11,
}
NIST, HIPAA = "nist-800-53-r5", "hipaa"
COLUMNS = {
    (NIST, "microsoft"): "nist_r5_groups",
    (NIST, "microsoft_r5_1_1"): "nist_r5_1_1_groups",
    ("hitrust", "microsoft"): "hitrust_csf_11_3_groups",
    ("hitrust-9-2", "microsoft"): "hitrust_9_2_groups",
}


_FOR_A_PERSON = {Verdict.MANUAL, Verdict.NOT_APPLICABLE}
"""What a policy may say that no control plane shows: nothing of it is ever a pass."""


@cache
def catalogue() -> PolicySet:
    return load(translate=False)


@cache
def microsoft_mapping() -> dict[str, dict[str, str]]:
    lines = (DATA / "microsoft-mapping.csv").read_text("utf-8").splitlines()
    return {row["guid"]: row for row in csv.DictReader(line for line in lines if not line.startswith("#"))}


@cache
def ran() -> dict[str, tuple[cases.CaseResult, ...]]:
    return {policy.id: results for policy, results in cases.run_all(catalogue().policies)}


def every_policy(policies: Iterable[Policy]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("policy", policies, ids=lambda policy: policy.id)


@every_policy(catalogue().policies)
def test_every_case_gives_exactly_what_it_expects(policy: Policy) -> None:
    failed = [result for result in ran()[policy.id] if not result.passed]
    assert not failed, "\n".join(f"{r.name}, line {r.line}:\n  " + "\n  ".join(r.differences) for r in failed)


@every_policy(catalogue().policies)
def test_the_cases_show_a_pass_and_a_fail_and_what_is_absent_null_messy_hostile_and_foreign(policy: Policy) -> None:
    listed = [case for _, case in cases.load(policy)]
    verdicts = {expectation.verdict for case in listed for expectation in case.expect}
    assert verdicts <= _FOR_A_PERSON or {Verdict.PASS, Verdict.FAIL} <= verdicts
    names = " / ".join(case.name for case in listed)
    for trap in ("absent", "null", "casing", "hostile", "foreign look-alike"):
        assert trap in names or (trap == "foreign look-alike" and "single server" in names), f"no case for: {trap}"
    assert any("\u202e" in str(row["id"]) for case in listed for rows in case.tables.values() for row in rows)


@every_policy(catalogue().policies)
def test_a_person_learns_why_it_matters_and_what_to_do(policy: Policy) -> None:
    assert policy.controls
    assert len(policy.rationale.split()) > 20
    assert len(policy.remediation.split()) > 10
    assert policy.command.startswith("az ")
    assert "{resource}" in policy.command or "{subscription}" in policy.command
    assert "limit" not in policy.query.replace("limit 400", "")


def test_the_catalogue_page_is_that_of_the_policies() -> None:
    page = (Path(__file__).parents[2] / "docs/catalogue.md").read_text("utf-8")
    assert page == render(catalogue()), "run make catalogue"


def test_the_themes_are_complete() -> None:
    counted: dict[str, int] = defaultdict(int)
    for policy in catalogue().policies:
        counted[policy.theme] += 1
    assert counted == THEMES


@every_policy(catalogue().policies)
def test_what_microsoft_maps_is_claimed_as_microsofts_and_nothing_else_is(policy: Policy) -> None:
    """Source of the mapping: the comment at the top of data/microsoft-mapping.csv."""
    mapping = microsoft_mapping()
    for (framework, basis), column in COLUMNS.items():
        theirs = {group for item in policy.built_ins for group in mapping[item.guid][column].split(";") if group}
        if basis == "microsoft_r5_1_1":
            theirs -= {group for item in policy.built_ins for group in mapping[item.guid]["nist_r5_groups"].split(";")}
        ours = {c.id for c in policy.controls if c.framework == framework and c.basis == basis}
        assert ours == theirs, (framework, basis)
    assert all((c.framework, c.basis) in COLUMNS for c in policy.controls if c.basis != "project")
    assert all(c.basis == "project" for c in policy.controls if c.framework == HIPAA)
    assert [item.name for item in policy.built_ins] == [mapping[i.guid]["display_name"] for i in policy.built_ins]


def test_frameworks_of_microsofts_ids_list_exactly_those_that_policies_speak_to() -> None:
    found = catalogue()
    for name in ("hitrust", "hitrust-9-2"):
        used = {c.id for policy in found.policies for c in controls_of(policy, name, found.frameworks)}
        assert used == set(found.frameworks[name].controls), name


def test_the_baselines_are_whole_so_that_what_nothing_assesses_can_be_told() -> None:
    frameworks = catalogue().frameworks
    assert len(frameworks["fedramp-high-r5"].controls) == 410
    assert len(frameworks["fedramp-moderate-r5"].controls) == 323
    assert len(frameworks[HIPAA].controls) == 63


def test_fedramp_baselines_derive_from_nist_and_hipaa_says_what_is_required() -> None:
    frameworks = catalogue().frameworks
    for baseline in ("fedramp-moderate-r5", "fedramp-high-r5"):
        assert frameworks[baseline].derives_from == NIST
        assert set(frameworks[baseline].controls) <= set(frameworks[NIST].controls)
    assert {c.implementation for c in frameworks[HIPAA].controls.values()} <= {"required", "addressable", "standard"}
    assert all(c.implementation for c in frameworks[HIPAA].controls.values())
