"""What a page shows of results/drift.json: for each resource what was before, what is now, by whom and when."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.model import Severity

LIMIT = 200
Item = Mapping[str, Any]
_RANKS = {severity.value: severity.rank for severity in Severity}
_BACK = {
    "property": "changed and changed back",
    "createdAndDeleted": "created and deleted again",
    "deletedAndCreated": "deleted and created again",
}
_WOULD = {
    "create": "it is missing: create it",
    "update": "it differs: change it",
    "act": "something is still to be done to it",
    "close": "it is open: close it",
    "remove": "it is left over: remove it",
    "blocked": "it differs, and cannot be changed as things are",
}


@dataclass(frozen=True)
class By:
    """Who did it, as far as Azure's change records tell."""

    who: str
    how: str
    when: str
    unknown: str


@dataclass(frozen=True)
class Turn:
    """One thing that is otherwise than in the baseline.

    Attributes:
        id: the id that ``lockdown drift --accept`` takes.
        what: a policy, a property path, or the resource itself.
        worse: ``worse``, ``better`` or ``''``.
    """

    id: str
    severity: str
    what: str
    before: str
    after: str
    worse: str
    note: str
    by: By | None


@dataclass(frozen=True)
class Drifted:
    """One resource and all that changed of it; ``severity`` is the worst."""

    resource: str
    severity: str
    turns: tuple[Turn, ...]


def drifted(document: Item) -> list[Drifted]:
    """Return the resources that drifted, the worst first."""
    found: dict[str, list[tuple[str, Turn]]] = {}
    for resource, turn in _turns(document):
        found.setdefault(resource.lower(), []).append((resource, turn))
    made = [
        Drifted(turns[0][0], min((t.severity for _, t in turns), key=_rank), tuple(t for _, t in turns))
        for turns in found.values()
    ]
    return sorted(made, key=lambda one: (_rank(one.severity), one.resource.lower()))


@dataclass(frozen=True)
class Step:
    """One thing that is not as the environment file says, and what the provisioner would do about it."""

    severity: str
    key: str
    resource: str
    kind: str
    why: str
    differences: tuple[tuple[str, str, str], ...]


def steps(document: Item) -> list[Step]:
    """Return what departs from the environment file, the worst first; nothing where none was compared with."""
    found = [
        Step(
            str(item["severity"]),
            item["key"],
            item["resource"],
            _WOULD.get(item["kind"], str(item["kind"])),
            item["why"],
            tuple((each["path"], _value(each["before"]), _value(each["after"])) for each in item["differences"]),
        )
        for item in document.get("blueprint", ())
    ]
    return sorted(found, key=lambda step: (_rank(step.severity), step.key))


def since(document: Item, failing: int) -> str:
    """Return how the failures of this run stand to those of the baseline, in a sentence."""
    fails = [(item["before"] == "fail", item["after"] == "fail") for item in document["verdicts"]]
    new = sum(after and not before for before, after in fails)
    gone = sum(before and not after for before, after in fails)
    open_ = max(0, failing - new)
    return (
        f"Since the baseline: {new:,} new {'failure' if new == 1 else 'failures'}, {gone:,} fixed or gone, "
        f"{open_:,} still open, which failed in the baseline or could not be compared."
    )


def _rank(severity: str) -> int:
    return _RANKS.get(severity, len(_RANKS))


def _turns(document: Item) -> Iterator[tuple[str, Turn]]:
    for item in document["resources"]:
        yield item["resource"], _turn(item, "the resource", *_presence(item["kind"]))
    for item in document["verdicts"]:
        part = f" ({item['part']})" if item["part"] else ""
        note = str(item["reason"]) if item["after"] in {"fail", "unknown"} else ""
        worse = item["direction"] if item["direction"] in {"worse", "better"} else ""
        ends = (str(item["before"] or "no result"), str(item["after"] or "no result"))
        yield item["resource"], _turn(item, f"{item['policy']}{part}", *ends, worse=worse, note=note)
    for item in document["properties"]:
        ends = (_value(item["before"]), _value(item["after"]))
        yield item["resource"], _turn(item, item["path"], *ends, note=item["note"])
    for item in document["waivers"]:
        yield (
            item["resource"],
            _turn(item, f"waiver of {item['policy']}", _waiver(item["before"]), _waiver(item["after"])),
        )
    for item in document["reverted"]:
        what = item["path"] or "the resource"
        yield item["resource"], _turn(item, what, "", _BACK[item["kind"]], note=str(item["during"] or ""))


def _turn(item: Item, what: str, before: str, after: str, *, worse: str = "", note: str = "") -> Turn:
    told = item.get("attribution") or item.get("changed")
    return Turn(item["id"], str(item["severity"]), what, before, after, worse, note or "", _by(told) if told else None)


def _by(told: Item) -> By:
    kind = f" ({told['whoType']})" if told.get("whoType") else ""
    how = ", ".join(str(told[key]) for key in ("client", "operation") if told.get(key))
    who = f"{told['who']}{kind}" if told["who"] else ""
    return By(who, how, str(told.get("when", "")), str(told["unknown"]))


def _presence(kind: str) -> tuple[str, str]:
    return ("not there", "there") if kind == "added" else ("there", "not there")


def _waiver(held: Item | None) -> str:
    return f"of {held['owner']}, until {held['expires']}" if held else "none"


def _value(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
