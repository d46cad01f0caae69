"""The blueprint: what is to be built, as a graph of steps. Pure values; nothing here talks to Azure.

A step names what it needs by ``reference``: a text inside its body that stands for a value of another step (an id, a
principal id, an issuer URL) and is replaced once that step is done. What a body refers to, and ``needs``, is all that
orders the work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Body = dict[str, Any]
"""ARM JSON as it goes over the wire."""

_REFERENCE = re.compile("\x02([^\x02\x03]+)\x03([^\x02\x03]*)\x03")
OWNER_TAG = "lockdown-environment"


def reference(key: str, path: str = "id") -> str:
    """Return a text that stands for the value at ``path`` (``properties.principalId``) of the step ``key``."""
    return f"\x02{key}\x03{path}\x03"


@dataclass(frozen=True)
class Window:
    """A property that must be open while certain steps work, and is closed before and after.

    Attributes:
        path: such as ``properties.networkRuleBypassOptions``.
        needed_by: keys of the steps that need it open. It is open only while one of them still has something to do.
        why: one line for the plan.
        once: Azure never opens it again: it is open from creation until it is closed for the first time.
    """

    path: str
    opened: Any
    closed: Any
    needed_by: tuple[str, ...]
    why: str
    once: bool = False


@dataclass(frozen=True)
class Expected:
    """What a GET shows once an action is done: ``value`` at ``path`` of the resource ``id``."""

    id: str
    api_version: str
    path: str
    value: Any


@dataclass(frozen=True)
class Resource:
    """A resource, by PUT.

    Attributes:
        key: names the step in the environment: ``storage``, ``storage/containers/inputs``.
        theme: the blueprint module's name, for people: ``network``, ``storage``.
        id: its ARM id, known before it exists.
        body: the whole state that is wanted, references included; what it does not say is not compared.
        needs: keys that must be done first although the body does not refer to them.
        seconds: how long it typically takes (documented or observed; an estimate for people).
        cost: what costs money, in a few words; empty if nothing does.
        kept: paths of arrays in which items of others stay (``properties.subnets``).
        secret: paths that no GET shows and no log may hold: written at creation, never compared.
        fixed: paths that Azure does not change after creation; a difference there is ``blocked``.
        windows: what is open while others work.
        brought: it is there already and is not ours: its shape is checked, it is never written or removed.
        remove: whether destroy deletes it; False for settings that cannot be deleted or belong to the subscription.
        temporary: it is removed again at the end of the run.
    """

    key: str
    theme: str
    id: str
    api_version: str
    body: Body
    needs: tuple[str, ...] = ()
    seconds: int = 5
    cost: str = ""
    kept: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    windows: tuple[Window, ...] = ()
    brought: bool = False
    remove: bool = True
    temporary: bool = False


class Hands(Protocol):
    """What a procedure works with."""

    def put(self, id: str, api_version: str, body: Body) -> Body:  # noqa: A002 - ARM's word
        """Create or replace a resource, and return its document."""

    def post(self, path: str, api_version: str, body: Body) -> Body:
        """Do an action, and return what it answers at its end."""

    def token(self, audience: str) -> str:
        """Return a token of whoever runs this, for an application."""

    def wait(self, why: str, seconds: float) -> None:
        """Let time pass, and tell people why."""

    def now(self) -> float:
        """Return the seconds that ``wait`` goes by."""


Procedure = Callable[[Body, Hands], None]
"""What is done with a body, its references resolved; it may be done again from its beginning."""


@dataclass(frozen=True)
class Action:
    """Something done once, by POST: a provider registered, an image imported.

    Attributes:
        path: what is posted to, an ARM path.
        done: how a GET tells that it has been done.
        mark: with it, ``done.id`` gets this tag after success (name, value): for what leaves no other trace in ARM.
        procedure: what is done instead of one POST of the body.
    """

    key: str
    theme: str
    path: str
    api_version: str
    body: Body
    done: Expected
    needs: tuple[str, ...] = ()
    seconds: int = 30
    cost: str = ""
    mark: tuple[str, str] | None = None
    title: str = ""
    procedure: Procedure | None = field(default=None, repr=False)


Step = Resource | Action


class BlueprintError(Exception):
    """The blueprint contradicts itself: a mistake in lockdown, not of its user."""


@dataclass(frozen=True)
class Blueprint:
    """All steps of an environment, by key, in an order in which each comes after what it needs."""

    steps: Mapping[str, Step]
    needs: Mapping[str, frozenset[str]] = field(repr=False)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps.values())

    def needed_by(self, key: str) -> frozenset[str]:
        """Return the keys of the steps that need this one directly."""
        return frozenset(other for other, wanted in self.needs.items() if key in wanted)

    def critical_path(self) -> tuple[tuple[str, ...], int]:
        """Return the longest chain of steps and its seconds."""
        ends: dict[str, tuple[int, tuple[str, ...]]] = {}
        for key, step in self.steps.items():
            before = max((ends[need] for need in self.needs[key]), default=(0, ()))
            ends[key] = (before[0] + step.seconds, (*before[1], key))
        longest = max(ends.values(), default=(0, ()))
        return longest[1], longest[0]


def blueprint(steps: Iterable[Step]) -> Blueprint:
    """Order the steps. Beside what it says, a step needs the one whose resource its own stands in.

    Raises:
        BlueprintError: a key or id is there twice, a step needs one that is not there, or a ring of steps need each
            other.
    """
    found: dict[str, Step] = {}
    ids: dict[str, str] = {}
    for step in steps:
        if step.key in found:
            raise BlueprintError(f"two steps are called {step.key}")
        if isinstance(step, Resource) and ids.setdefault(step.id.lower(), step.key) != step.key:
            raise BlueprintError(f"{step.key} and {ids[step.id.lower()]} are both {step.id}")
        found[step.key] = step
    needs = {
        key: frozenset(step.needs) | references(step.body) | _holder(key, step, ids) for key, step in found.items()
    }
    for key, wanted in needs.items():
        missing = sorted((wanted | _windows(found[key])) - set(found))
        if missing:
            raise BlueprintError(f"{key} needs {missing[0]}, which is not there")
    return Blueprint({key: found[key] for key in _ordered(needs)}, needs)


def references(value: Any) -> frozenset[str]:  # noqa: ANN401 - JSON
    """Return the keys that a body refers to."""
    if isinstance(value, str):
        return frozenset(match[1] for match in _REFERENCE.finditer(value))
    if isinstance(value, Mapping):
        return frozenset().union(*(references(item) for pair in value.items() for item in pair))
    if isinstance(value, list | tuple):
        return frozenset().union(*map(references, value))
    return frozenset()


def resolve(value: Any, known: Mapping[str, Mapping[str, Any]]) -> Any:  # noqa: ANN401 - JSON
    """Return a body with each reference replaced by what ``known`` (step key to its document from ARM) says.

    Raises:
        KeyError: the step is not known, or its document lacks the path; the message names both.
    """
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: _looked_up(match[1], match[2], known), value)
    if isinstance(value, Mapping):
        return {resolve(name, known): resolve(item, known) for name, item in value.items()}
    return [resolve(item, known) for item in value] if isinstance(value, list | tuple) else value


def at(document: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value at a dotted path (numbers index arrays, names are matched as written), or None."""
    value = document
    for step in path.split(".") if path else ():
        if isinstance(value, list) and step.isdecimal():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _looked_up(key: str, path: str, known: Mapping[str, Mapping[str, Any]]) -> str:
    value = at(known.get(key), path)
    if value is None or isinstance(value, dict | list):
        raise KeyError(f"{path} of {key}")
    return str(value)


def _holder(key: str, step: Step, ids: Mapping[str, str]) -> frozenset[str]:
    """Return the key of the step whose resource is the nearest above this one's in the tree of ids."""
    path = (step.id if isinstance(step, Resource) else step.path).lower()
    while path:
        path = path.rpartition("/")[0]
        if path in ids and ids[path] != key:
            return frozenset({ids[path]})
    return frozenset()


def _windows(step: Step) -> frozenset[str]:
    windows = step.windows if isinstance(step, Resource) else ()
    return frozenset(key for window in windows for key in window.needed_by)


def _ordered(needs: Mapping[str, frozenset[str]]) -> Iterator[str]:
    done: set[str] = set()
    left = dict(needs)
    while left:
        ready = [key for key, wanted in left.items() if wanted <= done]
        if not ready:
            raise BlueprintError(f"these steps need each other: {', '.join(sorted(left))}")
        yield from ready
        done.update(ready)
        for key in ready:
            del left[key]
