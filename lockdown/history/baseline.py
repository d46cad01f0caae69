"""The baseline that drift is told from: which drift was accepted, by whom and why, and how a new one is made.

A new baseline is a sealed run like any other, with ``history/accepted.jsonl`` in it: one signed acceptance a line, each
naming the one before it. If everything that a run found was accepted, it is that run; else it remains the run that it
was, and what was accepted stands apart from then on. The key that accepted seals it, so that it vouches for all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from lockdown import __version__, record, strict
from lockdown.drift import accepted as drift
from lockdown.drift.accepted import Acceptances, Accepted
from lockdown.drift.encode import item_id
from lockdown.errors import TamperedError, UntrustedError, UsageError
from lockdown.evidence import dsse, earlier, keys, seal, statement, timestamp
from lockdown.evidence.dsse import Envelope
from lockdown.evidence.earlier import Earlier
from lockdown.evidence.files import ACCEPTED, BY_HAND, DRIFT, SEAL_FOLDER, SUMS, Files, write_whole
from lockdown.evidence.predicate import ACCEPTANCE, Digest, Tool
from lockdown.evidence.times import Stamp, moment, stamp
from lockdown.history import log, records
from lockdown.history.records import MAX_BYTES
from lockdown.history.store import open_store

if TYPE_CHECKING:
    from lockdown.evidence.keys import Signer
    from lockdown.evidence.timestamp import Stamper
    from lockdown.evidence.trust import TrustRoot

FILE = ACCEPTED
ALL = "all"
MOST_REASON, MOST_LINES = 2_000, 10_000
_REMADE = frozenset({SUMS, BY_HAND, FILE})
_MAX_DRIFT = 512 * 1024 * 1024
Section = Literal["verdicts", "resources", "properties", "waivers", "policies", "reverted"]


class _Strict(BaseModel):
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        field_title_generator=lambda name, _: to_camel(name),
    )


class Item(_Strict):
    """A drift that was accepted."""

    id: str = Field(pattern="^[0-9a-f]{16}$", description="As in results/drift.json of the run.")
    section: Section
    severity: str
    state: str = Field(description="Of a resource that was added: the digest of what it was.")
    what: str = Field(description="The drift in words.")


class Acceptance(_Strict):
    """Somebody accepted drift."""

    sequence: int = Field(ge=1, description="Its place among the acceptances, from 1 without a gap.")
    previous: Digest = Field(
        description="SHA-256 of the payload before it; of the run statement of the baseline for the first."
    )
    baseline: Digest = Field(description="SHA-256 of the run statement that was the baseline.")
    run: Digest = Field(description="SHA-256 of the run statement whose drift this is.")
    becomes: Digest = Field(description="Which of the two is the baseline from now on.")
    accepted: tuple[Item, ...]
    withdrawn: tuple[str, ...] = Field(description="Ids of what was accepted before and is no longer there.")
    reason: str = Field(min_length=1, max_length=MOST_REASON)
    at: Stamp = Field(description="By the signer's clock.")
    tool: Tool

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        if self.becomes not in {self.baseline, self.run}:
            raise ValueError("it becomes a baseline that it is not about")
        if not (self.accepted or self.withdrawn):
            raise ValueError("it accepts nothing")
        return self


@dataclass(frozen=True)
class Line:
    """An acceptance as it stands in the file; ``digest`` is the SHA-256 of its payload."""

    acceptance: Acceptance
    digest: str
    envelope: Envelope
    data: bytes


@dataclass(frozen=True)
class Made:
    """A new baseline.

    Attributes:
        digest: SHA-256 of the payload of the acceptance, which identifies it.
        replaced: whether the run itself is the baseline now.
        doubts: what was not proven of the two runs.
    """

    acceptance: Acceptance
    digest: str
    replaced: bool
    doubts: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return the acceptance as JSON values."""
        return _plain(self.acceptance)


