"""Management groups and what is below them, read from the documents."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lockdown.sandbox.rbac import MANAGEMENT_GROUP_MEMBER

GROUP = "microsoft.management/managementgroups"
GROUPS = "/providers/microsoft.management/managementgroups/"
TENANT = "/"


@dataclass(frozen=True)
class Hierarchy:
    """The tree of a tenant.

    Attributes:
        parents: a subscription's or management group's scope to the scope above it; scopes lower-case.
        names: a management group's scope to its name and display name.
    """

    parents: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def above(self, scope: str) -> Iterator[str]:
        """Yield the management groups above ``scope``, nearest first."""
        seen = {scope}
        while (scope := self.parents.get(scope, "")) and scope not in seen:
            seen.add(scope)
            yield scope

    def chain(self, scope: str) -> list[dict[str, str]]:
        """Return the ancestors of ``scope`` as Resource Graph lists them, nearest first."""
        found = [self.names.get(group, (group.rpartition("/")[2], "")) for group in self.above(scope)]
        return [{"displayName": display or name, "name": name} for name, display in found]


def hierarchy(documents: Iterable[Mapping[str, Any]]) -> Hierarchy:
    """Read the tree from the documents of management groups and their members."""
    parents: dict[str, str] = {}
    names: dict[str, tuple[str, str]] = {}
    for document in documents:
        kind = str(document.get("type", "")).lower()
        if kind == MANAGEMENT_GROUP_MEMBER:
            group, _, subscription = str(document["id"]).lower().partition("/subscriptions/")
            parents[f"/subscriptions/{subscription}"] = group
        elif kind == GROUP:
            scope = str(document["id"]).lower()
            properties = document.get("properties") or {}
            names[scope] = (str(document["name"]), str(properties.get("displayName") or ""))
            parent = ((properties.get("details") or {}).get("parent") or {}).get("id")
            if parent:
                parents[scope] = str(parent).lower()
    return Hierarchy(parents, names)
