"""What the policies say now and did not say before, and the waivers of what still fails."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lockdown.drift import rows
from lockdown.drift.coverage import Coverage, Gap
from lockdown.drift.environment import Environment
from lockdown.drift.items import (
    INFORMATIONAL,
    Attribution,
    Cause,
    Direction,
    PolicyChange,
    PropertyChange,
    ResourceChange,
    VerdictChange,
    WaiverChange,
)
from lockdown.drift.side import Side
from lockdown.drift.trail import Trail
from lockdown.drift.verdicts import ResultPair, expired, got_worse, waiver_change
from lockdown.model import Verdict

_CONTAINER = re.compile(r"/subscriptions/[^/]+(/resourcegroups/[^/]+)?")
_BY_POLICY = Attribution(unknown="The text of the policy changed, not the resource.")
_BY_BOUNDARY = Attribution(unknown="The boundary in the configuration changed, not the resource.")
_SEVERAL = Attribution(unknown="Several changes may have caused it, not all by the same hand: see the resources.")


@dataclass(frozen=True)
class Judgement:
    """How the verdicts of one comparison are explained.

    Attributes:
        properties: property changes by lower-case resource id.
        resources: resources added and removed, by lower-case id.
    """

    baseline: Side
    current: Side
    trail: Trail
    properties: Mapping[str, tuple[PropertyChange, ...]]
    resources: Mapping[str, ResourceChange]

    def verdict(self, pair: ResultPair, way: Direction) -> VerdictChange:
        """Return the item for a result that went ``way``."""
        later, cause = pair.later, self._cause(pair)
        failing = got_worse(pair) or (pair.after is not None and pair.after["verdict"] == Verdict.FAIL)
        title = next((p["title"] for p in _policies(self.current, self.baseline) if p["id"] == pair.policy), "")
        return VerdictChange(
            policy=pair.policy,
            title=str(title),
            resource=str(later["resource"]),
            part=str(later["part"]),
            direction=way,
            before=_said(pair.before),
            after=_said(pair.after),
            severity=str(later["severity"]) if failing else INFORMATIONAL,
            cause=cause,
            reason=str(later["reason"]),
            expected=str(later["expected"]),
            observed=str(later["observed"]),
            waiver=pair.after["waiver"] if pair.after and pair.waived_after else None,
            attribution=self._attribution(pair, cause),
        )

    def _cause(self, pair: ResultPair) -> Cause:
        ours, theirs = self.baseline.policies.get(pair.policy), self.current.policies.get(pair.policy)
        environment = pair.resource in self.resources or any(
            pair.policy in change.policies for change in self.properties.get(pair.resource, ())
        )
        known = bool(self.baseline.policies and self.current.policies)
        if known and (ours and ours.rule) != (theirs and theirs.rule):
            both = environment and ours is not None and theirs is not None
            return Cause.POLICY_AND_ENVIRONMENT if both else Cause.POLICY
        asks = theirs is not None and "boundary." in theirs.query
        if asks and self.baseline.boundary != self.current.boundary and not environment:
            return Cause.BOUNDARY
        return Cause.ENVIRONMENT

    def _attribution(self, pair: ResultPair, cause: Cause) -> Attribution:
        if cause is Cause.POLICY:
            return _BY_POLICY
        if cause is Cause.BOUNDARY:
            return _BY_BOUNDARY
        if pair.resource in self.resources:
            return self.resources[pair.resource].attribution
        changes = self.properties.get(pair.resource, ())
        fed = [change.attribution for change in changes if pair.policy in change.policies]
        agreed = _agreed(fed or [change.attribution for change in changes])
        if agreed is not None:
            return agreed
        touched = self.trail.who_touched(pair.resource)
        return touched if touched.when else self._below(pair) or touched

    def _below(self, pair: ResultPair) -> Attribution | None:
        """Return who changed what lies inside the judged subscription or group, of types that the policy reads."""
        if not _CONTAINER.fullmatch(pair.resource):
            return None
        policy = self.current.policies.get(pair.policy)
        types = {kind for kinds in policy.reads.values() for kind in kinds} if policy else set()
        inside = f"{pair.resource}/"
        items: Iterable[ResourceChange | PropertyChange] = (
            *self.resources.values(),
            *(change for changes in self.properties.values() for change in changes),
        )
        found = [item.attribution for item in items if item.type in types and item.resource.lower().startswith(inside)]
        agreed = _agreed(found)
        if agreed is None or not agreed.match:
            return agreed
        return replace(agreed, match="below")


def waiver(pair: ResultPair, evaluated_at: str) -> WaiverChange | None:
    """Return the item for a waiver that began, ended, ran out or changed, of a result that fails in both runs."""
    kind = waiver_change(pair)
    if not kind or pair.before is None or pair.after is None:
        return None
    if kind == "ended" and expired(pair, evaluated_at):
        kind = "expired"
    counts_again = kind in {"ended", "expired"}
    return WaiverChange(
        kind=kind,
        policy=pair.policy,
        resource=str(pair.later["resource"]),
        part=str(pair.later["part"]),
        severity=str(pair.later["severity"]) if counts_again else INFORMATIONAL,
        before=pair.before.get("waiver") if pair.waived_before else None,
        after=pair.after.get("waiver") if pair.waived_after else None,
    )


def gap(pair: ResultPair, coverage: tuple[Coverage, Coverage]) -> tuple[int, Gap] | None:
    """Return why one of the runs may lack a result although it would hold one, and which run."""
    if pair.before is not None and pair.after is not None:
        return None
    number = rows.BASELINE if pair.before is None else rows.CURRENT
    lacking = coverage[number]
    for policy in lacking.side.record.policies:
        if policy["id"] == pair.policy and policy.get("error"):
            return number, Gap("unreadable", pair.policy, f"The policy could not be evaluated: {policy['error']}")
    unread = lacking.side.unreadable.get("table", {})
    text = lacking.side.policies.get(pair.policy)
    for table in text.reads if text else ():
        if table in unread:
            return number, Gap("unreadable", table, unread[table])
    found = lacking.gap(pair.resource)
    return None if found is None else (number, found)


def policy_changes(baseline: Side, current: Side) -> tuple[PolicyChange, ...]:
    """Return the policies that came, went or whose text changed; nothing if their texts are not at hand."""
    if not (baseline.policies and current.policies):
        return ()
    found = []
    for policy in sorted(baseline.policies.keys() | current.policies.keys()):
        before, after = (
            side.policies[policy].digest if policy in side.policies else "" for side in (baseline, current)
        )
        if before != after:
            kind = "changed" if before and after else "added" if after else "removed"
            found.append(PolicyChange(kind, policy, before, after))
    return tuple(found)


def by_resource(found: Environment) -> tuple[dict[str, tuple[PropertyChange, ...]], dict[str, ResourceChange]]:
    """Return property changes and changed resources by lower-case id."""
    properties: dict[str, list[PropertyChange]] = {}
    for change in found.properties:
        properties.setdefault(change.resource.lower(), []).append(change)
    return (
        {resource: tuple(changes) for resource, changes in properties.items()},
        {item.resource.lower(): item for item in found.resources},
    )


def _agreed(found: list[Attribution]) -> Attribution | None:
    """Return the latest of some attributions if all name the same, None if there are none."""
    if not found:
        return None
    if len({attribution.who for attribution in found}) > 1:
        return _SEVERAL
    return max(found, key=lambda attribution: attribution.when)


def _said(result: Mapping[str, object] | None) -> str | None:
    return None if result is None else str(result["verdict"])


def _policies(*sides: Side) -> Iterable[Mapping[str, object]]:
    return (policy for side in sides for policy in side.record.policies)
