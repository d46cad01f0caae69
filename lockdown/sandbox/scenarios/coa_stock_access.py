"""Who may do what in ``coa-stock``: what the deployer grants to the environment's identity, and keeps for itself."""

from collections.abc import Iterator, Mapping

from lockdown.sandbox.scenarios.arm.access import role_assignment
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.site import Site


def access(site: Site, identity: Document, services: Mapping[str, Document]) -> Iterator[Document]:
    """Yield the role assignments.

    Args:
        site: the environment.
        identity: its user-assigned identity.
        services: ``storage``, ``batch``, ``insights``, ``registry`` and ``cluster``.
    """
    held = identity["properties"]["principalId"]
    for scope, role in (
        (services["storage"]["id"], "Contributor"),
        (services["storage"]["id"], "Storage Blob Data Owner"),
        (services["batch"]["id"], "Contributor"),
        (services["insights"]["id"], "Contributor"),
        (site.group.id, "Network Contributor"),
        (site.group.id, "Managed Identity Operator"),
        (services["registry"]["id"], "AcrPull"),
    ):
        yield role_assignment(scope, role, held)
    deployer = guid("deployer", f"/subscriptions/{site.subscription}")
    for scope, role in (
        (f"/subscriptions/{site.subscription}", "Owner"),
        (services["storage"]["id"], "Storage Blob Data Contributor"),
        (site.cluster_id, "Azure Kubernetes Service RBAC Cluster Admin"),
    ):
        yield role_assignment(scope, role, deployer, "User")
