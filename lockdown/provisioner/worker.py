"""Does one piece of work: creates, changes, opens, closes, acts or removes, and insists where a refusal passes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Lock, RLock

from lockdown.provisioner import bodies
from lockdown.provisioner.answers import Found, RefusedError
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.change import Change, Opening, Verb
from lockdown.provisioner.departed import RECOVER, is_vault
from lockdown.provisioner.desk import LOOK, Desk
from lockdown.provisioner.graph import Action, Blueprint, Body, Resource, Window, resolve
from lockdown.provisioner.judging import compare, is_closed, is_done, is_group, state_of
from lockdown.provisioner.outcome import Watch
from lockdown.provisioner.walk import Node, SkippedError, Walk, Work

_ACTING = 3600.0
_LOOKS = 6


class KeptError(Exception):
    """A resource group is not removed, because it holds what is not ours; the message says what."""


@dataclass(frozen=True)
class _Hands:
    """A procedure's: of one step."""

    arm: Arm
    desk: Desk
    key: str

    def put(self, id: str, api_version: str, body: Body) -> Body:  # noqa: A002 - ARM's word
        return self.desk.insist(self.key, lambda: self.arm.put(id, api_version, body), lambda: None)

    def post(self, path: str, api_version: str, body: Body) -> Body:
        return self.arm.post(path, api_version, body)

    def token(self, audience: str) -> str:
        return self.arm.token(audience)

    def wait(self, why: str, seconds: float) -> None:
        self.desk.wait(self.key, why, seconds)

    def now(self) -> float:
        return self.arm.now()


def _nothing(group: Resource) -> tuple[str, ...]:
    del group
    return ()


