"""The services of ``coa-private``: where data is kept, what runs the work, what watches it."""

from collections.abc import Iterator
from dataclasses import dataclass

from lockdown.sandbox.scenarios.arm.platform import (
    app_insights,
    batch_account,
    holds_identity,
    private_link_scope,
    registry,
    scoped_by,
    scoped_resource,
    task_pool,
    workspace,
)
from lockdown.sandbox.scenarios.arm.private_link import service_connection
from lockdown.sandbox.scenarios.arm.storage import CLOSED_RULES, CONTAINERS, storage_account, storage_services
from lockdown.sandbox.scenarios.coa_private_keys import Keys
from lockdown.sandbox.scenarios.coa_private_links import Links, log_account
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.site import Site

_CLOSED = {
    "publicNetworkAccess": "Disabled",
    "allowBlobPublicAccess": False,
    "allowCrossTenantReplication": False,
    "allowedCopyScope": "PrivateLink",
    "defaultToOAuthAuthentication": True,
    "isLocalUserEnabled": False,
    "isSftpEnabled": False,
    "minimumTlsVersion": "TLS1_2",
    "sasPolicy": {"sasExpirationPeriod": "07.00:00:00", "expirationAction": "Log"},
    "keyPolicy": {"keyExpirationPeriodInDays": 90},
}
_KEPT = {
    "deleteRetentionPolicy": {"allowPermanentDelete": False, "enabled": True, "days": 30},
    "containerDeleteRetentionPolicy": {"enabled": True, "days": 30},
    "isVersioningEnabled": True,
}
_SIX_YEARS = 2192
_LOG_CONTAINERS = ("insights-activity-logs", "insights-logs-flowlogflowevent")


@dataclass(frozen=True)
class Services:
    """The services that others name."""

    storage: Document
    logs: Document
    batch: Document
    images: Document
    workspace: Document
    insights: Document
    scope: Document

    def documents(self, site: Site, nodes: Document) -> Iterator[Document]:
        """Yield each with what stands in it; ``nodes`` is the identity that tasks run as."""
        yield self.storage
        yield from storage_services(self.storage, CONTAINERS, blob=_KEPT)
        yield self.logs
        locked = {"immutableStorageWithVersioning": {"enabled": True, "timeStamp": None, "migrationState": None}}
        yield from storage_services(self.logs, _LOG_CONTAINERS, blob=_KEPT, container=locked)
        yield self.batch
        yield task_pool(self.batch, f"TES-{guid(site.scenario, 'pool')}", site.subnet("batchsubnet"), nodes)
        yield self.images
        yield self.workspace
        yield self.insights
        yield self.scope
        yield scoped_resource(self.scope["id"], self.workspace["id"], "workspace")
        yield scoped_resource(self.scope["id"], self.insights["id"], "component")


def services_of(site: Site, links: Links, keys: Keys, nodes: Document) -> Services:
    """Return the services; Batch nodes reach their storage as ``nodes``."""
    scope = private_link_scope(site.group, f"{site.base}-ampls", [service_connection(links.monitor)])
    logs = workspace(
        site.group,
        site.base,
        "Disabled",
        retentionInDays=730,
        features={"enableLogAccessUsingOnlyResourcePermissions": True, "disableLocalAuth": True},
        privateLinkScopedResources=scoped_by(scope["id"]),
    )
    account = _account(site, links, keys)
    return Services(
        account,
        _log_account(site, links, keys),
        _batch(site, links, keys, account, nodes),
        _registry(site, links, keys),
        logs,
        _insights(site, logs, scope),
        scope,
    )


def _account(site: Site, links: Links, keys: Keys) -> Document:
    return storage_account(
        site.group,
        site.base,
        connections=[service_connection(links.blob)],
        rules=CLOSED_RULES,
        redundancy="Standard_GRS",
        identity=keys.held(),
        encryption=keys.of_storage(),
        allowSharedKeyAccess=True,
        **_CLOSED,
    )


def _log_account(site: Site, links: Links, keys: Keys) -> Document:
    """Return the account that logs are kept in: nobody has a key, nobody deletes, and Azure Monitor is let through."""
    immutable = {
        "enabled": True,
        "immutabilityPolicy": {
            "immutabilityPeriodSinceCreationInDays": _SIX_YEARS,
            "state": "Locked",
            "allowProtectedAppendWrites": True,
        },
    }
    return storage_account(
        site.group,
        log_account(site),
        connections=[service_connection(links.logs)],
        rules=CLOSED_RULES | {"bypass": "AzureServices"},
        redundancy="Standard_GRS",
        identity=keys.held(),
        encryption=keys.of_storage(),
        allowSharedKeyAccess=False,
        immutableStorageWithVersioning=immutable,
        **_CLOSED,
    )


def _batch(site: Site, links: Links, keys: Keys, account: Document, nodes: Document) -> Document:
    held = holds_identity(nodes)
    held["userAssignedIdentities"] |= keys.held()["userAssignedIdentities"]
    return batch_account(
        site.group,
        site.base,
        connections=[
            service_connection(links.batch_account, groupIds=["batchAccount"]),
            service_connection(links.node_management, groupIds=["nodeManagement"]),
        ],
        identity=held,
        publicNetworkAccess="Disabled",
        allowedAuthenticationModes=["AAD", "TaskAuthenticationToken"],
        autoStorage={
            "storageAccountId": account["id"],
            "authenticationMode": "BatchAccountManagedIdentity",
            "nodeIdentityReference": {"resourceId": nodes["id"]},
            "lastKeySync": "2026-03-02T09:20:11.0831702Z",
        },
        encryption=keys.of_batch(),
    )


def _registry(site: Site, links: Links, keys: Keys) -> Document:
    return registry(
        site.group,
        site.base,
        "Premium",
        connections=[service_connection(links.registry)],
        identity=keys.held(),
        publicNetworkAccess="Disabled",
        networkRuleSet={"defaultAction": "Deny", "ipRules": []},
        networkRuleBypassOptions="None",
        networkRuleBypassAllowedForTasks=False,
        dataEndpointEnabled=True,
        dataEndpointHostNames=[f"{site.base}.{site.group.location}.data.azurecr.io"],
        encryption=keys.of_registry(),
        policies={"quarantinePolicy": {"status": "disabled"}, "exportPolicy": {"status": "disabled"}},
    )


def _insights(site: Site, logs: Document, scope: Document) -> Document:
    memberships = [{"ResourceId": item["resourceId"], "ScopeId": item["scopeId"]} for item in scoped_by(scope["id"])]
    return app_insights(
        site.group,
        site.base,
        "Disabled",
        logs["id"],
        DisableLocalAuth=True,
        PrivateLinkScopedResources=memberships,
    )
