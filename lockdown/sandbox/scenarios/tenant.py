"""``tenant``: any number of resources over any number of subscriptions, made one at a time, with seeded faults.

A tenant is a row of cells. A cell is a resource group with a virtual network and units in it; a unit is a service or
a machine with everything it needs. The plan (which unit is where) is cheap to walk, so the number of carriers of
each fault, and with it what must be found, is known before the first document is made.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lockdown.errors import UsageError
from lockdown.sandbox.scenarios import tenant_network, tenant_services
from lockdown.sandbox.scenarios.arm.access import role_assignment
from lockdown.sandbox.scenarios.arm.defender import accounts, plans
from lockdown.sandbox.scenarios.arm.envelope import Group
from lockdown.sandbox.scenarios.config import lockdown_yaml
from lockdown.sandbox.scenarios.identifiers import digits, guid
from lockdown.sandbox.scenarios.scenario import Document, Generated, Scenario
from lockdown.sandbox.scenarios.tenant_faults import FAULTS, POLICIES, PUBLIC_ADDRESS, PUBLIC_PREFIX, Choice, choose
from lockdown.sandbox.scenarios.tenant_place import Place

OPTIONS: Mapping[str, str] = {
    "resources": "how many resources, 1000",
    "subscriptions": "over how many subscriptions, 1",
    "seed": "any text; another seed makes other names and chooses other resources for the faults, 1",
    "faults": "percentage of all that can be at fault, 2; or numbers such as storage-pna-disabled=37,kv-pe-vault=2",
}


@dataclass(frozen=True)
class _Unit:
    """One kind of unit.

    Attributes:
        size: how many resources it makes.
        every: it stands in each ``every``-th cell.
        times: how often it stands in such a cell.
        make: yields its documents.
    """

    size: int
    every: int
    times: int
    make: Callable[[Place], Iterator[Document]]


_UNITS: Mapping[str, _Unit] = {
    "network": _Unit(2, 1, 1, tenant_network.network),
    "storage": _Unit(5, 1, 1, tenant_services.storage),
    "lake": _Unit(5, 1, 1, tenant_services.lake),
    "vault": _Unit(3, 1, 1, tenant_services.vault),
    "monitor": _Unit(2, 1, 1, tenant_services.monitor),
    "machine": _Unit(4, 1, 4, tenant_network.machine),
    "disks": _Unit(2, 1, 2, tenant_network.disks),
    "registry": _Unit(3, 2, 1, tenant_services.container_registry),
    "batch": _Unit(5, 2, 1, tenant_services.batch),
    "postgres": _Unit(3, 3, 1, tenant_services.postgres),
    "postgres-injected": _Unit(3, 3, 1, tenant_services.postgres_injected),
    "balanced": _Unit(5, 3, 1, tenant_network.balanced),
    "cluster": _Unit(4, 4, 1, tenant_network.cluster),
    "mysql": _Unit(3, 4, 1, tenant_services.mysql),
    "cosmos": _Unit(3, 4, 1, tenant_services.cosmos),
    "egress": _Unit(2, 4, 1, tenant_network.egress),
    "gateway": _Unit(2, 5, 1, tenant_network.gateway),
    "firewall": _Unit(2, 5, 1, tenant_network.outer_firewall),
}
_FILLER = "disks"


@dataclass(frozen=True)
class _Spot:
    """One entry of the plan: a unit, and where it stands. ``keep`` is how many of its resources still fit."""

    unit: str
    cell: int
    slot: int
    ordinal: int
    keep: int


def build(tenant: str, options: Mapping[str, str]) -> Scenario:
    """Return the scenario; its documents are made while they are iterated.

    Raises:
        UsageError: an option's value makes no sense.
    """
    resources = _number("resources", options.get("resources", "1000"), least=0)
    count = _number("subscriptions", options.get("subscriptions", "1"), least=1)
    seed = options.get("seed", "1")
    subscriptions = tuple((guid("tenant", tenant, seed, str(n)), f"Synthetic {n + 1}") for n in range(count))
    carriers = Counter(spot.unit for spot in _plan(resources) if spot.keep == _UNITS[spot.unit].size)
    choices = choose(options.get("faults", "2"), carriers, seed)
    ids = [key for key, _ in subscriptions]
    return Scenario(
        subscriptions,
        Generated(lambda: _documents(tenant, seed, ids, resources, choices)),
        lockdown_yaml(ids),
        _expected(resources, count, choices),
    )


def _number(name: str, text: str, *, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise UsageError(f"The option {name} is {text!r}; it must be a whole number, {least} or more.")
    return int(text)


def _plan(resources: int) -> Iterator[_Spot]:
    """Yield every unit in order; what is too small for a unit is filled with unattached disks."""
    ordinals: Counter[str] = Counter()
    left, cell = resources, 0
    while left >= _UNITS["network"].size:
        slot = 0
        for name, unit in _UNITS.items():
            for _ in range(unit.times if cell % unit.every == 0 else 0):
                if unit.size <= left:
                    yield _Spot(name, cell, slot, ordinals[name], unit.size)
                    ordinals[name] += 1
                    left -= unit.size
                    slot += 1
        cell += 1
    if left:
        yield _Spot(_FILLER, max(cell - 1, 0), 0, ordinals[_FILLER], left)


def _by_unit(choices: Mapping[str, Choice]) -> Mapping[str, list[tuple[str, Choice]]]:
    found: dict[str, list[tuple[str, Choice]]] = {}
    for name, choice in choices.items():
        found.setdefault(FAULTS[name].unit, []).append((name, choice))
    return found


def _carried(spot: _Spot, by_unit: Mapping[str, list[tuple[str, Choice]]]) -> frozenset[str]:
    if spot.keep < _UNITS[spot.unit].size:
        return frozenset()
    return frozenset(name for name, choice in by_unit.get(spot.unit, ()) if choice.takes(spot.ordinal))


def _expected(resources: int, subscriptions: int, choices: Mapping[str, Choice]) -> dict[str, int]:
    """Return the number of failing results of each policy.

    The two absence policies fail each offender, and once more each subscription that has one.
    """
    expected = dict.fromkeys(POLICIES, 0)
    for name, choice in choices.items():
        for policy in FAULTS[name].fails:
            expected[policy] += choice.chosen
    for policy in (PUBLIC_ADDRESS, PUBLIC_PREFIX):
        offences = _by_unit({name: choice for name, choice in choices.items() if policy in FAULTS[name].fails})
        offended = {spot.cell % subscriptions for spot in _plan(resources) if _carried(spot, offences)}
        expected[policy] += len(offended)
    return expected


def _documents(
    tenant: str, seed: str, subscriptions: list[str], resources: int, choices: Mapping[str, Choice]
) -> Iterator[Document]:
    stem = digits(tenant, seed, length=6)
    by_unit = _by_unit(choices)
    cell = -1
    group = Group("", "")
    for spot in _plan(resources):
        if spot.cell != cell:
            cell = spot.cell
            group = Group(subscriptions[cell % len(subscriptions)], f"rg-{cell:05d}")
            yield group.document(tags=_tags(cell))
        place = Place(tenant, group, cell, spot.slot, spot.ordinal, stem, _carried(spot, by_unit))
        made = list(_UNITS[spot.unit].make(place))
        for document in made if spot.keep >= _UNITS[spot.unit].size else made[: spot.keep]:
            if "location" in document:
                document["tags"] = _tags(cell)
            yield document
    for subscription in subscriptions:
        yield from _standing(subscription)


def _standing(subscription: str) -> Iterator[Document]:
    """Yield what stands on a subscription: its owners, and what Defender says of it. None of it is a resource."""
    scope = f"/subscriptions/{subscription}"
    for owner in ("first", "second"):
        yield role_assignment(scope, "Owner", guid(owner, scope), "User")
    yield from plans(subscription)
    yield from accounts(subscription)


def _tags(cell: int) -> dict[str, str]:
    return {"environment": ("production", "staging", "development")[cell % 3], "cost-center": f"cc-{cell % 97:04d}"}
