"""lockdown.yaml: what is in scope, what belongs to the environment, and which failures are accepted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from lockdown import yamlfile
from lockdown.errors import UsageError
from lockdown.model import Boundary, Scope, TemporaryAccess, Waiver

LONGEST_WAIVER = timedelta(days=180)
"""A waiver must be thought about again after that."""

LONGEST_ACCESS = timedelta(days=31)
"""What is open for longer is not temporary."""

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MANAGEMENT_GROUP = re.compile(r"[A-Za-z0-9_().-]{1,90}")
_RESOURCE_ID = re.compile(r"/subscriptions/[0-9a-f-]{36}(/[A-Za-z0-9_().@ -]+)*")


@dataclass(frozen=True)
class Config:
    """What lockdown.yaml says.

    Attributes:
        boundary: as written; empty subscriptions stand for the scope's own.
        key: where the signing key is, as a URI; None leaves runs unsigned unless ``--key`` is given.
        tsa: URL of the time-stamping authority that dates signatures.
        store: where evidence and its history are kept, as a URL; None keeps neither.
        retention_days: how long a new store says that they are to be kept; None is the default.
        temporary: what is announced to be open for a time.
    """

    scope: Scope = field(default_factory=Scope)
    boundary: Boundary = field(default_factory=Boundary)
    waivers: tuple[Waiver, ...] = ()
    key: str | None = None
    tsa: str | None = None
    store: str | None = None
    retention_days: int | None = None
    temporary: tuple[TemporaryAccess, ...] = ()


def load(path: Path, today: date | None = None) -> Config:
    """Read lockdown.yaml.

    Args:
        path: the file.
        today: the day from which the longest time of a waiver counts; None is the day in UTC.

    Raises:
        UsageError: it cannot be read or is wrong; the message names file, line and key of every error.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Name a lockdown.yaml with -c.") from error
    written = yamlfile.load(str(path), data, _File)
    _refuse_endless(path, data, written, (today or datetime.now(UTC).date()) + LONGEST_WAIVER)
    return Config(
        Scope(tuple(written.scope.subscriptions), tuple(written.scope.managementGroups)),
        Boundary(
            tuple(written.boundary.subscriptions),
            tuple(written.boundary.virtualNetworks),
            tuple(written.boundary.egressAddresses),
        ),
        tuple(Waiver(w.policy, tuple(w.resources), w.reason, w.owner, w.expires) for w in written.waivers),
        written.signing.key,
        written.signing.tsa,
        written.evidence.store,
        written.evidence.retentionDays,
        tuple(
            TemporaryAccess(each.resource, each.policy, each.begins, each.until, each.reason, each.owner)
            for each in written.temporaryAccess
        ),
    )


def _refuse_endless(path: Path, data: bytes, written: _File, last: date) -> None:
    too_long = [(index, waiver.expires) for index, waiver in enumerate(written.waivers) if waiver.expires > last]
    if too_long:
        _, lines = yamlfile.parse(str(path), data)
        raise UsageError(
            "\n".join(
                f"{path}, line {lines.get(('waivers', index, 'expires'), 1)}: waivers.{index}.expires: {expires} is "
                f"later than {last}; a waiver holds for at most {LONGEST_WAIVER.days} days from today."
                for index, expires in too_long
            ),
            "Choose an earlier day, and decide again then.",
        )


def subscription_id(text: str) -> str:
    """Return a subscription id in lower case.

    Raises:
        ValueError: it is not a GUID.
    """
    if not _GUID.fullmatch(text.lower()):
        raise ValueError(f"{text!r} is not a subscription id such as 00000000-0000-0000-0000-000000000000")
    return text.lower()


def management_group_id(text: str) -> str:
    """Return a management group id.

    Raises:
        ValueError: it has characters that Azure does not allow in one.
    """
    if not _MANAGEMENT_GROUP.fullmatch(text):
        raise ValueError(f"{text!r} is not the id of a management group")
    return text


def resource_id(text: str) -> str:
    """Return an Azure resource id in lower case, without a trailing slash.

    Raises:
        ValueError: it is not one.
    """
    found = text.lower().rstrip("/")
    if not _RESOURCE_ID.fullmatch(found):
        raise ValueError(f"{text!r} is not an Azure resource id")
    return found


def _waived(text: str) -> str:
    return resource_id(text.removesuffix("*")) + ("*" if text.endswith("*") else "")


def _cidr(text: str) -> str:
    return str(ip_network(text, strict=False))


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


Subscription = Annotated[str, AfterValidator(subscription_id)]
Filled = Annotated[str, AfterValidator(_filled)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Scope(_Strict):
    subscriptions: list[Subscription] = []
    managementGroups: list[Annotated[str, AfterValidator(management_group_id)]] = []  # noqa: N815 - as written in the file

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if self.subscriptions and self.managementGroups:
            raise ValueError("name subscriptions or managementGroups: Resource Graph takes one of the two")
        return self


class _Boundary(_Strict):
    subscriptions: list[Subscription] = []
    virtualNetworks: list[Annotated[str, AfterValidator(resource_id)]] = []  # noqa: N815
    egressAddresses: list[Annotated[str, AfterValidator(_cidr)]] = []  # noqa: N815


class _Waiver(_Strict):
    policy: Filled
    resources: Annotated[list[Annotated[str, AfterValidator(_waived)]], Field(min_length=1)]
    reason: Filled
    owner: Filled
    expires: date


class _TemporaryAccess(_Strict):
    resource: Annotated[str, AfterValidator(resource_id)]
    policy: Filled | None = None
    begins: Annotated[AwareDatetime, Field(alias="from")]
    until: AwareDatetime
    reason: Filled
    owner: Filled

    @model_validator(mode="after")
    def _a_short_time(self) -> Self:
        if not self.begins < self.until <= self.begins + LONGEST_ACCESS:
            raise ValueError(f"until must be later than from, by at most {LONGEST_ACCESS.days} days")
        return self


class _Signing(_Strict):
    key: str | None = None
    tsa: str | None = None


class _Evidence(_Strict):
    store: Filled | None = None
    retentionDays: Annotated[int, Field(ge=1)] | None = None  # noqa: N815


class _File(_Strict):
    scope: _Scope = _Scope()
    boundary: _Boundary = _Boundary()
    waivers: list[_Waiver] = []
    temporaryAccess: list[_TemporaryAccess] = []  # noqa: N815
    signing: _Signing = _Signing()
    evidence: _Evidence = _Evidence()
