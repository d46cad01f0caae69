"""Verifying a run: pure, in memory, offline, in a fixed order.

No key, and no word on what to trust, is taken from what is verified. Nothing but envelopes and SHA256SUMS is parsed
before its bytes are found to be the listed ones, and a file of any size is read in flat memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from lockdown.errors import Exit, StaleError, UntrustedError
from lockdown.evidence import checks, countersign, custody, predicate
from lockdown.evidence.checks import Listed, Replayed, Signed
from lockdown.evidence.files import ACCEPTED, BUNDLE, BUNDLE_TOKEN, DRIFT, RESULTS, RUN, RUN_TOKEN, TOPOLOGY, Files
from lockdown.evidence.ledger import Check, Ledger
from lockdown.evidence.recount import Recounted
from lockdown.evidence.times import stamp
from lockdown.evidence.timestamp import Dated

if TYPE_CHECKING:
    from lockdown.evidence.dsse import Envelope
    from lockdown.evidence.trust import TrustRoot

    Trusted = TrustRoot | UntrustedError | None
    """A trust root, why the one that was given does not count, or none."""

Recount = Callable[[Mapping[str, int], Mapping[str, str]], Mapping[str, int]]
"""Takes the counts of the record, and the SHA-256 by name that each file was found to have."""
Replay = Callable[[Mapping[str, str]], Replayed]
"""Takes the SHA-256 by name that each file was found to have: what is read again is to be that."""

_WHAT = {RUN: "run", BUNDLE: "bundle"}
_TOKENS = {RUN: RUN_TOKEN, BUNDLE: BUNDLE_TOKEN}


@dataclass(frozen=True)
class Verification:
    """The outcome of verifying one run.

    Attributes:
        checks: every check in order, none left out.
        exit_code: 0, or the first class that failed in the order 3, 4, 6, 5, 7.
        lab: the trust root is a laboratory's, whose word is not evidence of a real environment.
        run: what the run states of itself; proven only if ``exit_code`` is 0.
        key_id: the key that the run says it is signed with; proven only if ``exit_code`` is 0.
        payload: SHA-256 of the run statement, which identifies the run; None if it has none, or that is malformed.
        sealed: the bundle envelope, likewise.
        proven_at: when the run was signed at the latest, by a trusted timestamp.
        sealed_at: when it was sealed at the latest, likewise.
        digests: SHA-256 of every file but the seal, by name, as it was found to be; empty if they are not as listed.
    """

    checks: tuple[Check, ...]
    exit_code: Exit
    lab: bool
    run: predicate.AuditRun | None
    key_id: str | None
    payload: str | None = None
    sealed: Envelope | None = None
    proven_at: str | None = None
    sealed_at: datetime | None = None
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether it is a baseline in which drift was accepted; what that proves is for lockdown.history to say."""
        return self.run is not None and ACCEPTED in self.digests


@dataclass(frozen=True)
class Demands:
    """What a verifier asks for beyond genuine evidence.

    Attributes:
        timestamp: when both signatures were made must be proven by a timestamp.
        max_age: how old the run may be; that of the trust root counts too.
        any_age: it may be of any age, whatever the trust root says.
        subscriptions: exactly these were in scope; empty demands none.
        tenant: the tenant whose environment it is.
        policies_digest: the policy set that judged, as ``ruleSet.digest`` names it.
        compliant: the outcome is compliant.
    """

    timestamp: bool = False
    max_age: timedelta | None = None
    any_age: bool = False
    subscriptions: tuple[str, ...] = ()
    tenant: str | None = None
    policies_digest: str | None = None
    compliant: bool = False


NOTHING_MORE = Demands()


@dataclass(frozen=True)
class _Evidence:
    """One of the two signatures, as far as it was proven."""

    envelope: Envelope | None
    signed: Signed | None
    dated: Dated | None


