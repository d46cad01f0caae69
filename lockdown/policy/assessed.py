"""Which requirements of a framework policies speak to, and which nothing here assesses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lockdown.model import Policy
from lockdown.policy.frameworks import Framework, controls_of
from lockdown.policy.schema import Requirement


@dataclass(frozen=True)
class Assessed:
    """One requirement, and the policies that speak to it with the basis of each claim; none: it is not assessed."""

    id: str
    requirement: Requirement
    policies: tuple[tuple[Policy, str], ...]


def by_control(policies: Iterable[Policy], framework_id: str, frameworks: Mapping[str, Framework]) -> list[Assessed]:
    """Return every requirement of a framework, in its order.

    Raises:
        UsageError: there is no such framework.
    """
    speaking: dict[str, list[tuple[Policy, str]]] = {}
    for policy in policies:
        for control in controls_of(policy, framework_id, frameworks):
            speaking.setdefault(control.id, []).append((policy, control.basis))
    return [
        Assessed(control, requirement, tuple(speaking.get(control, ())))
        for control, requirement in frameworks[framework_id].controls.items()
    ]
