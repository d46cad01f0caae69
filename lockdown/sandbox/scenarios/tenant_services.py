"""The units of ``tenant`` that hold data: a service, closed, with its private endpoints. One function for each unit."""

from collections.abc import Iterator

from lockdown.sandbox.scenarios.arm.data import (
    cosmos_account,
    key_vault,
    mysql_parameters,
    mysql_server,
    postgres_parameters,
    postgres_server,
)
from lockdown.sandbox.scenarios.arm.envelope import reference
from lockdown.sandbox.scenarios.arm.platform import app_insights, batch_account, registry, workspace
from lockdown.sandbox.scenarios.arm.private_link import Link, service_connection, zone, zone_link
from lockdown.sandbox.scenarios.arm.storage import CLOSED_RULES, storage_account
from lockdown.sandbox.scenarios.arm.watch import workspace_tables
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.tenant_place import FOREIGN, Place, endpoint_of


def storage(place: Place) -> Iterator[Document]:
    """Yield an account that may be open, or lack its endpoint for blobs."""
    return _account(place, place.name("st"))


def lake(place: Place) -> Iterator[Document]:
    """Yield an account whose endpoint for queues may be at fault, or that a stranger's endpoint may reach."""
    return _account(place, place.name("lake"))


def _account(place: Place, name: str) -> Iterator[Document]:
    target = place.group.resource("Microsoft.Storage/storageAccounts", name)
    blob_group = "file" if "storage-pe-blob" in place.faults else "blob"
    blob = place.link(target, blob_group, f"{name}.{blob_group}.core.windows.net", 0)
    away = "pe-target-in-boundary" in place.faults
    queue_target = f"{FOREIGN}/providers/Microsoft.Storage/storageAccounts/elsewhere" if away else target
    status = place.link_status("pe-state-approved")
    queue = place.link(queue_target, "queue", f"{name}.queue.core.windows.net", 1, status=status)
    if away:
        queue = Link(place.group, f"pe-{name}-queue", queue_target, "queue", queue.subnet, queue.members, status)
    connections = [service_connection(link) for link in (blob, queue) if link.target == target]
    if "service-no-foreign-pe" in place.faults:
        stranger = service_connection(place.link(target, "dfs", f"{name}.dfs.core.windows.net", 2))
        stranger["properties"]["privateEndpoint"] = reference(
            f"{FOREIGN}/providers/Microsoft.Network/privateEndpoints/unknown"
        )
        connections.append(stranger)
    yield storage_account(
        place.group,
        name,
        connections=connections,
        rules=CLOSED_RULES,
        allowBlobPublicAccess=False,
        minimumTlsVersion="TLS1_2",
        **place.access("storage-pna-disabled"),
    )
    yield from endpoint_of(blob)
    yield from endpoint_of(queue)


def vault(place: Place) -> Iterator[Document]:
    """Yield a key vault with its endpoint; its provider writes ``disabled`` in both casings."""
    name = place.name("kv")
    target = place.group.resource("Microsoft.KeyVault/vaults", name)
    link = place.link(target, "vault", f"{name}.vault.azure.net", 0, status=place.link_status("kv-pe-vault"))
    access = place.access("kv-pna-disabled", opened=("Enabled", "enabled", ...))
    if access == {"publicNetworkAccess": "Disabled"} and place.ordinal % 2:
        access = {"publicNetworkAccess": "disabled"}
    yield key_vault(
        place.group,
        name,
        place.tenant,
        connections=[service_connection(link)],
        networkAcls=CLOSED_RULES,
        enableRbacAuthorization=True,
        enablePurgeProtection=True,
        **access,
    )
    yield from endpoint_of(link)


def batch(place: Place) -> Iterator[Document]:
    """Yield a Batch account with the endpoints of its API and of its nodes."""
    name, region = place.name("batch"), place.group.location
    target = place.group.resource("Microsoft.Batch/batchAccounts", name)
    links = [
        place.link(target, group_id, f"{name}.{region}.{host}", number, status=place.link_status(fault))
        for number, (group_id, host, fault) in enumerate(
            (
                ("batchAccount", "batch.azure.com", "batch-pe-account"),
                ("nodeManagement", "service.batch.azure.com", "batch-pe-nodemanagement"),
            )
        )
    ]
    yield batch_account(
        place.group,
        name,
        connections=[service_connection(link, groupIds=[link.group_id]) for link in links],
        allowedAuthenticationModes=["AAD"],
        **place.access("batch-pna-disabled"),
    )
    for link in links:
        yield from endpoint_of(link)


