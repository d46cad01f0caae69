"""The map of the environment as inline SVG: networks, subnets, services, endpoints, public addresses.

Drawn from the topology and the results alone. What can be reached from outside stands out by colour, a word and a
thick line. A node links to the policy that it fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from lockdown.report import words
from lockdown.report.chart import element, path, text
from lockdown.report.place import place
from lockdown.report.standing import Standing
from lockdown.report.visible import visible
from lockdown.topology import Address, Item, Network, Service, Subnet, Topology

WIDTH = 1200
_COLUMN = 352
_GAP = 16
_SERVICES_X = 880
_SERVICE = (300, 46)
_ROW = 24
_SUBNET_HEAD = 46
_NETWORK_HEAD = 56
_TOP = 112
_MANY_ITEMS = 9
_MANY_SERVICES = 24
_CROWD = 60
"""From how many items on a subnet lists types, and an empty one only its name."""
_MANY_ADDRESSES = 8
_ADDRESSES_IN_A_ROW = 4
_ADDRESSES_Y = 46
_NOTHING = Standing()
_CROSS = "\u00d7"
_TALL = 40
_RESERVED = frozenset({"AzureFirewallSubnet", "AzureFirewallManagementSubnet", "AzureBastionSubnet", "GatewaySubnet"})
_RANK = ("fail", "unknown", "waived", "manual", "pass", "notApplicable", "")

TYPES = {
    "microsoft.batch/batchaccounts": "Batch account",
    "microsoft.compute/virtualmachines": "Virtual machine",
    "microsoft.compute/virtualmachinescalesets": "Scale set",
    "microsoft.containerregistry/registries": "Container registry",
    "microsoft.containerservice/managedclusters": "AKS cluster",
    "microsoft.dbforpostgresql/flexibleservers": "PostgreSQL server",
    "microsoft.dbformysql/flexibleservers": "MySQL server",
    "microsoft.documentdb/databaseaccounts": "Cosmos DB",
    "microsoft.insights/components": "Application Insights",
    "microsoft.insights/privatelinkscopes": "Monitor link scope",
    "microsoft.keyvault/vaults": "Key vault",
    "microsoft.network/applicationgateways": "Application gateway",
    "microsoft.network/azurefirewalls": "Firewall",
    "microsoft.network/bastionhosts": "Bastion",
    "microsoft.network/loadbalancers": "Load balancer",
    "microsoft.network/networkinterfaces": "Interface",
    "microsoft.network/privateendpoints": "Endpoint",
    "microsoft.network/virtualnetworkgateways": "Gateway",
    "microsoft.operationalinsights/workspaces": "Log Analytics",
    "microsoft.sql/servers": "SQL server",
    "microsoft.storage/storageaccounts": "Storage account",
}
Spot = tuple[float, float]


@dataclass(frozen=True)
class _Box:
    """Something drawn, as large as it is, and where lines to it end."""

    drawn: Markup
    height: float
    spots: Mapping[str, Spot]


def draw(topology: Topology, standings: Mapping[str, Standing], *, style: str = "") -> Markup:
    """Return the map as one ``<svg>``.

    Args:
        topology: what stands where.
        standings: lower-case resource id to what it is judged to be.
        style: a style sheet to put into it; empty in a page that has one.
    """
    return _Map(topology, standings).drawn(style)


def ids(topology: Topology) -> Iterator[str]:
    """Yield the lower-case ids of everything that the map shows."""
    for network in topology.networks:
        yield network.id.lower()
        for subnet in network.subnets:
            yield f"{network.id}/subnets/{subnet.name}".lower()
            yield from (item.id.lower() for item in subnet.items)
    for service in topology.services:
        yield service.id.lower()
        yield from (endpoint.id.lower() for endpoint in service.endpoints)
    yield from (address.id.lower() for address in topology.addresses)


class _Map:
    def __init__(self, topology: Topology, standings: Mapping[str, Standing]) -> None:
        self._topology, self._standings = topology, dict(standings)
        inside = {item.id.lower() for n in topology.networks for s in n.subnets for item in s.items}
        self._apart = [service for service in topology.services if service.id.lower() not in inside]
        self._many = 2 if len(inside) > _CROWD else _MANY_ITEMS
        self._holders = _holders(topology)
        for address in topology.addresses:
            holder = self._holders.get(address.holder)
            if holder and self._standing(address.id).kind == "fail":
                key = holder.id.lower()
                self._standings[key] = replace(self._standing(key), outside=True)
        self._addresses = sorted(topology.addresses, key=lambda a: not self._open(a))
        rows = -(-min(len(self._addresses), _MANY_ADDRESSES + 1) // _ADDRESSES_IN_A_ROW)
        self._top = _TOP + max(0, rows - 1) * (_SERVICE[1] + 8)

    def drawn(self, style: str) -> Markup:
        networks = _stacked([self._network(network) for network in self._topology.networks], 0, self._top, 24)
        self._apart.sort(key=lambda service: _first_end(service, networks.spots))
        services = _stacked(self._services(), _SERVICES_X, self._top, 10)
        height = self._top + max(networks.height, services.height) + 10
        spots = {**networks.spots, **services.spots}
        told = self._omitted()
        return element(
            "svg",
            element("title", "Map of the environment"),
            element("style", Markup(style)) if style else "",  # noqa: S704 - our own file
            self._internet(spots),
            networks.drawn,
            *self._links(spots),
            services.drawn,
            text(0, height + 14, told, "quiet") if told else "",
            xmlns="http://www.w3.org/2000/svg",
            class_="map",
            viewBox=f"-2 -2 {WIDTH + 4} {height + (24 if told else 4):g}",
            role="group",
            aria_label="Map of the environment",
        )

    def _standing(self, resource: str) -> Standing:
        return self._standings.get(resource.lower(), _NOTHING)

    def _internet(self, spots: Mapping[str, Spot]) -> Markup:
        """The bar at the top, the public addresses below it, and a line to every service that is open."""
        parts = [
            element("rect", x=0, y=0, width=WIDTH, height=34, rx=4, class_="internet"),
            text(14, 22, "Internet", "name"),
        ]
        wide = (WIDTH - 20) / _ADDRESSES_IN_A_ROW
        shown = self._addresses[: _MANY_ADDRESSES + (len(self._addresses) == _MANY_ADDRESSES + 1)]
        for number, address in enumerate(shown):
            row, column = divmod(number, _ADDRESSES_IN_A_ROW)
            spot = (column * wide, _ADDRESSES_Y + row * (_SERVICE[1] + 8))
            parts.append(self._address(address, spot, wide - 14))
        if more := self._addresses[len(shown) :]:
            told = f"and {len(more):,} more public addresses, {sum(map(self._open, more)):,} of them failing"
            parts.append(text(0, self._top - 38, told, "quiet"))
        if not shown:
            parts.append(text(0, 72, "no public address", "quiet"))
        ends = [spots[s.id.lower()][1] for s in self._apart if self._standing(s.id).outside]
        if ends:
            right, side = _SERVICES_X + _SERVICE[0], WIDTH - 6
            line = f"M{side} 34V{max(ends):g}" + "".join(f"M{side} {y:g}H{right}" for y in sorted(set(ends)))
            parts.append(element("path", d=line, class_="line open"))
        return element("g", *parts)

    def _open(self, address: Address) -> bool:
        """Say whether something fails that has this address, or the address itself."""
        holder = self._holders.get(address.holder)
        return self._standing(address.id).kind == "fail" or bool(holder and self._standing(holder.id).outside)

    def _address(self, address: Address, spot: Spot, width: float) -> Markup:
        standing, bad = self._standing(address.id), self._open(address)
        holder = self._holders.get(address.holder)
        x, y = spot
        at = place(address.holder)
        on = f"{_kind(holder.type)} {holder.name}" if holder else f"{_kind(at.type.lower())} {at.path}".strip()
        return element(
            "g",
            element(
                "path",
                d=f"M{x + 16:g} {y - 12 if y <= _ADDRESSES_Y else y - 8:g}V{y:g}",
                class_=f"line {'open' if bad else 'egress'}",
            ),
            self._node(
                (x, y, width, _SERVICE[1]),
                address.id,
                f"{address.address or 'no address'} {address.name}",
                on or "attached to nothing",
                "address" + (" outside" if bad else ""),
                standing,
            ),
        )

    def _network(self, network: Network) -> _Box:
        columns: list[list[_Box]] = [[], []]
        heights = [0.0, 0.0]
        crowded = self._many < _MANY_ITEMS
        bare = [subnet.name for subnet in network.subnets if crowded and not subnet.items]
        for subnet in sorted((s for s in network.subnets if s.name not in bare), key=_leads_out):
            box = self._subnet(network, subnet)
            side = 1 if _leads_out(subnet) else int(heights[0] > heights[1])
            columns[side].append(box)
            heights[side] += box.height + _GAP
        left = _stacked(columns[0], _GAP, _NETWORK_HEAD, _GAP)
        right = _stacked(columns[1], 2 * _GAP + _COLUMN, _NETWORK_HEAD, _GAP)
        bottom = _NETWORK_HEAD + max(left.height, right.height, 10) + _GAP
        height = bottom + (18 if bare else 0)
        width = 3 * _GAP + 2 * _COLUMN
        zones = words.number(len(network.zones), "private DNS zone") + " linked"
        peers = f", peered with {words.number(len(network.peers), 'network')}" if network.peers else ""
        drawn = element(
            "g",
            element("rect", x=0, y=0, width=width, height=height, rx=8, class_="network"),
            self._linked(network.id, text(_GAP, 24, network.name, "name", width - 60, 15), network.name),
            text(_GAP, 44, f"{', '.join(network.prefixes)}, {network.location}, {zones}{peers}", "quiet", width - 40),
            left.drawn,
            right.drawn,
            text(_GAP, bottom + 6, f"nothing stands in {words.listing(bare)}", "quiet", width - 40) if bare else "",
        )
        return _Box(drawn, height, {**left.spots, **right.spots})

    def _subnet(self, network: Network, subnet: Subnet) -> _Box:
        rows = list(_rows(subnet.items, self._standings, self._many))
        height = _SUBNET_HEAD + _ROW * max(1, len(rows)) + 8
        standing = self._standing(f"{network.id}/subnets/{subnet.name}")
        parts = [
            element("rect", x=0, y=0, width=_COLUMN, height=height, rx=5, class_=f"subnet {_tint(standing)}"),
            text(12, 19, f"{subnet.name}  {subnet.prefix}", "name", _COLUMN - 24),
            text(12, 36, _told(subnet), "quiet", _COLUMN - 24, 12),
        ]
        spots: dict[str, Spot] = {}
        for number, (items, label) in enumerate(rows):
            y = _SUBNET_HEAD + number * _ROW
            worst = min((self._standing(item.id) for item in items), key=_badness)
            class_ = "item outside" if worst.outside else "item"
            parts.append(self._node((8, y, _COLUMN - 16, _ROW - 4), items[0].id, label, "", class_, worst))
            spots |= {item.id.lower(): (_COLUMN - 8, y + _ROW / 2 - 2) for item in items}
        if not rows:
            parts.append(text(12, _SUBNET_HEAD + 14, "nothing stands here", "quiet"))
        return _Box(element("g", *parts), height, spots)

    def _services(self) -> list[_Box]:
        if len(self._apart) <= _MANY_SERVICES:
            return [self._service([service]) for service in self._apart]
        types = Counter(service.type for service in self._apart)
        return [self._service([s for s in self._apart if s.type == kind]) for kind in types]

    def _service(self, services: Sequence[Service]) -> _Box:
        first = services[0]
        worst = min((self._standing(service.id) for service in services), key=_badness)
        outside = sum(self._standing(service.id).outside for service in services)
        kind = _kind(first.type)
        name = first.name if len(services) == 1 else f"{len(services):,} of them"
        endpoints = sum(len(service.endpoints) for service in services)
        if outside:
            state = "OPEN to the outside" if len(services) == 1 else f"{outside:,} OPEN to the outside"
        elif endpoints:
            state = words.number(endpoints, "private endpoint")
        else:
            scoped = all(service.through for service in services)
            state = "in a monitor private link scope" if scoped else "no private endpoint"
        drawn = self._node(
            (0, 0, *_SERVICE), first.id, f"{kind} {name}", state, "service" + (" outside" if outside else ""), worst
        )
        return _Box(drawn, _SERVICE[1], {service.id.lower(): (0, _SERVICE[1] / 2) for service in services})

    def _links(self, spots: Mapping[str, Spot]) -> Iterator[Markup]:
        seen: set[tuple[Spot, Spot]] = set()
        for service in self._apart:
            end = spots.get(service.id.lower())
            for endpoint in service.endpoints:
                start = spots.get(endpoint.id.lower())
                if start and end and (start, end) not in seen:
                    seen.add((start, end))
                    fine = endpoint.status.lower() == "approved" and self._standing(endpoint.id).kind != "fail"
                    yield path((start, end), f"line {'private' if fine else 'broken'}")

    def _node(
        self,
        frame: tuple[float, float, float, float],
        resource: str,
        label: str,
        second: str,
        class_: str,
        standing: Standing,
    ) -> Markup:
        x, y, width, height = frame
        mark = _SIGNS.get("fail" if standing.outside else standing.kind, "")
        room = (width - 20) * (0.92 if "outside" in class_ else 1)
        one = height < _TALL and not second
        lines = [
            text(
                x + 10,
                y + (height / 2 + 4.5 if one else 18 if height > _TALL else 13),
                f"{mark}{label}",
                None,
                room,
                13 if height > _TALL or one else 12,
            )
        ]
        if second:
            lines.append(text(x + 10, y + height - 7 - (3 if height > _TALL else 0), second, "quiet", room, 12))
        box = element("rect", x=x, y=y, width=width, height=height, rx=4)
        title = f"{label} {second}: {_words(standing)}" + ("" if standing.policy else f"\n{resource}")
        return self._linked(resource, element("g", box, *lines, class_=f"node {class_} {_tint(standing)}"), title)

    def _linked(self, resource: str, drawn: Markup, title: str) -> Markup:
        standing = self._standing(resource)
        told = element("title", visible(title.replace("\n", "; ")))
        if not standing.policy:
            return element("g", told, drawn)
        kind = "pass" if standing.kind == "notApplicable" else standing.kind
        return element("a", told, drawn, href=f"#{kind}-{standing.policy}", data_find=f"resource={resource.lower()}")

    def _omitted(self) -> str:
        left = {kind: number for kind, number in self._topology.omitted.items() if number}
        listed = ", ".join(f"{number:,} more {kind}" for kind, number in left.items())
        return f"Not drawn: {listed}; results/results.json has them all." if left else ""


_SIGNS = {"fail": f"{_CROSS} ", "unknown": "? ", "waived": "◇ ", "manual": "□ "}


def _stacked(boxes: Sequence[_Box], x: float, y: float, gap: float) -> _Box:
    """Return boxes below each other, from (x, y) on."""
    parts, spots, top = [], dict[str, Spot](), y
    for box in boxes:
        parts.append(element("g", box.drawn, transform=f"translate({x:g} {top:g})"))
        spots |= {key: (x + at[0], top + at[1]) for key, at in box.spots.items()}
        top += box.height + gap
    return _Box(Markup("").join(parts), max(0.0, top - gap - y), spots)


def _rows(items: Sequence[Item], standings: Mapping[str, Standing], many: int) -> Iterator[tuple[list[Item], str]]:
    """Yield what a subnet's lines show: each item, or of many items each type."""
    if len(items) <= many:
        yield from (([item], f"{_kind(item.type)} {item.name}") for item in items)
        return
    for kind in sorted({item.type for item in items}):
        alike = sorted(
            (item for item in items if item.type == kind), key=lambda i: _badness(standings.get(i.id.lower(), _NOTHING))
        )
        failing = sum(standings.get(item.id.lower(), _NOTHING).kind == "fail" for item in alike)
        label = f"{len(alike):,} {_kind(kind)}" + (f", {failing:,} failing" if failing else "")
        yield alike, label if len(alike) > 1 else f"{_kind(kind)} {alike[0].name}"


