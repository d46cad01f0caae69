"""The parts of the engine that need no Azure: order, patience, bodies."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from threading import Event, Lock, main_thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.provisioner import bodies, schedule
from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.change import Change, Opening, Verb
from lockdown.provisioner.graph import Resource, Window, blueprint, reference
from lockdown.provisioner.patience import patience, pause
from lockdown.provisioner.walk import Node, SkippedError, State, Walk, tails


def node(name: str, *needs: str, after: tuple[str, ...] = (), seconds: float = 1) -> Node:
    return Node(name, name, Verb.CREATE, "", frozenset(needs), frozenset(after), seconds)


def walk(*nodes: Node) -> Walk:
    return Walk({each.name: each for each in nodes}, lambda: 0.0)


@st.composite
def graphs(draw: st.DrawFn) -> Mapping[str, Node]:
    names = [f"n{index}" for index in range(draw(st.integers(1, 12)))]
    found = {}
    for index, name in enumerate(names):
        before = draw(st.sets(st.sampled_from(names[:index]))) if index else set()
        after = draw(st.sets(st.sampled_from(names[:index]))) if index else set()
        found[name] = node(name, *before, after=tuple(after), seconds=draw(st.integers(0, 9)))
    return found


@given(graphs(), st.data())
def test_each_is_done_once_and_after_what_it_needs_and_only_then(
    nodes: Mapping[str, Node], data: st.DataObject
) -> None:
    failing = data.draw(st.sets(st.sampled_from(sorted(nodes))))
    found, begun, lock = Walk(nodes, lambda: 0.0), list[str](), Lock()

    def work(node: Node, walk: Walk) -> None:
        with lock:
            begun.append(node.name)
            assert walk.is_done(node.needs)
            assert all(walk.states[name] in (State.DONE, State.FAILED, State.SKIPPED) for name in node.after)
        if node.name in failing:
            raise ValueError(node.name)

    assert found.run(work, Event(), 4) is None
    assert sorted(begun) == sorted(set(begun))
    for name, each in nodes.items():
        lost = any(found.states[need] is not State.DONE for need in each.needs)
        assert (found.states[name] is State.SKIPPED) == lost
        assert (found.states[name] is State.FAILED) == (not lost and name in failing)
    assert found.remaining() == 0
    assert set(found.errors) == {name for name, state in found.states.items() if state is State.FAILED}


def test_a_piece_that_finds_nothing_to_do_is_skipped() -> None:
    found = walk(node("a"), node("b", "a"))

    def work(node: Node, walk: Walk) -> None:
        assert node.name == "a"
        assert not walk.is_done({"b"})
        raise SkippedError

    found.run(work, Event(), 2)
    assert found.states == {"a": State.SKIPPED, "b": State.SKIPPED}
    assert found.errors == {}


@pytest.mark.parametrize("_again", range(5))
def test_an_interruption_ends_what_was_not_begun(_again: int) -> None:
    stop = Event()
    found = walk(node("a"), node("b", "a"))

    def work(node: Node, walk: Walk) -> None:
        assert walk.is_done(node.needs)
        signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)
        assert stop.wait(10)

    assert isinstance(found.run(work, stop, 2), KeyboardInterrupt)
    assert found.states == {"a": State.DONE, "b": State.SKIPPED}


def test_what_kills_a_piece_of_work_stops_the_walk() -> None:
    found, stop = walk(node("a"), node("b", "a"), node("c")), Event()

    def work(node: Node, walk: Walk) -> None:
        raise SystemExit(f"{node.name} of {len(walk.nodes)}")

    assert isinstance(found.run(work, stop, 1), SystemExit)
    assert stop.is_set()


def test_a_chain_is_as_long_as_its_longest_way() -> None:
    nodes = {each.name: each for each in (node("a", seconds=5), node("b", "a", seconds=7), node("c", "a", seconds=1))}
    assert tails(nodes) == {"a": 12, "b": 7, "c": 1}
    assert schedule.length(nodes) == 12
    assert schedule.length({}) == 0


def step(key: str, *needs: str, windows: tuple[Window, ...] = ()) -> Resource:
    return Resource(key, "theme", f"/subscriptions/s/providers/A.B/{key}", "1", {}, needs=needs, windows=windows)


def changed(**verbs: Verb) -> dict[str, Change]:
    return {key: Change(key, "theme", key, verb, seconds=10) for key, verb in verbs.items()}


def test_a_step_waits_for_what_it_needs_through_steps_that_are_done() -> None:
    found = blueprint([step("a"), step("b", "a"), step("c", "b")])
    nodes = schedule.work(found, changed(a=Verb.CREATE, b=Verb.LEAVE, c=Verb.CREATE), ())
    assert nodes["c"].needs == {"a"}
    assert set(nodes) == {"a", "c"}


def test_a_window_opens_when_all_else_is_ready_and_closes_when_all_have_ended() -> None:
    window = Window("properties.open", "yes", "no", ("x", "y", "z"), "why")
    found = blueprint(
        [step("held", windows=(window,)), step("slow"), step("x", "held", "slow"), step("y", "x"), step("z")]
    )
    verbs = changed(held=Verb.CREATE, slow=Verb.CREATE, x=Verb.ACT, y=Verb.ACT, z=Verb.LEAVE)
    nodes = schedule.work(found, verbs, (Opening("held", "properties.open", "why", ("x", "y")),))
    gate, shut = nodes["open held properties.open"], nodes["close held properties.open"]
    assert gate.needs == {"held"}
    assert gate.after == {"slow"}
    assert not shut.needs
    assert shut.after == {"x", "y", gate.name}
    assert gate.name in nodes["x"].needs & nodes["y"].needs


def test_what_stands_in_another_needs_it_and_a_ring_is_refused() -> None:
    part = Resource("part", "theme", "/subscriptions/s/providers/A.B/A/C/D", "1", {})
    assert blueprint([part, step("a")]).needs["part"] == {"a"}
    with pytest.raises(Exception, match="need each other"):
        blueprint([part, step("a", "part")])


def test_removals_are_the_other_way_round() -> None:
    found = blueprint([step("a"), step("b", "a"), step("c", "b"), step("d", "a")])
    nodes = schedule.removals(schedule.ordered(found), {"a", "c"}, {"a": 3.0})
    assert nodes["a"].needs == {"c"}
    assert not nodes["c"].needs
    assert (nodes["a"].verb, nodes["a"].seconds) == (Verb.REMOVE, 3.0)


def refused(status: int, code: str, message: str = "") -> RefusedError:
    return RefusedError(status, code, message, "", "/x")


@pytest.mark.parametrize(
    ("error", "removing", "limit"),
    [
        (refused(409, "AnotherOperationInProgress"), False, 3600),
        (refused(409, "Conflict", "There is an operation in progress; please retry later."), False, 3600),
        (refused(409, "Conflict", "The name is taken."), False, None),
        (refused(409, "ScopeLocked"), True, None),
        (refused(400, "PrincipalNotFound"), False, 900),
        (refused(400, "PrincipalNotFound"), True, None),
        (refused(400, "InUseSubnetCannotBeDeleted"), True, 1800),
        (refused(400, "InUseSubnetCannotBeDeleted"), False, None),
        (refused(409, "StorageAccountAlreadyTaken"), False, None),
        (refused(403, "RequestDisallowedByPolicy"), False, None),
        (refused(403, "AuthorizationFailed"), False, None),
        (refused(400, "InvalidRequestContent", "A request is in progress of being invalid."), False, None),
        (refused(0, "NoAnswer"), False, 300),
        (refused(404, "ParentResourceNotFound"), False, 300),
        (refused(400, "InvalidResourceReference"), False, 300),
        (refused(404, "SubscriptionNotFound"), False, None),
        (refused(502, "HTTP502"), True, 300),
        (refused(200, "InternalServerError"), False, 300),
        (refused(409, "QuotaExceeded"), False, None),
    ],
)
def test_only_what_passes_by_itself_is_tried_again(error: RefusedError, removing: bool, limit: float | None) -> None:
    found = patience(error, removing=removing)
    assert (found.limit if found else None) == limit


def test_the_server_names_the_pause_or_it_grows() -> None:
    assert [pause(tried, None) for tried in (1, 2, 3, 4, 5, 9)] == [2, 4, 8, 16, 30, 30]
    assert pause(9, 3.0) == 3.0


WINDOW = Window("properties.bypass", "AzureServices", "None", ("x",), "why")


def holder(**more: Any) -> Resource:
    return Resource("r", "theme", "/r", "1", {}, windows=(WINDOW,), **more)


def test_a_resource_is_created_closed_but_for_what_azure_never_opens_again() -> None:
    body = {"properties": {"bypass": "None", "password": "p"}}
    assert bodies.first(holder(), body, ()) == body
    assert bodies.first(holder(), body, (WINDOW,))["properties"]["bypass"] == "AzureServices"
    assert bodies.first(holder(), {}, ()) == {"properties": {"bypass": "None"}}
    assert body["properties"]["bypass"] == "None"


def test_a_change_keeps_what_is_others_and_leaves_out_what_is_only_written_once() -> None:
    body = {
        "tags": {"owner": "us"},
        "properties": {"bypass": "None", "password": "p", "rules": [{"name": "ours"}], "plain": ["a"]},
    }
    found = {
        "tags": {"owner": "them", "mark": "1"},
        "properties": {"rules": [{"name": "OURS", "x": 1}, {"name": "theirs"}], "plain": ["A", "b"]},
    }
    step = holder(secret=frozenset({"properties.password"}), kept=frozenset({"properties.rules", "properties.plain"}))
    assert bodies.next_(step, body, found) == {
        "tags": {"owner": "us", "mark": "1"},
        "properties": {"bypass": "None", "rules": [{"name": "ours"}, {"name": "theirs"}], "plain": ["a", "b"]},
    }
    assert bodies.next_(step, {"properties": {}}, {})["properties"] == {"bypass": "None", "rules": [], "plain": []}


def test_a_reference_orders_and_is_text() -> None:
    found = blueprint([Resource("b", "t", "/b", "1", {"x": reference("a")}), Resource("a", "t", "/a", "1", {})])
    assert found.needs["b"] == {"a"}
