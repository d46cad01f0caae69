"""Frameworks, and the baselines that derive from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockdown.errors import UsageError
from lockdown.model import Control
from lockdown.policy.frameworks import controls_of
from lockdown.policy.load import load


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
