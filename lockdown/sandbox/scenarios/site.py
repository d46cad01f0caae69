"""What every Cromwell on Azure environment has in common: its groups, its names, its cluster's node group.

Source: the 6.0.0 deployer of microsoft/CromwellOnAzure, and what AKS makes for a private cluster.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockdown.sandbox.scenarios.arm.cluster import agent_pool, issuer, managed_cluster
from lockdown.sandbox.scenarios.arm.compute import disk, instance, interface_of, scale_set
from lockdown.sandbox.scenarios.arm.data import postgres_database, postgres_parameters, postgres_server
from lockdown.sandbox.scenarios.arm.edge import load_balancer
from lockdown.sandbox.scenarios.arm.envelope import LOCATION, Group, reference
from lockdown.sandbox.scenarios.arm.platform import federated_credential
from lockdown.sandbox.scenarios.arm.private_link import Link, Member, endpoint_interface, private_endpoint
from lockdown.sandbox.scenarios.arm.security_groups import security_group
from lockdown.sandbox.scenarios.identifiers import digits, guid
from lockdown.sandbox.scenarios.scenario import Document

NETWORK = "vnet-genomics"


@dataclass(frozen=True)
class Site:
    """Where one environment stands.

    Attributes:
        scenario: the scenario's name; every generated id and name follows from it and from ``tenant``.
        tenant: the Entra tenant's id.
    """

    scenario: str
    tenant: str

    @property
    def subscription(self) -> str:
        """The id of its one subscription."""
        return guid(self.scenario, self.tenant)

    @property
    def base(self) -> str:
        """What the names of its services begin with: ``coa`` and eight digits, as the deployer makes them."""
        return "coa" + digits(self.scenario, "base")

    @property
    def network_group(self) -> Group:
        """The resource group of the virtual network, which is there before Cromwell on Azure is."""
        return Group(self.subscription, "genomics-network")

    @property
    def group(self) -> Group:
        """The resource group that Cromwell on Azure is deployed to."""
        return Group(self.subscription, "genomics-coa")

    @property
    def node_group(self) -> Group:
        """The resource group that AKS makes for its nodes."""
        return Group(self.subscription, f"MC_{self.group.name}_{self.base}_{LOCATION}")

    @property
    def network_id(self) -> str:
        """The id of the virtual network."""
        return self.network_group.resource("Microsoft.Network/virtualNetworks", NETWORK)

    @property
    def cluster_id(self) -> str:
        """The id of the AKS cluster, as others than AKS write it."""
        return self.group.resource("Microsoft.ContainerService/managedClusters", self.base)

    @property
    def load_balancer_id(self) -> str:
        """The id of the load balancer that AKS makes for what leaves the cluster."""
        return self.node_group.resource("Microsoft.Network/loadBalancers", "kubernetes")

    @property
    def pool_number(self) -> str:
        """The number that AKS puts into the names of what it makes for the node pool."""
        return str(int(digits(self.scenario, "pool"), 16))[:8]

    @property
    def machines_id(self) -> str:
        """The id of the scale set of the node pool."""
        return self.node_group.resource(
            "Microsoft.Compute/virtualMachineScaleSets", f"aks-nodepool1-{self.pool_number}-vmss"
        )

    @property
    def guard_id(self) -> str:
        """The id of the network security group that AKS makes for the interfaces of its nodes."""
        return self.node_group.resource(
            "Microsoft.Network/networkSecurityGroups", f"aks-agentpool-{self.pool_number}-nsg"
        )

    def subnet(self, name: str) -> str:
        """Return the id of a subnet of the virtual network."""
        return f"{self.network_id}/subnets/{name}"


def server_api(site: Site, zone: str, address: str) -> Link:
    """Return the private endpoint that AKS makes for the cluster's own API, in the nodes' subnet."""
    record = f"{site.base}-{digits(site.scenario, 'api')}"
    member = Member("management", f"{record}.{zone}", address, zone, record)
    return Link(site.node_group, "kube-apiserver", site.cluster_id, "management", site.subnet("vmsubnet"), (member,))


def cluster(site: Site, identity: Document, api: Link, network: dict[str, Any], **properties: object) -> Document:
    """Return the private cluster, with one pool of two nodes in vmsubnet."""
    return managed_cluster(
        site.group,
        site.base,
        site.node_group,
        [agent_pool("nodepool1", site.subnet("vmsubnet"))],
        tenant=site.tenant,
        identity=identity,
        networkProfile=network,
        privateFQDN=api.members[0].fqdn,
        **properties,
    )


def pod_credential(site: Site, identity: Document) -> Document:
    """Return the credential by which TES and the trigger service act as the environment's identity."""
    subject = f"system:serviceaccount:coa:{identity['name']}-sa"
    return federated_credential(
        identity, "coaFederatedIdentity", issuer(site.group, site.tenant, site.cluster_id), subject
    )


def nodes(
    site: Site,
    api: Link,
    frontend: dict[str, Any],
    *,
    balancer: str,
    frontend_name: str,
    pool: str,
    ports: Sequence[int],
    volume: Mapping[str, Any] | None = None,
) -> Iterator[Document]:
    """Yield the node group and what AKS puts in it.

    ``frontend`` and what follows it are those of its load balancer. ``volume`` has the properties of the disk that
    Cromwell's claim for temporary space (``cromwell-tmp``) made, which the first node holds.
    """
    group = site.node_group
    yield group.document(managed_by=site.cluster_id)
    yield _guard(site)
    yield load_balancer(group, balancer, frontend, frontend_name=frontend_name, pool=pool, ports=ports)
    pools = (group.resource("Microsoft.Network/loadBalancers/backendAddressPools", balancer, pool),)
    machines = scale_set(
        group, site.machines_id.rpartition("/")[2], site.subnet("vmsubnet"), pools=pools, guard=site.guard_id
    )
    claimed = disk(
        group,
        f"pvc-{guid(site.scenario, 'cromwell-tmp')}",
        64,
        attached_to=f"{machines['id']}/virtualMachines/0",
        **(volume or {}),
    )
    yield machines
    yield claimed
    yield from instance(machines, 0, claimed["id"])
    yield from instance(machines, 1)
    yield private_endpoint(api, names_managed=False)
    yield endpoint_interface(api)


def _guard(site: Site) -> Document:
    """Return the security group of the nodes' interfaces, which AKS leaves without a rule of its own."""
    made = security_group(site.node_group, site.guard_id.rpartition("/")[2], [])
    made["properties"]["networkInterfaces"] = [reference(interface_of(site.machines_id, number)) for number in (0, 1)]
    return made


def database_server(site: Site, zone: Document, *, version: str) -> Iterator[Document]:
    """Yield the PostgreSQL server in its delegated subnet, its parameters, and the databases of Cromwell and TES.

    Args:
        site: where it goes.
        zone: the private DNS zone of its name.
        version: PostgreSQL's major version.
    """
    injected = {"delegatedSubnetResourceId": site.subnet("sqlsubnet"), "privateDnsZoneArmResourceId": zone["id"]}
    server = postgres_server(site.group, f"{site.base}-pg", injected, version=version)
    yield server
    yield postgres_database(server, "cromwell_db")
    yield postgres_database(server, "tes_db")
    yield from postgres_parameters(server)
