"""What an earlier run left open or behind, apart from all else that is to be done. Pure.

A run that is refused builds nothing, and still closes: what is open does not wait for the reason of the refusal to go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lockdown.provisioner.change import Change, Plan, Verb
from lockdown.provisioner.differ import Difference
from lockdown.provisioner.graph import Blueprint, Resource, at
from lockdown.provisioner.judging import change, is_closed, owner_of
from lockdown.provisioner.outcome import LeftOpen

WHY = "it was left open by an earlier run"


def only(blueprint: Blueprint, plan: Plan) -> Plan:
    """Return of a plan what closes and removes: all that is done by a run that is refused."""
    undone = {found.key: found for found in (*_closings(blueprint, plan), *_removals(blueprint, plan))}
    changes = tuple(undone.get(found.key) or replace(found, verb=Verb.LEAVE) for found in plan.changes)
    return replace(plan, changes=changes, openings=(), seconds=0)


def still_open(blueprint: Blueprint, plan: Plan) -> tuple[LeftOpen, ...]:
    """Return what is open or left now, for a person who wants nothing to be written."""
    return tuple(
        LeftOpen(found.key, found.id, _what(found), found.why)
        for found in only(blueprint, plan).changes
        if found.verb is not Verb.LEAVE
    )


def _closings(blueprint: Blueprint, plan: Plan) -> Iterator[Change]:
    needed = {(opening.key, opening.path) for opening in plan.openings}
    for step in blueprint:
        if not isinstance(step, Resource) or step.brought or step.key not in plan.known:
            continue
        found = plan.known[step.key]
        if owner_of(step.body) not in ("", owner_of(found)):
            continue
        differing = tuple(
            Difference(window.path, at(found, window.path), window.closed)
            for window in step.windows
            # What Azure never opens again stays open for what still needs it.
            if not is_closed(window, found) and not (window.once and (step.key, window.path) in needed)
        )
        if differing:
            yield change(step, Verb.CLOSE, differing, why=WHY)


def _removals(blueprint: Blueprint, plan: Plan) -> Iterator[Change]:
    """Yield the removal of what was there for a while, also of what this run would have used."""
    for found in plan.changes:
        step = blueprint.steps[found.key]
        passing = isinstance(step, Resource) and step.temporary and found.key in plan.known
        if found.verb is Verb.REMOVE:
            yield found
        elif passing and found.verb is not Verb.BLOCKED:  # what is blocked is not ours
            yield change(step, Verb.REMOVE, why="it is temporary, and was left by an earlier run")


def _what(found: Change) -> str:
    if found.verb is Verb.REMOVE:
        return "it is still there"
    return f"{', '.join(difference.path for difference in found.differences)} is open"
