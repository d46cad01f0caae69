"""Whether the caller may do what the plan says, from the permissions that Azure says the caller has.

Source: "Permissions - List For Resource Group" of Microsoft.Authorization: each role that applies gives ``actions``
less its own ``notActions``; roles add up. Deny assignments are not in that answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from lockdown.provisioner.answers import RefusedError, is_absent
from lockdown.provisioner.checks import Case, Finding, place, resource_type
from lockdown.provisioner.graph import Action, Resource, Step

_PERMISSIONS = "2022-04-01"
_GROUP = re.compile(r"^/subscriptions/[^/]+/resourcegroups/[^/]+", re.IGNORECASE)
_SHOWN = 6
_ROLES = "microsoft.authorization/roleassignments/"
_LINKS: Mapping[str, str] = {
    "microsoft.network/virtualnetworks": "subnets/join/action",
    "microsoft.network/privatednszones": "join/action",
    "microsoft.managedidentity/userassignedidentities": "assign/action",
    "microsoft.operationalinsights/workspaces": "sharedkeys/action",
}
"""What using a resource that was brought along needs on it."""


def rights(case: Case) -> Iterator[Finding]:
    """Yield a finding for each scope on which the caller lacks something that the plan needs."""
    needed: dict[str, set[str]] = {}
    for scope, operation in _needed(case):
        needed.setdefault(scope, set()).add(operation)
    known: dict[str, list[Mapping[str, Any]]] = {}
    for scope, operations in sorted(needed.items(), key=lambda item: (len(item[0]), item[0])):
        try:
            permissions = _permissions(case, scope, known)
        except RefusedError as error:
            yield Finding("roles", f"not checked: what the caller may do on {place(scope)}: {error}", stops=False)
            continue
        if not permissions:  # whoever can read the subscription, as was done before, has some
            yield Finding(
                "roles", f"not checked: Azure lists no permissions of the caller on {place(scope)}", stops=False
            )
            continue
        missing = sorted(operation for operation in operations if not allowed(operation, permissions))
        if missing:
            yield _missing(scope, missing)
        elif any(conditional(operation, permissions) for operation in operations if operation.startswith(_ROLES)):
            what = f"the caller assigns roles on {place(scope)} under a condition"
            yield Finding(
                "roles",
                f"not checked: {what}, which only Azure evaluates.",
                "If Azure refuses an assignment, the condition is why.",
                stops=False,
            )


def allowed(operation: str, permissions: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether any of the roles allows an operation."""
    return any(_gives(operation, permission) for permission in permissions)


def conditional(operation: str, permissions: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether an operation is allowed under conditions only."""
    giving = [permission for permission in permissions if _gives(operation, permission)]
    return bool(giving) and all(permission.get("condition") for permission in giving)


def operation_of(step: Step) -> str:
    """Return the operation that a step is, such as ``microsoft.storage/storageaccounts/write``."""
    if isinstance(step, Resource):
        return f"{resource_type(step.id)}/write"
    path, _, verb = step.path.lower().rpartition("/")
    if "/providers/microsoft.features/providers/" in path:
        return f"microsoft.features/providers/features/{verb}/action"
    return f"{resource_type(path)}/{verb}/action"


def _needed(case: Case) -> Iterator[tuple[str, str]]:
    new = {step.id.lower() for step in case.blueprint if isinstance(step, Resource) and step.key in case.created}
    for step in case.writes:
        yield _scope(step.path if isinstance(step, Action) else step.id, new, case.subscription), operation_of(step)
    for step in case.blueprint:
        if isinstance(step, Resource) and step.brought and resource_type(step.id) in _LINKS:
            kind = resource_type(step.id)
            yield _scope(step.id, new, case.subscription), f"{kind}/{_LINKS[kind]}"


def _scope(path: str, new: set[str], subscription: str) -> str:
    """Return what the caller's roles are asked about: the group, or the subscription while there is no such group."""
    group = _GROUP.match(path)
    if group is None:
        return subscription
    creates_it = group[0].lower() == path.lower()
    return subscription if creates_it or group[0].lower() in new else group[0]


def _permissions(case: Case, scope: str, known: dict[str, list[Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
    found = known.get(scope.lower())
    if found is None:
        try:
            path = f"{scope}/providers/Microsoft.Authorization/permissions"
            found = list(case.reads.items(path, _PERMISSIONS))
        except RefusedError as error:
            if not is_absent(error) or scope == case.subscription:
                raise
            # Azure makes the group of network watchers by itself, with the first network.
            found = _permissions(case, case.subscription, known)
        known[scope.lower()] = found
    return found


def _missing(scope: str, missing: list[str]) -> Finding:
    others = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    ours = [operation for operation in missing if operation.startswith("microsoft.authorization/")]
    roles = ["Contributor"] if len(ours) < len(missing) else []
    if any(not operation.startswith(_ROLES) for operation in ours):
        roles.append("User Access Administrator")  # locks need it
    elif ours:
        roles.append("Role Based Access Control Administrator (or User Access Administrator)")
    return Finding(
        "roles",
        f"The caller may not do this on {place(scope)}: {', '.join(missing[:_SHOWN])}{others}.",
        f"Give it {' and '.join(roles)} there, or have somebody run this who has them.",
    )


def _gives(operation: str, permission: Mapping[str, Any]) -> bool:
    return _any(operation, permission.get("actions")) and not _any(operation, permission.get("notActions"))


def _any(operation: str, patterns: object) -> bool:
    return isinstance(patterns, list) and any(_pattern(str(one)).fullmatch(operation) for one in patterns)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*"), re.IGNORECASE)
