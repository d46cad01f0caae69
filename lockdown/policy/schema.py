"""The shape of policy.yaml, cases.yaml and frameworks/*.yaml: what is accepted, and nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, RootModel, model_validator

from lockdown.model import Severity, Verdict
from lockdown.snapshot.tables import ARM_TABLE, READS, TABLES

PLACEHOLDERS = ("resource", "name", "resourceGroup", "subscription")
BASES = ("microsoft", "microsoft_r5_1_1", "project")

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TYPE = re.compile(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)+(/[A-Za-z0-9]+)+")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _policy_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(f"{text!r} is not an id: lower-case letters and digits, in words joined by single hyphens")
    return text


def _arm_type(text: str) -> str:
    if not _TYPE.fullmatch(text):
        raise ValueError(f"{text!r} is not a resource type such as Microsoft.Storage/storageAccounts")
    return text.lower()


def _read_type(text: str) -> str:
    return READS if text.lower() == READS else _arm_type(text)


def _table(text: str) -> str:
    if text not in TABLES:
        raise ValueError(f"{text!r} is not a table of Resource Graph (all are lower-case)")
    return text


def _reads(reads: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for table, types in reads.items():
        if READS in types and table != ARM_TABLE:
            raise ValueError(f"{READS} are rows of {ARM_TABLE}, not of {table}")
    return reads


def _guid(text: str) -> str:
    if not _GUID.fullmatch(text):
        raise ValueError(f"{text!r} is not a lower-case GUID")
    return text


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _title(text: str) -> str:
    found = _filled(text)
    if "\n" in found or found.endswith("."):
        raise ValueError("must be one sentence on one line, without a full stop")
    return found


def _command(text: str) -> str:
    found = text.strip()
    if "\n" in found:
        raise ValueError("must be one line")
    unknown = [name for name in _PLACEHOLDER.findall(found) if name not in PLACEHOLDERS]
    if unknown:
        raise ValueError(f"unknown placeholder {{{unknown[0]}}}; known: " + " ".join(f"{{{p}}}" for p in PLACEHOLDERS))
    if re.search(r"[{}]", _PLACEHOLDER.sub("", found)):
        raise ValueError("has a brace that belongs to no placeholder")
    return found


def _moment(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


PolicyId = Annotated[str, AfterValidator(_policy_id)]
ArmType = Annotated[str, AfterValidator(_arm_type)]
ReadType = Annotated[str, AfterValidator(_read_type)]
Table = Annotated[str, AfterValidator(_table)]
Filled = Annotated[str, AfterValidator(_filled)]


class Strict(BaseModel):
    """Unknown keys are errors, and nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Claims(Strict):
    """The controls of one framework, by who says that the policy speaks to them.

    ``microsoft`` is Microsoft's initiative for the framework as it stands; ``microsoft_r5_1_1`` is what only its newer
    initiative for NIST SP 800-53 Rev. 5.1.1 says; ``project`` is lockdown's own claim.
    """

    microsoft: tuple[Filled, ...] = ()
    microsoft_r5_1_1: tuple[Filled, ...] = ()
    project: tuple[Filled, ...] = ()


class Remediation(Strict):
    """What to do about a failure: words, and an az command where there is one."""

    text: Filled
    command: Annotated[str, AfterValidator(_command)] = ""


class AzurePolicy(Strict):
    """The Azure Policy built-in that checks the same."""

    guid: Annotated[str, AfterValidator(_guid)]
    name: Filled
    differs: str = ""


class PolicyFile(Strict):
    """policy.yaml."""

    id: PolicyId
    title: Annotated[str, AfterValidator(_title)]
    severity: Severity
    reachability: bool = False
    applies_to: Annotated[tuple[ArmType, ...], Field(min_length=1)]
    reads: Annotated[dict[Table, tuple[ReadType, ...]], AfterValidator(_reads), Field(min_length=1)]
    controls: Annotated[dict[str, Claims], Field(min_length=1)]
    rationale: Filled
    remediation: Remediation
    azure_policy: tuple[AzurePolicy, ...]
    absent_passes: dict[str, Filled] = {}


class Expectation(Strict):
    """One result that a case must give."""

    resource: Filled
    part: str = ""
    verdict: Verdict
    reason: str = ""
    severity: Severity | None = None

    @model_validator(mode="after")
    def _is_a_result(self) -> Expectation:
        if self.verdict is Verdict.NOT_OBSERVED:
            raise ValueError("notObserved is no verdict of a resource: write 'expect: []'")
        return self


class CaseBoundary(Strict):
    """What belongs to the environment in a case; subscriptions default to those of its rows."""

    subscriptions: tuple[str, ...] = ()
    virtualNetworks: tuple[str, ...] = ()  # noqa: N815 - as written in the file
    egressAddresses: tuple[str, ...] = ()  # noqa: N815


class Case(Strict):
    """A small set of rows, and exactly the results that they must give."""

    name: Filled
    tables: dict[Table, tuple[dict[str, JsonValue], ...]]
    boundary: CaseBoundary = CaseBoundary()
    now: Annotated[datetime, AfterValidator(_moment)] = datetime(2026, 1, 1, tzinfo=UTC)
    expect: tuple[Expectation, ...]


class CasesFile(RootModel[Annotated[tuple[Case, ...], Field(min_length=1)]]):
    """cases.yaml: a list of cases."""


class Requirement(Strict):
    """One control of a framework.

    ``implementation`` is HIPAA's: standard, required or addressable. ``claimed`` is the reasoning behind lockdown's own
    claims: what a policy decides that speaks to this control, and how far that goes.
    """

    title: Filled
    implementation: Literal["", "standard", "required", "addressable"] = ""
    claimed: str = ""

    @model_validator(mode="before")
    @classmethod
    def _title_alone(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever the file holds
        return {"title": value} if isinstance(value, str) else value


class FrameworkFile(Strict):
    """frameworks/<id>.yaml of a framework that lists its own controls; ``whole`` if it lists every one of them."""

    id: PolicyId
    title: Filled
    source: Filled
    whole: bool = False
    controls: Annotated[dict[str, Requirement], Field(min_length=1)]


class BaselineFile(Strict):
    """frameworks/<id>.yaml of a baseline: ids of the framework that it derives from."""

    id: PolicyId
    title: Filled
    source: Filled
    whole: bool = False
    derives_from: str
    controls: Annotated[tuple[str, ...], Field(min_length=1)]
