"""What stands in the way of provisioning: each thing is told to a person, all together, before anything is written."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from rich.cells import cell_len

from lockdown import cli
from lockdown.data import tree
from lockdown.errors import ToolError
from lockdown.provisioner import preflight
from lockdown.provisioner.blueprint import build
from lockdown.provisioner.environment import Environment
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.conftest import AZURE
from tests.provisioner.azure import connect

if TYPE_CHECKING:
    from tests.conftest import Lockdown

PRIVATE = Path(str(tree("provision"))) / "environments/coa-private.yaml"
SOME = "00000000-0000-0000-0000-000000000000"
GROUPS, NETWORK, STORAGE, VAULTS, LOCKS = "2024-11-01", "2024-05-01", "2024-01-01", "2024-11-01", "2020-05-01"
Refused = Callable[..., tuple[int, str]]


def wanted(**changed: Any) -> dict[str, Any]:
    """Return the environment that ships, changed; keys of a part are added to it."""
    found: dict[str, Any] = yaml.safe_load(PRIVATE.read_text("utf-8"))
    for key, value in changed.items():
        found[key] = {**found.get(key, {}), **value} if isinstance(value, dict) else value
    return found


@pytest.fixture
def provision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run the command in this process, and return its exit code and what it told."""
    monkeypatch.chdir(tmp_path)

    def run(
        file: Mapping[str, Any] | str | bytes, *arguments: str, env: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        data = yaml.safe_dump(dict(file), sort_keys=False) if isinstance(file, Mapping) else file
        (tmp_path / "mine.yaml").write_bytes(data if isinstance(data, bytes) else data.encode())
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(AZURE)]:
                patch.delenv(name)
            for name, value in {"AZURE_SUBSCRIPTION_ID": SOME, **(env or {})}.items():
                patch.setenv(name, value)
            code = cli.run(["provision", "mine.yaml", *arguments])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


SHIPPED = PRIVATE.read_text("utf-8")


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("a: [b\nc: }", "mine.yaml, line 2: not YAML"),
        (b"\x00\xff", "mine.yaml is not YAML"),
        ("- a\n- b\n", "mine.yaml, line 1: the file: keys with values are wanted here"),
        ("", "keys with values are wanted here"),
        (SHIPPED + "owners: me@genomics.org\n", "owners: extra inputs are not permitted; did you mean owner"),
        (wanted(cluster={"nodeCont": 3}), "cluster.nodeCont: extra inputs are not permitted; did you mean nodeCount"),
        (wanted(owner="nobody"), "owner: it is no mail address"),
        (wanted(prefix="Coa_1"), "prefix: 3 to 12 lower-case letters and digits, the first a letter"),
        (wanted(resourceGroup="genomics."), "resourceGroup: it is no name of a resource group"),
        (wanted(database={"administratorGroup": "dba"}), "database.administratorGroup: it is no object id"),
        (wanted(network={"existing": "vnet"}), "network.existing: it is no id of a resource"),
        (wanted(registry={"images": ["ubuntu:24.04"]}), "registry.images.0: it is no image with its digest"),
        (wanted(cluster={"nodeCount": 20}), "vmsubnet (10.1.0.0/24) has 256 addresses; it needs at least 656"),
        (wanted(network={"subnets": {"database": "10.1.0.0/24"}}), "vmsubnet (10.1.0.0/24) overlaps sqlsubnet"),
        (wanted(network={"subnets": {"database": "10.9.0.0/24"}}), "sqlsubnet (10.9.0.0/24) lies outside"),
        (wanted(network={"serviceRange": "10.1.0.0/22"}), "(10.1.0.0/16) overlaps network.serviceRange"),
        (wanted(network={"addressSpace": ["20.1.0.0/16"]}), "(20.1.0.0/16) is not a private range"),
        (wanted(access="jumpbox"), "jumpbox is given with access 'jumpbox', and only then"),
        (wanted(access="jumpbox", jumpbox={"source": "20.5.1.0/24"}), "jumpbox.source is one public address"),
        (wanted(location="usgovvirginia"), "the location usgovvirginia is not one of AzureCloud"),
        (wanted(variant="vm"), "is audited and not provisioned. Its Batch pools"),
    ],
)
def test_a_wrong_file_is_told_by_line_and_key(provision: Refused, file: Any, told: str) -> None:
    code, text = provision(file, "--plan")
    assert code == 2
    assert told in text
    assert "Traceback" not in text


def test_all_that_is_wrong_with_a_file_is_told_at_once(provision: Refused) -> None:
    file = wanted(network={"subnets": {"nodes": "10.1.0.0/27", "database": "10.1.0.0/24"}}, access="jumpbox")
    _, text = provision(file, "--plan")
    assert [line for line in text.splitlines() if line] == [
        "Error: mine.yaml: vmsubnet (10.1.0.0/27) overlaps sqlsubnet (10.1.0.0/24).",
        "mine.yaml: the subnet vmsubnet (10.1.0.0/27) has 32 addresses; it needs at least 98.",
        "mine.yaml: jumpbox is given with access 'jumpbox', and only then.",
    ]


