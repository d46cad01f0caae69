"""Many pieces of work at a time, each once what it needs is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Protocol

from lockdown.provisioner.change import Verb

_GLANCE = 0.5
"""Seconds of waiting after which an interruption is seen that arrived just before the waiting began."""


class State(Enum):
    """How far a node is. SKIPPED: what it needs was not done, or the run was stopped."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()
    SKIPPED = auto()


ENDED = frozenset({State.DONE, State.FAILED, State.SKIPPED})


@dataclass(frozen=True)
class Node:
    """One piece of work.

    Attributes:
        name: unique in a walk.
        key: of the step that it is about.
        path: of the window that it opens or closes; '' for others.
        needs: names of nodes that must be done first.
        after: names of nodes that must have ended first, however.
        seconds: how long it typically takes.
    """

    name: str
    key: str
    verb: Verb
    path: str = ""
    needs: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    seconds: float = 0.0

    @property
    def before(self) -> frozenset[str]:
        """All that comes first."""
        return self.needs | self.after


class SkippedError(Exception):
    """Raised by work that finds that there is nothing for it to do, because what it is for will not be done."""


class Work(Protocol):
    """Does what a node stands for."""

    def __call__(self, node: Node, walk: Walk) -> None:
        """Return when it is done; raise if it fails."""


@dataclass
class Walk:
    """One walk over nodes; those that do not exist are taken for done.

    Attributes:
        errors: what went wrong, by name of the node.
        order: names of the nodes that are done, in the order in which they were.
    """

    nodes: Mapping[str, Node]
    now: Callable[[], float]
    states: dict[str, State] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    _began: dict[str, float] = field(default_factory=dict)
    _finished: deque[tuple[Node, BaseException | None]] = field(default_factory=deque)
    _todo: SimpleQueue[Node | None] = field(default_factory=SimpleQueue)
    _wake: SimpleQueue[None] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self.states = dict.fromkeys(self.nodes, State.WAITING)
        self._tails = tails(self.nodes)

    def run(self, work: Work, stop: Event, threads: int) -> BaseException | None:
        """Do everything that can be done.

        Once ``stop`` is set, or this thread is interrupted (which sets it), nothing more begins. What is under way is
        awaited either way. Returns the interruption, or None.
        """
        interruption: BaseException | None = None
        staff: list[Thread] = []
        while True:
            # An interruption can arrive between any two steps of this: no piece of work may be lost, or done twice.
            try:
                interruption = self._settle() or interruption
                if interruption is not None:
                    stop.set()
                while len(staff) < min(threads, len(self.nodes)):
                    staff.append(Thread(target=self._serve, args=(work, stop), name="provision", daemon=True))
                    staff[-1].start()
                for node in () if stop.is_set() else self._ready():
                    self._todo.put(node)
                    self.states[node.name] = State.RUNNING
                if State.RUNNING not in self.states.values():
                    break
                with suppress(Empty):
                    self._wake.get(timeout=_GLANCE)
            except BaseException as error:
                interruption = error
        interruption = self._dismissed(staff) or interruption
        self._settle()
        for name, state in self.states.items():
            if state in (State.WAITING, State.RUNNING):
                self.states[name] = State.SKIPPED
        return interruption

    def _serve(self, work: Work, stop: Event) -> None:
        while (node := self._todo.get()) is not None:
            error: BaseException | None = SkippedError()
            try:
                if not stop.is_set():
                    self._began[node.name] = self.now()
                    work(node, self)
                    error = None
            except BaseException as raised:
                error = raised
            self._finished.append((node, error))
            self._wake.put(None)

    def _dismissed(self, staff: list[Thread]) -> BaseException | None:
        """Let each thread end; what was handed to one just before an interruption ends first."""
        interruption: BaseException | None = None
        for _ in staff:
            self._todo.put(None)
        while any(thread.is_alive() for thread in staff):
            try:
                for thread in staff:
                    if thread.is_alive():
                        thread.join(_GLANCE)
            except BaseException as error:
                interruption = error
        return interruption

    def _settle(self) -> BaseException | None:
        """Take in what has ended; return what else than an error ended a piece of work."""
        found: BaseException | None = None
        while self._finished:
            node, error = self._finished[0]
            self._end(node, error)
            if error is not None and not isinstance(error, Exception):
                found = error
            self._finished.popleft()
        return found

    def is_done(self, names: Iterable[str]) -> bool:
        """Tell whether all of these are done."""
        return all(self.states.get(name, State.DONE) is State.DONE for name in names)

    def remaining(self, ended: Node | None = None) -> float:
        """Return how long the rest typically takes, once ``ended`` is over."""
        now, left = self.now(), [0.0]
        for name, state in list(self.states.items()):
            if state not in ENDED and self.nodes[name] is not ended:
                spent = now - self._began.get(name, now)
                left.append(self._tails[name] - min(spent, self.nodes[name].seconds))
        return max(left)

    def _ready(self) -> list[Node]:
        """Return the nodes that can begin, those with the longest way to the end first; skip those that never can."""
        found: list[Node] = []
        changed = True
        while changed:
            changed, found = False, []
            for name, state in self.states.items():
                node = self.nodes[name]
                if state is not State.WAITING or not self._ended(node.before):
                    continue
                if self.is_done(node.needs):
                    found.append(node)
                else:
                    self.states[name], changed = State.SKIPPED, True
        return sorted(found, key=lambda node: -self._tails[node.name])

    def _ended(self, names: Iterable[str]) -> bool:
        return all(self.states.get(name, State.DONE) in ENDED for name in names)

    def _end(self, node: Node, error: BaseException | None) -> None:
        if self.states[node.name] in ENDED:
            return
        if error is None:
            self.states[node.name] = State.DONE
            self.order.append(node.name)
        elif isinstance(error, SkippedError):
            self.states[node.name] = State.SKIPPED
        else:
            self.states[node.name] = State.FAILED
            self.errors[node.name] = error


def tails(nodes: Mapping[str, Node]) -> dict[str, float]:
    """Return for each node the seconds from its beginning to the end of the longest chain that it begins."""
    followers: dict[str, list[str]] = {name: [] for name in nodes}
    waiting = dict.fromkeys(nodes, 0)
    for name, node in nodes.items():
        for before in node.before & nodes.keys():
            followers[before].append(name)
            waiting[name] += 1
    order = [name for name, count in waiting.items() if not count]
    for name in order:
        for follower in followers[name]:
            waiting[follower] -= 1
            if not waiting[follower]:
                order.append(follower)
    found: dict[str, float] = {}
    for name in reversed(order):
        found[name] = nodes[name].seconds + max((found[follower] for follower in followers[name]), default=0.0)
    return found
