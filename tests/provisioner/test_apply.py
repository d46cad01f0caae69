"""What is applied is there, whatever goes wrong on the way; what was open for a while is closed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from lockdown.provisioner import plan
from lockdown.provisioner.apply import apply
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.change import Verb
from lockdown.provisioner.graph import Blueprint, Resource, Step, blueprint
from lockdown.provisioner.ledger import Entry
from lockdown.provisioner.outcome import Outcome, Silent
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import (
    REGISTRY,
    STORAGE,
    WRITES,
    Killed,
    Transport,
    Watched,
    address,
    connect,
    identity,
    lock,
    registry,
    role,
    small,
    steps,
    vault,
)

VOLATILE = re.compile(
    r"etag|resourceGuid|creationTime|lastEnabledTime|keyCreationTime|creationDate|createdAt|lastModifiedAt|createdOn"
    r"|updatedOn|principalId|clientId|networkInterfaces|Id$|createdBy|updatedBy|systemData|_.*",
)


def whole(sandbox: Sandbox) -> Blueprint:
    """Everything that the small environment can have."""
    used = address(sandbox)
    images = registry(sandbox, "a", "b")
    more: list[Step] = [vault(sandbox), identity(sandbox), role(sandbox), *images, used]
    found = small(sandbox, *more, lock(account_of(sandbox)))
    needing = {"image/a": ("registry", "jumpbox/address")}
    return blueprint(
        step.__class__(**{**vars(step), "needs": needing[step.key]}) if step.key in needing else step for step in found
    )


def run(found: Blueprint, arm: Arm, watch: Any = None) -> Outcome:
    return apply(found, plan.make(found, arm), arm, watch or Silent())


def masked(sandbox: Sandbox) -> dict[str, Any]:
    """Return all that exists, without what differs from run to run."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: clean(item) for name, item in value.items() if not VOLATILE.fullmatch(name)}
        if isinstance(value, list):
            return sorted((clean(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        return value

    text = {
        str(document["id"]).lower(): clean(document)
        for document in sandbox.state.documents()
        if "/resourcegroups/" in str(document["id"]).lower()
    }
    found = json.dumps(text, sort_keys=True, default=str).replace(sandbox.subscription, "SUBSCRIPTION")
    found = found.replace(sandbox.subscription[:8], "SUB").replace(sandbox.tenant, "TENANT").replace(sandbox.url, "URL")
    found = re.sub(r"\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ".GUID", found)
    loaded: dict[str, Any] = json.loads(found)
    return loaded


@pytest.fixture(scope="module")
def target() -> Iterator[dict[str, Any]]:
    """What an undisturbed run leaves."""
    with Sandbox("empty", operation_seconds=20) as sandbox, connect(sandbox) as arm:
        assert run(whole(sandbox), arm).complete
        yield masked(sandbox)


def test_everything_is_built_and_told_and_then_nothing_is_written(sandbox: Sandbox) -> None:
    found, watch, entries = whole(sandbox), Watched(), list[Entry]()
    with connect(sandbox, entries.append) as arm:
        outcome = run(found, arm, watch)
        assert outcome.complete, outcome
        assert set(outcome.done) == set(found.steps)
        assert not plan.make(found, arm).pending
        entries.clear()
        watch.told.clear()
        again = run(found, arm, watch)
    assert again == Outcome()
    assert watch.told == []
    assert not [entry for entry in entries if entry.method in WRITES]


def test_what_comes_with_its_whole_is_only_written_if_it_differs(sandbox: Sandbox) -> None:
    service = f"{account_of(sandbox).id}/blobServices/default"
    body = {"properties": {"deleteRetentionPolicy": {"enabled": False}}}
    same = Resource("storage/blob", "storage", service, STORAGE, body, remove=False)
    other = replace(same, body={"properties": {"isVersioningEnabled": True}})
    entries: list[Entry] = []
    with connect(sandbox, entries.append) as arm:
        assert run(small(sandbox, same), arm).complete
        assert not [entry for entry in entries if entry.method == "PUT" and entry.path == service]
        assert run(small(sandbox, other), arm).done == ("storage/blob",)


def account_of(sandbox: Sandbox) -> Resource:
    found = steps(sandbox)[3]
    assert isinstance(found, Resource)
    return found


def test_each_step_comes_after_what_it_needs(sandbox: Sandbox, arm: Arm) -> None:
    found, watch = whole(sandbox), Watched()
    run(found, arm, watch)
    for key, wanted in found.needs.items():
        begun = next(at for at, told in enumerate(watch.told) if told[:2] == ("started", key))
        for need in wanted:
            assert watch.told.index(next(told for told in watch.told if told[:2] == ("ended", need))) < begun


def test_a_window_is_open_only_while_it_is_needed(sandbox: Sandbox, arm: Arm) -> None:
    watch = Watched()
    run(whole(sandbox), arm, watch)
    events = [told for told in watch.told if told[1] == "registry" or told[1].startswith("image/")]
    opened, closed = events.index(("ended", "registry", Verb.OPEN)), events.index(("started", "registry", Verb.CLOSE))
    assert events.index(("ended", "registry", Verb.CREATE)) < opened
    for name in ("image/a", "image/b"):
        assert opened < events.index(("started", name, Verb.ACT))
        assert events.index(("ended", name, Verb.ACT)) < closed


def test_what_is_left_to_do_shrinks_to_nothing(sandbox: Sandbox, arm: Arm) -> None:
    watch = Watched()
    run(whole(sandbox), arm, watch)
    assert watch.left[0] > 100
    assert watch.left[-1] == 0


def test_temporary_resources_are_gone_at_the_end(sandbox: Sandbox, arm: Arm) -> None:
    watch = Watched()
    run(whole(sandbox), arm, watch)
    events = [told[2] for told in watch.told if told[:2] == ("ended", "jumpbox/address")]
    assert events == [Verb.CREATE, Verb.REMOVE]
    assert sandbox.state.get(address(sandbox).id) is None


def test_a_failed_step_stops_only_what_needs_it(sandbox: Sandbox, arm: Arm) -> None:
    sandbox.fault("PUT *networkSecurityGroups* fail:400:BadThing")
    outcome = run(whole(sandbox), arm)
    (failure,) = outcome.failed
    assert (failure.key, failure.code, bool(failure.request_id)) == ("nsg/pesubnet", "BadThing", True)
    assert failure.id.endswith("/networkSecurityGroups/pe")
    assert set(outcome.not_started) == {"network", "endpoint/blob"}
    assert {"storage", "registry", "image/a", "lock/storage", "vault"} <= set(outcome.done)
    assert outcome.left_open == ()


def test_a_window_is_closed_and_temporaries_go_after_a_failure(sandbox: Sandbox, arm: Arm) -> None:
    sandbox.fault("POST *importImage* fail:400:NoSuchImage")
    outcome = run(whole(sandbox), arm)
    assert {failure.key for failure in outcome.failed} == {"image/a", "image/b"}
    assert outcome.left_open == ()
    held = sandbox.state.get(registry(sandbox)[0].id)  # type: ignore[union-attr]
    assert held is not None
    assert held["properties"]["networkRuleBypassOptions"] == "None"
    assert sandbox.state.get(address(sandbox).id) is None


def test_what_cannot_be_closed_or_removed_is_named_and_done_by_the_next_run(sandbox: Sandbox, arm: Arm) -> None:
    found = whole(sandbox)
    sandbox.fault("DELETE *publicIPAddresses* fail:403:RequestDisallowedByPolicy 1")
    outcome = run(found, arm)
    (left,) = outcome.left_open
    assert (left.key, left.what) == ("jumpbox/address", "it is still there")
    assert "RequestDisallowedByPolicy" in left.cause
    assert not outcome.complete
    assert run(found, arm).done == ("jumpbox/address",)


def test_a_window_that_stays_open_is_named_and_closed_by_the_next_run(sandbox: Sandbox, arm: Arm) -> None:
    found = whole(sandbox)
    transport = Closing(sandbox)
    with connect(sandbox, transport=transport) as failing:
        outcome = run(found, failing)
    (left,) = outcome.left_open
    assert (left.key, left.what) == ("registry", "properties.networkRuleBypassOptions is open")
    assert run(found, arm).done == ("registry",)
    assert not plan.make(found, arm).pending


class Closing(Transport):
    """Refuses every PUT of the registry after the second: the one that opens it."""

    def send(self, request: Any, **options: Any) -> Any:
        if request.method == "PUT" and "/registries/" in request.url:
            self.puts = getattr(self, "puts", 0) + 1
            if self.puts > 2:
                request.url = request.url.replace("/registries/", "/registries/!")
        return super().send(request, **options)


def test_while_anything_is_blocked_nothing_is_built(sandbox: Sandbox, arm: Arm) -> None:
    theirs = Resource("hub", "network", address(sandbox, "theirs").id, REGISTRY, {}, brought=True)
    found = blueprint([*whole(sandbox), theirs])
    outcome = run(found, arm)
    assert outcome.done == ()
    assert set(outcome.not_started) == set(found.steps) - {"hub"}
    assert masked(sandbox) == {}


@pytest.mark.parametrize(
    "fault",
    [
        "* *resourceGroups/small* throttle 3",
        "* *resourceGroups/small* fail:500 2",
        "PUT *providers* throttle:2 5",
        "PUT *Microsoft.Network* fail:503 2",
        "PUT * drop-before 3",
        "PUT * drop-after 3",
        "GET * drop-before 2",
        "GET *operations/* fail:500 2",
        "GET *operationResults* drop-before 1",
        "POST *importImage* drop-before 1",
        "POST *importImage* drop-after 1",
        "POST *importImage* fail:500 1",
        "PATCH *registries* drop-after 1",
        "PUT *virtualNetworks* fail:409:AnotherOperationInProgress 3",
        "PUT *roleAssignments* fail:400:PrincipalNotFound 4",
        "PUT *roleAssignments* drop-after 1",
        "PUT *locks* fail:429 1",
        "PUT *vaults* fail-operation:InternalServerError 1",
        "DELETE * drop-after 1",
        "DELETE *publicIPAddresses* fail:409:RetryableError 2",
    ],
)  # fmt: skip
def test_what_passes_by_itself_stops_nothing(sandbox: Sandbox, target: dict[str, Any], fault: str) -> None:
    sandbox.fault(fault)
    with connect(sandbox) as arm:
        outcome = run(whole(sandbox), arm)
    assert outcome.complete, outcome
    assert masked(sandbox) == target


def test_an_image_is_imported_once_though_its_answer_was_lost(sandbox: Sandbox) -> None:
    sandbox.fault("PATCH *registries* fail:400:Impossible 1")
    entries: list[Entry] = []
    with connect(sandbox, entries.append) as arm:
        outcome = run(whole(sandbox), arm)
        assert len(outcome.failed) == 1
        assert run(whole(sandbox), arm).complete
    posts = [entry for entry in entries if entry.method == "POST"]
    assert len(posts) == 3


def test_a_role_that_exists_is_success(sandbox: Sandbox, arm: Arm) -> None:
    sandbox.fault("PUT *roleAssignments* fail:409:RoleAssignmentExists 1")
    assert run(whole(sandbox), arm).complete


def test_what_does_not_pass_is_not_tried_for_ever(sandbox: Sandbox, arm: Arm) -> None:
    sandbox.fault("PUT *roleAssignments* fail:400:PrincipalNotFound")
    watch = Watched()
    outcome = run(whole(sandbox), arm, watch)
    assert [failure.code for failure in outcome.failed] == ["PrincipalNotFound"]
    assert 5 < len([told for told in watch.told if told[0] == "waiting"]) < 60


def writes(sandbox: Sandbox, found: Callable[[Sandbox], Blueprint]) -> int:
    transport = Transport(sandbox)
    with connect(sandbox, transport=transport) as arm:
        assert run(found(sandbox), arm).complete
    return transport.writes


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_the_next_run_finishes_the_same(target: dict[str, Any], after: bool) -> None:
    with Sandbox("empty", operation_seconds=20) as sandbox:
        count = writes(sandbox, whole)
    assert count > len(target)
    for number in range(1, count + 1):
        with Sandbox("empty", operation_seconds=20) as sandbox:
            with connect(sandbox, transport=Transport(sandbox, dies_at=number, after=after)) as arm:
                died = run(whole(sandbox), arm)
                assert isinstance(died.interrupted, Killed)
                assert not died.complete
            with connect(sandbox) as arm:
                outcome = run(whole(sandbox), arm)
                assert outcome.complete, (number, outcome)
                assert not plan.make(whole(sandbox), arm).pending
            assert masked(sandbox) == target, number


def test_an_interruption_closes_what_is_open(sandbox: Sandbox) -> None:
    class Interrupting(Watched):
        def started(self, key: str, verb: Verb) -> None:
            super().started(key, verb)
            if key == "image/a":
                raise KeyboardInterrupt

    with connect(sandbox) as arm:
        outcome = run(whole(sandbox), arm, Interrupting())
    assert isinstance(outcome.interrupted, KeyboardInterrupt)
    assert outcome.left_open == ()
    assert "image/a" in outcome.not_started
    held = sandbox.state.get(registry(sandbox)[0].id)  # type: ignore[union-attr]
    assert held is not None
    assert held["properties"]["networkRuleBypassOptions"] == "None"
    assert sandbox.state.get(address(sandbox).id) is None
