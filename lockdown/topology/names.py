"""The names that private endpoints stand in for: what their interfaces say, and what private DNS has for them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from lockdown.topology.model import Name
from lockdown.topology.values import object_of, objects, text, texts

Row = Mapping[str, Any]
_RECORD = re.compile(r"(?P<zone>.*/privatednszones/(?P<name>[^/]+))/a/(?P<record>[^/]+)")
Record = tuple[str, str, tuple[str, ...]]
"""The lower-case id of a zone, its name, and the addresses in a record of it."""


def records(rows: Iterable[Row]) -> dict[str, list[Record]]:
    """Return the public name that each A record of private DNS stands for, to the records of it."""
    found: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        parts = _RECORD.fullmatch(row["id"].lower())
        if parts:
            addresses = (
                text(item.get("ipv4Address")) for item in objects(object_of(row["properties"]).get("aRecords"))
            )
            name = _public(f"{parts['record']}.{parts['name']}")
            found[name].append((parts["zone"], parts["name"], tuple(filter(None, addresses))))
    return found


def asked(links: Iterable[Row]) -> set[tuple[str, str]]:
    """Return (network, zone) for each finished link, lower-case ids both."""
    found = set()
    for row in links:
        properties = object_of(row["properties"])
        network = text(object_of(properties.get("virtualNetwork")).get("id")).lower()
        if network and text(properties.get("virtualNetworkLinkState")).lower() == "completed":
            found.add((network, row["id"].lower().rpartition("/virtualnetworklinks/")[0]))
    return found


def names(
    interfaces: Iterable[Row], known: Mapping[str, list[Record]], links: set[tuple[str, str]]
) -> dict[str, tuple[Name, ...]]:
    """Return lower-case endpoint id to the names that its interface has addresses for."""
    found: dict[str, list[Name]] = defaultdict(list)
    for row in interfaces:
        properties = object_of(row["properties"])
        endpoint = text(object_of(properties.get("privateEndpoint")).get("id")).lower()
        for configuration in objects(properties.get("ipConfigurations")) if endpoint else ():
            told = object_of(configuration.get("properties"))
            link = object_of(told.get("privateLinkConnectionProperties"))
            network = text(object_of(told.get("subnet")).get("id")).lower().partition("/subnets/")[0]
            for name in texts(link.get("fqdns")):
                held = known.get(_public(name.lower()), [])
                zone, zone_name, addresses = max(held, key=lambda r: (network, r[0]) in links, default=("", "", ()))
                found[endpoint].append(
                    Name(
                        name,
                        text(link.get("groupId")),
                        text(told.get("privateIPAddress")),
                        zone_name,
                        addresses,
                        (network, zone) in links,
                    )
                )
    return {endpoint: tuple(sorted(held, key=lambda name: name.name)) for endpoint, held in found.items()}


def _public(name: str) -> str:
    """Return the name that people ask for; the zones of key vaults are called otherwise than the vaults."""
    return name.replace(".privatelink.", ".").replace(".vaultcore.", ".vault.")
