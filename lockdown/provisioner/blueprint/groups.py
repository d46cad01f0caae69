"""The resource groups: one for the services, one for the network, which may be the same."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.resource.resources.models import ResourceGroup

from lockdown.provisioner.graph import Resource, Step
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

API_VERSION = "2025-04-01"


def steps(site: Site) -> Iterator[Step]:
    """Yield the groups."""
    yield _group(site, "group", site.group_id)
    if network_group(site) != "group":
        yield _group(site, "network-group", site.network_group_id)


def network_group(site: Site) -> str:
    """Return the key of the group of the network."""
    return "group" if site.network_group_id.lower() == site.group_id.lower() else "network-group"


def _group(site: Site, key: str, resource_id: str) -> Resource:
    body = wire(ResourceGroup(location=site.location, tags=site.tags))
    return Resource(key, "groups", resource_id, API_VERSION, body, seconds=3, fixed=frozenset({"location"}))
