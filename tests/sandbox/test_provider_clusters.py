"""A private AKS cluster: what has to be there before it, what it makes, and what it refuses."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from lockdown.sandbox import roles
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error

LOCATION = "westeurope"
ZONE = f"privatelink.{LOCATION}.azmk8s.io"
FEATURE = "providers/Microsoft.Features/providers/Microsoft.Compute/features/EncryptionAtHost"
ROUTE = {"addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.1.8.4"}


class Place:
    """A resource group with everything that a private cluster needs."""

    def __init__(self, arm: ArmClient) -> None:
        self.arm = arm
        self.group = arm.group(f"rg-{uuid4().hex[:8]}")
        at = f"{self.group}/providers"
        self.identity = self._put(f"{at}/Microsoft.ManagedIdentity/userAssignedIdentities/runs", {})
        if "principalId" not in self.identity["properties"]:
            ids = {"principalId": str(uuid4()), "clientId": str(uuid4()), "tenantId": arm.sandbox.tenant}
            self.identity = self._put(self.identity["id"], ids)
        self.table = self._put(
            f"{at}/Microsoft.Network/routeTables/out", {"routes": [{"name": "default", "properties": ROUTE}]}
        )
        subnet = {"addressPrefix": "10.1.0.0/24", "routeTable": {"id": self.table["id"]}}
        network = {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}}
        network["subnets"] = [{"name": "nodes", "properties": subnet}]  # type: ignore[assignment]
        self.network = self._put(f"{at}/Microsoft.Network/virtualNetworks/net", network)
        self.subnet = f"{self.network['id']}/subnets/nodes"
        self.zone = self._put(f"{at}/Microsoft.Network/privateDnsZones/{ZONE}", {}, location="global")
        self.path = f"{at}/Microsoft.ContainerService/managedClusters/coa"

    def _put(self, path: str, properties: dict[str, Any], location: str = LOCATION) -> dict[str, Any]:
        answer = self.arm.call("PUT", path, {"location": location, "properties": properties})
        assert answer.status_code in (200, 201, 202), answer.text
        found: dict[str, Any] = self.arm.call("GET", path).json()
        return found

    def grant(self, *names: str) -> None:
        """Give the cluster's identity the roles that it needs, but for these."""
        for scope, role in (
            (self.subnet, "Network Contributor"),
            (self.zone["id"], "Private DNS Zone Contributor"),
            (self.identity["id"], "Managed Identity Operator"),
        ):
            if role not in names:
                body = {
                    "roleDefinitionId": roles.DEFINITIONS + roles.GUIDS[role],
                    "principalId": self.identity["properties"]["principalId"],
                    "principalType": "ServicePrincipal",
                }
                path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid4()}"
                self.arm.call("PUT", path, {"properties": body}).raise_for_status()

    def body(self) -> dict[str, Any]:
        pool = {"name": "nodepool1", "mode": "System", "count": 2, "vmSize": "Standard_D4s_v5"}
        pool |= {"vnetSubnetID": self.subnet, "enableEncryptionAtHost": True}
        return {
            "location": LOCATION,
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {self.identity["id"]: {}}},
            "properties": {
                "dnsPrefix": "coa",
                "agentPoolProfiles": [pool],
                "networkProfile": {
                    "outboundType": "userDefinedRouting",
                    "serviceCidr": "10.2.0.0/22",
                    "dnsServiceIP": "10.2.0.10",
                },
                "apiServerAccessProfile": {
                    "enablePrivateCluster": True,
                    "enablePrivateClusterPublicFQDN": False,
                    "privateDNSZone": self.zone["id"],
                },
                "publicNetworkAccess": "Disabled",
                "oidcIssuerProfile": {"enabled": True},
                "identityProfile": {"kubeletidentity": {"resourceId": self.identity["id"]}},
            },
        }


@pytest.fixture(scope="module")
def arm() -> Iterator[ArmClient]:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        client = ArmClient(sandbox)
        client.call("POST", f"{client.base}/{FEATURE}/register").raise_for_status()
        yield client
        client.close()


@pytest.fixture
def place(arm: ArmClient) -> Place:
    return Place(arm)


def types(arm: ArmClient, scope: str) -> list[str]:
    return sorted(str(found["type"]) for found in arm.sandbox.state.below(scope))


def test_a_private_cluster_makes_its_node_group_and_takes_it_along(arm: ArmClient, place: Place) -> None:
    place.grant()
    made = arm.call("PUT", place.path, place.body())
    assert made.status_code == 201, made.text
    properties = made.json()["properties"]
    assert "/resourcegroups/" in made.json()["id"]
    assert properties["privateFQDN"].endswith(f".{ZONE}")
    assert "fqdn" not in properties
    assert properties["oidcIssuerProfile"]["issuerURL"].startswith("https://westeurope.oic.")
    group = f"{arm.base}/resourceGroups/{properties['nodeResourceGroup']}"
    assert arm.call("GET", group).json()["managedBy"] == made.json()["id"]
    assert types(arm, group) == [
        "Microsoft.Compute/virtualMachineScaleSets",
        *["Microsoft.Compute/virtualMachineScaleSets/virtualMachines"] * 2,
        *["Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces"] * 2,
        "Microsoft.Network/networkInterfaces",
        "Microsoft.Network/networkSecurityGroups",
        "Microsoft.Network/privateEndpoints",
    ]
    record = arm.call("GET", f"{place.zone['id']}/A/{properties['privateFQDN'].partition('.')[0]}").json()
    assert record["properties"]["aRecords"] == [{"ipv4Address": "10.1.0.4"}]
    subnet = arm.call("GET", place.subnet).json()["properties"]
    assert len(subnet["ipConfigurations"]) == 3
    again = arm.call("PUT", place.path, place.body())
    assert again.json()["properties"]["privateFQDN"] == properties["privateFQDN"]
    larger = place.body()
    larger["properties"]["agentPoolProfiles"][0]["count"] = 3
    assert arm.call("PUT", place.path, larger).status_code == 200
    assert len(arm.call("GET", place.subnet).json()["properties"]["ipConfigurations"]) == 4
    (guard,) = (item for item in arm.sandbox.state.below(group) if item["type"].endswith("/networkSecurityGroups"))
    assert len(guard["properties"]["networkInterfaces"]) == 3
    assert arm.call("DELETE", place.path).status_code == 200
    assert types(arm, group) == []
    assert arm.call("HEAD", group).status_code == 404
    assert arm.call("GET", record["id"]).status_code == 404
    assert not arm.call("GET", place.subnet).json()["properties"].get("ipConfigurations")


