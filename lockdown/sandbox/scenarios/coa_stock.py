"""``coa-stock``: Cromwell on Azure 6.0.0 as its own deployer leaves it after a private-networking install.

The virtual network and the jumpbox that ran the deployer are there first; storage, Batch, registry and key vault are
made by the deployer, with a key vault because it also ran in its cross-subscription mode. Private networking there
means a private cluster and an injected database; everything else stays reachable from the Internet.
"""

from collections.abc import Iterator, Mapping

from lockdown.sandbox.scenarios.arm.cluster import effective_outbound, outbound_profile
from lockdown.sandbox.scenarios.arm.compute import disk, virtual_machine
from lockdown.sandbox.scenarios.arm.data import key_vault
from lockdown.sandbox.scenarios.arm.defender import MORE_THAN_ONE_OWNER
from lockdown.sandbox.scenarios.arm.edge import public_frontend
from lockdown.sandbox.scenarios.arm.envelope import child, reference
from lockdown.sandbox.scenarios.arm.network import (
    interface,
    public_address,
    subnet,
    subnets_of,
    virtual_network,
)
from lockdown.sandbox.scenarios.arm.platform import (
    app_insights,
    batch_account,
    registry,
    user_identity,
    workspace,
)
from lockdown.sandbox.scenarios.arm.private_link import (
    Link,
    Member,
    a_record,
    endpoint_interface,
    private_endpoint,
    records,
    service_connection,
    zone,
    zone_link,
)
from lockdown.sandbox.scenarios.arm.security_groups import security_group, security_rule
from lockdown.sandbox.scenarios.arm.storage import CONTAINERS, storage_account, storage_services
from lockdown.sandbox.scenarios.arm.watch import TABLES, workspace_tables
from lockdown.sandbox.scenarios.coa_stock_access import access
from lockdown.sandbox.scenarios.config import lockdown_yaml
from lockdown.sandbox.scenarios.given import given
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document, Scenario
from lockdown.sandbox.scenarios.site import NETWORK, Site, cluster, database_server, nodes, pod_credential, server_api

OPTIONS: Mapping[str, str] = {}

