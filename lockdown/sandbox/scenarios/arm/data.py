"""Where data and secrets are kept, beside storage accounts: databases, key vaults.

Each builder writes what the provider returns for a resource made with no network options at all; the keywords add to
it. An option that the provider leaves out of an answer is left out here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from lockdown.sandbox import defaults, parameters
from lockdown.sandbox.scenarios.arm.envelope import Group, child, copied, resource
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document


def key_vault(
    group: Group, name: str, tenant: str, *, connections: Sequence[dict[str, Any]] = (), **properties: object
) -> Document:
    """Return a standard vault; ``properties`` are added to what the provider returns by default."""
    body: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "sku": {"family": "A", "name": "standard"},
        "tenantId": tenant,
        **copied(defaults.VAULT),
        "vaultUri": f"https://{name}.vault.azure.net/",
        **properties,
    }
    if connections:
        body["privateEndpointConnections"] = list(connections)
    return resource(group.resource("Microsoft.KeyVault/vaults", name), body, location=group.location)


def postgres_server(
    group: Group,
    name: str,
    network: dict[str, Any],
    *,
    version: str = "16",
    connections: Sequence[dict[str, Any]] = (),
    **properties: object,
) -> Document:
    """Return a PostgreSQL flexible server as Cromwell on Azure sizes it.

    Args:
        group: where it goes.
        name: its name.
        network: ``delegatedSubnetResourceId`` and ``privateDnsZoneArmResourceId``, or ``publicNetworkAccess``.
        version: PostgreSQL's major version.
        connections: private endpoint connections (never with a delegated subnet).
        properties: further properties, such as ``authConfig``.
    """
    body: dict[str, Any] = {
        "administratorLogin": "coa_admin",
        "version": version,
        "state": "Ready",
        "fullyQualifiedDomainName": f"{name}.postgres.database.azure.com",
        **copied(defaults.POSTGRES),
        "storage": {**defaults.POSTGRES["storage"], "tier": "P10"},
        "network": dict(network),
        **properties,
    }
    if connections:
        body["privateEndpointConnections"] = list(connections)
    resource_id = group.resource("Microsoft.DBforPostgreSQL/flexibleServers", name)
    sku = {"name": "Standard_B2s", "tier": "Burstable"}
    return resource(resource_id, body, location=group.location, sku=sku)


def postgres_database(server: Document, name: str) -> Document:
    """Return a database of a PostgreSQL flexible server."""
    return child(server, "databases", name, defaults.DATABASE)


def postgres_parameters(server: Document) -> Iterator[Document]:
    """Yield the parameters of a PostgreSQL server, as Azure makes them."""
    for name in parameters.POSTGRES:
        yield child(server, "configurations", name, parameters.postgres(name))


def mysql_server(
    group: Group, name: str, network: dict[str, Any], *, connections: Sequence[dict[str, Any]] = ()
) -> Document:
    """Return a MySQL flexible server; ``network`` is as for PostgreSQL, its zone under ``privateDnsZoneResourceId``."""
    body = {
        "administratorLogin": "admin_user",
        "version": "8.0.21",
        "state": "Ready",
        "fullyQualifiedDomainName": f"{name}.mysql.database.azure.com",
        "storage": {"storageSizeGB": 64, "iops": 492, "autoGrow": "Enabled"},
        "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled"},
        "network": dict(network),
        "highAvailability": {"mode": "Disabled", "state": "NotEnabled"},
        "privateEndpointConnections": list(connections),
        "replicationRole": "None",
    }
    resource_id = group.resource("Microsoft.DBforMySQL/flexibleServers", name)
    sku = {"name": "Standard_D2ds_v4", "tier": "GeneralPurpose"}
    return resource(resource_id, body, location=group.location, sku=sku)


def mysql_parameters(server: Document) -> Iterator[Document]:
    """Yield the parameters of a MySQL server that say how it is reached, as Azure makes them."""
    for name in ("require_secure_transport", "tls_version"):
        yield child(server, "configurations", name, parameters.mysql(name))


def cosmos_account(
    group: Group, name: str, *, connections: Sequence[dict[str, Any]] = (), **properties: object
) -> Document:
    """Return a Cosmos DB account for SQL; ``properties`` are added to what the provider returns by default."""
    resource_id = group.resource("Microsoft.DocumentDB/databaseAccounts", name)
    body = {
        "provisioningState": "Succeeded",
        "documentEndpoint": f"https://{name}.documents.azure.com:443/",
        "instanceId": guid(resource_id),
        "databaseAccountOfferType": "Standard",
        "consistencyPolicy": {"defaultConsistencyLevel": "Session"},
        "capabilities": [],
        "ipRules": [],
        "isVirtualNetworkFilterEnabled": False,
        "virtualNetworkRules": [],
        "privateEndpointConnections": list(connections),
        "disableLocalAuth": True,
        "minimalTlsVersion": "Tls12",
        "backupPolicy": {
            "type": "Periodic",
            "periodicModeProperties": {
                "backupIntervalInMinutes": 240,
                "backupRetentionIntervalInHours": 8,
                "backupStorageRedundancy": "Geo",
            },
        },
        **properties,
    }
    return resource(resource_id, body, location=group.location, kind="GlobalDocumentDB")
