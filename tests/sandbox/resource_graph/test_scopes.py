"""Who sees what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lockdown.sandbox.resource_graph.body import Body
from lockdown.sandbox.resource_graph.errors import GraphError
from lockdown.sandbox.resource_graph.hierarchy import hierarchy
from lockdown.sandbox.resource_graph.scopes import scope_of
from lockdown.sandbox.roles import READER
from lockdown.sandbox.server import Sandbox
from lockdown.sandbox.state import Document
from tests.sandbox.resource_graph.graph_client import GraphClient, group, resource, subscription

ONE, TWO, THREE = (f"{n}" * 8 + "-0000-4000-8000-000000000000" for n in "123")
GROUPS = "/providers/Microsoft.Management/managementGroups/"
NAMES = "resources | project name | order by name asc"


def management_group(name: str, parent: str = "") -> Document:
    details = {"parent": {"id": GROUPS + parent}} if parent else {}
    properties = {"displayName": name.title(), "details": details}
    return {
        "id": GROUPS + name,
        "name": name,
        "type": "Microsoft.Management/managementGroups",
        "properties": properties,
    }


def member(name: str, sub: str) -> Document:
    kind = "Microsoft.Management/managementGroups/subscriptions"
    return {"id": f"{GROUPS}{name}/subscriptions/{sub}", "name": sub, "type": kind, "properties": {}}


def assignment(scope: str, name: str, principal: str, role: str = READER) -> Document:
    return {
        "id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}",
        "name": name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "principalId": principal,
            "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{role}",
        },
    }


@pytest.fixture(scope="module")
def azure() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=0, quota=False) as sandbox:
        for sub in (ONE, TWO, THREE):
            sandbox.state.seed([subscription(sub, f"Sub {sub[0]}"), group(sub, "RG-One"), group(sub, "RG-Two")])
            sandbox.state.seed([resource(sub, "Microsoft.X/ys", f"one-{sub[0]}")])
            sandbox.state.seed([resource(sub, "Microsoft.X/ys", f"two-{sub[0]}", rg="RG-Two")])
        auditor = sandbox.identity.applications["auditor"].principal.object_id
        owner = GraphClient(sandbox).authorship()
        for document in list(sandbox.state.documents()):
            if document.get("properties", {}).get("principalId") == auditor:
                sandbox.state.delete(document["id"], **owner)
        sandbox.state.seed([management_group("root"), management_group("lab", "root")])
        sandbox.state.seed([member("lab", TWO), member("root", THREE)])
        sandbox.state.seed(
            [
                assignment(f"/subscriptions/{ONE}", "a-one", auditor),
                assignment(f"/subscriptions/{TWO}/resourceGroups/RG-Two", "a-two", auditor),
                assignment(f"{GROUPS}lab", "a-lab", "somebody"),
                assignment(f"/subscriptions/{TWO}", "a-sub", "somebody"),
            ]
        )
        yield sandbox


def names(graph: GraphClient, query: str = NAMES, **body: object) -> list[str]:
    return [row["name"] for row in graph.rows(query, **body)]


def test_without_a_scope_everything_that_the_caller_reads_is_answered(graph: GraphClient, auditor: GraphClient) -> None:
    assert names(graph) == ["one-1", "one-2", "one-3", "two-1", "two-2", "two-3"]
    assert names(auditor) == ["one-1", "two-1", "two-2"]


def test_partial_access_is_silent(auditor: GraphClient) -> None:
    assert names(auditor, subscriptions=[ONE, TWO, THREE]) == ["one-1", "two-1", "two-2"]
    assert names(auditor, subscriptions=[TWO]) == ["two-2"]


def test_aggregates_count_only_what_the_caller_reads(auditor: GraphClient) -> None:
    assert auditor.rows("resources | count") == [{"Count": 3}]
    containers = names(auditor, "resourcecontainers | project name | order by name asc")
    assert containers == ["RG-One", "RG-Two", "RG-Two", "Sub 1"]


@pytest.mark.parametrize("listed", [[THREE], [THREE, "44444444-0000-4000-8000-000000000000"]])
def test_403_when_nothing_that_was_listed_can_be_read(auditor: GraphClient, listed: list[str]) -> None:
    response = auditor.post("resources", subscriptions=listed)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["details"][0]["code"]) == (403, "AccessDenied", "AccessDenied")


def test_subscriptions_compare_without_case(graph: GraphClient) -> None:
    sub = "ABCDEF00-0000-4000-8000-000000000000"
    graph.put(subscription(sub, "Letters"), resource(sub, "Microsoft.X/ys", "letters"))
    assert names(graph, subscriptions=[sub.lower()]) == ["letters"]
    graph.sandbox.state.delete(f"/subscriptions/{sub}", **graph.authorship())


def test_a_management_group_holds_the_subscriptions_below_it(graph: GraphClient) -> None:
    assert names(graph, managementGroups=["lab"]) == ["one-2", "two-2"]
    assert names(graph, managementGroups=["ROOT"]) == ["one-2", "one-3", "two-2", "two-3"]
    assert graph.refusal("resources", managementGroups=["nowhere"]) == (403, ["AccessDenied"])


def test_containers_tell_their_management_groups(graph: GraphClient) -> None:
    query = "resourcecontainers | where name in ('Sub 2', 'lab') | order by name asc | project id, properties"
    sub, lab = graph.rows(query, managementGroups=["root"])
    chain = [{"displayName": "Root", "name": "root"}]
    assert lab["properties"]["details"]["managementGroupAncestorsChain"] == chain
    assert sub["properties"]["managementGroupAncestorsChain"] == [{"displayName": "Lab", "name": "lab"}, *chain]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("AtScopeAndBelow", {"a-two", "a-sub"}),
        ("AtScopeExact", {"a-sub"}),
        ("AtScopeAndAbove", {"a-lab", "a-sub"}),
        ("AtScopeAboveAndBelow", {"a-lab", "a-sub", "a-two"}),
    ],
)
def test_the_authorization_scope_filter_selects_assignments(graph: GraphClient, wanted: str, found: set[str]) -> None:
    query = "authorizationresources | where type has 'roleassignments' and name startswith 'a-'"
    rows = names(graph, query, subscriptions=[TWO], options={"authorizationScopeFilter": wanted})
    assert set(rows) == found


def test_too_many_subscriptions_are_refused_unless_a_part_will_do() -> None:
    documents = [subscription(sub, sub) for sub in (ONE, TWO, THREE)]
    tree = hierarchy(documents)
    with pytest.raises(GraphError):
        scope_of(Body("resources"), documents, tree, most=2)
    partial = scope_of(Body("resources", allow_partial_scopes=True), documents, tree, most=2)
    assert (partial.subscriptions, partial.truncated) == (frozenset({ONE, TWO}), True)


def test_a_role_that_is_taken_away_is_gone_at_once(graph: GraphClient, auditor: GraphClient) -> None:
    document = assignment(f"/subscriptions/{THREE}", "a-three", auditor.object_id)
    graph.put(document)
    assert "one-3" in names(auditor)
    graph.sandbox.state.delete(document["id"], **graph.authorship())
    assert "one-3" not in names(auditor)
