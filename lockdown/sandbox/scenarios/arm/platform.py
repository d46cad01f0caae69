"""What runs the work and watches it: Batch, the registry, identities, Azure Monitor."""

from collections.abc import Mapping, Sequence
from typing import Any

from lockdown.sandbox import defaults
from lockdown.sandbox.scenarios.arm.envelope import CREATED, Group, child, copied, resource
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document


def batch_account(
    group: Group,
    name: str,
    *,
    connections: Sequence[dict[str, Any]] = (),
    identity: Mapping[str, Any] | None = None,
    **properties: object,
) -> Document:
    """Return a Batch account in BatchService mode; ``properties`` are added, such as ``autoStorage``."""
    body: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "accountEndpoint": f"{name}.{group.location}.batch.azure.com",
        "nodeManagementEndpoint": f"{guid('node', name)}.{group.location}.service.batch.azure.com",
        "dedicatedCoreQuota": 500,
        "lowPriorityCoreQuota": 500,
        "poolQuota": 100,
        "activeJobAndJobScheduleQuota": 300,
        **copied(defaults.BATCH),
        **properties,
    }
    if connections:
        body["privateEndpointConnections"] = list(connections)
    resource_id = group.resource("Microsoft.Batch/batchAccounts", name)
    return resource(resource_id, body, location=group.location, identity=dict(identity or {"type": "None"}))


def registry(
    group: Group,
    name: str,
    tier: str,
    *,
    connections: Sequence[dict[str, Any]] = (),
    identity: Mapping[str, Any] | None = None,
    **properties: object,
) -> Document:
    """Return a container registry of this tier (Basic, Standard or Premium); ``properties`` are added."""
    body = {
        "provisioningState": "Succeeded",
        "loginServer": f"{name}.azurecr.io",
        "creationDate": CREATED,
        **copied(defaults.REGISTRY),
        "dataEndpointHostNames": [],
        "privateEndpointConnections": list(connections),
        **properties,
    }
    resource_id = group.resource("Microsoft.ContainerRegistry/registries", name)
    held = {} if identity is None else {"identity": dict(identity)}
    return resource(resource_id, body, location=group.location, sku={"name": tier, "tier": tier}, **held)


def user_identity(group: Group, name: str, tenant: str) -> Document:
    """Return a user-assigned managed identity."""
    resource_id = group.resource("Microsoft.ManagedIdentity/userAssignedIdentities", name)
    body = {
        "tenantId": tenant,
        "principalId": guid("principal", resource_id),
        "clientId": guid("client", resource_id),
    }
    return resource(resource_id, body, location=group.location)


def holds_identity(identity: Document) -> dict[str, Any]:
    """Return the ``identity`` of a resource that runs as ``identity``."""
    ids = {key: identity["properties"][key] for key in ("principalId", "clientId")}
    return {"type": "UserAssigned", "userAssignedIdentities": {identity["id"]: ids}}


def federated_credential(identity: Document, name: str, issuer: str, subject: str) -> Document:
    """Return the credential that lets a Kubernetes service account act as ``identity``."""
    body = {"issuer": issuer, "subject": subject, "audiences": ["api://AzureADTokenExchange"]}
    return child(identity, "federatedIdentityCredentials", name, body)


def workspace(group: Group, name: str, access: str, **properties: object) -> Document:
    """Return a Log Analytics workspace; ``access`` (Enabled or Disabled) is for ingestion and query alike."""
    resource_id = group.resource("Microsoft.OperationalInsights/workspaces", name)
    body = {
        "provisioningState": "Succeeded",
        "customerId": guid("workspace", resource_id),
        **copied(defaults.WORKSPACE),
        "sku": {**defaults.WORKSPACE["sku"], "lastSkuUpdate": CREATED},
        "features": copied(defaults.FEATURES),
        "publicNetworkAccessForIngestion": access,
        "publicNetworkAccessForQuery": access,
        "createdDate": CREATED,
        **properties,
    }
    return resource(resource_id, body, location=group.location)


def app_insights(group: Group, name: str, access: str, workspace_id: str, **properties: object) -> Document:
    """Return an Application Insights component; its provider writes its own name in lower case."""
    resource_id = group.resource("microsoft.insights/components", name)
    body = {
        "provisioningState": "Succeeded",
        "ApplicationId": name,
        "AppId": guid("application", resource_id),
        **copied(defaults.COMPONENT),
        "CreationDate": CREATED,
        "TenantId": group.subscription,
        "WorkspaceResourceId": workspace_id,
        "publicNetworkAccessForIngestion": access,
        "publicNetworkAccessForQuery": access,
        "Ver": "v2",
        **properties,
    }
    return resource(resource_id, body, location=group.location, kind="web")
