"""The private endpoints of ``coa-private``: what each leads to, its addresses, and the zones of their names."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from lockdown.sandbox.scenarios.arm.private_link import Link, Member, zone, zone_link
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.site import NETWORK, Site

_BLOB = "privatelink.blob.core.windows.net"
_BATCH = "privatelink.batch.azure.com"
_REGISTRY = "privatelink.azurecr.io"
_VAULT = "privatelink.vaultcore.azure.net"
_MONITOR = "privatelink.monitor.azure.com"
_OMS = "privatelink.oms.opinsights.azure.com"
_ODS = "privatelink.ods.opinsights.azure.com"
_AGENT = "privatelink.agentsvc.azure-automation.net"
_CLUSTER = "privatelink.eastus.azmk8s.io"
_DATABASE = "privatelink.postgres.database.azure.com"


@dataclass(frozen=True)
class Links:
    """Every endpoint that the environment's owner makes; AKS makes its own."""

    blob: Link
    logs: Link
    batch_account: Link
    node_management: Link
    registry: Link
    vault: Link
    monitor: Link

    def all(self) -> Iterator[Link]:
        """Yield them in the order in which they are made."""
        for entry in fields(self):
            yield getattr(self, entry.name)


def links_of(site: Site) -> Links:
    """Return the endpoints; their addresses follow each other in the endpoints' subnet."""
    base, region = site.base, site.group.location
    node = f"{guid('node', base)}.{region}.service"
    return Links(
        blob=_link(
            site,
            "blob",
            "Microsoft.Storage/storageAccounts",
            base,
            Member("blob", f"{base}.blob.core.windows.net", _address(4), _BLOB, base),
        ),
        logs=_link(
            site,
            "blob",
            "Microsoft.Storage/storageAccounts",
            log_account(site),
            Member("blob", f"{log_account(site)}.blob.core.windows.net", _address(20), _BLOB, log_account(site)),
            name="pe-blob-logs",
        ),
        batch_account=_link(
            site,
            "batchAccount",
            "Microsoft.Batch/batchAccounts",
            base,
            Member("batchAccount", f"{base}.{region}.batch.azure.com", _address(5), _BATCH, f"{base}.{region}"),
        ),
        node_management=_link(
            site,
            "nodeManagement",
            "Microsoft.Batch/batchAccounts",
            base,
            Member("nodeManagement", f"{node}.batch.azure.com", _address(6), _BATCH, node),
        ),
        registry=_link(
            site,
            "registry",
            "Microsoft.ContainerRegistry/registries",
            base,
            Member(
                f"registry_data_{region}",
                f"{base}.{region}.data.azurecr.io",
                _address(7),
                _REGISTRY,
                f"{base}.{region}.data",
            ),
            Member("registry", f"{base}.azurecr.io", _address(8), _REGISTRY, base),
        ),
        vault=_link(
            site,
            "vault",
            "Microsoft.KeyVault/vaults",
            f"{base}-kv",
            Member("default", f"{base}-kv.vault.azure.net", _address(9), _VAULT, f"{base}-kv"),
        ),
        monitor=_link(site, "azuremonitor", "microsoft.insights/privateLinkScopes", f"{base}-ampls", *_monitored(site)),
    )


def zone_documents(site: Site, links: Links) -> Iterator[Document]:
    """Yield every zone of the environment, each followed by its link to the virtual network."""
    held = [member.zone for link in links.all() for member in link.members] + [_CLUSTER, _DATABASE]
    for name in dict.fromkeys(held):
        document = zone(site.network_group, name, records=held.count(name))
        yield document
        yield zone_link(document, f"to-{NETWORK}", site.network_id)


def log_account(site: Site) -> str:
    """Return the name of the storage account that logs are kept in."""
    return f"{site.base}logs"


def _link(site: Site, group_id: str, resource_type: str, target_name: str, *members: Member, name: str = "") -> Link:
    target = site.group.resource(resource_type, target_name)
    made = name or f"pe-{group_id.lower()}"
    return Link(site.network_group, made, target, group_id, site.subnet("pesubnet"), members)


def _monitored(site: Site) -> Iterator[Member]:
    """Yield the addresses of an Azure Monitor private link scope: shared names, and those of its one workspace."""
    logs = guid("workspace", site.group.resource("Microsoft.OperationalInsights/workspaces", site.base))
    names = (
        ("api", "api.monitor.azure.com", _MONITOR, "api"),
        ("global.handler.control", "global.handler.control.monitor.azure.com", _MONITOR, "global.handler.control"),
        ("global.in.ai", "global.in.ai.monitor.azure.com", _MONITOR, "global.in.ai"),
        ("live", "live.monitor.azure.com", _MONITOR, "live"),
        ("profiler", "profiler.monitor.azure.com", _MONITOR, "profiler"),
        ("snapshot", "snapshot.monitor.azure.com", _MONITOR, "snapshot"),
        ("oms", f"{logs}.oms.opinsights.azure.com", _OMS, logs),
        ("ods", f"{logs}.ods.opinsights.azure.com", _ODS, logs),
        ("agentsvc", f"{logs}.agentsvc.azure-automation.net", _AGENT, logs),
        ("scadvisorcontentpl", "scadvisorcontentpl.blob.core.windows.net", _BLOB, "scadvisorcontentpl"),
    )
    for number, (member, fqdn, zone_name, record) in enumerate(names):
        yield Member(member, fqdn, _address(10 + number), zone_name, record)


def _address(number: int) -> str:
    return f"10.1.3.{number}"
