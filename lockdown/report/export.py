"""A record as other formats take it: read once into types, checked against its own counts, its results streamed.

What a format writes is derived from this alone, so that no format can see more, or less, than another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import file_digest, sha256
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from lockdown.errors import TamperedError
from lockdown.model import Control, Severity, Verdict
from lockdown.record import Record
from lockdown.report import shell, view, words
from lockdown.report.place import Place, place
from lockdown.report.visible import prose, visible
from lockdown.strict import canonical

NAMESPACE = "urn:coa-lockdown:oscal"
STATUSES = (*view.KINDS, Verdict.NOT_OBSERVED.value)
"""The keys of the record's ``counts``: every exported result has one."""

_UUIDS = uuid5(NAMESPACE_URL, NAMESPACE)
_NEEDS_COMMAND = {"fail", "waived", "manual"}


@dataclass(frozen=True)
class Told:
    """A policy as the record tells of it.

    Attributes:
        verdict: the worst verdict among its results.
        controls: what it speaks to, in the baselines that list the same controls too.
        error: why it could not be run; empty if it could.
        counts: its results by status.
    """

    id: str
    theme: str
    title: str
    severity: Severity
    verdict: Verdict
    controls: tuple[Control, ...]
    rationale: str
    remediation: str
    command: str
    error: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Waived:
    """A waiver as a result carries it; ``expires`` is the last day on which it holds."""

    reason: str
    owner: str
    expires: str


@dataclass(frozen=True)
class Row:
    """One result, or a policy that saw nothing to judge (status ``notObserved``, without a resource).

    Attributes:
        status: the key of ``counts`` under which it is counted; a failure under a waiver is ``waived``.
    """

    policy: Told
    status: str
    severity: Severity
    resource: str
    part: str
    reason: str
    expected: str
    observed: str
    waiver: Waived | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """(policy, resource, part): what tells it from every other result of the run, whatever the casing."""
        return self.policy.id, self.resource.lower(), self.part

    @property
    def fingerprint(self) -> str:
        """A digest of the key: the same in every run, so that a finding can be followed from night to night."""
        return sha256(canonical(self.key)).hexdigest()

    @property
    def command(self) -> str:
        """The command that mends it, or nothing where none can be offered."""
        if self.status not in _NEEDS_COMMAND or not self.policy.command:
            return ""
        try:
            return shell.command(prose(self.policy.command), self.resource)
        except shell.CommandRefusedError:
            return ""


@dataclass(frozen=True)
class Export:
    """A checked record.

    Attributes:
        complete: whether everything in scope was read and judged, and the run was not interrupted.
        subscriptions: lower-case subscription id to the name that people know.
        unreadable: what could not be read and why, a sentence each.
        cautions: what a reader must know before believing anything else, such as that this is a sandbox.
        frameworks: framework id to its title.
        titles: (framework id, control id) to the title of the control.
        counts: results by status, as the record states them and as they were counted.
    """

    record: Record
    run_id: str
    tool: str
    version: str
    started: datetime
    finished: datetime
    evaluated: datetime
    source: str
    cloud: str
    tenant: str
    outcome: str
    complete: bool
    subscriptions: Mapping[str, str]
    unreadable: tuple[str, ...]
    cautions: tuple[str, ...]
    warnings: tuple[str, ...]
    policy_set: str
    frameworks: Mapping[str, str]
    titles: Mapping[tuple[str, str], str]
    counts: Mapping[str, int]
    policies: tuple[Told, ...]

    def rows(self) -> Iterator[Row]:
        """Yield every result in the order of the record, then the policies that saw nothing to judge."""
        told = {policy.id: policy for policy in self.policies}
        try:
            for result in self.record.results():
                yield _row(told[result["policy"]], result)
        except (KeyError, TypeError, ValueError) as error:
            raise _unlike(self.record, error) from error
        yield from (_unseen(policy) for policy in self.policies if policy.verdict is Verdict.NOT_OBSERVED)

    def framework(self, framework: str) -> str:
        """Return the title of a framework, or its id where the record lists none."""
        return line(self.frameworks.get(framework, framework))

    def place(self, row: Row) -> Place:
        """Return where the resource of ``row`` is."""
        return place(row.resource, self.subscriptions)

    def uuid(self, *name: str) -> str:
        """Return the UUIDv5 of something in this run: the same whenever the same record is exported."""
        return str(uuid5(_UUIDS, canonical([self.run_id, *name]).decode()))

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the record's file, in hex."""
        with self.record.path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()


def read(record: Record) -> Export:
    """Read what every format needs, and count every result of ``record``.

    Raises:
        TamperedError: it is not in the form that lockdown writes, or its counts are not those of its results.
    """
    try:
        found = _export(record)
        view.survey(record, limit=0)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unlike(record, error) from error
    if found.counts[Verdict.NOT_OBSERVED] != sum(p.verdict is Verdict.NOT_OBSERVED for p in found.policies):
        raise TamperedError(
            f"{record.path} contradicts itself: it states another number of policies that saw nothing than it holds.",
            "Do not use this run; audit again.",
        )
    return found


