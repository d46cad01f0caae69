"""Faults on purpose: any request can fail, wait, be throttled, cut or dropped.

A fault is written ``METHOD URL-GLOB ACTION [COUNT]``: ``POST *ResourceGraph* throttle:2 3`` throttles the first three
Resource Graph requests; ``PUT *managedClusters* fail-operation:QuotaExceeded`` accepts the request and lets the
operation that it starts fail at its end (a request that starts none is refused). METHOD may be ``*``; the glob is
matched, without regard to case, against the path with its query string, and against the whole URL. Without COUNT it
always applies.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from threading import Lock

from lockdown.errors import UsageError

_FORM = "METHOD URL-GLOB ACTION [COUNT]"
_ACTIONS = (
    "fail:STATUS[:CODE], fail-operation:CODE, delay:SECONDS, throttle[:RETRY_AFTER], truncate, drop-before, drop-after"
)
_METHODS = frozenset({"*", "GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"})
_CODE = re.compile(r"[A-Za-z0-9._-]+")
_MAX_DELAY = 3600.0


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        action: ``fail``, ``fail-operation``, ``delay``, ``throttle``, ``truncate``, ``drop-before`` or ``drop-after``.
        status: the HTTP status of ``fail``.
        code: the error code of ``fail`` and ``fail-operation``.
        seconds: of ``delay``, or the Retry-After of ``throttle``.
        count: how many requests it applies to; None for all.
    """

    method: str
    glob: str
    action: str
    status: int = 0
    code: str = ""
    seconds: float = 0.0
    count: int | None = None

    def matches(self, method: str, target: str, url: str) -> bool:
        """Tell whether a request (path with query, and the whole URL) is meant."""
        glob = self.glob.lower()
        return self.method in ("*", method) and (fnmatchcase(target.lower(), glob) or fnmatchcase(url.lower(), glob))


class Faults:
    """The faults of a sandbox, and how often each may still apply. The first that matches applies."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._left: list[tuple[Fault, list[int]]] = [(fault, [fault.count or 0]) for fault in faults]
        self._lock = Lock()

    def take(self, method: str, target: str, url: str) -> Fault | None:
        """Return the fault for this request, and count it."""
        with self._lock:
            for fault, left in self._left:
                if fault.matches(method, target, url) and (fault.count is None or left[0] > 0):
                    left[0] -= 1
                    return fault
        return None

    def add(self, fault: Fault) -> None:
        """Switch on one more."""
        with self._lock:
            self._left.append((fault, [fault.count or 0]))


def parse(text: str) -> Fault:
    """Read a fault as it is written on the command line.

    Raises:
        UsageError: it does not have that form.
    """
    words = text.split()
    if len(words) not in (3, 4):
        raise _wrong(text, f"it has {len(words)} words")
    method, glob, action = words[0].upper(), words[1], words[2]
    if method not in _METHODS:
        raise _wrong(text, f"{words[0]!r} is not a method")
    count = None
    if len(words) == 4:  # noqa: PLR2004
        if not words[3].isdecimal() or int(words[3]) < 1:
            raise _wrong(text, f"{words[3]!r} is not a count")
        count = int(words[3])
    name, *arguments = action.split(":")
    if name == "fail" and len(arguments) in (1, 2):
        return _fail(text, Fault(method, glob, name, count=count), arguments)
    if name == "fail-operation" and len(arguments) == 1:
        return Fault(method, glob, name, code=_code(text, arguments[0]), count=count)
    if name == "delay" and len(arguments) == 1:
        return Fault(method, glob, name, seconds=_seconds(text, arguments[0]), count=count)
    if name == "throttle" and len(arguments) <= 1:
        return Fault(method, glob, name, seconds=_seconds(text, arguments[0]) if arguments else 1.0, count=count)
    if name in ("truncate", "drop-before", "drop-after") and not arguments:
        return Fault(method, glob, name, count=count)
    raise _wrong(text, f"{action!r} is not an action")


def _fail(text: str, fault: Fault, arguments: list[str]) -> Fault:
    status = arguments[0]
    if not re.fullmatch(r"[345]\d\d", status):
        raise _wrong(text, f"{status!r} is not a status from 300 to 599")
    code = _code(text, arguments[1]) if len(arguments) > 1 else "InjectedFault"
    return Fault(fault.method, fault.glob, "fail", status=int(status), code=code, count=fault.count)


def _code(text: str, word: str) -> str:
    if not _CODE.fullmatch(word):
        raise _wrong(text, f"{word!r} is not an error code")
    return word


def _seconds(text: str, word: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", word) or float(word) > _MAX_DELAY:
        raise _wrong(text, f"{word!r} is not a number of seconds up to {_MAX_DELAY:.0f}")
    return float(word)


def _wrong(text: str, why: str) -> UsageError:
    return UsageError(f"The fault {text!r} is not of the form '{_FORM}': {why}.", f"Actions: {_ACTIONS}.")
