"""What private endpoints can lead to: the group ids of each service, and the names behind each address.

Source: Microsoft Learn, "Azure Private Endpoint private DNS zone values", and what the services answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from lockdown.sandbox.resource_id import normal_location
from lockdown.sandbox.state import Document, State

_STORAGE = ("blob", "dfs", "file", "queue", "table", "web")
_SCOPED = "microsoft.insights/privatelinkscopes/scopedresources"
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "microsoft.storage/storageaccounts": (*_STORAGE, *(f"{group}_secondary" for group in _STORAGE)),
    "microsoft.keyvault/vaults": ("vault",),
    "microsoft.containerregistry/registries": ("registry",),
    "microsoft.batch/batchaccounts": ("batchAccount", "nodeManagement"),
    "microsoft.dbforpostgresql/flexibleservers": ("postgresqlServer",),
    "microsoft.dbformysql/flexibleservers": ("mysqlServer",),
    "microsoft.containerservice/managedclusters": ("management",),
    "microsoft.insights/privatelinkscopes": ("azuremonitor",),
}
_PUBLIC: Mapping[str, str] = {
    "storage": "core.windows.net",
    "vault": "vault.azure.net",
    "registry": "azurecr.io",
    "batch": "batch.azure.com",
    "postgresqlserver": "postgres.database.azure.com",
    "mysqlserver": "mysql.database.azure.com",
    "sql": "documents.azure.com",
    "monitor": "monitor.azure.com",
    "insights": "opinsights.azure.com",
    "agents": "agentsvc.azure-automation.net",
}
_GOVERNMENT: Mapping[str, str] = {
    "storage": "core.usgovcloudapi.net",
    "vault": "vault.usgovcloudapi.net",
    "registry": "azurecr.us",
    "batch": "batch.usgovcloudapi.net",
    "postgresqlserver": "postgres.database.usgovcloudapi.net",
    "mysqlserver": "mysql.database.usgovcloudapi.net",
    "sql": "documents.azure.us",
    "monitor": "monitor.azure.us",
    "insights": "opinsights.azure.us",
    "agents": "agentsvc.azure-automation.us",
}
_MONITOR = ("api", "global.handler.control", "global.in.ai", "live", "profiler", "snapshot")
"""The names that all Azure Monitor private link scopes share."""


@dataclass(frozen=True)
class Member:
    """One address of a private endpoint.

    Attributes:
        group: the group id.
        name: the member of the group.
        fqdns: the names that resolve to the address.
        address: the one that was asked for, or ''.
    """

    group: str
    name: str
    fqdns: tuple[str, ...]
    address: str = ""


def groups_of(resource_type: str) -> tuple[str, ...]:
    """Return the group ids of a service; none for a type that nothing is known of."""
    return _GROUPS.get(resource_type.lower(), ())


def members(state: State, service: Document, group: str, region: str) -> Iterator[Member]:
    """Yield what an endpoint to a group of a service gets an address for each; ``region`` is the endpoint's."""
    name = str(service.get("name", ""))
    location = normal_location(str(service.get("location", "")))
    suffixes = _GOVERNMENT if normal_location(region).startswith("usgov") else _PUBLIC
    plain = group.lower().removesuffix("_secondary")
    if plain == "registry":
        data = f"{name}.{location}.data.{suffixes[plain]}"
        yield Member(group, f"registry_data_{location}", (data,))
        yield Member(group, group, (f"{name}.{suffixes[plain]}",))
    elif plain == "azuremonitor":
        yield from _monitored(state, service, group, suffixes)
    elif plain in _STORAGE:
        account = f"{name}-secondary" if plain != group.lower() else name
        yield Member(group, group, (f"{account}.{plain}.{suffixes['storage']}",))
    elif plain == "vault":
        yield Member(group, "default", (f"{name}.{suffixes[plain]}",))
    elif plain == "batchaccount":
        yield Member(group, group, (f"{name}.{location}.{suffixes['batch']}",))
    elif plain == "nodemanagement":
        yield Member(group, group, (_node_management(service, location, suffixes),))
    else:
        yield Member(group, group, (f"{name}.{suffixes[plain]}",) if plain in suffixes else ())


def _node_management(account: Document, location: str, suffixes: Mapping[str, str]) -> str:
    shown = (account.get("properties") or {}).get("nodeManagementEndpoint")
    made = f"{uuid5(NAMESPACE_URL, str(account.get('id', '')).lower())}.{location}.service.{suffixes['batch']}"
    return str(shown or made)


def _monitored(state: State, scope: Document, group: str, suffixes: Mapping[str, str]) -> Iterator[Member]:
    for name in _MONITOR:
        yield Member(group, name, (f"{name}.{suffixes['monitor']}",))
    for workspace in _workspaces(state, scope):
        yield Member(group, "oms", (f"{workspace}.oms.{suffixes['insights']}",))
        yield Member(group, "ods", (f"{workspace}.ods.{suffixes['insights']}",))
        yield Member(group, "agentsvc", (f"{workspace}.{suffixes['agents']}",))
    yield Member(group, "scadvisorcontentpl", (f"scadvisorcontentpl.blob.{suffixes['storage']}",))


def _workspaces(state: State, scope: Document) -> Iterator[str]:
    for child in state.below(str(scope["id"])):
        if str(child.get("type", "")).lower() != _SCOPED:
            continue
        linked = state.get(str((child.get("properties") or {}).get("linkedResourceId", "")))
        customer = ((linked or {}).get("properties") or {}).get("customerId")
        if customer:
            yield str(customer)


def record_name(fqdn: str, zone: str) -> str:
    """Return the name of the record that a public name has in a private zone, or '' if it is not of that zone."""
    suffix = "." + zone.lower().removeprefix("privatelink.").replace("vaultcore.", "vault.")
    return fqdn[: -len(suffix)] if fqdn.lower().endswith(suffix) else ""
