"""Whatever a body of a vault, a registry, a database or a setting holds, Resource Manager takes it or refuses it."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lockdown.sandbox.roles import GUIDS
from lockdown.sandbox.state import State
from tests.sandbox.test_wild_bodies import (
    GROUP,
    JSON,
    NETWORK,
    PLACE,
    STORAGE,
    SUBSCRIPTION,
    places,
    replaced,
    send,
    world,
)

PROVIDERS = f"{GROUP}/providers"
IDENTITY = f"{PROVIDERS}/Microsoft.ManagedIdentity/userAssignedIdentities/own"
VAULT = f"{PROVIDERS}/Microsoft.KeyVault/vaults/kv-1"
URL = "https://kv-1.vault.azure.net/"
LOGS = f"{PROVIDERS}/Microsoft.OperationalInsights/workspaces/logs"
SERVER = f"{PROVIDERS}/Microsoft.DBforPostgreSQL/flexibleServers/pg-1"
REGISTRY = f"{PROVIDERS}/Microsoft.ContainerRegistry/registries/acr12"
AMPLS = f"{PROVIDERS}/microsoft.insights/privateLinkScopes/ampls"
ALERTED = f"{PROVIDERS}/Microsoft.Insights/actionGroups/us"
HELD = {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
RULES = {"bypass": "AzureServices", "defaultAction": "Deny", "ipRules": [{"value": "203.0.113.1"}]}
SUBNET = f"{NETWORK}/virtualNetworks/sql/subnets/sql"
ZONE = f"{NETWORK}/privateDnsZones/privatelink.postgres.database.azure.com"
LOGIN = {"administratorLogin": "coa_admin", "administratorLoginPassword": "Only-For-1-Test"}
SKU = {"name": "Standard_B2s", "tier": "Burstable"}
KEY = {"properties": {"kty": "RSA", "keySize": 3072, "keyOps": ["wrapKey"], "attributes": {"enabled": True}}}
ENTRA = {"activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled"}
TO_DEFAULT = "providers/Microsoft.Insights/diagnosticSettings"

FIRST: dict[str, dict[str, Any]] = {
    IDENTITY: PLACE,
    VAULT: {
        **PLACE,
        "properties": {
            "tenantId": "t",
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
            "enablePurgeProtection": True,
            "networkAcls": RULES,
        },
    },
    f"{VAULT}/keys/data": KEY,
    LOGS: {**PLACE, "properties": {"retentionInDays": 90, "features": {"disableLocalAuth": True}}},
    f"{NETWORK}/virtualNetworks/sql": {
        **PLACE,
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.4.0.0/16"]},
            "subnets": [
                {
                    "name": "sql",
                    "properties": {
                        "addressPrefix": "10.4.0.0/24",
                        "delegations": [
                            {
                                "name": "pg",
                                "properties": {"serviceName": "Microsoft.DBforPostgreSQL/flexibleServers"},
                            }
                        ],
                    },
                }
            ],
        },
    },
    ZONE: {"location": "global"},
    SERVER: {**PLACE, "sku": SKU, "properties": {"version": "16", **LOGIN, "authConfig": ENTRA}},
    REGISTRY: {**PLACE, "sku": {"name": "Premium"}},
    AMPLS: {
        "location": "global",
        "properties": {
            "accessModeSettings": {"ingestionAccessMode": "PrivateOnly", "queryAccessMode": "Open", "exclusions": []}
        },
    },
    ALERTED: {"location": "global", "properties": {"groupShortName": "us"}},
}
BODIES: dict[str, dict[str, Any]] = {
    f"{PROVIDERS}/Microsoft.KeyVault/vaults/kv-2": FIRST[VAULT],
    f"{VAULT}/keys/more": KEY,
    f"{IDENTITY}/federatedIdentityCredentials/one": {
        "properties": {"issuer": "https://issuer.example", "subject": "s", "audiences": ["a"]}
    },
    f"{PROVIDERS}/Microsoft.Compute/diskEncryptionSets/disks": {
        **PLACE,
        "identity": HELD,
        "properties": {
            "activeKey": {"keyUrl": f"{URL}keys/data", "sourceVault": {"id": VAULT}},
            "rotationToLatestKeyVersionEnabled": True,
        },
    },
    f"{STORAGE}/account2": {
        **PLACE,
        "sku": {"name": "Standard_LRS"},
        "kind": "StorageV2",
        "identity": HELD,
        "properties": {
            "encryption": {
                "keySource": "Microsoft.Keyvault",
                "services": {"blob": {"enabled": True, "keyType": "Account"}},
                "keyvaultproperties": {"keyname": "data", "keyvaulturi": URL},
                "identity": {"userAssignedIdentity": IDENTITY},
            },
            "immutableStorageWithVersioning": {
                "enabled": True,
                "immutabilityPolicy": {"state": "Unlocked", "immutabilityPeriodSinceCreationInDays": 7},
            },
        },
    },
    f"{STORAGE}/account1/blobServices/default": {
        "properties": {
            "isVersioningEnabled": True,
            "changeFeed": {"enabled": True},
            "deleteRetentionPolicy": {"enabled": True, "days": 30},
            "restorePolicy": {"enabled": True, "days": 7},
        }
    },
    f"{STORAGE}/account1/blobServices/default/containers/inputs": {"properties": {"publicAccess": "None"}},
    f"{STORAGE}/account1/managementPolicies/default": {
        "properties": {
            "policy": {
                "rules": [
                    {
                        "name": "old",
                        "type": "Lifecycle",
                        "definition": {
                            "actions": {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 30}}},
                            "filters": {"blobTypes": ["blockBlob"]},
                        },
                    }
                ]
            }
        }
    },
    f"{PROVIDERS}/Microsoft.ContainerRegistry/registries/acr34": {
        **PLACE,
        "sku": {"name": "Premium"},
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "publicNetworkAccess": "Disabled",
            "networkRuleSet": {"defaultAction": "Deny", "ipRules": []},
            "policies": {"exportPolicy": {"status": "disabled"}, "retentionPolicy": {"days": 7, "status": "enabled"}},
            "encryption": {"status": "disabled"},
            "dataEndpointEnabled": True,
        },
    },
    f"{PROVIDERS}/Microsoft.Batch/batchAccounts/batch1": {
        **PLACE,
        "identity": HELD,
        "properties": {
            "autoStorage": {
                "storageAccountId": f"{STORAGE}/account1",
                "authenticationMode": "BatchAccountManagedIdentity",
                "nodeIdentityReference": {"resourceId": IDENTITY},
            },
            "encryption": {
                "keySource": "Microsoft.KeyVault",
                "keyVaultProperties": {"keyIdentifier": f"{URL}keys/data"},
            },
            "networkProfile": {"accountAccess": {"defaultAction": "Deny"}},
            "allowedAuthenticationModes": ["AAD"],
        },
    },
    f"{PROVIDERS}/Microsoft.OperationalInsights/workspaces/logs2": FIRST[LOGS],
    f"{LOGS}/tables/Usage": {"properties": {"plan": "Analytics", "retentionInDays": 90, "totalRetentionInDays": 400}},
    f"{PROVIDERS}/microsoft.insights/components/app": {
        **PLACE,
        "kind": "web",
        "properties": {"Application_Type": "web", "WorkspaceResourceId": LOGS, "DisableLocalAuth": True},
    },
    f"{PROVIDERS}/microsoft.insights/privateLinkScopes/ampls2": FIRST[AMPLS],
    f"{AMPLS}/scopedResources/logs": {"properties": {"linkedResourceId": LOGS}},
    f"{VAULT}/{TO_DEFAULT}/s": {
        "properties": {
            "workspaceId": LOGS,
            "storageAccountId": f"{STORAGE}/account1",
            "logs": [{"category": "AuditEvent", "enabled": True, "retentionPolicy": {"enabled": False, "days": 0}}],
            "metrics": [{"category": "AllMetrics", "enabled": True}],
        }
    },
    f"{PROVIDERS}/Microsoft.Insights/actionGroups/them": {
        "location": "global",
        "properties": {
            "groupShortName": "them",
            "emailReceivers": [{"name": "a", "emailAddress": "a@genomics.example", "useCommonAlertSchema": True}],
            "webhookReceivers": [{"name": "b", "serviceUri": "https://genomics.example"}],
        },
    },
    f"{PROVIDERS}/Microsoft.Insights/activityLogAlerts/a": {
        "location": "global",
        "properties": {
            "scopes": [SUBSCRIPTION],
            "condition": {"allOf": [{"field": "category", "equals": "Security"}]},
            "actions": {"actionGroups": [{"actionGroupId": ALERTED, "webhookProperties": {"a": "b"}}]},
        },
    },
    f"{PROVIDERS}/Microsoft.DBforPostgreSQL/flexibleServers/pg-2": {
        **PLACE,
        "sku": SKU,
        "properties": {
            "version": "16",
            **LOGIN,
            "network": {"delegatedSubnetResourceId": SUBNET, "privateDnsZoneArmResourceId": ZONE},
            "storage": {"storageSizeGB": 128},
            "backup": {"backupRetentionDays": 35},
            "authConfig": ENTRA,
        },
    },
    f"{SERVER}/databases/one": {"properties": {"charset": "UTF8"}},
    f"{SERVER}/configurations/pgaudit.log": {"properties": {"value": "ddl,role", "source": "user-override"}},
    f"{SERVER}/administrators/3f8f6c1d-6a0e-4b0f-9f5d-2b7f0f3b9c22": {
        "properties": {"principalType": "Group", "principalName": "g", "tenantId": "t"}
    },
    f"{SERVER}/firewallRules/one": {"properties": {"startIpAddress": "203.0.113.1", "endIpAddress": "203.0.113.2"}},
}
IMPORT = {"source": {"registryUri": "docker.io", "sourceImage": "a/b:1"}, "targetTags": ["a/b:1"], "mode": "Force"}


def services() -> State:
    """Return a world with services in it, whose identity may use the keys of the vault."""
    state = world()
    for path, body in FIRST.items():
        assert send(state, "PUT", path, body) in (200, 201), path
    identity = state.get(IDENTITY)
    assert identity is not None
    role = GUIDS["Key Vault Crypto Service Encryption User"]
    properties = {
        "principalId": identity["properties"]["principalId"],
        "principalType": "ServicePrincipal",
        "roleDefinitionId": f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}",
    }
    name = "5b0c6e4e-3a1f-4c0e-9d59-0d6f6a4b9a01"
    assignment = f"{VAULT}/providers/Microsoft.Authorization/roleAssignments/{name}"
    assert send(state, "PUT", assignment, {"properties": properties}) == 201
    return state


PREPARED = services()


def prepared() -> State:
    return State("tenant", copy.deepcopy(list(PREPARED.documents())))


def test_the_bodies_themselves_are_taken() -> None:
    for path, body in BODIES.items():
        state = prepared()
        assert send(state, "PUT", path, body) in (200, 201), path
        assert send(state, "PUT", path, body) == 200, path


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_body_with_anything_in_any_place(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(BODIES)))
    body = replaced(BODIES[path], data.draw(st.sampled_from(places(BODIES[path]))), data.draw(JSON))
    state = prepared()
    again = data.draw(st.booleans()) and send(state, "PUT", path, BODIES[path]) in (200, 201)
    method = data.draw(st.sampled_from(["PUT", "PATCH"])) if again else "PUT"
    before = list(state.documents())
    status = send(state, method, path, body)
    assert status in (200, 201, 400, 404, 405, 409, 501), status
    if status >= 400:
        assert list(state.documents()) == before
    for document in before:
        assert send(state, "GET", document["id"], None) in (200, 404)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_an_import_with_anything_in_any_place(data: st.DataObject) -> None:
    body = replaced(IMPORT, data.draw(st.sampled_from(places(IMPORT))), data.draw(JSON))
    assert send(prepared(), "POST", f"{REGISTRY}/importImage", body) in (200, 400, 409)
