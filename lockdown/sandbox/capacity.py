"""Sizes of machines, and how many cores a subscription has in use and may have in a region."""

import re
from collections.abc import Iterator
from typing import Any

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context
from lockdown.sandbox.resource_id import normal_location
from lockdown.sandbox.state import Document, State, subscription_of

CORES = 100
"""The cores that a subscription may have in a region unless the option ``limits`` says otherwise (``cores``)."""

_SIZE = re.compile(r"Standard_(?P<family>[A-Z]+)(?P<number>\d+)(?P<features>[a-z]*)(?P<version>_v\d)?")
SIZES = (
    *(f"Standard_D{number}s_v{version}" for version in (3, 4, 5) for number in (2, 4, 8, 16, 32)),
    *(f"Standard_D{number}ds_v{version}" for version in (4, 5) for number in (2, 4, 8, 16, 32)),
    *(f"Standard_E{number}s_v5" for number in (2, 4, 8, 16)),
    *(f"Standard_F{number}s_v2" for number in (2, 4, 8, 16)),
    *("Standard_D2_v2", "Standard_D3_v2", "Standard_D4_v2", "Standard_B2s", "Standard_B2ms"),
)
"""The sizes of machines that every region offers."""
_OLD = {"Standard_D2_v2": 2, "Standard_D3_v2": 4, "Standard_D4_v2": 8, "Standard_B2s": 2, "Standard_B2ms": 2}
_TYPES = {"microsoft.compute/virtualmachines", "microsoft.compute/virtualmachinescalesets"}


def cores(size: str) -> int:
    """Return how many cores a machine of this size has.

    Raises:
        ArmError: there is no such size.
    """
    found = _SIZE.fullmatch(size)
    if found is None:
        raise ArmError(400, "InvalidParameter", f"The value {size} of parameter vmSize is not a VM size.", "vmSize")
    return _OLD.get(size, int(found["number"]))


def family(size: str) -> str:
    """Return the family that a size's quota counts for, such as ``standardDSv5Family``."""
    found = _SIZE.fullmatch(size)
    if found is None:
        return ""
    return f"standard{found['family']}{found['features'].upper()}{(found['version'] or '').lstrip('_')}Family"


def check(context: Context, subscription: str, location: str, wanted: int, code: str, status: int = 400) -> None:
    """Refuse ``wanted`` more cores than the subscription may have in the region.

    Raises:
        ArmError: ``code``.
    """
    limit, used = context.limit("cores", CORES), in_use(context.state, subscription, location)
    if used + wanted > limit:
        raise ArmError(
            status,
            code,
            f"Insufficient regional vcpu quota left for location {location}. left regional vcpu quota {limit - used}, "
            f"requested quota {wanted}.",
        )


def in_use(state: State, subscription: str, location: str) -> int:
    """Return how many cores machines have in a region."""
    return sum(cores(size) * count for size, count in _machines(state, subscription, location))


def usages(context: Context, subscription: str, location: str) -> list[dict[str, Any]]:
    """Return what Microsoft.Compute says of the quotas of a region."""
    used: dict[str, int] = {}
    for size, count in _machines(context.state, subscription, location):
        used[family(size)] = used.get(family(size), 0) + cores(size) * count
    limit = context.limit("cores", CORES)
    families = dict.fromkeys([family(size) for size in SIZES])
    return [
        _usage("cores", "Total Regional vCPUs", sum(used.values()), limit),
        _usage("virtualMachines", "Virtual Machines", 0, 25000),
        *(_usage(name, name, used.get(name, 0), context.limit(name, limit)) for name in families),
    ]


def skus(location: str) -> list[dict[str, Any]]:
    """Return the sizes of machines that a region offers, as Microsoft.Compute lists them."""
    return [
        {
            "resourceType": "virtualMachines",
            "name": size,
            "tier": "Standard",
            "size": size.removeprefix("Standard_"),
            "family": family(size),
            "locations": [location],
            "locationInfo": [{"location": location, "zones": ["1", "2", "3"], "zoneDetails": []}],
            "capabilities": [
                {"name": "vCPUs", "value": str(cores(size))},
                {"name": "MemoryGB", "value": str(cores(size) * 4)},
                {"name": "EncryptionAtHostSupported", "value": "True"},
                {"name": "HyperVGenerations", "value": "V1,V2"},
            ],
            "restrictions": [],
        }
        for size in SIZES
    ]


def _usage(name: str, shown: str, current: int, limit: int) -> dict[str, Any]:
    return {
        "unit": "Count",
        "currentValue": current,
        "limit": limit,
        "name": {"value": name, "localizedValue": shown},
    }


def _machines(state: State, subscription: str, location: str) -> Iterator[tuple[str, int]]:
    """Yield the size and number of every machine and scale set of a region."""
    for document in state.documents():
        if str(document.get("type", "")).lower() not in _TYPES or not _is_in(document, subscription, location):
            continue
        sku = document.get("sku") or {}
        hardware = (document.get("properties") or {}).get("hardwareProfile") or {}
        size, count = str(sku.get("name") or hardware.get("vmSize") or ""), int(sku.get("capacity") or 1)
        if _SIZE.fullmatch(size):
            yield size, count


def _is_in(document: Document, subscription: str, location: str) -> bool:
    there = normal_location(str(document.get("location") or "")) == normal_location(location)
    return there and subscription_of(str(document["id"])).lower() == subscription.lower()
