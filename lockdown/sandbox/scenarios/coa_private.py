"""``coa-private``: the environment of ``coa-stock``, built as an infosec reviewer wants it.

Every service is closed and reached through an approved private endpoint with its own zone; the only public address
belongs to the firewall that everything leaves through; the cluster's nodes have none, and no jumpbox is left.
"""

from collections.abc import Iterator, Mapping

from lockdown.sandbox.scenarios.arm.cluster import outbound_profile
from lockdown.sandbox.scenarios.arm.data import CLOSED_RULES, blob_containers, key_vault, storage_account
from lockdown.sandbox.scenarios.arm.edge import private_frontend
from lockdown.sandbox.scenarios.arm.platform import (
    app_insights,
    batch_account,
    private_link_scope,
    registry,
    scoped_by,
    scoped_resource,
    user_identity,
    workspace,
)
from lockdown.sandbox.scenarios.arm.private_link import (
    a_record,
    endpoint_interface,
    private_endpoint,
    records,
    service_connection,
    zone_group,
)
from lockdown.sandbox.scenarios.coa_private_links import Links, links_of, zone_documents
from lockdown.sandbox.scenarios.coa_private_network import EGRESS_ADDRESS, network_documents
from lockdown.sandbox.scenarios.config import lockdown_yaml
from lockdown.sandbox.scenarios.scenario import Document, Scenario
from lockdown.sandbox.scenarios.site import Site, cluster, database_server, nodes, pod_credential, server_api

OPTIONS: Mapping[str, str] = {}


def build(tenant: str, options: Mapping[str, str]) -> Scenario:  # noqa: ARG001  # every scenario is built alike
    """Return the scenario."""
    site = Site("coa-private", tenant)
    config = lockdown_yaml(
        [site.subscription], virtual_networks=[site.network_id], egress_addresses=[f"{EGRESS_ADDRESS}/32"]
    )
    return Scenario(((site.subscription, "Genomics, locked down"),), tuple(_documents(site)), config)


def _documents(site: Site) -> Iterator[Document]:
    links = links_of(site)
    identity = user_identity(site.group, f"{site.group.name}-identity", site.tenant)
    zones = {document["name"]: document for document in zone_documents(site, links)}
    yield from network_documents(site)
    yield from zone_documents(site, links)
    yield site.group.document()
    yield identity
    yield from _data(site, links)
    yield from _work(site, links)
    yield from _monitoring(site, links)
    yield from _endpoints(links, zones)
    database_zone = zones["privatelink.postgres.database.azure.com"]
    yield a_record(database_zone, f"{site.base}-pg", ["10.1.1.4"], creator=f"created by server {site.base}-pg")
    yield from database_server(site, database_zone, version="16", publicNetworkAccess="Disabled")
    yield from _cluster(site, identity, zones["privatelink.eastus.azmk8s.io"])


def _data(site: Site, links: Links) -> Iterator[Document]:
    account = storage_account(
        site.group,
        site.base,
        connections=[service_connection(links.blob)],
        rules=CLOSED_RULES,
        publicNetworkAccess="Disabled",
        allowBlobPublicAccess=False,
        allowCrossTenantReplication=False,
        allowSharedKeyAccess=True,
        isLocalUserEnabled=False,
        isSftpEnabled=False,
        minimumTlsVersion="TLS1_2",
    )
    account["properties"]["encryption"]["requireInfrastructureEncryption"] = True
    yield account
    yield from blob_containers(account)
    yield key_vault(
        site.group,
        f"{site.base}-kv",
        site.tenant,
        connections=[service_connection(links.vault)],
        publicNetworkAccess="Disabled",
        networkAcls=CLOSED_RULES,
        enableRbacAuthorization=True,
        enablePurgeProtection=True,
    )


def _work(site: Site, links: Links) -> Iterator[Document]:
    yield batch_account(
        site.group,
        site.base,
        connections=[
            service_connection(links.batch_account, groupIds=["batchAccount"]),
            service_connection(links.node_management, groupIds=["nodeManagement"]),
        ],
        publicNetworkAccess="Disabled",
        allowedAuthenticationModes=["AAD", "TaskAuthenticationToken"],
    )
    yield registry(
        site.group,
        site.base,
        "Premium",
        connections=[service_connection(links.registry)],
        publicNetworkAccess="Disabled",
        networkRuleSet={"defaultAction": "Deny", "ipRules": []},
        networkRuleBypassOptions="None",
        networkRuleBypassAllowedForTasks=False,
        dataEndpointEnabled=True,
        dataEndpointHostNames=[f"{site.base}.{site.group.location}.data.azurecr.io"],
    )


def _monitoring(site: Site, links: Links) -> Iterator[Document]:
    scope = private_link_scope(site.group, f"{site.base}-ampls", [service_connection(links.monitor)])
    logs = workspace(
        site.group,
        site.base,
        "Disabled",
        features={"enableLogAccessUsingOnlyResourcePermissions": True, "disableLocalAuth": True},
        privateLinkScopedResources=scoped_by(scope["id"]),
    )
    telemetry = app_insights(
        site.group,
        site.base,
        "Disabled",
        logs["id"],
        DisableLocalAuth=True,
        PrivateLinkScopedResources=[
            {"ResourceId": item["resourceId"], "ScopeId": item["scopeId"]} for item in scoped_by(scope["id"])
        ],
    )
    yield logs
    yield telemetry
    yield scope
    yield scoped_resource(scope["id"], logs["id"], "workspace")
    yield scoped_resource(scope["id"], telemetry["id"], "component")


def _endpoints(links: Links, zones: Mapping[str, Document]) -> Iterator[Document]:
    for link in links.all():
        used = [zones[name] for name in dict.fromkeys(member.zone for member in link.members)]
        endpoint = private_endpoint(link)
        yield endpoint
        yield endpoint_interface(link)
        yield zone_group(endpoint, link, used)
        guid_of_endpoint = endpoint["properties"]["resourceGuid"]
        creator = f"created by private endpoint {link.name} with resource guid {guid_of_endpoint}"
        yield from records(link, used, creator=creator)


def _cluster(site: Site, identity: Document, private: Document) -> Iterator[Document]:
    api = server_api(site, private["name"], "10.1.0.4")
    yield cluster(
        site,
        identity,
        api,
        outbound_profile("userDefinedRouting"),
        apiServerAccessProfile={
            "enablePrivateCluster": True,
            "privateDNSZone": private["id"],
            "enablePrivateClusterPublicFQDN": False,
            "disableRunCommand": True,
        },
        aadProfile={"managed": True, "enableAzureRBAC": True, "adminGroupObjectIDs": [], "tenantID": site.tenant},
        disableLocalAccounts=True,
        securityProfile={"workloadIdentity": {"enabled": True}},
        storageProfile={"blobCSIDriver": {"enabled": True}},
        autoUpgradeProfile={"upgradeChannel": "patch", "nodeOSUpgradeChannel": "NodeImage"},
    )
    yield pod_credential(site, identity)
    yield from nodes(
        site,
        api,
        private_frontend(site.subnet("vmsubnet"), "10.1.0.200"),
        balancer="kubernetes-internal",
        frontend_name="internal",
        pool="kubernetes",
        ports=(80,),
    )
    yield from records(api, [private], creator="created by AKS")
