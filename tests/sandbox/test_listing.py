"""Collections: by type, group and subscription, filtered, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.listing import parse_filter
from tests.sandbox.arm_client import ArmClient, error


def pages(arm: ArmClient, path: str, **query: str) -> Iterator[list[dict[str, Any]]]:
    body = arm.call("GET", path, query=query).json()
    while True:
        yield body["value"]
        if "nextLink" not in body:
            return
        body = arm.call("GET", body["nextLink"], version=None).json()


@pytest.fixture(scope="module")
def stocked(arm: ArmClient) -> str:
    group = arm.group("stocked")
    for number in range(5):
        arm.account(group, f"stocked{number}")
    path = f"{group}/providers/Microsoft.AppConfiguration/configurationStores"
    for name, tags in (("Alpha", {"env": "prod"}), ("beta", {"env": "it's"})):
        arm.call("PUT", f"{path}/{name}", {"location": "northeurope", "tags": tags, "properties": {"secret": 1}})
    return group


def test_resources_of_a_group_are_short_and_without_properties(arm: ArmClient, stocked: str) -> None:
    (page,) = pages(arm, f"{stocked}/resources")
    assert len(page) == 7
    assert all("properties" not in found for found in page)
    assert {"id", "name", "type", "location", "tags"} == set(page[0])
    expanded = next(pages(arm, f"{stocked}/resources", **{"$expand": "createdTime,provisioningState"}))
    assert {found["provisioningState"] for found in expanded} == {"Succeeded"}


def test_top_makes_pages_that_hold_everything_once(arm: ArmClient, stocked: str) -> None:
    found = list(pages(arm, f"{stocked}/resources", **{"$top": "2"}))
    assert [len(page) for page in found] == [2, 2, 2, 1]
    ids = [item["id"] for page in found for item in page]
    assert len(set(ids)) == 7


def test_a_page_goes_on_where_it_was_though_things_come_and_go(arm: ArmClient) -> None:
    group = arm.group("moving")
    for name in "bdf":
        arm.call(
            "PUT",
            f"{group}/providers/Microsoft.AppConfiguration/configurationStores/{name}",
            {"location": "westeurope"},
        )
    walk = pages(arm, f"{group}/resources", **{"$top": "2"})
    assert [found["name"] for found in next(walk)] == ["b", "d"]
    for name in "ae":
        arm.call(
            "PUT",
            f"{group}/providers/Microsoft.AppConfiguration/configurationStores/{name}",
            {"location": "westeurope"},
        )
    arm.call("DELETE", f"{group}/providers/Microsoft.AppConfiguration/configurationStores/d")
    assert [found["name"] for found in next(walk)] == ["e", "f"]


def test_a_collection_of_one_type_in_a_group_and_in_the_subscription(arm: ArmClient, stocked: str) -> None:
    (vaults,) = pages(arm, f"{stocked}/providers/Microsoft.AppConfiguration/configurationStores")
    assert [found["name"] for found in vaults] == ["Alpha", "beta"]
    assert vaults[0]["properties"] == {"secret": 1}
    everywhere = next(pages(arm, f"{arm.base}/providers/Microsoft.Storage/storageAccounts"))
    assert {f"stocked{number}" for number in range(5)} <= {found["name"] for found in everywhere}
    account = f"{stocked}/providers/Microsoft.Storage/storageAccounts/stocked0"
    (services,) = pages(arm, f"{account}/blobServices")
    assert [found["id"] for found in services] == [f"{account}/blobServices/default"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("resourceType eq 'Microsoft.AppConfiguration/configurationStores'", ["Alpha", "beta"]),
        ("resourceType eq 'microsoft.appconfiguration/CONFIGURATIONSTORES' and name eq 'alpha'", ["Alpha"]),
        ("tagName eq 'env' and tagValue eq 'it''s'", ["beta"]),
        ("substringof('ET', name)", ["beta"]),
        ("location ne 'westeurope'", ["Alpha", "beta"]),
        ("name eq 'a and b'", []),
    ],
)
def test_filters(arm: ArmClient, stocked: str, text: str, names: list[str]) -> None:
    (page,) = pages(arm, f"{stocked}/resources", **{"$filter": text})
    assert [found["name"] for found in page] == names


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"$filter": "colour eq 'red'"}, "InvalidFilterInQueryString"),
        ({"$filter": "name eq 'x"}, "InvalidFilterInQueryString"),
        ({"$top": "0"}, "InvalidTopInQueryString"),
        ({"$top": "many"}, "InvalidTopInQueryString"),
        ({"$skiptoken": "ä"}, "InvalidSkipTokenInQueryString"),
    ],
)
def test_a_query_that_is_not_understood_is_refused(
    arm: ArmClient, stocked: str, query: dict[str, str], code: str
) -> None:
    assert error(arm.call("GET", f"{stocked}/resources", query=query)) == (400, code)


@given(st.text(max_size=60))
def test_any_filter_text_is_understood_or_refused(text: str) -> None:
    with suppress(ArmError):
        assert isinstance(parse_filter(text)({"id": "/subscriptions/s/x", "name": "n", "type": "a/b"}), bool)


@given(st.text(max_size=30))
def test_a_name_is_found_by_its_own_quoted_text(name: str) -> None:
    test = parse_filter("name eq '{}'".format(name.replace("'", "''")))
    assert test({"id": "/x", "name": name, "type": "a/b"})
