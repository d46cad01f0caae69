"""Who may do what: role assignments."""

from lockdown.sandbox.roles import GUIDS
from lockdown.sandbox.scenarios.arm.envelope import CREATED, resource
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document

_AUTHORIZATION = "/providers/Microsoft.Authorization/"


def role_assignment(scope: str, role: str, principal: str, kind: str = "ServicePrincipal") -> Document:
    """Return the assignment of a built-in role.

    Args:
        scope: the id of the subscription, resource group or resource that it holds at.
        role: a name of ``roles.GUIDS``.
        principal: the object id of who gets it.
        kind: ``ServicePrincipal`` (managed identities too), ``User`` or ``Group``.
    """
    subscription = "/".join(scope.split("/")[:3])
    properties = {
        "roleDefinitionId": f"{subscription}{_AUTHORIZATION}roleDefinitions/{GUIDS[role]}",
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
