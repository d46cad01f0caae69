"""What exists of a blueprint, read many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lockdown.provisioner.answers import Found, RefusedError
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.graph import Blueprint, Resource, Step

THREADS = 16
Result = TypeVar("Result")
Reading = Found | RefusedError
"""What is there, or why nobody knows."""

NOTHING = Found(404, {})


def read(blueprint: Blueprint, arm: Arm) -> dict[str, Reading]:
    """Read what stands at the id of each resource, and what tells of each action that it was done.

    What would stand in something that is not there is not asked for.
    """
    steps = {step.key: step for step in blueprint}
    depths: dict[int, list[str]] = {}
    for key, step in steps.items():
        depths.setdefault(target(step)[0].count("/"), []).append(key)
    found: dict[str, Reading] = {}
    absent: set[str] = set()
    for depth in sorted(depths):
        asked = [key for key in depths[depth] if not _inside(target(steps[key])[0], absent)]
        answers = at_once(lambda key: look(arm, *target(steps[key])), asked)
        found |= answers
        absent |= {target(steps[key])[0].lower() for key, answer in answers.items() if is_nothing(answer)}
    return {key: found.get(key, NOTHING) for key in steps}


def target(step: Step) -> tuple[str, str]:
    """Return the id that a step is looked up at, and the API version."""
    return (step.id, step.api_version) if isinstance(step, Resource) else (step.done.id, step.done.api_version)


def look(arm: Arm, id: str, api_version: str) -> Reading:  # noqa: A002 - ARM's word
    """Return what is at an id, or why nobody knows."""
    try:
        return arm.get(id, api_version)
    except RefusedError as error:
        return error


def is_nothing(reading: Reading) -> bool:
    """Tell whether it is known that nothing is there."""
    return isinstance(reading, Found) and not reading.there


def at_once(work: Callable[[str], Result], keys: Iterable[str]) -> Mapping[str, Result]:
    """Return what ``work`` returns for each key, many at a time."""
    wanted = list(keys)
    if not wanted:
        return {}
    with ThreadPoolExecutor(min(THREADS, len(wanted)), thread_name_prefix="read") as pool:
        return dict(zip(wanted, pool.map(work, wanted), strict=True))


def _inside(id: str, absent: set[str]) -> bool:  # noqa: A002
    path = id.lower()
    while path:
        path = path.rpartition("/")[0]
        if path in absent:
            return True
    return False
