"""The records of a history, as they are signed: a run started or ended, drift was accepted (docs/history.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from lockdown import strict
from lockdown.errors import TamperedError
from lockdown.evidence import wire
from lockdown.evidence.dsse import Envelope
from lockdown.evidence.entry import MAX_BYTES, Kind
from lockdown.evidence.predicate import HISTORY_RECORD, Count, Digest, Tool
from lockdown.evidence.times import Stamp
from lockdown.model import Outcome

STORE: Literal["urn:coa-lockdown:history-store:v1"] = "urn:coa-lockdown:history-store:v1"
RETENTION_DAYS = 2557
"""Seven years: six are required (45 CFR 164.316(b)(2)(i)), counted from when a policy was last in effect."""

PREVIOUS, RUN, ACCEPTANCE = "previous", "run", "acceptance"
Sequence = Annotated[int, Field(ge=1, le=99_999_999)]


class Covered(wire.Open):
    """What a run was asked to look at. Runs of the same ``id`` are compared with each other."""

    id: Digest = Field(description="SHA-256 of the other three, canonical JSON.")
    cloud: str = Field(description="As it was named; file for a run over a snapshot.")
    subscriptions: tuple[str, ...]
    management_groups: tuple[str, ...]

    @model_validator(mode="after")
    def _named_by_its_digest(self) -> Self:
        if covered_id(self.cloud, self.subscriptions, self.management_groups) != self.id:
            raise ValueError("id is not the SHA-256 of the other fields")
        return self


class Archive(wire.Open):
    """The sealed run in the store."""

    name: str = Field(pattern=r"^runs/[0-9]{8}\.zip$")
    sha256: Digest


class _Record(wire.Open):
    sequence: Sequence = Field(description="Its place in the history, from 1 without a gap.")
    previous: Digest = Field(description="SHA-256 of the payload before it; of store.json for the first.")
    run_id: str = Field(min_length=1, max_length=200)
    scope: Covered
    at: Stamp = Field(description="By the signer's clock.")
    tool: Tool


class Started(_Record):
    """A run began. Without an ``Ended`` that names it, its outcome is indeterminate."""

    record: Literal["started"]


class Ended(_Record):
    """A run ended, with evidence or with a failure."""

    record: Literal["ended"]
    started: Sequence = Field(description="The sequence of the record that it closes.")
    outcome: Outcome
    run_payload: Digest | None = Field(description="SHA-256 of the payload of run/run.dsse.json; null: no evidence.")
    archive: Archive | None
    failure: str | None = Field(description="The kind of error that ended it; null if it came to its end.")
    counts: dict[str, Count] = Field(description="Results by verdict.")
    controls: dict[str, dict[str, tuple[Count, Count, Count, Count]]] = Field(
        description="By framework and control: results that pass, fail, are waived, are unknown or manual."
    )

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        if self.started >= self.sequence:
            raise ValueError("it closes a record that is not before it")
        if (self.run_payload is None) != (self.failure is not None):
            raise ValueError("a run ends with evidence or with a failure")
        if self.failure is not None and self.outcome is not Outcome.INDETERMINATE:
            raise ValueError("a run that failed has no outcome")
        if (self.run_payload is None) != (self.archive is None):
            raise ValueError("evidence is in the store, or there is none")
        return self


class Accepted(_Record):
    """Somebody accepted drift: a run became the baseline, or stays it with less that counts as drift."""

    record: Literal["accepted"]
    acceptance: Digest = Field(description="SHA-256 of the payload of the acceptance, in the baseline.")
    run_payload: Digest = Field(description="SHA-256 of the payload of run/run.dsse.json of the baseline.")
    reason: str = Field(min_length=1)


Record = Started | Ended | Accepted
ANY: TypeAdapter[Record] = TypeAdapter(Annotated[Started | Ended | Accepted, Field(discriminator="record")])


class Origin(wire.Open):
    """store.json: what the first record stands on."""

    format: Literal["urn:coa-lockdown:history-store:v1"]
    id: str = Field(min_length=1)
    created_at: Stamp
    retention_days: int = Field(ge=1, description="How long what is here is to be kept, from its last use.")
    retention_basis: str


@dataclass(frozen=True)
class Link:
    """A record as it stands in the store.

    Attributes:
        digest: SHA-256 of its payload in hex: what identifies it.
        data: the file.
    """

    record: Record
    digest: str
    envelope: Envelope
    data: bytes


def covered(cloud: str, subscriptions: tuple[str, ...], management_groups: tuple[str, ...]) -> Covered:
    """Return what a run covers, in the form that records have."""
    named = tuple(sorted(subscriptions)), tuple(sorted(management_groups))
    return Covered(id=covered_id(cloud, *named), cloud=cloud, subscriptions=named[0], management_groups=named[1])


def covered_id(cloud: str, subscriptions: tuple[str, ...], management_groups: tuple[str, ...]) -> str:
    """Return the digest that names a scope."""
    named = {"cloud": cloud, "managementGroups": list(management_groups), "subscriptions": list(subscriptions)}
    return sha256(strict.canonical(named)).hexdigest()


def payload(record: Record) -> bytes:
    """Return the in-toto statement that is signed for a record."""
    return _KIND.payload(record)


def read(data: bytes, *, name: str) -> Link:
    """Return the record in a file; its signature is not checked here.

    Raises:
        TamperedError: it is not in the one form that lockdown writes, or contradicts itself.
    """
    found = _KIND.read(data, name=name)
    return Link(found.claim, found.digest, found.envelope, found.data)


def origin(data: bytes, *, name: str) -> Origin:
    """Return what store.json says.

    Raises:
        TamperedError: it is not one.
    """
    try:
        return Origin.model_validate_json(strict.canonical(strict.loads(data, name=name, max_bytes=MAX_BYTES)))
    except ValidationError as error:
        raise TamperedError(f"{name}: {wire.told(error)}.") from error


def written(found: Origin) -> bytes:
    """Return store.json."""
    return strict.canonical(found.model_dump(mode="json", by_alias=True)) + b"\n"


def _subjects(record: Record) -> Mapping[str, str]:
    subjects = {PREVIOUS: record.previous}
    if not isinstance(record, Started) and record.run_payload is not None:
        subjects[RUN] = record.run_payload
    if isinstance(record, Accepted):
        subjects[ACCEPTANCE] = record.acceptance
    return subjects


_KIND: Kind[Record] = Kind(HISTORY_RECORD, ANY.validate_json, _subjects)
