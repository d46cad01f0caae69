"""What a run stands on: a baseline and a snapshot that are runs themselves are verified before they are used."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lockdown import drift
from lockdown.drift.accepted import NOTHING, Acceptances
from lockdown.errors import UsageError
from lockdown.evidence import earlier, opening
from lockdown.evidence.files import ACCEPTED, BUNDLE, RESULTS, RUN, SIGNED_FOLDERS
from lockdown.history.baseline import acceptances
from lockdown.run.asked import SCOPE, Wanted, Watch


@dataclass(frozen=True)
class StandsOn:
    """What a run stands on, verified.

    Attributes:
        snapshot: what to audit instead of Azure: a run directory, a file or a folder; None is Azure.
        baseline: what to compare with.
        payload: SHA-256 of the run statement of the baseline, if it is signed.
        accepted: what is accepted of the drift from it.
        doubts: what was not proven of them, in sentences for a person.
    """

    snapshot: Path | None
    baseline: drift.Side | None
    payload: str | None
    accepted: Acceptances
    doubts: tuple[str, ...]


def stands_on(wanted: Wanted, stack: ExitStack, watch: Watch) -> StandsOn:
    """Verify what a run stands on; the copies of it that are used are gone when ``stack`` ends.

    Raises:
        UsageError: it is no run, or there is nothing that a trust root could be asked about.
        TamperedError: it is not what was sealed.
        UntrustedError: nobody who is trusted signed it.
        StaleError: its times contradict each other.
    """
    doubts: list[str] = []
    trusting = wanted.trust, wanted.trust_fingerprint, wanted.trust_state

    def verified(path: Path, what: str, *below: str) -> earlier.Earlier:
        watch.stage(f"Verifying the {what}")
        found = stack.enter_context(earlier.earlier(path, what, *trusting, below=below))
        watch.stage(found.doubts or found.told)
        if found.doubts:
            doubts.append(found.doubts)
        return found

    snapshot, baseline, payload, accepted = wanted.snapshot, None, None, NOTHING
    if snapshot is not None and wanted.trust is None and _never_sealed(snapshot):
        doubts.append("The snapshot was never sealed: anybody can have made it.")
        watch.stage(doubts[-1])
    elif snapshot is not None and ((snapshot / SCOPE).is_file() or opening.is_bundle(snapshot)):
        snapshot = verified(snapshot, "snapshot", "inputs/").directory
    elif wanted.trust is not None and wanted.baseline is None:
        raise UsageError(
            "Nothing here can be verified: --trust is about a run that is a baseline or a snapshot.",
            "Leave it out, or name a run or a bundle.",
        )
    if wanted.baseline is not None:
        approved = verified(wanted.baseline, "baseline", *SIGNED_FOLDERS, ACCEPTED)
        baseline, payload, accepted = drift.read_side(approved.directory), approved.payload, acceptances(approved)
    return StandsOn(snapshot, baseline, payload, accepted, tuple(doubts))


def _never_sealed(snapshot: Path) -> bool:
    """Tell whether these are the inputs of a run alone: nothing was judged, nothing vouches for them."""
    return (snapshot / SCOPE).is_file() and not any((snapshot / name).exists() for name in (RESULTS, BUNDLE, RUN))
