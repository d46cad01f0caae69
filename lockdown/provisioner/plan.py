"""The difference between a blueprint and what exists. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lockdown.provisioner import departed, schedule
from lockdown.provisioner.answers import Found
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.change import IDLE, Change, Opening, Plan, Verb
from lockdown.provisioner.differ import Difference
from lockdown.provisioner.graph import Action, Blueprint, Body, Resource, Window, at
from lockdown.provisioner.judging import blocked, change, is_closed, judge, judge_action
from lockdown.provisioner.reading import Reading, is_nothing, read

__all__ = ["Change", "Opening", "Plan", "Verb", "make"]


def make(blueprint: Blueprint, arm: Arm) -> Plan:
    """Read what exists, and return what is to be done.

    Raises:
        ToolError: no token could be had.
    """
    readings = read(blueprint, arm)
    known = {key: reading.body for key, reading in readings.items() if isinstance(reading, Found) and reading.there}
    changes = {
        step.key: judge(step, readings[step.key], known)
        if isinstance(step, Resource)
        else judge_action(step, readings[step.key])
        for step in blueprint
    }
    changes |= departed.judge(blueprint, changes, known, arm)
    changes |= _undone(blueprint, changes)
    changes |= _temporary(blueprint, changes, readings)
    changes |= _closed_for_good(blueprint, changes, known)
    openings = tuple(_openings(blueprint, changes))
    changes |= _closings(blueprint, changes, known, openings)
    work = schedule.work(blueprint, changes, openings)
    after = schedule.removals(schedule.ordered(blueprint), passing(blueprint, changes), seconds(blueprint))
    return Plan(tuple(changes.values()), known, openings, round(schedule.length(work) + schedule.length(after)))


def passing(blueprint: Blueprint, changes: Mapping[str, Change]) -> frozenset[str]:
    """Return the temporary resources that are there, or will be: what is removed at the end."""
    return frozenset(
        step.key
        for step in blueprint
        if isinstance(step, Resource)
        and step.temporary
        and (changes[step.key].verb not in IDLE or step.key in _wanted_now(blueprint, changes))
    )


def seconds(blueprint: Blueprint) -> dict[str, float]:
    """Return how long each removal typically takes."""
    return {step.key: step.seconds / 2 for step in blueprint}


def _wanted_now(blueprint: Blueprint, changes: Mapping[str, Change]) -> frozenset[str]:
    """Return what the steps that last need, directly or not, of which something is to be done."""
    found: set[str] = set()
    for step in reversed(tuple(blueprint)):
        lasting = not (isinstance(step, Resource) and step.temporary)
        if step.key in found or (lasting and changes[step.key].verb not in IDLE):
            found |= blueprint.needs[step.key]
    return frozenset(found)


def _undone(blueprint: Blueprint, changes: Mapping[str, Change]) -> Iterable[tuple[str, Change]]:
    """An action that shows in a resource of which something is to be done may have to be done again after that.

    What a tag marks is not: tags stay when a resource is written.
    """
    written = {change.id.lower() for change in changes.values() if change.verb in (Verb.CREATE, Verb.UPDATE)}
    for step in blueprint:
        if not isinstance(step, Action) or step.mark is not None or changes[step.key].verb is not Verb.LEAVE:
            continue
        if step.done.id.lower() in written:
            yield step.key, change(step, Verb.ACT, why=step.title)


def _temporary(
    blueprint: Blueprint, changes: Mapping[str, Change], readings: Mapping[str, Reading]
) -> Iterable[tuple[str, Change]]:
    """Temporary resources come and stay only for what needs them."""
    needed = _wanted_now(blueprint, changes)
    for step in blueprint:
        if not isinstance(step, Resource) or not step.temporary or step.key in needed:
            continue
        if changes[step.key].verb is Verb.BLOCKED:
            continue
        if is_nothing(readings[step.key]):
            yield step.key, change(step, Verb.LEAVE, why="it is temporary, and nothing needs it now")
        else:
            yield step.key, change(step, Verb.REMOVE, why="it is temporary, and was left by an earlier run")


def _openings(blueprint: Blueprint, changes: Mapping[str, Change]) -> Iterable[Opening]:
    for step, window in _windows(blueprint):
        behind = tuple(key for key in window.needed_by if changes[key].verb not in IDLE)
        if behind:
            yield Opening(step.key, window.path, window.why, behind, window.once)


def _closings(
    blueprint: Blueprint, changes: Mapping[str, Change], known: Mapping[str, Body], openings: Iterable[Opening]
) -> Iterable[tuple[str, Change]]:
    """A window that is open, and that nothing needs, is closed."""
    opened = {(opening.key, opening.path) for opening in openings}
    for step, window in _windows(blueprint):
        if step.key not in known or (step.key, window.path) in opened or is_closed(window, known[step.key]):
            continue
        found = changes[step.key]
        differing = (*found.differences, Difference(window.path, at(known[step.key], window.path), window.closed))
        if found.verb is Verb.LEAVE:
            yield step.key, change(step, Verb.CLOSE, differing, why="it was left open by an earlier run")
        elif found.verb is Verb.UPDATE:
            yield step.key, replace(found, differences=differing)


def _closed_for_good(
    blueprint: Blueprint, changes: Mapping[str, Change], known: Mapping[str, Body]
) -> Iterable[tuple[str, Change]]:
    """A step that needs open what Azure never opens again cannot be done."""
    for step, window in _windows(blueprint):
        if not window.once or step.key not in known or not is_closed(window, known[step.key]):
            continue
        for key in window.needed_by:
            if changes[key].verb not in IDLE:
                why = f"it needs {window.path} of {step.key} open, and Azure never opens that again"
                yield key, blocked(blueprint.steps[key], why)


def _windows(blueprint: Blueprint) -> Iterable[tuple[Resource, Window]]:
    for step in blueprint:
        if isinstance(step, Resource) and not step.brought:
            for window in step.windows:
                yield step, window