def test_a_load_balancer_brings_a_public_address(arm: ArmClient, place: Place) -> None:
    place.grant()
    body = place.body()
    body["properties"]["networkProfile"]["outboundType"] = "loadBalancer"
    made = arm.call("PUT", place.path, body).json()["properties"]
    (address,) = made["networkProfile"]["loadBalancerProfile"]["effectiveOutboundIPs"]
    assert arm.call("GET", address["id"]).json()["properties"]["ipAddress"]


@pytest.mark.parametrize(
    ("role", "refusal"),
    [
        ("Network Contributor", (403, "LinkedAuthorizationFailed")),
        ("Private DNS Zone Contributor", (400, "CustomPrivateDNSZoneMissingPermissionError")),
        ("Managed Identity Operator", (400, "CustomKubeletIdentityMissingPermissionError")),
    ],
)
def test_the_identity_needs_its_roles_first(arm: ArmClient, place: Place, role: str, refusal: tuple[int, str]) -> None:
    place.grant(role)
    assert error(arm.call("PUT", place.path, place.body())) == refusal


def changed(body: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    found = copy.deepcopy(body)
    holder: Any = found
    *above, last = path.split(".")
    for name in above:
        holder = holder[int(name) if name.isdecimal() else name]
    holder[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("properties.dnsPrefix", None, "InvalidParameter"),
        ("properties.kubernetesVersion", "1.20", "K8sVersionNotSupported"),
        ("properties.agentPoolProfiles", [], "InvalidRequestContent"),
        ("properties.agentPoolProfiles.0.mode", "User", "InvalidParameter"),
        ("properties.agentPoolProfiles.0.count", 20, "InsufficientSubnetSize"),
        ("properties.agentPoolProfiles.0.count", 90, "ErrCode_InsufficientVCPUQuota"),
        ("properties.agentPoolProfiles.0.vnetSubnetID", "/subscriptions/x", "InvalidResourceReference"),
        ("properties.networkProfile.serviceCidr", "10.1.0.0/22", "ServiceCidrOverlapExistingSubnetsCidr"),
        ("properties.networkProfile.outboundType", "userAssignedNATGateway", "InvalidUserAssignedNATGateway"),
        ("properties.apiServerAccessProfile.privateDNSZone", "none", "InvalidParameter"),
        ("properties.apiServerAccessProfile.privateDNSZone", "/x/privateDnsZones/other.example", "InvalidParameter"),
        ("properties.unheardOf", True, "InvalidRequestContent"),
        ("identity", {"type": "None"}, "InvalidParameter"),
    ],
)
def test_what_aks_refuses(arm: ArmClient, place: Place, path: str, value: object, code: str) -> None:
    place.grant()
    status, found = error(arm.call("PUT", place.path, changed(place.body(), path, value)))
    assert (status, found) == (400, code)


@pytest.mark.parametrize(
    ("routes", "code"),
    [
        ([], "RouteTableMissingDefaultRoute"),
        ([{"addressPrefix": "0.0.0.0/0", "nextHopType": "Internet"}], "RouteTableInvalidNextHop"),
    ],
)
def test_udr_needs_a_default_route_to_an_appliance(
    arm: ArmClient, place: Place, routes: list[dict[str, str]], code: str
) -> None:
    place.grant()
    named = [{"name": f"r{number}", "properties": route} for number, route in enumerate(routes)]
    body = {"location": LOCATION, "properties": {"routes": named}}
    arm.call("PUT", place.table["id"], body).raise_for_status()
    assert error(arm.call("PUT", place.path, place.body())) == (400, code)


def test_encryption_at_host_needs_the_feature() -> None:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        fresh = ArmClient(sandbox)
        there = Place(fresh)
        there.grant()
        refusal = error(fresh.call("PUT", there.path, there.body()))
        assert refusal == (400, "SubscriptionNotEnabledEncryptionAtHost")
        fresh.close()


def test_run_command_is_there_until_it_is_switched_off(arm: ArmClient, place: Place) -> None:
    place.grant()
    body = place.body()
    arm.call("PUT", place.path, body).raise_for_status()
    ran = arm.call("POST", f"{place.path}/runCommand", {"command": "kubectl get nodes", "context": ""})
    assert ran.json()["properties"]["exitCode"] == 0
    off = changed(body, "properties.apiServerAccessProfile.disableRunCommand", True)
    arm.call("PUT", place.path, off).raise_for_status()
    assert error(arm.call("POST", f"{place.path}/runCommand", {"command": "id"})) == (400, "RunCommandDisabled")
    fixed = changed(off, "properties.dnsPrefix", "other")
    assert error(arm.call("PUT", place.path, fixed)) == (400, "PropertyChangeNotAllowed")
