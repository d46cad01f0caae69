"""Reads the topology off a snapshot. Ids are compared without case; what is malformed is left out, never guessed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from lockdown.snapshot.engine import Engine
from lockdown.topology import names
from lockdown.topology.model import Address, Endpoint, Item, Name, Network, Service, Subnet, Topology
from lockdown.topology.values import object_of, objects, text, texts

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
_DNS, _ARM = "dnsresources", "armresources"
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
    items = rows.of(_PLACED, "properties")
    placed = _placed(_cut(items, "items", omitted))
    links = rows.of(("microsoft.network/privatednszones/virtualnetworklinks",), "properties")
    zones = _zones(links)
    networks = [
        _network(row, placed, zones) for row in rows.of(("microsoft.network/virtualnetworks",), "location, properties")
    ]
    used = sorted(networks, key=lambda network: -sum(len(subnet.items) for subnet in network.subnets))
    kept = sorted(_cut(used, "networks", omitted), key=lambda network: network.id.lower())
    recorded = names.records(rows.of(("microsoft.network/privatednszones/a",), "properties", _DNS))
    stand_in = names.names((row for row in items if row["type"] == _INTERFACE), recorded, names.asked(links))
    endpoints = _endpoints(rows.of((_ENDPOINT,), "properties"), stand_in)
    through = _through(rows.of(("microsoft.insights/privatelinkscopes/scopedresources",), "properties", _ARM))
    services = [
        Service(
            row["id"],
            row["type"],
            row["name"],
            tuple(endpoints.get(row["id"].lower(), ())),
            through.get(row["id"].lower(), ""),
        )
        for row in rows.of(_SERVICES, "location")
    ]
    addresses = list(map(_address, rows.of(("microsoft.network/publicipaddresses",), "properties")))
    return Topology(
        tuple(kept),
        tuple(_cut(services, "services", omitted)),
        tuple(_cut(addresses, "addresses", omitted)),
        omitted,
        _DNS in engine.tables,
    )


class _Rows:
    """The rows of some types. A table that was not collected has none."""

    def __init__(self, engine: Engine, at: datetime) -> None:
        self._engine, self._at = engine, at

    def of(self, types: Iterable[str], columns: str, table: str = "resources") -> list[dict[str, Any]]:
        """Return id, name, type and ``columns`` of the rows of some types, in the order of their ids."""
        if table not in self._engine.tables:
            return []
        listed = ", ".join(f"'{name}'" for name in types)
        query = f"{table} | where type in ({listed}) | project id, name, type, {columns} | order by id asc"
        answer = self._engine.run(query, self._at)
        names = [column.name for column in answer.columns]
        return [dict(zip(names, values, strict=True)) for values in answer.rows]


def _network(row: Row, placed: Mapping[str, Sequence[Item]], zones: Mapping[str, Iterable[str]]) -> Network:
    properties = object_of(row["properties"])
    key = row["id"].lower()
    return Network(
        row["id"],
        row["name"],
        row["location"],
        tuple(texts(object_of(properties.get("addressSpace")).get("addressPrefixes"))),
        tuple(_subnet(key, item, placed) for item in objects(properties.get("subnets"))),
        tuple(_peers(properties.get("virtualNetworkPeerings"))),
        tuple(sorted(zones.get(key, ()))),
    )


def _subnet(network: str, item: Row, placed: Mapping[str, Sequence[Item]]) -> Subnet:
    properties = object_of(item.get("properties"))
    name = text(item.get("name"))
    prefixes = [text(properties.get("addressPrefix")), *texts(properties.get("addressPrefixes"))]
    delegations = [
        text(object_of(found.get("properties")).get("serviceName")) for found in objects(properties.get("delegations"))
    ]
    routes = text(object_of(properties.get("routeTable")).get("id"))
    return Subnet(
        name,
        next(filter(None, prefixes), ""),
        bool(object_of(properties.get("networkSecurityGroup")).get("id")),
        routes.rpartition("/")[2],
        next(filter(None, delegations), ""),
        tuple(placed.get(f"{network}/subnets/{name}".lower(), ())),
    )


def _peers(value: object) -> Iterator[str]:
    for peering in objects(value):
        remote = text(object_of(object_of(peering.get("properties")).get("remoteVirtualNetwork")).get("id"))
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
    properties = object_of(row["properties"])
    if object_of(properties.get("privateEndpoint")).get("id"):
        return None
    machine = text(object_of(properties.get("virtualMachine")).get("id"))
    if machine:
        name = machine.rpartition("/")[2]
        return Item(machine, "microsoft.compute/virtualmachines", name, (row["id"].lower(),))
    return Item(row["id"], row["type"], row["name"])


def _zones(rows: Iterable[Row]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        network = text(object_of(object_of(row["properties"]).get("virtualNetwork")).get("id"))
        parts = row["id"].split("/")
        if network and len(parts) > 3:  # noqa: PLR2004 - .../privateDnsZones/ZONE/virtualNetworkLinks/NAME
            found[network.lower()].add(parts[-3])
    return found


def _through(rows: Iterable[Row]) -> dict[str, str]:
    """Return lower-case id of a monitored resource to that of the link scope that it is in."""
    found = {}
    for row in rows:
        linked = text(object_of(row["properties"]).get("linkedResourceId")).lower()
        found[linked] = row["id"].lower().rpartition("/scopedresources/")[0]
    return found


def _endpoints(rows: Iterable[Row], stand_in: Mapping[str, tuple[Name, ...]]) -> dict[str, list[Endpoint]]:
    found: dict[str, list[Endpoint]] = defaultdict(list)
    for row in rows:
        properties = object_of(row["properties"])
        subnet = text(object_of(properties.get("subnet")).get("id"))
        for kind in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
            for connection in objects(properties.get(kind)):
                told = object_of(connection.get("properties"))
                status = text(object_of(told.get("privateLinkServiceConnectionState")).get("status"))
                groups = tuple(texts(told.get("groupIds")))
                target = text(told.get("privateLinkServiceId")).lower()
                found[target].append(
                    Endpoint(row["id"], row["name"], groups, status, subnet, stand_in.get(row["id"].lower(), ()))
                )
    return found


def _address(row: Row) -> Address:
    properties = object_of(row["properties"])
    holders = (
        text(object_of(properties.get("ipConfiguration")).get("id")),
        text(object_of(properties.get("natGateway")).get("id")),
    )
    holder = _INSIDE.sub("", next(filter(None, holders), "").lower())
    return Address(row["id"], row["name"], text(properties.get("ipAddress")), holder)


def _cut(things: Sequence[Thing], kind: str, omitted: dict[str, int]) -> Sequence[Thing]:
    omitted[kind] = max(0, len(things) - MOST[kind])
    return things[: MOST[kind]]


def _flat(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _flat(item)]
    if isinstance(value, list):
        return [text for item in value for text in _flat(item)]
    return [value] if isinstance(value, str) else []