# The way to Azure


def test_without_a_credential_nothing_is_tried(provision: Refused) -> None:
    code, text = provision(wanted(), "--plan", env={"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"})
    assert code == 1
    assert "Azure accepted no credential" in text
    assert "Run az login" in text


def test_a_cloud_that_does_not_answer_is_told(lockdown: Lockdown) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"https://127.0.0.1:{closed.getsockname()[1]}"
        given = {"AZURE_CLIENT_ID": SOME, "AZURE_CLIENT_SECRET": "x", "AZURE_TENANT_ID": SOME}
        where = {"AZURE_SUBSCRIPTION_ID": SOME, "LOCKDOWN_CLOUD": nowhere, "AZURE_AUTHORITY_HOST": nowhere}
        ran = lockdown("provision", PRIVATE, "--plan", env=given | where)
    assert ran.code == 1, ran.err
    assert nowhere.removeprefix("https://") in ran.err or "127.0.0.1" in ran.err
    assert "Traceback" not in ran.err


@pytest.fixture(scope="module")
def empty() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=0) as azure:
        yield azure


def test_a_resource_manager_that_does_not_answer_is_told_once(empty: Sandbox) -> None:
    empty.fault("GET /subscriptions/* drop-before 7")
    site = Site(Environment.model_validate(wanted()), empty.subscription, empty.tenant)
    with connect(empty) as arm, pytest.raises(ToolError, match="Azure does not answer"):
        preflight.reach(site, arm)


def test_a_wrong_secret_is_told(empty: Sandbox, provision: Refused) -> None:
    code, text = provision(wanted(), "--plan", env=empty.environment() | {"AZURE_CLIENT_SECRET": "wrong"})
    assert code == 1
    assert "AADSTS7000215" in text


@pytest.mark.parametrize("more", [("--plan",), ("--destroy", "--plan"), ("--yes",)])
def test_a_subscription_that_is_not_there_is_told_once(
    empty: Sandbox, provision: Refused, more: tuple[str, ...]
) -> None:
    code, text = provision(wanted(), *more, env=empty.environment() | {"AZURE_SUBSCRIPTION_ID": SOME})
    assert code == 2
    assert f"There is no subscription {SOME} that the caller can see in the tenant {empty.tenant}." in text
    assert "blocked" not in text


def test_who_may_not_read_the_subscription_is_told_once(empty: Sandbox, provision: Refused) -> None:
    empty.fault("GET /subscriptions/* fail:403:AuthorizationFailed 1")
    code, text = provision(wanted(), "--plan", env=empty.environment())
    assert code == 2
    assert "The caller may not even read the subscription" in text


def test_who_may_only_read_is_told_what_is_missing_and_where(
    empty: Sandbox, provision: Refused, tmp_path: Path
) -> None:
    code, text = provision(wanted(), "--yes", "--out", "out", env=empty.environment("auditor"))
    assert code == 2
    assert "The caller may not do this on the subscription: microsoft." in " ".join(text.split())
    assert "Give it Contributor and User Access Administrator there" in " ".join(text.split())
    contributor, told = provision(wanted(), "--yes", "--out", "out", env=empty.environment("operator"))
    assert contributor == 2
    assert "microsoft.authorization/locks/write" in told
    assert "Give it User Access Administrator there" in " ".join(told.split())
    assert writes(tmp_path / "out") == []


# What Azure has


def writes(out: Path) -> list[str]:
    lines = (out / "requests.jsonl").read_text("utf-8").splitlines()
    return [entry["path"] for entry in map(json.loads, lines) if entry["method"] in ("PUT", "PATCH", "DELETE")]


