"""What of an environment is not as its environment file says: what ``lockdown provision --plan`` would do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.drift.items import worst
from lockdown.drift.side import Side
from lockdown.model import Verdict

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
HIDDEN = "(not shown)"


@dataclass(frozen=True)
class Departure:
    """One step of a blueprint that is not done, or not as it was.

    Attributes:
        key: the step.
        kind: what the provisioner would do: ``create``, ``update``, ``act``, ``close``, ``remove`` or ``blocked``.
        differences: by path, what is there and what should be.
    """

    key: str
    theme: str
    resource: str
    kind: str
    why: str
    differences: Mapping[str, tuple[Any, Any]]


def apply(document: Mapping[str, Any], departures: Iterable[Departure], current: Side) -> dict[str, Any]:
    """Return the JSON of a drift with what departs from the blueprint. It cannot be accepted: mend it, or the file."""
    listed = tuple(departures)
    failing = _failing(current, {each.resource.lower() for each in listed})
    found = {**document, "blueprint": [_told(each, current, failing) for each in listed]}
    found["counts"] = {**document["counts"], "blueprint": len(listed)}
    found["empty"] = bool(document["empty"]) and not listed
    return found


def _failing(side: Side, ids: set[str]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for result in side.record.results():
        resource = str(result["resource"]).lower()
        if resource in ids and result["verdict"] in {Verdict.FAIL, Verdict.UNKNOWN}:
            found.setdefault(resource, []).append((str(result["policy"]), str(result["severity"])))
    return found


def _told(each: Departure, side: Side, failing: Mapping[str, list[tuple[str, str]]]) -> dict[str, Any]:
    names = [_NAME.findall(path) for path in each.differences]
    fed = [
        severity
        for policy, severity in failing.get(each.resource.lower(), ())
        if policy not in side.policies or any(side.policies[policy].asks_about(path) for path in names)
    ]
    return {
        "key": each.key,
        "theme": each.theme,
        "resource": each.resource,
        "kind": each.kind,
        "why": each.why,
        "severity": worst(fed),
        "differences": [
            {"path": path, "before": _shown(before), "after": _shown(after)}
            for path, (before, after) in sorted(each.differences.items())
        ],
    }


def _shown(value: object) -> object:
    """Return a value that is plainly no secret: a truth value, a number, the word of an enumeration."""
    if value is None or isinstance(value, bool | int):
        return value
    return value if isinstance(value, str) and _WORD.fullmatch(value) else HIDDEN