@dataclass(frozen=True)
class Asked:
    """What is to be accepted.

    Attributes:
        baseline: what the run was compared with, a directory or a bundle.
        run: a run of ``lockdown drift``, likewise.
        ids: of items of its drift, or ``all``.
        reason: why, for whoever reads the acceptance.
        trust: the file of the trust root that must vouch for both, and let the key accept.
        fingerprint: what that must have.
        state: where the newest trust root that was seen is remembered.
    """

    baseline: Path
    run: Path
    ids: tuple[str, ...]
    reason: str
    trust: Path | None = None
    fingerprint: str | None = None
    state: Path | None = None


@dataclass(frozen=True)
class Where:
    """Where acceptances are recorded.

    Attributes:
        store: URL of the evidence store; None records them in the baseline alone.
    """

    store: str | None = None
    retention_days: int | None = None
    cloud: str | None = None
    authority: str | None = None


def make(asked: Asked, work: Path, key: str, tsa: str | None, where: Where) -> Made:
    """Verify a baseline and a run, and write the baseline in which drift is accepted into the empty folder ``work``.

    Raises:
        UsageError: an id is not one of this drift, or the run was compared with another baseline.
        TamperedError: one of the two is not what was sealed.
        UntrustedError: nobody who is trusted signed one of them, or the key may not accept drift.
        ToolError: the key, the time-stamping authority or the store does not answer.
    """
    signer = keys.load_signer(key, cloud=where.cloud, authority=where.authority)
    stamper = timestamp.authority(tsa) if tsa else None
    with (
        earlier.earlier(asked.baseline, "baseline", asked.trust, asked.fingerprint, asked.state) as baseline,
        earlier.earlier(asked.run, "run", asked.trust, asked.fingerprint, asked.state) as run,
    ):
        made = accept(baseline, run, asked.ids, asked.reason, work, signer, stamper)
        if where.store is not None:
            _enter(made, (run if made.replaced else baseline).directory, where, signer)
        return replace(made, doubts=tuple(filter(None, (baseline.doubts, run.doubts))))


def _enter(made: Made, directory: Path, where: Where, signer: Signer) -> None:
    """Put an acceptance at the end of the history."""
    about = record.read(directory / "results/results.json").run
    requested = about["scope"]["requested"]
    scope = records.covered(
        str(about["cloud"]["name"]), tuple(requested["subscriptions"]), tuple(requested["managementGroups"])
    )
    store = open_store(str(where.store), cloud=where.cloud, authority=where.authority)
    log.begin(store, where.retention_days or records.RETENTION_DAYS)

    def entry(head: log.Head) -> records.Accepted:
        return records.Accepted(
            record="accepted",
            sequence=head.sequence + 1,
            previous=head.digest,
            run_id=str(about["runId"]),
            scope=scope,
            at=made.acceptance.at,
            tool=made.acceptance.tool,
            acceptance=made.digest,
            run_payload=made.acceptance.becomes,
            reason=made.acceptance.reason,
        )

    log.append(store, entry, signer)


def read_lines(files: Files) -> list[Line]:
    """Return the acceptances that a run carries, in order; who signed them is not checked here.

    Raises:
        TamperedError: they are not in the form that lockdown writes, or one is missing or was replaced.
    """
    if FILE not in frozenset(files.names()):
        return []
    found: list[Line] = []
    with files.open(FILE) as file:
        while data := file.readline(MAX_BYTES + 1):
            if len(found) == MOST_LINES:
                raise TamperedError(f"{FILE} has more than {MOST_LINES} lines.")
            found.append(_line(data, f"{FILE}, line {len(found) + 1}"))
    _check_chain(found)
    return found


