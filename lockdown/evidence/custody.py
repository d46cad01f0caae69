"""The chain of custody: who received a sealed run from whom, when, each hand-over signed.

``seal/custody.jsonl`` has a signed hand-over a line, each naming the one before it and the seal of the run that it is
of; ``seal/custody-<number>.tsr`` may date its signature. Nothing that was signed changes when one is added, and no seal
covers them: whoever holds a run can leave out the last hand-overs, but not one between two others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from lockdown import __version__
from lockdown.errors import Exit, StaleError, TamperedError, UsageError
from lockdown.evidence import dsse, timestamp, wire
from lockdown.evidence.entry import MAX_BYTES, Entry, Kind
from lockdown.evidence.files import CUSTODY, Files, read
from lockdown.evidence.predicate import CUSTODY as CUSTODY_TYPE
from lockdown.evidence.predicate import Digest, EvidenceBundle, Tool
from lockdown.evidence.times import Stamp, moment, stamp

if TYPE_CHECKING:
    from lockdown.evidence.dsse import Envelope
    from lockdown.evidence.keys import Signer
    from lockdown.evidence.timestamp import Stamper
    from lockdown.evidence.trust import TrustRoot

MOST = 1_000
_CLOCKS = timedelta(minutes=5)
_TOKEN = re.compile(r"seal/custody-([1-9][0-9]{0,3})\.tsr")


class Handover(wire.Open):
    """The claim of one line of ``seal/custody.jsonl``: a sealed run changed hands."""

    sequence: int = Field(ge=1, description="Its place in the chain of custody, from 1 without a gap.")
    previous: Digest = Field(description="SHA-256 of the payload before it; of the bundle statement for the first.")
    seal: Digest = Field(description="SHA-256 of the payload of seal/bundle.dsse.json: what was handed over.")
    received_by: str = Field(min_length=1, max_length=500, description="Who has it now.")
    received_from: str = Field(min_length=1, max_length=500, description="Who had it before.")
    note: str = Field(default="", max_length=2_000, description="How, or what for.")
    at: Stamp = Field(description="By the signer's clock.")
    tool: Tool


def _subjects(found: Handover) -> Mapping[str, str]:
    return {"previous": found.previous, "seal": found.seal}


KIND: Kind[Handover] = Kind(CUSTODY_TYPE, Handover.model_validate_json, _subjects)
Line = Entry[Handover]


@dataclass(frozen=True)
class Received:
    """What somebody states who received a run."""

    by: str
    sender: str
    note: str = ""


def is_one(name: str) -> bool:
    """Tell whether a file belongs to the chain of custody."""
    return name == CUSTODY or _TOKEN.fullmatch(name) is not None


def lines(files: Files, names: Collection[str], sealed: Envelope) -> list[Line]:
    """Return the hand-overs of a run, in order; who signed them is not checked here.

    Raises:
        TamperedError: they are not in the form that lockdown writes, are of another run, or one is missing.
    """
    found: list[Line] = []
    if CUSTODY in names:
        with files.open(CUSTODY) as file:
            while data := file.readline(MAX_BYTES + 1):
                if len(found) == MOST:
                    raise TamperedError(f"{CUSTODY} has more than {MOST} lines.")
                found.append(KIND.read(data, name=f"{CUSTODY}, line {len(found) + 1}"))
        if not found:
            raise TamperedError(f"{CUSTODY} is empty.")
    seal = before = sha256(sealed.payload).hexdigest()
    for number, line in enumerate(found, 1):
        if line.claim.seal != seal:
            raise TamperedError(f"{CUSTODY}, line {number} is of another run, or of one that was sealed again.")
        if (line.claim.sequence, line.claim.previous) != (number, before):
            raise TamperedError(f"{CUSTODY}, line {number} does not follow the one before it.")
        before = line.digest
    for name in names:
        match = _TOKEN.fullmatch(name)
        if match and int(match[1]) > len(found):
            raise TamperedError(f"{name} dates nothing.")
    return found


def check(
    files: Files,
    names: Collection[str],
    sealed: Envelope,
    claim: EvidenceBundle,
    root: TrustRoot | None,
    now: datetime,
) -> tuple[list[Line], str]:
    """Check the chain of custody; return the hand-overs with a line for a person.

    A hand-over whose signature nothing dates is vouched for by the next one: its key must have been good when it says
    that it was made. The last must be by a key that is good now.

    Raises:
        TamperedError: a hand-over was changed, moved or left out, or a trusted key did not sign it.
        UntrustedError: one is by a key that is not trusted.
        StaleError: their times contradict each other, or are in the future.
    """
    found = lines(files, names, sealed)
    if root is not None:
        _check_keys(files, names, found, root, now)
    _check_times(found, claim.made_at, now)
    last, number = found[-1].claim, f"{len(found)} hand-over{'' if len(found) == 1 else 's'}"
    checked = "" if root is not None else "; by whom they are signed was not checked"
    told = f"{number}; the last, of {last.at}: received by {last.received_by} from {last.received_from}{checked}"
    return found, told


def _check_times(found: Sequence[Line], sealed: str, now: datetime) -> None:
    before = sealed
    for line in found:
        at = line.claim.at
        if stamp(moment(at) + _CLOCKS) < before:
            raise StaleError(
                f"Hand-over {line.claim.sequence} states {at}, which is before what it follows ({before})."
            )
        if at > stamp(now + _CLOCKS):
            raise StaleError(f"Hand-over {line.claim.sequence} states {at}, which is in the future.")
        before = at


def _check_keys(files: Files, names: Collection[str], found: Sequence[Line], root: TrustRoot, now: datetime) -> None:
    root.check_predicate(CUSTODY_TYPE)
    vouched = False
    for line in reversed(found):
        name, token = f"hand-over {line.claim.sequence}", token_of(line.claim.sequence)
        proven = moment(line.claim.at) if vouched else None
        if token in names and root.tsa:
            proven = timestamp.dated(read(files, token), line.envelope.signature, root.tsa, name=token).at
        root.check_signature(line.envelope, name=name, now=now, proven=proven, custody=True)
        vouched = True


def token_of(sequence: int) -> str:
    """Return the name of the timestamp of a hand-over."""
    return f"seal/custody-{sequence}.tsr"


def added(files: Files, received: Received, signer: Signer, stamper: Stamper | None = None) -> dict[str, bytes]:
    """Return the files of a sealed run that a further hand-over adds or replaces.

    Raises:
        UsageError: the run is not signed.
        TamperedError: it is not what was sealed.
        ToolError: no signature or timestamp is to be had.
    """
    from lockdown.evidence.verify import verify  # noqa: PLC0415 - verify checks the chain of custody

    found = verify(files, None, now=datetime.now(UTC))
    if found.exit_code is Exit.TAMPERED:
        wrong = next(check for check in found.checks if check.exit_code is Exit.TAMPERED)
        raise TamperedError(f"The run is not what was signed. {wrong.name}: {wrong.detail}")
    if found.run is None or found.sealed is None:
        raise UsageError("This run is not signed, so nobody can have handed it over.", "Sign it with audit --key.")
    before = lines(files, frozenset(files.names()), found.sealed)
    if len(before) == MOST:
        raise UsageError(f"The run was handed over {MOST} times already.")
    seal = sha256(found.sealed.payload).hexdigest()
    try:
        claim = Handover(
            sequence=len(before) + 1,
            previous=before[-1].digest if before else seal,
            seal=seal,
            received_by=received.by,
            received_from=received.sender,
            note=received.note,
            at=stamp(datetime.now(UTC)),
            tool=Tool(name="lockdown", version=__version__),
        )
    except ValidationError as error:
        raise UsageError(f"This cannot be signed: {wire.told(error)}.", "Give other names.") from error
    data = dsse.wrap(KIND.payload(claim), signer)
    KIND.read(data, name=CUSTODY)
    made = {CUSTODY: b"".join(line.data for line in before) + data}
    if stamper is not None:
        made[token_of(claim.sequence)] = stamper(dsse.parse(data, name=CUSTODY).signature)
    return made
