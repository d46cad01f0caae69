"""Plans, findings and outcomes in lines of at most 80 columns, and as JSON. What Azure wrote is made safe to see."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.cells import cell_len, chop_cells, set_cell_size

from lockdown.provisioner.checks import Finding
from lockdown.provisioner.destroy import Removals
from lockdown.provisioner.outcome import Outcome
from lockdown.provisioner.plan import Change, Plan, Verb
from lockdown.provisioner.preflight import Preflight
from lockdown.provisioner.site import Site
from lockdown.report.visible import prose, visible

WIDTH = 80
_MARKS = {
    Verb.CREATE: "+",
    Verb.UPDATE: "~",
    Verb.ACT: ">",
    Verb.CLOSE: "*",
    Verb.REMOVE: "-",
    Verb.LEAVE: "=",
    Verb.BLOCKED: "!",
}
_COUNTED = {
    Verb.CREATE: "to create",
    Verb.UPDATE: "to update",
    Verb.ACT: "to do",
    Verb.CLOSE: "to close",
    Verb.REMOVE: "to remove",
    Verb.LEAVE: "unchanged",
    Verb.BLOCKED: "blocked",
}
_VALUE = 160
"""A value is shown up to here; JSON has the whole."""

_DEEP = " " * 12
_TIME = 10
_PATH = " " * 8
"""Paths are long words, and broken ones are hard to read."""


def plan_lines(site: Site, plan: Plan, found: Preflight) -> Iterator[str]:
    """Yield a plan for a person: each step under its theme, what is open for a while, what costs money, findings."""
    yield from _wrapped(f"{_place(site)}: {summary(plan)}")
    for theme, changes in _by_theme(plan.changes):
        yield ""
        yield theme
        for change in changes:
            if change.verb is not Verb.LEAVE:
                yield from _change(change)
        unchanged = [change.key for change in changes if change.verb is Verb.LEAVE]
        if unchanged:
            yield from _wrapped(", ".join(unchanged), _start(Verb.LEAVE), _DEEP)
    if plan.openings:
        yield ""
        yield "Open while others work, and closed again"
        for opening in plan.openings:
            yield from _wrapped(f"{opening.key}, {opening.path}: {opening.why}", "  ", "    ")
    yield from _costs(plan)
    yield from finding_lines(found)


def summary(plan: Plan) -> str:
    """Return a plan in one sentence."""
    counts = _counts(change.verb for change in plan.changes)
    if not plan.pending:
        return f"nothing to do, {len(plan.changes)} steps unchanged."
    told = ", ".join(f"{counts[verb]} {word}" for verb, word in _COUNTED.items() if counts.get(verb))
    return f"{told}. That typically takes {duration(plan.seconds)}." if plan.seconds else f"{told}."


def finding_lines(found: Preflight) -> Iterator[str]:
    """Yield what the preflight found."""
    for title, findings in (("What stands in the way", found.problems), ("Worth a look", found.warnings)):
        if findings:
            yield ""
            yield title
            for finding in findings:
                yield from _finding(finding)


def blocked_lines(plan: Plan, found: Preflight) -> Iterator[str]:
    """Yield every reason why nothing is written."""
    for change in plan.blocked:
        yield from _wrapped(f"{change.key}: {change.why}", "  ", "    ")
        yield from _differences(change)
    for finding in found.problems:
        yield from _finding(finding)


def removal_lines(site: Site, removals: Removals) -> Iterator[str]:
    """Yield what destroying goes through, for a person."""
    if not removals.going:
        yield from _wrapped(f"{_place(site)}: nothing of it is there.")
    else:
        yield from _wrapped(f"{_place(site)}: {len(removals.going)} to remove, in this order.")
        yield ""
        for going in removals.going:
            yield from _row(Verb.REMOVE, going.key, going.seconds)
            if going.why:
                yield from _wrapped(going.why, _DEEP, _DEEP)
    if removals.staying:
        yield ""
        yield "What stays"
        for why, keys in _by_reason(removals).items():
            yield from _wrapped(f"{', '.join(keys)}: {why}", "  ", "    ")


def outcome_lines(outcome: Outcome) -> Iterator[str]:
    """Yield what came of a run that did not do everything: what failed and why, what is open, what was not done."""
    yield f"{len(outcome.done)} done, {len(outcome.failed)} failed, {len(outcome.not_started)} not finished."
    for title, keys in (("Done", outcome.done), ("Not finished", outcome.not_started)):
        if keys:
            yield ""
            yield title
            yield from _wrapped(", ".join(keys), "  ", "  ")
    if outcome.left_open:
        yield ""
        yield "Left open, or left behind"
        for left in outcome.left_open:
            yield from _wrapped(f"{left.key}: {left.what}: {left.cause}", "  ", "    ")
            yield from _wrapped(left.id, "    ", "    ")
    if outcome.failed:
        yield ""
        yield "Failed"
        for failure in outcome.failed:
            yield from _wrapped(f"{failure.key}: {failure.cause}", "  ", "    ")
            told = ", ".join(filter(None, (failure.code, f"request {failure.request_id}" * bool(failure.request_id))))
            if told:
                yield from _wrapped(told, "    ", "    ")


def plan_json(site: Site, plan: Plan, found: Preflight) -> dict[str, Any]:
    """Return a plan as JSON."""
    return {
        **_place_json(site),
        "pending": plan.pending,
        "seconds": plan.seconds,
        "counts": {str(verb): count for verb, count in sorted(_counts(c.verb for c in plan.changes).items())},
        "changes": [_change_json(change) for change in plan.changes],
        "openings": [{"key": o.key, "path": o.path, "why": o.why} for o in plan.openings],
        "problems": [_finding_json(finding) for finding in found.problems],
        "warnings": [_finding_json(finding) for finding in found.warnings],
    }


def removals_json(site: Site, removals: Removals) -> dict[str, Any]:
    """Return what destroying goes through, as JSON."""
    return {
        **_place_json(site),
        "pending": bool(removals.going),
        "going": [
            {"key": g.key, "theme": g.theme, "id": g.id, "why": g.why, "seconds": g.seconds} for g in removals.going
        ],
        "staying": [{"key": s.key, "id": s.id, "why": s.why} for s in removals.staying],
    }


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Return what came of a run, as JSON."""
    return {
        "complete": outcome.complete,
        "done": list(outcome.done),
        "failed": [
            {
                "key": f.key,
                "id": f.id,
                "verb": str(f.verb),
                "cause": f.cause,
                "code": f.code,
                "requestId": f.request_id,
            }
            for f in outcome.failed
        ],
        "notFinished": list(outcome.not_started),
        "leftOpen": [{"key": o.key, "id": o.id, "what": o.what, "cause": o.cause} for o in outcome.left_open],
    }


