"""Values of rows that may be anything: what is malformed is nothing, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def object_of(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def objects(value: object) -> list[Mapping[str, Any]]:
    """Return the mappings of a list; nothing for anything else."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a text as it is, and '' for anything else."""
    return value if isinstance(value, str) else ""


def texts(value: object) -> list[str]:
    """Return the texts of a list; nothing for anything else."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
