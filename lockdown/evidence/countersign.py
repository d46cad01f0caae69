"""Countersignatures: more people who sign what one key sealed, each in a file of its own.

``seal/<first 16 of the key id>.dsse.json`` is an envelope of the very payload of the bundle envelope, and
``seal/<the same>.tsr`` may date its signature. Nothing that was signed changes when one is added. How many keys must
have signed is the threshold of the trust root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lockdown.errors import Exit, TamperedError, UntrustedError, UsageError
from lockdown.evidence import dsse, timestamp
from lockdown.evidence.files import BUNDLE, SEAL_FOLDER, DirectoryFiles, Files, read, write_whole

if TYPE_CHECKING:
    from lockdown.evidence.dsse import Envelope
    from lockdown.evidence.keys import Signer
    from lockdown.evidence.timestamp import Stamper
    from lockdown.evidence.trust import TrustRoot

ENVELOPE, TOKEN = ".dsse.json", ".tsr"
MOST = 32
_SHOWN = 16
_NAME = re.compile(r"seal/[0-9a-f]{16}\.(dsse\.json|tsr)")


def is_one(name: str) -> bool:
    """Tell whether a file may be a countersignature, or date one."""
    return _NAME.fullmatch(name) is not None


def name_of(key_id: str, suffix: str = ENVELOPE) -> str:
    """Return the name of the countersignature by a key."""
    return f"{SEAL_FOLDER}{key_id[:_SHOWN]}{suffix}"


def check(
    files: Files, names: Iterable[str], sealed: Envelope, root: TrustRoot | None, now: datetime
) -> tuple[int, str]:
    """Check every countersignature, and with a trust root that enough keys signed; return how many did.

    Args:
        files: the run.
        names: of all its files.
        sealed: the bundle envelope, whose own signature was checked.
        root: whom to believe.
        now: the verifier's clock.

    Raises:
        TamperedError: one is of another payload, by another key than its name says, or a trusted key did not sign.
        UntrustedError: one is by a key that is not trusted, or too few signed.
    """
    found = sorted(name for name in names if is_one(name))
    envelopes = [name for name in found if name.endswith(ENVELOPE)]
    if len(envelopes) > MOST:
        raise TamperedError(f"{len(envelopes)} countersignatures are more than the {MOST} that are accepted.")
    for name in found:
        if name.endswith(TOKEN) and name.removesuffix(TOKEN) + ENVELOPE not in envelopes:
            raise TamperedError(f"{name} dates nothing.")
    signers = {sealed.key_id}
    for name in envelopes:
        envelope = dsse.parse(read(files, name), name=name)
        if envelope.payload != sealed.payload:
            raise TamperedError(f"{name} does not countersign {BUNDLE}: it is of another payload.")
        if name != name_of(envelope.key_id) or envelope.key_id in signers:
            raise TamperedError(f"{name} is not by the key that its name says, or by one that signed already.")
        if root is not None:
            token = name.removesuffix(ENVELOPE) + TOKEN
            proven = None
            if token in found and root.tsa:
                proven = timestamp.dated(read(files, token), envelope.signature, root.tsa, name=token).at
            root.check_signature(envelope, name=name, now=now, proven=proven)
        signers.add(envelope.key_id)
    if root is not None and len(signers) < root.threshold:
        raise UntrustedError(f"{len(signers)} of the {root.threshold} keys signed that the trust root requires.")
    required = f", {root.threshold} required" if root is not None else "; nobody says how many are required"
    return len(signers), f"signed by {len(signers)} {'key' if len(signers) == 1 else 'keys'}{required}"


def countersign(directory: Path, signer: Signer, stamper: Stamper | None = None) -> Path:
    """Add a signature to a sealed run, and return its file.

    Raises:
        UsageError: the run is not signed, or by this key already.
        TamperedError: it is not what was sealed.
        ToolError: no signature or timestamp is to be had, or the file cannot be written.
    """
    from lockdown.evidence.verify import verify  # noqa: PLC0415 - verify checks countersignatures

    files = DirectoryFiles(directory.resolve())
    found = verify(files, None, now=datetime.now(UTC))
    if found.exit_code is Exit.TAMPERED:
        wrong = next(check for check in found.checks if check.exit_code is Exit.TAMPERED)
        raise TamperedError(f"The run is not what was signed. {wrong.name}: {wrong.detail}")
    sealed = found.sealed
    if found.run is None or sealed is None:
        raise UsageError("This run is not signed, so there is nothing to countersign.", "Sign it with audit --key.")
    path = directory / name_of(signer.key_id)
    if signer.key_id == sealed.key_id or path.exists():
        raise UsageError(f"The key {signer.key_id} signed this run already.", "Another person's key must do it.")
    data = dsse.wrap(sealed.payload, signer)
    token = stamper(dsse.parse(data, name=path.name).signature) if stamper else None
    write_whole(path, data)
    if token is not None:
        write_whole(directory / name_of(signer.key_id, TOKEN), token)
    return path
