"""What a verifier remembers between two runs of it, so that an older trust root or history is noticed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from lockdown import strict
from lockdown.errors import IncompleteError, TamperedError, UntrustedError, UsageError
from lockdown.evidence import wire
from lockdown.evidence.files import write_whole
from lockdown.evidence.root_file import RootFile
from lockdown.evidence.trust import RootKeys

SCHEMA: Literal["urn:coa-lockdown:trust-state:v1"] = "urn:coa-lockdown:trust-state:v1"


class SeenRoot(wire.Closed):
    """The highest version of a trust root that was seen."""

    version: int = Field(ge=1)
    fingerprint: str = Field(pattern="^[0-9a-f]{64}$")
    root: RootKeys | None = None


class Head(wire.Closed):
    """The last record of a history that was seen."""

    sequence: int = Field(ge=1)
    digest: str = Field(pattern="^[0-9a-f]{64}$")


class State(wire.Closed):
    """What is remembered.

    Attributes:
        heads: by the URL of the evidence store.
    """

    schema_: Literal["urn:coa-lockdown:trust-state:v1"] = Field(default=SCHEMA, alias="schema")
    trust_root: SeenRoot
    heads: dict[str, Head] = Field(default={})


def load(path: Path) -> State | None:
    """Return what is remembered; None if there is no such file yet.

    Raises:
        UsageError: the file cannot be read, or is another.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Check --trust-state.") from error
    try:
        return State.model_validate_json(strict.canonical(strict.loads(data, name=str(path))))
    except (TamperedError, ValidationError) as error:
        raise UsageError(
            f"{path} is not what lockdown remembered of trust roots.",
            "Check --trust-state; do not remove the file lightly.",
        ) from error


def save(path: Path, state: State) -> None:
    """Write what is remembered.

    Raises:
        ToolError: it cannot be written.
    """
    value = state.model_dump(mode="json", by_alias=True, exclude_none=True)
    write_whole(path, strict.canonical(value) + b"\n")


def advance(state: State | None, found: RootFile) -> State:
    """Return what to remember once ``found`` was accepted.

    Raises:
        UntrustedError: it is older than what was seen, another of the same version, or a newer one that those who
            could change the remembered one did not sign.
    """
    now = SeenRoot(version=found.root.version, fingerprint=found.fingerprint, root=found.root.root)
    if state is None:
        return State(trust_root=now)
    seen = state.trust_root
    if now.version < seen.version:
        raise UntrustedError(
            f"The trust root is version {now.version}, and version {seen.version} was seen before: it was rolled back.",
            "Obtain the newest one.",
        )
    if now.version == seen.version:
        if now.fingerprint != seen.fingerprint:
            raise UntrustedError(f"Another trust root of version {now.version} was seen before.")
        return state
    if seen.root is None or found.envelope is None or found.missing(seen.root):
        raise UntrustedError(
            f"Those who could change version {seen.version} of the trust root, seen before, did not sign version "
            f"{now.version}.",
            "If there are versions between the two, verify with each of them in turn.",
        )
    return state.model_copy(update={"trust_root": now})


def advance_head(state: State, store: str, digests: Mapping[int, str]) -> State:
    """Return what to remember once a history was found whole; ``digests`` are those of its records by number.

    Raises:
        IncompleteError: it ends before the record that was seen last, or holds another in its place.
    """
    seen = state.heads.get(store)
    last = max(digests, default=0)
    if seen is not None and seen.sequence not in digests:
        raise IncompleteError(f"The history ends at record {last}, and record {seen.sequence} was seen before.")
    if seen is not None and digests[seen.sequence] != seen.digest:
        raise IncompleteError(f"The history forks: record {seen.sequence} is another than was seen before.")
    if last == 0:
        return state
    return state.model_copy(update={"heads": {**state.heads, store: Head(sequence=last, digest=digests[last])}})
