"""Makes a blueprint true: walks what a plan says is to be done, many steps at a time.

Whatever happens before, a failure or an interruption, what was only to be open or there for a while is closed and
removed at the end. What could not be is in ``Outcome.left_open``, and the next run tries again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Event

from lockdown.provisioner import schedule
from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.arm import CONNECTIONS, Arm, StoppedError
from lockdown.provisioner.change import IDLE, Change, Plan, Verb
from lockdown.provisioner.graph import Blueprint, Resource
from lockdown.provisioner.outcome import Failure, LeftOpen, Outcome, Watch
from lockdown.provisioner.plan import passing, seconds
from lockdown.provisioner.walk import Node, State, Walk
from lockdown.provisioner.worker import KeptError, Worker


def apply(blueprint: Blueprint, plan: Plan, arm: Arm, watch: Watch) -> Outcome:
    """Do what the plan says, and return what came of it.

    A step that fails stops only what needs it. While anything is blocked, nothing is built: what an earlier run left
    open is closed, and what it left behind is removed. An interruption (Ctrl-C) ends the waiting for what is under
    way, not the closing; a second one ends that too.
    """
    changes = {change.key: change for change in plan.changes}
    worker = Worker(blueprint, changes, plan.openings, plan.known, arm, watch)
    main = schedule.work(blueprint, changes, plan.openings)
    if plan.blocked:
        main = {name: node for name, node in main.items() if node.verb is Verb.CLOSE and not node.needs}
    temporary = passing(blueprint, changes)
    after = schedule.removals(schedule.ordered(blueprint), temporary, seconds(blueprint))
    walk, stop = Walk(main, arm.now), Event()
    interrupted = walk.run(worker.work(stop, schedule.length(after)), stop, CONNECTIONS)

    closing = {**_closings(walk), **_removals(after, changes, worker)}
    last, enough = Walk(closing, arm.now), Event()
    again = last.run(worker.work(enough), enough, CONNECTIONS)
    return Outcome(
        done=tuple(dict.fromkeys(worker.done)),
        failed=tuple(failures(walk, {key: change.id for key, change in changes.items()})),
        not_started=_not_started(walk, last, changes),
        left_open=tuple(_left_open(blueprint, last)),
        interrupted=interrupted or again,
    )


def _closings(walk: Walk) -> dict[str, Node]:
    """Return the closings that the walk did not come to, or that failed; not those that must wait for what failed."""
    return {
        name: Node(name, node.key, Verb.CLOSE, node.path, seconds=node.seconds)
        for name, node in walk.nodes.items()
        if node.verb is Verb.CLOSE and walk.states[name] is not State.DONE and walk.is_done(node.needs)
    }


def _removals(after: Mapping[str, Node], changes: Mapping[str, Change], worker: Worker) -> dict[str, Node]:
    """Return the removal of the temporary resources that are there: found, or begun by this run."""
    there = (
        worker.touched | worker.known.keys() | {key for key, change in changes.items() if change.verb is Verb.REMOVE}
    )
    return {name: node for name, node in after.items() if node.key in there}


def failures(walk: Walk, ids: Mapping[str, str]) -> Iterable[Failure]:
    """Yield what failed; ``ids`` by key of the step. What could not be closed is no failure of a step."""
    for name, error in walk.errors.items():
        node = walk.nodes[name]
        if node.verb is Verb.CLOSE or not _is_failure(error):
            continue
        where = error.id if isinstance(error, RefusedError) else ids[node.key]
        code = error.code if isinstance(error, RefusedError) else type(error).__name__
        request_id = error.request_id if isinstance(error, RefusedError) else ""
        cause = error.message if isinstance(error, RefusedError) else str(error)
        yield Failure(node.key, where, node.verb, cause, code, request_id)


def _not_started(walk: Walk, last: Walk, changes: Mapping[str, Change]) -> tuple[str, ...]:
    """Return what was to be done and neither was nor failed; its node has the name of the step."""
    failed = {name for name, error in walk.errors.items() if _is_failure(error)}
    return tuple(
        key
        for key, change in changes.items()
        if change.verb not in IDLE
        and change.verb is not Verb.REMOVE
        and key not in failed
        and State.DONE not in (walk.states.get(key), last.states.get(key))
    )


def _is_failure(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, StoppedError | KeptError)


def _left_open(blueprint: Blueprint, last: Walk) -> Iterable[LeftOpen]:
    for name, state in last.states.items():
        if state is State.DONE:
            continue
        node, error = last.nodes[name], last.errors.get(name)
        step = blueprint.steps[node.key]
        what = f"{node.path} is open" if node.path else "it is still there"
        if node.verb is Verb.CLOSE and not node.path and isinstance(step, Resource):
            what = ", ".join(window.path for window in step.windows) + " is open"
        where = step.id if isinstance(step, Resource) else step.path
        yield LeftOpen(node.key, where, what, str(error) if error else "it was not tried: the run was interrupted")
