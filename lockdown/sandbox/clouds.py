"""The clouds that a sandbox can be like, and what the public names of their services end with.

Source: the suffixes in the ``/metadata/endpoints`` answers of Azure and of Azure Government.
"""

from collections.abc import Mapping

from lockdown.errors import UsageError

NAMES: Mapping[str, str] = {
    "public": "public",
    "us-government": "us-government",
    "azurecloud": "public",
    "azureusgovernment": "us-government",
}
"""What a cloud may be called, in lower case, to the word that stands for it here."""

SUFFIXES: Mapping[str, Mapping[str, str]] = {
    "public": {
        "acrLoginServer": "azurecr.io",
        "attestationEndpoint": "attest.azure.net",
        "keyVaultDns": "vault.azure.net",
        "mhsmDns": "managedhsm.azure.net",
        "mysqlServerEndpoint": "mysql.database.azure.com",
        "postgresqlServerEndpoint": "postgres.database.azure.com",
        "sqlServerHostname": "database.windows.net",
        "storage": "core.windows.net",
        "storageSyncEndpointSuffix": "afs.azure.net",
        "synapseAnalytics": "dev.azuresynapse.net",
    },
    "us-government": {
        "acrLoginServer": "azurecr.us",
        "keyVaultDns": "vault.usgovcloudapi.net",
        "mhsmDns": "managedhsm.usgovcloudapi.net",
        "mysqlServerEndpoint": "mysql.database.usgovcloudapi.net",
        "postgresqlServerEndpoint": "postgres.database.usgovcloudapi.net",
        "sqlServerHostname": "database.usgovcloudapi.net",
        "storage": "core.usgovcloudapi.net",
        "storageSyncEndpointSuffix": "afs.azure.us",
        "synapseAnalytics": "dev.azuresynapse.usgovcloudapi.net",
    },
}
"""Cloud to the suffixes that its metadata tell."""

BATCH: Mapping[str, str] = {"public": "batch.azure.com", "us-government": "batch.usgovcloudapi.net"}
"""Cloud to what the names of Batch accounts end with, of which metadata say nothing."""


def resolve(name: str) -> str:
    """Return the word for a cloud.

    Raises:
        UsageError: there is no such cloud here.
    """
    found = NAMES.get(name.lower())
    if found is None:
        raise UsageError(f"A sandbox cannot be like {name!r}.", "Choose AzureCloud or AzureUSGovernment.")
    return found
