"""Drift for a terminal: plain lines of at most 80 columns, worst first, each resource once."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len, chop_cells, set_cell_size

from lockdown.model import Severity
from lockdown.report import words
from lockdown.report.place import place
from lockdown.report.visible import visible

WIDTH = 80
LIMIT = 40
_RANKS = {severity.value: severity.rank for severity in Severity}
_REST = len(_RANKS)
_SECTIONS = ("resources", "verdicts", "properties", "waivers", "reverted")
_COUNTED = (
    ("worse", "verdict worse", "verdicts worse"),
    ("better", "verdict better", "verdicts better"),
    ("changed", "verdict changed", "verdicts changed"),
    ("appeared", "result appeared", "results appeared"),
    ("vanished", "result vanished", "results vanished"),
    ("added", "resource added", "resources added"),
    ("removed", "resource removed", "resources removed"),
    ("properties", "property changed", "properties changed"),
    ("waivers", "waiver changed", "waivers changed"),
    ("policies", "policy changed", "policies changed"),
    ("reverted", "change taken back", "changes taken back"),
    ("lapsed", "acceptance lapsed", "acceptances lapsed"),
    ("blueprint", "step not as in the environment file", "steps not as in the environment file"),
)
_WHOLE = {"createdAndDeleted": "created and deleted again", "deletedAndCreated": "deleted and created again"}

_BROKEN = (("late", "late"), ("tooSoon", "open too soon"))
_STATES = {
    "open": "OPEN until {until}",
    "late": "LATE, it should have been closed by {until}",
    "tooSoon": "OPEN TOO SOON, it was announced from {from}",
    "closedEarly": "closed early, it was announced until {until}",
    "closed": "closed, as announced",
    "notOpen": "not open yet, announced until {until}",
    "unknown": "UNKNOWN whether it is open, announced until {until}",
}

Item = Mapping[str, Any]


def render(document: Item, *, limit: int = LIMIT) -> tuple[str, ...]:
    """Return the lines for the JSON of a drift (results/drift.json).

    Names come from Azure and may be hostile: what cannot be seen is written as an escape. ``limit`` is how many
    resources are shown; a line says how many are left out.
    """
    return tuple(_cut(line) for line in _lines(document, limit))


def _lines(document: Item, limit: int) -> Iterator[str]:
    yield f"Compared with the baseline of {_text(document['baseline']['evaluatedAt'])}."
    yield from _summary(document)
    groups = _groups(document)
    for resource, items in groups[:limit]:
        yield ""
        yield from _resource(resource, items)
    if len(groups) > limit:
        yield ""
        yield f"{words.number(len(groups) - limit, 'more resource')} drifted; results/drift.json has everything."
    yield from _policies(document["policies"])
    yield from _temporary(document.get("temporary", ()))
    yield from _blueprint(document.get("blueprint", ()))
    yield from _lapsed(document.get("lapsed", ()))
    yield from _accepted(document.get("accepted", ()))
    yield from _not_compared(document["notCompared"])
    for warning in document["warnings"]:
        yield ""
        yield from _wrapped(_text(warning), "Warning: ", "  ")


def _summary(document: Item) -> Iterator[str]:
    counts = document["counts"]
    found = [words.number(counts[key], one, many) for key, one, many in _COUNTED if counts.get(key)]
    states = Counter(item["state"] for item in document.get("temporary", ()))
    found += [f"{states[state]} temporary access {told}" for state, told in _BROKEN if states[state]]
    yield from _wrapped(f"{', '.join(found)}." if found else "No drift.", "", "  ")


def _groups(document: Item) -> list[tuple[str, list[tuple[str, Item]]]]:
    found: dict[str, list[tuple[str, Item]]] = {}
    for section in _SECTIONS:
        for item in document[section]:
            found.setdefault(str(item["resource"]).lower(), []).append((section, item))
    groups = [(str(items[0][1]["resource"]), items) for items in found.values()]
    return sorted(groups, key=lambda group: (min(_rank(item) for _, item in group[1]), group[0].lower()))


def _rank(item: Item) -> int:
    return _RANKS.get(str(item["severity"]), _REST)


def _resource(resource: str, items: list[tuple[str, Item]]) -> Iterator[str]:
    severity = min((item for _, item in items), key=_rank)["severity"]
    where = place(resource)
    yield f"{severity.upper()}  {_text(where.path)}"
    if where.type:
        yield "  " + _text(where.type + (f" in {where.group}" if where.group not in ("", where.path) else ""))
    said = ""
    for section, item in items:
        who = _who(item)
        yield from _ITEM[section](item)
        if who and who != said:
            yield from _wrapped(who, "    ", "      ")
        said = who


def _verdict(item: Item) -> Iterator[str]:
    part = f" ({_text(item['part'])})" if item["part"] else ""
    waived = ", waived" if item["waiver"] else ""
    went = f"{item['before'] or 'no result'} -> {item['after'] or 'no result'}{waived}"
    yield from _wrapped(f"{_text(item['policy'])}{part}: {went}", "  ", "    ")
    if item["after"] in {"fail", "unknown"}:
        yield from _wrapped(_text(item["reason"]), "    ", "    ")


def _added_or_removed(item: Item) -> Iterator[str]:
    yield f"  {item['kind']}"


def _property(item: Item) -> Iterator[str]:
    yield from _wrapped(_text(item["path"]), "  ", "    ")
    yield f"    {_value(item['before'])} -> {_value(item['after'])}"
    if item["note"]:
        yield from _wrapped(_text(item["note"]), "    ", "    ")


def _waiver(item: Item) -> Iterator[str]:
    held = item["after"] or item["before"] or {}
    yield from _wrapped(
        f"{_text(item['policy'])}: waiver {item['kind']}, of {_text(held.get('owner', ''))}, "
        f"until {_text(held.get('expires', ''))}",
        "  ",
        "    ",
    )


def _reverted(item: Item) -> Iterator[str]:
    if item["kind"] != "property":
        yield f"  {_WHOLE[item['kind']]}"
    else:
        during = f", {_text(item['during'])} in between" if item["during"] else ""
        yield from _wrapped(f"{_text(item['path'])}: changed and changed back{during}", "  ", "    ")
    yield from _wrapped(f"back: {_by(item['restored'])}", "    ", "      ")


_ITEM = {
    "verdicts": _verdict,
    "resources": _added_or_removed,
    "properties": _property,
    "waivers": _waiver,
    "reverted": _reverted,
}


def _who(item: Item) -> str:
    attribution = item.get("attribution") or item.get("changed")
    return "" if attribution is None else _by(attribution)


def _by(attribution: Item) -> str:
    parts = [_text(attribution.get(key, "")) for key in ("when", "client", "operation")]
    details = ", ".join(part for part in parts if part)
    if attribution["who"]:
        kind = f" ({_text(attribution['whoType'])})" if attribution.get("whoType") else ""
        return f"by {_text(attribution['who'])}{kind}, {details}"
    return f"by whom is unknown: {_text(attribution['unknown'])}" + (f" ({details})" if details else "")


def _policies(policies: list[Item]) -> Iterator[str]:
    if policies:
        yield ""
        yield "Policies"
    for item in policies:
        yield f"  {_text(item['policy'])}: {item['kind']}"


def _temporary(items: Sequence[Item]) -> Iterator[str]:
    if items:
        yield ""
        yield "Temporary access"
    for item in sorted(items, key=_rank):
        where = _text(item["resource"]) + (f", {_text(item['policy'])}" if item["policy"] else "")
        told = f"{_STATES[item['state']].format(**{**item, 'until': _text(item['until'])})}: {where}"
        yield from _wrapped(f"{told}. {_text(item['reason'])} ({_text(item['owner'])})", "  ", "    ")


def _blueprint(items: Sequence[Item]) -> Iterator[str]:
    if items:
        yield ""
        yield "Not as the environment file says"
    for item in sorted(items, key=_rank)[:LIMIT]:
        why = f": {_text(item['why'])}" if item["why"] else ""
        yield from _wrapped(f"{_text(item['kind'])}  {_text(item['key'])}{why}", "  ", "    ")
        for each in item["differences"]:
            yield from _wrapped(_text(each["path"]), "    ", "      ")
            yield f"      {_value(each['before'])} -> {_value(each['after'])}"
    if len(items) > LIMIT:
        yield f"  {words.number(len(items) - LIMIT, 'more step')}; results/drift.json has everything."


def _lapsed(items: Sequence[Item]) -> Iterator[str]:
    if items:
        yield ""
        yield "Accepted before, and no longer there"
    for item in items:
        told = f"{_text(item['id'])}  {_text(item['what'])}. It was accepted at {_text(item['at'])}: "
        yield from _wrapped(told + _text(item["reason"]), "  ", "    ")


def _accepted(items: Sequence[Item]) -> Iterator[str]:
    if items:
        yield ""
        number = words.number(len(items), "item was", "items were")
        yield f"{number} accepted and do not count; results/drift.json has the reasons."


def _not_compared(items: list[Item]) -> Iterator[str]:
    if items:
        yield ""
        yield "Not compared"
    for item in items:
        lacking = "the baseline" if item["side"] == "baseline" else "the current run"
        yield from _wrapped(
            f"{_text(item['name'])}: {words.number(item['resources'], 'resource')} and "
            f"{words.number(item['results'], 'result')} that {lacking} lacks. {_text(item['reason'])}",
            "  ",
            "    ",
        )


def _value(value: object) -> str:
    return "(none)" if value is None else _middle(_text(json.dumps(value, ensure_ascii=False)), WIDTH // 2 - 5)


def _text(value: object) -> str:
    return visible(str(value))


def _middle(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    half = (width - 3) // 2
    end = text[-half:]
    while cell_len(end) > half:
        end = end[1:]
    return f"{set_cell_size(text, half)}...{end}"


def _cut(line: str) -> str:
    return line if cell_len(line) <= WIDTH else set_cell_size(line, WIDTH - 3) + "..."


def _wrapped(text: str, first: str, rest: str) -> Iterator[str]:
    """Yield ``text``, made safe before, in lines; those of wide characters are cut by the columns that they take."""
    for line in textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False):
        yield from chop_cells(line, WIDTH)
