"""Where a unit of ``tenant`` stands: its group, its network, and the names and addresses that are its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lockdown.sandbox.scenarios.arm.envelope import Group
from lockdown.sandbox.scenarios.arm.private_link import Link, Member, endpoint_interface, private_endpoint
from lockdown.sandbox.scenarios.scenario import Document

FOREIGN = "/subscriptions/00000000-0000-4000-8000-00000000f0e1/resourceGroups/elsewhere"
"""A resource group that belongs to somebody else: no scenario holds it."""


@dataclass(frozen=True, slots=True)
class Place:
    """One unit's place.

    Attributes:
        tenant: the Entra tenant's id.
        group: the resource group of its cell.
        cell: the cell's number, from 0.
        slot: the unit's number within the cell, from 0.
        ordinal: the unit's number among all of its kind, from 0.
        stem: what makes this tenant's globally unique names its own.
        faults: the faults that this unit carries.
    """

    tenant: str
    group: Group
    cell: int
    slot: int
    ordinal: int
    stem: str
    faults: frozenset[str]

    @property
    def network_id(self) -> str:
        """The id of the cell's virtual network."""
        return self.group.resource("Microsoft.Network/virtualNetworks", "vnet")

    def name(self, prefix: str) -> str:
        """Return a name for one of the unit's resources, unique in all of Azure."""
        return f"{prefix}{self.stem}{self.ordinal}"

    def subnet(self, name: str) -> str:
        """Return the id of a subnet of the cell's network."""
        return f"{self.network_id}/subnets/{name}"

    def address(self, number: int, *, subnet: int = 0) -> str:
        """Return a private address that no other unit of the cell uses; ``number`` is below 6."""
        return f"10.{self.cell % 250}.{subnet}.{4 + self.slot * 6 + number}"

    def public_address(self) -> str:
        """Return an address of 198.18.0.0/15, the range reserved for benchmarks."""
        host = (self.cell * 97 + self.slot) % 131072
        return f"198.{18 + host // 65536}.{host // 256 % 256}.{host % 256}"

    def link(self, target: str, group_id: str, fqdn: str, number: int, *, status: str = "Approved") -> Link:
        """Return the unit's private endpoint number ``number`` to ``target``."""
        name = f"pe-{target.rpartition('/')[2]}-{group_id.lower()}"
        record, _, domain = fqdn.partition(".")
        member = Member(group_id, fqdn, self.address(number, subnet=3), f"privatelink.{domain}", record)
        return Link(self.group, name, target, group_id, self.subnet("endpoints"), (member,), status)

    def link_status(self, fault: str) -> str:
        """Return the status of a connection that is not approved where this fault is carried."""
        return ("Pending", "Rejected", "Disconnected")[self.ordinal % 3] if fault in self.faults else "Approved"

    def access(self, fault: str, *, opened: Sequence[object] = ("Enabled", ..., None)) -> dict[str, Any]:
        """Return ``publicNetworkAccess``: Disabled, or with this fault one of ``opened``; ``...`` is absent."""
        value = opened[self.ordinal % len(opened)] if fault in self.faults else "Disabled"
        return {} if value is ... else {"publicNetworkAccess": value}


def endpoint_of(link: Link) -> tuple[Document, Document]:
    """Return the endpoint and its network interface."""
    return private_endpoint(link), endpoint_interface(link)
