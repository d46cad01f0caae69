"""Reads the topology off a snapshot. Ids are compared without case; what is malformed is left out, never guessed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from lockdown.snapshot.engine import Engine, QueryError
from lockdown.topology.model import Address, Endpoint, Item, Network, Service, Subnet, Topology

MOST = {"networks": 40, "services": 400, "addresses": 200, "items": 20_000}
"""How much is listed. What goes beyond is counted in ``omitted``."""

_SERVICES = (
    "microsoft.batch/batchaccounts",
    "microsoft.cognitiveservices/accounts",
    "microsoft.containerregistry/registries",
    "microsoft.containerservice/managedclusters",
    "microsoft.dbformysql/flexibleservers",
    "microsoft.dbforpostgresql/flexibleservers",
    "microsoft.documentdb/databaseaccounts",
    "microsoft.eventhub/namespaces",
    "microsoft.insights/components",
    "microsoft.insights/privatelinkscopes",
    "microsoft.keyvault/vaults",
    "microsoft.operationalinsights/workspaces",
    "microsoft.servicebus/namespaces",
    "microsoft.sql/servers",
    "microsoft.storage/storageaccounts",
    "microsoft.web/sites",
)
_ENDPOINT = "microsoft.network/privateendpoints"
_INTERFACE = "microsoft.network/networkinterfaces"
_PLACED = (
    "microsoft.compute/virtualmachinescalesets",
    "microsoft.containerservice/managedclusters",
    "microsoft.dbforpostgresql/flexibleservers",
    "microsoft.network/applicationgateways",
    "microsoft.network/azurefirewalls",
    "microsoft.network/bastionhosts",
    "microsoft.network/loadbalancers",
    _INTERFACE,
    _ENDPOINT,
    "microsoft.network/virtualnetworkgateways",
)
_SUBNET = re.compile(
    r'/subscriptions/[^"/]+/resourcegroups/[^"/]+/providers/microsoft\.network/virtualnetworks/[^"/]+/subnets/[^"/]+'
)
_INSIDE = re.compile(
    r"/(ipconfigurations|frontendipconfigurations|azurefirewallipconfigurations|bastionhostipconfigurations)/.*$"
)
Row = Mapping[str, Any]
Thing = TypeVar("Thing")


def read(engine: Engine, at: datetime) -> Topology:
    """Return the topology of the snapshot that ``engine`` holds; what was not collected is not in it."""
    rows = _Rows(engine, at)
    omitted = dict.fromkeys(MOST, 0)
    placed = _placed(_cut(rows.of(_PLACED, "properties"), "items", omitted))
    zones = _zones(rows.of(("microsoft.network/privatednszones/virtualnetworklinks",), "properties"))
    networks = [
        _network(row, placed, zones) for row in rows.of(("microsoft.network/virtualnetworks",), "location, properties")
    ]
    used = sorted(networks, key=lambda network: -sum(len(subnet.items) for subnet in network.subnets))
    kept = sorted(_cut(used, "networks", omitted), key=lambda network: network.id.lower())
    endpoints = _endpoints(rows.of((_ENDPOINT,), "properties"))
    services = [
        Service(row["id"], row["type"], row["name"], tuple(endpoints.get(row["id"].lower(), ())))
        for row in rows.of(_SERVICES, "location")
    ]
    addresses = list(map(_address, rows.of(("microsoft.network/publicipaddresses",), "properties")))
    return Topology(
        tuple(kept),
        tuple(_cut(services, "services", omitted)),
        tuple(_cut(addresses, "addresses", omitted)),
        omitted,
    )


class _Rows:
    """The rows of some types. A table that was not collected has none."""

    def __init__(self, engine: Engine, at: datetime) -> None:
        self._engine, self._at = engine, at

    def of(self, types: Iterable[str], columns: str) -> list[dict[str, Any]]:
        """Return id, name, type and ``columns`` of the resources of some types, in the order of their ids."""
        listed = ", ".join(f"'{name}'" for name in types)
        query = f"resources | where type in ({listed}) | project id, name, type, {columns} | order by id asc"
        try:
            answer = self._engine.run(query, self._at)
        except QueryError:
            if "resources" in self._engine.tables:
                raise
            return []
        names = [column.name for column in answer.columns]
        return [dict(zip(names, values, strict=True)) for values in answer.rows]


def _network(row: Row, placed: Mapping[str, Sequence[Item]], zones: Mapping[str, Iterable[str]]) -> Network:
    properties = _object(row["properties"])
    key = row["id"].lower()
    return Network(
        row["id"],
        row["name"],
        row["location"],
        tuple(_texts(_object(properties.get("addressSpace")).get("addressPrefixes"))),
        tuple(_subnet(key, item, placed) for item in _objects(properties.get("subnets"))),
        tuple(_peers(properties.get("virtualNetworkPeerings"))),
        tuple(sorted(zones.get(key, ()))),
    )


def _subnet(network: str, item: Row, placed: Mapping[str, Sequence[Item]]) -> Subnet:
    properties = _object(item.get("properties"))
    name = _text(item.get("name"))
    prefixes = [_text(properties.get("addressPrefix")), *_texts(properties.get("addressPrefixes"))]
    delegations = [
        _text(_object(found.get("properties")).get("serviceName")) for found in _objects(properties.get("delegations"))
    ]
    routes = _text(_object(properties.get("routeTable")).get("id"))
    return Subnet(
        name,
        next(filter(None, prefixes), ""),
        bool(_object(properties.get("networkSecurityGroup")).get("id")),
        routes.rpartition("/")[2],
        next(filter(None, delegations), ""),
        tuple(placed.get(f"{network}/subnets/{name}".lower(), ())),
    )


def _peers(value: object) -> Iterator[str]:
    for peering in _objects(value):
        remote = _text(_object(_object(peering.get("properties")).get("remoteVirtualNetwork")).get("id"))
        if remote:
            yield remote.lower()


def _placed(rows: Iterable[Row]) -> dict[str, list[Item]]:
    """Return lower-case subnet id to what stands in it; an interface stands there as what it belongs to."""
    found: dict[str, dict[str, Item]] = defaultdict(dict)
    for row in rows:
        item = _owner(row)
        if item is not None:
            for subnet in set(_SUBNET.findall('"'.join(_flat(row["properties"])).lower())):
                known = found[subnet].get(item.id.lower(), item)
                both = tuple(sorted({*known.interfaces, *item.interfaces}))
                found[subnet][item.id.lower()] = replace(known, interfaces=both)
    return {subnet: sorted(items.values(), key=lambda i: (i.type, i.name, i.id)) for subnet, items in found.items()}


def _owner(row: Row) -> Item | None:
    if row["type"] != _INTERFACE:
        return Item(row["id"], row["type"], row["name"])
    properties = _object(row["properties"])
    if _object(properties.get("privateEndpoint")).get("id"):
        return None
    machine = _text(_object(properties.get("virtualMachine")).get("id"))
    if machine:
        name = machine.rpartition("/")[2]
        return Item(machine, "microsoft.compute/virtualmachines", name, (row["id"].lower(),))
    return Item(row["id"], row["type"], row["name"])


def _zones(rows: Iterable[Row]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        network = _text(_object(_object(row["properties"]).get("virtualNetwork")).get("id"))
        parts = row["id"].split("/")
        if network and len(parts) > 3:  # noqa: PLR2004 - .../privateDnsZones/ZONE/virtualNetworkLinks/NAME
            found[network.lower()].add(parts[-3])
    return found


def _endpoints(rows: Iterable[Row]) -> dict[str, list[Endpoint]]:
    found: dict[str, list[Endpoint]] = defaultdict(list)
    for row in rows:
        properties = _object(row["properties"])
        subnet = _text(_object(properties.get("subnet")).get("id"))
        for kind in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
            for connection in _objects(properties.get(kind)):
                told = _object(connection.get("properties"))
                status = _text(_object(told.get("privateLinkServiceConnectionState")).get("status"))
                groups = tuple(_texts(told.get("groupIds")))
                target = _text(told.get("privateLinkServiceId")).lower()
                found[target].append(Endpoint(row["id"], row["name"], groups, status, subnet))
    return found


def _address(row: Row) -> Address:
    properties = _object(row["properties"])
    holders = (
        _text(_object(properties.get("ipConfiguration")).get("id")),
        _text(_object(properties.get("natGateway")).get("id")),
    )
    holder = _INSIDE.sub("", next(filter(None, holders), "").lower())
    return Address(row["id"], row["name"], _text(properties.get("ipAddress")), holder)


def _cut(things: Sequence[Thing], kind: str, omitted: dict[str, int]) -> Sequence[Thing]:
    omitted[kind] = max(0, len(things) - MOST[kind])
    return things[: MOST[kind]]


def _flat(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _flat(item)]
    if isinstance(value, list):
        return [text for item in value for text in _flat(item)]
    return [value] if isinstance(value, str) else []


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
