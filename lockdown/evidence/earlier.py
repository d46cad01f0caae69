"""A run that another run stands on, as its baseline or its snapshot: verified before anything in it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lockdown.errors import Exit, LockdownError, StaleError, TamperedError, UntrustedError
from lockdown.evidence import dsse, opening
from lockdown.evidence.files import BUNDLE, RUN, SIGNED_FOLDERS, Files, read
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
        directory: where its results, inputs and policies can be read.
        files: all of it.
        payload: SHA-256 of its signed statement, which identifies it; None if it is not signed.
        sealed_by: id of the key that its bundle envelope names; None likewise.
        root: the trust root that vouches for it; None if none was given.
        doubts: what was not proven of it, in a sentence for a person; empty if a trusted key signed it.
        told: what was, likewise.
    """

    directory: Path
    files: Files
    payload: str | None
    sealed_by: str | None
    root: TrustRoot | None
    doubts: str
    told: str


@contextmanager
def earlier(
    path: Path, what: str, trust: Path | None = None, fingerprint: str | None = None, state: Path | None = None
) -> Iterator[Earlier]:
    """Yield a run directory or bundle once it is found to be whole and, with ``trust``, signed by a trusted key.

    It may be of any age, and of an environment that could not be read whole: that is for its user to weigh. A bundle
    is unpacked into a folder that is gone afterwards.

    Args:
        path: the run.
        what: what messages call it, such as ``baseline``.
        trust: the file of the trust root; without one, ``doubts`` says that nobody vouches for the run.
        fingerprint: what the trust root must have.
        state: where the newest trust root that was seen is remembered, so that an older one is refused.

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
        with _readable(path, files, found) as directory:
            signed = found.run is not None
            yield Earlier(
                directory,
                files,
                _payload(files, RUN) if signed else None,
                _envelope(files, BUNDLE).key_id if signed else None,
                None if isinstance(root, UntrustedError) else root,
                _doubts(found, what, root),
                _told(found, what),
            )


def _envelope(files: Files, name: str) -> dsse.Envelope:
    return dsse.parse(read(files, name), name=name)


def _payload(files: Files, name: str) -> str:
    return sha256(_envelope(files, name).payload).hexdigest()


@contextmanager
def _readable(path: Path, files: Files, found: Verification) -> Iterator[Path]:
    if path.is_dir():
        yield path
        return
    with opening.unpacked(files, SIGNED_FOLDERS, found.digests) as folder:
        yield folder


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
