"""Services that are made by PUT look, to a reader, as the documents of a scenario say they do in Azure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from lockdown.sandbox.back_references import complete
from lockdown.sandbox.providers import kind_of
from lockdown.sandbox.scenarios import build
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient

ORDER = (
    "Microsoft.KeyVault/vaults",
    "Microsoft.Compute/diskEncryptionSets",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.ContainerRegistry/registries",
    "Microsoft.Batch/batchAccounts",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.OperationalInsights/workspaces/tables",
    "microsoft.insights/components",
    "microsoft.insights/privateLinkScopes",
    "microsoft.insights/privateLinkScopes/scopedResources",
    "Microsoft.DBforPostgreSQL/flexibleServers",
    "Microsoft.DBforPostgreSQL/flexibleServers/databases",
    "Microsoft.DBforPostgreSQL/flexibleServers/configurations",
    "Microsoft.DBforPostgreSQL/flexibleServers/administrators",
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/activityLogAlerts",
)
BY_ITSELF = (
    *(f"Microsoft.Storage/storageAccounts/{service}Services" for service in ("file", "queue", "table")),
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.KeyVault/vaults/keys",
)
"""What comes with others, or has to be there first because others hold ids that are new each time."""

ELSEWHERE = frozenset({"privateEndpointConnections"})
"""What private endpoints write: they are there, but were not made here."""

SECRET = {"administratorLoginPassword": "Only-For-1-Test"}
_GENERATED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.]+Z")
Documents = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[ArmClient, Documents]]:
    """Make the services of coa-private one after the other; give a client, and what the scenario says of them."""
    with Sandbox("empty", operation_seconds=0, quota=False) as sandbox:
        arm = ArmClient(sandbox)
        scenario = build("coa-private", tenant=sandbox.tenant, options={})
        theirs = next(found["id"].split("/")[2] for found in scenario.documents if found["id"].startswith("/sub"))
        text = json.dumps(list(complete(scenario.documents))).replace(theirs, sandbox.subscription)
        documents: Documents = {}
        for found in json.loads(text):
            documents.setdefault(found["type"].lower(), []).append(found)
        ours = {kind.lower() for kind in ORDER}
        locks = "microsoft.authorization/locks"
        sandbox.state.seed(
            found for kind, listed in documents.items() for found in listed if kind not in ours and kind != locks
        )
        for kind in ORDER:
            for found in documents[kind.lower()]:
                make(arm, found)
        yield arm, documents
        arm.close()


def make(arm: ArmClient, document: dict[str, Any]) -> None:
    kind = kind_of(document["type"])
    assert kind is not None
    body: dict[str, Any] = {
        name: document[name] for name in ("location", "tags", "sku", "kind", "identity") if name in document
    }
    body["properties"] = {name: value for name, value in document["properties"].items() if name not in kind.computed}
    immutable = (body["properties"].get("immutableStorageWithVersioning") or {}).get("immutabilityPolicy")
    if document["type"].endswith("/flexibleServers"):
        body["properties"] |= SECRET
    if immutable:
        unlocked = json.loads(json.dumps(body))
        unlocked["properties"]["immutableStorageWithVersioning"]["immutabilityPolicy"]["state"] = "Unlocked"
        assert arm.call("PUT", document["id"], unlocked).status_code == 200
    response = arm.call("PUT", document["id"], body)
    assert response.status_code in (200, 201), (document["id"], response.text)
    if document["name"] == "shared_preload_libraries":
        assert arm.call("POST", document["id"].rsplit("/", 2)[0] + "/restart").status_code == 200


@pytest.mark.parametrize("kind", [*ORDER, *BY_ITSELF])
def test_what_is_made_is_what_is_written(made: tuple[ArmClient, Documents], kind: str) -> None:
    arm, documents = made
    assert documents[kind.lower()]
    for document in documents[kind.lower()]:
        written = {name: value for name, value in document.items() if not name.startswith("_")}
        found = arm.call("GET", document["id"]).json()
        assert shown(found) == shown(written), document["id"]


def test_a_reader_of_resource_graph_sees_the_same(made: tuple[ArmClient, Documents]) -> None:
    arm, documents = made
    query = "resources | project id, type, location, kind, sku, identity, properties"
    body = {"subscriptions": [arm.sandbox.subscription], "query": query, "options": {"resultFormat": "objectArray"}}
    answer = arm.call("POST", "/providers/Microsoft.ResourceGraph/resources", body, version="2024-04-01").json()
    rows = {row["id"].lower(): row for row in answer["data"]}
    for kind in ("Microsoft.Storage/storageAccounts", "Microsoft.Batch/batchAccounts", "Microsoft.KeyVault/vaults"):
        for document in documents[kind.lower()]:
            row = rows[document["id"].lower()]
            assert set(row["properties"]) - ELSEWHERE == set(document["properties"]) - ELSEWHERE


def test_the_servers_name_is_in_its_zone(made: tuple[ArmClient, Documents]) -> None:
    arm, documents = made
    (server,) = documents["microsoft.dbforpostgresql/flexibleservers"]
    zone = server["properties"]["network"]["privateDnsZoneArmResourceId"]
    record = arm.call("GET", f"{zone}/A/{server['name']}").json()["properties"]
    assert record["aRecords"] == [{"ipv4Address": "10.1.1.4"}]
    assert SECRET["administratorLoginPassword"] not in arm.call("GET", server["id"]).text


def shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shown(inner) for name, inner in value.items() if name not in ELSEWHERE}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return _GENERATED.sub("generated", value) if isinstance(value, str) else value
