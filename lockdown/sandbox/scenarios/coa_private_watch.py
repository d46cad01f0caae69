"""What is recorded of ``coa-private``, how long it is kept, and who is told."""

from collections.abc import Iterator

from lockdown.sandbox.scenarios.arm.defender import images, security_contact
from lockdown.sandbox.scenarios.arm.watch import (
    ACTIVITY,
    TABLES,
    action_group,
    activity_alert,
    diagnostic_setting,
    flow_log,
    workspace_tables,
)
from lockdown.sandbox.scenarios.coa_private_services import Services
from lockdown.sandbox.scenarios.given import watcher_of
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.site import NETWORK, Site

BOUGHT = (
    "VirtualMachines",
    "StorageAccounts",
    "KeyVaults",
    "Arm",
    "OpenSourceRelationalDatabases",
    "Containers",
    "CloudPosture",
)
"""The plans of Defender that are paid for: those of services that the environment has."""

_CONTACT = "security@genomics.example"
_STORAGE = ("StorageRead", "StorageWrite", "StorageDelete")
_CATEGORIES = {
    "microsoft.batch/batchaccounts": ("ServiceLog", "ServiceLogs", "AuditLog"),
    "microsoft.containerregistry/registries": ("ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"),
    "microsoft.containerservice/managedclusters": (
        "kube-apiserver",
        "kube-audit",
        "kube-audit-admin",
        "kube-controller-manager",
        "guard",
    ),
    "microsoft.dbforpostgresql/flexibleservers": ("PostgreSQLLogs", "PostgreSQLFlexSessions"),
    "microsoft.keyvault/vaults": ("AuditEvent", "AzurePolicyEvaluationDetails"),
    "microsoft.network/azurefirewalls": ("AZFWApplicationRule", "AZFWNetworkRule", "AZFWThreatIntel"),
    "microsoft.operationalinsights/workspaces": ("Audit",),
}
_SEVEN_YEARS = 2556
_CHANGED = (
    "Microsoft.Authorization/locks",
    "Microsoft.Authorization/policyAssignments",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.KeyVault/vaults",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/networkSecurityGroups/securityRules",
    "Microsoft.Network/publicIPAddresses",
    "Microsoft.Network/routeTables",
    "Microsoft.Network/routeTables/routes",
    "Microsoft.Security/policies",
    "Microsoft.Security/securitySolutions",
)


def flow_log_id(site: Site) -> str:
    """Return the id of the flow log of the virtual network."""
    return f"{watcher_of(site)['id']}/flowLogs/{NETWORK}"


def recorded(site: Site, services: Services, others: list[Document]) -> Iterator[Document]:
    """Yield what is recorded.

    Args:
        site: the environment.
        services: its services.
        others: further resources whose logs are kept.
    """
    subscription = f"/subscriptions/{site.subscription}"
    logs, kept = services.workspace, services.logs["id"]
    yield diagnostic_setting(subscription, "activity-log", logs["id"], ACTIVITY, storage_id=kept)
    for account in (services.storage, services.logs):
        for service in ("blobServices", "fileServices", "queueServices", "tableServices"):
            yield diagnostic_setting(f"{account['id']}/{service}/default", "to-the-workspace", logs["id"], _STORAGE)
    for document in (services.batch, services.images, services.workspace, *others):
        categories = _CATEGORIES[document["type"].lower()]
        yield diagnostic_setting(document["id"], "to-the-workspace", logs["id"], categories)
    yield flow_log(watcher_of(site), NETWORK, site.network_id, kept, logs)
    yield from workspace_tables(logs, TABLES, interactive=730, total=_SEVEN_YEARS)


def told(site: Site, services: Services) -> Iterator[Document]:
    """Yield who is told of what, and what Defender found in the images: nothing."""
    group = action_group(site.group, "security", _CONTACT)
    yield group
    for changed in _CHANGED:
        for verb in ("write", "delete"):
            yield activity_alert(site.group, f"{changed}/{verb}", group["id"])
    yield security_contact(site.subscription, _CONTACT)
    yield images(services.images["id"])