def _leads_out(subnet: Subnet) -> bool:
    return any(item.type == "microsoft.network/privateendpoints" for item in subnet.items)


def _told(subnet: Subnet) -> str:
    parts = [
        "NSG" if subnet.guarded else "no NSG",
        f"routes {subnet.routes}" if subnet.routes else "no route table",
    ]
    if subnet.name in _RESERVED:
        parts = ["reserved by Azure"]
    if subnet.delegation:
        parts.append(f"for {_kind(subnet.delegation.lower())} alone")
    return ", ".join(parts)


def _kind(resource_type: str) -> str:
    return TYPES.get(resource_type, resource_type.rpartition("/")[2])


def _holders(topology: Topology) -> dict[str, Item]:
    """Return the items and services that can hold a public address, by id; an interface's is that of its machine."""
    found: dict[str, Item] = {}
    for service in topology.services:
        found[service.id.lower()] = Item(service.id, service.type, service.name)
    for network in topology.networks:
        for subnet in network.subnets:
            for item in subnet.items:
                found[item.id.lower()] = item
                found |= dict.fromkeys(item.interfaces, item)
    return found


def _first_end(service: Service, spots: Mapping[str, Spot]) -> tuple[float, str]:
    ends = [spots[endpoint.id.lower()][1] for endpoint in service.endpoints if endpoint.id.lower() in spots]
    return min(ends, default=float("inf")), service.id.lower()


def _badness(standing: Standing) -> tuple[bool, int]:
    return not standing.outside, _RANK.index(standing.kind)


def _tint(standing: Standing) -> str:
    return standing.kind if standing.kind in ("fail", "unknown", "waived", "manual", "pass") else ""


def _words(standing: Standing) -> str:
    if standing.kind == "fail":
        return words.number(standing.failures, "failure")
    return words.KIND.get(standing.kind, "not judged").lower()
