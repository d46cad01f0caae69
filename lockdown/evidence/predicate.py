"""What the two signatures of a run say. docs/evidence.md explains each field; reports/schemas/ has the JSON Schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from lockdown import strict
from lockdown.errors import TamperedError
from lockdown.evidence import wire
from lockdown.evidence.times import Stamp
from lockdown.model import Outcome, Source

AUDIT_RUN = "urn:coa-lockdown:predicate:audit-run:v1"
EVIDENCE_BUNDLE = "urn:coa-lockdown:predicate:evidence-bundle:v1"
HISTORY_RECORD = "urn:coa-lockdown:predicate:history-record:v1"
"""What ``lockdown.history`` signs: a run started, a run ended."""
ACCEPTANCE = "urn:coa-lockdown:predicate:drift-acceptance:v1"
"""What ``lockdown.history`` signs of a new baseline: which drift was accepted, and why."""
CUSTODY = "urn:coa-lockdown:predicate:custody:v1"
"""What whoever receives a sealed run signs: from whom, when."""

Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Host = Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]{1,5})?$")]


_Kind = TypeVar("_Kind", bound=wire.Open)


class Tool(wire.Open):
    """The program that made it."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)


class Unreadable(wire.Open):
    """Something in scope that could not be read."""

    what: str = Field(description="subscription, managementGroup, table or armReads.")
    name: str
    reason: str


class Resources(wire.Open):
    """How many resources are in scope."""

    total: Count
    by_type: dict[str, Count] = Field(description="By ARM type.")
    unjudged: tuple[str, ...] = Field(description="The types that no policy judges.")


class Scope(wire.Open):
    """What was looked at, and whether that was all of it."""

    tenant: str | None = Field(description="Tenant id of the token; null where no token was used.")
    subscriptions: tuple[str, ...] = Field(description="Subscription ids that were in scope.")
    management_groups: tuple[str, ...] = Field(description="Management groups that were asked for.")
    complete: bool = Field(description="Everything that was asked for could be read.")
    partial: bool = Field(description="The run was stopped before its end.")
    unreadable: tuple[Unreadable, ...]
    resources: Resources


class RuleSet(wire.Open):
    """The policies that judged."""

    digest: str = Field(min_length=1, description="Digest of the policy set, as the run computed it.")
    count: Count


class Cloud(wire.Open):
    """The hosts that answered, with port where it is not 443."""

    name: str
    resource_manager: Host
    authority: Host


class Counts(wire.Open):
    """Results by verdict. A waived failure is in ``waived``, never in ``fail``."""

    fail: Count
    manual: Count
    not_applicable: Count
    not_observed: Count = Field(description="Policies that saw no resource.")
    passed: Count = Field(alias="pass")
    unknown: Count
    waived: Count


class AuditRun(wire.Open):
    """The claim of ``run/run.dsse.json``: what one audit found."""

    run_id: str = Field(min_length=1)
    tool: Tool
    source: Source = Field(description="Where the snapshot came from.")
    cloud: Cloud | None = Field(description="Null where no cloud was asked.")
    identity: str | None = Field(description="Object id of who read; null where no cloud was asked.")
    scope: Scope
    rule_set: RuleSet
    outcome: Outcome
    counts: Counts
    started_at: Stamp
    finished_at: Stamp
    evaluated_at: Stamp = Field(description="The moment that policies and waivers were judged at.")

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        if self.source is not Source.FILE and (self.cloud is None or not self.scope.tenant):
            raise ValueError("a run over a cloud names its hosts and its tenant")
        if self.started_at > self.finished_at:
            raise ValueError("it finished before it started")
        return self


class RunDigest(wire.Open):
    """The run payload that a bundle belongs to."""

    sha256: Digest


class EvidenceBundle(wire.Open):
    """The claim of ``seal/bundle.dsse.json``: what was handed over, together with which run."""

    run_payload: RunDigest
    made_by: Tool
    made_at: Stamp


def from_run(run: Mapping[str, Any], *, name: str) -> AuditRun:
    """Return what a signature says of a run, derived from the run object of its record.

    Raises:
        TamperedError: the run object lacks something or has another shape; the message names ``name``.
    """
    try:
        scope, cloud, rules = run["scope"], run["cloud"], run["policySet"]
        claim = {
            **{key: run[key] for key in ("runId", "source", "outcome", "counts")},
            **{key: run[key] for key in ("startedAt", "finishedAt", "evaluatedAt", "tool")},
            "cloud": _hosts(cloud) if cloud and cloud["resourceManager"] else None,
            "identity": run.get("identity") or None,
            "ruleSet": rules,
            "scope": {
                "tenant": run["tenant"] or None,
                "subscriptions": [subscription["id"] for subscription in scope["subscriptions"]],
                "managementGroups": scope["requested"]["managementGroups"],
                "partial": run.get("partial", False),
                **{key: run[key] for key in ("complete", "unreadable", "resources")},
            },
        }
    except KeyError as error:
        raise TamperedError(f"{name}: the run object lacks {error}.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise TamperedError(f"{name}: the run object has another shape than a run's: {error}.") from error
    return parse(AuditRun, claim, name=name)


def parse(kind: type[_Kind], value: object, *, name: str) -> _Kind:
    """Return a predicate as its model.

    Raises:
        TamperedError: a field is missing or wrong; the message names it.
    """
    try:
        return kind.model_validate_json(strict.canonical(value))
    except ValidationError as error:
        raise TamperedError(f"{name}: {wire.told(error)}.") from error


def plain(claim: wire.Open) -> dict[str, Any]:
    """Return a predicate as JSON values."""
    return claim.model_dump(mode="json", by_alias=True)


def _hosts(cloud: Mapping[str, Any]) -> dict[str, str]:
    address = urlsplit(cloud["resourceManager"])
    if address.scheme != "https" or address.path.strip("/") or address.query or address.fragment:
        raise ValueError("resourceManager is not the base URL of an HTTPS endpoint")
    return {
        "name": cloud["name"],
        "resourceManager": address.netloc.lower().removesuffix(":443"),
        "authority": cloud["authority"].lower().removesuffix(":443"),
    }
