"""The private path to each service, hop by hop, as it was read: where a hop does not hold, the path is broken there.

It shows what stands where; whether that is right is for the policies to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lockdown.report import words
from lockdown.report.map import TYPES
from lockdown.topology import Endpoint, Item, Name, Service, Topology

LIMIT = 60
_SCOPE_TYPES = frozenset({"microsoft.insights/components", "microsoft.operationalinsights/workspaces"})


@dataclass(frozen=True)
class Hop:
    """One hop; ``state`` is ``pass``, ``fail`` or ``unknown``."""

    what: str
    told: str
    state: str


@dataclass(frozen=True)
class Path:
    """The way to one part of a service.

    Attributes:
        broken: the number of the first hop that fails; that of the first unknown one if none does; -1 for a whole path.
        state: ``fail``, ``unknown`` or ``pass``.
    """

    id: str
    title: str
    hops: tuple[Hop, ...]
    broken: int
    state: str


def paths(topology: Topology) -> list[Path]:
    """Return every path, the broken ones first, then by service."""
    inside = {
        item.id.lower(): (network.name, subnet.name, item)
        for network in topology.networks
        for subnet in network.subnets
        for item in subnet.items
    }
    titles = {service.id.lower(): _title(service) for service in topology.services}
    found = [
        _path(service, hops)
        for service in topology.services
        for hops in _ways(service, inside, titles, names_read=topology.names_read)
    ]
    return sorted(found, key=lambda path: (("fail", "unknown", "pass").index(path.state), path.title, path.id.lower()))


def _ways(
    service: Service, inside: Mapping[str, tuple[str, str, Item]], titles: Mapping[str, str], *, names_read: bool
) -> Iterator[tuple[Hop, ...]]:
    for endpoint in service.endpoints:
        for group in endpoint.group_ids or ("",):
            yield tuple(_endpoint(endpoint, group, names_read=names_read))
    if service.endpoints:
        return
    if service.id.lower() in inside:
        network, subnet, _ = inside[service.id.lower()]
        yield (Hop("Stands in", f"{subnet} of {network}", "pass"),)
    elif service.through:
        told = titles.get(service.through, service.through.rpartition("/")[2])
        yield (Hop("Link scope", f"{told}: its own path stands in this list", "pass"),)
    else:
        scope = ", nor a monitor private link scope" if service.type in _SCOPE_TYPES else ""
        yield (Hop("Connection", f"no private endpoint was seen{scope}", "fail"),)


def _endpoint(endpoint: Endpoint, group: str, *, names_read: bool) -> Iterator[Hop]:
    approved = endpoint.status.lower() == "approved"
    yield Hop(
        "Connection", f"{endpoint.name}: {endpoint.status or 'state not read'}", _state(approved, known=endpoint.status)
    )
    yield Hop("Group", group or "none", _state(group))
    names = [name for name in endpoint.names if not name.group or not group or name.group.lower() == group.lower()]
    network = endpoint.subnet.partition("/subnets/")[0].rpartition("/")[2]
    if not names:
        yield Hop("Names", "its interface tells none", "unknown")
        return
    yield from _resolved(names, network, names_read=names_read)


def _resolved(names: list[Name], network: str, *, names_read: bool) -> Iterator[Hop]:
    if names_read:
        lost = [name for name in names if not name.zone]
        zones = sorted({name.zone for name in names if name.zone})
        yield Hop("Zone", f"none has {lost[0].name}" if lost else _several(zones, "zone"), _state(not lost))
        wrong = [name for name in names if name.recorded != (name.address,)]
        if wrong:
            recorded = ", ".join(wrong[0].recorded)
            told = f"{recorded}, not {wrong[0].address or 'its address'}" if recorded else "none"
            yield Hop("Record", f"{wrong[0].name}: {told}", "fail")
        else:
            yield Hop("Record", _several([name.name for name in names], "name"), "pass")
    else:
        yield Hop("Zone and record", "private DNS was not read", "unknown")
    addresses = sorted({name.address for name in names if name.address})
    whole = all(name.address for name in names)
    yield Hop("Interface", _several(addresses, "address", "addresses") or "no address", _state(whole, known=whole))
    if names_read:
        apart = sorted({name.zone for name in names if name.zone and not name.linked})
        asked = any(name.linked for name in names)
        whole_told = f"{network} asks it" if asked else "there is no zone to ask"
        yield Hop(
            "Zone link", f"{network} does not ask {apart[0]}" if apart else whole_told, _state(asked and not apart)
        )


def _path(service: Service, hops: tuple[Hop, ...]) -> Path:
    states = [hop.state for hop in hops]
    state = next((found for found in ("fail", "unknown") if found in states), "pass")
    broken = -1 if state == "pass" else states.index(state)
    return Path(service.id, _title(service), hops, broken, state)


def _title(service: Service) -> str:
    return f"{TYPES.get(service.type, service.type.rpartition('/')[2])} {service.name}"


def _several(values: Iterable[str], one: str, many: str = "") -> str:
    held = list(values)
    return held[0] if len(held) == 1 else words.number(len(held), one, many) if held else ""


def _state(holds: object, *, known: object = True) -> str:
    return "pass" if holds else "fail" if known else "unknown"
