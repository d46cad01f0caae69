"""What services have of which nobody said anything: one for what is made by PUT and for what is written by hand."""

from collections.abc import Mapping
from typing import Any

Defaults = Mapping[str, Any]

BATCH: Defaults = {"poolAllocationMode": "BatchService", "encryption": {"keySource": "Microsoft.Batch"}}
"""A Batch account, beside its quotas."""

COMPONENT: Defaults = {
    "Application_Type": "web",
    "Flow_Type": "Bluefield",
    "Request_Source": "rest",
    "RetentionInDays": 90,
    "IngestionMode": "LogAnalytics",
}
"""An Application Insights component."""

CONTAINER: Defaults = {
    "publicAccess": "None",
    "leaseStatus": "Unlocked",
    "leaseState": "Available",
    "hasImmutabilityPolicy": False,
    "hasLegalHold": False,
    "defaultEncryptionScope": "$account-encryption-key",
    "denyEncryptionScopeOverride": False,
}
"""A blob container."""

DATABASE: Defaults = {"charset": "UTF8", "collation": "en_US.utf8"}
"""A database of a PostgreSQL server."""

REGISTRY: Defaults = {
    "adminUserEnabled": False,
    "anonymousPullEnabled": False,
    "dataEndpointEnabled": False,
    "encryption": {"status": "disabled"},
    "policies": {"quarantinePolicy": {"status": "disabled"}, "exportPolicy": {"status": "enabled"}},
    "zoneRedundancy": "Disabled",
}
"""A container registry, beside who reaches it."""

POSTGRES: Defaults = {
    "storage": {"storageSizeGB": 128, "autoGrow": "Disabled", "type": "Premium_LRS"},
    "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled"},
    "highAvailability": {"mode": "Disabled", "state": "NotEnabled"},
    "authConfig": {"activeDirectoryAuth": "Disabled", "passwordAuth": "Enabled"},
    "dataEncryption": {"type": "SystemManaged"},
    "replicationRole": "Primary",
}
"""A PostgreSQL flexible server."""

VAULT: Defaults = {
    "accessPolicies": [],
    "enabledForDeployment": False,
    "enableSoftDelete": True,
    "softDeleteRetentionInDays": 90,
}
"""A key vault."""

WORKSPACE: Defaults = {
    "sku": {"name": "PerGB2018"},
    "retentionInDays": 30,
    "workspaceCapping": {"dailyQuotaGb": -1.0, "dataIngestionStatus": "RespectQuota"},
}
"""A Log Analytics workspace, beside who reaches it."""

FEATURES: Defaults = {"legacy": 0, "searchVersion": 1, "enableLogAccessUsingOnlyResourcePermissions": True}
"""The features of a workspace for which nobody asked for any."""
