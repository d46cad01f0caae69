"""in-toto Statements v1 (github.com/in-toto/attestation, spec/v1): which files are signed, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockdown import strict
from lockdown.errors import TamperedError

TYPE = "https://in-toto.io/Statement/v1"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Statement:
    """One signed claim.

    Attributes:
        predicate_type: URI that says how to read ``predicate``.
        predicate: the claim.
        subjects: SHA-256 in hex by file name.
    """

    predicate_type: str
    predicate: Mapping[str, Any]
    subjects: Mapping[str, str]


def written(statement: Statement) -> bytes:
    """Return the payload for a statement."""
    return strict.canonical(
        {
            "_type": TYPE,
            "predicate": statement.predicate,
            "predicateType": statement.predicate_type,
            "subject": [
                {"digest": {"sha256": statement.subjects[name]}, "name": name} for name in sorted(statement.subjects)
            ],
        }
    )


def parse(payload: bytes, *, name: str) -> Statement:
    """Return the statement in a payload.

    Raises:
        TamperedError: it is not exactly what ``written`` makes of its own content.
    """
    value = strict.loads(payload, name=name)
    if not isinstance(value, dict) or value.get("_type") != TYPE:
        raise TamperedError(f"{name} is not an in-toto Statement v1.")
    kind, predicate, listed = (value.get(key) for key in ("predicateType", "predicate", "subject"))
    if not isinstance(kind, str) or not isinstance(predicate, dict) or not isinstance(listed, list):
        raise TamperedError(f"{name} lacks its predicate or its subjects.")
    statement = Statement(kind, predicate, dict(_subject(entry, name) for entry in listed))
    if written(statement) != payload:
        raise TamperedError(f"{name} is not in the one serialisation that lockdown writes.")
    return statement


def _subject(entry: object, name: str) -> tuple[str, str]:
    match entry:
        case {"name": str(file), "digest": {"sha256": str(value)}} if _DIGEST.fullmatch(value):
            return file, value
    raise TamperedError(f"{name} has a subject that is not a file name with its SHA-256.")