def check(lines: Sequence[Line], payload: str, sealed_by: str, root: TrustRoot | None, now: datetime) -> None:
    """Check that acceptances are of the run that carries them, and with a trust root, by whom they may be.

    The last must be by the key that sealed the run, good now; so it vouches for the time that the others state.

    Args:
        lines: the acceptances.
        payload: SHA-256 of the statement of the run that carries them.
        sealed_by: id of the key of its bundle envelope, whose signature was checked.
        root: whom to believe.
        now: the verifier's clock.

    Raises:
        TamperedError: they are of another run, or somebody else sealed it.
        UntrustedError: a key may not accept drift.
    """
    if not lines:
        return
    last = lines[-1]
    if last.acceptance.becomes != payload:
        raise TamperedError(f"{FILE} is not of this run.")
    if last.envelope.key_id != sealed_by:
        raise TamperedError(f"{FILE}: another key than that of the last acceptance sealed the run.")
    if root is None:
        return
    for line in lines:
        name = f"acceptance {line.acceptance.sequence}"
        proven = None if line is last else moment(line.acceptance.at)
        root.check_acceptance(line.envelope, name=name, now=now, proven=proven)


def acceptances(baseline: Earlier) -> Acceptances:
    """Return what is accepted of the drift from a baseline, once it is proven as far as the baseline is.

    Raises:
        TamperedError: it was changed.
        UntrustedError: with a trust root, somebody accepted who may not.
    """
    lines = read_lines(baseline.files)
    if not lines:
        return Acceptances()
    if baseline.payload is None or baseline.sealed_by is None:
        raise UntrustedError(f"The baseline carries {FILE} and is not signed.")
    check(lines, baseline.payload, baseline.sealed_by, baseline.root, datetime.now(UTC))
    return in_force(lines)


def in_force(lines: Sequence[Line]) -> Acceptances:
    """Return which acceptances hold after all of ``lines``."""
    held: dict[str, Accepted] = {}
    for line in lines:
        found = line.acceptance
        if found.becomes != found.baseline:
            held.clear()
            continue
        for gone in found.withdrawn:
            held.pop(gone, None)
        for item in found.accepted:
            told = (item.id, item.section, item.severity, item.state, item.what)
            held[item.id] = Accepted(*told, reason=found.reason, by=line.envelope.key_id, at=found.at)
    return Acceptances(lines[-1].digest if lines else "", tuple(held.values()))


def accept(
    baseline: Earlier,
    run: Earlier,
    ids: Collection[str],
    reason: str,
    work: Path,
    signer: Signer,
    stamper: Stamper | None = None,
) -> Made:
    """Write the baseline in which drift of ``run`` from ``baseline`` is accepted into the empty folder ``work``.

    Args:
        baseline: what the run was compared with.
        run: a run of ``lockdown drift``.
        ids: of the items of its drift, or ``all``.
        reason: why, for whoever reads the acceptance.
        work: where to.
        signer: who accepts.
        stamper: dates the seal, if the run that becomes the baseline is dated.

    Raises:
        UsageError: an id is not one of this drift, or the run was compared with another baseline.
        UntrustedError: one of the two is not signed, or with a trust root, the signer may not accept drift.
        TamperedError: the drift says something else than its ids.
    """
    if baseline.payload is None or run.payload is None:
        raise UntrustedError("Only a signed run can be a baseline or have its drift accepted.", "Sign both (--key).")
    before = read_lines(baseline.files)
    document = _drift(run, baseline, acceptances(baseline))
    there = {_checked_id(section, item): (section, item) for section, item in drift.items(document)}
    chosen = list(there) if ALL in ids else list(dict.fromkeys(ids))
    if unknown := [item_id for item_id in chosen if item_id not in there]:
        raise UsageError(
            f"The drift of this run has no item {unknown[0]!a}.", "results/drift.json has the id of each; or give all."
        )
    if not chosen:
        raise UsageError("This run found no drift, so there is nothing to accept.")
    # What is open for a time is not to be approved for good, only because all else was.
    passing = any(entry["items"] for entry in document.get("temporary", ()))
    replaced = len(chosen) == len(there) and bool(document["complete"]) and not passing
    made = Acceptance(
        sequence=len(before) + 1,
        previous=before[-1].digest if before else baseline.payload,
        baseline=baseline.payload,
        run=run.payload,
        becomes=run.payload if replaced else baseline.payload,
        accepted=tuple(_item(*there[item_id]) for item_id in chosen if there[item_id][0] != "lapsed"),
        withdrawn=tuple(item_id for item_id in chosen if there[item_id][0] == "lapsed"),
        reason=reason.strip(),
        at=stamp(datetime.now(UTC)),
        tool=Tool(name="lockdown", version=__version__),
    )
    payload = statement.written(statement.Statement(ACCEPTANCE, _plain(made), _subjects(made)))
    data = dsse.wrap(payload, signer)
    line = _line(data, FILE)
    if baseline.root is not None:
        baseline.root.check_acceptance(line.envelope, name="the acceptance", now=datetime.now(UTC))
    _copied((run if replaced else baseline).files, work)
    write_whole(work / FILE, b"".join(each.data for each in (*before, line)))
    seal.seal(work, signer, stamper)
    return Made(made, line.digest, replaced)


