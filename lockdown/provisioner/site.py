"""An environment in one subscription: the names and ids of everything, before any of it exists."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID, uuid5

from lockdown.provisioner.environment import CloudName, Environment
from lockdown.provisioner.graph import OWNER_TAG

_ROLES = UUID("6f0d4f0e-8d0b-5f6e-9f0a-3c1d5d1f7a11")
"""The namespace of the names of role assignments: the same principal, role and scope have the same name for ever."""

BLOB_CONTAINERS = (
    *("workflows", "inputs", "outputs", "configuration"),
    *("cromwell-executions", "cromwell-workflow-logs", "tes-internal"),
)
"""The seven containers of Cromwell on Azure."""


@dataclass(frozen=True)
class Suffixes:
    """The names of a cloud's services and of their private DNS zones (Microsoft Learn, Private endpoint DNS values)."""

    blob: str
    batch: str
    registry: str
    vault: str
    postgres: str
    cluster_zone: str
    monitor_zones: tuple[str, ...]


_PUBLIC = Suffixes(
    "blob.core.windows.net",
    "batch.azure.com",
    "azurecr.io",
    "vaultcore.azure.net",
    "postgres.database.azure.com",
    "privatelink.{location}.azmk8s.io",
    (
        *("privatelink.monitor.azure.com", "privatelink.oms.opinsights.azure.com"),
        *("privatelink.ods.opinsights.azure.com", "privatelink.agentsvc.azure-automation.net"),
    ),
)
_GOVERNMENT = Suffixes(
    "blob.core.usgovcloudapi.net",
    "batch.usgovcloudapi.net",
    "azurecr.us",
    "vaultcore.usgovcloudapi.net",
    "postgres.database.usgovcloudapi.net",
    "privatelink.{location}.cx.aks.containerservice.azure.us",
    (
        *("privatelink.monitor.azure.us", "privatelink.adx.monitor.azure.us"),
        *("privatelink.oms.opinsights.azure.us", "privatelink.ods.opinsights.azure.us"),
        "privatelink.agentsvc.azure-automation.us",
    ),
)


def _password() -> str:
    """Return a password of all four kinds of characters, as Azure demands."""
    return f"aA1-{token_urlsafe(48)}"


@dataclass(frozen=True)
class Site:
    """Where an environment stands. Every id is in the casing that ARM returns.

    Attributes:
        password: what the database server is made with; of this run alone, and nobody's (docs/adr/0012).
        caller: object id of whoever builds: administers the cluster while a workload is brought in; '' if unknown.
        adopt: take over what the original deployer released into the cluster.
        removing: take the workload out of the cluster, instead of bringing it in.
    """

    environment: Environment
    subscription: str
    tenant: str
    password: str = field(default_factory=_password, repr=False, compare=False)
    caller: str = ""
    adopt: bool = False
    removing: bool = False

    @property
    def location(self) -> str:
        """The region."""
        return self.environment.location

    @property
    def suffixes(self) -> Suffixes:
        """The names of the cloud."""
        return _GOVERNMENT if self.environment.cloud is CloudName.US_GOVERNMENT else _PUBLIC

    @cached_property
    def base(self) -> str:
        """What names that are unique in all of Azure begin with: the prefix and seven digits of a digest."""
        text = f"{self.subscription}/{self.environment.environment}"
        return f"{self.environment.prefix}{sha256(text.encode()).hexdigest()[:7]}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of everything that lockdown owns."""
        return {**self.environment.tags, OWNER_TAG: self.environment.environment}

    @property
    def group_id(self) -> str:
        """The resource group of the services."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.environment.resource_group}"

    @property
    def network_group_id(self) -> str:
        """The resource group of the network."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.environment.network_resource_group}"

    @property
    def network_id(self) -> str:
        """The virtual network that the environment stands in."""
        wanted = self.environment.network
        return wanted.existing or self.in_network("Microsoft.Network/virtualNetworks", wanted.name)

    @property
    def hub_id(self) -> str:
        """The virtual network of firewall and Bastion: the hub, or the environment's own."""
        hub = self.environment.network.hub
        if hub is None:
            return self.network_id
        return hub.existing or self.in_network("Microsoft.Network/virtualNetworks", hub.name)

    def in_group(self, resource_type: str, *names: str) -> str:
        """Return the id of a resource in the group of the services; a child has one name for each step of its type."""
        return _resource(self.group_id, resource_type, names)

    def in_network(self, resource_type: str, *names: str) -> str:
        """Return the id of a resource in the group of the network."""
        return _resource(self.network_group_id, resource_type, names)

    def subnet_id(self, name: str) -> str:
        """Return the id of a subnet, by its name in Azure (``vmsubnet``)."""
        at_edge = name in self.environment.edge_subnets
        return f"{self.hub_id if at_edge else self.network_id}/subnets/{name}"

    def zone_id(self, name: str) -> str:
        """Return the id of a private DNS zone: the one that was brought along, or the environment's own."""
        return self.environment.bring.zones.get(name) or self.in_network("Microsoft.Network/privateDnsZones", name)

    def role_id(self, role: str) -> str:
        """Return the id of a built-in role definition by its GUID."""
        return f"/subscriptions/{self.subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"


def assignment_name(scope: str, principal_key: str, role: str) -> str:
    """Return the name of a role assignment: the same for the same scope, identity (its key or id) and role."""
    return str(uuid5(_ROLES, f"{scope.lower()}\n{principal_key.lower()}\n{role.lower()}"))


def _resource(group: str, resource_type: str, names: tuple[str, ...]) -> str:
    namespace, *types = resource_type.split("/")
    pairs = "/".join(f"{kind}/{name}" for kind, name in zip(types, names, strict=True))
    return f"{group}/providers/{namespace}/{pairs}"
