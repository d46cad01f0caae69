"""The history of changes, and the lag of the index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.resource_graph.graph_client import GraphClient, group, resource

KIND = "Microsoft.Storage/storageAccounts"
CHANGES = (
    "resourcechanges | extend at = todatetime(properties.changeAttributes.timestamp)"
    " | order by at asc | project id, properties"
)


@pytest.fixture
def azure() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=0, quota=False) as sandbox:
        yield sandbox


@pytest.fixture
def graph(azure: Sandbox) -> Iterator[GraphClient]:
    client = GraphClient(azure)
    yield client
    client.arm.close()


def account(graph: GraphClient, **members: Any) -> dict[str, Any]:
    return resource(graph.sandbox.subscription, KIND, "st", **members)


def test_every_change_of_a_resource_tells_what_who_when_and_how(graph: GraphClient) -> None:
    graph.put(account(graph, properties={"publicNetworkAccess": "Disabled", "acls": {"ips": ["10.0.0.1"]}}))
    graph.put(account(graph, properties={"publicNetworkAccess": "Enabled", "acls": {"ips": []}}, tags={"a": "b"}))
    graph.sandbox.state.delete(account(graph)["id"], **graph.authorship())
    created, updated, deleted = (row["properties"] for row in graph.rows(CHANGES))
    assert [found["changeType"] for found in (created, updated, deleted)] == ["Create", "Update", "Delete"]
    assert updated["targetResourceType"] == KIND.lower()
    assert updated["targetResourceId"].lower() == account(graph)["id"].lower()
    assert updated["changes"] == {
        "properties.publicNetworkAccess": change("Disabled", "Enabled", "Update"),
        "properties.acls.ips[0]": change("10.0.0.1", "null", "Remove"),
        "tags": change("null", '{"a":"b"}', "Insert"),
    }
    attributes = updated["changeAttributes"]
    client_id = graph.sandbox.environment("owner")["AZURE_CLIENT_ID"]
    assert (attributes["changedBy"], attributes["changedByType"]) == (client_id, "Application")
    assert (attributes["clientType"], attributes["operation"]) == ("Azure CLI", "microsoft.test/things/write")
    assert (attributes["correlationId"], attributes["changesCount"]) == ("c-1", 3)
    assert attributes["previousResourceSnapshotId"] != attributes["newResourceSnapshotId"]
    for found in (created, deleted):
        assert (found["changes"], found["changeAttributes"]["changesCount"]) == ({}, 0)
    assert created["changeAttributes"]["previousResourceSnapshotId"] is None


def change(before: str, after: str, kind: str) -> dict[str, str]:
    return {"previousValue": before, "newValue": after, "changeCategory": "User", "propertyChangeType": kind}


def test_a_change_made_through_resource_manager_is_told_too(graph: GraphClient) -> None:
    path = graph.arm.group("RG-One")
    graph.arm.account(path, "stsandbox", publicNetworkAccess="Disabled")
    rows = graph.rows("resourcechanges | where properties.targetResourceId endswith 'stsandbox'")
    assert [row["type"] for row in rows] == ["microsoft.resources/changes"]
    operation = rows[0]["properties"]["changeAttributes"]["operation"]
    assert operation == "microsoft.storage/storageaccounts/write"


def test_containers_have_a_table_of_their_own_and_what_is_not_held_has_none(graph: GraphClient) -> None:
    sub = graph.sandbox.subscription
    graph.put(group(sub, "RG-One"), resource(sub, f"{KIND}/blobServices", "st", "default"))
    (row,) = graph.rows("resourcecontainerchanges")
    assert row["properties"]["targetResourceType"] == "microsoft.resources/subscriptions/resourcegroups"
    assert graph.rows("resourcechanges") == []


def test_what_only_changes_internally_is_no_change(graph: GraphClient) -> None:
    graph.put(account(graph))
    graph.put(account(graph, _etag='W/"2"'), account(graph, etag='W/"3"'))
    assert len(graph.rows("resourcechanges")) == 1


def test_changes_are_kept_for_fourteen_days(graph: GraphClient) -> None:
    graph.put(account(graph))
    graph.sandbox.clock.advance(13.9 * 86_400)
    fresh = GraphClient(graph.sandbox)
    assert len(fresh.rows("resourcechanges")) == 1
    graph.sandbox.clock.advance(0.2 * 86_400)
    later = GraphClient(graph.sandbox)
    assert later.rows("resourcechanges") == []
    assert len(later.rows("resources")) == 1
    fresh.arm.close()
    later.arm.close()


def test_queries_are_behind_by_the_lag() -> None:
    with Sandbox("empty", operation_seconds=0, quota=False, lag=30.0) as sandbox:
        graph = GraphClient(sandbox)
        graph.put(account(graph))
        assert graph.rows("resources") == []
        assert graph.rows("resourcechanges") == []
        sandbox.clock.advance(31)
        assert [row["name"] for row in graph.rows("resources")] == ["st"]
        assert len(graph.rows("resourcechanges")) == 1
        sandbox.state.delete(account(graph)["id"], **graph.authorship())
        assert len(graph.rows("resources")) == 1
        sandbox.clock.advance(31)
        assert graph.rows("resources") == []
        graph.arm.close()
