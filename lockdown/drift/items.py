"""What drift is made of: frozen values, each one thing that a person would name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lockdown.model import Severity

INFORMATIONAL = "informational"


def worst(severities: Iterable[str]) -> str:
    """Return the worst of some severities, or ``informational``."""
    return min((Severity(text) for text in severities), key=lambda s: s.rank, default=INFORMATIONAL)


class Direction(StrEnum):
    """Which way a verdict went. ``changed`` is neither, such as ``fail`` to ``unknown``."""

    WORSE = "worse"
    BETTER = "better"
    CHANGED = "changed"
    APPEARED = "appeared"
    VANISHED = "vanished"


class Cause(StrEnum):
    """What made a verdict change: the environment, the policy's own text, or the boundary that it asks about."""

    ENVIRONMENT = "environment"
    POLICY = "policy"
    POLICY_AND_ENVIRONMENT = "policyAndEnvironment"
    BOUNDARY = "boundary"


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who changed something, as Azure's change record says.

    Attributes:
        who: user, application or service; empty if it is not known, and then ``unknown`` says why.
        who_type: such as ``User`` or ``Application``.
        when: UTC, ``2026-01-02T03:04:05Z``; may be known when ``who`` is not.
        client: such as ``Azure Portal``.
        operation: such as ``Microsoft.Storage/storageAccounts/write``.
        match: ``property`` (the record names this property), ``resource`` (it names the resource only) or ``below``
            (it names a resource inside this subscription or group).
    """

    who: str = ""
    who_type: str = ""
    when: str = ""
    client: str = ""
    operation: str = ""
    correlation_id: str = ""
    match: str = ""
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A policy says something else of a resource.

    Attributes:
        before: the verdict in the baseline; None if the result appeared.
        after: the verdict now; None if the result vanished.
        reason: the sentence of the later result that there is; ``expected`` and ``observed`` likewise.
        waiver: the waiver that holds for the result now.
    """

    policy: str
    title: str
    resource: str
    part: str
    direction: Direction
    before: str | None
    after: str | None
    severity: str
    cause: Cause
    reason: str
    expected: str
    observed: str
    waiver: Mapping[str, str] | None
    attribution: Attribution


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """A resource that one of the two runs saw, and the other did not although it looked.

    Attributes:
        kind: ``added`` or ``removed``.
        type: the ARM type, lower-case.
        state: of one that was added: a digest of what it is, without what means nothing; empty for one removed.
    """

    kind: str
    table: str
    resource: str
    type: str
    severity: str
    state: str
    attribution: Attribution


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """One property of a resource that both runs saw.

    Attributes:
        path: such as ``properties.securityRules[name="ssh"].properties.access``.
        before: the JSON value in the baseline; None stands for null and for absent.
        after: the JSON value now.
        policies: ids of policies whose query names the property, and whose verdict on this resource changed or is a
            failure, or unknown, in both runs.
        note: what a reader must know to judge it; usually empty.
    """

    table: str
    resource: str
    type: str
    path: str
    before: object
    after: object
    severity: str
    policies: tuple[str, ...]
    note: str
    attribution: Attribution


@dataclass(frozen=True, slots=True)
class WaiverChange:
    """A waiver of a result that fails in both runs.

    Attributes:
        kind: ``began``, ``ended``, ``expired`` or ``changed`` (its reason, owner or last day).
    """

    kind: str
    policy: str
    resource: str
    part: str
    severity: str
    before: Mapping[str, str] | None
    after: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A policy that came, went, or whose text changed.

    Attributes:
        kind: ``added``, ``removed`` or ``changed``.
        before: SHA-256 of its files in the baseline, or empty.
        after: SHA-256 of its files now, or empty.
    """

    kind: str
    policy: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Reverted:
    """Something that changed between the two runs and changed back: equal at both ends, but not in between.

    Attributes:
        severity: the worst of the policies that judge the resource and whose query names the property.
        kind: ``property``, ``createdAndDeleted`` or ``deletedAndCreated``.
        path: as Azure's change record writes it; empty for a whole resource.
        during: the value in between, where it is plainly no secret: a word of an enumeration or a truth value.
        changed: who left the approved state.
        restored: who came back to it.
    """

    kind: str
    resource: str
    type: str
    path: str
    during: str
    severity: str
    changed: Attribution
    restored: Attribution


@dataclass(frozen=True, slots=True)
class NotCompared:
    """What cannot be judged, gathered by its reason.

    Attributes:
        kind: ``unreadable`` (in scope, not read), ``scope`` (not asked for in one of the runs) or ``notCollected`` (the
            policies of one of the runs do not read it).
        side: the run that lacks it: ``baseline`` or ``current``.
        name: subscription id, table or ARM type.
        resources: how many resources are seen by the other run only.
        results: how many results are held by the other run only.
    """

    kind: str
    side: str
    name: str
    reason: str
    resources: int
    results: int


@dataclass(frozen=True, slots=True)
class RunReference:
    """One of the two runs that were compared."""

    run_id: str
    evaluated_at: str
    outcome: str
    policy_set: str


@dataclass(frozen=True, slots=True)
class Drift:
    """The difference of a run to its baseline, every list in a stable order."""

    baseline: RunReference
    current: RunReference
    verdicts: tuple[VerdictChange, ...] = ()
    resources: tuple[ResourceChange, ...] = ()
    properties: tuple[PropertyChange, ...] = ()
    waivers: tuple[WaiverChange, ...] = ()
    policies: tuple[PolicyChange, ...] = ()
    reverted: tuple[Reverted, ...] = ()
    not_compared: tuple[NotCompared, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True if nothing drifted. What could not be compared is no drift: see ``complete``."""
        return not (
            self.verdicts or self.resources or self.properties or self.waivers or self.policies or self.reverted
        )

    @property
    def complete(self) -> bool:
        """False if something that both runs were asked for could not be read in one of them."""
        return all(item.kind != "unreadable" for item in self.not_compared)
