"""Microsoft.Authorization/roleAssignments, which decide what everybody may do, and the locks."""

import re
from uuid import UUID

from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, one_of, require
from lockdown.sandbox.rbac import ASSIGNMENT, assignment_scope
from lockdown.sandbox.state import Document

_ROLE = "/providers/microsoft.authorization/roledefinitions/"
_COMPUTED = frozenset({"scope", "createdOn", "updatedOn", "createdBy", "updatedBy"})
_ASSIGNMENT = dict.fromkeys(
    (
        "roleDefinitionId", "principalId", "principalType", "description", "condition", "conditionVersion",
        "delegatedManagedIdentityResourceId", *_COMPUTED,
    )
)  # fmt: skip


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    properties = document["properties"]
    role = str(require(document, "roleDefinitionId"))
    principal = str(require(document, "principalId"))
    for value in (str(document["name"]), principal):
        try:
            UUID(value)
        except ValueError as error:
            raise ArmError(400, "InvalidCreateRoleAssignmentRequest", f"'{value}' is not a GUID.") from error
    definition = context.state.get(role[role.lower().rfind(_ROLE) :]) if _ROLE in role.lower() else None
    if definition is None:
        raise ArmError(400, "RoleDefinitionDoesNotExist", f"The specified role definition '{role}' does not exist.")
    scope = assignment_scope(str(document["id"]))
    if not properties.get("principalType"):
        _must_be_known(context, principal)
    if previous is not None:
        before = previous["properties"]
        if (before["roleDefinitionId"], before["principalId"]) != (role, principal):
            raise ArmError(
                400,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            )
    elif any(_is_same(found, scope, role, principal) for found in context.state.documents()):
        raise ArmError(409, "RoleAssignmentExists", "The role assignment already exists.")
    properties.setdefault("principalType", "ServicePrincipal")
    one_of(document, "principalType", ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device"))
    now = context.state.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    properties |= {"scope": scope, "updatedOn": now, "updatedBy": context.who["by"].object_id}
    properties.setdefault("createdOn", now)
    properties.setdefault("createdBy", context.who["by"].object_id)


def _must_be_known(context: Context, principal: str) -> None:
    """Refuse a principal that Entra ID has not told of yet; who names the type of principal is taken at their word."""
    held = [found for found in context.state.documents() if principal.lower() in _principals(found)]
    if not held or all(_is_new(context, found) for found in held):
        raise ArmError(
            400,
            "PrincipalNotFound",
            f"Principal {principal} does not exist in the directory {context.state.tenant}. If it was created "
            "just now, replication may take a while: set principalType to 'ServicePrincipal' for a new identity.",
        )


def _principals(document: Document) -> set[str]:
    identity, properties = document.get("identity") or {}, document.get("properties") or {}
    return {str(found.get("principalId", "")).lower() for found in (identity, properties)} - {""}


def _is_new(context: Context, document: Document) -> bool:
    seconds = context.settings.replication_seconds
    if seconds <= 0:
        return False
    made = [
        change.time
        for change in context.state.changes()
        if change.kind == "Create" and change.resource_id.lower() == str(document["id"]).lower()
    ]
    return bool(made) and (context.state.clock.now() - made[-1]).total_seconds() < seconds


def _is_same(document: Document, scope: str, role: str, principal: str) -> bool:
    if str(document.get("type", "")).lower() != ASSIGNMENT:
        return False
    properties = document["properties"]
    return (
        assignment_scope(str(document["id"])).lower() == scope.lower()
        and str(properties["principalId"]).lower() == principal.lower()
        and str(properties["roleDefinitionId"]).lower().rpartition("/")[2] == role.lower().rpartition("/")[2]
    )


def _prepare_lock(context: Context, document: Document, previous: Document | None) -> None:
    del context, previous
    one_of(document, "level", ("CanNotDelete", "ReadOnly"))
    if "level" not in document["properties"]:
        raise bad_request("A lock needs a level: CanNotDelete or ReadOnly.", target="level")


KINDS = (
    Kind("Microsoft.Authorization/roleAssignments", _ASSIGNMENT, computed=_COMPUTED, tracked=False, prepare=_prepare),
    Kind(
        "Microsoft.Authorization/locks", {"level": None, "notes": None, "owners": None},
        name=re.compile(r"[^<>%&:\\?/]{1,90}"), tracked=False, prepare=_prepare_lock,
    ),
)  # fmt: skip
