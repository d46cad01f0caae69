"""Whatever a body holds, Resource Manager takes it or refuses it; it never breaks, and a refusal changes nothing."""

from __future__ import annotations

import copy
import json
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from lockdown.sandbox import arm
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.call import Call
from lockdown.sandbox.operations import Operations
from lockdown.sandbox.roles import OWNER
from lockdown.sandbox.settings import Settings
from lockdown.sandbox.state import Principal, State

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
GROUP = f"{SUBSCRIPTION}/resourceGroups/g"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
ZONE = f"{NETWORK}/privateDnsZones/privatelink.blob.core.windows.net"
WATCHERS = f"{SUBSCRIPTION}/resourceGroups/NetworkWatcherRG/providers/Microsoft.Network"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
SUBNET = f"{NETWORK}/virtualNetworks/net/subnets/one"
ME = Principal(str(uuid4()), str(uuid4()), "me", "ServicePrincipal")
PLACE = {"location": "westeurope", "tags": {"a": "b"}}
BODIES: dict[str, dict[str, Any]] = {
    f"{GROUP}/providers/Microsoft.AppConfiguration/configurationStores/kv": {
        **PLACE,
        "properties": {"a": [1]},
        "sku": {"name": "x"},
    },
    f"{NETWORK}/virtualNetworks/net2": {
        **PLACE,
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]},
            "subnets": [
                {
                    "name": "s",
                    "properties": {
                        "addressPrefix": "10.1.0.0/24",
                        "delegations": [{"name": "d", "properties": {"serviceName": "Microsoft.X/y"}}],
                        "serviceEndpoints": [{"service": "Microsoft.Storage"}],
                        "networkSecurityGroup": {"id": f"{NETWORK}/networkSecurityGroups/nsg"},
                    },
                }
            ],
            "virtualNetworkPeerings": [
                {"name": "p", "properties": {"remoteVirtualNetwork": {"id": f"{NETWORK}/virtualNetworks/net"}}}
            ],
        },
    },
    f"{NETWORK}/networkSecurityGroups/nsg2": {
        **PLACE,
        "properties": {
            "securityRules": [
                {
                    "name": "r",
                    "properties": {
                        "protocol": "*",
                        "access": "Deny",
                        "direction": "Inbound",
                        "priority": 100,
                        "sourcePortRange": "*",
                        "destinationPortRange": "22-23",
                        "sourceAddressPrefixes": ["10.0.0.0/8", "Internet"],
                        "destinationAddressPrefix": "*",
                    },
                }
            ]
        },
    },
    f"{NETWORK}/publicIPAddresses/ip2": {
        **PLACE,
        "sku": {"name": "Standard"},
        "properties": {"publicIPAllocationMethod": "Static", "dnsSettings": {"domainNameLabel": "x"}},
    },
    f"{NETWORK}/networkInterfaces/nic2": {
        **PLACE,
        "properties": {
            "ipConfigurations": [
                {
                    "name": "c",
                    "properties": {
                        "subnet": {"id": SUBNET},
                        "publicIPAddress": {"id": f"{NETWORK}/publicIPAddresses/ip"},
                        "privateIPAllocationMethod": "Dynamic",
                    },
                }
            ],
            "networkSecurityGroup": {"id": f"{NETWORK}/networkSecurityGroups/nsg"},
        },
    },
    f"{NETWORK}/privateEndpoints/pe2": {
        **PLACE,
        "properties": {
            "subnet": {"id": SUBNET},
            "privateLinkServiceConnections": [
                {"name": "c", "properties": {"privateLinkServiceId": f"{STORAGE}/account1", "groupIds": ["blob"]}}
            ],
        },
    },
    f"{NETWORK}/routeTables/routes2": {
        **PLACE,
        "properties": {
            "routes": [
                {
                    "name": "r",
                    "properties": {
                        "addressPrefix": "0.0.0.0/0",
                        "nextHopType": "VirtualAppliance",
                        "nextHopIpAddress": "10.0.8.4",
                    },
                }
            ]
        },
    },
    f"{NETWORK}/natGateways/nat2": {
        **PLACE,
        "sku": {"name": "Standard"},
        "properties": {"publicIpAddresses": [{"id": f"{NETWORK}/publicIPAddresses/ip"}], "idleTimeoutInMinutes": 4},
    },
    f"{NETWORK}/firewallPolicies/policy2": {
        **PLACE,
        "properties": {"sku": {"tier": "Standard"}, "basePolicy": {"id": f"{NETWORK}/firewallPolicies/policy"}},
    },
    f"{NETWORK}/firewallPolicies/policy/ruleCollectionGroups/group2": {
        "properties": {
            "priority": 200,
            "ruleCollections": [
                {
                    "name": "c",
                    "ruleCollectionType": "FirewallPolicyFilterRuleCollection",
                    "priority": 200,
                    "action": {"type": "Allow"},
                    "rules": [
                        {
                            "ruleType": "ApplicationRule",
                            "name": "https",
                            "protocols": [{"protocolType": "Https", "port": 443}],
                            "targetFqdns": ["example.com"],
                            "sourceAddresses": ["10.0.0.0/24"],
                        }
                    ],
                }
            ],
        }
    },
    f"{NETWORK}/azureFirewalls/firewall2": {
        **PLACE,
        "properties": {
            "sku": {"name": "AZFW_VNet", "tier": "Standard"},
            "firewallPolicy": {"id": f"{NETWORK}/firewallPolicies/policy"},
            "ipConfigurations": [
                {
                    "name": "c",
                    "properties": {
                        "subnet": {"id": f"{NETWORK}/virtualNetworks/net/subnets/AzureFirewallSubnet"},
                        "publicIPAddress": {"id": f"{NETWORK}/publicIPAddresses/ip"},
                    },
                }
            ],
        },
    },
    f"{NETWORK}/bastionHosts/bastion2": {
        **PLACE,
        "sku": {"name": "Premium"},
        "properties": {
            "enablePrivateOnlyBastion": True,
            "ipConfigurations": [
                {
                    "name": "c",
                    "properties": {"subnet": {"id": f"{NETWORK}/virtualNetworks/net/subnets/AzureBastionSubnet"}},
                }
            ],
        },
    },
    f"{NETWORK}/privateDnsZones/two.example.com": {"location": "global", "properties": {}},
    f"{ZONE}/virtualNetworkLinks/link2": {
        "location": "global",
        "properties": {
            "registrationEnabled": False,
            "virtualNetwork": {"id": f"{NETWORK}/virtualNetworks/net"},
            "resolutionPolicy": "Default",
        },
    },
    f"{ZONE}/A/record2": {"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.9"}], "metadata": {"a": "b"}}},
    f"{NETWORK}/privateEndpoints/pe/privateDnsZoneGroups/default": {
        "properties": {"privateDnsZoneConfigs": [{"name": "z", "properties": {"privateDnsZoneId": ZONE}}]}
    },
    f"{WATCHERS}/networkWatchers/NetworkWatcher_westeurope/flowLogs/log2": {
        "location": "westeurope",
        "properties": {
            "targetResourceId": f"{NETWORK}/virtualNetworks/net",
            "storageId": f"{STORAGE}/account1",
            "enabled": True,
            "retentionPolicy": {"days": 365, "enabled": True},
            "format": {"type": "JSON", "version": 2},
        },
    },
    f"{STORAGE}/account2": {
        **PLACE,
        "sku": {"name": "Standard_RAGRS"},
        "kind": "StorageV2",
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "publicNetworkAccess": "Disabled",
            "networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.7"}], "virtualNetworkRules": []},
            "encryption": {"keySource": "Microsoft.Storage", "services": {"blob": {"enabled": True}}},
        },
    },
    f"{GROUP}/providers/Microsoft.Authorization/locks/l": {"properties": {"level": "ReadOnly", "notes": "x"}},
    f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{uuid4()}": {
        "properties": {
            "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{OWNER}",
            "principalId": str(uuid4()),
            "principalType": "ServicePrincipal",
        }
    },
    GROUP: PLACE,
}
FIRST = {
    f"{NETWORK}/networkSecurityGroups/nsg": {**PLACE},
    f"{NETWORK}/publicIPAddresses/ip": {**PLACE},
    f"{NETWORK}/virtualNetworks/net": {
        **PLACE,
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [
                {"name": "one", "properties": {"addressPrefix": "10.0.0.0/24"}},
                {"name": "AzureFirewallSubnet", "properties": {"addressPrefix": "10.0.8.0/26"}},
                {"name": "AzureBastionSubnet", "properties": {"addressPrefix": "10.0.9.0/26"}},
            ],
        },
    },
    f"{STORAGE}/account1": {**PLACE, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"},
    f"{NETWORK}/firewallPolicies/policy": {**PLACE},
    ZONE: {"location": "global"},
    f"{NETWORK}/privateEndpoints/pe": BODIES[f"{NETWORK}/privateEndpoints/pe2"],
}
ROLE = {
    "id": f"/providers/Microsoft.Authorization/roleAssignments/{uuid4()}",
    "name": "x",
    "type": "Microsoft.Authorization/roleAssignments",
    "properties": {
        "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{OWNER}",
        "principalId": ME.object_id,
    },
}
DOCUMENTS = (
    {"id": SUBSCRIPTION, "name": "s", "type": "Microsoft.Resources/subscriptions"},
    {"id": GROUP, "name": "g", "type": "Microsoft.Resources/resourceGroups", "location": "westeurope"},
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70000) | st.sampled_from(["", "x", "10.0.0.0/24", "Static", "ipRules"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "name", "properties"]), inner),
    max_leaves=4,
)


