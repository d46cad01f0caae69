"""One signed entry among others: a record of a history, an acceptance of drift, a hand-over.

Each is an envelope over a statement whose subjects follow from its claim, and each names the one before it, so that
none can be changed, moved or left out between two others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from lockdown import strict
from lockdown.errors import TamperedError
from lockdown.evidence import dsse, statement, wire
from lockdown.evidence.dsse import Envelope

MAX_BYTES = 4 * 1024 * 1024

Claim = TypeVar("Claim", bound=BaseModel)


@dataclass(frozen=True)
class Entry(Generic[Claim]):
    """An entry as it stands in a file.

    Attributes:
        digest: SHA-256 of its payload in hex: what identifies it.
        data: its line, or its file.
    """

    claim: Claim
    digest: str
    envelope: Envelope
    data: bytes


@dataclass(frozen=True)
class Kind(Generic[Claim]):
    """A kind of entries.

    Attributes:
        predicate_type: of their statements.
        model: makes a claim of its JSON, or raises ValidationError.
        subjects: the subjects that follow from a claim.
    """

    predicate_type: str
    model: Callable[[bytes], Claim]
    subjects: Callable[[Claim], Mapping[str, str]]

    def payload(self, claim: Claim) -> bytes:
        """Return the statement that is signed for a claim."""
        stated = claim.model_dump(mode="json", by_alias=True)
        return statement.written(statement.Statement(self.predicate_type, stated, self.subjects(claim)))

    def read(self, data: bytes, *, name: str) -> Entry[Claim]:
        """Return the entry in ``data``; its signature is not checked here.

        Raises:
            TamperedError: it is not in the one form that lockdown writes, or contradicts itself.
        """
        if len(data) > MAX_BYTES:
            raise TamperedError(f"{name} is longer than the {MAX_BYTES} bytes that are accepted.")
        envelope = dsse.parse(data, name=name)
        stated = statement.parse(envelope.payload, name=name)
        if stated.predicate_type != self.predicate_type:
            raise TamperedError(f"{name} has the predicate type {stated.predicate_type!a}, not {self.predicate_type}.")
        try:
            claim = self.model(strict.canonical(stated.predicate))
        except ValidationError as error:
            raise TamperedError(f"{name}: {wire.told(error)}.") from error
        if stated.subjects != self.subjects(claim):
            raise TamperedError(f"{name} has other subjects than its fields name.")
        return Entry(claim, sha256(envelope.payload).hexdigest(), envelope, data)
