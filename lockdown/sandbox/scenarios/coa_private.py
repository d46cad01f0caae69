"""``coa-private``: the environment of ``coa-stock``, built as an infosec reviewer wants it.

Every service is closed and reached through an approved private endpoint with its own zone; the only public address
belongs to the firewall that everything leaves through; the cluster's nodes have none, and no jumpbox is left. What
Cromwell, TES or Azure do not let us hold is waived in the scenario's lockdown.yaml.
"""

from collections.abc import Iterator, Mapping

from lockdown.sandbox.scenarios.arm.cluster import outbound_profile
from lockdown.sandbox.scenarios.arm.data import postgres_administrator
from lockdown.sandbox.scenarios.arm.edge import private_frontend
from lockdown.sandbox.scenarios.arm.platform import user_identity
from lockdown.sandbox.scenarios.arm.private_link import (
    a_record,
    endpoint_interface,
    private_endpoint,
    records,
    zone_group,
)
from lockdown.sandbox.scenarios.coa_private_access import access, locks
from lockdown.sandbox.scenarios.coa_private_keys import Keys, keys_of
from lockdown.sandbox.scenarios.coa_private_links import Links, links_of, zone_documents
from lockdown.sandbox.scenarios.coa_private_network import EGRESS_ADDRESS, network_documents
from lockdown.sandbox.scenarios.coa_private_services import Services, services_of
from lockdown.sandbox.scenarios.coa_private_waivers import waivers
from lockdown.sandbox.scenarios.coa_private_watch import BOUGHT, flow_log_id, recorded, told
from lockdown.sandbox.scenarios.config import lockdown_yaml
from lockdown.sandbox.scenarios.given import given
from lockdown.sandbox.scenarios.scenario import Document, Scenario
from lockdown.sandbox.scenarios.site import Site, cluster, database_server, nodes, pod_credential, server_api

OPTIONS: Mapping[str, str] = {}


def build(tenant: str, options: Mapping[str, str]) -> Scenario:  # noqa: ARG001  # every scenario is built alike
    """Return the scenario."""
    site = Site("coa-private", tenant)
    config = lockdown_yaml(
        [site.subscription],
        virtual_networks=[site.network_id],
        egress_addresses=[f"{EGRESS_ADDRESS}/32"],
        waivers=tuple(waivers(site)),
    )
    return Scenario(((site.subscription, "Genomics, locked down"),), tuple(_documents(site)), config)


def _documents(site: Site) -> Iterator[Document]:
    links = links_of(site)
    identity = user_identity(site.group, f"{site.group.name}-identity", site.tenant)
    tasks = user_identity(site.group, f"{site.group.name}-tasks", site.tenant)
    zones = {document["name"]: document for document in zone_documents(site, links)}
    api_zone = zones["privatelink.eastus.azmk8s.io"]
    keys = keys_of(site, links.vault)
    services = services_of(site, links, keys, tasks)
    network = list(network_documents(site, flow_log_id(site)))
    database = list(_database(site, zones["privatelink.postgres.database.azure.com"]))
    compute = list(_cluster(site, identity, api_zone, keys, services))
    yield from given(site, BOUGHT)
    yield from network
    yield from zone_documents(site, links)
    yield site.group.document()
    yield identity
    yield tasks
    yield from keys.documents()
    yield from services.documents(site, tasks)
    yield from _endpoints(links, zones)
    yield from database
    yield from compute
    watched = {
        "Microsoft.ContainerService/managedClusters",
        "Microsoft.DBforPostgreSQL/flexibleServers",
        "Microsoft.KeyVault/vaults",
        "Microsoft.Network/azureFirewalls",
    }
    others = [found for found in (keys.vault, *database, *compute, *network) if found["type"] in watched]
    yield from recorded(site, services, others)
    yield from told(site, services)
    yield from access(site, services, keys, identity, tasks, api_zone)
    yield from locks([*network, *zones.values(), keys.vault, *services.documents(site, tasks), *database])


def _endpoints(links: Links, zones: Mapping[str, Document]) -> Iterator[Document]:
    """Yield the endpoints and their names; the vault's record is written by hand, as the deployer does it."""
    for link in links.all():
        by_hand = link == links.vault
        used = [zones[name] for name in dict.fromkeys(member.zone for member in link.members)]
        endpoint = private_endpoint(link, names_managed=not by_hand)
        yield endpoint
        yield endpoint_interface(link)
        if not by_hand:
            yield zone_group(endpoint, link, used)
        guid_of_endpoint = endpoint["properties"]["resourceGuid"]
        creator = f"created by private endpoint {link.name} with resource guid {guid_of_endpoint}"
        yield from records(link, used, creator="" if by_hand else creator)


def _database(site: Site, zone: Document) -> Iterator[Document]:
    yield a_record(zone, f"{site.base}-pg", ["10.1.1.4"], creator=f"created by server {site.base}-pg")
    server, *rest = database_server(
        site,
        zone,
        version="16",
        access={"publicNetworkAccess": "Disabled"},
        parameters={
            "azure.extensions": "PGAUDIT",
            "pgaudit.log": "ddl,role,write",
            "shared_preload_libraries": "pg_cron,pg_stat_statements,pgaudit",
        },
        authConfig={"activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled", "tenantId": site.tenant},
        backup={"backupRetentionDays": 35, "geoRedundantBackup": "Enabled"},
    )
    yield server
    yield from rest
    yield postgres_administrator(server, site.tenant, "genomics-database-administrators")


def _cluster(site: Site, identity: Document, private: Document, keys: Keys, services: Services) -> Iterator[Document]:
    api = server_api(site, private["name"], "10.1.0.4")
    logs = services.workspace["id"]
    yield cluster(
        site,
        identity,
        api,
        outbound_profile("userDefinedRouting"),
        pool={"securityProfile": {"enableVTPM": False, "enableSecureBoot": False, "sshAccess": "Disabled"}},
        apiServerAccessProfile={
            "enablePrivateCluster": True,
            "privateDNSZone": private["id"],
            "enablePrivateClusterPublicFQDN": False,
            "disableRunCommand": True,
        },
        addonProfiles={
            "azurepolicy": {"enabled": True, "config": None},
            "omsagent": {
                "enabled": True,
                "config": {"logAnalyticsWorkspaceResourceID": logs, "useAADAuth": "true"},
            },
        },
        aadProfile={"managed": True, "enableAzureRBAC": True, "adminGroupObjectIDs": [], "tenantID": site.tenant},
        disableLocalAccounts=True,
        diskEncryptionSetID=keys.disks["id"],
        securityProfile={
            "workloadIdentity": {"enabled": True},
            "defender": {"logAnalyticsWorkspaceResourceId": logs, "securityMonitoring": {"enabled": True}},
        },
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
        volume={"encryption": keys.of_disk()},
    )
    yield from records(api, [private], creator="created by AKS")