def verify(
    files: Files,
    trust: Trusted,
    *,
    now: datetime,
    rollback_checked: bool = False,
    allow_partial: bool = False,
    demands: Demands = NOTHING_MORE,
    formats: Recount | None = None,
    replay: Replay | None = None,
) -> Verification:
    """Check a sealed run.

    Args:
        files: the run.
        trust: whom to believe, or why the trust root that was given does not count; without one the run can be found
            intact and no more.
        now: the verifier's clock.
        rollback_checked: whether ``trust`` was compared with what was seen before.
        allow_partial: accept a run that says that it could not read everything.
        demands: what is asked for beyond genuine evidence.
        formats: counts the other formats of the record again, and returns the number of results of each; called only
            if the run holds any and is intact.
        replay: judges the snapshot again; called only for a run that is intact.

    Raises:
        UsageError: this is not a run at all.
        ToolError: a file cannot be read.
    """
    ledger = Ledger()
    names = ledger.attempt("structure", checks.structure, files)
    root = _trust_root(ledger, trust, now, rollback_checked)
    run, bundle = (_evidence(ledger, files, file, names, root, now, demands) for file in (RUN, BUNDLE))
    listed = ledger.attempt("digests", checks.digests, files, names)
    sealed = ledger.attempt("seal", checks.seal, run.signed, bundle.signed, listed)
    _signers(ledger, files, names, root, bundle.envelope, now)
    _custody(ledger, files, names, root, bundle.envelope, sealed, now)
    ledger.attempt("subjects", checks.subjects, run.signed, listed)
    ledger.attempt("policies", checks.policies, run.signed, listed)
    recounted = ledger.attempt("record", checks.record, files, listed)
    _formats(ledger, names, formats, recounted, listed)
    claim = ledger.attempt("claim", checks.claim, run.signed, recounted)
    ledger.attempt("origin", checks.origin, root, claim)
    ledger.attempt("time", partial(checks.time, (run.dated, bundle.dated)), claim, sealed, now)
    _demanded(ledger, root, claim, now, demands)
    ledger.attempt("complete", checks.complete, claim, allow_partial)
    _outcome(ledger, claim, demands)
    _replay(ledger, replay, listed)
    return Verification(
        checks=tuple(ledger.checks),
        exit_code=ledger.exit_code,
        lab=root is not None and root.lab,
        run=claim,
        key_id=run.signed.key_id if run.signed else None,
        payload=run.signed.payload_digest if run.signed else None,
        sealed=bundle.envelope if bundle.signed else None,
        proven_at=stamp(run.dated.at) if run.dated else None,
        sealed_at=bundle.dated.at if bundle.dated else None,
        digests=listed.digests if listed else {},
    )


def _formats(
    ledger: Ledger,
    names: frozenset[str] | None,
    recount: Recount | None,
    recounted: Recounted | None,
    listed: Listed | None,
) -> None:
    if not {name for name in names or () if name.startswith("results/")} - {RESULTS, DRIFT, TOPOLOGY}:
        ledger.skip("formats", "the run holds the record in no other format")
    elif recount is None:
        ledger.skip("formats", "not counted again")
    else:
        ledger.attempt("formats", checks.formats, recount, recounted, listed)


def _trust_root(ledger: Ledger, trust: Trusted, now: datetime, rollback_checked: bool) -> TrustRoot | None:
    if trust is None:
        trust = UntrustedError("none was given, so nothing says whose signature counts")
    if isinstance(trust, UntrustedError):
        ledger.fail("trust root", trust)
        return None
    return ledger.attempt("trust root", partial(checks.trust_root, rollback_checked), trust, now)


