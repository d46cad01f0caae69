"""Moments as evidence writes them: UTC, whole seconds, ``2026-01-02T03:04:05Z``. As text they sort in time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"


def stamp(moment: datetime) -> str:
    """Return an aware moment as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """Return the moment that ``stamp`` wrote.

    Raises:
        ValueError: it is not one.
    """
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _real(text: str) -> str:
    if not re.fullmatch(_PATTERN, text):
        raise ValueError("not of the form 2026-01-02T03:04:05Z")
    moment(text)
    return text


Stamp = Annotated[str, Field(pattern=_PATTERN), AfterValidator(_real)]
