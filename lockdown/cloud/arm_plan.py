"""What to ask Azure Resource Manager: from the resources of a snapshot to the requests, each once. Pure.

Names of resources are hostile input. They are quoted into paths, and an id that a server or a library on the way could
read as another path (an empty step, ``.`` or ``..``) is not asked at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from lockdown.model import ArmRead

_SUBSCRIPTION, _GROUP = 1, 3


@dataclass(frozen=True)
class Parent:
    """Whose items are read. ``id`` is as Resource Graph spells it."""

    id: str
    location: str = ""

    @property
    def subscription(self) -> str:
        """The id of its subscription, as spelt; empty if its id names none."""
        steps = self.id.strip("/").split("/")
        named = len(steps) > _SUBSCRIPTION and steps[0].lower() == "subscriptions"
        return steps[_SUBSCRIPTION] if named else ""

    @property
    def group(self) -> str:
        """The lower-case name of its resource group; empty if it is in none."""
        steps = self.id.strip("/").split("/")
        named = len(steps) > _GROUP and steps[_GROUP - 1].lower() == "resourcegroups"
        return steps[_GROUP].lower() if named else ""


@dataclass(frozen=True)
class Read:
    """One thing to ask.

    Attributes:
        spec: how.
        target: path and query as they are sent; empty if it cannot be asked.
        parents: whose items the answer is; several where the path tells them not apart.
    """

    spec: ArmRead
    target: str
    parents: tuple[Parent, ...]


def plan(wanted: Sequence[ArmRead], rows: Iterable[Mapping[str, Any]], since: datetime, until: datetime) -> list[Read]:
    """Return what to ask for the parents among ``rows``, each target once, in a stable order.

    Args:
        wanted: what policies ask for, with the types of its parents.
        rows: rows of Resource Graph; those of other types are passed over.
        since: replaces ``{since}``.
        until: replaces ``{until}``.
    """
    by_parent: dict[str, list[ArmRead]] = {}
    for spec in wanted:
        for kind in spec.parents:
            by_parent.setdefault(kind, []).append(spec)
    moments = {"since": _moment(since), "until": _moment(until)}
    found: dict[tuple[str, str], tuple[ArmRead, str, list[Parent]]] = {}
    for row in rows:
        kind = str(row.get("type") or "").lower()
        for spec in by_parent.get(kind, ()):
            for parent in _parents(spec, kind, row):
                target = _target(spec, parent, moments)
                key = (target or f"\0{parent.id.lower()}", spec.type)
                found.setdefault(key, (spec, target, []))[2].append(parent)
    reads = [
        Read(spec, target, tuple(sorted(parents, key=lambda parent: parent.id.lower())))
        for _, (spec, target, parents) in sorted(found.items(), key=lambda item: item[0])
    ]
    return _in_turn(reads)


def _in_turn(reads: Iterable[Read]) -> list[Read]:
    """Return one read of each subscription after the other: each has a quota of its own."""
    turn: Counter[str] = Counter()
    placed: list[tuple[int, int, Read]] = []
    for number, read in enumerate(reads):
        subscription = read.parents[0].subscription.lower()
        turn[subscription] += 1
        placed.append((turn[subscription], number, read))
    return [read for _, _, read in sorted(placed, key=lambda place: place[:2])]


def _parents(spec: ArmRead, kind: str, row: Mapping[str, Any]) -> Iterable[Parent]:
    resource, location = str(row["id"]), str(row.get("location") or "")
    if not _can_have(row, spec.needs):
        return
    if kind not in spec.children:
        yield Parent(resource, location)
    for child in spec.children.get(kind, ()):
        if _can_have(row, child.needs):
            yield Parent(f"{resource}/{child.path}", location)


def _can_have(row: Mapping[str, Any], needs: tuple[str, ...]) -> bool:
    node: Any = row
    for step in needs[:-1]:
        node = node.get(step) if isinstance(node, Mapping) else None
    return not needs or not isinstance(node, Mapping) or node.get(needs[-1]) is not None


def _target(spec: ArmRead, parent: Parent, moments: Mapping[str, str]) -> str:
    values = {"parent": parent.id.lstrip("/"), "subscription": parent.subscription, "location": parent.location}
    path = f"/{spec.path.lstrip('/')}"
    try:
        for name, value in values.items():
            place = "{" + name + "}"
            if place in path and not _is_safe(value, name):
                return ""
            path = path.replace(place, quote(value, safe="/"))
        query = [("api-version", spec.api_version), *spec.query.items()]
        told = "&".join(f"{name}={quote(_filled(text, moments), safe='')}" for name, text in query)
    except UnicodeEncodeError:
        return ""
    return f"{path}?{told}"


def _is_safe(value: str, name: str) -> bool:
    steps = value.split("/")
    if name == "parent" and steps[0].lower() != "subscriptions":
        return False
    return (name == "parent" or len(steps) == 1) and not {"", ".", ".."}.intersection(steps)


def _filled(text: str, moments: Mapping[str, str]) -> str:
    for name, moment in moments.items():
        text = text.replace("{" + name + "}", moment)
    return text


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
