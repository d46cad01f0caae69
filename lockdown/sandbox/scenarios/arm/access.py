"""Who may do what, and what nobody may delete: role assignments and locks."""

from collections.abc import Mapping

from lockdown.sandbox.scenarios.arm.envelope import CREATED, resource
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document

_AUTHORIZATION = "/providers/Microsoft.Authorization/"

ROLES: Mapping[str, str] = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "Azure Batch Account Contributor": "29fe4964-1e60-436b-bd3a-77fd4c178b3c",
    "Azure Batch Data Contributor": "6aaa78f1-f7de-44ca-8722-c64a23943cae",
    "Azure Kubernetes Service RBAC Cluster Admin": "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Key Vault Crypto Service Encryption User": "e147488a-f6f5-4113-8e2d-b22465e65bf6",
    "Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Private DNS Zone Contributor": "b12aa53e-6015-4669-85d0-8515ebb3ae7f",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Storage Account Key Operator Service Role": "81a9662b-bebf-436f-a333-f67b29880f12",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
}
"""The built-in roles that the scenarios use, by name: the GUIDs are the same in every tenant."""


def role_assignment(scope: str, role: str, principal: str, kind: str = "ServicePrincipal") -> Document:
    """Return the assignment of a built-in role.

    Args:
        scope: the id of the subscription, resource group or resource that it holds at.
        role: a name of ``ROLES``.
        principal: the object id of who gets it.
        kind: ``ServicePrincipal`` (managed identities too), ``User`` or ``Group``.
    """
    subscription = "/".join(scope.split("/")[:3])
    properties = {
        "roleDefinitionId": f"{subscription}{_AUTHORIZATION}roleDefinitions/{ROLES[role]}",
        "principalId": principal,
        "principalType": kind,
        "scope": scope,
        "condition": None,
        "conditionVersion": None,
        "createdOn": CREATED,
        "updatedOn": CREATED,
        "createdBy": guid("deployer", subscription),
        "updatedBy": guid("deployer", subscription),
        "delegatedManagedIdentityResourceId": None,
        "description": None,
    }
    name = guid("assignment", scope, role, principal)
    return resource(f"{scope}{_AUTHORIZATION}roleAssignments/{name}", properties, location=None)


def lock(scope: str, name: str, notes: str) -> Document:
    """Return a lock that keeps anybody from deleting what stands at ``scope``."""
    properties = {"level": "CanNotDelete", "notes": notes}
    return resource(f"{scope}{_AUTHORIZATION}locks/{name}", properties, location=None)
