"""What can go wrong, and the exit code each gets.

    LockdownError
     ├── UsageError         2   wrong usage, configuration or input; nothing was started
     ├── ToolError          1   the tool could not do its work: no credential, no network, no disk
     ├── TamperedError      3   a digest, signature or structure is wrong
     ├── UntrustedError     4   genuine perhaps, but not by a key or source that is trusted
     ├── IncompleteError    5   something in scope could not be read or judged
     ├── StaleError         6   too old, or its time is not proven
     └── NotCompliantError  7   genuine evidence of an environment that is not compliant

Every message tells a person what happened, to what; ``next_step`` tells what to do about it. The command line
prints both and never a traceback.
"""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes, the same in every command (docs/exit-codes.md)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    TAMPERED = 3
    UNTRUSTED = 4
    INCOMPLETE = 5
    STALE = 6
    NOT_COMPLIANT = 7
    DRIFT = 8
    INTERRUPTED = 130
    TERMINATED = 143


class LockdownError(Exception):
    """The root of everything that lockdown raises on purpose."""

    exit_code: Exit = Exit.FAILED

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class ToolError(LockdownError):
    """The tool could not do its work: no credential, unreachable cloud, disk full."""

    exit_code = Exit.FAILED


class UsageError(LockdownError):
    """Wrong usage, configuration or input; nothing was started."""

    exit_code = Exit.USAGE


class TamperedError(LockdownError):
    """A digest, signature or structure is not what it must be."""

    exit_code = Exit.TAMPERED


class UntrustedError(LockdownError):
    """No trusted key, source or host stands behind it."""

    exit_code = Exit.UNTRUSTED


class IncompleteError(LockdownError):
    """Something in scope could not be read or judged."""

    exit_code = Exit.INCOMPLETE


class StaleError(LockdownError):
    """Older than allowed, or its time is not proven."""

    exit_code = Exit.STALE


class NotCompliantError(LockdownError):
    """Genuine evidence of an environment that is not compliant, where a compliant one was asked for."""

    exit_code = Exit.NOT_COMPLIANT
