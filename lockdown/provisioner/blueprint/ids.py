"""The ids of the services: what stands at their scopes (roles, diagnostic settings) is named before they exist."""

from __future__ import annotations

import re

from lockdown.provisioner.site import Site


def identity(site: Site) -> str:
    """Return the id of what the cluster, Cromwell and TES run as."""
    return site.environment.bring.identity or _identity(site, "identity")


def nodes_identity(site: Site) -> str:
    """Return the id of what tasks on Batch nodes run as."""
    return _identity(site, "tasks")


def workload_identity(site: Site) -> str:
    """Return the id of what Cromwell, TES and TriggerService run as, where lockdown brings them in."""
    return _account_identity(site, "workload")


def setup_identity(site: Site) -> str:
    """Return the id of what makes the users of the database."""
    return _account_identity(site, "setup")


def keys_identity(site: Site) -> str:
    """Return the id of what services fetch their keys as."""
    return _identity(site, "keys")


def vault(site: Site) -> str:
    """Return the id of the key vault."""
    return site.in_group("Microsoft.KeyVault/vaults", f"{site.base}-kv")


def disks(site: Site) -> str:
    """Return the id of the disk encryption set."""
    return site.in_group("Microsoft.Compute/diskEncryptionSets", f"{site.base}-disks")


def storage(site: Site) -> str:
    """Return the id of the storage account of Cromwell on Azure."""
    return site.in_group("Microsoft.Storage/storageAccounts", site.base)


def logs(site: Site) -> str:
    """Return the id of the storage account that logs are kept in."""
    return site.in_group("Microsoft.Storage/storageAccounts", f"{site.base}logs")


def registry(site: Site) -> str:
    """Return the id of the container registry."""
    return site.environment.bring.registry or site.in_group("Microsoft.ContainerRegistry/registries", site.base)


def database(site: Site) -> str:
    """Return the id of the PostgreSQL server."""
    return site.in_group("Microsoft.DBforPostgreSQL/flexibleServers", f"{site.base}-pg")


def batch(site: Site) -> str:
    """Return the id of the Batch account."""
    return site.in_group("Microsoft.Batch/batchAccounts", site.base)


def workspace(site: Site) -> str:
    """Return the id of the Log Analytics workspace."""
    return site.environment.bring.workspace or site.in_group("Microsoft.OperationalInsights/workspaces", site.base)


def insights(site: Site) -> str:
    """Return the id of the Application Insights component; its provider writes its own name in lower case."""
    return site.in_group("microsoft.insights/components", site.base)


def monitor_scope(site: Site) -> str:
    """Return the id of the private link scope of Azure Monitor."""
    return site.in_group("microsoft.insights/privateLinkScopes", f"{site.base}-ampls")


def cluster(site: Site) -> str:
    """Return the id of the AKS cluster."""
    return site.in_group("Microsoft.ContainerService/managedClusters", site.base)


def _identity(site: Site, name: str) -> str:
    # An identity's name has no dots and no parentheses, as that of a group may.
    group = re.sub("[.()]", "-", site.environment.resource_group)
    return site.in_group("Microsoft.ManagedIdentity/userAssignedIdentities", f"{group}-{name}")


def _account_identity(site: Site, name: str) -> str:
    # Its service account has its name, and Kubernetes knows fewer characters.
    group = re.sub("[^a-z0-9-]", "-", site.environment.resource_group.lower()).strip("-")
    return site.in_group("Microsoft.ManagedIdentity/userAssignedIdentities", f"{group}-{name}")