class Worker:
    """What the pieces of work of one run share. Thread-safe.

    Attributes:
        known: the documents of all that is there, by key.
        touched: keys of the resources that this run began to create.
        done: keys of what was done, in that order.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        changes: Mapping[str, Change],
        openings: tuple[Opening, ...],
        known: Mapping[str, Body],
        arm: Arm,
        watch: Watch,
        foreign: Callable[[Resource], tuple[str, ...]] = _nothing,
    ) -> None:
        self._foreign = foreign
        self.known = dict(known)
        self.touched: set[str] = set()
        self.done: list[str] = []
        self._blueprint = blueprint
        self._changes = changes
        self._openings = {(opening.key, opening.path): opening for opening in openings}
        self._arm = arm
        self._desk = Desk(arm, watch)
        self._locking = Lock()
        self._writing: defaultdict[str, RLock] = defaultdict(RLock)

    def work(self, stop: Event, then: float = 0.0) -> Work:
        """Return what does a node; ``then`` is how long what comes after the walk will take."""

        def do(node: Node, walk: Walk) -> None:
            with self._arm.until(stop), self._desk.telling(node, walk, then), self._lock(node.key):
                wrote = self._do(node, walk)
            if wrote:
                self.done.append(node.key)

        return do

    def _do(self, node: Node, walk: Walk) -> bool:
        """Do what a node stands for; return False if a window was already as it should be."""
        step = self._blueprint.steps[node.key]
        if isinstance(step, Action):
            return self._act(step)
        if node.verb is Verb.REMOVE:
            self.remove(step)
        elif node.path:
            window = next(window for window in step.windows if window.path == node.path)
            return self._switch(step, window, node, walk)
        elif node.verb is Verb.CREATE and step.remove:
            self._create(step)
        else:  # What is never removed came with its whole: it may be as it should be.
            self._change(step)
        return True

    # Resources

    def _create(self, step: Resource) -> None:
        body = resolve(step.body, self.known)
        opened = [window for window in step.windows if window.once and (step.key, window.path) in self._openings]
        made = bodies.first(step, body, opened)
        recovered = is_vault(step) and self._changes[step.key].why == RECOVER
        if recovered:
            bodies.put_at(made, "properties.createMode", "recover")
        self.touched.add(step.key)
        self._put(step, made, body)
        if recovered and compare(step, body, self.known[step.key]):
            self._change(step)

    def _change(self, step: Resource) -> None:
        body = resolve(step.body, self.known)
        found = self._desk.settled(step)
        if found is None:
            self._create(step)
        elif self._falls_short(step, body, found) or not self._is_shut(step, found):
            self._put(step, bodies.next_(step, body, found, self._open_now(step, found)), body)
        else:
            self.known[step.key] = found

    def _put(self, step: Resource, made: Body, body: Body) -> None:
        def look() -> Body | None:
            found = self._desk.settled(step)
            return found if found is not None and not self._falls_short(step, body, found) else None

        try:
            self.known[step.key] = self._desk.insist(
                step.key, lambda: self._arm.put(step.id, step.api_version, made), look
            )
        except RefusedError as error:
            if error.code != "RoleAssignmentExists":
                raise
            self.known[step.key] = {**body, "id": step.id}

    def _falls_short(self, step: Resource, body: Body, found: Body) -> bool:
        return bool(compare(step, body, found)) or state_of(found).lower() in ("failed", "canceled")

    # Windows

    def _switch(self, step: Resource, window: Window, node: Node, walk: Walk) -> bool:
        """Open or close a window; return whether it was not."""
        opening = node.verb is Verb.OPEN
        if opening and not self._is_needed(node, walk):
            raise SkippedError
        found = self._desk.settled(step)
        if found is None:
            if opening:
                raise RefusedError(404, "NotFound", "What is to be opened is not there.", "", step.id)
            return False
        self.known[step.key] = found
        if is_closed(window, found) is not opening:
            return False
        body = resolve(step.body, self.known)
        wanted = self._open_now(step, found)
        opened = [*wanted, window] if opening else [other for other in wanted if other != window]
        made = bodies.next_(step, body, found, opened)

        def look() -> Body | None:
            there = self._desk.settled(step)
            return there if there is not None and is_closed(window, there) is not opening else None

        self.known[step.key] = self._desk.insist(step.key, lambda: self._arm.put(step.id, step.api_version, made), look)
        return True

    def _is_needed(self, node: Node, walk: Walk) -> bool:
        behind = self._openings[node.key, node.path].needed_by
        return any(
            key in walk.nodes and walk.is_done(walk.nodes[key].needs - {node.name} - set(behind)) for key in behind
        )

    def _open_now(self, step: Resource, found: Body) -> list[Window]:
        """Return the windows that stay open when this resource is written: those that this run still needs."""
        return [
            window
            for window in step.windows
            if (step.key, window.path) in self._openings and not is_closed(window, found)
        ]

    def _is_shut(self, step: Resource, found: Body) -> bool:
        return all(is_closed(window, found) or (step.key, window.path) in self._openings for window in step.windows)

    # Actions

    def _act(self, step: Action) -> bool:
        """Do an action; return whether it was not done, where what it shows in was written meanwhile."""
        body = resolve(step.body, self.known)

        def done() -> Body | None:
            found = self._arm.get(step.done.id, step.done.api_version)
            return found.body if is_done(step, found) else None

        was_done = is_done(step, Found(200, self.known.get(step.key, {})))
        if was_done and done() is not None:
            return False
        self._desk.insist(step.key, lambda: self._attempt(step, body), done)
        if step.mark is not None:
            self._mark(step, *step.mark)
        until = self._arm.now() + _ACTING
        while (found := done()) is None:
            if self._arm.now() > until:
                raise RefusedError(0, "NoEffect", "It was accepted and shows no effect.", "", step.path)
            self._desk.wait(step.key, "it takes effect", LOOK)
        self.known[step.key] = found
        return True

    def _attempt(self, step: Action, body: Body) -> Body:
        if step.procedure is None:
            return self._arm.post(step.path, step.api_version, body)
        step.procedure(body, _Hands(self._arm, self._desk, step.key))
        return {}

    def _mark(self, step: Action, name: str, value: str) -> None:
        ids = {other.id.lower(): other.key for other in self._blueprint if isinstance(other, Resource)}
        holder = ids.get(step.done.id.lower(), "")
        with self._lock(holder):
            found = self._arm.get(step.done.id, step.done.api_version).body
            tags = {**(found.get("tags") or {}), name: value}
            marked = self._desk.insist(
                step.key,
                lambda: self._arm.patch(step.done.id, step.done.api_version, {"tags": tags}),
                lambda: None,
            )
            if holder:
                self.known[holder] = marked

    # Removal

    def remove(self, step: Resource) -> None:
        """Remove a resource, and what stands in it.

        Raises:
            KeptError: it is a resource group with something of others in it.
        """
        if is_group(step):
            self._check_empty(step)

        def gone() -> Found | None:
            found = self._arm.get(step.id, step.api_version)
            return None if found.there else found

        def delete() -> Found:
            self._arm.delete(step.id, step.api_version)
            return Found(404, {})

        self._desk.insist(step.key, delete, gone, removing=True)
        self.known.pop(step.key, None)

    def _check_empty(self, group: Resource) -> None:
        # Resource Manager's list of what a group holds is behind by seconds.
        for _ in range(_LOOKS):
            others = self._foreign(group)
            if not others:
                return
            self._desk.wait(group.key, "it is not empty yet", LOOK)
        raise KeptError(f"it holds what is not ours: {', '.join(others)}")

    # What they share

    def _lock(self, key: str) -> RLock:
        with self._locking:
            return self._writing[key]
