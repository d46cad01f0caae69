"""The tables of Azure Resource Graph and their columns.

Source: Microsoft Learn, "Azure Resource Graph table and resource type reference", and the column order of recorded
responses. ``armresources`` is lockdown's own: what Resource Graph does not hold, read from Azure Resource Manager.
"""

from __future__ import annotations

ARM_TABLE = "armresources"
READS = "lockdown/reads"
"""The type of the rows of ``armresources`` that tell what was read of which resource, and what could not be."""

DYNAMIC = frozenset({"sku", "plan", "properties", "tags", "identity", "zones", "extendedLocation"})
LOWERED = frozenset({"type", "resourceGroup", "location"})

COLUMNS: tuple[str, ...] = (
    "id",
    "name",
    "type",
    "tenantId",
    "kind",
    "location",
    "resourceGroup",
    "subscriptionId",
    "managedBy",
    "sku",
    "plan",
    "properties",
    "tags",
    "identity",
    "zones",
    "extendedLocation",
    "apiVersion",
)

TABLES = frozenset(
    {
        "advisorresources",
        "aksresources",
        "alertsmanagementresources",
        "appserviceresources",
        "armresources",
        "authorizationresources",
        "awsresources",
        "azurebusinesscontinuityresources",
        "batchresources",
        "chaosresources",
        "communitygalleryresources",
        "computeresources",
        "deploymentresources",
        "desktopvirtualizationresources",
        "dnsresources",
        "edgeorderresources",
        "elasticsanresources",
        "extendedlocationresources",
        "featureresources",
        "guestconfigurationresources",
        "healthresourcechanges",
        "healthresources",
        "insightsresources",
        "iotsecurityresources",
        "kubernetesconfigurationresources",
        "kustoresources",
        "maintenanceresources",
        "managedservicesresources",
        "networkresourcechanges",
        "networkresources",
        "orbitalresources",
        "patchassessmentresources",
        "patchinstallationresources",
        "policyresources",
        "quotaresources",
        "recoveryservicesresources",
        "resourcechanges",
        "resourcecontainerchanges",
        "resourcecontainers",
        "resources",
        "securityresources",
        "servicefabricresources",
        "servicehealthresources",
        "spotresources",
    }
)
