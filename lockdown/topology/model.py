"""The shape of an environment, as a snapshot shows it; what each thing is judged to be stands in the results.

``results/topology.json`` holds it, and the report's map is drawn from it and the results alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

SCHEMA = "urn:coa-lockdown:topology:v1"


@dataclass(frozen=True)
class Item:
    """A resource that stands in a subnet; a machine stands where its interfaces do.

    Attributes:
        interfaces: lower-case ids of its network interfaces, of a virtual machine.
    """

    id: str
    type: str
    name: str
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subnet:
    """A subnet.

    Attributes:
        guarded: whether it has a network security group.
        routes: the name of its route table, or ''.
        delegation: the service that it is delegated to, or ''.
        items: what stands in it, by type and name.
    """

    name: str
    prefix: str
    guarded: bool
    routes: str
    delegation: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Network:
    """A virtual network; ``peers`` are lower-case ids, ``zones`` the private DNS zones linked to it."""

    id: str
    name: str
    location: str
    prefixes: tuple[str, ...]
    subnets: tuple[Subnet, ...]
    peers: tuple[str, ...]
    zones: tuple[str, ...]


@dataclass(frozen=True)
class Name:
    """A name that an endpoint stands in for, and what private DNS says of it.

    Attributes:
        name: the public name, as its interface tells it.
        group: the part of the service that it is of.
        address: of the interface.
        zone: the private DNS zone that has a record of it, or ''; one that the endpoint's network asks, if any does.
        recorded: the addresses in that record.
        linked: whether the endpoint's network asks that zone.
    """

    name: str
    group: str
    address: str
    zone: str
    recorded: tuple[str, ...]
    linked: bool


@dataclass(frozen=True)
class Endpoint:
    """A private endpoint of a service. ``status`` is that of its connection, such as ``Approved``."""

    id: str
    name: str
    group_ids: tuple[str, ...]
    status: str
    subnet: str
    names: tuple[Name, ...] = ()


@dataclass(frozen=True)
class Service:
    """A service, and the endpoints that lead to it.

    Attributes:
        through: the lower-case id of the monitor private link scope that it is in, or ''.
    """

    id: str
    type: str
    name: str
    endpoints: tuple[Endpoint, ...]
    through: str = ""


@dataclass(frozen=True)
class Address:
    """A public address. ``holder`` is the lower-case id of the resource that has it, or ''."""

    id: str
    name: str
    address: str
    holder: str


@dataclass(frozen=True)
class Topology:
    """An environment.

    Attributes:
        omitted: how many of each kind (``networks``, ``services``, ``addresses``, ``items``) there are beyond those
            listed, because a map of more is none.
        names_read: whether the records of private DNS were read; without them nothing is said of names.
    """

    networks: tuple[Network, ...]
    services: tuple[Service, ...]
    addresses: tuple[Address, ...]
    omitted: Mapping[str, int]
    names_read: bool = False


_ADAPTER = TypeAdapter(Topology)


def to_json(topology: Topology) -> dict[str, Any]:
    """Return ``topology`` as the JSON of results/topology.json."""
    return {"schema": SCHEMA, **asdict(topology)}


def from_json(value: Mapping[str, Any]) -> Topology:
    """Read what ``to_json`` made.

    Raises:
        ValueError: it is not that.
    """
    if value.get("schema") != SCHEMA:
        raise ValueError(f"the schema is not {SCHEMA}")
    return _ADAPTER.validate_python({name: item for name, item in value.items() if name != "schema"})
