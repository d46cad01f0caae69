"""What is asked of Azure Resource Manager: each thing once, and hostile names go nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from lockdown.cloud.arm_plan import Parent, Read, plan
from lockdown.model import ArmRead, Child

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/RG"
ACCOUNTS = "microsoft.storage/storageaccounts"
NOW = datetime(2026, 3, 15, 12, 30, 59, 999, UTC)
BEFORE = datetime(2026, 3, 1, tzinfo=UTC)

RULES = ArmRead("microsoft.x/servers/rules", ("microsoft.x/servers",), "{parent}/rules", "2024-01-01")
VERSIONS = ArmRead(
    "microsoft.x/locations/versions",
    ("microsoft.x/servers",),
    "/subscriptions/{subscription}/providers/Microsoft.X/locations/{location}/versions",
    "2024-01-01",
    listed=False,
    whole=True,
)
SETTINGS = ArmRead(
    "microsoft.insights/diagnosticsettings",
    (ACCOUNTS, "microsoft.x/servers"),
    "{parent}/providers/Microsoft.Insights/diagnosticSettings",
    "2021-05-01-preview",
    children={
        ACCOUNTS: (
            Child("blobServices/default", ("properties", "primaryEndpoints", "blob")),
            Child("fileServices/default", ("properties", "primaryEndpoints", "file")),
        )
    },
)


def server(name: str = "one", **columns: object) -> dict[str, object]:
    return {"id": f"{GROUP}/providers/Microsoft.X/servers/{name}", "type": "microsoft.x/servers", **columns}


def planned(*specs: ArmRead, rows: Sequence[Mapping[str, Any]]) -> list[Read]:
    return plan(specs, rows, BEFORE, NOW)


def test_each_parent_is_asked_once_and_rows_of_other_types_are_passed_over() -> None:
    rows: list[dict[str, object]] = [
        server("b"),
        server("a"),
        {"id": f"{GROUP}/providers/Microsoft.Y/z/q", "type": "microsoft.y/z"},
    ]
    found = planned(RULES, rows=rows)
    assert [read.target for read in found] == [
        f"{GROUP}/providers/Microsoft.X/servers/{name}/rules?api-version=2024-01-01" for name in ("a", "b")
    ]
    assert found == planned(RULES, rows=rows[::-1])


def test_subscriptions_take_turns_because_each_has_a_quota_of_its_own() -> None:
    rows = [
        {"id": f"/subscriptions/{s}/resourceGroups/rg/providers/Microsoft.X/servers/{n}", "type": "microsoft.x/servers"}
        for s in ("b", "a")
        for n in range(3)
    ]
    found = planned(RULES, rows=rows)
    assert [read.parents[0].subscription for read in found] == ["a", "b"] * 3
    assert found == planned(RULES, rows=rows[::-1])


def test_a_path_that_parents_share_is_asked_once_for_all_of_them() -> None:
    (read,) = planned(VERSIONS, rows=[server("b", location="eastus"), server("a", location="eastus")])
    assert [parent.id[-1] for parent in read.parents] == ["a", "b"]
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.X/locations/eastus/versions"
    assert urlsplit(read.target).path == path
    assert len(planned(VERSIONS, rows=[server("b", location="eastus"), server("a", location="westus")])) == 2


def test_children_are_read_instead_of_their_account_where_the_account_has_them() -> None:
    account: dict[str, object] = {"id": f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a", "type": ACCOUNTS}
    both = planned(SETTINGS, rows=[account, server()])
    assert [read.parents[0].id.removeprefix(GROUP) for read in both] == [
        "/providers/Microsoft.Storage/storageAccounts/a/blobServices/default",
        "/providers/Microsoft.Storage/storageAccounts/a/fileServices/default",
        "/providers/Microsoft.X/servers/one",
    ]
    shares = account | {"properties": {"primaryEndpoints": {"file": "https://a.file.example/"}}}
    (only,) = planned(SETTINGS, rows=[shares])
    assert only.parents[0].id.endswith("/fileServices/default")


def test_moments_and_parameters_are_filled_in_and_quoted() -> None:
    query = {"$filter": "eventTimestamp ge '{since}' and eventTimestamp le '{until}'", "$select": "caller,status"}
    events = ArmRead("microsoft.x/events", ("microsoft.x/servers",), "{parent}/events", "2015-04-01", query=query)
    (read,) = planned(events, rows=[server()])
    assert urlsplit(read.target).query == (
        "api-version=2015-04-01&$filter=eventTimestamp%20ge%20%272026-03-01T00%3A00%3A00.000000Z%27%20and%20"
        "eventTimestamp%20le%20%272026-03-15T12%3A30%3A59.000999Z%27&$select=caller%2Cstatus"
    )


@pytest.mark.parametrize("name", ["..", ".", "", "a/../b", "a/./b", "a//b", "\ud800", "a/\ud800"])
def test_an_id_that_could_be_read_as_another_path_is_not_asked(name: str) -> None:
    (read,) = planned(RULES, rows=[server(name)])
    assert read.target == ""


@pytest.mark.parametrize("resource", ["/", "", "/providers/Microsoft.X/servers/a", "https://elsewhere.example/a"])
def test_an_id_outside_subscriptions_is_not_asked(resource: str) -> None:
    (read,) = planned(RULES, rows=[server() | {"id": resource}])
    assert read.target == ""


@pytest.mark.parametrize("location", ["", "..", "east/us", "."])
def test_a_location_that_is_none_is_not_asked_about(location: str) -> None:
    (read,) = planned(VERSIONS, rows=[server(location=location)])
    assert read.target == ""


@pytest.mark.parametrize(
    "name",
    [
        "a?b=c&d",
        "a#b",
        "a%2e%2e",
        "a b",
        "ünï😀",
        "\u202egnp.exe",
        "a;b",
        "{subscription}",
        "{location}",
        "a\n\tb",
        "\\..",
    ],
)
def test_a_hostile_name_stays_one_step_of_its_own_path(name: str) -> None:
    (read,) = planned(RULES, rows=[server(name, location="eastus")])
    url = str(requests.Request("GET", f"https://127.0.0.1:1{read.target}").prepare().url)
    assert urlsplit(url).netloc == "127.0.0.1:1"
    assert unquote(urlsplit(url).path) == f"{GROUP}/providers/Microsoft.X/servers/{name}/rules"
    assert urlsplit(url).query == "api-version=2024-01-01"


@given(st.text(min_size=1, max_size=30))
def test_whatever_the_name_the_request_is_its_own_or_none(name: str) -> None:
    (read,) = planned(RULES, rows=[server(name)])
    if read.target:
        url = str(requests.Request("GET", f"https://127.0.0.1:1{read.target}").prepare().url)
        assert unquote(urlsplit(url).path) == f"{GROUP}/providers/Microsoft.X/servers/{name}/rules"


def test_what_an_id_says_of_its_place() -> None:
    parent = Parent(str(server()["id"]))
    assert (parent.subscription, parent.group) == (SUBSCRIPTION, "rg")
    assert (Parent(f"/subscriptions/{SUBSCRIPTION}").subscription, Parent("/").subscription) == (SUBSCRIPTION, "")
    assert Parent(f"/subscriptions/{SUBSCRIPTION}").group == ""
