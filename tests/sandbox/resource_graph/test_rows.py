"""What rows look like, and which documents have one."""

from __future__ import annotations

from typing import Any

import pytest

from lockdown.sandbox.resource_graph.normal import cased, value
from lockdown.sandbox.resource_graph.tables import table_of
from tests.sandbox.resource_graph.graph_client import GraphClient, group, resource

VAULT = {
    "createdAt": "2026-03-02T09:14:07.5813264Z",
    "networkAcls": None,
    "rules": [{"value": "10.0.0.0/8", "note": None}],
    "Mixed": {"Kind": "Casing"},
}


@pytest.fixture(scope="module", autouse=True)
def documents(graph: GraphClient) -> None:
    sub = graph.sandbox.subscription
    graph.put(
        group(sub, "RG-One"),
        resource(sub, "Microsoft.KeyVault/vaults", "kv", properties=VAULT),
        resource(sub, "Microsoft.Storage/storageAccounts", "st", kind="StorageV2", sku={"name": "Standard_LRS"}),
        resource(sub, "Microsoft.Network/virtualNetworks", "net", properties={"subnets": [{"name": "default"}]}),
        resource(sub, "Microsoft.Network/virtualNetworks/subnets", "net", "default"),
        resource(sub, "Microsoft.Network/privateDnsZones", "zone", location="global"),
        resource(sub, "Microsoft.Network/privateDnsZones/virtualNetworkLinks", "zone", "link", location="global"),
        resource(sub, "Microsoft.Network/privateDnsZones/A", "zone", "host"),
        resource(sub, "Microsoft.Batch/batchAccounts", "batch"),
        resource(sub, "Microsoft.Batch/batchAccounts/pools", "batch", "pool"),
        resource(sub, "Microsoft.Storage/storageAccounts/blobServices", "st", "default"),
    )


def test_a_row_has_every_column_of_its_table(graph: GraphClient) -> None:
    row = graph.rows("resources | where name == 'kv'")[0]
    expected = {
        "name": "kv",
        "type": "microsoft.keyvault/vaults",
        "tenantId": graph.sandbox.tenant,
        "kind": "",
        "location": "westeurope",
        "resourceGroup": "rg-one",
        "subscriptionId": graph.sandbox.subscription,
        "managedBy": "",
        "sku": None,
        "plan": None,
        "tags": None,
        "identity": None,
        "zones": None,
        "extendedLocation": None,
        "apiVersion": "2024-01-01",
    }
    assert {key: row[key] for key in expected} == expected
    assert row.keys() == expected.keys() | {"id", "properties"}


def test_properties_keep_their_nulls_and_casing_and_lose_the_end_of_their_timestamps(graph: GraphClient) -> None:
    shown = VAULT | {"createdAt": "2026-03-02T09:14:07.5810000Z"}
    for query in (
        "resources | where name == 'kv'",
        "resources | where name == 'kv' | project id, properties",
        "resources | where isnull(properties.networkAcls) and name == 'kv' | order by id asc | project properties, id",
    ):
        assert graph.rows(query)[0]["properties"] == shown


def test_a_value_that_the_query_made_is_not_replaced_by_the_stored_one(graph: GraphClient) -> None:
    row = graph.rows("resources | where name == 'kv' | project id, properties = bag_pack('networkAcls', 1)")[0]
    assert row["properties"] == {"networkAcls": 1}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-03-02T09:14:07.5958150Z", "2026-03-02T09:14:07.5950000Z"),
        ("2026-03-02T09:14:07.5Z", "2026-03-02T09:14:07.5000000Z"),
        ("2026-03-02T09:14:07Z", "2026-03-02T09:14:07Z"),
        ("2026-03-02T09:14:07.5958150Z or so", "2026-03-02T09:14:07.5958150Z or so"),
    ],
)
def test_timestamps_are_cut_to_milliseconds_and_padded(written: str, shown: str) -> None:
    assert value({"at": [written]}) == {"at": [shown]}


