"""Temporary access: what was announced in lockdown.yaml to be open for a time, and whether that is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from lockdown.drift.encode import ITEMS, counts
from lockdown.drift.side import Side
from lockdown.model import Severity, TemporaryAccess, Verdict

Item = Mapping[str, Any]

_HARMLESS = frozenset({"pass", "notApplicable"})


class State(StrEnum):
    """How an announced access stands at the time of the run."""

    OPEN = "open"
    LATE = "late"
    TOO_SOON = "tooSoon"
    CLOSED_EARLY = "closedEarly"
    CLOSED = "closed"
    NOT_OPEN = "notOpen"
    UNKNOWN = "unknown"


BROKEN = frozenset({State.LATE, State.TOO_SOON})
"""What was announced is not what is there: that counts as drift."""
_KEPT = frozenset({State.OPEN, State.CLOSED_EARLY, State.CLOSED})
"""What came of it was announced, so that it does not."""


def apply(
    document: Item, announced: Iterable[TemporaryAccess], baseline: Side, current: Side, at: datetime
) -> dict[str, Any]:
    """Return the JSON of a drift in which temporary access stands apart.

    What changed because of an access that is kept does not count as drift; one that is late, or began too soon, does.
    Where nobody can tell whether one is open, the comparison is not complete.
    """
    found: dict[str, Any] = {**document, "temporary": []}
    entries = tuple(announced)
    if not entries:
        return found
    before, after = _openings(baseline, entries), _openings(current, entries)
    for number, entry in enumerate(entries):
        state = _state(entry, before[number], after[number], at, document)
        items = _caused(found, entry, current, at) if state in _KEPT else {}
        for section, caused in items.items():
            ids = {item["id"] for item in caused}
            found[section] = [item for item in found[section] if item["id"] not in ids]
        found["temporary"].append(_told(entry, state, current, [i for each in items.values() for i in each]))
    states = {item["state"] for item in found["temporary"]}
    found["complete"] = found["complete"] and State.UNKNOWN not in states
    broken = not BROKEN.isdisjoint(states)
    found["counts"] = {**found["counts"], **counts(found), "temporary": len(entries)}
    found["empty"] = not (broken or found.get("lapsed") or any(found[section] for section in ITEMS))
    return found


def _openings(side: Side, entries: tuple[TemporaryAccess, ...]) -> list[bool | None]:
    """Return for each entry whether it is open in a run; None where that run cannot tell."""
    wanted = {(entry.policy, entry.resource) for entry in entries if entry.policy}
    verdicts: dict[tuple[str, str], set[str]] = {}
    if wanted:
        for result in side.record.results():
            key = (str(result["policy"]), str(result["resource"]).lower())
            if key in wanted:
                verdicts.setdefault(key, set()).add(str(result["verdict"]))
    present = side.holds({entry.resource for entry in entries})
    return [_open(side, entry, verdicts, present) for entry in entries]


def _open(
    side: Side, entry: TemporaryAccess, verdicts: Mapping[tuple[str, str], set[str]], present: frozenset[str]
) -> bool | None:
    subscription = entry.resource.split("/")[2]
    if subscription not in side.subscriptions:
        return None
    if entry.policy is None:
        return True if entry.resource in present else None if side.unreadable else False
    found = verdicts.get((entry.policy, entry.resource), set())
    if Verdict.FAIL in found:
        return True
    if Verdict.UNKNOWN in found or (not found and (side.unreadable or entry.policy not in side.engines)):
        return None
    return False


def _state(entry: TemporaryAccess, before: bool | None, after: bool | None, at: datetime, document: Item) -> State:
    if after is None:
        return State.UNKNOWN
    if after:
        if at > entry.ends:
            return State.LATE
        return State.TOO_SOON if at < entry.begins else State.OPEN
    if at > entry.ends:
        return State.CLOSED
    reverted = any(item["resource"].lower() == entry.resource for item in document["reverted"])
    return State.CLOSED_EARLY if before or (reverted and at >= entry.begins) else State.NOT_OPEN


def _caused(document: Item, entry: TemporaryAccess, current: Side, at: datetime) -> dict[str, list[Item]]:
    """Return those items of a drift that an announced access explains, by the list that they stand in."""
    found: dict[str, list[Item]] = {}
    for section in ("verdicts", "resources", "properties", "reverted"):
        for item in document[section]:
            same = item["resource"].lower() == entry.resource
            if same and _explains(entry, section, item, current) and _in_time(entry, item, at):
                found.setdefault(section, []).append(item)
    return found


def _explains(entry: TemporaryAccess, section: str, item: Item, current: Side) -> bool:
    if entry.policy is None:
        if section == "verdicts":
            return item["after"] is None or (item["before"] is None and item["after"] in _HARMLESS)
        return section == "resources" or (section == "reverted" and item["kind"] == "createdAndDeleted")
    if section == "verdicts":
        return bool(item["policy"] == entry.policy)
    if section == "properties":
        return list(item["policies"]) == [entry.policy]
    policy = current.policies.get(entry.policy)
    return section == "reverted" and bool(item["path"]) and policy is not None and policy.asks_about(_names(item))


def _names(item: Item) -> list[str]:
    return str(item["path"]).split(".")


def _in_time(entry: TemporaryAccess, item: Item, at: datetime) -> bool:
    """Tell whether an item came about while the access was announced, as far as its time is known."""
    attribution = item.get("attribution") or item.get("changed") or {}
    when = attribution.get("when")
    moment = datetime.fromisoformat(when) if when else at
    return entry.begins <= moment <= entry.ends


def _told(entry: TemporaryAccess, state: State, current: Side, items: list[Item]) -> dict[str, Any]:
    severities = {str(policy["id"]): str(policy["severity"]) for policy in current.record.policies}
    severity = severities.get(entry.policy or "", Severity.HIGH.value)
    return {
        "resource": entry.resource,
        "policy": entry.policy,
        "state": str(state),
        "from": _text(entry.begins),
        "until": _text(entry.ends),
        "reason": entry.reason,
        "owner": entry.owner,
        "severity": severity if state in BROKEN else "informational",
        "items": items,
    }


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
