"""Who may do what in ``coa-private``, and what nobody may delete: as little as Cromwell, TES and AKS work with."""

from collections.abc import Iterable, Iterator

from lockdown.sandbox.scenarios.arm.access import lock, role_assignment
from lockdown.sandbox.scenarios.coa_private_keys import Keys
from lockdown.sandbox.scenarios.coa_private_services import Services
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.site import Site

_LOCKED = frozenset(
    {
        "microsoft.storage/storageaccounts",
        "microsoft.keyvault/vaults",
        "microsoft.dbforpostgresql/flexibleservers",
        "microsoft.network/privatednszones",
        "microsoft.network/virtualnetworks",
        "microsoft.containerregistry/registries",
        "microsoft.operationalinsights/workspaces",
    }
)
"""What is lost for good, or takes everything else down, when it is deleted. Not the groups: TES deletes its pools."""


def access(
    site: Site, services: Services, keys: Keys, identity: Document, nodes: Document, zone: Document
) -> Iterator[Document]:
    """Yield the role assignments.

    Args:
        site: the environment.
        services: its services.
        keys: its keys.
        identity: what the cluster, Cromwell and TES run as.
        nodes: what tasks on Batch nodes run as.
        zone: the private DNS zone of the cluster's API.
    """
    routes = site.network_group.resource("Microsoft.Network/routeTables", "to-the-firewall")
    for scope, role in (
        (services.storage["id"], "Storage Blob Data Contributor"),
        (services.storage["id"], "Storage Account Key Operator Service Role"),
        (services.batch["id"], "Azure Batch Account Contributor"),
        (services.batch["id"], "Azure Batch Data Contributor"),
        (services.insights["id"], "Monitoring Metrics Publisher"),
        (services.images["id"], "AcrPull"),
        (site.subnet("vmsubnet"), "Network Contributor"),
        (site.subnet("batchsubnet"), "Network Contributor"),
        (routes, "Network Contributor"),
        (identity["id"], "Managed Identity Operator"),
        (nodes["id"], "Managed Identity Operator"),
        (zone["id"], "Private DNS Zone Contributor"),
        (keys.disks["id"], "Reader"),
    ):
        yield role_assignment(scope, role, _principal(identity))
    yield role_assignment(services.storage["id"], "Storage Blob Data Contributor", _principal(nodes))
    for principal in (_principal(keys.identity), keys.disks["identity"]["principalId"]):
        yield role_assignment(keys.vault["id"], "Key Vault Crypto Service Encryption User", principal)
    subscription = f"/subscriptions/{site.subscription}"
    for owner in ("platform", "break-glass"):
        yield role_assignment(subscription, "Owner", guid(owner, subscription), "User")


def locks(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield a lock for each of ``documents`` that must not be deleted by mistake."""
    for document in documents:
        if document["type"].lower() in _LOCKED:
            yield lock(document["id"], "keep", "Ask the platform team before this is deleted.")


def _principal(identity: Document) -> str:
    return str(identity["properties"]["principalId"])
