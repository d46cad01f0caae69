"""Which properties differ, and which differences mean nothing."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockdown.drift import noise
from lockdown.drift.properties import differences, path_text
from tests.drift.handmade import STORAGE, row

SHIPPED = noise.shipped()
TREAT = SHIPPED.treatment(STORAGE)

_names = st.sampled_from(["access", "enabled", "Mode", "tier", "rules", "a.b", "with space"])
_scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4)
_trees = st.dictionaries(
    _names,
    st.recursive(
        _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3), max_leaves=8
    ),
    max_size=4,
)


def found(before: dict[str, Any], after: dict[str, Any], kind: str = STORAGE) -> list[tuple[str, object, object]]:
    ours, theirs = row(**{"type": kind, **before}), row(**{"type": kind, **after})
    treat = SHIPPED.treatment(kind)
    return [(path_text(d.steps), d.before, d.after) for d in differences(ours, theirs, treat)]


def under(before: Any, after: Any, kind: str = STORAGE) -> list[tuple[str, object, object]]:
    return found({"properties": before}, {"properties": after}, kind)


def test_a_changed_value_has_path_before_and_after() -> None:
    assert under({"publicNetworkAccess": "Disabled"}, {"publicNetworkAccess": "Enabled"}) == [
        ("properties.publicNetworkAccess", "Disabled", "Enabled")
    ]


def test_a_value_that_comes_or_goes_has_none_at_one_end() -> None:
    assert under({}, {"networkAcls": {"defaultAction": "Allow"}}) == [
        ("properties.networkAcls.defaultAction", None, "Allow")
    ]
    assert found({"tags": {"owner": "lab"}}, {"tags": None}) == [("tags.owner", "lab", None)]


@pytest.mark.parametrize(("before", "after"), [(0, False), (1, True), ("1", 1), (None, {}), (None, []), ("", None)])
def test_values_of_another_kind_differ(before: Any, after: Any) -> None:
    assert under({"setting": before}, {"setting": after}) == [("properties.setting", before, after)]


def test_names_that_are_no_words_are_quoted_in_paths() -> None:
    assert found({"tags": {"a.b": "1", 'q"': "1"}}, {"tags": {"a.b": "2", 'q"': "2"}}) == [
        ('tags["a.b"]', "1", "2"),
        ('tags["q\\""]', "1", "2"),
    ]


def test_an_element_with_a_name_is_told_apart_by_it() -> None:
    ssh, web = {"name": "ssh", "access": "Deny"}, {"name": "web", "access": "Deny"}
    assert under({"rules": [ssh, web]}, {"rules": [web, {**ssh, "access": "Allow"}]}) == [
        ('properties.rules[name="ssh"].access', "Deny", "Allow")
    ]
    assert under({"rules": [ssh]}, {"rules": [web, ssh]}) == [('properties.rules[name="web"]', None, web)]


def test_elements_that_share_a_name_are_compared_in_order() -> None:
    one, two = {"name": "x", "port": 1}, {"name": "x", "port": 2}
    assert under({"rules": [one, two]}, {"rules": [two, one]}) == [
        ("properties.rules[0].port", 1, 2),
        ("properties.rules[1].port", 2, 1),
    ]


def test_order_counts_where_no_rule_says_otherwise() -> None:
    servers = ["10.0.0.4", "10.0.0.5"]
    assert under({"dnsServers": servers}, {"dnsServers": servers[::-1]}) == [
        ("properties.dnsServers[0]", "10.0.0.4", "10.0.0.5"),
        ("properties.dnsServers[1]", "10.0.0.5", "10.0.0.4"),
    ]
    assert under({"dnsServers": servers}, {"dnsServers": servers[:1]}) == [
        ("properties.dnsServers", servers, servers[:1])
    ]


def test_a_set_of_plain_values_is_shown_whole() -> None:
    before, after = ["10.0.0.0/16", "10.1.0.0/16"], ["10.1.0.0/16", "0.0.0.0/0"]
    assert under({"addressPrefixes": before}, {"addressPrefixes": after}) == [
        ("properties.addressPrefixes", before, after)
    ]


RULE, OTHER = {"value": "203.0.113.1", "action": "Allow"}, {"value": "203.0.113.2", "action": "Allow"}
NOISE = [
    ({"etag": 'W/"1"'}, {"etag": 'W/"2"'}),
    ({"provisioningState": "Updating"}, {"provisioningState": "Succeeded"}),
    ({"systemData": {"lastModifiedBy": "a"}}, {"systemData": {"lastModifiedBy": "b"}}),
    ({"creationTime": "2026-01-01"}, {"creationTime": "2026-01-02"}),
    ({"inner": {"lastModifiedAt": "x"}}, {"inner": {}}),
    ({"subnet": {"id": "/subscriptions/A/x"}}, {"subnet": {"id": "/subscriptions/a/X"}}),
    ({"workspaceResourceId": "/subscriptions/A/x"}, {"workspaceResourceId": "/Subscriptions/a/X"}),
    ({"absent": None}, {}),
    ({"privateEndpointConnections": []}, {}),
    ({"addressPrefixes": ["a", "b"]}, {"addressPrefixes": ["b", "a"]}),
    ({"networkAcls": {"ipRules": [RULE, OTHER]}}, {"networkAcls": {"ipRules": [OTHER, RULE]}}),
    ({"subnets": [{"id": "/subscriptions/A/s", "etag": 1}]}, {"subnets": [{"id": "/subscriptions/a/s", "etag": 2}]}),
]


@pytest.mark.parametrize(("before", "after"), NOISE)
def test_noise_is_no_difference(before: Any, after: Any) -> None:
    assert under(before, after) == []
    assert under(after, before) == []


@pytest.mark.parametrize(
    ("column", "before", "after"),
    [
        ("tags", None, {}),
        ("managedBy", None, ""),
        ("kind", "", None),
        ("location", "westus2", "WestUS2"),
        ("type", STORAGE, "Microsoft.Storage/storageAccounts"),
        ("resourceGroup", "coa", "CoA"),
        ("apiVersion", "2023-01-01", "2024-01-01"),
        ("zones", ["1", "2"], ["2", "1"]),
    ],
)
def test_columns_have_noise_too(column: str, before: Any, after: Any) -> None:
    assert found({column: before}, {column: after}) == []


def test_identities_are_found_whatever_the_casing_of_their_ids() -> None:
    before = {"userAssignedIdentities": {"/subscriptions/A/x": {"clientId": "1"}}}
    after = {"userAssignedIdentities": {"/subscriptions/a/X": {"clientId": "1"}}}
    assert found({"identity": before}, {"identity": after}) == []
    after["userAssignedIdentities"]["/subscriptions/a/X"]["clientId"] = "2"
    assert found({"identity": before}, {"identity": after}) == [
        ('identity.userAssignedIdentities["/subscriptions/a/X"].clientId', "1", "2")
    ]


def test_rules_for_one_type_leave_others_alone() -> None:
    scale_sets = "microsoft.compute/virtualmachinescalesets"
    more, fewer = {"sku": {"capacity": 3}}, {"sku": {"capacity": 1}}
    assert found(more, fewer, scale_sets) == []
    assert found(more, fewer) == [("sku.capacity", 3, 1)]


def test_noise_inside_what_is_new_is_left_out() -> None:
    after = {"encryption": {"provisioningState": "Succeeded", "keySource": "Microsoft.Keyvault"}}
    assert under({}, after) == [("properties.encryption.keySource", None, "Microsoft.Keyvault")]


@pytest.mark.parametrize(
    "name", ["keyCreationTime", "publicNetworkAccess", "allowBlobPublicAccess", "minimumTlsVersion"]
)
def test_what_matters_is_not_noise(name: str) -> None:
    assert under({name: "before"}, {name: "after"}) == [(f"properties.{name}", "before", "after")]


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw of a process builds what all draw from
@given(_trees)
def test_a_row_does_not_differ_from_itself(tree: dict[str, Any]) -> None:
    assert under(tree, deepcopy(tree)) == []


@given(_trees, _trees)
def test_the_other_way_round_is_the_mirror_image(one: dict[str, Any], two: dict[str, Any]) -> None:
    mirrored = [(path, after, before) for path, before, after in under(two, one)]
    assert sorted(map(repr, under(one, two))) == sorted(map(repr, mirrored))


@given(_trees, st.randoms(use_true_random=False))
def test_shuffling_named_elements_is_no_difference(tree: dict[str, Any], dice: random.Random) -> None:
    elements = [{"name": f"n{number}", "of": tree, "etag": dice.random()} for number in range(4)]
    shuffled = [{**element, "etag": "new"} for element in dice.sample(elements, k=4)]
    assert under({"rules": elements}, {"rules": shuffled}) == []


@given(_trees, _scalars, _scalars, st.lists(_names, max_size=3))
def test_every_single_change_is_found_where_it_is(
    tree: dict[str, Any], before: object, after: object, way: list[str]
) -> None:
    if before == after and type(before) is type(after):
        return
    ours, theirs = {"root": deepcopy(tree)}, {"root": deepcopy(tree)}
    for target, value in ((ours, before), (theirs, after)):
        place: dict[str, Any] = target
        for name in ["changed", *way]:
            place = place.setdefault(name, {})
        place["leaf"] = value
    ((path, was, now),) = under(ours, theirs)
    assert path.endswith("leaf")
    assert (was, now) == (before, after)
