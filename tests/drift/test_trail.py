"""Who did it: change records joined to what drifted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lockdown.drift.properties import Element
from lockdown.drift.trail import overlap, parsed
from tests.drift.handmade import GROUP, NIGHT_TWO, POLICY, QUERY, STORE, SUBSCRIPTION, change, result, row

if TYPE_CHECKING:
    from lockdown.drift import Drift
    from tests.drift.conftest import Nights

ACCESS = "properties.publicNetworkAccess"
CLOSED: dict[str, Any] = {"rows": [row(properties={"publicNetworkAccess": "Disabled"})], "results": [result("pass")]}
OPENED: dict[str, Any] = {"rows": [row(properties={"publicNetworkAccess": "Enabled"})], "results": [result("fail")]}


def who(drift: Drift) -> tuple[str, str]:
    (item,) = drift.properties
    return item.attribution.who, item.attribution.match


def test_the_record_of_the_property_names_who_when_and_how(nights: Nights) -> None:
    drift = nights(CLOSED, OPENED, [change(STORE.upper(), {ACCESS: ("Disabled", "Enabled")})])
    (item,) = drift.properties
    assert item.attribution.who == "operator@research.example"
    assert item.attribution.who_type == "User"
    assert item.attribution.when == "2026-03-01T14:30:00Z"
    assert item.attribution.client == "Azure Portal"
    assert item.attribution.operation == "microsoft.storage/storageaccounts/write"
    assert item.attribution.match == "property"
    (verdict,) = drift.verdicts
    assert verdict.attribution == item.attribution


def test_the_longest_path_in_common_wins_and_then_the_latest(nights: Nights) -> None:
    records = [
        change(paths={ACCESS: ("Disabled", "x")}, by="first", at="2026-03-01T10:00:00Z"),
        change(paths={ACCESS: ("x", "Enabled")}, by="second", at="2026-03-01T11:00:00Z"),
        change(paths={"properties": ("{}", "{}")}, by="coarse", at="2026-03-01T12:00:00Z"),
        change(paths={"properties.minimumTlsVersion": ("1", "2")}, by="other", at="2026-03-01T13:00:00Z"),
    ]
    assert who(nights(CLOSED, OPENED, records)) == ("second", "property")


def test_records_of_one_second_keep_their_order(nights: Nights) -> None:
    records = [
        change(paths={ACCESS: ("x", "Enabled")}, by="later", at="2026-03-01T11:00:00.9Z"),
        change(paths={ACCESS: ("Disabled", "x")}, by="earlier", at="2026-03-01T11:00:00.1Z"),
    ]
    assert who(nights(CLOSED, OPENED, records)) == ("later", "property")


def test_without_a_record_of_the_property_the_resource_must_do(nights: Nights) -> None:
    assert who(nights(CLOSED, OPENED, [change(paths={"tags.a": ("1", "2")})])) == (
        "operator@research.example",
        "resource",
    )


@pytest.mark.parametrize("at", ["2026-02-28T23:00:00Z", "2026-03-02T03:00:00Z", "2026-03-01T01:58:59Z"])
def test_records_outside_the_time_between_the_runs_name_nobody(nights: Nights, at: str) -> None:
    drift = nights(CLOSED, OPENED, [change(paths={ACCESS: ("Disabled", "Enabled")}, at=at)])
    assert who(drift) == ("", "")
    assert drift.properties[0].attribution.unknown == "Azure has no change record of it."


def test_times_with_an_offset_are_understood(nights: Nights) -> None:
    drift = nights(CLOSED, OPENED, [change(at="2026-03-02T03:30:00+02:00")])
    assert drift.properties[0].attribution.when == "2026-03-02T01:30:00Z"


def test_an_old_baseline_says_that_azure_may_have_forgotten(nights: Nights) -> None:
    drift = nights({**CLOSED, "at": "2026-02-10T02:00:00Z"}, OPENED)
    assert "keeps change records for 14 days" in drift.properties[0].attribution.unknown


def test_unreadable_records_are_said_to_be_so(nights: Nights) -> None:
    drift = nights(CLOSED, OPENED, changes_unreadable="No permission.")
    assert drift.properties[0].attribution.unknown == "Azure's change records could not be read: No permission."


def test_an_unreadable_table_of_records_spoils_nothing_else(nights: Nights) -> None:
    lost = [{"what": "table", "name": "resourcechanges", "reason": "Throttled."}]
    drift = nights(CLOSED, {**OPENED, "unreadable": lost})
    assert drift.complete
    assert drift.properties[0].attribution.unknown.endswith("Throttled.")


@pytest.mark.parametrize("nobody", ["", "Unspecified"])
def test_a_record_that_names_nobody_still_says_when(nights: Nights, nobody: str) -> None:
    (item,) = nights(CLOSED, OPENED, [change(paths={ACCESS: ("Disabled", "Enabled")}, by=nobody)]).properties
    assert (item.attribution.who, item.attribution.when) == ("", "2026-03-01T14:30:00Z")
    assert "does not name who" in item.attribution.unknown


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"properties": None},
        {"properties": {"targetResourceId": 7}},
        change(kind="Rename"),
        change(at="yesterday"),
        change(STORE + "\ud800"),
        {"properties": {**change()["properties"], "changes": {"a": "b"}}},
        {"properties": {**change()["properties"], "changeAttributes": None}},
    ],
)
def test_a_record_that_cannot_be_understood_is_counted(nights: Nights, broken: Any) -> None:
    drift = nights(CLOSED, OPENED, [broken, change(paths={ACCESS: ("Disabled", "Enabled")})])
    assert who(drift) == ("operator@research.example", "property")
    assert drift.warnings[0].startswith("1 change record")


def test_creation_and_deletion_are_told_apart_from_updates(nights: Nights) -> None:
    new = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/new"
    records = [
        change(new, kind="Create", by="creator", at="2026-03-01T10:00:00Z"),
        change(new, by="somebody", at="2026-03-01T11:00:00Z"),
        change(STORE, kind="Delete", by="remover", at="2026-03-01T12:00:00Z"),
    ]
    drift = nights(CLOSED, {"rows": [row(new)], "results": [result("fail", new)]}, records)
    assert {item.kind: item.attribution.who for item in drift.resources} == {"added": "creator", "removed": "remover"}
    assert {item.direction: item.attribution.who for item in drift.verdicts} == {
        "appeared": "creator",
        "vanished": "remover",
    }


def test_two_hands_on_one_verdict_are_not_guessed_apart(nights: Nights) -> None:
    asking = {"policies": {POLICY: QUERY + "| where isnotnull(properties.networkAcls)\n"}}
    after = row(properties={"publicNetworkAccess": "Enabled", "networkAcls": {"bypass": "None"}})
    before = row(properties={"publicNetworkAccess": "Disabled", "networkAcls": {"bypass": "AzureServices"}})
    records = [
        change(paths={ACCESS: ("Disabled", "Enabled")}, by="one"),
        change(paths={"properties.networkAcls.bypass": ("AzureServices", "None")}, by="two"),
    ]
    query = {"policies": {POLICY: asking["policies"][POLICY] + "| where properties.networkAcls.bypass != ''\n"}}
    drift = nights(
        {"rows": [before], "results": [result("pass")], **query},
        {"rows": [after], "results": [result("fail")], **query},
        records,
    )
    assert [item.attribution.who for item in drift.properties] == ["two", "one"]
    (verdict,) = drift.verdicts
    assert verdict.attribution.who == ""
    assert "not all by the same hand" in verdict.attribution.unknown


def test_only_the_property_that_the_policy_asks_about_counts(nights: Nights) -> None:
    after = row(properties={"publicNetworkAccess": "Enabled", "minimumTlsVersion": "TLS1_0"})
    records = [
        change(paths={ACCESS: ("Disabled", "Enabled")}, by="opener", at="2026-03-01T10:00:00Z"),
        change(paths={"properties.minimumTlsVersion": ("null", "TLS1_0")}, by="other", at="2026-03-01T11:00:00Z"),
    ]
    (verdict,) = nights(CLOSED, {"rows": [after], "results": [result("fail")]}, records).verdicts
    assert verdict.attribution.who == "opener"


def test_a_verdict_on_a_subscription_names_who_changed_what_is_in_it(nights: Nights) -> None:
    address = f"{GROUP}/providers/A.b/c/ip"
    whole = f"/subscriptions/{SUBSCRIPTION}"
    drift = nights(
        {"results": [result("pass", whole)]},
        {"results": [result("fail", whole)], "tables": {"networkresources": [row(address, "a.b/c")]}},
        [change(address, kind="Create", by="attacher", target="a.b/c")],
    )
    (verdict,) = drift.verdicts
    assert (verdict.attribution.who, verdict.attribution.match) == ("attacher", "below")


@pytest.mark.parametrize(
    ("steps", "path", "shared"),
    [
        (("properties", "a"), "properties.a", 2),
        (("properties", "a"), "PROPERTIES.A", 2),
        (("properties", "a", "b"), "properties.a", 2),
        (("properties", "a"), "properties.a.b.c", 2),
        (("properties", "a"), "properties.ab", 0),
        (("properties", "rules", Element("name", "x"), "port"), "properties.rules[3].port", 4),
        (("properties", "rules", Element("name", "x"), "port"), 'properties.rules["x"].port', 4),
        (("properties", "rules", 0, "port"), "properties.rules.0.port", 4),
        (("properties", "rules"), "properties.rules[0].port", 2),
        (("tags", "a.b"), 'tags["a.b"]', 2),
    ],
)
def test_paths_meet_if_one_contains_the_other(steps: Any, path: str, shared: int) -> None:
    assert overlap(steps, parsed(path)) == shared


def test_the_end_of_the_time_is_after_the_evaluation(nights: Nights) -> None:
    assert who(nights(CLOSED, OPENED, [change(paths={ACCESS: ("a", "b")}, at=NIGHT_TWO)]))[1] == "property"
