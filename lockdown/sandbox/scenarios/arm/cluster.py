"""Kubernetes clusters (AKS) and their node pools."""

from collections.abc import Sequence
from typing import Any

from lockdown.sandbox.scenarios.arm.envelope import Group, reference, resource
from lockdown.sandbox.scenarios.arm.platform import holds_identity
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document

VERSION = "1.33"
"""The minor version of every cluster."""


def kubernetes_versions(subscription: str, location: str) -> Document:
    """Return the versions that AKS offers in a region; the oldest only with long-term support."""
    versions: list[dict[str, Any]] = [
        {
            "version": f"1.{minor}",
            "isPreview": None,
            "isDefault": True if f"1.{minor}" == VERSION else None,
            "capabilities": {"supportPlan": list(plans)},
            "patchVersions": {f"1.{minor}.{patch}": {"upgrades": []} for patch in (4, 5)},
        }
        for minor, plans in ((31, _PLANS[1:]), (32, _PLANS), (33, _PLANS), (34, _PLANS))
    ]
    resource_id = (
        f"/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}"
        "/kubernetesVersions/default"
    )
    return resource(resource_id, {"values": versions}, location=None)


_PLANS = ("KubernetesOfficial", "AKSLongTermSupport")


def kubelet(identity: Document) -> dict[str, Any]:
    """Return the identity profile of a cluster whose nodes act as ``identity``."""
    ids = {"clientId": identity["properties"]["clientId"], "objectId": identity["properties"]["principalId"]}
    return {"kubeletidentity": {"resourceId": identity["id"], **ids}}


def managed_cluster(
    group: Group,
    name: str,
    node_group: Group,
    pools: Sequence[dict[str, Any]],
    *,
    tenant: str,
    identity: Document | None = None,
    **properties: object,
) -> Document:
    """Return a private AKS cluster; AKS writes ``resourcegroups`` in its own id.

    Args:
        group: where it goes.
        name: its name.
        node_group: the resource group of its nodes.
        pools: from ``agent_pool``.
        tenant: the Entra tenant's id.
        identity: the user-assigned identity that it and its nodes run as; none means its own.
        properties: networkProfile, apiServerAccessProfile and whatever else differs.
    """
    resource_id = group.resource("Microsoft.ContainerService/managedClusters", name)
    body = {
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
        "kubernetesVersion": VERSION,
        "currentKubernetesVersion": f"{VERSION}.5",
        "dnsPrefix": name,
        "agentPoolProfiles": list(pools),
        "servicePrincipalProfile": {"clientId": "msi"},
        "nodeResourceGroup": node_group.name,
        "enableRBAC": True,
        "maxAgentPools": 100,
        "publicNetworkAccess": "Disabled",
        "oidcIssuerProfile": {"enabled": True, "issuerURL": issuer(group, tenant, resource_id)},
        **properties,
    }
    held: dict[str, Any] = {"type": "SystemAssigned", "principalId": guid("principal", resource_id)}
    if identity is not None:
        held = holds_identity(identity)
        body["identityProfile"] = kubelet(identity)
    written = resource_id.replace("/resourceGroups/", "/resourcegroups/")
    sku = {"name": "Base", "tier": "Free"}
    return resource(written, body, location=group.location, sku=sku, kind="Base", identity=held)


def issuer(group: Group, tenant: str, cluster_id: str) -> str:
    """Return the OpenID issuer of a cluster."""
    return f"https://{group.location}.oic.prod-aks.azure.com/{tenant}/{guid('issuer', cluster_id)}/"


def agent_pool(name: str, subnet_id: str, *, count: int = 2, **properties: object) -> dict[str, Any]:
    """Return a node pool to embed in a cluster; ``properties`` are added, such as ``enableNodePublicIP``."""
    return {
        "name": name,
        "count": count,
        "vmSize": "Standard_D3_v2",
        "osDiskSizeGB": 128,
        "osType": "Linux",
        "osSKU": "AzureLinux",
        "mode": "System",
        "type": "VirtualMachineScaleSets",
        "maxPods": 30,
        "orchestratorVersion": VERSION,
        "currentOrchestratorVersion": f"{VERSION}.5",
        "vnetSubnetID": subnet_id,
        "enableNodePublicIP": False,
        "enableEncryptionAtHost": True,
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
        **properties,
    }


def outbound_profile(outbound_type: str, **profile: object) -> dict[str, Any]:
    """Return the network profile of a cluster as Cromwell on Azure makes it."""
    return {
        "networkPlugin": "azure",
        "networkPolicy": "azure",
        "networkDataplane": "azure",
        "serviceCidr": "10.1.4.0/22",
        "dnsServiceIP": "10.1.4.10",
        "outboundType": outbound_type,
        "loadBalancerSku": "standard",
        **profile,
    }


def effective_outbound(address_ids: Sequence[str]) -> dict[str, Any]:
    """Return the load balancer profile of a cluster that leaves through these public addresses."""
    return {
        "managedOutboundIPs": {"count": len(address_ids)},
        "effectiveOutboundIPs": [reference(address) for address in address_ids],
    }
