"""What each resource of a map is judged to be: the worst of its results, and whether it can be reached from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lockdown.record import Record
from lockdown.report import view

_THEMES = frozenset({"public-ip", "public-network-access", "network-security-groups", "network-default-deny"})
"""What says so in records made before policies did themselves: the themes whose failure is a way in."""


@dataclass(frozen=True)
class Standing:
    """What a resource is judged to be.

    Attributes:
        kind: the worst kind of its results, one of ``view.KINDS``; '' if it has none.
        outside: whether it fails a policy that is about reachability: something outside can reach it.
        failures: how many of its results fail.
        policy: the first policy that gives it its kind.
    """

    kind: str = ""
    outside: bool = False
    failures: int = 0
    policy: str = ""


def standings(record: Record, ids: Iterable[str]) -> Mapping[str, Standing]:
    """Return the standing of each of ``ids`` (lower-case); results of a child count for the nearest above it."""
    ways_in = _ways_in(record)
    found = {resource_id.lower(): Standing() for resource_id in ids}
    for result in record.results():
        holder = _nearest(str(result["resource"]).lower(), found)
        if holder is not None:
            found[holder] = _worse(found[holder], view.kind(result), result["policy"], ways_in)
    return found


def _ways_in(record: Record) -> frozenset[str]:
    """Return the policies whose failure says that something outside can reach the resource."""
    told = frozenset(policy["id"] for policy in record.policies if policy.get("reachability"))
    return told or frozenset(policy["id"] for policy in record.policies if policy["theme"] in _THEMES)


def _worse(known: Standing, kind: str, policy: str, ways_in: frozenset[str]) -> Standing:
    fails = kind == "fail"
    worse = not known.kind or view.KINDS.index(kind) < view.KINDS.index(known.kind)
    return Standing(
        kind if worse else known.kind,
        known.outside or (fails and policy in ways_in),
        known.failures + fails,
        policy if worse else known.policy,
    )


def _nearest(resource: str, known: Mapping[str, Standing]) -> str | None:
    while resource.count("/") > 4:  # noqa: PLR2004 - /subscriptions/ID/resourcegroups/NAME is no resource
        if resource in known:
            return resource
        resource = resource.rpartition("/")[0].rpartition("/")[0]
    return None
