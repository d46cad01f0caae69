"""The node pools of a cluster, one by one: with Microsoft's SDK, and what AKS refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.containerservice import models as aks

from lockdown.sandbox.openings import nodes
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error
from tests.sandbox.test_provider_clusters import FEATURE, LOCATION, Place, types
from tests.sandbox.test_time import credential

MACHINES = "Microsoft.Compute/virtualMachineScaleSets"


SECONDS = 0.5


class Waiting(Place):
    """Waits until what it makes is there."""

    def _put(self, path: str, properties: dict[str, Any], location: str = LOCATION) -> dict[str, Any]:
        found = super()._put(path, properties, location)
        self.arm.sandbox.clock.skip(1)
        return found


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with Sandbox("empty", operation_seconds=SECONDS) as sandbox:
        arm = ArmClient(sandbox)
        arm.call("POST", f"{arm.base}/{FEATURE}/register").raise_for_status()
        sandbox.clock.skip(1)
        place = Waiting(arm)
        place.grant()
        made = arm.call("PUT", place.path, place.body())
        assert made.status_code == 201, made.text
        sandbox.clock.skip(1)
        yield place
        arm.close()


@pytest.fixture(scope="module")
def pools(place: Place) -> Iterator[Any]:
    sandbox = place.arm.sandbox
    ca: dict[str, Any] = {"connection_verify": str(sandbox.ca_file)}
    scopes = [f"{sandbox.url}//.default"]
    client = ContainerServiceClient(
        credential(sandbox),
        sandbox.subscription,
        base_url=sandbox.url,
        credential_scopes=scopes,
        polling_interval=0.01,
        **ca,
    )
    yield client.agent_pools
    client.close()


def group(place: Place) -> str:
    return place.group.rpartition("/")[2]


def put(place: Place, name: str, **properties: Any) -> Any:
    given = {"count": 1, "vmSize": "Standard_D4s_v5", "vnetSubnetID": place.subnet, **properties}
    return place.arm.call("PUT", f"{place.path}/agentPools/{name}", {"properties": given})


def machines(place: Place) -> list[str]:
    found = place.arm.sandbox.state.documents()
    return sorted(document["name"].split("-")[1] for document in found if document["type"] == MACHINES)


def shown(place: Place) -> list[str]:
    return [pool["name"] for pool in place.arm.call("GET", place.path).json()["properties"]["agentPoolProfiles"]]


def test_the_pools_that_come_with_a_cluster_are_there_one_by_one(place: Place, pools: Any) -> None:
    (only,) = pools.list(group(place), "coa")
    assert (only.name, only.mode, only.count) == ("nodepool1", "System", 2)
    found = place.arm.call("GET", f"{place.path}/agentPools/nodepool1")
    assert "x-sandbox-fidelity" not in found.headers
    assert found.json()["type"] == "Microsoft.ContainerService/managedClusters/agentPools"
    assert "name" not in found.json()["properties"]
    stored = Sandbox("coa-private").state
    assert not [document for document in stored.documents() if document["type"].endswith("/agentPools")]


def test_a_pool_is_made_scaled_and_removed_with_its_machines(place: Place, pools: Any) -> None:
    def wanted(count: int) -> aks.AgentPool:
        given = {"count": count, "vmSize": "Standard_D4s_v5", "vnetSubnetID": place.subnet, "osType": "Linux"}
        return aks.AgentPool({"properties": {**given, "mode": "User"}})

    made = pools.begin_create_or_update(group(place), "coa", "work", wanted(1)).result()
    assert (made.name, made.provisioning_state, made.count) == ("work", "Succeeded", 1)
    assert made.os_sku
    assert machines(place) == ["nodepool1", "work"]
    assert shown(place) == ["nodepool1", "work"]
    assert pools.begin_create_or_update(group(place), "coa", "work", wanted(3)).result().count == 3
    node_group = place.arm.call("GET", place.path).json()["properties"]["nodeResourceGroup"]
    inside = types(place.arm, f"{place.arm.base}/resourceGroups/{node_group}")
    assert inside.count(f"{MACHINES}/virtualMachines") == 5
    pools.begin_delete(group(place), "coa", "work").result()
    assert machines(place) == ["nodepool1"]
    assert shown(place) == ["nodepool1"]
    assert place.arm.call("GET", f"{place.path}/agentPools/work").status_code == 404


def test_the_last_pool_of_the_system_stays(place: Place, pools: Any) -> None:
    with pytest.raises(HttpResponseError, match="at least one system agent pool"):
        pools.begin_delete(group(place), "coa", "nodepool1").result()
    assert shown(place) == ["nodepool1"]


@pytest.mark.parametrize(
    ("name", "properties", "refusal"),
    [
        ("Not-A-Pool", {}, (400, "InvalidResourceName")),
        ("work", {"madeUp": 1}, (400, "InvalidRequestContent")),
        ("work", {"vnetSubnetID": None}, (400, "InvalidParameter")),
        ("work", {"vnetSubnetID": "/subscriptions/x/none"}, (400, "InvalidResourceReference")),
        ("work", {"count": 500}, (400, "ErrCode_InsufficientVCPUQuota")),
        ("work", {"vmSize": "Standard_Nonsense"}, (400, "InvalidParameter")),
    ],
)
def test_what_aks_refuses(place: Place, name: str, properties: dict[str, Any], refusal: tuple[int, str]) -> None:
    assert error(put(place, name, **properties)) == refusal
    assert shown(place) == ["nodepool1"]


def test_a_cluster_that_is_not_there_has_no_pools(place: Place) -> None:
    path = place.path.replace("/coa", "/none")
    assert error(place.arm.call("PUT", f"{path}/agentPools/work", {"properties": {}})) == (
        404,
        "ParentResourceNotFound",
    )
    assert place.arm.call("GET", f"{path}/agentPools").status_code == 404


def test_nodes_with_public_addresses_are_on_record_as_the_clusters(place: Place, pools: Any) -> None:
    before = len(place.arm.sandbox.exposures)
    assert put(place, "open", enableNodePublicIP=True).status_code == 201
    place.arm.sandbox.clock.skip(1)
    pools.begin_delete(group(place), "coa", "open").result()
    made = place.arm.sandbox.exposures[before:]
    assert nodes.NODES in {found.why for found in made}
    assert all(found.closed for found in made)


def test_a_pool_whose_operation_fails_is_failed_and_so_is_nothing_else(place: Place) -> None:
    sandbox = place.arm.sandbox
    sandbox.fault("PUT *agentPools/bad* fail-operation:AllocationFailed 1")
    made = put(place, "bad")
    assert made.json()["properties"]["provisioningState"] == "Creating"
    sandbox.clock.skip(1)
    ended = place.arm.call("GET", made.headers["Azure-AsyncOperation"], version=None).json()
    assert ended["error"]["code"] == "AllocationFailed"
    state = {
        name: place.arm.call("GET", f"{place.path}/agentPools/{name}").json()["properties"]["provisioningState"]
        for name in ("bad", "nodepool1")
    }
    assert state == {"bad": "Failed", "nodepool1": "Succeeded"}
    assert place.arm.call("DELETE", f"{place.path}/agentPools/bad").status_code == 202
    sandbox.clock.skip(1)
    assert shown(place) == ["nodepool1"]


def test_a_pool_and_its_cluster_wait_for_each_other(place: Place) -> None:
    sandbox = place.arm.sandbox
    sandbox.operations.seconds = 60
    try:
        body = place.body()
        body["tags"] = {"changed": "1"}
        assert place.arm.call("PUT", place.path, body).status_code == 200
        assert error(put(place, "work")) == (409, "AnotherOperationInProgress")
        sandbox.clock.skip(61)
        assert put(place, "work").status_code == 201
        assert error(place.arm.call("PUT", place.path, body)) == (409, "AnotherOperationInProgress")
        sandbox.clock.skip(61)
    finally:
        sandbox.operations.seconds = SECONDS
