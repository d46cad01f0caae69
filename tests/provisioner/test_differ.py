"""A body differs from what Azure shows only if Azure shows something else."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.provisioner.differ import Difference, differences

NAMES = st.text("abcdefghijklmnop", min_size=1, max_size=6)
WORDS = st.text("abcdefghijklmnopABCDEFG_-123", min_size=1, max_size=12)
SCALARS = st.one_of(st.booleans(), st.integers(-5, 5), WORDS)
IDS = st.builds(lambda name: f"/subscriptions/1/resourceGroups/g/providers/A.B/c/{name}", NAMES)


def _objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(NAMES, values, min_size=1, max_size=4)


def _named(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    items = st.builds(lambda name, body: {**body, "name": name}, NAMES, _objects(values))
    return st.lists(items, min_size=1, max_size=3, unique_by=lambda item: item["name"])


def _grown(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    plain = st.lists(st.one_of(WORDS, IDS), min_size=1, max_size=4, unique_by=str.lower)
    return st.one_of(_objects(values), _named(values), plain, st.lists(_objects(SCALARS), min_size=1, max_size=3))


BODIES = _objects(st.recursive(st.one_of(SCALARS, IDS), _grown, max_leaves=12))


def shown(value: Any, chance: random.Random) -> Any:
    """Return a value as Azure would show it: more properties, other casings, another order."""
    if isinstance(value, dict):
        found = {name: shown(item, chance) for name, item in value.items()}
        return {**found, "zzProvisioningState": "Succeeded"} if chance.random() < 0.5 else found
    if isinstance(value, list):
        found_items = [shown(item, chance) for item in value]
        chance.shuffle(found_items)
        return found_items
    if isinstance(value, str):
        return chance.choice((value, value.lower(), value.upper()))
    return value


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where the scalars are that are no names: their paths."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name != "name":
                yield from places(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    else:
        yield path


def changed(body: Any, path: tuple[Any, ...]) -> Any:
    found = copy.deepcopy(body)
    holder = found
    for step in path[:-1]:
        holder = holder[step]
    old = holder[path[-1]]
    holder[path[-1]] = (not old) if isinstance(old, bool) else f"quite different {old}"
    return found


@given(BODIES, st.randoms(use_true_random=False))
def test_a_body_does_not_differ_from_what_azure_shows_of_it(body: dict[str, Any], chance: random.Random) -> None:
    assert differences(body, shown(body, chance)) == ()


@given(BODIES, st.data())
def test_a_value_that_differs_is_found(body: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(places(body), key=str)))
    found = differences(body, changed(body, path))
    assert found
    names = ".".join(step for step in path if isinstance(step, str))
    assert any(names.startswith(difference.place) for difference in found)


@given(BODIES, st.data())
def test_a_value_that_is_gone_is_found(body: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(places(body), key=str)))
    found = copy.deepcopy(body)
    holder: Any = found
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    assert differences(body, found)


SUBNETS: dict[str, Any] = {
    "properties": {
        "subnets": [
            {"name": "one", "properties": {"addressPrefix": "10.0.0.0/24", "defaultOutboundAccess": False}},
            {"name": "two", "properties": {"addressPrefix": "10.0.1.0/24"}},
        ]
    }
}


def test_items_of_an_array_are_told_apart_by_name() -> None:
    found = copy.deepcopy(SUBNETS)
    found["properties"]["subnets"].reverse()
    found["properties"]["subnets"][1]["properties"]["addressPrefix"] = "10.0.2.0/24"
    path = "properties.subnets[one].properties.addressPrefix"
    place = "properties.subnets.properties.addressPrefix"
    assert differences(SUBNETS, found) == (Difference(path, "10.0.2.0/24", "10.0.0.0/24", place),)


def test_a_further_item_differs_unless_others_may_stand_there() -> None:
    found = copy.deepcopy(SUBNETS)
    found["properties"]["subnets"].append({"name": "theirs", "properties": {}})
    (only,) = differences(SUBNETS, found)
    assert (only.path, only.after) == ("properties.subnets[theirs]", None)
    assert differences(SUBNETS, found, kept=frozenset({"properties.subnets"})) == ()


def test_an_item_that_is_missing_differs_where_others_may_stand_too() -> None:
    found = copy.deepcopy(SUBNETS)
    gone = found["properties"]["subnets"].pop()
    kept = frozenset({"properties.subnets"})
    assert differences(SUBNETS, found, kept)[0] == Difference(
        "properties.subnets[two]", None, gone, "properties.subnets"
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"location": "eastus"}, {"location": "East US"}),
        ({"id": "/subscriptions/A/resourceGroups/g"}, {"id": "/subscriptions/a/resourcegroups/G"}),
        ({"sku": {"name": "Standard_LRS"}}, {"sku": {"name": "standard_lrs", "tier": "Standard"}}),
        ({"value": "on"}, {"value": "ON"}),
        ({"Workspace": "x"}, {"workspace": "x"}),
        ({"ip": "203.0.113.7/32"}, {"ip": "203.0.113.7"}),
        ({"range": "2001:DB8::/32"}, {"range": "2001:db8::/32"}),
        ({"uri": "https://V.vault.azure.net"}, {"uri": "https://v.vault.azure.net/"}),
        ({"count": 1}, {"count": 1.0}),
        ({"rules": []}, {}),
        ({"rules": []}, {"rules": None}),
        ({"settings": {}}, {"settings": {"a": 1}}),
        ({"settings": {"inner": {}}}, {}),
        ({"nothing": None}, {}),
        ({"ports": ["443", "80"]}, {"ports": ["80", "443"]}),
        ({"subnets": [{"id": "/a/B"}]}, {"subnets": [{"id": "/A/b", "more": 1}]}),
        ({"logs": [{"categoryGroup": "allLogs", "on": True}]}, {"logs": [{"categoryGroup": "alllogs", "on": True}]}),
        ({"plans": [{"a": 1}, {"a": 1, "b": 2}]}, {"plans": [{"a": 1, "b": 2}, {"a": 1, "b": 3}]}),
    ],
)  # fmt: skip
def test_the_same_to_azure(wanted: dict[str, Any], found: dict[str, Any]) -> None:
    assert differences(wanted, found) == ()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"tags": {"Owner": "Ada"}}, {"tags": {"Owner": "ada"}}),
        ({"subject": "system:serviceaccount:coa:x"}, {"subject": "system:serviceaccount:COA:x"}),
        ({"issuer": "https://a/B/"}, {"issuer": "https://a/b/"}),
        ({"flag": True}, {"flag": 1}),
        ({"flag": False}, {}),
        ({"flag": "true"}, {"flag": True}),
        ({"rules": []}, {"rules": [{"value": "203.0.113.7"}]}),
        ({"nothing": None}, {"nothing": "something"}),
        ({"ports": ["443"]}, {"ports": ["443", "22"]}),
        ({"ports": ["443", "22"]}, {"ports": ["443"]}),
        ({"ip": "203.0.113.0/24"}, {"ip": "203.0.113.0"}),
        ({"settings": {"inner": [1]}}, {"settings": {}}),
        ({"settings": {"a": 1}}, {"settings": "a"}),
        ({"rules": [{"a": 1}]}, {"rules": {"a": 1}}),
        ({"text": "one (1)"}, {"text": "One (1)"}),
    ],
)
def test_not_the_same_to_azure(wanted: dict[str, Any], found: dict[str, Any]) -> None:
    assert len(differences(wanted, found)) == 1


def test_what_no_get_shows_is_not_compared() -> None:
    body = {"properties": {"administratorLoginPassword": "x", "version": "16"}}
    secret = frozenset({"properties.administratorLoginPassword"})
    assert differences(body, {"properties": {"version": "16"}}, secret=secret) == ()


def test_the_one_item_that_differs_is_looked_into() -> None:
    wanted = {"plans": [{"a": 1, "b": {"c": 2}}, {"a": 3}]}
    found = {"plans": [{"a": 3}, {"a": 1, "b": {"c": 5}}]}
    assert differences(wanted, found) == (Difference("plans[].b.c", 5, 2, "plans.b.c"),)
