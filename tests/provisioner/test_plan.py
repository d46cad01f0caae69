"""A plan says what is to be done, and nothing is written for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lockdown.provisioner import plan
from lockdown.provisioner.apply import apply
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.change import Change, Verb
from lockdown.provisioner.graph import Action, Blueprint, Expected, Resource, blueprint, reference
from lockdown.provisioner.ledger import Entry
from lockdown.provisioner.outcome import Silent
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import (
    GROUPS,
    NETWORK,
    PLACE,
    REGISTRY,
    STORAGE,
    address,
    connect,
    group_id,
    identity,
    registry,
    role,
    small,
    steps,
    tags,
    vault,
    within,
)


def build(found: Blueprint, arm: Arm) -> None:
    outcome = apply(found, plan.make(found, arm), arm, Silent())
    assert outcome.complete, outcome


def verbs(found: Blueprint, arm: Arm) -> dict[str, Verb]:
    return {change.key: change.verb for change in plan.make(found, arm).changes}


def of(found: Blueprint, arm: Arm, key: str) -> Change:
    return next(change for change in plan.make(found, arm).changes if change.key == key)


def where(found: Blueprint, key: str) -> str:
    step = found.steps[key]
    assert isinstance(step, Resource)
    return step.id


def with_(found: Blueprint, key: str, **changed: Any) -> Blueprint:
    """Return the blueprint with a step of another body, or with other attributes."""
    return blueprint(replace(step, **changed) if step.key == key else step for step in found)


def rewritten(found: Blueprint, key: str, **properties: Any) -> Blueprint:
    body = found.steps[key].body
    return with_(found, key, body={**body, "properties": {**body["properties"], **properties}})


def test_of_nothing_everything_is_created_and_only_the_group_is_asked_for(sandbox: Sandbox) -> None:
    entries: list[Entry] = []
    with connect(sandbox, entries.append) as arm:
        found = plan.make(small(sandbox), arm)
    assert {change.verb for change in found.changes} == {Verb.CREATE}
    assert [entry.method for entry in entries] == ["GET"]
    assert (found.pending, found.blocked, found.seconds) == (True, (), 95)
    assert next(change for change in found.changes if change.key == "storage").cost == "storage, by the GB"


def test_of_what_is_there_nothing_is_to_be_done(sandbox: Sandbox, arm: Arm) -> None:
    found = small(sandbox)
    build(found, arm)
    again = plan.make(found, arm)
    assert {change.verb for change in again.changes} == {Verb.LEAVE}
    assert (again.pending, again.seconds) == (False, 0)
    assert sum(change.seconds for change in again.changes) == 0


def test_a_property_that_differs_is_an_update_and_is_named(sandbox: Sandbox, arm: Arm) -> None:
    build(small(sandbox), arm)
    found = rewritten(small(sandbox), "storage", minimumTlsVersion="TLS1_3")
    change = of(found, arm, "storage")
    assert change.verb is Verb.UPDATE
    assert [(d.path, d.before, d.after) for d in change.differences] == [
        ("properties.minimumTlsVersion", "TLS1_2", "TLS1_3")
    ]


def test_what_azure_never_changes_is_blocked(sandbox: Sandbox, arm: Arm) -> None:
    build(small(sandbox), arm)
    body = small(sandbox).steps["storage"].body
    found = with_(small(sandbox), "storage", body={**body, "kind": "BlockBlobStorage"})
    change = of(found, arm, "storage")
    assert change.verb is Verb.BLOCKED
    assert "making it anew" in change.why
    assert [difference.path for difference in change.differences] == ["kind"]


def test_what_is_not_ours_is_blocked(sandbox: Sandbox, arm: Arm) -> None:
    arm.put(group_id(sandbox), GROUPS, {"location": PLACE, "tags": tags()})
    where = within(sandbox, "Microsoft.Network/networkSecurityGroups", "pe")
    arm.put(where, NETWORK, {"location": PLACE, "properties": {}})
    change = of(small(sandbox), arm, "nsg/pesubnet")
    assert (change.verb, "not ours" in change.why) == (Verb.BLOCKED, True)
    arm.put(where, NETWORK, {"location": PLACE, "tags": {"lockdown-environment": "other"}, "properties": {}})
    assert "belongs to the environment other" in of(small(sandbox), arm, "nsg/pesubnet").why


def test_a_group_of_others_is_used_as_it_is(sandbox: Sandbox, arm: Arm) -> None:
    arm.put(group_id(sandbox), GROUPS, {"location": "northeurope"})
    change = of(small(sandbox), arm, "group")
    assert (change.verb, "not ours" in change.why) == (Verb.LEAVE, True)


def brought(sandbox: Sandbox, **properties: Any) -> Blueprint:
    body = {"properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}, **properties}}
    where = within(sandbox, "Microsoft.Network/virtualNetworks", "theirs")
    return small(sandbox, Resource("hub", "network", where, NETWORK, body, brought=True))


def test_what_is_brought_must_be_there_and_have_the_shape(sandbox: Sandbox, arm: Arm) -> None:
    assert "is not" in of(brought(sandbox), arm, "hub").why
    arm.put(group_id(sandbox), GROUPS, {"location": PLACE, "tags": tags()})
    body = {"location": PLACE, "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}}}
    arm.put(within(sandbox, "Microsoft.Network/virtualNetworks", "theirs"), NETWORK, body)
    assert of(brought(sandbox), arm, "hub").verb is Verb.LEAVE
    change = of(brought(sandbox, enableDdosProtection=True), arm, "hub")
    assert (change.verb, change.differences[0].path) == (Verb.BLOCKED, "properties.enableDdosProtection")


def test_a_reference_to_what_is_there_is_no_difference_and_to_what_is_not_is_one(sandbox: Sandbox, arm: Arm) -> None:
    build(small(sandbox), arm)
    rules = within(sandbox, "Microsoft.Network/networkSecurityGroups", "other")
    other = Resource("nsg/other", "guards", rules, NETWORK, {"location": PLACE, "tags": tags(), "properties": {}})
    subnet = {"name": "pesubnet", "properties": {"networkSecurityGroup": {"id": reference("nsg/other")}}}
    body = small(sandbox).steps["network"].body
    body["properties"]["subnets"][0]["properties"] |= subnet["properties"]
    found = with_(small(sandbox, other), "network", body=body)
    assert verbs(found, arm) | {"network": Verb.UPDATE, "nsg/other": Verb.CREATE} == verbs(found, arm)
    assert "nsg/other" in str(of(found, arm, "network").differences[0].after)


def test_nobody_may_say_what_is_there(sandbox: Sandbox, arm: Arm) -> None:
    build(small(sandbox), arm)
    sandbox.fault("GET *virtualNetworks/net* fail:403:AuthorizationFailed")
    change = of(small(sandbox), arm, "network")
    assert (change.verb, "AuthorizationFailed" in change.why) == (Verb.BLOCKED, True)


def test_what_failed_before_is_written_again(sandbox: Sandbox, arm: Arm) -> None:
    sandbox.fault("PUT *virtualNetworks* fail-operation:InternalError 1")
    found = small(sandbox)
    outcome = apply(found, plan.make(found, arm), arm, Silent())
    assert [failure.code for failure in outcome.failed] in ([], ["InternalError"])
    if outcome.failed:
        assert "Failed" in of(found, arm, "network").why
        build(found, arm)
    assert not plan.make(found, arm).pending


def test_an_operation_of_an_earlier_run_is_awaited(sandbox: Sandbox, arm: Arm) -> None:
    found = small(sandbox)
    build(found, arm)
    network = sandbox.state.get(where(found, "network"))
    assert network is not None
    sandbox.operations.start(str(network["id"]), "Updating", seconds=60)
    change = of(found, arm, "network")
    assert (change.verb, "Updating" in change.why) == (Verb.UPDATE, True)
    build(found, arm)
    assert not plan.make(found, arm).pending


def test_a_window_opens_for_what_has_something_to_do_only(sandbox: Sandbox, arm: Arm) -> None:
    found = small(sandbox, *registry(sandbox, "a", "b"))
    (opening,) = plan.make(found, arm).openings
    assert (opening.key, opening.needed_by) == ("registry", ("image/a", "image/b"))
    build(found, arm)
    assert plan.make(found, arm).openings == ()
    more = small(sandbox, *registry(sandbox, "a", "b", "c"))
    again = plan.make(more, arm)
    assert [opening.needed_by for opening in again.openings] == [("image/c",)]
    assert verbs(more, arm)["image/a"] is Verb.LEAVE


def test_a_window_that_was_left_open_is_closed(sandbox: Sandbox, arm: Arm) -> None:
    found = small(sandbox, *registry(sandbox, "a"))
    build(found, arm)
    held = found.steps["registry"]
    assert isinstance(held, Resource)
    opened = {**held.body["properties"], "networkRuleBypassOptions": "AzureServices"}
    marked = arm.get(held.id, REGISTRY).body["tags"]
    arm.put(held.id, REGISTRY, {**held.body, "tags": marked, "properties": opened})
    change = of(found, arm, "registry")
    assert (change.verb, change.differences[0].after) == (Verb.CLOSE, "None")
    build(found, arm)
    assert not plan.make(found, arm).pending


def test_what_azure_never_opens_again_blocks_who_needs_it(sandbox: Sandbox, arm: Arm) -> None:
    found = small(sandbox, *registry(sandbox, "a"))
    build(found, arm)
    more = small(sandbox, *registry(sandbox, "a", "b"))
    held = more.steps["registry"]
    assert isinstance(held, Resource)
    forever = with_(more, "registry", windows=(replace(held.windows[0], once=True),))
    change = of(forever, arm, "image/b")
    assert (change.verb, "never opens" in change.why) == (Verb.BLOCKED, True)


def test_temporary_resources_come_only_for_what_needs_them(sandbox: Sandbox, arm: Arm) -> None:
    alone = small(sandbox, address(sandbox))
    assert verbs(alone, arm)["jumpbox/address"] is Verb.LEAVE
    needed = with_(alone, "storage", needs=("jumpbox/address",))
    assert verbs(needed, arm)["jumpbox/address"] is Verb.CREATE
    build(needed, arm)
    assert not plan.make(needed, arm).pending


def test_a_temporary_resource_that_was_left_is_removed(sandbox: Sandbox, arm: Arm) -> None:
    build(small(sandbox, address(sandbox, temporary=False)), arm)
    found = small(sandbox, address(sandbox))
    assert of(found, arm, "jumpbox/address").verb is Verb.REMOVE
    build(found, arm)
    assert sandbox.state.get(where(found, "jumpbox/address")) is None


def test_a_vault_that_was_deleted_is_recovered(sandbox: Sandbox, arm: Arm) -> None:
    found = small(sandbox, vault(sandbox))
    build(found, arm)
    where = vault(sandbox)
    arm.delete(where.id, where.api_version)
    change = of(found, arm, "vault")
    assert (change.verb, "recovered" in change.why) == (Verb.CREATE, True)
    build(found, arm)
    assert not plan.make(found, arm).pending


def test_a_deleted_vault_of_others_blocks_its_name(sandbox: Sandbox, arm: Arm) -> None:
    arm.put(group_id(sandbox), GROUPS, {"location": PLACE, "tags": tags()})
    where = vault(sandbox)
    arm.put(where.id, where.api_version, {**where.body, "tags": {}})
    arm.delete(where.id, where.api_version)
    change = of(small(sandbox, vault(sandbox)), arm, "vault")
    assert (change.verb, "is not ours" in change.why) == (Verb.BLOCKED, True)


def test_a_role_under_another_name_is_left(sandbox: Sandbox, arm: Arm) -> None:
    found = small(sandbox, identity(sandbox), role(sandbox))
    build(found, arm)
    other = small(sandbox, identity(sandbox), role(sandbox, "5b0c6e4e-3a1f-4c0e-9d59-0d6f6a4b9a02"))
    change = of(other, arm, "role/identity/storage/reader")
    assert (change.verb, "another name" in change.why) == (Verb.LEAVE, True)


def test_an_action_that_shows_in_what_is_written_is_looked_at_again(sandbox: Sandbox) -> None:
    done = Expected(where(small(sandbox), "storage"), STORAGE, "properties.minimumTlsVersion", "TLS1_2")
    base = f"/subscriptions/{sandbox.subscription}/providers/Microsoft.Storage"
    act = Action("act", "storage", f"{base}/register", GROUPS, {}, done, needs=("storage",))
    found, entries = small(sandbox, act), list[Entry]()
    with connect(sandbox, entries.append) as arm:
        build(found, arm)
        assert verbs(found, arm)["act"] is Verb.LEAVE
        entries.clear()
        changed = rewritten(found, "storage", allowSharedKeyAccess=False)
        assert verbs(changed, arm)["act"] is Verb.ACT
        outcome = apply(changed, plan.make(changed, arm), arm, Silent())
        assert outcome.done == ("storage",)
        assert not plan.make(changed, arm).pending
    assert [entry.method for entry in entries if entry.method != "GET"] == ["PUT"]


def test_the_order_of_steps_does_not_matter(sandbox: Sandbox, arm: Arm) -> None:
    build(blueprint(reversed(steps(sandbox))), arm)
    assert not plan.make(small(sandbox), arm).pending


def test_a_resource_needs_what_it_stands_in(sandbox: Sandbox) -> None:
    assert small(sandbox).needs["nsg/pesubnet"] == {"group"}
    part = Resource("storage/blob", "storage", f"{steps(sandbox)[3].id}/blobServices/default", STORAGE, {})  # type: ignore[union-attr]
    assert small(sandbox, part).needs["storage/blob"] == {"storage"}
