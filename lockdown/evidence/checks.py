"""The single checks of a verifier. Each returns what it proved with one line for a person, or raises what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from lockdown.errors import IncompleteError, NotCompliantError, StaleError, TamperedError, UntrustedError, UsageError
from lockdown.evidence import countersign, custody, dsse, predicate, sums, timestamp
from lockdown.evidence import statement as statements
from lockdown.evidence.dsse import Envelope
from lockdown.evidence.files import (
    BUNDLE,
    BUNDLE_TOKEN,
    BY_HAND,
    RESULTS,
    RUN,
    RUN_TOKEN,
    SEAL_FOLDER,
    SUMS,
    Files,
    plain_names,
    read,
    signed_names,
)
from lockdown.evidence.files import digests as digests_of
from lockdown.evidence.recount import Recounted, recount
from lockdown.evidence.statement import Statement
from lockdown.evidence.times import moment, stamp
from lockdown.evidence.timestamp import Dated
from lockdown.model import Outcome

if TYPE_CHECKING:
    from lockdown.evidence.trust import TrustedKey, TrustRoot

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the signer's clock may be ahead of the verifier's."""

LONGEST_DELAY = timedelta(hours=24)
"""How long after its stated time a signature may be dated."""

REQUIRED = frozenset({"inputs/boundary.json", "inputs/scope.json", "inputs/waivers.json", RESULTS, SUMS, BY_HAND})
"""Without these nobody could judge or replay a run."""

_PREDICATES = {RUN: predicate.AUDIT_RUN, BUNDLE: predicate.EVIDENCE_BUNDLE}
_SEALED_WITH = {SUMS, RUN, BUNDLE}


@dataclass(frozen=True)
class Listed:
    """SHA256SUMS once every file was found to be as it says.

    Attributes:
        digests: SHA-256 in hex by file name.
        own: the SHA-256 of SHA256SUMS itself, in hex.
    """

    digests: Mapping[str, str]
    own: str


@dataclass(frozen=True)
class Signed:
    """A statement, the digest of the payload that it was read from (which identifies it), and the key it names."""

    statement: Statement
    payload_digest: str
    key_id: str


@dataclass(frozen=True)
class Replayed:
    """What came of judging a run again from what it ships.

    Attributes:
        differences: the first lines that differ, for a person; nothing if policies and results are identical.
        by_azure: ids of the policies that Azure judged: their answers are as they were kept.
    """

    differences: tuple[str, ...]
    by_azure: tuple[str, ...] = ()


def structure(files: Files) -> tuple[frozenset[str], str]:
    """Return the names of all files: plain ones, all that a run must have, signed as a whole or not at all."""
    found = frozenset(files.names())
    if found.isdisjoint({RESULTS, *_SEALED_WITH}):
        raise UsageError("This is not the directory of a run.", "Name a directory that lockdown audit wrote.")
    if found.isdisjoint(_SEALED_WITH):
        raise UntrustedError(
            "This run was never sealed: it was stopped before its end, and nothing in it can be checked."
        )
    names = plain_names(found)
    missing = sorted(REQUIRED - names)
    if missing:
        raise TamperedError(f"{_some(missing)} is missing.")
    if (RUN in names) != (BUNDLE in names):
        raise TamperedError(f"{RUN if BUNDLE in names else BUNDLE} is missing, and the other envelope is there.")
    if (RUN_TOKEN in names) != (BUNDLE_TOKEN in names) or (RUN_TOKEN in names and RUN not in names):
        raise TamperedError(f"Of {RUN_TOKEN} and {BUNDLE_TOKEN} one is missing, or dates nothing.")
    sealed = {name for name in names if name.startswith(SEAL_FOLDER)} - {BUNDLE, BUNDLE_TOKEN}
    strange = sorted(name for name in sealed if BUNDLE not in names or not _beside_seal(name))
    if strange:
        raise TamperedError(f"{_some(strange)} does not belong in {SEAL_FOLDER}.")
    return names, f"{len(names)} files, no link, no strange name, none missing"


def _beside_seal(name: str) -> bool:
    return countersign.is_one(name) or custody.is_one(name)


