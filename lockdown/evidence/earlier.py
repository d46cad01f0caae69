"""A run that another run stands on, as its baseline or its snapshot: verified before anything in it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lockdown.errors import Exit, LockdownError, StaleError, TamperedError, UntrustedError
from lockdown.evidence import opening
from lockdown.evidence.files import DirectoryFiles, Files
from lockdown.evidence.verify import Demands, Verification, verify

if TYPE_CHECKING:
    from lockdown.evidence.trust import TrustRoot
    from lockdown.evidence.verify import Trusted

_REFUSED: dict[Exit, type[LockdownError]] = {
    error.exit_code: error for error in (TamperedError, UntrustedError, StaleError)
}


@dataclass(frozen=True)
class Earlier:
    """An earlier run, verified as far as was asked for.

    Attributes:
        directory: a copy of our own, as it was verified, so that nobody changes it while it is used.
        payload: SHA-256 of its signed statement, which identifies it; None if it is not signed.
        sealed_by: id of the key that its bundle envelope names; None likewise.
        sealed_at: when it was sealed at the latest, by a trusted timestamp; None if none proves it.
        root: the trust root that vouches for it; None if none was given.
        doubts: what was not proven of it, in a sentence for a person; empty if a trusted key signed it.
        told: what was, likewise.
    """

    directory: Path
    payload: str | None
    sealed_by: str | None
    sealed_at: datetime | None
    root: TrustRoot | None
    doubts: str
    told: str

    @property
    def files(self) -> Files:
        """Everything in the copy."""
        return DirectoryFiles(self.directory)


@contextmanager
def earlier(
    path: Path,
    what: str,
    trust: Path | None = None,
    fingerprint: str | None = None,
    state: Path | None = None,
    below: tuple[str, ...] = ("",),
) -> Iterator[Earlier]:
    """Yield a run directory or bundle once it is found to be whole and, with ``trust``, signed by a trusted key.

    It may be of any age, and of an environment that could not be read whole: that is for its user to weigh.

    Args:
        path: the run.
        what: what messages call it, such as ``baseline``.
        trust: the file of the trust root; without one, ``doubts`` says that nobody vouches for the run.
        fingerprint: what the trust root must have.
        state: where the newest trust root that was seen is remembered, so that an older one is refused.
        below: the folders that are needed of it.

    Raises:
        UsageError: it is no run, or one of a later version.
        TamperedError: it is not what was sealed.
        UntrustedError: it was never sealed; or with ``trust``, no trusted key signed it.
        StaleError: with ``trust``, its times contradict each other or are in the future.
    """
    root = opening.trust_root(path, trust, fingerprint, state)
    with opening.opened(path) as files:
        found = verify(
            files,
            root,
            now=datetime.now(UTC),
            rollback_checked=state is not None,
            allow_partial=True,
            demands=Demands(any_age=True),
        )
        _refuse(found, what, path, root)
        with opening.copied(files, found.digests, below) as directory:
            yield Earlier(
                directory,
                found.payload,
                found.sealed.key_id if found.sealed else None,
                found.sealed_at,
                None if isinstance(root, UntrustedError) else root,
                _doubts(found, what, root),
                _told(found, what),
            )


def _refuse(found: Verification, what: str, path: Path, root: Trusted) -> None:
    structure = found.checks[0]
    code = found.exit_code
    if root is None and code is Exit.UNTRUSTED and structure.exit_code is not Exit.UNTRUSTED:
        return
    if code not in _REFUSED:
        return
    wrong = next(check for check in found.checks if check.exit_code is code)
    raise _REFUSED[code](
        f"The {what} {path} is not used. {wrong.name}: {wrong.detail}", "lockdown verify tells everything about it."
    )


def _doubts(found: Verification, what: str, root: Trusted) -> str:
    if root is not None:
        return ""
    if found.key_id is None:
        return f"The {what} is not signed: it is intact, but anybody can have made it."
    return f"The {what} is intact and names the key {found.key_id}; whether that is to be trusted was not checked."


def _told(found: Verification, what: str) -> str:
    if found.run is None:
        return f"The {what} is intact"
    laboratory = ", by a LABORATORY trust root" if found.lab else ""
    return f"The {what} is run {found.run.run_id!a} of {found.run.finished_at}{laboratory}"
