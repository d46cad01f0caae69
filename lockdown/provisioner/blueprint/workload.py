"""Cromwell on Azure itself: its identity and roles, and the one step that brings it into the cluster.

What administers anything on the way is there for the step alone: the caller's role in the cluster, and the credential
by which one service account acts as the administrator of the database.
"""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters
from azure.mgmt.msi.models import FederatedIdentityCredential, Identity
from azure.mgmt.postgresqlflexibleservers.models import (
    AdministratorMicrosoftEntraAdd,
    AdministratorMicrosoftEntraPropertiesForAdd,
)

from lockdown.provisioner.blueprint import access, batch, database, endpoints, ids, registry, storage
from lockdown.provisioner.blueprint import identity as identities
from lockdown.provisioner.blueprint.workload_values import account, values
from lockdown.provisioner.environment import Workload
from lockdown.provisioner.graph import Action, Body, Expected, Procedure, Resource, Step, reference
from lockdown.provisioner.site import Site, assignment_name
from lockdown.provisioner.wire import wire
from lockdown.provisioner.workload import deploy
from lockdown.provisioner.workload import package as packages
from lockdown.provisioner.workload.command import API_VERSION
from lockdown.provisioner.workload.package import NAMESPACE

KEY = "workload"
TAG = "lockdown-workload"
"""The tag of the cluster that says which release it runs."""

REMOVED = "removed"
LOOK = "workload/look"
LOOKED = "lockdown-looked-into"
"""The tag of the cluster that says when it was last looked into."""

_THEME = "workload"
_CLUSTER_ADMIN = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"
_MINUTES = 12


def steps(site: Site) -> Iterator[Step]:
    """Yield what a workload needs beyond the environment, and what brings it in, or takes it out."""
    if site.environment.workload is Workload.NONE:
        return
    yield _identity(site, "identity/workload", ids.workload_identity(site))
    yield _identity(site, "identity/setup", ids.setup_identity(site))
    yield _credential("credential", "identity/workload", ids.workload_identity(site), temporary=False)
    yield _credential("credential/setup", "identity/setup", ids.setup_identity(site), temporary=True)
    if site.caller:
        yield administration(site)
    yield _removal(site) if site.removing else _installation(site)


def release(site: Site) -> str:
    """Return the release that an environment file stands for: the digest of all that is brought into the cluster."""
    return packages.package(site.environment.workload, values(site)).release


def _identity(site: Site, key: str, resource_id: str) -> Resource:
    return Resource(
        key,
        _THEME,
        resource_id,
        identities.API_VERSION,
        wire(Identity(location=site.location, tags=site.tags)),
        needs=("group", "providers/Microsoft.ManagedIdentity"),
        seconds=10,
        fixed=frozenset({"location"}),
    )


def _credential(key: str, holder: str, identity: str, *, temporary: bool) -> Resource:
    """Return what lets one service account of one cluster, and nothing else, act as an identity."""
    credential = FederatedIdentityCredential(
        issuer=reference("cluster", "properties.oidcIssuerProfile.issuerURL"),
        subject=f"system:serviceaccount:{NAMESPACE}:{account(identity)}",
        audiences=["api://AzureADTokenExchange"],
    )
    return Resource(
        key,
        _THEME,
        f"{identity}/federatedIdentityCredentials/coaFederatedIdentity",
        identities.API_VERSION,
        wire(credential),
        needs=(holder,),
        temporary=temporary,
    )


def administration(site: Site) -> Resource:
    """Return the role by which whoever builds works in the cluster; an Owner of it does not."""
    cluster = ids.cluster(site)
    assignment = RoleAssignmentCreateParameters(
        role_definition_id=site.role_id(_CLUSTER_ADMIN), principal_id=site.caller
    )
    name = assignment_name(cluster, site.caller, _CLUSTER_ADMIN)
    return Resource(
        "role/caller/cluster/cluster-admin",
        _THEME,
        f"{cluster}/providers/Microsoft.Authorization/roleAssignments/{name}",
        access.API_VERSION,
        wire(assignment),
        needs=("cluster",),
        seconds=10,
        fixed=frozenset({"properties"}),
        temporary=True,
    )


def _installation(site: Site) -> Action:
    found = values(site)
    made = {**found, **packages.digests(found)}
    wanted = release(site)
    body: Body = {
        "cluster": ids.cluster(site),
        "workload": str(site.environment.workload),
        "release": wanted,
        "adopt": site.adopt,
        "values": made,
        "administrator": _administrator(site),
    }
    what = "Cromwell, TES and TriggerService" if site.environment.workload is Workload.CROMWELL else "TES"
    return _action(site, body, wanted, f"{what}, by run-command: release {wanted}")


def _removal(site: Site) -> Action:
    return _action(site, {"cluster": ids.cluster(site)}, REMOVED, "the workload is taken out, by run-command")


def _action(site: Site, body: Body, mark: str, title: str) -> Action:
    cluster = ids.cluster(site)
    return Action(
        KEY,
        _THEME,
        f"{cluster}/runCommand",
        API_VERSION,
        body,
        Expected(cluster, API_VERSION, f"tags.{TAG}", mark),
        needs=tuple(_needs(site)),
        seconds=_MINUTES * 60,
        mark=(TAG, mark),
        title=title,
        procedure=deploy.remove if site.removing else deploy.install,
    )


def _administrator(site: Site) -> Body:
    """Return the administrator of the database that makes the users: an identity that nobody holds a credential of."""
    name = ids.setup_identity(site).rpartition("/")[2]
    properties = AdministratorMicrosoftEntraPropertiesForAdd(
        principal_type="ServicePrincipal", principal_name=name, tenant_id=site.tenant
    )
    principal = reference("identity/setup", "properties.principalId")
    return {
        "id": f"{ids.database(site)}/administrators/{principal}",
        "apiVersion": database.API_VERSION,
        "body": wire(AdministratorMicrosoftEntraAdd(properties=properties)),
    }


def _needs(site: Site) -> Iterator[str]:
    """Yield what must be there before a pod starts: it would only fail, and be tried again by the minute."""
    yield from ("cluster", "credential", "credential/setup")
    if site.caller:
        yield "role/caller/cluster/cluster-admin"
    for theme in (access, batch, database, endpoints, registry, storage):
        yield from (step.key for step in theme.steps(site))


def looking(site: Site, stamp: str, procedure: Procedure) -> Action:
    """Return the step that looks into the cluster; the tag that it leaves is the time."""
    cluster = ids.cluster(site)
    return Action(
        LOOK,
        _THEME,
        f"{cluster}/runCommand",
        API_VERSION,
        {"cluster": cluster},
        Expected(cluster, API_VERSION, f"tags.{LOOKED}", stamp),
        needs=("cluster", administration(site).key),
        seconds=120,
        mark=(LOOKED, stamp),
        title="the cluster is looked into, by run-command",
        procedure=procedure,
    )