def trust_root(rollback_checked: bool, root: TrustRoot, now: datetime) -> tuple[TrustRoot, str]:
    """Check that the trust root itself is still good."""
    root.check_current(now)
    kind = "a LABORATORY trust root" if root.lab else "a trust root"
    rollback = "none newer was seen" if rollback_checked else "not checked whether there is a newer one (--trust-state)"
    return root, f"{kind}, version {root.version}, good until {root.expires}; {rollback}"


def envelope(files: Files, name: str, names: frozenset[str]) -> tuple[Envelope, str]:
    """Read an envelope in its one serialisation."""
    if name not in names:
        raise UntrustedError(f"{name} is absent: this run is not signed, and anybody can have made it.")
    return dsse.parse(read(files, name), name=name), f"{name} is in its one serialisation"


def dated(files: Files, token: str, root: TrustRoot, envelope: Envelope) -> tuple[Dated, str]:
    """Check that a time-stamping authority of the trust root dated the signature of an envelope."""
    found = timestamp.dated(read(files, token), envelope.signature, root.tsa, name=token)
    return found, f"signed by {stamp(found.at)}, says {found.by}"


def signature(
    name: str, proven: datetime | None, root: TrustRoot, envelope: Envelope, now: datetime
) -> tuple[TrustedKey, str]:
    """Check that a trusted key signed an envelope, while it was good."""
    key = root.check_signature(envelope, name=name, now=now, proven=proven)
    return key, f"{key.algorithm} by key {key.keyid}"


def statement(envelope: Envelope, name: str) -> tuple[Signed, str]:
    """Read the statement in an envelope, of the one predicate type that the file may have."""
    stated = statements.parse(envelope.payload, name=name)
    if stated.predicate_type != _PREDICATES[name]:
        raise TamperedError(f"{name} has the predicate type {stated.predicate_type!a}, not {_PREDICATES[name]}.")
    signed = Signed(stated, sha256(envelope.payload).hexdigest(), envelope.key_id)
    return signed, f"in-toto Statement v1, {stated.predicate_type}"


def digests(files: Files, names: frozenset[str]) -> tuple[Listed, str]:
    """Compare SHA256SUMS with every file, both ways."""
    content = read(files, SUMS)
    listed = sums.parse(content)
    present = {name for name in names if name != SUMS and not name.startswith(SEAL_FOLDER)}
    if listed.keys() - present:
        raise TamperedError(f"{_some(listed.keys() - present)} is in {SUMS} and missing.")
    if present - listed.keys():
        raise TamperedError(f"{_some(present - listed.keys())} is not in {SUMS}.")
    found = digests_of(files, listed)
    changed = [name for name in listed if found[name] != listed[name]]
    if changed:
        raise TamperedError(f"{_some(changed)} is not as in {SUMS}.")
    return Listed(listed, sha256(content).hexdigest()), f"{len(listed)} files are as listed in {SUMS}, none is extra"


def seal(run: Signed, bundle: Signed, listed: Listed) -> tuple[predicate.EvidenceBundle, str]:
    """Compare the bundle statement with SHA256SUMS and with the run that it was made for."""
    claim = predicate.parse(predicate.EvidenceBundle, bundle.statement.predicate, name=BUNDLE)
    if bundle.statement.subjects != {SUMS: listed.own}:
        raise TamperedError(f"{BUNDLE} is for another {SUMS}.")
    if claim.run_payload.sha256 != run.payload_digest:
        raise TamperedError(f"{BUNDLE} is for another run than {RUN}.")
    return claim, f"covers exactly this {SUMS} and this run; made at {claim.made_at} by its own word"


def subjects(run: Signed, listed: Listed) -> tuple[int, str]:
    """Compare the subjects of the run statement with the files under results/, inputs/ and policies/, both ways."""
    expected = {name: listed.digests[name] for name in signed_names(listed.digests)}
    stated = run.statement.subjects
    differing = {name for name in expected.keys() | stated.keys() if expected.get(name) != stated.get(name)}
    if differing:
        raise TamperedError(f"{_some(differing)} is not what {RUN} was signed for.")
    return len(stated), f"the run statement names exactly the {len(stated)} files under results/, inputs/ and policies/"


