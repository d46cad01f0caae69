"""What is ours goes, in order; nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from lockdown.provisioner import destroy, plan
from lockdown.provisioner.apply import apply
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.change import Verb
from lockdown.provisioner.destroy import Removals
from lockdown.provisioner.graph import Action, Blueprint, Expected, Resource, blueprint, reference
from lockdown.provisioner.outcome import Silent
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import (
    GROUPS,
    LOCKS,
    NETWORK,
    PLACE,
    STORAGE,
    Killed,
    Transport,
    Watched,
    address,
    connect,
    group_id,
    identity,
    lock,
    registry,
    role,
    small,
    steps,
    tags,
    vault,
    within,
)


def account(sandbox: Sandbox) -> Resource:
    found = steps(sandbox)[3]
    assert isinstance(found, Resource)
    return found


def whole(sandbox: Sandbox) -> Blueprint:
    held = account(sandbox)
    part = f"{held.id}/blobServices/default/containers/inputs"
    files = Resource("storage/containers/inputs", "storage", part, STORAGE, {"properties": {"publicAccess": "None"}})
    more = [vault(sandbox), identity(sandbox), role(sandbox), *registry(sandbox, "a"), lock(held)]
    return small(sandbox, *more, files)


def built(found: Blueprint, arm: Arm) -> None:
    outcome = apply(found, plan.make(found, arm), arm, Silent())
    assert outcome.complete, outcome


def left(sandbox: Sandbox) -> set[str]:
    here = f"{group_id(sandbox)}".lower()
    return {str(d["id"]) for d in sandbox.state.documents() if str(d["id"]).lower().startswith(here)}


def why(removals: Removals, key: str) -> str:
    return next((staying.why for staying in removals.staying if staying.key == key), "goes")


def test_everything_of_ours_goes(sandbox: Sandbox, arm: Arm) -> None:
    found = whole(sandbox)
    built(found, arm)
    removals = destroy.plan(found, arm)
    assert {going.key for going in removals.going} == {key for key in found.steps if not key.startswith("image/")}
    assert removals.staying == ()
    outcome = destroy.apply(found, removals, arm, Silent())
    assert outcome.complete, outcome
    assert left(sandbox) == set()
    again = destroy.plan(found, arm)
    assert (again.going, again.staying) == ((), ())
    assert plan.make(found, arm).pending


def test_locks_go_first_and_what_needs_before_what_is_needed(sandbox: Sandbox, arm: Arm) -> None:
    found, watch = whole(sandbox), Watched()
    built(found, arm)
    removals = destroy.plan(found, arm)
    destroy.apply(found, removals, arm, watch)
    order = [key for what, key, _ in watch.told if what == "ended"]
    assert order[0] == "lock/storage"
    assert order[-1] == "group"
    assert order.index("endpoint/blob") < order.index("network") < order.index("nsg/pesubnet")
    assert order.index("endpoint/blob") < order.index("storage")
    listed = [going.key for going in removals.going]
    assert listed.index("endpoint/blob") < listed.index("network")
    assert {verb for _, _, verb in watch.told} == {Verb.REMOVE}


def test_a_part_goes_with_its_whole_and_an_extension_by_itself(sandbox: Sandbox, arm: Arm) -> None:
    found = whole(sandbox)
    built(found, arm)
    said = {going.key: going.why for going in destroy.plan(found, arm).going}
    assert said["storage/containers/inputs"] == "goes with storage"
    assert said["role/identity/storage/reader"] == ""
    assert "90 days" in said["vault"]
    assert "nobody can purge it" in said["vault"]


def test_what_is_not_tagged_as_ours_stays_and_its_group_too(sandbox: Sandbox, arm: Arm) -> None:
    found = whole(sandbox)
    built(found, arm)
    theirs = within(sandbox, "Microsoft.Network/publicIPAddresses", "theirs")
    arm.put(theirs, NETWORK, {**address(sandbox).body, "tags": {}})
    held = account(sandbox)
    arm.delete(lock(held).id, LOCKS)
    arm.patch(held.id, STORAGE, {"tags": {"lockdown-environment": "other"}})
    removals = destroy.plan(found, arm)
    assert why(removals, "storage") == "it is not tagged as ours"
    assert "theirs" in why(removals, "group")
    destroy.apply(found, removals, arm, Silent())
    assert {identifier.rpartition("/")[2] for identifier in left(sandbox)} >= {
        "theirs",
        held.id.rpartition("/")[2],
        "small",
    }
    assert arm.get(theirs, NETWORK).there


def test_a_group_that_fills_meanwhile_stays(sandbox: Sandbox, arm: Arm) -> None:
    found = small(sandbox)
    built(found, arm)
    removals = destroy.plan(found, arm)
    arm.put(
        within(sandbox, "Microsoft.Network/publicIPAddresses", "late"), NETWORK, {**address(sandbox).body, "tags": {}}
    )
    outcome = destroy.apply(found, removals, arm, Silent())
    assert [(kept.key, "late" in kept.cause) for kept in outcome.kept] == [("group", True)]
    assert (outcome.failed, outcome.left_open) == ((), ())
    assert arm.get(group_id(sandbox), GROUPS).there


def test_a_group_that_is_not_ours_stays(sandbox: Sandbox, arm: Arm) -> None:
    arm.put(group_id(sandbox), GROUPS, {"location": PLACE})
    found = small(sandbox)
    built(found, arm)
    removals = destroy.plan(found, arm)
    assert why(removals, "group") == "it is not tagged as ours"
    assert destroy.apply(found, removals, arm, Silent()).complete
    assert left(sandbox) == {group_id(sandbox)}


def peerings(sandbox: Sandbox, *, brought: bool) -> Blueprint:
    """Two networks that are peered: each peering stands in one and needs the other."""
    hub = Resource(
        "hub", "network", within(sandbox, "Microsoft.Network/virtualNetworks", "hub"), NETWORK,
        {
            "location": PLACE,
            **({} if brought else {"tags": tags()}),
            "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}},
        },
        brought=brought, needs=("group",),
    )  # fmt: skip

    def peering(key: str, here: str, other: str) -> Resource:
        where = within(sandbox, "Microsoft.Network/virtualNetworks/virtualNetworkPeerings", here, key)
        body = {"properties": {"remoteVirtualNetwork": {"id": reference(other)}, "allowVirtualNetworkAccess": True}}
        return Resource(f"peering/{key}", "network", where, NETWORK, body, needs=("hub", "network"))

    return small(sandbox, hub, peering("to-hub", "net", "hub"), peering("from-hub", "hub", "network"))


def test_parts_that_cross_are_removed_before_their_wholes(sandbox: Sandbox, arm: Arm) -> None:
    found = peerings(sandbox, brought=False)
    built(found, arm)
    removals = destroy.plan(found, arm)
    alone = {going.key for going in removals.going if not going.why}
    assert alone & {"peering/to-hub", "peering/from-hub"}
    assert destroy.apply(found, removals, arm, Silent()).complete
    assert left(sandbox) == set()


def test_our_part_in_what_was_brought_goes_and_what_was_brought_stays(sandbox: Sandbox, arm: Arm) -> None:
    arm.put(group_id(sandbox), GROUPS, {"location": PLACE, "tags": tags()})
    found = peerings(sandbox, brought=True)
    hub = found.steps["hub"]
    assert isinstance(hub, Resource)
    arm.put(hub.id, NETWORK, hub.body)
    built(found, arm)
    removals = destroy.plan(found, arm)
    assert why(removals, "hub") == "it was there before and was only used"
    assert why(removals, "peering/from-hub") == "goes"
    destroy.apply(found, removals, arm, Silent())
    assert not arm.get(f"{hub.id}/virtualNetworkPeerings/from-hub", NETWORK).there
    assert arm.get(hub.id, NETWORK).there


def test_another_part_of_that_name_in_what_was_brought_stays(sandbox: Sandbox, arm: Arm) -> None:
    arm.put(group_id(sandbox), GROUPS, {"location": PLACE, "tags": tags()})
    found = peerings(sandbox, brought=True)
    hub = found.steps["hub"]
    assert isinstance(hub, Resource)
    arm.put(hub.id, NETWORK, hub.body)
    other = within(sandbox, "Microsoft.Network/virtualNetworks", "other")
    arm.put(other, NETWORK, {"location": PLACE, "properties": {"addressSpace": {"addressPrefixes": ["10.8.0.0/16"]}}})
    body = {"properties": {"remoteVirtualNetwork": {"id": other}, "allowVirtualNetworkAccess": True}}
    arm.put(f"{hub.id}/virtualNetworkPeerings/from-hub", NETWORK, body)
    assert why(destroy.plan(found, arm), "peering/from-hub") == "it is not as lockdown makes it"


def test_settings_of_the_subscription_stay_and_are_told(sandbox: Sandbox, arm: Arm) -> None:
    base = f"/subscriptions/{sandbox.subscription}/providers/Microsoft.Storage"
    done = Expected(base, "2024-11-01", "registrationState", "Registered")
    register = Action("providers/Microsoft.Storage", "providers", f"{base}/register", "2024-11-01", {}, done)
    assert why(destroy.plan(small(sandbox, register), arm), register.key) == "it is the subscription's"


def test_what_cannot_be_read_stays_and_is_told(sandbox: Sandbox, arm: Arm) -> None:
    built(small(sandbox), arm)
    sandbox.fault("GET *storageAccounts* fail:403:AuthorizationFailed")
    assert "AuthorizationFailed" in why(destroy.plan(small(sandbox), arm), "storage")


def test_a_lock_of_others_is_told_and_the_rest_goes(sandbox: Sandbox, arm: Arm) -> None:
    found = small(sandbox)
    built(found, arm)
    held = account(sandbox)
    arm.put(f"{held.id}/providers/Microsoft.Authorization/locks/theirs", LOCKS, lock(held).body)
    outcome = destroy.apply(found, destroy.plan(found, arm), arm, Silent())
    assert [(failure.key, failure.code) for failure in outcome.failed] == [("storage", "ScopeLocked")]
    assert {open_.key for open_ in outcome.left_open} == {"storage", "group"}
    assert "endpoint/blob" in outcome.done


@pytest.mark.parametrize(
    "fault", ["DELETE * drop-after 3", "DELETE * fail:409:AnotherOperationInProgress 3", "DELETE * throttle 3"]
)
def test_what_passes_by_itself_stops_nothing(sandbox: Sandbox, arm: Arm, fault: str) -> None:
    found = whole(sandbox)
    built(found, arm)
    sandbox.fault(fault)
    assert destroy.apply(found, destroy.plan(found, arm), arm, Silent()).complete
    assert left(sandbox) == set()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_removal_the_next_run_finishes(after: bool) -> None:
    def dies(number: int) -> Any:
        with Sandbox("empty", operation_seconds=20) as sandbox:
            found = whole(sandbox)
            with connect(sandbox) as arm:
                built(found, arm)
            with connect(sandbox, transport=Transport(sandbox, dies_at=number, after=after)) as arm:
                died = destroy.apply(found, destroy.plan(found, arm), arm, Silent())
            with connect(sandbox) as arm:
                assert destroy.apply(found, destroy.plan(found, arm), arm, Silent()).complete
            assert left(sandbox) == set()
            return died.interrupted

    number = 1
    while isinstance(dies(number), Killed):
        number += 1
    assert number > 8


def test_nothing_is_left_of_a_blueprint_that_was_never_built(sandbox: Sandbox, arm: Arm) -> None:
    removals = destroy.plan(blueprint(steps(sandbox)), arm)
    assert destroy.apply(small(sandbox), removals, arm, Silent()).done == ()


def test_a_disk_of_somebody_elses_machine_keeps_its_group(sandbox: Sandbox, arm: Arm) -> None:
    found = small(sandbox)
    built(found, arm)
    removals = destroy.plan(found, arm)
    there = within(sandbox, "Microsoft.Example/disks", "theirs")
    sandbox.state.seed([{**RAW, "id": there, "managedBy": f"{group_id(sandbox, 'other')}/providers/x/y/machine"}])
    assert "theirs" in why(destroy.plan(found, arm), "group")
    outcome = destroy.apply(found, removals, arm, Silent())
    assert [(kept.key, "theirs" in kept.cause) for kept in outcome.kept] == [("group", True)]


RAW = {"name": "theirs", "type": "Microsoft.Example/disks", "location": PLACE, "properties": {}}
