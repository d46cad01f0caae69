"""Whatever a body of a cluster, a machine, a policy or a plan holds, Resource Manager takes it or refuses it."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lockdown.sandbox.roles import DEFINITIONS
from lockdown.sandbox.state import State
from tests.sandbox.test_wild_bodies import (
    GROUP,
    JSON,
    NETWORK,
    PLACE,
    SUBNET,
    SUBSCRIPTION,
    places,
    replaced,
    send,
    world,
)

COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
POLICY = f"{SUBSCRIPTION}/providers/Microsoft.Authorization"
SECURITY = f"{SUBSCRIPTION}/providers/Microsoft.Security"
MACHINE = {
    **PLACE,
    "properties": {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": {
            "imageReference": {"publisher": "p", "offer": "o", "sku": "s", "version": "latest"},
            "osDisk": {"createOption": "FromImage", "deleteOption": "Delete", "managedDisk": {"id": "x"}},
        },
        "osProfile": {
            "computerName": "m",
            "adminUsername": "me",
            "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [{"keyData": "k"}]}},
        },
        "networkProfile": {
            "networkInterfaces": [{"id": f"{NETWORK}/networkInterfaces/card", "properties": {"deleteOption": "Delete"}}]
        },
        "securityProfile": {"encryptionAtHost": True},
    },
}
CARD = {
    **PLACE,
    "properties": {"ipConfigurations": [{"name": "c", "properties": {"subnet": {"id": SUBNET}}}]},
}
BODIES: dict[str, dict[str, Any]] = {
    f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/aks": {
        **PLACE,
        "identity": {"type": "SystemAssigned"},
        "sku": {"name": "Base", "tier": "Standard"},
        "properties": {
            "dnsPrefix": "aks",
            "kubernetesVersion": "1.34",
            "agentPoolProfiles": [
                {
                    "name": "one",
                    "mode": "System",
                    "count": 2,
                    "vmSize": "Standard_D4s_v5",
                    "vnetSubnetID": SUBNET,
                    "maxPods": 30,
                    "enableEncryptionAtHost": True,
                }
            ],
            "networkProfile": {"outboundType": "loadBalancer", "serviceCidr": "10.9.0.0/22"},
            "apiServerAccessProfile": {
                "enablePrivateCluster": True,
                "privateDNSZone": "system",
                "enablePrivateClusterPublicFQDN": False,
            },
            "oidcIssuerProfile": {"enabled": True},
            "aadProfile": {"managed": True},
            "identityProfile": {},
        },
    },
    f"{COMPUTE}/virtualMachines/m2": MACHINE,
    f"{COMPUTE}/virtualMachines/m/extensions/e": {
        **PLACE,
        "properties": {"publisher": "p", "type": "t", "typeHandlerVersion": "1.0", "settings": {"a": 1}},
    },
    f"{COMPUTE}/disks/d": {**PLACE, "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 32}},
    f"{GROUP}/providers/Microsoft.DevTestLab/schedules/shutdown-computevm-m": {
        **PLACE,
        "properties": {
            "taskType": "ComputeVmShutdownTask",
            "dailyRecurrence": {"time": "1900"},
            "targetResourceId": f"{COMPUTE}/virtualMachines/m",
        },
    },
    f"{POLICY}/policyDefinitions/p2": {
        "properties": {
            "parameters": {"types": {"type": "Array", "defaultValue": ["a/b"]}},
            "policyRule": {
                "if": {
                    "anyOf": [{"field": "type", "in": "[parameters('types')]"}, {"not": {"field": "x", "like": "y"}}]
                },
                "then": {"effect": "audit"},
            },
        }
    },
    f"{POLICY}/policySetDefinitions/s2": {
        "properties": {
            "policyDefinitions": [
                {"policyDefinitionId": f"{POLICY}/policyDefinitions/p", "parameters": {"types": {"value": ["a/b"]}}}
            ]
        }
    },
    f"{POLICY}/policyAssignments/a2": {
        "properties": {
            "policyDefinitionId": f"{POLICY}/policyDefinitions/p",
            "parameters": {"types": {"value": ["a/b"]}},
            "notScopes": [GROUP],
        }
    },
    f"{SECURITY}/pricings/StorageAccounts": {
        "properties": {
            "pricingTier": "Standard",
            "subPlan": "DefenderForStorageV2",
            "extensions": [{"name": "OnUploadMalwareScanning", "isEnabled": "True"}],
        }
    },
    f"{SECURITY}/securityContacts/default": {
        "properties": {
            "emails": "a@example.org",
            "notificationsByRole": {"state": "On", "roles": ["Owner"]},
            "notificationsSources": [{"sourceType": "Alert", "minimalSeverity": "High"}],
        }
    },
}
DENYING = {
    "properties": {
        "parameters": {"types": {"type": "Array", "defaultValue": []}},
        "policyRule": {"if": {"field": "type", "in": "[parameters('types')]"}, "then": {"effect": "deny"}},
    }
}


def place() -> State:
    state = world()
    feature = f"{SUBSCRIPTION}/providers/Microsoft.Features/providers/Microsoft.Compute/features/EncryptionAtHost"
    assert send(state, "POST", f"{feature}/register", {}) == 200
    for name in ("card", "first"):
        assert send(state, "PUT", f"{NETWORK}/networkInterfaces/{name}", CARD) in (200, 201)
    first = copy.deepcopy(MACHINE)
    first["properties"]["networkProfile"]["networkInterfaces"][0]["id"] = f"{NETWORK}/networkInterfaces/first"  # type: ignore[index]
    assert send(state, "PUT", f"{COMPUTE}/virtualMachines/m", first) == 201
    assert send(state, "PUT", f"{POLICY}/policyDefinitions/p", DENYING) == 201
    assert state.exists(DEFINITIONS + "8e3af657-a8ff-443c-a75c-2fe8c4bcb635")
    return state


def test_the_bodies_themselves_are_taken() -> None:
    for path, body in BODIES.items():
        assert send(place(), "PUT", path, body) in (200, 201), path


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_body_with_anything_in_any_place(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(BODIES)))
    body = replaced(BODIES[path], data.draw(st.sampled_from(places(BODIES[path]))), data.draw(JSON))
    state = place()
    if data.draw(st.booleans()):
        send(state, "PUT", path, BODIES[path])
    before = list(state.documents())
    status = send(state, "PUT", path, body)
    assert status in (200, 201, 400, 403, 404, 409, 501), status
    if status >= 400:
        assert list(state.documents()) == before
        return
    assert send(state, "PUT", f"{NETWORK}/networkSecurityGroups/after", PLACE) in (200, 201, 403)
    assert send(state, "DELETE", path, None) in (200, 204, 405)