def test_the_casing_of_ids_is_not_to_be_relied_on() -> None:
    ids = [f"/subscriptions/S/resourceGroups/RG-One/providers/Microsoft.X/ys/Z{index}" for index in range(40)]
    shown = [cased(resource_id) for resource_id in ids]
    assert {found.split("/")[4] for found in shown} == {"RG-One", "rg-one"}
    assert [found.lower() for found in shown] == [resource_id.lower() for resource_id in ids]
    assert shown == [cased(resource_id) for resource_id in ids]


def test_resource_groups_and_subscriptions_are_containers(graph: GraphClient) -> None:
    rows = graph.rows("resourcecontainers | project name, type, resourceGroup | order by type asc")
    assert rows == [
        {"name": "Empty", "type": "microsoft.resources/subscriptions", "resourceGroup": ""},
        {"name": "RG-One", "type": "microsoft.resources/subscriptions/resourcegroups", "resourceGroup": "rg-one"},
    ]


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("resources", {"kv", "st", "net", "zone", "link", "batch"}),
        ("dnsresources", {"host"}),
        ("batchresources", {"pool"}),
        ("networkresources", set()),
        ("advisorresources", set()),
    ],
)
def test_each_document_is_in_its_table_or_in_none(graph: GraphClient, table: str, names: set[str]) -> None:
    assert {row["name"] for row in graph.rows(table)} == names


def test_roles_and_their_assignments_are_authorization_resources(graph: GraphClient) -> None:
    rows = graph.rows("authorizationresources | summarize count() by type | order by type asc")
    assert [row["type"] for row in rows] == [
        "microsoft.authorization/roleassignments",
        "microsoft.authorization/roledefinitions",
    ]


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces", "computeresources"),
        ("Microsoft.Network/firewallPolicies/ruleCollectionGroups", "networkresources"),
        ("Microsoft.Network/networkSecurityPerimeters/resourceAssociations", "networkresources"),
        ("Microsoft.Network/networkSecurityPerimeters", "resources"),
        ("Microsoft.Sql/servers/databases", "resources"),
        ("Microsoft.Sql/servers/firewallRules", ""),
        ("Microsoft.DBforPostgreSQL/flexibleServers/configurations", ""),
        ("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", ""),
        ("Microsoft.Network/networkSecurityGroups/securityRules", ""),
        ("Microsoft.Storage/storageAccounts/blobServices/containers", ""),
    ],
)
def test_what_resource_graph_does_not_hold_is_in_no_table(kind: str, table: str) -> None:
    names = ["x"] * (len(kind.split("/")) - 1)
    assert table_of(resource("s", kind, *names)) == table


@pytest.mark.parametrize("kind", ["Microsoft.Insights/diagnosticSettings", "Microsoft.Authorization/locks"])
def test_extensions_of_resources_are_in_no_table(kind: str) -> None:
    account = resource("s", "Microsoft.Storage/storageAccounts", "st")
    document: dict[str, Any] = {"id": f"{account['id']}/providers/{kind}/x", "type": kind, "location": "westeurope"}
    assert table_of(document) == ""


def test_only_whole_texts_are_timestamps() -> None:
    kept = {
        "2026-03-02T09:14:07.5958150Z": 1,
        "said": '"2026-03-02T09:14:07.5958150Z',
        "more": '2026-03-02T09:14:07.59Z"',
    }
    assert value(kept) == kept


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ({"n": 10**30}, {"n": 1e30}),
        ({"half": "\ud800"}, {"half": "?"}),
        ({"nan": float("nan"), "inf": float("inf")}, {"nan": None, "inf": None}),
        ({"quoted": '":null,', "gone": None, 'a"b:null': "\\"}, {"quoted": '":null,', "gone": None, 'a"b:null': "\\"}),
        ({"list": [None, {"a": None}]}, {"list": [None, {"a": None}]}),
        ({"text": "\x00\u202e<script>'; drop"}, {"text": "\x00\u202e<script>'; drop"}),
    ],
)
def test_hostile_values_break_nothing(graph: GraphClient, written: dict[str, Any], shown: dict[str, Any]) -> None:
    graph.put(resource(graph.sandbox.subscription, "Microsoft.Wild/things", "wild", properties=written, tags=written))
    row = graph.rows("resources | where name == 'wild'")[0]
    assert (row["properties"], row["tags"]) == (shown, shown)
    assert graph.rows("resourcechanges | project id, properties")
