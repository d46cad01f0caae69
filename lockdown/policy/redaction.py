"""redaction.yaml: which values are secrets and never reach the disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from lockdown import yamlfile
from lockdown.errors import UsageError
from lockdown.policy.schema import ArmType, Filled, Strict
from lockdown.snapshot.redact import Path

_STEPS = re.compile(r"(\*|[A-Za-z0-9_$-]+)(\.(\*|[A-Za-z0-9_$-]+))*")


@dataclass(frozen=True)
class Redaction:
    """What a :class:`lockdown.snapshot.redact.Redactor` removes.

    Attributes:
        paths: places whose value is a secret, whatever it is.
        marks: regular expressions of values that look like secrets, wherever they stand.
    """

    paths: tuple[Path, ...]
    marks: tuple[str, ...]


def parse(name: str, content: bytes | None) -> Redaction:
    """Return what redaction.yaml says; ``name`` is what errors call the file.

    Raises:
        UsageError: it is missing or wrong; the message names file, line and key of every problem.
    """
    if content is None:
        raise UsageError(f"{name} is missing: nothing would say what is a secret.")
    found = yamlfile.load(name, content, _File)
    return Redaction(
        tuple(Path(tuple(item.path.lower().split(".")), frozenset(item.types)) for item in found.paths),
        tuple(item.pattern for item in found.marks),
    )


def _path(text: str) -> str:
    if not _STEPS.fullmatch(text) or set(text) <= {"*", "."}:
        raise ValueError(f"{text!r} is not a property path such as properties.items.*.secret")
    return text


def _pattern(text: str) -> str:
    try:
        compiled = re.compile(f"(?:{text})")
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if compiled.search(""):
        raise ValueError("matches the empty text, so everything would be removed")
    return text


class _Place(Strict):
    path: Annotated[str, AfterValidator(_path)]
    types: tuple[ArmType, ...] = ()
    reason: Filled


class _Mark(Strict):
    pattern: Annotated[str, AfterValidator(_pattern)]
    reason: Filled


class _File(Strict):
    paths: tuple[_Place, ...]
    marks: tuple[_Mark, ...]
