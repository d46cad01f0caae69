"""What changed in Azure: resources that came or went, and properties that differ."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lockdown.drift import rows
from lockdown.drift.coverage import Coverage, Gaps
from lockdown.drift.items import PropertyChange, ResourceChange, worst
from lockdown.drift.properties import Difference, Steps, differences, names_of, path_text, state_of
from lockdown.drift.rows import Pair
from lockdown.drift.trail import Trail
from lockdown.drift.treatments import Treatments
from lockdown.drift.verdicts import Turn


@dataclass
class Environment:
    """What changed, and where: paths and property changes are also kept by lower-case resource id."""

    resources: list[ResourceChange] = field(default_factory=list)
    properties: list[PropertyChange] = field(default_factory=list)
    paths: dict[str, tuple[Steps, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Surroundings:
    """What the rows are judged against.

    Attributes:
        turns: the verdicts that changed, by lower-case resource id.
        failing: returns policy and severity of what fails, or is unknown, on a resource in the current run.
    """

    coverage: tuple[Coverage, Coverage]
    gaps: Gaps
    treatments: Treatments
    trail: Trail
    turns: Mapping[str, Sequence[Turn]]
    failing: Callable[[str], Sequence[tuple[str, str]]]


def examine(pairs: Iterator[Pair], around: Surroundings) -> Environment:
    """Return what the rows that differ say."""
    found = Environment()
    for pair in pairs:
        kind = sys.intern(str(pair.later.get("type") or "").lower())
        if pair.before is None or pair.after is None:
            _one_sided(pair, kind, around, found)
            continue
        steps = []
        failing: Sequence[tuple[str, str]] | None = None
        for difference in differences(pair.before, pair.after, around.treatments.of(kind)):
            failing = around.failing(pair.id) if failing is None else failing
            steps.append(difference.steps)
            found.properties.append(_property(pair, kind, difference, around, failing))
        if steps:
            found.paths[pair.id] = (*found.paths.get(pair.id, ()), *steps)
    return found


def _one_sided(pair: Pair, kind: str, around: Surroundings, found: Environment) -> None:
    side = rows.BASELINE if pair.before is None else rows.CURRENT
    gap = around.coverage[side].gap(pair.id, pair.table, kind)
    if gap is not None:
        around.gaps.resources[side, gap] += 1
        return
    added = side == rows.BASELINE
    found.resources.append(
        ResourceChange(
            kind="added" if added else "removed",
            table=pair.table,
            resource=str(pair.later["id"]),
            type=kind,
            severity=worst(turn.severity for turn in around.turns.get(pair.id, ()) if turn.worse),
            state=state_of(pair.later, around.treatments.of(kind)) if added else "",
            attribution=around.trail.who_made(pair.id, "Create" if added else "Delete"),
        )
    )


def _property(
    pair: Pair, kind: str, difference: Difference, around: Surroundings, failing: Sequence[tuple[str, str]]
) -> PropertyChange:
    policies = around.coverage[rows.CURRENT].side.policies
    names = names_of(difference.steps)

    def asks(policy: str) -> bool:
        return policy not in policies or policies[policy].asks_about(names)

    fed = [turn for turn in around.turns.get(pair.id, ()) if asks(turn.policy)]
    # What failed before and fails still may fail for more than it did: a change that feeds it is no detail.
    still = [(policy, severity) for policy, severity in failing if asks(policy)]
    return PropertyChange(
        table=pair.table,
        resource=str(pair.later["id"]),
        type=kind,
        path=path_text(difference.steps),
        before=difference.before,
        after=difference.after,
        severity=worst((*(turn.severity for turn in fed if turn.worse), *(severity for _, severity in still))),
        policies=tuple(sorted({turn.policy for turn in fed} | {policy for policy, _ in still})),
        note=_note(pair, difference),
        attribution=around.trail.who_changed(pair.id, difference.steps),
    )


def _note(pair: Pair, difference: Difference) -> str:
    before, after = ((row or {}).get("apiVersion") for row in (pair.before, pair.after))
    if before and after and before != after and (difference.before is None or difference.after is None):
        return f"Azure answered in another API version ({before}, now {after}): the property may be new in it, or gone."
    return ""
