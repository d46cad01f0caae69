"""The AKS cluster, private: its API has no public name, its nodes no public address, and nobody a local account."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.containerservice.models import (
    AgentPoolSecurityProfile,
    ContainerServiceNetworkProfile,
    ManagedCluster,
    ManagedClusterAADProfile,
    ManagedClusterAddonProfile,
    ManagedClusterAgentPoolProfile,
    ManagedClusterAPIServerAccessProfile,
    ManagedClusterAutoUpgradeProfile,
    ManagedClusterIdentity,
    ManagedClusterOIDCIssuerProfile,
    ManagedClusterProperties,
    ManagedClusterSecurityProfile,
    ManagedClusterSecurityProfileDefender,
    ManagedClusterSecurityProfileDefenderSecurityMonitoring,
    ManagedClusterSecurityProfileWorkloadIdentity,
    ManagedClusterSKU,
    ManagedClusterStorageProfile,
    ManagedClusterStorageProfileBlobCSIDriver,
    ManagedServiceIdentityUserAssignedIdentitiesValue,
    UserAssignedIdentity,
)

from lockdown.provisioner.blueprint import access, edge, ids, network, zones
from lockdown.provisioner.environment import Egress, Workload
from lockdown.provisioner.graph import Resource, Step, Window, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

API_VERSION = "2026-08-01"
"""Of Microsoft.ContainerService: azure-mgmt-containerservice's."""

_DNS_ADDRESS = 10
_DISK_GB = 128
_PODS_PER_NODE = 30
_RUN_COMMAND = "properties.apiServerAccessProfile.disableRunCommand"
_API = "properties.apiServerAccessProfile"
_POOL = "properties.agentPoolProfiles"
_FIXED = frozenset(
    {
        *("location", "properties.dnsPrefix", "properties.diskEncryptionSetID", "properties.enableRBAC"),
        *(f"{_API}.enablePrivateCluster", f"{_API}.privateDNSZone"),
        *(f"properties.networkProfile.{name}" for name in ("networkPlugin", "serviceCidr", "dnsServiceIP")),
        *(f"{_POOL}.{name}" for name in ("vmSize", "vnetSubnetID", "osType", "osDiskSizeGB", "maxPods", "type")),
        *(f"{_POOL}.{name}" for name in ("enableNodePublicIP", "enableEncryptionAtHost")),
    }
)


def steps(site: Site) -> Iterator[Step]:
    """Yield the cluster, made once with everything that it needs: two writes would leave it weaker in between."""
    identity = reference("identity")
    held = {ids.identity(site): ManagedServiceIdentityUserAssignedIdentitiesValue()}
    kubelet = UserAssignedIdentity(
        resource_id=identity,
        client_id=reference("identity", "properties.clientId"),
        object_id=reference("identity", "properties.principalId"),
    )
    own_key = site.environment.keys.customer_managed
    cluster = ManagedCluster(
        location=site.location,
        tags=site.tags,
        sku=ManagedClusterSKU(name="Base", tier="Free"),
        identity=ManagedClusterIdentity(type="UserAssigned", user_assigned_identities=held),
        properties=ManagedClusterProperties(
            kubernetes_version=_minor(site.environment.cluster.version),
            dns_prefix=site.base,
            enable_rbac=True,
            disable_local_accounts=True,
            public_network_access="Disabled",
            identity_profile={"kubeletidentity": kubelet},
            agent_pool_profiles=[_pool(site)],
            network_profile=_network(site),
            api_server_access_profile=ManagedClusterAPIServerAccessProfile(
                enable_private_cluster=True,
                enable_private_cluster_public_fqdn=False,
                private_dns_zone=reference(f"zone/{zones.cluster(site)}"),
                disable_run_command=True,
            ),
            aad_profile=ManagedClusterAADProfile(
                managed=True,
                enable_azure_rbac=True,
                admin_group_object_i_ds=list(site.environment.cluster.administrators),
                tenant_id=site.tenant,
            ),
            oidc_issuer_profile=ManagedClusterOIDCIssuerProfile(enabled=True),
            addon_profiles=_addons(),
            security_profile=_security(),
            storage_profile=ManagedClusterStorageProfile(
                blob_csi_driver=ManagedClusterStorageProfileBlobCSIDriver(enabled=True)
            ),
            auto_upgrade_profile=ManagedClusterAutoUpgradeProfile(
                upgrade_channel="patch", node_os_upgrade_channel="NodeImage"
            ),
            disk_encryption_set_id=reference("disks") if own_key else None,
        ),
    )
    nodes = site.environment.cluster
    yield Resource(
        "cluster",
        "cluster",
        ids.cluster(site),
        API_VERSION,
        wire(cluster),
        needs=tuple(_needs(site)),
        seconds=600,
        # Further pools are their owner's; an audit judges them.
        kept=frozenset({_POOL}),
        cost=f"{nodes.node_count} nodes {nodes.node_size} by the hour",
        fixed=_FIXED,
        windows=(_run_command(site),),
    )


