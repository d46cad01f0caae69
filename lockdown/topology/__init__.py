"""Where everything stands: networks, subnets, what is in them, the services behind endpoints, and public addresses."""

from lockdown.topology.model import (
    SCHEMA,
    Address,
    Endpoint,
    Item,
    Name,
    Network,
    Service,
    Subnet,
    Topology,
    from_json,
    to_json,
)
from lockdown.topology.read import read

__all__ = [
    "SCHEMA",
    "Address",
    "Endpoint",
    "Item",
    "Name",
    "Network",
    "Service",
    "Subnet",
    "Topology",
    "from_json",
    "read",
    "to_json",
]
