"""Removes an environment: what is ours, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from lockdown.provisioner.arm import Arm
from lockdown.provisioner.graph import Blueprint
from lockdown.provisioner.outcome import Outcome, Watch


@dataclass(frozen=True)
class Removal:
    """What goes. ``why`` is special about it, for people; may be empty."""

    key: str
    theme: str
    id: str
    why: str = ""
    seconds: int = 0


@dataclass(frozen=True)
class Staying:
    """What stays, and why."""

    key: str
    id: str
    why: str


@dataclass(frozen=True)
class Removals:
    """What destroy would do, in its order."""

    going: tuple[Removal, ...]
    staying: tuple[Staying, ...]


def plan(blueprint: Blueprint, arm: Arm) -> Removals:
    """Read what exists, and return what goes and what stays."""
    raise NotImplementedError(blueprint, arm)


def apply(blueprint: Blueprint, removals: Removals, arm: Arm, watch: Watch) -> Outcome:
    """Remove what goes; ``left_open`` of the outcome names what is still there."""
    raise NotImplementedError(blueprint, removals, arm, watch)
