"""What nobody deletes by mistake: a lock on each resource whose loss is for good or takes everything else down."""

from __future__ import annotations

from collections.abc import Iterator

from lockdown.provisioner.blueprint import (
    access,
    bastion,
    batch,
    cluster,
    database,
    edge,
    endpoints,
    identity,
    keys,
    monitor,
    network,
    recorded,
    registry,
    storage,
    told,
    zones,
)
from lockdown.provisioner.environment import Access
from lockdown.provisioner.graph import Body, Resource, Step, references
from lockdown.provisioner.site import Site

API_VERSION = "2020-05-01"
"""Of Microsoft.Authorization/locks."""

_THEMES = (
    *(access, bastion, batch, cluster, database, edge, endpoints, identity, keys, monitor, network, recorded),
    *(registry, storage, told, zones),
)
_NETWORK = "microsoft.network/virtualnetworks"
_LOCKED = frozenset(
    {
        "microsoft.storage/storageaccounts",
        "microsoft.keyvault/vaults",
        "microsoft.dbforpostgresql/flexibleservers",
        "microsoft.network/privatednszones",
        _NETWORK,
        "microsoft.containerregistry/registries",
        "microsoft.operationalinsights/workspaces",
    }
)
"""Not the groups: TES deletes its pools."""


def steps(site: Site) -> Iterator[Step]:
    """Yield the locks, each after everything that is written to what it locks."""
    found = [step for theme in _THEMES for step in theme.steps(site)]
    for step in found:
        if isinstance(step, Resource) and not step.brought and _is_locked(site, step):
            yield _lock(site, step, tuple(other.key for other in found if _touches(other, step)))


def _is_locked(site: Site, step: Resource) -> bool:
    resource_type = _type(step.id)
    if resource_type == _NETWORK and site.environment.access is Access.JUMPBOX:
        # A jumpbox takes its subnet with it, which a lock of the network would forbid.
        return False
    return resource_type in _LOCKED


def _touches(step: Step, target: Resource) -> bool:
    place = step.id if isinstance(step, Resource) else step.path
    if place.lower().startswith(f"{target.id.lower()}/"):
        return True
    return target.key in step.needs or target.key in references(step.body)


def _lock(site: Site, target: Resource, after: tuple[str, ...]) -> Resource:
    notes = f"Ask {site.environment.owner} before this is deleted."
    body: Body = {"properties": {"level": "CanNotDelete", "notes": notes}}
    return Resource(
        f"lock/{target.key}",
        "locks",
        f"{target.id}/providers/Microsoft.Authorization/locks/keep",
        API_VERSION,
        body,
        needs=(target.key, *after),
    )


def _type(resource_id: str) -> str:
    namespace, *rest = resource_id.lower().rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *rest[::2]])
