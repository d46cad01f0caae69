"""The same record by control: what each requirement of each framework comes to.

A control is as its worst policy is. That shows part of the control at most; what no policy speaks to is not assessed,
and neither that nor a control whose policies saw nothing is ever a pass.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.record import Record
from lockdown.report import view

# AC-2(1), 164.312(a)(1), 01.c, and 0805.01m1Organizational.12-01.m, whose last part is the same 01.
_FAMILY = re.compile(r"^([A-Z]{2})-|^([0-9]{3}\.[0-9]+)|(?:^|-)([0-9]{2})\.[a-z]$")


@dataclass(frozen=True)
class Claim:
    """One policy that speaks to a control, on whose word, and what the policy comes to."""

    policy: Mapping[str, Any]
    basis: str
    standing: str


@dataclass(frozen=True)
class Control:
    """One requirement.

    Attributes:
        implementation: HIPAA's word for how binding it is; empty elsewhere.
        claimed: what a policy decides that this project claims for it, and how far that goes; empty if none is claimed.
        claims: the policies that speak to it; none: it is not assessed.
        anchor: the id of the place in a page that lists them; a baseline's controls have that of their origin.
    """

    id: str
    title: str
    implementation: str
    claimed: str
    claims: tuple[Claim, ...]
    anchor: str

    @property
    def heat(self) -> int:
        """How much of it fails, in four steps: 0 for nothing, 3 for two thirds of its policies and more."""
        failing = sum(claim.standing == "fail" for claim in self.claims)
        return min(3, 1 + 3 * failing // len(self.claims)) if failing else 0

    @property
    def standing(self) -> str:
        """The worst standing among its policies; of a control that none speaks to, there is none."""
        return min((claim.standing for claim in self.claims), key=view.STANDINGS.index)

    def policies(self) -> Mapping[str, int]:
        """Return how many policies are of each standing, the worst first."""
        return _ordered(Counter(claim.standing for claim in self.claims))

    def bases(self) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
        """Return basis to standing to policies: Microsoft's word first, then this project's; the worst first."""
        found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
        for claim in sorted(self.claims, key=lambda claim: (claim.basis, view.STANDINGS.index(claim.standing))):
            found.setdefault(claim.basis, {}).setdefault(claim.standing, []).append(claim.policy)
        return found


@dataclass(frozen=True)
class Framework:
    """One framework of a run.

    Attributes:
        whole: whether every control of it is listed.
        derived: whether it is a baseline, whose controls another framework states.
        assessed: the controls that a policy speaks to, in the order of the framework.
        silent: those that none speaks to.
        own: the assessed ones that a page lists here, not where the baseline's origin is.
    """

    id: str
    title: str
    source: str
    whole: bool
    derived: bool
    assessed: tuple[Control, ...]
    silent: tuple[Control, ...]
    own: tuple[Control, ...]

    @property
    def total(self) -> int:
        """How many controls are listed."""
        return len(self.assessed) + len(self.silent)

    @property
    def addressable(self) -> bool:
        """Whether some control may be met by a documented equivalent."""
        return any(control.implementation == "addressable" for control in (*self.assessed, *self.silent))

    def families(self) -> Mapping[str, list[Control]]:
        """Return the assessed controls by family, such as AC or 164.312, in the order of the framework."""
        found: dict[str, list[Control]] = {}
        for control in self.assessed:
            found.setdefault(family(control.id), []).append(control)
        return found

    def numbers(self) -> Mapping[str, int]:
        """Return how many assessed controls are of each standing, the worst first; what is zero is left out."""
        return _ordered(Counter(control.standing for control in self.assessed))


def family(control: str) -> str:
    """Return what a control's id says of its family; nothing for an id of another form."""
    found = _FAMILY.search(control)
    return next(filter(None, found.groups())) if found else ""


def frameworks(record: Record) -> list[Framework]:
    """Return the frameworks of a run, in its order; none for a record that lists none."""
    listed = record.run.get("frameworks", [])
    stated = {(item["id"], control["id"]): control for item in listed for control in item["controls"]}
    anchors = {
        (item["id"], control["id"]): f"c{i}-{j}"
        for i, item in enumerate(listed)
        for j, control in enumerate(item["controls"])
    }
    claims: dict[tuple[str, str], list[Claim]] = {}
    for policy in record.policies:
        standing = view.standing(policy)
        for claim in policy["controls"]:
            claims.setdefault((claim["framework"], claim["id"]), []).append(Claim(policy, claim["basis"], standing))
    return [_framework(item, stated, claims, anchors) for item in listed]


def _framework(
    item: Mapping[str, Any],
    stated: Mapping[tuple[str, str], Mapping[str, Any]],
    claims: Mapping[tuple[str, str], list[Claim]],
    anchors: Mapping[tuple[str, str], str],
) -> Framework:
    controls = list(_controls(item, stated, claims, anchors))
    return Framework(
        id=item["id"],
        title=item["title"],
        source=item["source"],
        whole=item["whole"],
        derived="derivesFrom" in item,
        assessed=tuple(control for control in controls if control.claims),
        silent=tuple(control for control in controls if not control.claims),
        own=tuple(c for c in controls if c.claims and c.anchor == anchors[item["id"], c.id]),
    )


def _controls(
    item: Mapping[str, Any],
    stated: Mapping[tuple[str, str], Mapping[str, Any]],
    claims: Mapping[tuple[str, str], list[Claim]],
    anchors: Mapping[tuple[str, str], str],
) -> Iterator[Control]:
    origin = item.get("derivesFrom", item["id"])
    for listed in item["controls"]:
        key = origin, listed["id"]
        requirement, speaking = stated.get(key, listed), tuple(claims.get(key, ()))
        yield Control(
            id=listed["id"],
            title=requirement.get("title", ""),
            implementation=requirement.get("implementation", ""),
            claimed=requirement.get("claimed", "") if any(claim.basis == "project" for claim in speaking) else "",
            claims=speaking,
            anchor=anchors.get(key) or anchors[item["id"], listed["id"]],
        )


def _ordered(numbers: Mapping[str, int]) -> Mapping[str, int]:
    return {standing: numbers[standing] for standing in view.STANDINGS if numbers.get(standing)}
