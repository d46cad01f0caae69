"""Changed and changed back: both nights look the same, the change records do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.drift.handmade import GROUP, STORAGE, STORE, change, result, row

if TYPE_CHECKING:
    from tests.drift.conftest import Nights

ACCESS = "properties.publicNetworkAccess"
RULES = [{"name": "ssh", "access": "Deny"}]
NIGHT: dict[str, Any] = {
    "rows": [row(properties={"publicNetworkAccess": "Disabled", "rules": RULES, "flag": True})],
    "results": [result("pass")],
}
OPENED = change(paths={ACCESS: ("Disabled", "Enabled")}, by="opener", at="2026-03-01T10:00:00Z")
CLOSED_AGAIN = change(paths={ACCESS: ("Enabled", "Disabled")}, by="closer", at="2026-03-01T11:00:00Z")


def test_opened_for_an_hour(nights: Nights) -> None:
    drift = nights(NIGHT, NIGHT, [CLOSED_AGAIN, OPENED])
    assert not drift.is_empty
    (item,) = drift.reverted
    assert (item.kind, item.resource, item.path, item.during) == ("property", STORE, ACCESS, "Enabled")
    assert (item.changed.who, item.changed.when) == ("opener", "2026-03-01T10:00:00Z")
    assert (item.restored.who, item.restored.when) == ("closer", "2026-03-01T11:00:00Z")
    assert item.severity == "critical"


def test_a_property_that_no_policy_asks_about_is_informational(nights: Nights) -> None:
    records = [
        change(paths={"properties.flag": ("True", "False")}, at="2026-03-01T10:00:00Z"),
        change(paths={"properties.flag": ("False", "True")}, at="2026-03-01T11:00:00Z"),
    ]
    (item,) = nights(NIGHT, NIGHT, records).reverted
    assert (item.severity, item.during) == ("informational", "False")


def test_the_way_back_may_be_unrecorded(nights: Nights) -> None:
    (item,) = nights(NIGHT, NIGHT, [OPENED]).reverted
    assert item.changed.who == "opener"
    assert item.restored.unknown == "No record says who changed it back."


def test_a_change_that_the_baseline_had_already_seen_is_no_reversal(nights: Nights) -> None:
    assert nights(NIGHT, NIGHT, [CLOSED_AGAIN]).is_empty


def test_what_drifted_is_no_reversal(nights: Nights) -> None:
    opened = {"rows": [row(properties={"publicNetworkAccess": "Enabled", "rules": RULES, "flag": True})]}
    drift = nights(NIGHT, opened, [OPENED, CLOSED_AGAIN, OPENED])
    assert drift.reverted == ()
    assert len(drift.properties) == 1


@pytest.mark.parametrize("path", ["properties.provisioningState", "properties.inner.etag", "apiVersion"])
def test_noise_is_no_reversal(nights: Nights, path: str) -> None:
    there_and_back = [
        change(paths={path: ("a", "b")}, at="2026-03-01T10:00:00Z"),
        change(paths={path: ("b", "a")}, at="2026-03-01T11:00:00Z"),
    ]
    assert nights(NIGHT, NIGHT, there_and_back).is_empty


def test_inside_arrays_the_records_must_say_that_they_came_back(nights: Nights) -> None:
    path = "properties.rules[0].access"
    there = change(paths={path: ("Deny", "Allow")}, at="2026-03-01T10:00:00Z")
    back = change(paths={path: ("Allow", "Deny")}, at="2026-03-01T11:00:00Z")
    assert nights(NIGHT, NIGHT, [there, back]).reverted[0].during == "Allow"


def test_one_record_inside_an_array_proves_nothing(nights: Nights) -> None:
    assert nights(NIGHT, NIGHT, [change(paths={"properties.rules[0].access": ("Deny", "Allow")})]).is_empty


def test_values_that_may_be_secrets_are_not_shown(nights: Nights) -> None:
    secret = "correct horse 7 battery"
    records = [
        change(paths={ACCESS: ("Disabled", secret)}, at="2026-03-01T10:00:00Z"),
        change(paths={ACCESS: (secret, "Disabled")}, at="2026-03-01T11:00:00Z"),
    ]
    drift = nights(NIGHT, NIGHT, records)
    assert drift.reverted[0].during == ""
    assert secret not in repr(drift)


def test_a_resource_that_lived_between_the_nights(nights: Nights) -> None:
    short = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/short"
    records = [
        change(short, kind="Create", by="maker", at="2026-03-01T10:00:00Z"),
        change(short, kind="Delete", by="remover", at="2026-03-01T11:00:00Z"),
    ]
    (item,) = nights(NIGHT, NIGHT, records).reverted
    assert (item.kind, item.type, item.changed.who, item.restored.who) == (
        "createdAndDeleted",
        STORAGE,
        "maker",
        "remover",
    )
    assert item.resource == short


def test_a_resource_that_was_made_anew(nights: Nights) -> None:
    records = [
        change(kind="Delete", by="remover", at="2026-03-01T10:00:00Z"),
        change(kind="Create", by="maker", at="2026-03-01T11:00:00Z"),
    ]
    (item,) = nights(NIGHT, NIGHT, records).reverted
    assert (item.kind, item.changed.who, item.restored.who) == ("deletedAndCreated", "remover", "maker")


def test_records_of_what_neither_run_reads_are_not_judged(nights: Nights) -> None:
    elsewhere = "/subscriptions/00000000-0000-0000-0000-00000000000c/resourceGroups/g/providers/A.b/c/d"
    records = [
        change(elsewhere, kind="Create", at="2026-03-01T10:00:00Z"),
        change(elsewhere, kind="Delete", at="2026-03-01T11:00:00Z"),
    ]
    assert nights(NIGHT, NIGHT, records).is_empty
