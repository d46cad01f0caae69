"""The baseline that drift is told from: which drift was accepted, by whom and why.

A baseline is a sealed run like any other, with ``history/accepted.jsonl`` in it: one signed acceptance a line, each
naming the one before it. The key that accepted last sealed it, so that it vouches for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lockdown.drift.accepted import Acceptances, Accepted
from lockdown.errors import TamperedError, UntrustedError
from lockdown.evidence.earlier import Earlier
from lockdown.evidence.times import moment
from lockdown.history.acceptance import FILE, Line, read_lines

if TYPE_CHECKING:
    from lockdown.evidence.trust import TrustRoot


def check(
    lines: Sequence[Line],
    payload: str,
    sealed_by: str,
    root: TrustRoot | None,
    now: datetime,
    sealed_at: datetime | None = None,
) -> None:
    """Check that acceptances are of the run that carries them, and with a trust root, by whom they may be.

    The last must be by the key that sealed the run, good now, or when the seal is proven to have been made; so it
    vouches for the time that the others state.

    Args:
        lines: the acceptances.
        payload: SHA-256 of the statement of the run that carries them.
        sealed_by: id of the key of its bundle envelope, whose signature was checked.
        root: whom to believe.
        now: the verifier's clock.
        sealed_at: when the run was sealed at the latest, by a trusted timestamp.

    Raises:
        TamperedError: they are of another run, or somebody else sealed it.
        UntrustedError: a key may not accept drift.
    """
    if not lines:
        return
    last = lines[-1]
    if last.claim.becomes != payload:
        raise TamperedError(f"{FILE} is not of this run.")
    if last.envelope.key_id != sealed_by:
        raise TamperedError(f"{FILE}: another key than that of the last acceptance sealed the run.")
    if root is None:
        return
    for line in lines:
        name = f"acceptance {line.claim.sequence}"
        proven = sealed_at if line is last else moment(line.claim.at)
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
    check(lines, baseline.payload, baseline.sealed_by, baseline.root, datetime.now(UTC), baseline.sealed_at)
    return in_force(lines)


def in_force(lines: Sequence[Line]) -> Acceptances:
    """Return which acceptances hold after all of ``lines``."""
    held: dict[str, Accepted] = {}
    for line in lines:
        found = line.claim
        if found.becomes != found.baseline:
            held.clear()
            continue
        for gone in found.withdrawn:
            held.pop(gone, None)
        for item in found.accepted:
            told = (item.id, item.section, item.severity, item.state, item.what)
            held[item.id] = Accepted(*told, reason=found.reason, by=line.envelope.key_id, at=found.at)
    return Acceptances(lines[-1].digest if lines else "", tuple(held.values()))