def policies(run: Signed, listed: Listed) -> tuple[str, str]:
    """Compute the digest of the policy set again from the policy files, and compare it with the signed one."""
    claim = predicate.parse(predicate.AuditRun, run.statement.predicate, name=RUN)
    found = policy_set_digest(listed.digests)
    if claim.rule_set.digest != found:
        raise TamperedError(f"{RUN} states another policy set than policies/ holds.")
    return found, f"policies/ is the signed policy set, {found}"


def policy_set_digest(digests: Mapping[str, str]) -> str:
    """Return the digest of the policy set in a run, from the digests of its files by name.

    SHA-256 over one line for each file below ``policies/``, sorted: its path there, NUL, its SHA-256 in hex, newline.
    """
    paths = sorted(name.removeprefix("policies/") for name in digests if name.startswith("policies/"))
    return sha256("".join(f"{path}\0{digests[f'policies/{path}']}\n" for path in paths).encode()).hexdigest()


def record(files: Files, listed: Listed) -> tuple[Recounted, str]:
    """Read results.json and count everything in it again."""
    with files.open(RESULTS) as file:
        found = recount(file)
    if found.digest != listed.digests[RESULTS]:
        raise TamperedError(f"{RESULTS} changed while it was being read.")
    return found, f"the counts of {found.policies} policies and {found.results} results are what the results give"


def formats(
    recount_formats: Callable[[Mapping[str, int], Mapping[str, str]], Mapping[str, int]],
    recounted: Recounted,
    listed: Listed,
) -> tuple[Mapping[str, int], str]:
    """Count the other formats of the record again."""
    found = recount_formats(recounted.run["counts"], listed.digests)
    told = ", ".join(f"{name} ({number})" for name, number in found.items())
    return found, f"hold as many results of each kind as the record: {told}"


def claim(run: Signed, recounted: Recounted) -> tuple[predicate.AuditRun, str]:
    """Compare what was signed with the run object of the record, field by field."""
    signed = predicate.parse(predicate.AuditRun, run.statement.predicate, name=RUN)
    recorded = predicate.plain(predicate.from_run(recounted.run, name=RESULTS))
    stated = predicate.plain(signed)
    differing = sorted(key for key in recorded if recorded[key] != stated[key])
    if differing:
        raise TamperedError(f"{RUN} and {RESULTS} disagree on {', '.join(differing)}.")
    return signed, f"the signed statement and the record agree: run {signed.run_id}, {signed.outcome}"


def origin(root: TrustRoot, run: predicate.AuditRun) -> tuple[str, str]:
    """Check that the trust root allows where the run's facts came from, and this kind of statement."""
    for kind in _PREDICATES.values():
        root.check_predicate(kind)
    root.check_origin(run)
    hosts = f", {run.cloud.resource_manager} and {run.cloud.authority}" if run.cloud else ""
    return run.source, f"the trust root allows source {run.source}{hosts}"


def time(
    proven: tuple[Dated | None, Dated | None],
    run: predicate.AuditRun,
    bundle: predicate.EvidenceBundle,
    now: datetime,
) -> tuple[str, str]:
    """Check that the stated times are in order, not ahead of the verifier's clock, and as timestamps prove them."""
    if run.finished_at > bundle.made_at:
        raise StaleError(f"The run was sealed at {bundle.made_at}, before it finished at {run.finished_at}.")
    if bundle.made_at > stamp(now + CLOCK_TOLERANCE):
        raise StaleError(f"The run states that it was sealed at {bundle.made_at}, which is in the future.")
    for stated, found in ((run.finished_at, proven[0]), (bundle.made_at, proven[1])):
        if found is not None:
            _compare_times(stated, found.at, now)
    at = proven[0]
    if at is None:
        return run.finished_at, f"finished at {run.finished_at}; the time is the signer's claim, no timestamp proves it"
    return run.finished_at, f"finished at {run.finished_at}, and signed by {stamp(at.at)}, which a timestamp proves"


