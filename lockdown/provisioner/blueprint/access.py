"""Who may do what: as little as Cromwell, TES and AKS work with, at the narrowest scope; nobody owns anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters

from lockdown.provisioner.blueprint import ids, routes, zones
from lockdown.provisioner.environment import Egress, Workload
from lockdown.provisioner.graph import Resource, Step, reference
from lockdown.provisioner.site import Site, assignment_name
from lockdown.provisioner.wire import wire

API_VERSION = "2022-04-01"
"""Of Microsoft.Authorization: azure-mgmt-authorization's."""

_ROLES = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "Azure Batch Account Contributor": "29fe4964-1e60-436b-bd3a-77fd4c178b3c",
    "Azure Batch Data Contributor": "6aaa78f1-f7de-44ca-8722-c64a23943cae",
    "Key Vault Crypto Service Encryption User": "e147488a-f6f5-4113-8e2d-b22465e65bf6",
    "Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "Private DNS Zone Contributor": "b12aa53e-6015-4669-85d0-8515ebb3ae7f",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Storage Account Key Operator Service Role": "81a9662b-bebf-436f-a333-f67b29880f12",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
}
"""Built-in roles: their GUIDs are the same in every tenant."""


_TASKS_WRITE = ("cromwell-executions", "tes-internal", "outputs")
_CROMWELL_WRITES = ("cromwell-executions", "cromwell-workflow-logs", "outputs")
_CHECKED = frozenset({"vmsubnet", "routes", "identity", "cluster-zone", "disks"})
"""The scopes at which AKS checks what its identity may do."""


@dataclass(frozen=True)
class _Who:
    """Who gets roles: ``name`` in keys of steps, the step, its id, and where it shows its principal."""

    name: str
    step: str
    id: str
    principal: str = "properties.principalId"


@dataclass(frozen=True)
class _Scope:
    """Where a role holds: ``name`` in keys of steps, the id, and the step that makes it."""

    name: str
    id: str
    step: str


def steps(site: Site) -> Iterator[Step]:
    """Yield the role assignments, of what the cluster runs as first."""
    cluster = _Who("identity", "identity", ids.identity(site))
    for scope, role in _of_the_cluster(site):
        yield _assignment(cluster, scope, role)
    nodes = _Who("nodes", "identity/nodes", ids.nodes_identity(site))
    for scope, role in _of_the_nodes(site):
        yield _assignment(nodes, scope, role)
    if site.environment.workload is not Workload.NONE:
        pods = _Who("workload", "identity/workload", ids.workload_identity(site))
        for scope, role in _of_the_pods(site):
            yield _assignment(pods, scope, role)
    if site.environment.keys.customer_managed:
        vault = _Scope("vault", ids.vault(site), "vault")
        for who in (
            _Who("keys", "identity/keys", ids.keys_identity(site)),
            _Who("disks", "disks", ids.disks(site), "identity.principalId"),
        ):
            yield _assignment(who, vault, "Key Vault Crypto Service Encryption User")


def before_cluster(site: Site) -> tuple[str, ...]:
    """Return the keys of the assignments that must hold before AKS makes the cluster: it checks them."""
    own, disks = "role/identity/", "role/disks/"
    return tuple(
        step.key
        for step in steps(site)
        if step.key.startswith(disks) or (step.key.startswith(own) and step.key.split("/")[2] in _CHECKED)
    )


def of_the_nodes(site: Site) -> tuple[str, ...]:
    """Return the keys of what the tasks' identity may do: Batch reaches its storage with it."""
    return tuple(f"role/nodes/{scope.name}/{_slug(role)}" for scope, role in _of_the_nodes(site))


def _of_the_nodes(site: Site) -> Iterator[tuple[_Scope, str]]:
    """Yield what tasks may do by themselves: what TES hands them beyond that are signatures of its own."""
    if site.environment.workload is Workload.NONE:
        yield _storage(site), "Storage Blob Data Contributor"
        return
    for name in _TASKS_WRITE:
        yield _container(site, name), "Storage Blob Data Contributor"
    yield _container(site, "inputs"), "Storage Blob Data Reader"


