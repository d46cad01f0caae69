"""What is to be done about one resource, from what is wanted and what was read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.provisioner.answers import Found, RefusedError
from lockdown.provisioner.change import Change, Verb
from lockdown.provisioner.differ import Difference, differences
from lockdown.provisioner.graph import OWNER_TAG, Action, Body, Resource, Step, Window, at, resolve
from lockdown.provisioner.reading import Reading
from lockdown.provisioner.values import same_scalar

_MOVING = frozenset({"accepted", "resolvingdns", "inprogress"})
_UNFINISHED = frozenset({"failed", "canceled"})


@dataclass(frozen=True)
class Wanted:
    """The body of a resource as far as it is known.

    Attributes:
        unknown: paths of what only shows once other steps are done.
    """

    body: Body
    unknown: tuple[str, ...]


def wanted(body: Any, known: Mapping[str, Body]) -> Wanted:  # noqa: ANN401 - JSON
    """Resolve the references of a body to what is known."""
    unknown: list[str] = []

    def resolved(value: Any, path: str) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, Mapping):
            return {
                str(resolved(name, path)): resolved(item, f"{path}.{name}" if path else str(name))
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [resolved(item, path) for item in value]
        try:
            return resolve(value, known)
        except KeyError as error:
            unknown.append(path)
            return f"({error.args[0]}, once it is there)"

    return Wanted(resolved(body, ""), tuple(unknown))


def judge(step: Resource, reading: Reading, known: Mapping[str, Body]) -> Change:
    """Return what is to be done about a resource, its windows and whether it is temporary left aside."""
    if isinstance(reading, RefusedError):
        return blocked(step, f"it could not be read: {reading.code}: {reading.message}")
    if not reading.there:
        return blocked(step, "it was said to be there and is not") if step.brought else change(step, Verb.CREATE)
    differing = compare(step, wanted(step.body, known).body, reading.body)
    if step.brought:
        return blocked(step, "it has another shape than it needs", differing) if differing else change(step, Verb.LEAVE)
    return _foreign(step, reading.body) or _own(step, reading.body, differing)


def _own(step: Resource, found: Body, differing: tuple[Difference, ...]) -> Change:
    fixed = tuple(difference for difference in differing if is_at(difference.place, step.fixed))
    if is_moving(found):
        return change(step, Verb.UPDATE, differing, why=f"an operation on it is under way: {state_of(found)}")
    if fixed:
        return blocked(step, "Azure changes this only by making it anew, which lockdown does not do", fixed)
    if not differing and state_of(found).lower() in _UNFINISHED:
        return change(step, Verb.UPDATE, why=f"its last operation ended as {state_of(found)}")
    return change(step, Verb.UPDATE if differing else Verb.LEAVE, differing)


def judge_action(step: Action, reading: Reading) -> Change:
    """Return whether an action is still to be done."""
    if isinstance(reading, RefusedError):
        return blocked(step, f"whether it was done could not be read: {reading.code}: {reading.message}")
    return change(step, Verb.LEAVE if is_done(step, reading) else Verb.ACT, why=step.title)


def compare(step: Resource, body: Body, found: Body) -> tuple[Difference, ...]:
    """Return what differs, but for what is only written at creation, and for windows."""
    return differences(body, found, step.kept, step.secret | {window.path for window in step.windows})


def is_done(step: Action, found: Found) -> bool:
    """Tell whether a GET shows an action to have been done."""
    return found.there and same_scalar(step.done.value, at(found.body, step.done.path))


def is_closed(window: Window, found: Body) -> bool:
    """Tell whether a window is closed in a document."""
    return not differences({"value": window.closed}, {"value": at(found, window.path)})


def owner_of(document: Body) -> str:
    """Return the environment that a document's tag names, or ''. Azure knows the names of tags in any casing."""
    tags = document.get("tags")
    if not isinstance(tags, Mapping):
        return ""
    return next((str(value) for name, value in tags.items() if str(name).lower() == OWNER_TAG), "")


def is_group(step: Step) -> bool:
    """Tell whether a step is a resource group."""
    return isinstance(step, Resource) and step.id.lower().split("/")[3:-1] == ["resourcegroups"]


def state_of(found: Body) -> str:
    """Return the provisioningState of a document, or ''."""
    return str(at(found, "properties.provisioningState") or "")


def is_moving(found: Body) -> bool:
    """Tell whether an operation on a resource is under way."""
    state = state_of(found).lower()
    return state.endswith("ing") or state in _MOVING


def is_at(place: str, paths: frozenset[str]) -> bool:
    """Tell whether a place is at or below one of these paths, or holds one of them."""
    return any(place == path or place.startswith(f"{path}.") or path.startswith(f"{place}.") for path in paths)


def change(step: Step, verb: Verb, differing: tuple[Difference, ...] = (), why: str = "") -> Change:
    """Return a change of a step."""
    where = step.id if isinstance(step, Resource) else step.path
    seconds = {Verb.CREATE: step.seconds, Verb.ACT: step.seconds, Verb.LEAVE: 0}.get(verb, max(5, step.seconds // 2))
    cost = step.cost if verb in (Verb.CREATE, Verb.ACT) else ""
    return Change(step.key, step.theme, where, verb, differing, why, seconds, cost)


def blocked(step: Step, why: str, differing: tuple[Difference, ...] = ()) -> Change:
    """Return that a step cannot be done."""
    where = step.id if isinstance(step, Resource) else step.path
    return Change(step.key, step.theme, where, Verb.BLOCKED, differing, why)


def _foreign(step: Resource, found: Body) -> Change | None:
    owner, other = owner_of(step.body), owner_of(found)
    if owner in ("", other):
        return None
    if is_group(step):
        return change(step, Verb.LEAVE, why="it is there and not ours: it is used as it is and never removed")
    if other:
        return blocked(step, f"it is there and belongs to the environment {other}")
    return blocked(step, f"it is there and is not ours: it lacks the tag {OWNER_TAG}={owner}")
