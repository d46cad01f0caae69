"""In what order resources go, and which go with another. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from lockdown.provisioner import schedule
from lockdown.provisioner.graph import Blueprint, Resource
from lockdown.provisioner.judging import is_group
from lockdown.provisioner.walk import Node

_LOCKS = "/providers/microsoft.authorization/locks/"
_ALONE = ("/virtualnetworklinks/", "/scopedresources/")
"""Parts that Azure wants removed before it removes their whole."""

Needs = Mapping[str, frozenset[str]]


def holder(step: Resource, going: Mapping[str, Resource]) -> str | None:
    """Return the key of the going resource that this one is a part of: Azure removes parts with their whole.

    Extensions (locks, roles, diagnostic settings) are no parts: Azure may keep them when their resource goes.
    """
    parts = {
        other.id: other.key
        for other in going.values()
        if _is_below(step, other) and "/providers/" not in step.id.lower()[len(other.id) :]
    }
    return parts[max(parts, key=len)] if parts else None


def extends(step: Resource, going: Mapping[str, Resource]) -> bool:
    """Tell whether a resource is an extension of a going one: a lock, a role, a diagnostic setting on it."""
    return any(_is_below(step, other) and not is_group(other) for other in going.values())


def _is_below(step: Resource, other: Resource) -> bool:
    return other.key != step.key and step.id.lower().startswith(f"{other.id.lower()}/")


def together(blueprint: Blueprint, going: Mapping[str, Resource]) -> dict[str, str]:
    """Return what is not removed by itself: key of the part to key of the whole that it goes with.

    A part is removed by itself if Azure wants that, or if its whole can only go after something that needs it gone.
    """
    needs = schedule.through(schedule.ordered(blueprint), set(going))
    found: dict[str, str] = {}
    for key, step in going.items():
        whole = holder(step, going)
        if whole is None or any(kind in step.id.lower() for kind in _ALONE):
            continue
        tried = {**found, key: found.get(whole, whole)}
        if _ordered(_merged(needs, going, tried)) is not None:
            found = tried
    return found


def nodes(blueprint: Blueprint, going: Mapping[str, Resource], with_others: Mapping[str, str]) -> dict[str, Node]:
    """Return the removals in their order: locks first, dependants before what they need."""
    needs = schedule.through(schedule.ordered(blueprint), set(going))
    merged = _merged(needs, going, with_others)
    locks = frozenset(key for key in merged if _LOCKS in going[key].id.lower())
    merged |= {key: merged[key] | (merged.keys() - locks) for key in locks}
    order = _ordered(merged) or tuple(merged)
    seconds = {key: going[key].seconds / 2 for key in order}
    return schedule.removals({key: merged[key] for key in order}, order, seconds)


def _merged(needs: Needs, going: Mapping[str, Resource], with_others: Mapping[str, str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for key in needs:
        if key in going:
            whole = with_others.get(key, key)
            wanted = frozenset(with_others.get(need, need) for need in needs[key]) - {whole}
            found[whole] = found.get(whole, frozenset()) | wanted
    return found


def _ordered(needs: Needs) -> tuple[str, ...] | None:
    """Return the keys, each after what it needs; None if they need each other."""
    left, found = dict(needs), []
    while left:
        ready = [key for key, wanted in left.items() if not wanted & left.keys()]
        if not ready:
            return None
        found += ready
        for key in ready:
            del left[key]
    return tuple(found)
