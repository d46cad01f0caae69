"""The list of what a verifier checked, in order: each entry ok, failed or skipped, and none left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar, overload

from lockdown.errors import (
    Exit,
    IncompleteError,
    LockdownError,
    NotCompliantError,
    StaleError,
    TamperedError,
    UntrustedError,
)

_EVIDENCE_IS_WRONG = (TamperedError, UntrustedError, StaleError, IncompleteError, NotCompliantError)
_ORDER = tuple(error.exit_code for error in _EVIDENCE_IS_WRONG)

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
Value = TypeVar("Value")


class Mark(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One check and how it ended.

    Attributes:
        name: short and stable; programs may rely on it.
        mark: how it ended.
        detail: one line for a person.
        exit_code: what the check says of the whole; 0 unless it failed.
    """

    name: str
    mark: Mark
    detail: str
    exit_code: Exit = Exit.OK


@dataclass
class Ledger:
    """Collects checks while they are made."""

    checks: list[Check] = field(default_factory=list)

    @overload
    def attempt(self, name: str, step: Callable[[A], tuple[Value, str]], a: A | None, /) -> Value | None: ...

    @overload
    def attempt(
        self, name: str, step: Callable[[A, B], tuple[Value, str]], a: A | None, b: B | None, /
    ) -> Value | None: ...

    @overload
    def attempt(
        self, name: str, step: Callable[[A, B, C], tuple[Value, str]], a: A | None, b: B | None, c: C | None, /
    ) -> Value | None: ...

    def attempt(self, name: str, step: Callable[..., tuple[Value, str]], /, *proven: Any) -> Value | None:
        """Make one check and return what it proved.

        ``proven`` are the step's arguments: what earlier checks proved. If one of them is None, that check did not
        succeed, and this one is skipped. None is returned unless the check succeeded. Errors that say nothing about
        the evidence (no such file, unreadable disk) are not caught.
        """
        if any(value is None for value in proven):
            self.skip(name, "not looked at, because of an earlier check")
            return None
        try:
            value, detail = step(*proven)
        except _EVIDENCE_IS_WRONG as error:
            self.fail(name, error)
            return None
        self.checks.append(Check(name, Mark.OK, detail))
        return value

    def fail(self, name: str, error: LockdownError) -> None:
        """Note a check that failed."""
        self.checks.append(Check(name, Mark.FAILED, error.message, error.exit_code))

    def skip(self, name: str, why: str) -> None:
        """Note a check that could not be made or was not asked for."""
        self.checks.append(Check(name, Mark.SKIPPED, why))

    @property
    def exit_code(self) -> Exit:
        """The first class that failed: tampered, not trusted, stale, incomplete, not compliant; else 0."""
        failed = {check.exit_code for check in self.checks}
        return next((code for code in _ORDER if code in failed), Exit.OK)
