"""The state: what exists, what happened, and how it was a while ago."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lockdown.sandbox import roles
from lockdown.sandbox.state import Authorship, Principal, State, subscription_of

SUBSCRIPTION = "/subscriptions/0000"
SOMEBODY = Principal("aaaa", "bbbb", "somebody", "User")
WHO = Authorship(by=SOMEBODY, client="Azure CLI", operation="Microsoft.X/y/write", correlation_id="c")


def document(name: str, **members: Any) -> dict[str, Any]:
    return {"id": f"{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.X/y/{name}", "type": "Microsoft.X/y", **members}


def grant(principal: str, role: str, scope: str = "") -> dict[str, Any]:
    return {
        "id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{principal}-{role}",
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {"principalId": principal, "roleDefinitionId": f"/x/roleDefinitions/{role}"},
    }


def test_ids_compare_without_regard_to_case_and_keep_their_own() -> None:
    state = State("t")
    state.put(document("Name"), **WHO)
    found = state.get(document("nAME")["id"].upper().replace("/SUB", "/sub"))
    assert found is not None
    assert found["id"].endswith("/Name")


def test_what_get_returns_can_be_changed_without_changing_the_state() -> None:
    state = State("t", [document("a", properties={"list": [1]})])
    found = state.get(document("a")["id"])
    assert found is not None
    found["properties"]["list"].append(2)
    assert state.get(document("a")["id"]) == document("a", properties={"list": [1]})


def test_every_change_tells_before_after_and_who() -> None:
    state = State("t")
    state.put(document("a", properties={"n": 1}, _etag="1"), **WHO)
    state.put(document("a", properties={"n": 2}, _etag="2"), **WHO)
    state.delete(document("a")["id"], **WHO)
    create, update, delete = state.changes()
    assert (create.kind, create.before) == ("Create", None)
    assert update.kind == "Update"
    assert update.before == document("a", properties={"n": 1})
    assert update.after == document("a", properties={"n": 2})
    assert (delete.kind, delete.after) == ("Delete", None)
    assert (delete.principal, delete.client, delete.correlation_id) == (SOMEBODY, "Azure CLI", "c")


def test_the_same_document_again_is_no_change() -> None:
    state = State("t")
    state.put(document("a", _etag="1"), **WHO)
    revision = state.revision
    state.put(document("a", _etag="2"), **WHO)
    assert state.revision == revision
    assert len(state.changes()) == 1


def test_a_delete_takes_what_is_below_and_nothing_beside() -> None:
    child = {"id": document("a")["id"] + "/z/b", "type": "Microsoft.X/y/z"}
    state = State("t", [document("a"), child, document("ab")])
    state.delete(document("a")["id"], **WHO)
    assert not state.exists(child["id"])
    assert state.exists(document("ab")["id"])
    assert [change.type for change in state.changes()] == ["Microsoft.X/y/z", "Microsoft.X/y"]


def test_as_of_undoes_what_happened_since() -> None:
    state = State("t", [document("old"), document("gone")])
    state.put(document("old", properties={"n": 1}), **WHO)
    state.clock.advance(60)
    state.put(document("old", properties={"n": 2}), **WHO)
    state.put(document("new"), **WHO)
    state.delete(document("gone")["id"], **WHO)
    then = {found["id"]: found for found in state.as_of(30) if found["type"] == "Microsoft.X/y"}
    assert then == {d["id"]: d for d in (document("old", properties={"n": 1}), document("gone"))}
    now = {found["id"] for found in state.as_of(0) if found["type"] == "Microsoft.X/y"}
    assert now == {document("old")["id"], document("new")["id"]}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "delete"]), st.integers(0, 2)), max_size=12))
def test_as_of_gives_every_past_state_again(steps: list[tuple[str, str, int]]) -> None:
    state = State("t", [document("a", properties={"n": 9})])
    past = []
    for name, what, number in steps:
        past.append(sorted(state.documents(), key=lambda found: found["id"]))
        state.clock.advance(10)
        if what == "put":
            state.put(document(name, properties={"n": number}), **WHO)
        else:
            state.delete(document(name)["id"], **WHO)
    for back, expected in enumerate(reversed(past)):
        assert sorted(state.as_of(back * 10 + 5), key=lambda found: found["id"]) == expected


def test_roles_are_inherited_downwards_only() -> None:
    scope = f"{SUBSCRIPTION}/resourceGroups/g"
    state = State("t", [grant("aaaa", roles.READER, scope)])
    assert state.can_read(SOMEBODY, document("a")["id"])
    assert state.can_read(SOMEBODY, scope.upper().replace("/SUB", "/sub"))
    assert not state.can_read(SOMEBODY, SUBSCRIPTION)
    assert not state.can_read(SOMEBODY, f"{SUBSCRIPTION}/resourceGroups/g2")
    assert not state.allows(SOMEBODY, "Microsoft.X/y/write", document("a")["id"])
    assert state.sees_any(SOMEBODY, SUBSCRIPTION)


def test_a_role_on_a_management_group_reaches_its_subscriptions() -> None:
    above = "/providers/Microsoft.Management/managementGroups/mg"
    member = {"id": f"{above}/subscriptions/0000", "type": "Microsoft.Management/managementGroups/subscriptions"}
    state = State("t", [grant("aaaa", roles.READER, above), member])
    assert state.can_read(SOMEBODY, document("a")["id"])
    assert not state.can_read(SOMEBODY, "/subscriptions/1111")


def test_a_new_role_assignment_counts_at_once_and_a_removed_one_no_more() -> None:
    state = State("t")
    state.put(grant("aaaa", roles.CONTRIBUTOR), **WHO)
    assert state.allows(SOMEBODY, "Microsoft.Storage/storageAccounts/write", SUBSCRIPTION)
    assert not state.allows(SOMEBODY, "microsoft.authorization/roleAssignments/WRITE", SUBSCRIPTION)
    state.delete(grant("aaaa", roles.CONTRIBUTOR)["id"], **WHO)
    assert not state.can_read(SOMEBODY, SUBSCRIPTION)


def test_nobody_can_read_a_denied_subscription() -> None:
    state = State("t", [grant("aaaa", roles.OWNER)], denied=["0000"])
    assert not state.can_read(SOMEBODY, SUBSCRIPTION)
    assert not state.sees_any(SOMEBODY, SUBSCRIPTION)
    assert not state.can_read(SOMEBODY, document("a")["id"].replace("subscriptions", "SUBSCRIPTIONS"))
    assert state.can_read(SOMEBODY, "/subscriptions/1111")


def test_the_subscription_of_an_id() -> None:
    assert subscription_of("/Subscriptions/AbC/resourceGroups/g") == "AbC"
    assert subscription_of("/subscriptions/abc") == "abc"
    assert subscription_of("/providers/Microsoft.X") == ""
    assert subscription_of("/") == ""
