"""The acceptances of drift that a baseline carries: ``history/accepted.jsonl``, a signed one a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from lockdown.errors import TamperedError
from lockdown.evidence import wire
from lockdown.evidence.entry import MAX_BYTES, Entry, Kind
from lockdown.evidence.files import ACCEPTED, Files
from lockdown.evidence.predicate import ACCEPTANCE, Digest, Tool
from lockdown.evidence.times import Stamp

FILE = ACCEPTED
MOST_REASON, MOST_LINES = 2_000, 10_000
Section = Literal["verdicts", "resources", "properties", "waivers", "policies", "reverted"]


class Item(wire.Open):
    """A drift that was accepted."""

    id: str = Field(pattern="^[0-9a-f]{16}$", description="As in results/drift.json of the run.")
    section: Section
    severity: str
    state: str = Field(description="Of a resource that was added: the digest of what it was.")
    what: str = Field(description="The drift in words.")


class Acceptance(wire.Open):
    """Somebody accepted drift."""

    sequence: int = Field(ge=1, description="Its place among the acceptances, from 1 without a gap.")
    previous: Digest = Field(
        description="SHA-256 of the payload before it; of the run statement of the baseline for the first."
    )
    baseline: Digest = Field(description="SHA-256 of the run statement that was the baseline.")
    run: Digest = Field(description="SHA-256 of the run statement whose drift this is.")
    becomes: Digest = Field(description="Which of the two is the baseline from now on.")
    accepted: tuple[Item, ...]
    withdrawn: tuple[str, ...] = Field(description="Ids of what was accepted before and is no longer there.")
    reason: str = Field(min_length=1, max_length=MOST_REASON)
    at: Stamp = Field(description="By the signer's clock.")
    tool: Tool

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        if self.becomes not in {self.baseline, self.run}:
            raise ValueError("it becomes a baseline that it is not about")
        if not (self.accepted or self.withdrawn):
            raise ValueError("it accepts nothing")
        return self


Line = Entry[Acceptance]


def read_lines(files: Files) -> list[Line]:
    """Return the acceptances that a run carries, in order; who signed them is not checked here.

    Raises:
        TamperedError: they are not in the form that lockdown writes, or one is missing or was replaced.
    """
    if FILE not in frozenset(files.names()):
        return []
    found: list[Line] = []
    with files.open(FILE) as file:
        while data := file.readline(MAX_BYTES + 1):
            if len(found) == MOST_LINES:
                raise TamperedError(f"{FILE} has more than {MOST_LINES} lines.")
            found.append(KIND.read(data, name=f"{FILE}, line {len(found) + 1}"))
    _check_chain(found)
    return found


def _check_chain(lines: Sequence[Line]) -> None:
    for number, line in enumerate(lines, 1):
        found = line.claim
        before = lines[number - 2] if number > 1 else None
        expected = before.digest if before else found.baseline
        stands_on = before.claim.becomes if before else found.baseline
        if (found.sequence, found.previous, found.baseline) != (number, expected, stands_on):
            raise TamperedError(f"{FILE}, line {number} does not follow the one before it.")


def _subjects(found: Acceptance) -> Mapping[str, str]:
    return {"baseline": found.baseline, "previous": found.previous, "run": found.run}


KIND: Kind[Acceptance] = Kind(ACCEPTANCE, Acceptance.model_validate_json, _subjects)
