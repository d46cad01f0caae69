"""The units of ``tenant`` that compute and connect: networks, machines, clusters, what leaves and what enters.

Where a fault adds a public address, the address takes the place of a disk, so that a tenant has the number of
resources that was asked for.
"""

from collections.abc import Iterator
from typing import Any

from lockdown.sandbox.scenarios.arm.cluster import agent_pool, managed_cluster, outbound_profile
from lockdown.sandbox.scenarios.arm.compute import disk, scale_set, virtual_machine
from lockdown.sandbox.scenarios.arm.edge import (
    application_gateway,
    firewall,
    load_balancer,
    nat_rule_collection,
    private_frontend,
    public_frontend,
)
from lockdown.sandbox.scenarios.arm.envelope import Group, reference
from lockdown.sandbox.scenarios.arm.network import (
    interface,
    nat_gateway,
    public_address,
    public_prefix,
    subnet,
    virtual_network,
)
from lockdown.sandbox.scenarios.arm.security_groups import security_group, security_rule
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.scenarios.scenario import Document
from lockdown.sandbox.scenarios.tenant_place import Place

_ADDRESS = "Microsoft.Network/publicIPAddresses"


def network(place: Place) -> Iterator[Document]:
    """Yield the cell's virtual network and its network security group."""
    prefix = f"10.{place.cell % 250}"
    closed = [security_rule("internet-in", 4000, "Inbound", "Deny", source="Internet")]
    guard = security_group(place.group, "nsg", closed)
    made = place.network_id
    subnets = [
        subnet(made, "machines", f"{prefix}.0.0/24", security_group=guard["id"], defaultOutboundAccess=False),
        subnet(made, "databases", f"{prefix}.1.0/24", delegation="Microsoft.DBforPostgreSQL/flexibleServers"),
        subnet(made, "gateway", f"{prefix}.2.0/24"),
        subnet(made, "AzureFirewallSubnet", f"{prefix}.4.0/24"),
        subnet(made, "endpoints", f"{prefix}.3.0/24", security_group=guard["id"]),
    ]
    yield guard
    yield virtual_network(place.group, "vnet", [f"{prefix}.0.0/16"], subnets)


def machine(place: Place) -> Iterator[Document]:
    """Yield a machine, its interface and two disks; a fault gives the interface a public address."""
    exposed = "nic-no-public-ip" in place.faults
    name = place.name("vm")
    address_id = place.group.resource(_ADDRESS, f"{name}-ip")
    public: dict[str, Any] = {"publicIPAddress": reference(address_id)} if exposed else {}
    card = interface(
        place.group,
        f"{name}-nic",
        place.subnet("machines"),
        place.address(0),
        machine=_machine_id(place, name),
        **public,
    )
    yield card
    yield from _with_disk(place, name, card)
    yield _spare(place.group, name, place, card["properties"]["ipConfigurations"][0]["id"], exposed=exposed)


def balanced(place: Place) -> Iterator[Document]:
    """Yield a load balancer, a machine behind it, its interface and two disks; a fault opens the frontend."""
    exposed = "lb-no-public-frontend" in place.faults
    name = place.name("lb")
    address_id = place.group.resource(_ADDRESS, f"{name}-ip")
    frontend = public_frontend(address_id) if exposed else private_frontend(place.subnet("machines"), place.address(1))
    balancer = load_balancer(place.group, name, frontend, frontend_name="frontend", pool="pool", ports=(443,))
    pool = balancer["properties"]["backendAddressPools"][0]["id"]
    card = interface(
        place.group,
        f"{name}-nic",
        place.subnet("machines"),
        place.address(0),
        machine=_machine_id(place, name),
        loadBalancerBackendAddressPools=[reference(pool)],
    )
    yield balancer
    yield card
    yield from _with_disk(place, name, card)
    yield _spare(place.group, name, place, f"{balancer['id']}/frontendIPConfigurations/frontend", exposed=exposed)


def disks(place: Place) -> Iterator[Document]:
    """Yield two unattached disks; faults put an unattached public address or prefix in their place."""
    name = place.name("spare")
    if "pip-none-in-scope" in place.faults:
        yield public_address(place.group, f"{name}-ip", place.public_address())
    else:
        yield disk(place.group, f"{name}-a", 64)
    if "pip-prefix-none" in place.faults:
        yield public_prefix(place.group, f"{name}-prefix", "198.51.100.0/28")
    else:
        yield disk(place.group, f"{name}-b", 64)


