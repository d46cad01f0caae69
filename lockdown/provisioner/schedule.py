"""From what is to be done to what comes before what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lockdown.provisioner.change import IDLE, Change, Opening, Verb
from lockdown.provisioner.graph import Blueprint
from lockdown.provisioner.walk import Node, tails

_SWITCH = 5
"""Seconds that opening or closing a property typically takes."""


def work(blueprint: Blueprint, changes: Mapping[str, Change], openings: Iterable[Opening]) -> dict[str, Node]:
    """Return what apply does before it closes and removes what was only there for a while.

    A step waits for what it needs through steps of which nothing is to be done, too. A property is opened only when
    all else that the steps behind it need has ended, so that it is open for no longer than they work. What Azure never
    opens again is closed only once they are done: a step that fails today can be done tomorrow.
    """
    pending = {key for key, change in changes.items() if change.verb not in IDLE and change.verb is not Verb.REMOVE}
    needs = through(ordered(blueprint), pending)
    gates: dict[str, set[str]] = {key: set() for key in pending}
    windows: dict[str, Node] = {}
    for opening in openings:
        behind = [key for key in opening.needed_by if key in pending]
        gate = f"open {opening.key} {opening.path}"
        first = frozenset({opening.key} & pending)
        others = frozenset().union(*(needs[key] for key in behind)) - _reached(needs, behind) - first
        windows[gate] = Node(gate, opening.key, Verb.OPEN, opening.path, first, others, _SWITCH)
        shut = f"close {opening.key} {opening.path}"
        ended = frozenset({*behind, gate})
        done = frozenset(behind) if opening.once else frozenset[str]()
        windows[shut] = Node(shut, opening.key, Verb.CLOSE, opening.path, done, ended, _SWITCH)
        for key in behind:
            gates[key].add(gate)
    steps = {
        key: Node(key, key, change.verb, "", needs[key] | gates[key], frozenset(), change.seconds)
        for key, change in changes.items()
        if key in pending
    }
    return {**steps, **windows}


def removals(needs: Mapping[str, frozenset[str]], keys: Iterable[str], seconds: Mapping[str, float]) -> dict[str, Node]:
    """Return the removal of these steps, each after all that need it. ``needs`` is in order."""
    going = set(keys)
    found = through(needs, going)
    users = {key: frozenset(other for other in going if key in found[other]) for key in going}
    return {
        key: Node(key, key, Verb.REMOVE, needs=users[key], seconds=seconds.get(key, 0.0))
        for key in reversed([key for key in needs if key in going])
    }


def length(nodes: Mapping[str, Node]) -> float:
    """Return the seconds of the longest chain."""
    return max(tails(nodes).values(), default=0.0)


def ordered(blueprint: Blueprint) -> dict[str, frozenset[str]]:
    """Return what each step needs, the steps in an order in which each comes after that."""
    return {key: blueprint.needs[key] for key in blueprint.steps}


def through(needs: Mapping[str, frozenset[str]], wanted: set[str]) -> dict[str, frozenset[str]]:
    """Return what each key needs of the wanted ones, directly or through others that are not wanted."""
    found: dict[str, frozenset[str]] = {}
    for key, direct in needs.items():
        found[key] = (direct & wanted).union(*(found[need] for need in direct - wanted))
    return found


def _reached(needs: Mapping[str, frozenset[str]], keys: Iterable[str]) -> frozenset[str]:
    """Return these keys and all that need them, directly or not."""
    found = set(keys)
    for key, wanted in needs.items():
        if wanted & found:
            found.add(key)
    return frozenset(found)