def container_registry(place: Place) -> Iterator[Document]:
    """Yield a Premium registry with its endpoint."""
    name = place.name("cr")
    target = place.group.resource("Microsoft.ContainerRegistry/registries", name)
    link = place.link(target, "registry", f"{name}.azurecr.io", 0, status=place.link_status("acr-pe-registry"))
    yield registry(
        place.group,
        name,
        "Premium",
        connections=[service_connection(link)],
        networkRuleSet={"defaultAction": "Deny", "ipRules": []},
        networkRuleBypassOptions="None",
        **place.access("acr-pna-disabled"),
    )
    yield from endpoint_of(link)


def cosmos(place: Place) -> Iterator[Document]:
    """Yield a Cosmos DB account with its endpoint."""
    name = place.name("cosmos")
    target = place.group.resource("Microsoft.DocumentDB/databaseAccounts", name)
    link = place.link(target, "Sql", f"{name}.documents.azure.com", 0, status=place.link_status("cosmos-pe-sql"))
    connection = service_connection(link, groupId="Sql")
    yield cosmos_account(place.group, name, connections=[connection], **place.access("cosmos-pna-disabled"))
    yield from endpoint_of(link)


def postgres(place: Place) -> Iterator[Document]:
    """Yield a PostgreSQL server that is reached by an endpoint."""
    name = place.name("pg")
    target = place.group.resource("Microsoft.DBforPostgreSQL/flexibleServers", name)
    status = place.link_status("pg-private-path")
    link = place.link(target, "postgresqlServer", f"{name}.postgres.database.azure.com", 0, status=status)
    connection = service_connection(link, groupIds=["postgresqlServer"])
    server = postgres_server(place.group, name, place.access("pg-pna-disabled"), connections=[connection])
    yield server
    yield from endpoint_of(link)
    yield from postgres_parameters(server)


def postgres_injected(place: Place) -> Iterator[Document]:
    """Yield a PostgreSQL server in a subnet of its own, which passes without any endpoint; its zone, and the link."""
    private = zone(place.group, "privatelink.postgres.database.azure.com")
    network = {"delegatedSubnetResourceId": place.subnet("databases"), "privateDnsZoneArmResourceId": private["id"]}
    yield private
    yield zone_link(private, "to-vnet", place.network_id)
    server = postgres_server(place.group, place.name("pgin"), network)
    yield server
    yield from postgres_parameters(server)


def mysql(place: Place) -> Iterator[Document]:
    """Yield a MySQL server that is reached by an endpoint."""
    name = place.name("my")
    target = place.group.resource("Microsoft.DBforMySQL/flexibleServers", name)
    status = place.link_status("mysql-private-path")
    link = place.link(target, "mysqlServer", f"{name}.mysql.database.azure.com", 0, status=status)
    connection = service_connection(link)
    server = mysql_server(place.group, name, place.access("mysql-pna-disabled"), connections=[connection])
    yield server
    yield from endpoint_of(link)
    yield from mysql_parameters(server)


def monitor(place: Place) -> Iterator[Document]:
    """Yield a workspace and a component; a fault opens one of the two ways in, or leaves it unsaid."""
    logs = workspace(place.group, place.name("log"), "Disabled")
    telemetry = app_insights(place.group, place.name("appi"), "Disabled", logs["id"])
    for document, fault in ((logs, "law-pna-disabled"), (telemetry, "appi-pna-disabled")):
        if fault in place.faults:
            way = ("publicNetworkAccessForIngestion", "publicNetworkAccessForQuery")[place.ordinal % 2]
            document["properties"][way] = "Enabled"
            if place.ordinal % 3 == 0:
                del document["properties"][way]
        yield document
    yield from workspace_tables(logs, ("AKSAudit", "AzureActivity", "StorageBlobLogs"), interactive=30, total=30)
