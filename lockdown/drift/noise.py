"""Which differences mean nothing: the rules of policies/drift-noise.yaml.

A rule speaks of a path of property names, such as ``properties.**.etag``: ``*`` stands for any part of one name, ``**``
for any number of names, and the elements of an array have the path of the array. Names compare case-insensitively.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lockdown import data, yamlfile

FILE = "drift-noise.yaml"
_REMEMBERED = 16_384

Names = tuple[str, ...]
Kind = Literal["ignore", "set", "caseInsensitive", "emptyIsAbsent"]


def _path(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*", text):
        raise ValueError("a path is names with dots between, such as properties.**.etag")
    return text


def _type(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.]+(/[A-Za-z0-9]+)+", text):
        raise ValueError("not an ARM type such as Microsoft.Storage/storageAccounts")
    return text.lower()


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("every rule says why")
    return text.strip()


class Rule(BaseModel):
    """One rule.

    Attributes:
        path: where it holds; see the module.
        kind: ``ignore`` leaves the value out; ``set`` compares an array without its order; ``caseInsensitive`` compares
            texts (and the names in an object, if ``values`` fits them) without their case; ``emptyIsAbsent`` takes
            ``{}``, ``[]`` and the empty text for null.
        reason: why a difference there means nothing.
        types: ARM types it is for, lower-case; empty means every type.
        key: for ``set``: the property that tells the elements apart. The rule holds only for arrays of objects that all
            have it, each another; without a key the elements are compared as wholes.
        values: for ``caseInsensitive``: a regular expression that the texts must begin with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, AfterValidator(_path)]
    kind: Kind
    reason: Annotated[str, AfterValidator(_reason)]
    types: tuple[Annotated[str, AfterValidator(_type)], ...] = ()
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")] | None = None
    values: Annotated[str, AfterValidator(_pattern)] | None = None

    @model_validator(mode="after")
    def _fitting(self) -> Rule:
        if self.key is not None and self.kind != "set":
            raise ValueError("key belongs to rules of kind set")
        if self.values is not None and self.kind != "caseInsensitive":
            raise ValueError("values belongs to rules of kind caseInsensitive")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Treatment:
    """What the rules say of one path.

    Attributes:
        keys: keys of the ``set`` rules that hold there, in order; None stands for comparing whole elements.
        folds: regular expressions of the ``caseInsensitive`` rules; None fits every text.
    """

    ignored: bool = False
    keys: tuple[str | None, ...] = ()
    folds: tuple[re.Pattern[str] | None, ...] = ()
    empty_is_absent: bool = False

    def folds_text(self, text: str) -> bool:
        """Tell whether the case of ``text`` means nothing."""
        return any(fold is None or fold.match(text) for fold in self.folds)

    def folds_name(self, name: str) -> bool:
        """Tell whether the case of ``name``, a name inside an object, means nothing."""
        return any(fold is not None and fold.match(name) for fold in self.folds)


Treat = Callable[[Names], Treatment]


@dataclass(frozen=True)
class Noise:
    """All rules."""

    rules: tuple[Rule, ...] = ()

    def treatment(self, resource_type: str) -> Treat:
        """Return the function from a path of names to what the rules say of it, for one ARM type."""
        ours = tuple(
            (rule, tuple(rule.path.lower().split(".")))
            for rule in self.rules
            if not rule.types or resource_type.lower() in rule.types
        )

        @lru_cache(maxsize=_REMEMBERED)
        def treat(names: Names) -> Treatment:
            lowered = tuple(name.lower() for name in names)
            hold = [rule for rule, pattern in ours if _fits(pattern, lowered)]
            return Treatment(
                ignored=any(rule.kind == "ignore" for rule in hold),
                keys=tuple(rule.key for rule in hold if rule.kind == "set"),
                folds=tuple(
                    re.compile(rule.values, re.IGNORECASE) if rule.values else None
                    for rule in hold
                    if rule.kind == "caseInsensitive"
                ),
                empty_is_absent=any(rule.kind == "emptyIsAbsent" for rule in hold),
            )

        return treat


def parse(name: str, content: bytes) -> Noise:
    """Read noise rules; ``name`` is what errors call the file.

    Raises:
        UsageError: the file is wrong; the message names line and key of every error.
    """
    return Noise(yamlfile.load(name, content, _File).rules)


def shipped() -> Noise:
    """Return the rules that ship with lockdown.

    Raises:
        ToolError: the policies/ folder is missing.
        UsageError: the file in it is wrong.
    """
    return parse(f"policies/{FILE}", (data.tree("policies") / FILE).read_bytes())


def _fits(pattern: Names, names: Names) -> bool:
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_fits(pattern[1:], names[skipped:]) for skipped in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _fits(pattern[1:], names[1:])