def send(state: State, method: str, path: str, body: Any) -> int:
    call = Call(
        method=method,
        path=path,
        query={"api-version": "2024-05-01"},
        headers={},
        body=json.dumps(body).encode(),
        principal=ME,
        client="",
        correlation_id="",
        state=state,
        settings=Settings(operation_seconds=0),
        operations=Operations(state.clock, 0),
    )
    try:
        return arm.answer(call).status
    except ArmError as refusal:
        return refusal.status


def world() -> State:
    state = State("tenant", copy.deepcopy((*DOCUMENTS, ROLE)))
    for path, body in FIRST.items():
        assert send(state, "PUT", path, body) in (200, 201)
    return state


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def test_the_bodies_themselves_are_taken() -> None:
    for path, body in BODIES.items():
        assert send(world(), "PUT", path, body) in (200, 201), path


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_body_with_anything_in_any_place(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(BODIES)))
    body = replaced(BODIES[path], data.draw(st.sampled_from(places(BODIES[path]))), data.draw(JSON))
    state = world()
    if data.draw(st.booleans()) and send(state, "PUT", path, BODIES[path]) in (200, 201):
        method = data.draw(st.sampled_from(["PUT", "PATCH"]))
    else:
        method = "PUT"
    before = list(state.documents())
    status = send(state, method, path, body)
    assert status in (200, 201, 400, 404, 409), status
    if status >= 400:
        assert list(state.documents()) == before
    for document in before:
        assert send(state, "GET", document["id"], None) in (200, 404)