def _run_command(site: Site) -> Window:
    """Return the way into the cluster. Without a workload nothing needs it, and one that is found open is closed."""
    needed_by = ("workload",) if site.environment.workload is not Workload.NONE else ()
    return Window(_RUN_COMMAND, opened=False, closed=True, needed_by=needed_by, why="commands run in the cluster")


def _minor(version: str | None) -> str | None:
    """Return the minor version: which patch of it runs is the upgrade channel's."""
    return version and ".".join(version.split(".")[:2])


def _pool(site: Site) -> ManagedClusterAgentPoolProfile:
    wanted = site.environment.cluster
    return ManagedClusterAgentPoolProfile(
        name="nodepool1",
        mode="System",
        type="VirtualMachineScaleSets",
        count=wanted.node_count,
        vm_size=wanted.node_size,
        os_type="Linux",
        os_sku="AzureLinux",
        os_disk_size_gb=_DISK_GB,
        max_pods=_PODS_PER_NODE,
        vnet_subnet_id=f"{reference('network')}/subnets/vmsubnet",
        enable_node_public_ip=False,
        enable_encryption_at_host=True,
        security_profile=AgentPoolSecurityProfile(enable_vtpm=False, enable_secure_boot=False, ssh_access="Disabled"),
    )


def _network(site: Site) -> ContainerServiceNetworkProfile:
    wanted = site.environment.network
    by_gateway = wanted.egress is Egress.NAT
    return ContainerServiceNetworkProfile(
        network_plugin="azure",
        network_policy="azure",
        network_dataplane="azure",
        service_cidr=str(wanted.service_range),
        dns_service_ip=str(wanted.service_range.network_address + _DNS_ADDRESS),
        outbound_type="userAssignedNATGateway" if by_gateway else "userDefinedRouting",
        load_balancer_sku="standard",
    )


def _addons() -> dict[str, ManagedClusterAddonProfile]:
    logs = {"logAnalyticsWorkspaceResourceID": reference("workspace"), "useAADAuth": "true"}
    return {
        "azurepolicy": ManagedClusterAddonProfile(enabled=True),
        "omsagent": ManagedClusterAddonProfile(enabled=True, config=logs),
    }


def _security() -> ManagedClusterSecurityProfile:
    return ManagedClusterSecurityProfile(
        workload_identity=ManagedClusterSecurityProfileWorkloadIdentity(enabled=True),
        defender=ManagedClusterSecurityProfileDefender(
            log_analytics_workspace_resource_id=reference("workspace"),
            security_monitoring=ManagedClusterSecurityProfileDefenderSecurityMonitoring(enabled=True),
        ),
    )


def _needs(site: Site) -> Iterator[str]:
    """Yield what AKS checks when a cluster is made, and what its nodes must find when they start."""
    yield from ("group", "providers/Microsoft.ContainerService", "providers/Microsoft.OperationsManagement")
    yield from ("providers/Microsoft.PolicyInsights", "feature/encryption-at-host/propagated")
    yield from access.before_cluster(site)
    yield from (step.key for step in zones.steps(site) if step.key.startswith(f"zone-link/{zones.cluster(site)}/"))
    yield from (step.key for step in edge.steps(site))
    yield from (step.key for step in network.steps(site))
