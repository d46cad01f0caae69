"""Makes a blueprint true: walks what a plan says is to be done, many steps at a time."""

from __future__ import annotations

from lockdown.provisioner.arm import Arm
from lockdown.provisioner.graph import Blueprint
from lockdown.provisioner.outcome import Outcome, Watch
from lockdown.provisioner.plan import Plan


def apply(blueprint: Blueprint, plan: Plan, arm: Arm, watch: Watch) -> Outcome:
    """Do what the plan says, and return what came of it."""
    raise NotImplementedError(blueprint, plan, arm, watch)
