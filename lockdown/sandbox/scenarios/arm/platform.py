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


def task_pool(account: Document, name: str, subnet_id: str, identity: Document) -> Document:
    """Return a pool as TES makes it for one task, without a public address: its node runs as ``identity``."""
    machine = {
        "imageReference": {
            "publisher": "microsoft-dsvm",
            "offer": "ubuntu-hpc",
            "sku": "2204",
            "version": "latest",
        },
        "nodeAgentSkuId": "batch.node.ubuntu 22.04",
        "diskEncryptionConfiguration": {"targets": ["OsDisk", "TemporaryDisk"]},
        "containerConfiguration": {"type": "DockerCompatible", "containerImageNames": [], "containerRegistries": []},
    }
    body = {
        "provisioningState": "Succeeded",
        "provisioningStateTransitionTime": CREATED,
        "creationTime": CREATED,
        "lastModified": CREATED,
        "allocationState": "Steady",
        "allocationStateTransitionTime": CREATED,
        "vmSize": "STANDARD_D2S_V3",
        "currentDedicatedNodes": 0,
        "currentLowPriorityNodes": 1,
        "interNodeCommunication": "Disabled",
        "taskSlotsPerNode": 1,
        "taskSchedulingPolicy": {"nodeFillType": "Spread"},
        "deploymentConfiguration": {"virtualMachineConfiguration": machine},
        "networkConfiguration": {
            "subnetId": subnet_id,
            "publicIPAddressConfiguration": {"provision": "NoPublicIPAddresses"},
            "dynamicVnetAssignmentScope": "none",
            "enableAcceleratedNetworking": False,
        },
        "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 0, "targetLowPriorityNodes": 1}},
    }
    pool = child(account, "pools", name, body)
    return pool | {"identity": holds_identity(identity)}


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


def private_link_scope(group: Group, name: str, connections: Sequence[dict[str, Any]]) -> Document:
    """Return an Azure Monitor private link scope that admits nothing from outside."""
    body = {
        "provisioningState": "Succeeded",
        "accessModeSettings": {
            "ingestionAccessMode": "PrivateOnly",
            "queryAccessMode": "PrivateOnly",
            "exclusions": [],
        },
        "privateEndpointConnections": list(connections),
    }
    return resource(group.resource("microsoft.insights/privateLinkScopes", name), body, location="global")


def scoped_resource(scope_id: str, target_id: str, name: str) -> Document:
    """Return the membership of a workspace or component in a private link scope."""
    body = {"provisioningState": "Succeeded", "linkedResourceId": target_id}
    return resource(f"{scope_id}/scopedResources/{name}", body, location=None)


def scoped_by(scope_id: str) -> list[dict[str, str]]:
    """Return what a workspace says of the private link scope that it is a member of."""
    return [{"resourceId": scope_id, "scopeId": guid("scope", scope_id)}]