_OPEN_DISK = {"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}
"""What a disk is made with when nobody says otherwise: whoever gets a link exports it from anywhere."""

_ENDPOINTS = ("Microsoft.Storage.Global", "Microsoft.Sql", "Microsoft.ContainerRegistry", "Microsoft.KeyVault")


def build(tenant: str, options: Mapping[str, str]) -> Scenario:  # noqa: ARG001  # every scenario is built alike
    """Return the scenario."""
    site = Site("coa-stock", tenant)
    return Scenario(
        ((site.subscription, "Genomics, as deployed"),),
        tuple(_documents(site)),
        lockdown_yaml([site.subscription], virtual_networks=[site.network_id]),
    )


def _documents(site: Site) -> Iterator[Document]:
    identity = user_identity(site.group, f"{site.group.name}-identity", site.tenant)
    logs = workspace(site.group, site.base, "Enabled")
    services = _services(site, logs)
    yield from given(site, unhealthy=[MORE_THAN_ONE_OWNER])
    yield from _network(site)
    yield from _jumpbox(site)
    yield site.group.document()
    yield identity
    yield logs
    yield from workspace_tables(logs, TABLES, interactive=30, total=30)
    yield from services.values()
    yield from storage_services(services["storage"], CONTAINERS)
    yield from _vault(site, identity)
    yield from _database(site)
    yield from _cluster(site, identity, logs)
    yield from access(site, identity, services)


def _network(site: Site) -> Iterator[Document]:
    yield site.network_group.document()
    network = virtual_network(
        site.network_group,
        NETWORK,
        ["10.1.0.0/16"],
        [
            subnet(site.network_id, "vmsubnet", "10.1.0.0/24"),
            subnet(
                site.network_id,
                "sqlsubnet",
                "10.1.1.0/24",
                delegation="Microsoft.DBforPostgreSQL/flexibleServers",
                service_endpoints=["Microsoft.Storage"],
            ),
            subnet(site.network_id, "batchsubnet", "10.1.128.0/17", service_endpoints=_ENDPOINTS),
        ],
    )
    yield network
    yield from subnets_of(network)


def _jumpbox(site: Site) -> Iterator[Document]:
    group = site.network_group
    machine = group.resource("Microsoft.Compute/virtualMachines", "jumpbox")
    rules = [
        security_rule("default-allow-ssh", 1000, "Inbound", "Allow", port="22", protocol="Tcp"),
        security_rule("open-port-22", 900, "Inbound", "Allow", port="22"),
    ]
    guard = security_group(group, "jumpboxNSG", rules)
    address_id = group.resource("Microsoft.Network/publicIPAddresses", "jumpboxPublicIP")
    card = interface(
        group,
        "jumpboxVMNic",
        site.subnet("vmsubnet"),
        "10.1.0.36",
        machine=machine,
        security_group_id=guard["id"],
        publicIPAddress=reference(address_id),
    )
    configuration = card["properties"]["ipConfigurations"][0]["id"]
    storage = disk(group, "jumpbox_OsDisk_1", 30, attached_to=machine, os_type="Linux", **_OPEN_DISK)
    yield guard
    yield public_address(group, "jumpboxPublicIP", "203.0.113.22", ipConfiguration=reference(configuration))
    yield card
    yield storage
    yield virtual_machine(group, "jumpbox", card["id"], storage["id"])


def _services(site: Site, logs: Document) -> dict[str, Document]:
    account = storage_account(
        site.group,
        site.base,
        allowSharedKeyAccess=True,
        minimumTlsVersion="TLS1_0",
        allowBlobPublicAccess=False,
        allowCrossTenantReplication=False,
    )
    batch = batch_account(
        site.group,
        site.base,
        publicNetworkAccess="Enabled",
        allowedAuthenticationModes=["SharedKey", "AAD", "TaskAuthenticationToken"],
        autoStorage={
            "storageAccountId": account["id"],
            "authenticationMode": "StorageKeys",
            "lastKeySync": "2026-03-02T09:20:11.0831702Z",
        },
    )
    images = registry(
        site.group, site.base, "Standard", publicNetworkAccess="Enabled", networkRuleBypassOptions="AzureServices"
    )
    insights = app_insights(site.group, site.base, "Enabled", logs["id"])
    return {"storage": account, "batch": batch, "insights": insights, "registry": images}


def _vault(site: Site, identity: Document) -> Iterator[Document]:
    name = f"{site.base}-kv"
    target = site.group.resource("Microsoft.KeyVault/vaults", name)
    private = zone(site.group, "privatelink.vaultcore.azure.net", records=1)
    member = Member("default", f"{name}.vault.azure.net", "10.1.0.37", private["name"], name)
    link = Link(site.group, "pe-keyvault", target, "vault", site.subnet("vmsubnet"), (member,))
    policy = {
        "tenantId": site.tenant,
        "objectId": identity["properties"]["principalId"],
        "permissions": {"secrets": ["Get", "List", "Set", "Delete", "Backup", "Restore", "Recover", "Purge"]},
    }
    vault = key_vault(
        site.group,
        name,
        site.tenant,
        connections=[service_connection(link)],
        networkAcls={"bypass": "AzureServices", "defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": []},
        accessPolicies=[policy],
        enableRbacAuthorization=False,
    )
    yield vault
    yield child(vault, "secrets", "CoAStorageKey", {"attributes": {"enabled": True}, "contentType": ""})
    yield private
    yield zone_link(private, "kv-link", site.network_id)
    yield private_endpoint(link, names_managed=False)
    yield endpoint_interface(link)
    yield a_record(private, name, ["10.1.0.37"])


def _database(site: Site) -> Iterator[Document]:
    private = zone(site.group, "privatelink.postgres.database.azure.com", records=1)
    yield private
    yield zone_link(private, f"{site.base}-pg-link", site.network_id)
    yield a_record(private, f"{site.base}-pg", ["10.1.1.4"], creator=f"created by server {site.base}-pg")
    yield from database_server(site, private, version="14")


def _cluster(site: Site, identity: Document, logs: Document) -> Iterator[Document]:
    private = zone(site.node_group, f"{guid(site.scenario, 'zone')}.privatelink.eastus.azmk8s.io", records=1)
    api = server_api(site, private["name"], "10.1.0.4")
    address_name = guid(site.scenario, "egress")
    address_id = site.node_group.resource("Microsoft.Network/publicIPAddresses", address_name)
    addon = {"enabled": True, "config": {"logAnalyticsWorkspaceResourceID": logs["id"]}}
    yield cluster(
        site,
        identity,
        api,
        outbound_profile("loadBalancer", loadBalancerProfile=effective_outbound([address_id])),
        apiServerAccessProfile={
            "enablePrivateCluster": True,
            "privateDNSZone": "system",
            "enablePrivateClusterPublicFQDN": False,
        },
        addonProfiles={"omsagent": addon},
        aadProfile={"managed": True, "enableAzureRBAC": True, "adminGroupObjectIDs": [], "tenantID": site.tenant},
        disableLocalAccounts=False,
        securityProfile={"workloadIdentity": {"enabled": True}},
    )
    yield pod_credential(site, identity)
    balancer = site.load_balancer_id
    configuration = f"{balancer}/frontendIPConfigurations/{address_name}"
    yield from nodes(
        site,
        api,
        public_frontend(address_id),
        balancer="kubernetes",
        frontend_name=address_name,
        pool="aksOutboundBackendPool",
        ports=(),
        volume=_OPEN_DISK,
    )
    yield public_address(site.node_group, address_name, "203.0.113.44", ipConfiguration=reference(configuration))
    yield private
    yield zone_link(private, f"{site.base}-link", site.network_id)
    yield from records(api, [private], creator="created by AKS")
