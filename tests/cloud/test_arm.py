"""What Resource Graph lacks is read from Azure Resource Manager, by the real SDK, from a local Azure."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lockdown.cloud import collect, endpoints
from lockdown.cloud.request_log import Request
from lockdown.data import tree
from lockdown.errors import ToolError
from lockdown.model import Scope
from lockdown.policy import arm_reads, load
from lockdown.sandbox import arm as sandbox_arm
from lockdown.sandbox import listing, rbac
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.server import Sandbox
from lockdown.snapshot.redact import Redactor
from lockdown.snapshot.store import Snapshot
from tests.cloud.arm_environment import DIAGNOSTICS, SECRET, SPECS, documents, part, policies

Row = dict[str, Any]


@dataclass
class Collected:
    """A collection of the whole policy set."""

    snapshot: Snapshot
    log: list[Request]
    progress: list[tuple[str, int, int]]

    @property
    def rows(self) -> list[Row]:
        return [json.loads(line) for line in self.snapshot.path("armresources").read_text("utf-8").splitlines()]

    def items(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row["type"] == kind]

    def read(self, kind: str, parent: str) -> Row:
        (row,) = [r for r in self.items("lockdown/reads") if r["name"] == kind and r["managedBy"].endswith(parent)]
        return dict(row["properties"])

    def told(self) -> list[tuple[str, str]]:
        return [(item.what, item.name) for item in self.snapshot.unread]


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox("empty") as sandbox:
        sandbox.state.seed(documents(sandbox.subscription))
        for name, value in sandbox.environment("auditor").items():
            monkeypatch.setenv(name, value)
        yield sandbox


def collected(azure: Sandbox, folder: Path, *types: str) -> Collected:
    """Collect what a set of policies for these item types reads."""
    chosen = load.load(policies(folder / "set", *types), translate=False)
    environment = azure.environment("auditor")
    cloud = endpoints.resolve(environment["LOCKDOWN_CLOUD"], environment["AZURE_AUTHORITY_HOST"])
    progress: list[tuple[str, int, int]] = []
    snapshot, log = collect.collect(
        cloud,
        Scope((azure.subscription,)),
        chosen.reads(),
        folder / "snapshot",
        Redactor(chosen.redaction.paths, chosen.redaction.marks),
        lambda *told: progress.append(told),
        arm_reads=chosen.arm_reads(),
    )
    return Collected(snapshot, log, progress)


def test_every_type_is_read_of_every_parent(azure: Sandbox, tmp_path: Path) -> None:
    found = collected(azure, tmp_path)
    assert found.told() == []
    reads = found.items("lockdown/reads")
    assert {row["name"] for row in reads} == {str(spec["type"]).lower() for spec in SPECS}
    assert {row["properties"]["status"] for row in reads} == {200}
    counts = Counter({row["name"]: row["properties"]["count"] for row in reads})
    for spec in SPECS:
        kind = str(spec["type"]).lower()
        items = found.items(kind)
        assert items or kind == "microsoft.insights/eventtypes/values", kind
        assert {row["apiVersion"] for row in items} <= {spec["api_version"]}
        assert sum(row["properties"]["count"] for row in reads if row["name"] == kind) == len(items)
    assert counts["microsoft.storage/storageaccounts/fileservices"] == 1
    ids = [str(row["id"]).lower() for row in found.rows]
    assert ids == sorted(ids)
    table = found.snapshot.tables["armresources"]
    assert table.sha256 == sha256(found.snapshot.path("armresources").read_bytes()).hexdigest()
    assert table.complete
    assert "lockdown/reads" in table.types


def test_items_belong_to_their_parent_and_to_nobody_else(azure: Sandbox, tmp_path: Path) -> None:
    found = collected(azure, tmp_path, DIAGNOSTICS, "microsoft.authorization/locks")
    scope = f"/subscriptions/{azure.subscription}"
    parents = Counter(row["managedBy"].removeprefix(scope) for row in found.items(DIAGNOSTICS))
    account = "/resourcegroups/lab/providers/microsoft.storage/storageaccounts/stone/blobservices/default"
    vaults = "/resourcegroups/lab/providers/microsoft.keyvault/vaults"
    assert parents == {"": 1, account: 1, f"{vaults}/kv-one": 1}
    assert found.read(DIAGNOSTICS, "kv-two")["count"] == 0
    assert {row["managedBy"] for row in found.items("microsoft.authorization/locks")} == {scope}
    assert {row["name"] for row in found.items("microsoft.authorization/locks")} == {"everything", "this"}


def test_one_answer_serves_all_who_share_its_path(azure: Sandbox, tmp_path: Path) -> None:
    kind = "microsoft.containerservice/locations/kubernetesversions"
    found = collected(azure, tmp_path, kind)
    assert [row["managedBy"].rpartition("/")[2] for row in found.items(kind)] == ["aks-a", "aks-b"]
    assert [row["properties"] for row in found.items(kind)] == [{"values": [{"version": "1.33"}]}] * 2
    assert [request.path for request in found.log if "kubernetesVersions" in request.path] == [
        f"/subscriptions/{azure.subscription}/providers/Microsoft.ContainerService/locations/eastus/kubernetesVersions"
    ]


def test_only_get_goes_to_resource_manager_once_for_each_parent(
    azure: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    answer = sandbox_arm.answer

    def spy(call: Call) -> Answer:
        asked.append((call.method, call.path))
        return answer(call)

    monkeypatch.setattr(sandbox_arm, "answer", spy)
    policies(tmp_path / "set", suffix="-again")
    found = collected(azure, tmp_path)
    assert {method for method, _ in asked} == {"GET"}
    assert len(asked) == len(set(asked))
    arm = [request for request in found.log if "ResourceGraph" not in request.path]
    assert sorted(request.path for request in arm) == sorted(path for _, path in asked)
    assert {request.method for request in arm} == {"GET"}
    assert all(request.request_id and request.status == 200 for request in arm)
    # Settings of two vaults, four services and the subscription; four lists of the subscription; three of the account,
    # three of the PostgreSQL server; one of each of seven others, where two clusters share a path.
    assert len(asked) == 7 + 4 + 3 + 3 + 7


def test_pages_are_read_to_the_last(azure: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    kind = "microsoft.dbforpostgresql/flexibleservers/firewallrules"
    server = (
        f"/subscriptions/{azure.subscription}/resourceGroups/Lab/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg"
    )
    azure.state.seed([part(f"{server}/firewallRules/rule{number}") for number in range(4)])
    found = collected(azure, tmp_path, kind)
    assert [row["name"] for row in found.items(kind)] == ["all", *(f"rule{number}" for number in range(4))]
    assert found.read(kind, "/pg")["count"] == 5
    assert [request.rows for request in found.log if request.path.endswith("/firewallRules")] == [2, 2, 1]


@pytest.mark.parametrize(("fault", "status"), [("fail:403:AuthorizationFailed", 403), ("fail:404:NotFound", 404)])
def test_what_is_refused_is_said_for_each_and_the_rest_is_read(
    azure: Sandbox, tmp_path: Path, fault: str, status: int
) -> None:
    azure.fault(f"GET *kv-two*diagnosticSettings* {fault}")
    found = collected(azure, tmp_path, DIAGNOSTICS)
    assert found.read(DIAGNOSTICS, "kv-two") | {"message": "", "path": ""} == {
        "status": status,
        "count": 0,
        "apiVersion": "2021-05-01-preview",
        "code": fault.rpartition(":")[2],
        "message": "",
        "path": "",
    }
    assert found.read(DIAGNOSTICS, "kv-one")["status"] == 200
    assert found.told() == [("armReads", DIAGNOSTICS)]
    assert found.snapshot.unread[0].reason.startswith(f"1 of 7: {status} {fault.rpartition(':')[2]}, such as /subscr")
    assert found.snapshot.tables["armresources"].complete


def test_a_right_that_reader_lacks_shows_at_its_type_alone(azure: Sandbox, tmp_path: Path) -> None:
    guid = "11111111-2222-3333-4444-555555555555"
    role = {
        "id": f"/providers/Microsoft.Authorization/roleDefinitions/{guid}",
        "name": guid,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {"permissions": [{"actions": ["*/read"], "notActions": ["Microsoft.Authorization/locks/read"]}]},
    }
    auditor = azure.identity.applications["auditor"].principal.object_id
    held = [
        document | {"properties": document["properties"] | {"roleDefinitionId": role["id"]}}
        for document in azure.state.documents()
        if str(document["type"]).lower() == rbac.ASSIGNMENT and document["properties"]["principalId"] == auditor
    ]
    azure.state.seed([role, *held])
    found = collected(azure, tmp_path)
    assert found.told() == [("armReads", "microsoft.authorization/locks")]
    assert found.read("microsoft.authorization/locks", azure.subscription)["code"] == "AuthorizationFailed"


def test_too_many_requests_is_waited_for(azure: Sandbox, tmp_path: Path) -> None:
    azure.fault("GET *diagnosticSettings* throttle:1 3")
    found = collected(azure, tmp_path, DIAGNOSTICS)
    assert found.told() == []
    assert {row["properties"]["status"] for row in found.items("lockdown/reads")} == {200}


def test_a_connection_that_is_lost_is_status_0(azure: Sandbox, tmp_path: Path) -> None:
    azure.fault("GET *kv-two*diagnosticSettings* drop-before")
    found = collected(azure, tmp_path, DIAGNOSTICS)
    assert (found.read(DIAGNOSTICS, "kv-two")["status"], found.read(DIAGNOSTICS, "kv-two")["code"]) == (0, "NoAnswer")
    assert found.read(DIAGNOSTICS, "kv-one")["status"] == 200
    assert [request.status for request in found.log if "kv-two" in request.path] == [0]


def test_a_credential_that_is_refused_stops_the_run(azure: Sandbox, tmp_path: Path) -> None:
    azure.fault("GET *diagnosticSettings* fail:401:ExpiredAuthenticationToken")
    with pytest.raises(ToolError, match="Azure refused the credential: ExpiredAuthenticationToken"):
        collected(azure, tmp_path, DIAGNOSTICS)
    time.sleep(0.3)  # nobody waits for the other threads; here their answers must come before the server goes


def test_rows_do_not_depend_on_what_was_answered_first(azure: Sandbox, tmp_path: Path) -> None:
    kinds = (DIAGNOSTICS, "microsoft.storage/storageaccounts/blobservices", "microsoft.authorization/locks")
    first = collected(azure, tmp_path / "first", *kinds)
    azure.fault("GET *kv-one* delay:0.4")
    azure.fault("GET *locks* delay:0.2")
    second = collected(azure, tmp_path / "second", *kinds)
    assert first.rows == second.rows
    assert first.snapshot.tables["armresources"].sha256 == second.snapshot.tables["armresources"].sha256


def test_secrets_and_personal_data_stay_away(azure: Sandbox, tmp_path: Path) -> None:
    vault = f"/subscriptions/{azure.subscription}/resourceGroups/Lab/providers/Microsoft.KeyVault/vaults/kv-one"
    lock = f"{vault}/providers/Microsoft.Authorization/locks/this"
    owner = azure.identity.applications["owner"].principal
    azure.state.delete(
        lock, by=owner, client="Azure CLI", operation="Microsoft.Authorization/locks/delete", correlation_id="c"
    )
    found = collected(azure, tmp_path)
    text = found.snapshot.path("armresources").read_text("utf-8")
    assert SECRET not in text
    assert "removed by lockdown" in text
    (event,) = found.items("microsoft.insights/eventtypes/values")
    assert event["managedBy"] == f"/subscriptions/{azure.subscription}"
    assert set(event["properties"]) == {
        "caller", "eventDataId", "eventTimestamp", "operationName", "resourceId", "status",
    }  # fmt: skip
    assert event["properties"]["operationName"]["value"] == "Microsoft.Authorization/locks/delete"
    assert event["properties"]["resourceId"] == lock


def test_only_the_last_fourteen_days_are_asked_for(azure: Sandbox, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    log = f"/subscriptions/{azure.subscription}/providers/Microsoft.Insights/eventtypes/management/values"
    for name, days in (("old", 15), ("recent", 13)):
        azure.state.seed(
            [
                part(
                    f"{log}/{name}",
                    eventTimestamp=(now - timedelta(days=days)).isoformat(),
                    operationName={"value": "Microsoft.Authorization/locks/delete"},
                )
            ]
        )
    kind = "microsoft.insights/eventtypes/values"
    found = collected(azure, tmp_path, kind)
    assert [row["name"] for row in found.items(kind)] == ["recent"]


def test_nothing_is_asked_where_nothing_can_be_read_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox("empty") as sandbox:
        for name, value in sandbox.environment("auditor").items():
            monkeypatch.setenv(name, value)
        found = collected(sandbox, tmp_path, "microsoft.storage/storageaccounts/blobservices")
    assert found.rows == []
    assert found.snapshot.tables["armresources"].complete
    assert [request for request in found.log if request.method == "GET"] == []


def test_progress_counts_reads(azure: Sandbox, tmp_path: Path) -> None:
    found = collected(azure, tmp_path, DIAGNOSTICS)
    assert [told for told in found.progress if told[0] == "armresources"] == [
        ("armresources", number, 7) for number in range(1, 8)
    ]


def test_every_shipped_read_is_known_to_the_environment_of_these_tests() -> None:
    known = arm_reads.parse("x", (tree("policies") / "arm-reads.yaml").read_bytes())
    assert {str(spec["type"]).lower() for spec in SPECS} == set(known)
