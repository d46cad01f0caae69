"""A notice as GitHub-flavoured Markdown: the summary of a job, the body of an issue.

Untrusted text is put into ``<code>`` with everything but letters, digits and spaces as numeric entities. Markdown takes
no structure from entities, so nothing in a name is markup, ends a table's cell, makes a link or is HTML; and inside of
``<code>`` nobody is mentioned. Commands stand in a fence that is longer than any run of backticks in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lockdown.notify.notice import Finding, Notice
from lockdown.notify.told import shown
from lockdown.report import powershell, shell, view, words
from lockdown.report.drift_view import Turn
from lockdown.report.place import place
from lockdown.report.shell import CommandRefusedError
from lockdown.report.visible import prose, visible

MOST = 50
"""Resources in one summary."""
_TURNS = 20
_FIXES = 5
_PLAIN = re.compile(r"[A-Za-z0-9 ]")


def code(text: str) -> str:
    """Return untrusted text as code in a line or a table's cell."""
    return f"<code>{_entities(visible(text))}</code>" if text else ""


def text(told: str) -> str:
    """Return text of a policy as prose; a comment after each @ keeps services from mentioning somebody."""
    return _entities(visible(told)).replace("&#64;", "&#64;<!-- -->")


def fenced(command: str, language: str) -> str:
    """Return a command as a block that can be copied."""
    longest = max((len(run) for run in re.findall("`+", command)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{visible(command)}\n{fence}"


def summary(notice: Notice, link: str = "") -> str:
    """Return the summary of a job: the outcome, what changed and who did it, and what to do."""
    return "\n".join(_summary(notice, link)) + "\n"


def finding(notice: Notice, found: Finding) -> str:
    """Return one finding with everything about it, such as for an issue."""
    return "\n".join((*_table([found]), "", *_fixes(notice, [found])))


def _entities(text: str) -> str:
    return "".join(c if _PLAIN.fullmatch(c) or ord(c) > 127 else f"&#{ord(c)};" for c in text)  # noqa: PLR2004 - ASCII


def _summary(notice: Notice, link: str) -> Iterator[str]:
    run = notice.run
    yield f"## lockdown: {words.OUTCOME[run['outcome']]}"
    yield ""
    yield notice.headline
    yield ""
    yield f"Run {code(str(run['runId']))}, {words.when(str(run['evaluatedAt']))}."
    if link:
        yield f"[The job]({link})"
    for lead, caution in words.cautions(run):
        yield f"- **{lead}**: {text(caution)}"
    yield ""
    if notice.drift is not None:
        yield from _drift(notice)
    else:
        yield from _failures(notice)
    yield from _unread(run)


def _drift(notice: Notice) -> Iterator[str]:
    assert notice.drift is not None  # noqa: S101 - for the type checker: its caller asked
    findings = notice.drift.findings
    yield f"### What changed since {words.when(notice.drift.baseline_at)}"
    yield ""
    if not findings:
        yield "Nothing."
        yield ""
        return
    yield from _table(findings[:MOST])
    yield ""
    if len(findings) > MOST:
        yield f"{words.number(len(findings) - MOST, 'more resource')} drifted: `results/drift.json` has everything."
        yield ""
    yield "### What to do"
    yield ""
    yield from _fixes(notice, findings[:_FIXES])
    yield "Or accept what was meant, with the ids in the table: `lockdown drift --baseline BASELINE --run RUN"
    yield "--accept ID --reason TEXT --key KEY --out NEW-BASELINE`."
    yield ""


def _table(findings: Iterable[Finding]) -> Iterator[str]:
    yield "| severity | resource | what | before | now | who | when | id |"
    yield "|---|---|---|---|---|---|---|---|"
    for found in findings:
        name = code(shown(place(found.resource).path or found.resource))
        for number, turn in enumerate(found.turns[:_TURNS]):
            yield _row(turn, name if number == 0 else "")
        if len(found.turns) > _TURNS:
            yield f"| | | and {words.number(len(found.turns) - _TURNS, 'more change')} | | | | | |"


def _row(turn: Turn, name: str) -> str:
    who, when = "", ""
    if turn.by is not None:
        who = turn.by.who and ", ".join(filter(None, (turn.by.who, turn.by.how)))
        who, when = who or f"unknown: {turn.by.unknown}", turn.by.when
    cells = (name, *(code(shown(text)) for text in (turn.what, turn.before, turn.after, who)), code(when))
    return "| " + " | ".join((turn.severity, *cells, code(turn.id))) + " |"


def _fixes(notice: Notice, findings: Iterable[Finding]) -> Iterator[str]:
    """Yield the policies that began to fail, with the command that mends each resource."""
    policies = {policy["id"]: policy for policy in notice.record.policies}
    for found in findings:
        for policy_id in found.fails[:3]:
            policy = policies.get(policy_id)
            if policy is not None:
                yield from _fix(policy, found.resource)


def _fix(policy: Mapping[str, Any], resource: str) -> Iterator[str]:
    name = code(shown(place(resource).path or resource))
    yield f"**{text(prose(policy['title']))}**, {name}: {text(prose(policy['remediation']))}"
    yield ""
    template = prose(policy["command"])
    if not template:
        return
    try:
        yield fenced(shell.command(template, resource), "sh")
        yield ""
    except CommandRefusedError as error:
        yield f"No command: {text(str(error))}."
        yield ""
        return
    try:
        told = powershell.command(template, resource)
    except CommandRefusedError:
        return
    if told != shell.command(template, resource):
        yield fenced(told, "powershell")
        yield ""


def _failures(notice: Notice) -> Iterator[str]:
    found = view.survey(notice.record, limit=MOST)
    groups = view.groups(notice.record, found, "fail")
    if not groups:
        return
    yield "### What fails"
    yield ""
    yield "| severity | policy | resources | the first |"
    yield "|---|---|---|---|"
    for group in groups[:MOST]:
        first = code(shown(place(group.rows[0]["resource"]).path)) if group.rows else ""
        yield f"| {group.severity} | {code(prose(group.policy['title']))} | {group.total:,} | {first} |"
    yield ""
    if len(groups) > MOST:
        yield f"{words.number(len(groups) - MOST, 'more policy', 'more policies')}: the report has them."
        yield ""
    yield "### What to do"
    yield ""
    for group in groups[:_FIXES]:
        if group.rows:
            yield from _fix(group.policy, str(group.rows[0]["resource"]))


def _unread(run: Mapping[str, Any]) -> Iterator[str]:
    unreadable = run["unreadable"]
    if not unreadable:
        return
    yield "### What could not be read"
    yield ""
    for item in unreadable[:MOST]:
        yield f"- {text(words.thing(item['what']))} {code(shown(item['name']))}: {code(shown(item['reason']))}"
    if len(unreadable) > MOST:
        yield f"- and {len(unreadable) - MOST:,} more"
    yield ""