def _of_the_pods(site: Site) -> Iterator[tuple[_Scope, str]]:
    """Yield what Cromwell, TES and TriggerService may do, where lockdown brings them in."""
    storage = _storage(site)
    yield storage, "Storage Blob Data Contributor"
    # TES looks for its account and its component among all that it sees.
    yield storage, "Reader"
    yield from _batch(site)
    yield _Scope("batchsubnet", site.subnet_id("batchsubnet"), "network"), "Network Contributor"
    yield _Scope("nodes", ids.nodes_identity(site), "identity/nodes"), "Managed Identity Operator"


def _of_the_cluster(site: Site) -> Iterator[tuple[_Scope, str]]:
    if site.environment.workload is Workload.NONE:
        storage = _storage(site)
        yield storage, "Storage Blob Data Contributor"
        # Cromwell's blob file system and the cluster's blob volumes ask for the account's key.
        yield storage, "Storage Account Key Operator Service Role"
        yield from _batch(site)
        yield _Scope("insights", ids.insights(site), "insights"), "Monitoring Metrics Publisher"
        yield _Scope("batchsubnet", site.subnet_id("batchsubnet"), "network"), "Network Contributor"
        # TES gives pools theirs.
        yield _Scope("nodes", ids.nodes_identity(site), "identity/nodes"), "Managed Identity Operator"
    if site.environment.workload is Workload.CROMWELL:
        # The kubelet mounts the containers that Cromwell works in, without the account's key.
        for name in _CROMWELL_WRITES:
            yield _container(site, name), "Storage Blob Data Contributor"
        yield _container(site, "inputs"), "Storage Blob Data Reader"
    yield _Scope("registry", ids.registry(site), "registry"), "AcrPull"
    yield _Scope("vmsubnet", site.subnet_id("vmsubnet"), "network"), "Network Contributor"
    yield from _of_routes(site)
    # The kubelet's identity is given by the cluster's.
    yield _Scope("identity", ids.identity(site), "identity"), "Managed Identity Operator"
    zone = zones.cluster(site)
    yield _Scope("cluster-zone", site.zone_id(zone), f"zone/{zone}"), "Private DNS Zone Contributor"
    if site.environment.keys.customer_managed:
        yield _Scope("disks", ids.disks(site), "disks"), "Reader"


def _storage(site: Site) -> _Scope:
    return _Scope("storage", ids.storage(site), "storage")


def _container(site: Site, name: str) -> _Scope:
    scope = f"{ids.storage(site)}/blobServices/default/containers/{name}"
    return _Scope(f"container-{name}", scope, f"storage/containers/{name}")


def _batch(site: Site) -> Iterator[tuple[_Scope, str]]:
    batch = _Scope("batch", ids.batch(site), "batch")
    yield batch, "Azure Batch Account Contributor"
    yield batch, "Azure Batch Data Contributor"


def _of_routes(site: Site) -> Iterator[tuple[_Scope, str]]:
    """Yield what AKS checks of the route table that its nodes leave by; with a NAT gateway they have none."""
    if site.environment.network.egress is Egress.NAT:
        return
    for step in routes.steps(site):
        if step.key == "routes" and isinstance(step, Resource):
            yield _Scope("routes", step.id, step.key), "Network Contributor"


def _assignment(who: _Who, scope: _Scope, role: str) -> Resource:
    subscription = "/".join(scope.id.split("/")[:3])
    definition = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{_ROLES[role]}"
    assignment = RoleAssignmentCreateParameters(
        role_definition_id=definition,
        principal_id=reference(who.step, who.principal),
        # Said, so that Azure does not look for a principal that it has not heard of everywhere yet.
        principal_type="ServicePrincipal",
    )
    name = assignment_name(scope.id, who.id, _ROLES[role])
    return Resource(
        f"role/{who.name}/{scope.name}/{_slug(role)}",
        "access",
        f"{scope.id}/providers/Microsoft.Authorization/roleAssignments/{name}",
        API_VERSION,
        wire(assignment),
        needs=(scope.step,),
        seconds=10,
        fixed=frozenset({"properties"}),
    )


def _slug(role: str) -> str:
    return role.lower().replace(" ", "-")