def test_everything_that_stands_in_the_way_is_told_together_and_nothing_is_written(
    provision: Refused, tmp_path: Path
) -> None:
    file = wanted(cluster={"version": "1.19"}, database={"sku": "Standard_Nope"})
    limits = {"batch-accounts": 0, "cores": 4}
    with Sandbox("empty", operation_seconds=0, limits=limits, denied_types=["Microsoft.KeyVault/vaults"]) as azure:
        site = Site(Environment.model_validate(file), azure.subscription, azure.tenant)
        other = f"/subscriptions/{azure.subscription}/resourceGroups/other"
        body = {"location": "eastus", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}}
        with connect(azure) as arm:
            arm.put(other, GROUPS, {"location": "eastus"})
            arm.put(f"{other}/providers/Microsoft.Storage/storageAccounts/{site.base}", STORAGE, body)
            arm.put(site.group_id, GROUPS, {"location": "eastus", "tags": site.tags})
            lock = f"{site.group_id}/providers/Microsoft.Authorization/locks/still"
            arm.put(lock, LOCKS, {"properties": {"level": "ReadOnly"}})
        code, text = provision(file, "--yes", "--out", "out", env=azure.environment())
        assert code == 2
        told = " ".join(text.split())
        for part in (
            f"storage: Azure does not give the name {site.base}: The storage account named {site.base} is already",
            "Total Regional vCPUs in eastus: 12 are needed, and 4 of 4 are free.",
            "Batch accounts in eastus: 0 of 0 are in use, one more is needed.",
            "database: eastus has no size Standard_Nope for PostgreSQL.",
            "cluster: AKS does not offer Kubernetes 1.19.",
            "The lock still makes the resource group genomics-coa read-only",
            "The policy assignment 'Not allowed resource types' will refuse vault.",
        ):
            assert part in told
        assert told.count("Batch accounts in eastus") == 1
        assert max(map(cell_len, text.splitlines())) <= 80
        assert writes(tmp_path / "out") == []
        machine = provision(wanted(cluster={"nodeSize": "Standard_Nope"}), "--plan", env=azure.environment())
        assert machine[0] == 8
        assert "cluster: eastus has no size Standard_Nope." in machine[1]
        assert "Next: change what stands in the way" in machine[1]
        planned = json.loads(provision(file, "--plan", "--json", env=azure.environment())[1].splitlines()[0])
        assert {"names", "quotas", "sizes", "versions", "locks"} <= {each["check"] for each in planned["problems"]}


def test_what_is_brought_along_is_held_to_its_shape(provision: Refused, tmp_path: Path) -> None:
    with Sandbox("empty", operation_seconds=0) as azure:
        root = f"/subscriptions/{azure.subscription}/resourceGroups/theirs"
        network = f"{root}/providers/Microsoft.Network/virtualNetworks/theirs"
        registry = f"{root}/providers/Microsoft.ContainerRegistry/registries/theirs0815"
        identity = f"{root}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/gone"
        zone = f"{root}/providers/Microsoft.Network/privateDnsZones/privatelink.azurecr.io"
        web = [{"name": "d", "properties": {"serviceName": "Microsoft.Web/serverFarms"}}]
        subnets = [
            {"name": "vmsubnet", "properties": {"addressPrefix": "10.1.0.0/27"}},
            {"name": "sqlsubnet", "properties": {"addressPrefix": "10.1.1.0/24", "delegations": web}},
            {"name": "batchsubnet", "properties": {"addressPrefix": "10.1.128.0/18"}},
        ]
        space = {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}, "subnets": subnets}
        with connect(azure) as arm:
            arm.put(root, GROUPS, {"location": "westus2"})
            arm.put(network, NETWORK, {"location": "westus2", "properties": space})
            arm.put(registry, "2025-11-01", {"location": "eastus", "sku": {"name": "Standard"}, "properties": {}})
        bring = {"identity": identity, "registry": registry, "zones": {"privatelink.azurecr.io": zone}}
        file = wanted(network={"existing": network}, bring=bring, registry={"images": []})
        code, text = provision(file, "--yes", "--out", "out", env=azure.environment())
        told = " ".join(text.split())
        assert identity in text.replace("\n    ", "")
        assert code == 2, text
        for part in (
            "identity, zone/privatelink.azurecr.io: it was said to be there and is not",
            "registry: it has another shape than it needs",
            'sku.name: "Standard" -> "Premium"',
            "network: it has another shape than it needs",
            "network.existing: the network is in westus2, the environment in eastus.",
            "network.existing: the subnet vmsubnet (10.1.0.0/27) has 32 addresses; it needs at least 98.",
            "network.existing: the subnet sqlsubnet is delegated to Microsoft.Web/serverFarms",
            "network.existing: the subnet batchsubnet is 10.1.128.0/18, and the file says 10.1.128.0/17.",
            "network.existing: it has no subnet pesubnet.",
        ):
            assert part in told, part
        assert writes(tmp_path / "out") == []


def test_a_name_that_a_deleted_vault_holds_is_told(provision: Refused) -> None:
    with Sandbox("empty", operation_seconds=0) as azure:
        site = Site(Environment.model_validate(wanted()), azure.subscription, azure.tenant)
        other = f"/subscriptions/{azure.subscription}/resourceGroups/other"
        vault = build(site).steps["vault"].id.rpartition("/")[2]  # type: ignore[union-attr]
        held = f"{other}/providers/Microsoft.KeyVault/vaults/{vault}"
        properties = {"tenantId": azure.tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
        with connect(azure) as arm:
            arm.put(other, GROUPS, {"location": "eastus"})
            arm.put(held, VAULTS, {"location": "eastus", "properties": properties})
            arm.delete(held, VAULTS)
        code, text = provision(wanted(), "--plan", env=azure.environment())
        assert code == 8
        assert "its name is held by a vault that was deleted" in " ".join(text.split())
