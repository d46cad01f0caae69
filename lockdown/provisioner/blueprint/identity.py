"""The identities that things run as, and the credential by which pods act as one of them."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.msi.models import FederatedIdentityCredential, Identity

from lockdown.provisioner.blueprint import ids
from lockdown.provisioner.environment import Workload
from lockdown.provisioner.graph import Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

API_VERSION = "2024-11-30"
"""Of Microsoft.ManagedIdentity: azure-mgmt-msi's."""

_THEME = "identity"
_NAMESPACE = "coa"
"""The Kubernetes namespace of Cromwell on Azure."""


def steps(site: Site) -> Iterator[Step]:
    """Yield one identity for the cluster and its pods, one for tasks, and one that fetches keys where there are any."""
    environment = site.environment
    if environment.bring.identity:
        yield Resource("identity", _THEME, ids.identity(site), API_VERSION, {}, brought=True, remove=False)
    else:
        yield _identity(site, "identity", ids.identity(site))
    yield _identity(site, "identity/nodes", ids.nodes_identity(site))
    if environment.keys.customer_managed:
        yield _identity(site, "identity/keys", ids.keys_identity(site))
    if environment.workload is Workload.NONE:
        # Whoever brings Cromwell on Azure in by other means has one identity for the cluster and its pods.
        yield _credential(site)


def _identity(site: Site, key: str, resource_id: str) -> Resource:
    return Resource(
        key,
        _THEME,
        resource_id,
        API_VERSION,
        wire(Identity(location=site.location, tags=site.tags)),
        needs=("group", "providers/Microsoft.ManagedIdentity"),
        seconds=10,
        fixed=frozenset({"location"}),
    )


def _credential(site: Site) -> Resource:
    """Return what lets one service account of one cluster, and nothing else, act as the identity."""
    name = ids.identity(site).rpartition("/")[2]
    credential = FederatedIdentityCredential(
        issuer=reference("cluster", "properties.oidcIssuerProfile.issuerURL"),
        subject=f"system:serviceaccount:{_NAMESPACE}:{name}-sa",
        audiences=["api://AzureADTokenExchange"],
    )
    return Resource(
        "credential",
        _THEME,
        f"{ids.identity(site)}/federatedIdentityCredentials/coaFederatedIdentity",
        API_VERSION,
        wire(credential),
        needs=("identity",),
    )