def _evidence(
    ledger: Ledger,
    files: Files,
    file: str,
    names: frozenset[str] | None,
    root: TrustRoot | None,
    now: datetime,
    demands: Demands,
) -> _Evidence:
    what = _WHAT[file]
    envelope = ledger.attempt(f"{what} envelope", checks.envelope, files, file, names)
    dated = None
    undated = _undated(_TOKENS[file], names, root)
    if undated and demands.timestamp:
        ledger.fail(f"{what} timestamp", StaleError(undated))
    elif undated:
        ledger.skip(f"{what} timestamp", undated)
    else:
        dated = ledger.attempt(f"{what} timestamp", partial(checks.dated, files, _TOKENS[file]), root, envelope)
    proven = dated.at if dated else None
    ledger.attempt(f"{what} signature", partial(checks.signature, file, proven), root, envelope, now)
    # A payload whose signature is wrong is not parsed at all; without a trusted key it is, to say whether it is intact.
    unforged = None if ledger.exit_code is Exit.TAMPERED else envelope
    return _Evidence(envelope, ledger.attempt(f"{what} statement", checks.statement, unforged, file), dated)


def _signers(
    ledger: Ledger,
    files: Files,
    names: frozenset[str] | None,
    root: TrustRoot | None,
    sealed: Envelope | None,
    now: datetime,
) -> None:
    """Check that enough keys signed, where more than one did or must."""
    if not any(map(countersign.is_one, names or ())) and (root is None or root.threshold == 1):
        return

    def counted(names: frozenset[str], sealed: Envelope) -> tuple[int, str]:
        return countersign.check(files, names, sealed, root, now)

    ledger.attempt("signers", counted, names, sealed)


def _custody(
    ledger: Ledger,
    files: Files,
    names: frozenset[str] | None,
    root: TrustRoot | None,
    envelope: Envelope | None,
    sealed: predicate.EvidenceBundle | None,
    now: datetime,
) -> None:
    """Check who had the run, where somebody signed for it."""
    if not any(map(custody.is_one, names or ())):
        return

    def checked(
        names: frozenset[str], envelope: Envelope, sealed: predicate.EvidenceBundle
    ) -> tuple[list[custody.Line], str]:
        return custody.check(files, names, envelope, sealed, root, now)

    ledger.attempt("custody", checked, names, envelope, sealed)


def _undated(token: str, names: frozenset[str] | None, root: TrustRoot | None) -> str:
    """Return why nothing dates a signature; empty if something may."""
    if names is not None and token not in names:
        return f"{token} is absent: nothing proves when this was signed"
    if root is not None and not root.tsa:
        return "the trust root pins no time-stamping authority, so nothing proves when this was signed"
    return ""


def _demanded(
    ledger: Ledger, root: TrustRoot | None, claim: predicate.AuditRun | None, now: datetime, demands: Demands
) -> None:
    limits = [demands.max_age] if demands.max_age else []
    if root is not None and root.max_age_hours:
        limits.append(timedelta(hours=root.max_age_hours))
    if limits and not demands.any_age:
        ledger.attempt("age", partial(checks.age, min(limits)), claim, now)
    else:
        ledger.skip("age", "not asked for (--max-age)")
    if demands.subscriptions or demands.tenant:
        ledger.attempt("scope", partial(checks.scope, demands.subscriptions, demands.tenant), claim)
    else:
        ledger.skip("scope", "not asked for (--expect-subscription, --expect-tenant)")
    if demands.policies_digest:
        ledger.attempt("policy set", partial(checks.policy_set, demands.policies_digest), claim)
    else:
        ledger.skip("policy set", "not asked for (--policies-digest)")


def _outcome(ledger: Ledger, claim: predicate.AuditRun | None, demands: Demands) -> None:
    if demands.compliant:
        ledger.attempt("outcome", checks.outcome, claim)
    else:
        ledger.skip("outcome", "not asked for (--require-compliant)")


def _replay(ledger: Ledger, replay: Replay | None, listed: Listed | None) -> None:
    if replay is None:
        ledger.skip("replay", "not asked for (--replay)")
    elif ledger.exit_code is Exit.TAMPERED:
        ledger.skip("replay", "not tried on a run that is not intact")
    else:
        ledger.attempt("replay", checks.replay, replay, listed)
