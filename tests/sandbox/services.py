"""Services that tests of others need: identities, vaults with keys, accounts, workspaces."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from lockdown.sandbox import rbac
from lockdown.sandbox.roles import GUIDS
from tests.sandbox.arm_client import ArmClient

CLOSED = {"bypass": "None", "defaultAction": "Deny"}
Document = dict[str, Any]


def named(prefix: str) -> str:
    """Return a name that nobody has."""
    return f"{prefix}{uuid4().hex[:12]}"


def identity(arm: ArmClient, group: str, name: str = "own") -> Document:
    return arm.made(f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", {})


def held(owned: Document) -> Document:
    return {"type": "UserAssigned", "userAssignedIdentities": {owned["id"]: {}}}


def vault(arm: ArmClient, group: str, name: str = "", **properties: Any) -> Document:
    path = f"{group}/providers/Microsoft.KeyVault/vaults/{name or named('kv-')}"
    given = {"tenantId": arm.sandbox.tenant, "sku": {"name": "standard"}, "enableRbacAuthorization": True}
    return arm.made(path, {**given, "enablePurgeProtection": True, **properties})


def key(arm: ArmClient, of: Document, name: str = "data") -> Document:
    body = {"properties": {"kty": "RSA", "keySize": 3072, "keyOps": ["wrapKey", "unwrapKey"]}}
    response = arm.call("PUT", f"{of['id']}/keys/{name}", body)
    assert response.status_code == 201, response.text
    found: Document = response.json()
    return found


def may_use_keys(arm: ArmClient, principal: str, of: Document) -> None:
    role = GUIDS["Key Vault Crypto Service Encryption User"]
    properties = {
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "roleDefinitionId": f"{arm.base}/providers/Microsoft.Authorization/roleDefinitions/{role}",
    }
    path = f"{of['id']}/providers/{rbac.ASSIGNMENT}/{uuid4()}"
    assert arm.call("PUT", path, {"properties": properties}).status_code == 201


def workspace(arm: ArmClient, group: str, name: str = "logs", **properties: Any) -> Document:
    return arm.made(f"{group}/providers/Microsoft.OperationalInsights/workspaces/{name}", properties)
