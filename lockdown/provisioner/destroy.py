"""Removes an environment: what is ours, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event

from lockdown.provisioner import leaving
from lockdown.provisioner.answers import Found, RefusedError
from lockdown.provisioner.apply import failures
from lockdown.provisioner.arm import CONNECTIONS, Arm
from lockdown.provisioner.departed import is_vault
from lockdown.provisioner.graph import Action, Blueprint, Body, Resource, Step, at
from lockdown.provisioner.judging import compare, is_done, is_group, owner_of, wanted
from lockdown.provisioner.outcome import LeftOpen, Outcome, Watch
from lockdown.provisioner.reading import Reading, read
from lockdown.provisioner.walk import Node, State, Walk
from lockdown.provisioner.worker import KeptError, Worker

_LISTING = "2021-04-01"
WITH = "goes with "
"""Begins what is said of a part that is not removed by itself."""

_INTERFACE = re.compile(r"/providers/microsoft\.network/networkinterfaces/[^/]*\.nic\.[^/]*$")
"""The interface of a private endpoint, by the name that Azure gives it."""
_WORKSPACES = "/providers/microsoft.operationalinsights/workspaces"


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
    """What destroy would do, in its order.

    Attributes:
        nodes: the removals, each after what must go before it; what goes with another is not among them.
        known: what was read, by key.
    """

    going: tuple[Removal, ...]
    staying: tuple[Staying, ...]
    nodes: Mapping[str, Node] = field(default_factory=dict, repr=False)
    known: Mapping[str, Body] = field(default_factory=dict, repr=False)


def plan(blueprint: Blueprint, arm: Arm) -> Removals:
    """Read what exists, and return what goes and what stays.

    Raises:
        ToolError: no token could be had.
        RefusedError: what a resource group holds could not be read.
    """
    readings = read(blueprint, arm)
    known = {key: found.body for key, found in readings.items() if isinstance(found, Found) and found.there}
    ids: dict[str, Body] = {step.key: {"id": step.id} for step in blueprint if isinstance(step, Resource)}
    staying: list[Staying] = []
    going: dict[str, Resource] = {}
    for step in blueprint:
        why = _stays(step, readings[step.key], ids | known, going)
        if why is None and isinstance(step, Resource) and step.key in known:
            going[step.key] = step
        elif why:
            staying.append(Staying(step.key, _where(step), why))
    for step in [step for step in going.values() if is_group(step)]:
        others = foreign(arm, step, going.values())
        if others:
            del going[step.key]
            staying.append(Staying(step.key, step.id, f"it holds what is not ours: {', '.join(others)}"))
    with_others = leaving.together(blueprint, going)
    nodes = leaving.nodes(blueprint, going, with_others)
    listed = [*nodes, *with_others]
    return Removals(
        tuple(_removal(going[key], known[key], with_others.get(key)) for key in listed), tuple(staying), nodes, known
    )


def apply(blueprint: Blueprint, removals: Removals, arm: Arm, watch: Watch) -> Outcome:
    """Remove what goes; ``left_open`` of the outcome names what is still there, ``kept`` what was left on purpose."""
    steps = [blueprint.steps[removal.key] for removal in removals.going]
    resources = [step for step in steps if isinstance(step, Resource)]
    ids = {step.key: step.id for step in resources}
    worker = Worker(
        blueprint, {}, (), removals.known, arm, watch, lambda step: foreign(arm, step, resources, gone=True)
    )
    walk, stop = Walk(removals.nodes, arm.now), Event()
    interrupted = walk.run(worker.work(stop), stop, CONNECTIONS)
    kept = {name: error for name, error in walk.errors.items() if isinstance(error, KeptError)}
    return Outcome(
        done=tuple(dict.fromkeys(worker.done)),
        failed=tuple(failures(walk, ids)),
        not_started=tuple(name for name, state in walk.states.items() if state is State.SKIPPED),
        left_open=tuple(
            LeftOpen(name, ids[name], "it is still there", str(walk.errors.get(name, "it was not tried")))
            for name, state in walk.states.items()
            if state is not State.DONE and name not in kept
        ),
        kept=tuple(LeftOpen(name, ids[name], "it is still there", str(error)) for name, error in kept.items()),
        interrupted=interrupted,
    )


def foreign(arm: Arm, group: Resource, going: Iterable[Resource], *, gone: bool = False) -> tuple[str, ...]:
    """Return the names of what a resource group holds beside what goes.

    Until all that goes is ``gone``, what Azure keeps for it is there too: disks of machines, interfaces of endpoints.
    """
    ids = [step.id.lower() for step in going if step is not group]

    def is_ours(path: str) -> bool:
        return any(path == one or path.startswith(f"{one}/") for one in ids)

    found = []
    for item in arm.items(f"{group.id}/resources", _LISTING):
        path = str(item.get("id", "")).lower()
        kept = is_ours(str(item.get("managedBy") or "").lower()) or _INTERFACE.search(path) is not None
        if not is_ours(path) and not (kept and not gone):
            found.append(str(item.get("name", path)))
    return tuple(sorted(found))


def _stays(step: Step, reading: Reading, known: Mapping[str, Body], going: Mapping[str, Resource]) -> str | None:
    """Return why a step stays: '' if nothing of it is there, None if it goes."""
    if isinstance(reading, RefusedError):
        return f"it could not be read: {reading.code}: {reading.message}"
    if not reading.there:
        return ""
    if isinstance(step, Action):
        below = "/resourcegroups/" in step.path.lower()
        return "" if below or not is_done(step, reading) else "it is the subscription's"
    return _is_foreign(step, reading.body, known, going)


def _is_foreign(step: Resource, found: Body, known: Mapping[str, Body], going: Mapping[str, Resource]) -> str | None:
    owner, part = owner_of(step.body), leaving.holder(step, going) is not None
    why: str | None = None
    if step.brought:
        why = "it was there before and was only used"
    elif not step.remove:
        why = "" if part else "it is a setting of the subscription, or of what is not ours"
    elif owner and not part:
        why = None if owner == owner_of(found) else "it is not tagged as ours"
    elif not part and not leaving.extends(step, going):
        # No tag tells whose it is, and it stands in what is not ours: it is ours if it is what lockdown makes.
        body = wanted(step.body, known)
        others = [each for each in compare(step, body.body, found) if each.place not in body.unknown]
        why = "it is not as lockdown makes it" if others else None
    return why


def _removal(step: Resource, found: Body, holder: str | None) -> Removal:
    if holder is not None:
        return Removal(step.key, step.theme, step.id, f"{WITH}{holder}")
    return Removal(step.key, step.theme, step.id, _lasting(step, found), max(5, step.seconds // 2))


def _lasting(step: Resource, found: Body) -> str:
    if is_vault(step):
        days = at(found, "properties.softDeleteRetentionInDays") or 90
        until = "nobody can purge it before" if at(found, "properties.enablePurgeProtection") else "unless it is purged"
        return f"Azure keeps it, and its name, for {days} days; {until}"
    if step.id.lower().rpartition("/")[0].endswith(_WORKSPACES):  # and not what extends one
        return "Azure can recover it for 14 days"
    return ""


def _where(step: Step) -> str:
    return step.id if isinstance(step, Resource) else step.path
