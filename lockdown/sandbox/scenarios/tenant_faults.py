"""The faults that ``tenant`` can be seeded with: what carries each, and what an auditor must then find.

The effects are written from the catalogue of checks, never by running a query. No unit carries two faults of which
one hides the other: an account that a stranger's endpoint reaches always has its own, so that its verdict is known.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from lockdown.errors import UsageError

PUBLIC_ADDRESS = "pip-none-in-scope"
PUBLIC_PREFIX = "pip-prefix-none"
_NOT_APPROVED = "pe-state-approved"


@dataclass(frozen=True)
class Fault:
    """One thing that can be wrong.

    Attributes:
        unit: the unit that carries it; each unit of that kind carries it once or not at all.
        fails: the policies that each get one failing result from it, on the resources at fault.
    """

    unit: str
    fails: tuple[str, ...]


FAULTS: Mapping[str, Fault] = {
    "nic-no-public-ip": Fault("machine", ("nic-no-public-ip", "vm-no-public-ip", PUBLIC_ADDRESS)),
    PUBLIC_ADDRESS: Fault("disks", (PUBLIC_ADDRESS,)),
    PUBLIC_PREFIX: Fault("disks", (PUBLIC_PREFIX,)),
    "vmss-no-public-ip": Fault("cluster", ("vmss-no-public-ip",)),
    "lb-no-public-frontend": Fault("balanced", ("lb-no-public-frontend", "vm-no-public-ip", PUBLIC_ADDRESS)),
    "appgw-no-public-frontend": Fault("gateway", ("appgw-no-public-frontend", PUBLIC_ADDRESS)),
    "firewall-no-dnat": Fault("firewall", ("firewall-no-dnat",)),
    "aks-node-no-public-ip": Fault("cluster", ("aks-node-no-public-ip",)),
    "k8s-service-no-public-lb": Fault("cluster", ("k8s-service-no-public-lb", "lb-no-public-frontend", PUBLIC_ADDRESS)),
    "storage-pe-blob": Fault("storage", ("storage-pe-blob",)),
    "pe-state-approved": Fault("lake", (_NOT_APPROVED,)),
    "pe-target-in-boundary": Fault("lake", ("pe-target-in-boundary",)),
    "service-no-foreign-pe": Fault("lake", ("service-no-foreign-pe",)),
    "batch-pe-account": Fault("batch", ("batch-pe-account", _NOT_APPROVED)),
    "batch-pe-nodemanagement": Fault("batch", ("batch-pe-nodemanagement", _NOT_APPROVED)),
    "acr-pe-registry": Fault("registry", ("acr-pe-registry", _NOT_APPROVED)),
    "kv-pe-vault": Fault("vault", ("kv-pe-vault", _NOT_APPROVED)),
    "cosmos-pe-sql": Fault("cosmos", ("cosmos-pe-sql", _NOT_APPROVED)),
    "pg-private-path": Fault("postgres", ("pg-private-path", _NOT_APPROVED)),
    "mysql-private-path": Fault("mysql", ("mysql-private-path", _NOT_APPROVED)),
    "storage-pna-disabled": Fault("storage", ("storage-pna-disabled",)),
    "batch-pna-disabled": Fault("batch", ("batch-pna-disabled",)),
    "acr-pna-disabled": Fault("registry", ("acr-pna-disabled",)),
    "kv-pna-disabled": Fault("vault", ("kv-pna-disabled",)),
    "cosmos-pna-disabled": Fault("cosmos", ("cosmos-pna-disabled",)),
    "pg-pna-disabled": Fault("postgres", ("pg-pna-disabled",)),
    "mysql-pna-disabled": Fault("mysql", ("mysql-pna-disabled",)),
    "law-pna-disabled": Fault("monitor", ("law-pna-disabled",)),
    "appi-pna-disabled": Fault("monitor", ("appi-pna-disabled",)),
}

POLICIES = tuple(sorted({policy for fault in FAULTS.values() for policy in fault.fails}))
"""Every policy that a fault makes fail."""


@dataclass(frozen=True)
class Choice:
    """Which of ``carriers`` units carry a fault: exactly ``chosen`` of them, spread by a seeded permutation."""

    carriers: int
    chosen: int
    factor: int
    offset: int

    def takes(self, ordinal: int) -> bool:
        """Tell whether the unit with this ordinal (0 .. carriers - 1) carries the fault."""
        return (ordinal * self.factor + self.offset) % self.carriers < self.chosen


def choose(asked: str, carriers: Mapping[str, int], seed: str) -> dict[str, Choice]:
    """Return which units carry each fault.

    Args:
        asked: a percentage of the carriers of every fault (``2``, at least one carrier each), or numbers by fault
            (``storage-pna-disabled=37,nic-no-public-ip=10``).
        carriers: how many units of each kind there are.
        seed: another seed chooses other units.

    Raises:
        UsageError: there is no such fault, or there are not enough carriers.
    """
    wanted = _numbers(asked, carriers) if "=" in asked else _shares(asked, carriers)
    return {
        name: _permuted(carriers[FAULTS[name].unit], number, random.Random(f"{seed}/{name}"))  # noqa: S311  # no secret
        for name, number in wanted.items()
        if number
    }


def _permuted(carriers: int, chosen: int, source: random.Random) -> Choice:
    factor = 0
    while gcd(factor, carriers) != 1:
        factor = source.randrange(carriers)
    return Choice(carriers, chosen, factor, source.randrange(carriers))


def _shares(asked: str, carriers: Mapping[str, int]) -> dict[str, int]:
    try:
        percentage = float(asked.removesuffix("%"))
    except ValueError:
        percentage = -1.0
    if not 0 <= percentage <= 100:  # noqa: PLR2004  # percent
        raise UsageError(
            f"The option faults is {asked!r}; it must be a percentage from 0 to 100, or numbers by fault.",
            "For example 2, or storage-pna-disabled=37,nic-no-public-ip=10.",
        )
    counts = {name: carriers.get(fault.unit, 0) for name, fault in FAULTS.items()}
    least = 1 if percentage else 0
    return {name: min(count, max(least, round(count * percentage / 100))) for name, count in counts.items()}


def _numbers(asked: str, carriers: Mapping[str, int]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for entry in asked.split(","):
        name, _, number = (text.strip() for text in entry.partition("="))
        if name not in FAULTS:
            raise UsageError(f"There is no fault {name!r}.", f"Choose among: {', '.join(FAULTS)}.")
        available = carriers.get(FAULTS[name].unit, 0)
        if not number.isdecimal() or int(number) > available:
            raise UsageError(
                f"The fault {name} is asked {number!r} times; this tenant can carry it 0 to {available} times.",
                "Ask for fewer, or for more resources.",
            )
        wanted[name] = int(number)
    return wanted