def _compare_times(stated: str, proven: datetime, now: datetime) -> None:
    if proven > now + CLOCK_TOLERANCE:
        raise StaleError(f"A timestamp is of {stamp(proven)}, which is in the future.")
    if stamp(proven + CLOCK_TOLERANCE) < stated:
        raise StaleError(f"The signer states {stated}, but signed by {stamp(proven)}, before.")
    if stamp(proven - LONGEST_DELAY) > stated:
        raise StaleError(
            f"The signer states {stated}, but a timestamp proves {stamp(proven)} only, more than a day later."
        )


def age(limit: timedelta, run: predicate.AuditRun, now: datetime) -> tuple[timedelta, str]:
    """Check that a run is not older than wanted, counted from when it began."""
    found = now - moment(run.started_at)
    told = f"{found // timedelta(hours=1)} h old (at most {limit // timedelta(hours=1)} h)"
    if found > limit:
        raise StaleError(f"The run is {told}.")
    return found, told


def scope(subscriptions: tuple[str, ...], tenant: str | None, run: predicate.AuditRun) -> tuple[bool, str]:
    """Check that a run is of the environment that was expected, no less and no more."""
    if tenant is not None and (run.scope.tenant or "").lower() != tenant.lower():
        raise IncompleteError(f"The run is of the tenant {run.scope.tenant!a}, not of {tenant}.")
    found, expected = ({text.lower() for text in texts} for texts in (run.scope.subscriptions, subscriptions))
    if expected and found - expected:
        raise IncompleteError(f"The run is also of the subscription {_some(found - expected)}, which was not expected.")
    if expected - found:
        raise IncompleteError(f"The run is not of the subscription {_some(expected - found)}.")
    return True, "the run is of the tenant and the subscriptions that were expected"


def policy_set(expected: str, run: predicate.AuditRun) -> tuple[str, str]:
    """Check that a run was judged by the policies that were expected."""
    if run.rule_set.digest != expected.lower():
        raise IncompleteError(f"The run was judged by another policy set, {run.rule_set.digest}.")
    return expected, "the run was judged by the policy set that was expected"


def outcome(run: predicate.AuditRun) -> tuple[bool, str]:
    """Check that a run found nothing wrong, and nothing that it could not judge."""
    if run.outcome is Outcome.INDETERMINATE:
        raise IncompleteError("The outcome is indeterminate: the run could not judge everything.")
    if run.outcome is not Outcome.COMPLIANT:
        raise NotCompliantError(f"The outcome is {run.outcome}: {run.counts.fail} failures.")
    return True, "the outcome is compliant"


def complete(run: predicate.AuditRun, allow_partial: bool) -> tuple[bool, str]:
    """Check that the run read all that it was asked to read."""
    scope = run.scope
    if scope.complete and not scope.partial and not scope.unreadable:
        return True, f"everything in scope was read; resources seen: {scope.resources.total}"
    stopped = "it was stopped before its end" if scope.partial else f"{len(scope.unreadable)} could not be read"
    if not allow_partial:
        raise IncompleteError(f"The run does not cover its scope: {stopped}.")
    return False, f"the run does not cover its scope, which was allowed: {stopped}"


def replay(again: Callable[[Mapping[str, str]], Replayed], listed: Listed) -> tuple[Replayed, str]:
    """Judge the snapshot again and compare."""
    try:
        found = again(listed.digests)
    except UsageError as error:
        raise TamperedError(f"The run cannot be judged again: {error.message}") from error
    if found.differences:
        more = f" (and {len(found.differences) - 1} more)" if len(found.differences) > 1 else ""
        raise TamperedError(f"Judging the snapshot again gives another result: {found.differences[0]}{more}.")
    identical = "judging the snapshot again gives the same policies and results, byte for byte"
    if not found.by_azure:
        return found, identical
    which = "1 policy was" if len(found.by_azure) == 1 else f"{len(found.by_azure)} policies were"
    return found, (
        f"{identical}; {which} judged by Azure and cannot be judged again here, only the answers checked and counted: "
        + ", ".join(found.by_azure)
    )


def _some(names: Collection[str]) -> str:
    listed = sorted(names)
    return listed[0] if len(listed) == 1 else f"{listed[0]} (and {len(listed) - 1} more)"