def duration(seconds: float) -> str:
    """Return a time as a person says it: ``40 s``, ``12 min``, ``1 h 5 min``."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{whole} s"
    minutes = round(whole / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours} h {rest} min" if rest else f"{hours} h"


def safe(text: str) -> str:
    """Return text of Azure in one line that any terminal can show."""
    return visible(prose(text))


def _change(change: Change) -> Iterator[str]:
    yield from _row(change.verb, change.key, change.seconds)
    if change.why:
        yield from _wrapped(change.why, _DEEP, _DEEP)
    yield from _differences(change)


def _costs(plan: Plan) -> Iterator[str]:
    """Yield what is new and costs money, what costs the same together."""
    costs: dict[str, list[str]] = {}
    for change in plan.changes:
        if change.cost and change.verb in (Verb.CREATE, Verb.ACT):
            costs.setdefault(change.cost, []).append(change.key)
    if costs:
        yield ""
        yield "What costs money"
    for cost, keys in costs.items():
        yield from _wrapped(f"{cost}: {', '.join(keys)}", "  ", "    ")


def _differences(change: Change) -> Iterator[str]:
    for item in change.differences:
        yield from _wrapped(f"{item.path}:", _PATH, _PATH)
        yield from _wrapped(f"{_value(item.before)} -> {_value(item.after)}", _DEEP, _DEEP + "  ")


def _finding(finding: Finding) -> Iterator[str]:
    yield from _wrapped(finding.what, "  ", "    ")
    if finding.fix:
        yield from _wrapped(finding.fix, "    ", "    ")


def _row(verb: Verb, key: str, seconds: int) -> Iterator[str]:
    """Yield the line of a step, its time at the end; a long name has lines of its own."""
    time = duration(seconds) if seconds else ""
    room = WIDTH - len(_DEEP) - _TIME
    *before, last = chop_cells(safe(key), WIDTH - len(_DEEP)) or [""]
    if cell_len(last) > room:
        before, last = [*before, last], ""
    for number, part in enumerate((*before, last)):
        start = _DEEP if number else _start(verb)
        end = f"{time:>{_TIME}}" if number == len(before) else ""
        yield f"{start}{set_cell_size(part, room) if end else part}{end}".rstrip()


def _start(verb: Verb) -> str:
    return f"  {_MARKS[verb]} {verb!s:<8}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}... ({len(text)} characters)"


def _by_theme(changes: Iterable[Change]) -> Iterator[tuple[str, list[Change]]]:
    themes: dict[str, list[Change]] = {}
    for change in changes:
        themes.setdefault(change.theme, []).append(change)
    yield from themes.items()


def _counts(verbs: Iterable[Verb]) -> dict[Verb, int]:
    counts: dict[Verb, int] = {}
    for verb in verbs:
        counts[verb] = counts.get(verb, 0) + 1
    return counts


def _by_reason(removals: Removals) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for staying in removals.staying:
        reasons.setdefault(staying.why, []).append(staying.key)
    return reasons


def _place(site: Site) -> str:
    return f"{site.environment.environment} in {site.location}, subscription {site.subscription}"


def _place_json(site: Site) -> dict[str, Any]:
    environment = site.environment
    return {
        "environment": environment.environment,
        "subscription": site.subscription,
        "tenant": site.tenant,
        "cloud": str(environment.cloud),
        "location": environment.location,
    }


def _change_json(change: Change) -> Mapping[str, Any]:
    return {
        "key": change.key,
        "theme": change.theme,
        "id": change.id,
        "verb": str(change.verb),
        "differences": [{"path": d.path, "before": d.before, "after": d.after} for d in change.differences],
        "why": change.why,
        "seconds": change.seconds,
        "cost": change.cost,
    }


def _finding_json(finding: Finding) -> Mapping[str, str]:
    return {"check": finding.check, "what": finding.what, "fix": finding.fix}


def _wrapped(text: str, first: str = "", rest: str = "  ") -> Iterator[str]:
    """Yield text in lines; those of wide characters are cut by the columns that they take."""
    lines = textwrap.wrap(safe(text), WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    for line in lines:
        yield from chop_cells(line, WIDTH)
