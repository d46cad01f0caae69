"""Role-based access control: who may do what, from role assignments, pure.

Source: Azure RBAC documentation, built-in roles and "Understand Azure role definitions" (actions minus notActions,
scopes inherited downwards, assignments add up).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

ASSIGNMENT = "microsoft.authorization/roleassignments"
DEFINITION = "microsoft.authorization/roledefinitions"
MANAGEMENT_GROUP_MEMBER = "microsoft.management/managementgroups/subscriptions"


@dataclass(frozen=True)
class Permission:
    """One block of a role definition: what it grants, less what it takes out."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    def covers(self, operation: str, *, data: bool = False) -> bool:
        """Tell whether ``operation``, such as ``Microsoft.Storage/storageAccounts/write``, is granted.

        With ``data`` it is one on what a resource holds: nobody has a right to that by a right to the resource.
        """
        granted, removed = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        return any(_pattern(action).fullmatch(operation) for action in granted) and not any(
            _pattern(action).fullmatch(operation) for action in removed
        )


@dataclass(frozen=True)
class Grants:
    """Every role assignment of a tenant, ready to be asked.

    Attributes:
        by_principal: object id to scope to the permissions granted there; ids and scopes lower-case.
        parents: a subscription scope to the management group scopes above it, lower-case.
    """

    by_principal: Mapping[str, Mapping[str, tuple[Permission, ...]]] = field(default_factory=dict)
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def allow(self, object_id: str, operation: str, resource_id: str, *, data: bool = False) -> bool:
        """Tell whether the principal may do ``operation`` on ``resource_id`` (or on a scope), or on its ``data``."""
        granted = self.by_principal.get(object_id.lower())
        if not granted:
            return False
        return any(
            permission.covers(operation, data=data)
            for scope in self._scopes(resource_id.lower())
            for permission in granted.get(scope, ())
        )

    def permissions(self, object_id: str, resource_id: str) -> Iterator[Permission]:
        """Yield everything that the principal's roles grant at a scope, inherited."""
        granted = self.by_principal.get(object_id.lower(), {})
        for scope in self._scopes(resource_id.lower()):
            yield from granted.get(scope, ())

    def below(self, object_id: str, scope: str) -> bool:
        """Tell whether the principal holds any role somewhere below ``scope``."""
        prefix = f"{scope.lower().rstrip('/')}/"
        return any(held.startswith(prefix) for held in self.by_principal.get(object_id.lower(), ()))

    def _scopes(self, resource_id: str) -> Iterator[str]:
        yield "/"
        end = resource_id.find("/", len("/subscriptions/")) if resource_id.startswith("/subscriptions/") else -1
        subscription = resource_id if end < 0 else resource_id[:end]
        yield from self.parents.get(subscription, ())
        position = resource_id.find("/", 1)
        while position > 0:
            yield resource_id[:position]
            position = resource_id.find("/", position + 1)
        yield resource_id


def grants(documents: Iterable[Mapping[str, Any]]) -> Grants:
    """Read role assignments, role definitions and management group members into ``Grants``."""
    roles: dict[str, tuple[Permission, ...]] = {}
    parents: dict[str, tuple[str, ...]] = {}
    assignments = []
    for document in documents:
        kind = str(document.get("type", "")).lower()
        if kind == DEFINITION:
            roles[str(document["name"]).lower()] = _permissions(document)
        elif kind == ASSIGNMENT:
            assignments.append(document)
        elif kind == MANAGEMENT_GROUP_MEMBER:
            group, _, subscription = str(document["id"]).lower().partition("/subscriptions/")
            parents[f"/subscriptions/{subscription}"] = (*parents.get(f"/subscriptions/{subscription}", ()), group)
    by_principal: dict[str, dict[str, tuple[Permission, ...]]] = {}
    for assignment in assignments:
        properties = assignment["properties"]
        role = str(properties["roleDefinitionId"]).lower().rpartition("/")[2]
        scopes = by_principal.setdefault(str(properties["principalId"]).lower(), {})
        scope = assignment_scope(str(assignment["id"])).lower()
        scopes[scope] = (*scopes.get(scope, ()), *roles.get(role, ()))
    return Grants(by_principal, parents)


def assignment_scope(resource_id: str) -> str:
    """Return the scope of the role assignment with this id; ``/`` is the whole tenant."""
    at = resource_id.lower().rfind("/providers/microsoft.authorization/")
    return resource_id[:at] or "/"


_BLOCK = ("actions", "notActions", "dataActions", "notDataActions")


def _permissions(definition: Mapping[str, Any]) -> tuple[Permission, ...]:
    return tuple(
        Permission(*(tuple(block.get(name) or ()) for name in _BLOCK))
        for block in definition["properties"].get("permissions") or ()
    )


@lru_cache(maxsize=1024)
def _pattern(action: str) -> re.Pattern[str]:
    # Azure's roles write userAssignedIdentities/*/assign/action for userAssignedIdentities/assign/action.
    text = re.escape(action).replace(r"/\*/", "/(?:.*/)?").replace(r"\*", ".*")
    return re.compile(text, re.IGNORECASE)