def cluster(place: Place) -> Iterator[Document]:
    """Yield a private cluster and its node group with a load balancer, a scale set and a disk."""
    name = place.name("aks")
    node_group = Group(place.group.subscription, f"MC_{place.group.name}_{name}", place.group.location)
    exposed = "k8s-service-no-public-lb" in place.faults
    pool = agent_pool("nodes", place.subnet("machines"))
    if "aks-node-no-public-ip" in place.faults:
        pool["enableNodePublicIP"] = True
    access = {"enablePrivateCluster": True, "privateDNSZone": "system", "enablePrivateClusterPublicFQDN": False}
    made = managed_cluster(
        place.group,
        name,
        node_group,
        [pool],
        tenant=place.tenant,
        networkProfile=outbound_profile("userDefinedRouting"),
        apiServerAccessProfile=access,
        privateFQDN=f"{name}.{guid('zone', name)}.privatelink.{place.group.location}.azmk8s.io",
    )
    yield made
    yield node_group.document(managed_by=made["id"])
    address_id = node_group.resource(_ADDRESS, f"{name}-ip")
    balancer = load_balancer(
        node_group,
        "kubernetes" if exposed else "kubernetes-internal",
        public_frontend(address_id) if exposed else private_frontend(place.subnet("machines"), place.address(0)),
        frontend_name="service",
        pool="kubernetes",
        ports=(443,),
    )
    yield balancer
    instances: dict[str, Any] = {}
    if "vmss-no-public-ip" in place.faults:
        instances["publicIPAddressConfiguration"] = {"name": "pub", "properties": {"idleTimeoutInMinutes": 10}}
    yield scale_set(node_group, "aks-nodes-vmss", place.subnet("machines"), **instances)
    yield _spare(node_group, name, place, f"{balancer['id']}/frontendIPConfigurations/service", exposed=exposed)


def egress(place: Place) -> Iterator[Document]:
    """Yield a NAT gateway and the public address that it leaves through, which is no finding."""
    name = place.name("nat")
    gateway_id = place.group.resource("Microsoft.Network/natGateways", name)
    address = public_address(place.group, f"{name}-ip", place.public_address(), natGateway=reference(gateway_id))
    yield address
    yield nat_gateway(place.group, name, [address["id"]])


def gateway(place: Place) -> Iterator[Document]:
    """Yield an application gateway and a disk; a fault puts its frontend on the Internet."""
    exposed = "appgw-no-public-frontend" in place.faults
    name = place.name("agw")
    address_id = place.group.resource(_ADDRESS, f"{name}-ip")
    frontend = (
        public_frontend(address_id)
        if exposed
        else private_frontend(place.subnet("gateway"), place.address(0, subnet=2))
    )
    made = application_gateway(place.group, name, place.subnet("gateway"), frontend)
    yield made
    yield _spare(place.group, name, place, f"{made['id']}/frontendIPConfigurations/frontend", exposed=exposed)


def outer_firewall(place: Place) -> Iterator[Document]:
    """Yield a classic firewall and the public address that it leaves through; a fault lets the Internet in by DNAT."""
    name = place.name("fw")
    firewall_id = place.group.resource("Microsoft.Network/azureFirewalls", name)
    egress_address = place.public_address()
    configuration = f"{firewall_id}/azureFirewallIpConfigurations/egress"
    address = public_address(place.group, f"{name}-ip", egress_address, ipConfiguration=reference(configuration))
    rules: list[Document] = []
    if "firewall-no-dnat" in place.faults:
        rules.append(nat_rule_collection(firewall_id, "inbound", egress_address, 22, place.address(0)))
    yield address
    yield firewall(
        place.group,
        name,
        place.subnet("AzureFirewallSubnet"),
        place.address(1, subnet=4),
        address["id"],
        natRuleCollections=rules,
    )


def _machine_id(place: Place, name: str) -> str:
    return place.group.resource("Microsoft.Compute/virtualMachines", name)


def _with_disk(place: Place, name: str, card: Document) -> Iterator[Document]:
    system = disk(place.group, f"{name}-os", 30, attached_to=_machine_id(place, name), os_type="Linux")
    yield system
    yield virtual_machine(place.group, name, card["id"], system["id"])


def _spare(group: Group, name: str, place: Place, configuration: str, *, exposed: bool) -> Document:
    if exposed:
        return public_address(group, f"{name}-ip", place.public_address(), ipConfiguration=reference(configuration))
    return disk(group, f"{name}-data", 128)
