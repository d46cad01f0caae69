"""The environment file: what a person wants of a private Cromwell on Azure, and nothing that follows from it.

``load`` reads one; ``schema`` is its JSON Schema. What can be wrong with a file alone is found here; what only Azure
knows (names taken, quotas, roles) is :mod:`lockdown.provisioner.preflight`'s.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from lockdown import yamlfile
from lockdown.errors import UsageError

_RESOURCE_ID = r"^/subscriptions/[0-9a-fA-F-]{36}/resource[gG]roups/[A-Za-z0-9_().-]{1,90}/providers/[A-Za-z0-9_./-]+$"
_MAIL = r"^[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
_PODS_PER_NODE = 30
_RESERVED = 5
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}[a-z0-9]$")]
Prefix = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{2,11}$")]
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_()-][A-Za-z0-9_().-]{0,88}[A-Za-z0-9_()-]$")]
Location = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{2,30}$")]
ResourceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}[A-Za-z0-9]$")]
ResourceId = Annotated[str, StringConstraints(pattern=_RESOURCE_ID)]
Guid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Host = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$")]
Image = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9_.-]+)?@sha256:[0-9a-f]{64}$")
]
VmSize = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{1,60}$")]
TagText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 _.:@+=-]{1,200}$")]


_WORDS = {
    _RESOURCE_ID: "it is no id of a resource (/subscriptions/ID/resourceGroups/GROUP/providers/...)",
    _MAIL: "it is no mail address",
    **{
        get_args(kind)[1].pattern: words
        for kind, words in (
            (Name, "3 to 32 lower-case letters, digits and hyphens, the first a letter"),
            (Prefix, "3 to 12 lower-case letters and digits, the first a letter"),
            (GroupName, "it is no name of a resource group (letters, digits, _ - . and brackets; no . at its end)"),
            (Location, "it is no name of a region, such as eastus"),
            (ResourceName, "it is no name of a resource (letters, digits, _ . and -)"),
            (Guid, "it is no object id, such as 5a1d0c62-8f5e-4b7a-9a55-0c7f1f3c2b10 (in lower case)"),
            (Host, "it is no name of a host, such as example.org or *.example.org"),
            (Image, "it is no image with its digest, such as docker.io/library/ubuntu:24.04@sha256:..."),
        )
    },
}
"""What a person is told of a text that has not the form that it must have."""


class CloudName(StrEnum):
    """The clouds that an environment can be built in."""

    PUBLIC = "AzureCloud"
    US_GOVERNMENT = "AzureUSGovernment"


class Egress(StrEnum):
    """What leaves the environment, and through what."""

    FIREWALL = "firewall"
    NAT = "nat"
    APPLIANCE = "appliance"


class Access(StrEnum):
    """How people get in while the environment is built."""

    NONE = "none"
    BASTION = "bastion"
    JUMPBOX = "jumpbox"


class DatabaseMode(StrEnum):
    """How the database server stands in the network; Azure fixes it when the server is made."""

    VNET = "vnet"
    PRIVATE_ENDPOINT = "private-endpoint"


class Workload(StrEnum):
    """What runs in the cluster."""

    NONE = "none"
    TES_ONLY = "tes-only"
    CROMWELL = "cromwell"


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Subnets(_Part):
    """The subnets of the environment; each is an IPv4 range in CIDR form. What is not needed is left out."""

    nodes: IPv4Network = IPv4Network("10.1.0.0/24")
    database: IPv4Network = IPv4Network("10.1.1.0/24")
    endpoints: IPv4Network = IPv4Network("10.1.3.0/24")
    batch: IPv4Network = IPv4Network("10.1.128.0/17")
    firewall: IPv4Network = IPv4Network("10.1.8.0/26")
    bastion: IPv4Network = IPv4Network("10.1.8.64/26")
    jumpbox: IPv4Network = IPv4Network("10.1.8.128/28")


class Hub(_Part):
    """The hub of a hub-and-spoke network: the firewall and Bastion stand there, peered with the environment's network.

    With ``existing`` the hub is somebody else's: it is peered with and its firewall is used, and nothing in it changes.
    """

    name: ResourceName = "vnet-hub"
    address_space: IPv4Network = IPv4Network("10.0.0.0/16")
    existing: ResourceId | None = None


class Network(_Part):
    """The virtual network, its subnets, and the way out.

    Attributes:
        existing: a virtual network that is there already, with all subnets; its shape is checked, it is not written.
        appliance: with egress ``appliance``: the private address that everything leaves through.
        allowed_hosts: further hosts that the firewall lets through, beside provision/egress/.
        egress_addresses: with egress ``appliance``: the public addresses that it leaves through, for the boundary.
        service_range: of Kubernetes services; overlaps nothing.
    """

    name: ResourceName = "vnet-genomics"
    address_space: tuple[IPv4Network, ...] = (IPv4Network("10.1.0.0/16"),)
    subnets: Subnets = Subnets()
    hub: Hub | None = None
    existing: ResourceId | None = None
    egress: Egress = Egress.FIREWALL
    appliance: IPv4Address | None = None
    egress_addresses: tuple[IPv4Network, ...] = ()
    allowed_hosts: tuple[Host, ...] = ()
    service_range: IPv4Network = IPv4Network("10.2.0.0/22")


class Cluster(_Part):
    """The AKS cluster."""

    node_count: Annotated[int, Field(ge=1, le=100)] = 2
    node_size: ResourceName = "Standard_D4s_v5"
    version: Annotated[str, StringConstraints(pattern=r"^1\.\d{2}(\.\d+)?$")] | None = None
    administrators: tuple[Guid, ...] = ()


class Database(_Part):
    """The PostgreSQL server. ``administrators``: object id of an Entra group, and its name."""

    mode: DatabaseMode = DatabaseMode.VNET
    version: Annotated[str, StringConstraints(pattern=r"^1[6-9]$")] = "16"
    sku: ResourceName = "Standard_D2ds_v5"
    storage_gib: Annotated[int, Field(ge=32, le=16384)] = 128
    geo_redundant_backup: bool = True
    administrator_group: Guid
    administrator_name: TagText = "genomics-database-administrators"


class Registry(_Part):
    """The container registry.

    Attributes:
        images: each with its digest; they are imported by Azure, under their own names.
        sources: the ids of registries of Azure that images come from, by host: others must give to anybody.
    """

    images: tuple[Image, ...] = ()
    sources: dict[Host, ResourceId] = {}


class Keys(_Part):
    """Keys that data is encrypted with: Microsoft's, or the environment's own."""

    customer_managed: bool = False


class Jumpbox(_Part):
    """The temporary machine of access ``jumpbox``: who may come from where, and how long it may live."""

    source: IPv4Network
    hours: Annotated[int, Field(ge=1, le=24)] = 4
    size: ResourceName = "Standard_D2s_v5"


class Monitoring(_Part):
    """Who is told, and how long logs are kept. ``retention_days`` is interactive, ``archive_days`` in all."""

    contact: Annotated[str, StringConstraints(pattern=_MAIL)]
    retention_days: Annotated[int, Field(ge=90, le=730)] = 730
    archive_days: Annotated[int, Field(ge=2192, le=4383)] = 2556


class Bring(_Part):
    """What is there already and is used as it is: its shape is checked, it is never written and never removed.

    Attributes:
        zones: private DNS zones by name.
    """

    identity: ResourceId | None = None
    registry: ResourceId | None = None
    workspace: ResourceId | None = None
    zones: dict[Host, ResourceId] = {}


class WorkloadImages(_Part):
    """What runs in the cluster, each image with its digest and where it is imported from.

    Attributes:
        tools: has Python 3.11 or newer, such as Microsoft's azure-cli: draws passwords, gets tokens, writes blobs.
        postgres_client: has psql 15 or newer, such as PostgreSQL's own.
    """

    cromwell: Image | None = None
    tes: Image | None = None
    trigger_service: Image | None = None
    tools: Image | None = None
    postgres_client: Image | None = None

    @property
    def given(self) -> dict[str, str]:
        """The images that are named, by their keys in the file."""
        return {key: image for key, image in self.model_dump(by_alias=True).items() if image}


class Tasks(_Part):
    """The machines of Batch that tasks run on. ``vm_sizes``: sizes or families; none means all of the region."""

    vm_sizes: tuple[VmSize, ...] = ()
    spot_only: bool = False


class Environment(_Part):
    """One private Cromwell-on-Azure environment.

    Attributes:
        environment: its name; every resource carries it in the tag ``lockdown-environment``.
        prefix: begins the names that must be unique in all of Azure; a digest of subscription and name follows.
        owner: who answers for the waivers.
    """

    environment: Name
    cloud: CloudName = CloudName.PUBLIC
    location: Location
    paired_location: Location | None = None
    resource_group: GroupName = "genomics-coa"
    network_resource_group: GroupName = "genomics-network"
    prefix: Prefix = "coa"
    owner: Annotated[str, StringConstraints(pattern=_MAIL)]
    tags: dict[TagText, TagText] = {}
    network: Network = Network()
    cluster: Cluster = Cluster()
    database: Database
    registry: Registry = Registry()
    keys: Keys = Keys()
    access: Access = Access.NONE
    jumpbox: Jumpbox | None = None
    monitoring: Monitoring
    bring: Bring = Bring()
    workload: Workload = Workload.NONE
    workload_images: WorkloadImages = WorkloadImages()
    tasks: Tasks = Tasks()

    @property
    def images(self) -> tuple[str, ...]:
        """All images that are imported, each once."""
        wanted = self.workload_images.given.values() if self.workload is not Workload.NONE else ()
        return tuple(dict.fromkeys((*self.registry.images, *wanted)))

    @property
    def used_subnets(self) -> dict[str, IPv4Network]:
        """The subnets that this environment makes in its own network, by their names in Azure."""
        wanted = self.network.subnets
        found = {"vmsubnet": wanted.nodes, "batchsubnet": wanted.batch, "pesubnet": wanted.endpoints}
        if self.database.mode is DatabaseMode.VNET:
            found["sqlsubnet"] = wanted.database
        return found | ({} if self.network.hub else self.edge_subnets)

    @property
    def edge_subnets(self) -> dict[str, IPv4Network]:
        """The subnets of what stands at the edge: in the hub, where there is one."""
        wanted, found = self.network.subnets, {}
        if self.network.egress is Egress.FIREWALL:
            found["AzureFirewallSubnet"] = wanted.firewall
        if self.access is Access.BASTION:
            found["AzureBastionSubnet"] = wanted.bastion
        if self.access is Access.JUMPBOX:
            found["jumpboxsubnet"] = wanted.jumpbox
        return found

    @model_validator(mode="after")
    def _fits(self) -> Self:
        problems = [*_ranges(self), *_sizes(self), *_options(self)]
        if problems:
            raise ValueError("\n".join(problems))
        return self


def load(path: Path) -> Environment:
    """Read an environment file.

    Raises:
        UsageError: it cannot be read or is wrong; the message names file, line and key of every error.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        step = "Name an environment file; those that ship with lockdown are in provision/environments/."
        raise UsageError(f"{path} cannot be read: {error.strerror}.", step) from error
    return yamlfile.load(str(path), data, Environment, _WORDS)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of an environment file (draft 2020-12)."""
    made = Environment.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **json.loads(json.dumps(made))}


def _ranges(wanted: Environment) -> list[str]:
    network, problems = wanted.network, []
    spaces = {f"network.addressSpace[{n}]": space for n, space in enumerate(network.address_space)}
    homes = {**dict.fromkeys(wanted.used_subnets, network.address_space)}
    subnets = dict(wanted.used_subnets)
    if network.hub:
        spaces["network.hub.addressSpace"] = network.hub.address_space
        if network.hub.existing is None:
            subnets |= wanted.edge_subnets
            homes |= dict.fromkeys(wanted.edge_subnets, (network.hub.address_space,))
    for name, subnet in subnets.items():
        if not any(subnet.subnet_of(space) for space in homes[name]):
            problems.append(f"the subnet {name} ({subnet}) lies outside the address space of its network")
    for name, space in spaces.items():
        if not any(space.subnet_of(private) for private in _PRIVATE):
            problems.append(f"{name} ({space}) is not a private range")
    problems += _overlaps(subnets)
    problems += _overlaps(spaces | {"network.serviceRange": network.service_range})
    return problems


def _overlaps(ranges: dict[str, IPv4Network]) -> list[str]:
    items = list(ranges.items())
    return [
        f"{first} ({one}) overlaps {second} ({other})"
        for number, (first, one) in enumerate(items)
        for second, other in items[number + 1 :]
        if one.overlaps(other)
    ]


def smallest_subnets(wanted: Environment) -> dict[str, int]:
    """Return how many addresses each subnet must have at least, by its name in Azure."""
    return {
        "sqlsubnet": 16,
        "pesubnet": 64,
        "AzureFirewallSubnet": 64,
        "AzureBastionSubnet": 64,
        "jumpboxsubnet": 16,
        "vmsubnet": (wanted.cluster.node_count + 1) * (1 + _PODS_PER_NODE) + _RESERVED,
        "batchsubnet": 32,
    }


def _sizes(wanted: Environment) -> list[str]:
    smallest = smallest_subnets(wanted)
    return [
        f"the subnet {name} ({subnet}) has {subnet.num_addresses} addresses; it needs at least {smallest[name]}"
        for name, subnet in (wanted.used_subnets | wanted.edge_subnets).items()
        if subnet.num_addresses < smallest[name]
    ]


def _options(wanted: Environment) -> list[str]:
    network, problems = wanted.network, []
    if (network.egress is Egress.APPLIANCE) != (network.appliance is not None):
        problems.append("network.appliance is given with egress 'appliance', and only then")
    if (network.egress is Egress.APPLIANCE) != bool(network.egress_addresses):
        problems.append("network.egressAddresses are given with egress 'appliance', and only then")
    if network.hub and network.hub.existing and network.egress is not Egress.APPLIANCE:
        problems.append("behind a hub that is there already, network.egress is 'appliance': its firewall's address")
    if network.allowed_hosts and network.egress is not Egress.FIREWALL:
        problems.append("network.allowedHosts are for the firewall of egress 'firewall': nothing else knows hosts")
    if network.existing and network.hub:
        problems.append("network.existing and network.hub exclude each other")
    if (wanted.access is Access.JUMPBOX) != (wanted.jumpbox is not None):
        problems.append("jumpbox is given with access 'jumpbox', and only then")
    if wanted.jumpbox and (wanted.jumpbox.source.prefixlen != 32 or wanted.jumpbox.source.is_private):  # noqa: PLR2004
        problems.append("jumpbox.source is one public address, written with /32")
    government = bool(re.match(r"us(gov|dod)", wanted.location))
    if government != (wanted.cloud is CloudName.US_GOVERNMENT):
        problems.append(f"the location {wanted.location} is not one of {wanted.cloud}")
    problems += _workload(wanted)
    reserved = [key for key in wanted.tags if key.lower().startswith("lockdown-")]
    if reserved:
        problems.append(f"the tag {reserved[0]} is lockdown's own")
    return problems


RUNS = {
    Workload.NONE: (),
    Workload.TES_ONLY: ("tes", "tools", "postgresClient"),
    Workload.CROMWELL: ("cromwell", "tes", "triggerService", "tools", "postgresClient"),
}
"""The images that each workload is made of, by their keys in the file."""


def _workload(wanted: Environment) -> list[str]:
    missing = [key for key in RUNS[wanted.workload] if key not in wanted.workload_images.given]
    if not missing:
        return []
    needed = ", ".join(f"workloadImages.{key}" for key in missing)
    why = "the archived project publishes no complete set, and docs/workload.md says how to build one"
    return [f"the workload {wanted.workload} needs {needed}, each with its digest; {why}"]
