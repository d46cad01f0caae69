"""Verifying a run: pure, in memory, offline, in a fixed order.

No key, and no word on what to trust, is taken from what is verified. Nothing but envelopes and SHA256SUMS is parsed
before its bytes are found to be the listed ones, and a file of any size is read in flat memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from lockdown.errors import Exit, UntrustedError
from lockdown.evidence import checks, predicate
from lockdown.evidence.checks import Replayed, Signed
from lockdown.evidence.files import BUNDLE, RUN, Files
from lockdown.evidence.ledger import Check, Ledger

if TYPE_CHECKING:
    from lockdown.evidence.trust import TrustRoot

    Trusted = TrustRoot | UntrustedError | None
    """A trust root, why the one that was given does not count, or none."""

_WHAT = {RUN: "run", BUNDLE: "bundle"}


@dataclass(frozen=True)
class Verification:
    """The outcome of verifying one run.

    Attributes:
        checks: every check in order, none left out.
        exit_code: 0, or the first class that failed in the order 3, 4, 6, 5.
        lab: the trust root is a laboratory's, whose word is not evidence of a real environment.
        run: what the run states of itself; proven only if ``exit_code`` is 0.
        key_id: the key that the run says it is signed with; proven only if ``exit_code`` is 0.
    """

    checks: tuple[Check, ...]
    exit_code: Exit
    lab: bool
    run: predicate.AuditRun | None
    key_id: str | None


def verify(
    files: Files,
    trust: Trusted,
    *,
    now: datetime,
    rollback_checked: bool = False,
    allow_partial: bool = False,
    replay: Callable[[], Replayed] | None = None,
) -> Verification:
    """Check a sealed run.

    Args:
        files: the run.
        trust: whom to believe, or why the trust root that was given does not count; without one the run can be found
            intact and no more.
        now: the verifier's clock.
        rollback_checked: whether ``trust`` was compared with what was seen before.
        allow_partial: accept a run that says that it could not read everything.
        replay: judges the snapshot again; called only for a run that is intact.

    Raises:
        UsageError: this is not a run at all.
        ToolError: a file cannot be read.
    """
    ledger = Ledger()
    names = ledger.attempt("structure", checks.structure, files)
    root = _trust_root(ledger, trust, now, rollback_checked)
    run = _signed(ledger, files, RUN, names, root, now)
    bundle = _signed(ledger, files, BUNDLE, names, root, now)
    listed = ledger.attempt("digests", checks.digests, files, names)
    sealed = ledger.attempt("seal", checks.seal, run, bundle, listed)
    ledger.attempt("subjects", checks.subjects, run, listed)
    ledger.attempt("policies", checks.policies, run, listed)
    recounted = ledger.attempt("record", checks.record, files, listed)
    claim = ledger.attempt("claim", checks.claim, run, recounted)
    ledger.attempt("origin", checks.origin, root, claim)
    ledger.attempt("time", checks.time, claim, sealed, now)
    ledger.attempt("complete", checks.complete, claim, allow_partial)
    _replay(ledger, replay)
    return Verification(
        checks=tuple(ledger.checks),
        exit_code=ledger.exit_code,
        lab=root is not None and root.lab,
        run=claim,
        key_id=run.key_id if run else None,
    )


def _trust_root(ledger: Ledger, trust: Trusted, now: datetime, rollback_checked: bool) -> TrustRoot | None:
    if trust is None:
        trust = UntrustedError("none was given, so nothing says whose signature counts")
    if isinstance(trust, UntrustedError):
        ledger.fail("trust root", trust)
        return None
    return ledger.attempt("trust root", partial(checks.trust_root, rollback_checked), trust, now)


def _signed(
    ledger: Ledger, files: Files, file: str, names: frozenset[str] | None, root: TrustRoot | None, now: datetime
) -> Signed | None:
    what = _WHAT[file]
    envelope = ledger.attempt(f"{what} envelope", checks.envelope, files, file, names)
    ledger.attempt(f"{what} signature", partial(checks.signature, file), root, envelope, now)
    # A payload whose signature is wrong is not parsed at all; without a trusted key it is, to say whether it is intact.
    unforged = None if ledger.exit_code is Exit.TAMPERED else envelope
    return ledger.attempt(f"{what} statement", checks.statement, unforged, file)


def _replay(ledger: Ledger, replay: Callable[[], Replayed] | None) -> None:
    if replay is None:
        ledger.skip("replay", "not asked for (--replay)")
    elif ledger.exit_code is Exit.TAMPERED:
        ledger.skip("replay", "not tried on a run that is not intact")
    else:
        ledger.attempt("replay", checks.replay, replay)
