"""What every ARM document has: id, name, type, location, tags and an API version."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.sandbox.scenarios.scenario import Document

CREATED = "2026-03-02T09:14:07.5813264Z"
"""When everything in a scenario was made: a scenario has no clock."""

LOCATION = "eastus"

_API_VERSIONS = {
    "microsoft.authorization/locks": "2020-05-01",
    "microsoft.authorization/roleassignments": "2022-04-01",
    "microsoft.authorization/roledefinitions": "2022-04-01",
    "microsoft.batch": "2025-06-01",
    "microsoft.compute": "2026-04-01",
    "microsoft.containerregistry": "2025-11-01",
    "microsoft.containerservice": "2026-08-01",
    "microsoft.dbformysql": "2024-12-30",
    "microsoft.dbforpostgresql": "2026-10-01",
    "microsoft.documentdb": "2026-03-15",
    "microsoft.insights/actiongroups": "2023-01-01",
    "microsoft.insights/activitylogalerts": "2020-10-01",
    "microsoft.insights/components": "2020-02-02",
    "microsoft.insights/diagnosticsettings": "2021-05-01-preview",
    "microsoft.insights/privatelinkscopes": "2021-07-01-preview",
    "microsoft.keyvault": "2026-05-15",
    "microsoft.managedidentity": "2024-11-30",
    "microsoft.network": "2026-03-01",
    "microsoft.network/privatednszones": "2024-06-01",
    "microsoft.operationalinsights": "2025-07-01",
    "microsoft.resources": "2025-04-01",
    "microsoft.security/assessments": "2021-06-01",
    "microsoft.security/pricings": "2024-01-01",
    "microsoft.security/securitycontacts": "2023-12-01-preview",
    "microsoft.storage": "2026-09-01",
}
"""Namespace, or top-level type with its own, to its latest stable version (the newest preview where none is)."""


@dataclass(frozen=True, slots=True)
class Group:
    """A resource group to put resources in.

    Attributes:
        subscription: its subscription's id.
        name: its name, in the casing that it was made with.
        location: the Azure region of the group and of what is put in it.
    """

    subscription: str
    name: str
    location: str = LOCATION

    @property
    def id(self) -> str:
        """The resource id of the group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.name}"

    def resource(self, resource_type: str, *names: str) -> str:
        """Return the id of a resource in this group; ``names`` has one name for each part of a nested type."""
        namespace, *types = resource_type.split("/")
        pairs = "/".join(f"{kind}/{name}" for kind, name in zip(types, names, strict=True))
        return f"{self.id}/providers/{namespace}/{pairs}"

    def document(self, *, tags: Mapping[str, str] | None = None, managed_by: str = "") -> Document:
        """Return the document of the group itself."""
        document: Document = {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": self.location,
            "tags": dict(tags or {}),
            "properties": {"provisioningState": "Succeeded"},
            "_apiVersion": _API_VERSIONS["microsoft.resources"],
        }
        return document | ({"managedBy": managed_by} if managed_by else {})


def copied(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of what several documents have alike, each to be changed on its own."""
    return copy.deepcopy(dict(defaults))


def type_of(resource_id: str) -> str:
    """Return the resource type that an id names, in the id's own casing."""
    namespace, *rest = resource_id.rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *rest[::2]])


def api_version(resource_type: str) -> str:
    """Return the API version that a resource of this type is stored with."""
    namespace, top, *_ = resource_type.lower().split("/")
    return _API_VERSIONS.get(f"{namespace}/{top}") or _API_VERSIONS[namespace]


def resource(
    resource_id: str,
    properties: Mapping[str, Any],
    *,
    location: str | None = LOCATION,
    tags: Mapping[str, str] | None = None,
    **envelope: object,
) -> Document:
    """Return the document of a resource; name, type and API version follow from its id.

    Args:
        resource_id: the full id, in the provider's casing.
        properties: the provider's part.
        location: None for child resources, which have none.
        tags: None for child resources, which carry none.
        envelope: sku, kind, identity, zones, plan or managedBy, where the type has them.
    """
    resource_type = type_of(resource_id)
    document: Document = {"id": resource_id, "name": resource_id.rpartition("/")[2], "type": resource_type}
    if location is not None:
        document["location"] = location
        document["tags"] = dict(tags or {})
    document.update(envelope)
    document["properties"] = dict(properties)
    document["_apiVersion"] = api_version(resource_type)
    return document


def child(parent: Document, kind: str, name: str, properties: Mapping[str, Any]) -> Document:
    """Return the document of a child resource, which has neither location nor tags."""
    return resource(f"{parent['id']}/{kind}/{name}", properties, location=None)


def part(parent_id: str, kind: str, name: str, properties: Mapping[str, Any]) -> Document:
    """Return a child that is embedded in its parent's properties: a subnet, an ip configuration, a security rule."""
    resource_id = f"{parent_id}/{kind}/{name}"
    return {
        "name": name,
        "id": resource_id,
        "type": type_of(resource_id),
        "properties": {"provisioningState": "Succeeded", **properties},
    }


def reference(resource_id: str) -> dict[str, str]:
    """Return the way ARM points at another resource."""
    return {"id": resource_id}


def recased(resource_id: str) -> str:
    """Return the same id as other providers write it: the resource group in capitals."""
    head, marker, tail = resource_id.partition("/resourceGroups/")
    group, slash, rest = tail.partition("/")
    return f"{head}{marker}{group.upper()}{slash}{rest}"