def lasting(*name: str) -> str:
    """Return the UUIDv5 of something that is the same in every run."""
    return str(uuid5(_UUIDS, canonical(list(name)).decode()))


def binary(identifier: str) -> bytes:
    """Return the 16 bytes of a UUID."""
    return UUID(identifier).bytes


def line(text: str) -> str:
    """Return untrusted text as one line in which nothing is hidden."""
    return visible(text).strip()


def paragraph(text: str) -> str:
    """Return text of a policy file, wrapped there by hand, as one line in which nothing is hidden."""
    return visible(prose(text))


def moment(when: datetime) -> str:
    """Return a time as JSON formats write it."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def milliseconds(when: datetime) -> int:
    """Return a time as milliseconds since 1970."""
    return int(when.timestamp() * 1000)


def tally() -> dict[str, int]:
    """Return a count of zero for every status."""
    return dict.fromkeys(STATUSES, 0)


def _export(record: Record) -> Export:
    run, listed = record.run, record.run.get("frameworks", [])
    return Export(
        record=record,
        run_id=_text(run["runId"]),
        tool=_text(run["tool"]["name"]),
        version=_text(run["tool"]["version"]),
        started=_moment(run["startedAt"]),
        finished=_moment(run["finishedAt"]),
        evaluated=_moment(run["evaluatedAt"]),
        source=_text(run["source"]),
        cloud=_text(run["cloud"]["name"]),
        tenant=_text(run["tenant"]),
        outcome=_text(run["outcome"]),
        complete=run["complete"] is True and not run["unreadable"] and not run.get("partial"),
        subscriptions={_text(i["id"]).lower(): _text(i["name"]) for i in run["scope"]["subscriptions"]},
        unreadable=tuple(f"{_text(u['what'])} {_text(u['name'])}: {_text(u['reason'])}" for u in run["unreadable"]),
        cautions=tuple(f"{word}: {sentence}" for word, sentence in words.cautions(run)),
        warnings=tuple(_text(warning) for warning in run["warnings"]),
        policy_set=_text(run["policySet"]["digest"]),
        frameworks={_text(item["id"]): _text(item["title"]) for item in listed},
        titles=dict(_titles(listed)),
        counts={status: int(run["counts"][status]) for status in STATUSES},
        policies=tuple(_policy(policy, listed) for policy in record.policies),
    )


def _titles(frameworks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], str]]:
    stated = {(item["id"], control["id"]): control for item in frameworks for control in item["controls"]}
    for framework, control in stated:
        origin = next(item.get("derivesFrom", framework) for item in frameworks if item["id"] == framework)
        if title := stated.get((origin, control), {}).get("title"):
            yield (_text(framework), _text(control)), _text(title)


def _controls(policy: Mapping[str, Any], frameworks: Sequence[Mapping[str, Any]]) -> Iterator[Control]:
    """Yield the controls that a policy speaks to, then the same ones as the baselines list them."""
    own = [Control(_text(c["framework"]), _text(c["id"]), _text(c["basis"])) for c in policy["controls"]]
    yield from own
    for item in frameworks:
        if "derivesFrom" in item:
            ids = {control["id"] for control in item["controls"]}
            yield from (
                replace(c, framework=_text(item["id"]))
                for c in own
                if c.framework == item["derivesFrom"] and c.id in ids
            )


def _policy(policy: Mapping[str, Any], frameworks: Sequence[Mapping[str, Any]]) -> Told:
    return Told(
        id=_text(policy["id"]),
        theme=_text(policy["theme"]),
        title=_text(policy["title"]),
        severity=Severity(policy["severity"]),
        verdict=Verdict(policy["verdict"]),
        controls=tuple(dict.fromkeys(_controls(policy, frameworks))),
        rationale=_text(policy["rationale"]),
        remediation=_text(policy["remediation"]),
        command=_text(policy["command"]),
        error=_text(policy.get("error", "")),
        counts={status: int(policy["counts"][status]) for status in view.KINDS},
    )


def _row(policy: Told, result: Mapping[str, Any]) -> Row:
    waiver = result.get("waiver")
    return Row(
        policy=policy,
        status=view.kind(result),
        severity=Severity(result["severity"]),
        resource=_text(result["resource"]),
        part=_text(result["part"]),
        reason=_text(result["reason"]),
        expected=_text(result["expected"]),
        observed=_text(result["observed"]),
        waiver=Waived(_text(waiver["reason"]), _text(waiver["owner"]), _day(waiver["expires"])) if waiver else None,
    )


def _unseen(policy: Told) -> Row:
    reason = "No resource that this policy judges was seen."
    return Row(policy, Verdict.NOT_OBSERVED.value, policy.severity, "", "", reason, "", "")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!a} is not a text")
    return value


def _moment(value: str) -> datetime:
    return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _day(value: str) -> str:
    return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()


def _unlike(record: Record, error: Exception) -> TamperedError:
    return TamperedError(
        f"{record.path} is not a record as lockdown writes it: {type(error).__name__}: {error}.",
        "Do not use this run; audit again.",
    )