def _drift(run: Earlier, baseline: Earlier, held: Acceptances) -> Mapping[str, Any]:
    if DRIFT not in frozenset(run.files.names()):
        raise UsageError("The run was not compared with a baseline.", "Name a run that lockdown drift made.")
    with run.files.open(DRIFT) as file:
        document = strict.loads(file.read(_MAX_DRIFT + 1), name=DRIFT, max_bytes=_MAX_DRIFT)
    compared = (document.get("baselineSha256"), document.get("acceptances"))
    if compared != (baseline.payload, held.head):
        raise UsageError(
            "The run was compared with another baseline, or before something else was accepted.",
            "Run lockdown drift with this baseline, and accept what it finds.",
        )
    return dict(document)


def _checked_id(section: str, item: Mapping[str, Any]) -> str:
    # Whoever accepts reads what an item says and names its id: the one must be the other's.
    found = str(item["id"])
    if section != "lapsed" and item_id(section, item) != found:
        raise TamperedError(f"{DRIFT} has an item whose id {found!a} is not that of what it says.")
    return found


def _item(section: str, item: Mapping[str, Any]) -> Item:
    return Item.model_validate(
        {
            "id": item["id"],
            "section": section,
            "severity": drift.severity_of(item),
            "state": item.get("state", ""),
            "what": drift.in_words(section, item),
        }
    )


def _copied(files: Files, work: Path) -> None:
    for name in sorted(name for name in set(files.names()) - _REMADE if not name.startswith(SEAL_FOLDER)):
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.open(name) as source, path.open("xb") as target:
            copyfileobj(source, target)


def _line(data: bytes, name: str) -> Line:
    if len(data) > MAX_BYTES:
        raise TamperedError(f"{name} is longer than the {MAX_BYTES} bytes that are accepted.")
    envelope = dsse.parse(data, name=name)
    stated = statement.parse(envelope.payload, name=name)
    if stated.predicate_type != ACCEPTANCE:
        raise TamperedError(f"{name} has the predicate type {stated.predicate_type!a}, not {ACCEPTANCE}.")
    try:
        found = Acceptance.model_validate_json(strict.canonical(stated.predicate))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise TamperedError(f"{name}: {where}: {first['msg']}.") from error
    if stated.subjects != _subjects(found):
        raise TamperedError(f"{name} has other subjects than its fields name.")
    return Line(found, sha256(envelope.payload).hexdigest(), envelope, data)


def _check_chain(lines: Sequence[Line]) -> None:
    for number, line in enumerate(lines, 1):
        found = line.acceptance
        before = lines[number - 2] if number > 1 else None
        expected = before.digest if before else found.baseline
        stands_on = before.acceptance.becomes if before else found.baseline
        if (found.sequence, found.previous, found.baseline) != (number, expected, stands_on):
            raise TamperedError(f"{FILE}, line {number} does not follow the one before it.")


def _subjects(found: Acceptance) -> Mapping[str, str]:
    return {"baseline": found.baseline, "previous": found.previous, "run": found.run}


def _plain(found: Acceptance) -> dict[str, Any]:
    return found.model_dump(mode="json", by_alias=True)
