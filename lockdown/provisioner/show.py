"""Plans, findings and outcomes in lines of at most 80 columns, and as JSON. What Azure wrote is made safe to see."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from rich.cells import cell_len, chop_cells, set_cell_size

from lockdown.provisioner.checks import Finding
from lockdown.provisioner.destroy import WITH, Removal, Removals
from lockdown.provisioner.outcome import LeftOpen, Outcome
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

_JUMPBOX = "jumpbox"
"""The theme of its steps."""

_DEEP = " " * 12
_TIME = 12
_MANY = 3
"""So many that are alike stand together in a plan; JSON has each."""


def plan_lines(site: Site, plan: Plan, found: Preflight) -> Iterator[str]:
    """Yield a plan for a person: each step under its theme, what is open for a while, what costs money, findings."""
    yield from _wrapped(_place(site))
    for theme, changes in _by_theme(plan.changes) if plan.pending else ():
        if theme == _JUMPBOX and all(change.verb is Verb.LEAVE for change in changes):
            continue  # it has a section of its own
        yield ""
        yield theme
        for alike in _alike([change for change in changes if change.verb is not Verb.LEAVE]):
            yield from _change(alike[0]) if len(alike) == 1 else _many(alike)
        unchanged = [change.key for change in changes if change.verb is Verb.LEAVE]
        if unchanged:
            yield from _wrapped(_named(unchanged), _start(Verb.LEAVE), _DEEP)
    if plan.openings:
        yield ""
        yield "Open while others work, and closed again"
        for opening in plan.openings:
            yield from _wrapped(f"{opening.key}, {opening.path}: {opening.why}", "  ", "    ")
    yield from _jumpbox(site, plan)
    yield from _costs(plan)
    yield from finding_lines(found)
    yield ""
    yield from _wrapped(_capital(summary(plan)))


def plan_next(plan: Plan, found: Preflight) -> Iterator[str]:
    """Yield what a person does after looking at a plan."""
    if plan.blocked or found.problems:
        yield "Next: change what stands in the way; nothing is built before."
    elif plan.pending:
        yield "Next: the same command without --plan does it."


def removal_next(removals: Removals) -> Iterator[str]:
    """Yield what a person does after looking at what goes."""
    if removals.going:
        yield "Next: the same command without --plan removes it."


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
    reasons: dict[str, list[Change]] = {}
    for change in plan.blocked:
        if not change.differences:
            reasons.setdefault(change.why, []).append(change)
    for why, changes in reasons.items():
        yield from _wrapped(f"{_named([change.key for change in changes])}: {why}", "  ", "    ")
        for change in changes if len(changes) < _MANY else ():
            yield from _wrapped(change.id, "    ", "    ")
    for change in plan.blocked:
        if change.differences:
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
        alone = [going for going in removals.going if not going.why.startswith(WITH)]
        for alike in _runs(alone):
            yield from _removals(alike)
        parts = [going.key for going in removals.going if going.why.startswith(WITH)]
        if parts:
            yield ""
            yield "What goes with them, being a part of one"
            yield from _wrapped(_named(parts), "  ", "  ")
    if removals.staying:
        yield ""
        yield "What stays"
        for why, keys in _by_reason(removals).items():
            yield from _wrapped(f"{_named(keys)}: {why}", "  ", "    ")


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
        yield from left_lines(outcome.left_open)
    yield from kept_lines(outcome)
    if outcome.failed:
        yield ""
        yield "Failed"
        for failure in outcome.failed:
            yield from _wrapped(f"{failure.key}: {failure.cause}", "  ", "    ")
            told = ", ".join(filter(None, (failure.code, f"request {failure.request_id}" * bool(failure.request_id))))
            if told:
                yield from _wrapped(told, "    ", "    ")


def left_lines(left: Iterable[LeftOpen]) -> Iterator[str]:
    """Yield what is open or still there, where it is, and why."""
    for item in left:
        yield from _wrapped(f"{item.key}: {item.what}: {item.cause}", "  ", "    ")
        yield from _wrapped(item.id, "    ", "    ")


def kept_lines(outcome: Outcome) -> Iterator[str]:
    """Yield what destroying left in place on purpose, and why."""
    if outcome.kept:
        yield ""
        yield "Kept"
        for kept in outcome.kept:
            yield from _wrapped(f"{kept.key}: {kept.cause}", "  ", "    ")
            yield from _wrapped(kept.id, "    ", "    ")


def plan_json(site: Site, plan: Plan, found: Preflight) -> dict[str, Any]:
    """Return a plan as JSON."""
    return {
        **_place_json(site),
        "pending": plan.pending,
        "seconds": plan.seconds,
        "counts": {str(verb): count for verb, count in sorted(_counts(c.verb for c in plan.changes).items())},
        "changes": [_change_json(change) for change in plan.changes],
        "openings": [{"key": o.key, "path": o.path, "why": o.why} for o in plan.openings],
        "opensJumpbox": opens_jumpbox(plan),
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
        "kept": [{"key": o.key, "id": o.id, "cause": o.cause} for o in outcome.kept],
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
    yield from _row(change.verb, change.key, duration(change.seconds) if change.seconds else "")
    if change.why:
        yield from _wrapped(change.why, _DEEP, _DEEP)
    yield from _differences(change)


def _jumpbox(site: Site, plan: Plan) -> Iterator[str]:
    """Yield whether this run opens the jumpbox, and for whom."""
    wanted = site.environment.jumpbox
    if wanted is None:
        return
    yield ""
    yield "The jumpbox"
    if opens_jumpbox(plan):
        told = "It is opened for the steps within the network, and removed at the end of the run."
    elif any(change.theme == _JUMPBOX and change.verb is Verb.REMOVE for change in plan.changes):
        told = "An earlier run left one: it is removed."
    else:
        told = "Nothing here needs it: it stays closed."
    yield from _wrapped(told, "  ", "  ")
    yield from _wrapped(
        f"Without --yes, on a terminal, you are asked afterwards whether you want one: SSH from {wanted.source} alone, "
        f"for {duration(wanted.hours * 3600)} at most.",
        "  ",
        "  ",
    )


def opens_jumpbox(plan: Plan) -> bool:
    """Tell whether something that is to be done needs the jumpbox."""
    return any(
        change.theme == _JUMPBOX and change.verb not in (Verb.LEAVE, Verb.REMOVE, Verb.BLOCKED)
        for change in plan.changes
    )


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
        yield from _wrapped(f"{cost}: {_named(keys)}", "  ", "    ")


def _differences(change: Change) -> Iterator[str]:
    for item in change.differences:
        values = f"{_value(item.before)} -> {_value(item.after)}"
        line = f"{_DEEP}{safe(f'{item.path}: {values}')}"
        if cell_len(line) <= WIDTH:
            yield line
        else:
            yield from _wrapped(f"{item.path}:", _DEEP, _DEEP)
            yield from _wrapped(values, _DEEP + "  ", _DEEP + "    ")


def _finding(finding: Finding) -> Iterator[str]:
    yield from _wrapped(finding.what, "  ", "    ")
    if finding.fix:
        yield from _wrapped(finding.fix, "    ", "    ")


def _runs(going: list[Removal]) -> Iterator[list[Removal]]:
    """Yield removals, together where they follow each other and are alike."""
    for _, alike in groupby(going, lambda one: (one.key.partition("/")[0], one.seconds, one.why)):
        yield list(alike)


def _removals(alike: list[Removal]) -> Iterator[str]:
    time = duration(alike[0].seconds) if alike[0].seconds else ""
    if len(alike) < _MANY or any("/" not in going.key for going in alike):
        for going in alike:
            yield from _row(Verb.REMOVE, going.key, time)
            if going.why:
                yield from _wrapped(going.why, _DEEP, _DEEP)
        return
    yield from _together(Verb.REMOVE, [going.key for going in alike], f"{time} each" if time else "", alike[0].why)


def _alike(changes: list[Change]) -> Iterator[list[Change]]:
    """Yield changes, together where many are alike: the same is to be done to each, in the same time, and no more."""
    plain = [change for change in changes if not change.differences]
    groups = Counter(kind for change in plain for kind in _kinds(change))
    found: dict[tuple[object, ...], list[Change]] = {}
    for change in changes:
        kinds = _kinds(change) if change in plain else ()
        kind = next((one for one in kinds if groups[one] >= _MANY), (change.key,))
        found.setdefault(kind, []).append(change)
    yield from found.values()


def _kinds(change: Change) -> tuple[tuple[object, ...], ...]:
    """Return what a change may stand together by: the nearest first part of its key, and the first of all."""
    nearest, first = change.key.rpartition("/")[0], change.key.partition("/")[0]
    alike = (change.verb, change.seconds, change.why)
    return tuple((*alike, part) for part in dict.fromkeys((nearest, first)) if part != change.key)


def _many(alike: list[Change]) -> Iterator[str]:
    """Yield one row for changes that are alike."""
    time = f"{duration(alike[0].seconds)} each" if alike[0].seconds else ""
    yield from _together(alike[0].verb, [change.key for change in alike], time, alike[0].why)


def _together(verb: Verb, keys: list[str], time: str, why: str) -> Iterator[str]:
    """Yield one row for steps whose keys begin alike, with the rest of their names below."""
    parts = [key.split("/") for key in keys]
    shortest = min(map(len, parts)) - 1
    common = next((n for n in range(shortest) if len({part[n] for part in parts}) > 1), shortest)
    begin = "".join(f"{part}/" for part in parts[0][:common])
    yield from _row(verb, f"{begin} ({len(keys)})".lstrip(), time)
    yield from _wrapped(", ".join("/".join(part[common:]) for part in parts), _DEEP, _DEEP)
    if why:
        yield from _wrapped(why, _DEEP, _DEEP)


def _named(keys: list[str]) -> str:
    """Return keys in few words: many that begin alike as that beginning and how many they are."""
    firsts = Counter(key.partition("/")[0] for key in keys if "/" in key)
    shown = dict.fromkeys(
        f"{first}/ ({firsts[first]})" if "/" in key and firsts[first] >= _MANY else key
        for key, first in ((key, key.partition("/")[0]) for key in keys)
    )
    return ", ".join(shown)


def _row(verb: Verb, key: str, time: str) -> Iterator[str]:
    """Yield the line of a step, its time at the end; a long name has lines of its own."""
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


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


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
