"""What was accepted of a drift: such items count no more, as long as they are what was accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.drift.encode import ITEMS, counts
from lockdown.drift.items import INFORMATIONAL
from lockdown.model import Severity

Item = Mapping[str, Any]

_RANKS = {severity.value: severity.rank for severity in Severity}
_MILDEST = len(_RANKS)
_WORDS = {
    "verdicts": "{policy} of {where}: {before} -> {after}",
    "resources": "{where} {kind}",
    "properties": "{path} of {where}",
    "waivers": "waiver of {policy} for {where} {kind}",
    "policies": "policy {policy} {kind}",
    "reverted": "{path} of {where} changed and changed back",
    "lapsed": "{what}",
}
_PASSING = frozenset({"reverted"})
"""Azure forgets change records after 14 days: that such an item is gone says nothing."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """One item that somebody accepted.

    Attributes:
        id: of the item in drift.json.
        section: the list there that it stood in.
        severity: what it had; one that became more severe is no longer what was accepted.
        state: of a resource that was added: the digest of what it was.
        what: the item in words, for a person.
        reason: why it was accepted.
        by: id of the key that signed that.
        at: when, by the signer's clock.
    """

    id: str
    section: str
    severity: str
    state: str
    what: str
    reason: str
    by: str
    at: str


@dataclass(frozen=True)
class Acceptances:
    """What is accepted of the drift from a baseline.

    Attributes:
        head: SHA-256 of the last acceptance; empty if there is none.
        items: those that hold.
    """

    head: str = ""
    items: tuple[Accepted, ...] = ()


NOTHING = Acceptances()


def apply(document: Item, acceptances: Acceptances, baseline: str | None = None) -> dict[str, Any]:
    """Return the JSON of a drift in which what was accepted stands apart and does not count.

    ``baseline`` is the SHA-256 of the run statement of the baseline, if it is signed.

    An acceptance whose item is no longer there has lapsed: what was approved is not what is there, so that it counts as
    drift, unless something could not be read. It lapses only; nothing accepts or withdraws itself.
    """
    known = {item.id: item for item in acceptances.items}
    found: dict[str, Any] = dict(document)
    accepted: list[dict[str, Any]] = []
    seen: set[str] = set()
    for section in ITEMS:
        kept = []
        for item in document[section]:
            acceptance = known.get(item["id"])
            seen.add(item["id"])
            if acceptance is not None and _still(item, acceptance):
                accepted.append({"section": section, **_said(acceptance), "item": item})
            else:
                kept.append(item)
        found[section] = kept
    found["accepted"] = accepted
    found["lapsed"] = [
        {"id": item.id, "section": item.section, "what": item.what, "severity": item.severity, **_said(item)}
        for item in acceptances.items
        if item.id not in seen and item.section not in _PASSING and document["complete"]
    ]
    found["acceptances"] = acceptances.head
    found["baselineSha256"] = baseline
    found["counts"] = {**counts(found), "accepted": len(accepted), "lapsed": len(found["lapsed"])}
    found["empty"] = not (found["lapsed"] or any(found[section] for section in ITEMS))
    return found


def items(document: Item) -> Iterator[tuple[str, Item]]:
    """Yield what counts as drift in a document, each with the list that it stands in; what lapsed is last."""
    for section in (*ITEMS, "lapsed"):
        for item in document[section]:
            yield section, item


def severity_of(item: Item) -> str:
    """Return the severity of an item; a policy that changed has none of its own."""
    return str(item.get("severity", INFORMATIONAL))


def in_words(section: str, item: Item) -> str:
    """Return an item in words, for a person."""
    where = f"{item.get('resource', '')}{' part ' if item.get('part') else ''}{item.get('part', '')}"
    return _WORDS[section].format_map({**item, "where": where})


def _still(item: Item, acceptance: Accepted) -> bool:
    rank, accepted = (_RANKS.get(str(severity), _MILDEST) for severity in (severity_of(item), acceptance.severity))
    return rank >= accepted and str(item.get("state", "")) == acceptance.state


def _said(acceptance: Accepted) -> dict[str, str]:
    return {"reason": acceptance.reason, "by": acceptance.by, "at": acceptance.at}
