"""Signing a run and sealing its directory: the two last steps of an audit."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import lockdown
from lockdown import record
from lockdown.errors import TamperedError, UsageError
from lockdown.evidence import by_hand, dsse, keys, predicate, statement, sums
from lockdown.evidence.algorithms import Algorithm
from lockdown.evidence.files import (
    BUNDLE,
    BUNDLE_TOKEN,
    BY_HAND,
    RESULTS,
    RUN,
    RUN_TOKEN,
    SEAL_FOLDER,
    SIGNED_FOLDERS,
    SUMS,
    DirectoryFiles,
    digest,
    plain_names,
    signed_names,
    write_whole,
)
from lockdown.evidence.times import stamp
from lockdown.evidence.timestamp import Stamper

_PLACES = (*SIGNED_FOLDERS, "history/", "report/", SEAL_FOLDER)
_OWN = {RUN, RUN_TOKEN, SUMS, BY_HAND}
_SEAL = {BUNDLE, BUNDLE_TOKEN}
_LONGEST_ES256 = 72
"""Bytes of a signature in DER; one of PS256 has 384 or more."""


def sign_run(directory: Path, signer: keys.Signer, stamper: Stamper | None = None) -> bytes:
    """Write ``run/run.dsse.json`` and return its bytes: what the run found, bound to results, inputs and policies.

    Call it when those three folders are final. With ``stamper``, ``run/run.tsr`` dates the signature.

    Raises:
        UsageError: the directory is not a run, holds a name that a run cannot have, or holds the private key.
        ToolError: a file cannot be read or written, or no timestamp is to be had.
    """
    keys.refuse_inside(signer, directory)
    found = DirectoryFiles(directory)
    names = _names(directory)
    try:
        claim = predicate.from_run(record.read(directory / RESULTS).run, name=RESULTS)
    except TamperedError as error:
        raise UsageError(error.message, "Only a run that lockdown audit wrote can be signed.") from error
    subjects = {name: digest(found, name) for name in signed_names(names)}
    payload = statement.written(statement.Statement(predicate.AUDIT_RUN, predicate.plain(claim), subjects))
    envelope = dsse.wrap(payload, signer)
    write_whole(directory / RUN, envelope)
    if stamper is not None:
        write_whole(directory / RUN_TOKEN, stamper(dsse.parse(envelope, name=RUN).signature))
    return envelope


def seal(directory: Path, signer: keys.Signer | None, stamper: Stamper | None = None) -> None:
    """Write VERIFY.txt and SHA256SUMS and, with a signer, ``seal/bundle.dsse.json`` over them: the last step of a run.

    With ``stamper``, ``seal/bundle.tsr`` dates that signature.

    Raises:
        UsageError: the directory is not a run, holds a name or a file that a run cannot have, holds the private key, or
            is signed or dated and is to be sealed without a signer or stamper (or the other way round).
        ToolError: a file cannot be read or written, or no timestamp is to be had.
    """
    names = _names(directory)
    if (signer is not None) != (RUN in names):
        state = "is signed" if RUN in names else "is not signed"
        raise UsageError(f"The run {directory} {state}; run and seal are signed both or neither.")
    if (stamper is not None) != (RUN_TOKEN in names):
        state = "has a timestamp" if RUN_TOKEN in names else "has no timestamp"
        raise UsageError(f"The run {directory} {state}; run and seal have one both or neither.")
    if signer is not None:
        keys.refuse_inside(signer, directory)
    text = by_hand.text(
        signer.algorithm if signer else None, dated=stamper is not None, of_run=_other_algorithm(directory, signer)
    )
    write_whole(directory / BY_HAND, text.encode())
    found = DirectoryFiles(directory)
    listed = sorted({*names, BY_HAND} - {SUMS})
    content = sums.written({name: digest(found, name) for name in listed if not name.startswith(SEAL_FOLDER)})
    write_whole(directory / SUMS, content)
    if signer is None:
        return
    claim = predicate.EvidenceBundle(
        run_payload=predicate.RunDigest(sha256=_payload_digest(directory)),
        made_by=predicate.Tool(name="lockdown", version=lockdown.__version__),
        made_at=stamp(datetime.now(UTC)),
    )
    subject = {SUMS: sha256(content).hexdigest()}
    payload = statement.written(statement.Statement(predicate.EVIDENCE_BUNDLE, predicate.plain(claim), subject))
    envelope = dsse.wrap(payload, signer)
    write_whole(directory / BUNDLE, envelope)
    if stamper is not None:
        write_whole(directory / BUNDLE_TOKEN, stamper(dsse.parse(envelope, name=BUNDLE).signature))


def _names(directory: Path) -> frozenset[str]:
    if not (directory / RESULTS).is_file():
        raise UsageError(
            f"{directory} is not a run: it lacks {RESULTS}.", "Name a directory that lockdown audit wrote."
        )
    try:
        names = plain_names(DirectoryFiles(directory).names())
    except TamperedError as error:
        raise UsageError(error.message, "Remove it, then seal again.") from error
    strange = sorted(name for name in names if name not in _OWN and not name.startswith(_PLACES))
    if strange or (names & _SEAL) != {name for name in names if name.startswith(SEAL_FOLDER)}:
        first = next(iter(strange), SEAL_FOLDER)
        raise UsageError(f"{directory / first} does not belong in a run.", "Remove it, then seal again.")
    return names


def _payload_digest(directory: Path) -> str:
    return sha256(_run_envelope(directory).payload).hexdigest()


def _other_algorithm(directory: Path, signer: keys.Signer | None) -> Algorithm | None:
    """Return the algorithm of the key that signed the run, if it is not the one that seals it."""
    if signer is None:
        return None
    envelope = _run_envelope(directory)
    if envelope.key_id == signer.key_id:
        return None
    return "ES256" if len(envelope.signature) <= _LONGEST_ES256 else "PS256"


def _run_envelope(directory: Path) -> dsse.Envelope:
    try:
        return dsse.parse((directory / RUN).read_bytes(), name=RUN)
    except TamperedError as error:
        raise UsageError(error.message, "Sign the run again.") from error
