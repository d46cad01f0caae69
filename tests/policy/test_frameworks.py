"""Frameworks, and the baselines that derive from them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lockdown.cli import run
from lockdown.errors import Exit, UsageError
from lockdown.model import Control
from lockdown.policy import catalogue
from lockdown.policy.frameworks import as_recorded, controls_of
from lockdown.policy.load import PolicySet, load
from tests.policy.sample import Spoil


@pytest.fixture(scope="module")
def shipped() -> PolicySet:
    return load(translate=False)


def test_a_baseline_keeps_the_claims_whose_control_it_lists(tree: Path) -> None:
    found = load(tree)
    policy = found.policies[0]
    assert controls_of(policy, "nist", found.frameworks) == policy.controls
    assert controls_of(policy, "baseline", found.frameworks) == (Control("baseline", "SC-7", "project"),)
    assert controls_of(policy, "hipaa", found.frameworks) == ()
    with pytest.raises(UsageError, match="no framework 'soc2'"):
        controls_of(policy, "soc2", found.frameworks)


def test_titles_and_how_binding_a_requirement_is(tree: Path) -> None:
    frameworks = load(tree).frameworks
    assert list(frameworks) == ["baseline", "hipaa", "nist"]
    assert frameworks["nist"].controls["AC-4"].title == "Information Flow Enforcement"
    assert frameworks["hipaa"].controls["164.312(e)(2)(ii)"].implementation == "addressable"
    assert (frameworks["baseline"].derives_from, frameworks["nist"].derives_from) == ("nist", None)
    assert list(frameworks["baseline"].controls) == ["SC-7"]


def test_a_framework_says_whether_it_lists_every_control(spoil: Spoil, shipped: PolicySet) -> None:
    assert not load(spoil("frameworks/nist.yaml", "source:", "whole: false\nsource:")).frameworks["nist"].whole
    assert {name for name, framework in shipped.frameworks.items() if framework.whole} == {
        "fedramp-high-r5",
        "fedramp-moderate-r5",
        "hipaa",
    }


def test_a_run_records_requirements_once_and_baselines_by_id(spoil: Spoil) -> None:
    claimed = "SC-7: {title: Boundary Protection, claimed: It decides that nothing gets in.}"
    root = spoil("frameworks/nist.yaml", "SC-7: Boundary Protection", claimed)
    assert as_recorded(load(root).frameworks) == [
        {
            "id": "baseline",
            "title": "A baseline",
            "source": "A profile of NIST",
            "whole": False,
            "derivesFrom": "nist",
            "controls": [{"id": "SC-7"}],
        },
        {
            "id": "hipaa",
            "title": "HIPAA",
            "source": "45 CFR 164",
            "whole": False,
            "controls": [{"id": "164.312(e)(2)(ii)", "title": "Encryption", "implementation": "addressable"}],
        },
        {
            "id": "nist",
            "title": "NIST",
            "source": "SP 800-53",
            "whole": False,
            "controls": [
                {"id": "AC-4", "title": "Information Flow Enforcement"},
                {"id": "SC-7", "title": "Boundary Protection", "claimed": "It decides that nothing gets in."},
            ],
        },
    ]


def test_every_claim_of_the_project_has_its_reasoning(shipped: PolicySet) -> None:
    claimed = {(c.framework, c.id) for policy in shipped.policies for c in policy.controls if c.basis == "project"}
    silent = [key for key in sorted(claimed) if not shipped.frameworks[key[0]].controls[key[1]].claimed]
    assert silent == []


def test_reasoning_is_one_sentence_that_says_part_of_what_and_never_that_a_control_is_met(shipped: PolicySet) -> None:
    told = {
        (name, control): requirement.claimed
        for name, framework in shipped.frameworks.items()
        if framework.derives_from is None
        for control, requirement in framework.controls.items()
        if requirement.claimed
    }
    for key, text in told.items():
        assert re.fullmatch(r"A policy that claims it decides[^\n]* shows part of [^\n]*\.", text), key
        assert not re.search(r"\bsatisf|\bcompl(y|ian)|\bensure|\bguarantee|\. ", text), key
    assert len(set(told.values())) == len(told)


def test_the_reasoning_stands_in_the_catalogue_and_in_the_list(
    spoil: Spoil, capsys: pytest.CaptureFixture[str]
) -> None:
    claimed = "SC-7: {title: Boundary Protection, claimed: It decides <that> nothing gets in.}"
    root = spoil("frameworks/nist.yaml", "SC-7: Boundary Protection", claimed)
    page = catalogue.render(load(root))
    assert "### NIST\n\nSource: SP 800-53\n\nWhat this project claims itself" in page
    assert (
        r"- **SC-7** Boundary Protection. It decides \<that\> nothing gets in. [storage-closed](#storage-closed)"
        in page
    )
    assert "### A baseline\n\nSource: A profile of NIST\n\nClaims of NIST count here" in page
    assert "- **AC-4**" not in page
    assert run(["policies", "list", "--framework", "nist", "--json", "--only-policies", str(root)]) == Exit.OK
    listed = json.loads(capsys.readouterr().out)["controls"]
    assert [(c["id"], c["claimed"]) for c in listed] == [("AC-4", ""), ("SC-7", "It decides <that> nothing gets in.")]
