r"""Lines that a CI service acts on: workflow commands of GitHub Actions, logging commands of Azure Pipelines.

Both services read them from the log of a job, wherever they stand in it. So a name from Azure must be able neither to
end a command nor to begin one: line breaks and percent signs are encoded as each service decodes them, and what begins
a command of the one or the other is broken up first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from lockdown.notify.notice import Notice
from lockdown.notify.told import by, shown, went
from lockdown.report import words
from lockdown.report.place import place
from lockdown.report.visible import visible

MOST = 10
"""Of each level: as many as GitHub shows of one step."""
_BEGINS = re.compile("#(?=#)|:(?=:)")
_LEVEL = {"critical": "error", "high": "error", "medium": "warning"}


def github_data(text: str) -> str:
    """Return text as the message of a workflow command."""
    return inert(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: str) -> str:
    """Return text as a property of a workflow command."""
    return github_data(text).replace(":", "%3A").replace(",", "%2C")


def azure_data(text: str) -> str:
    """Return text as the message of a logging command."""
    return inert(text).replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")


def azure_property(text: str) -> str:
    """Return text as a property of a logging command."""
    return azure_data(text).replace(";", "%3B").replace("]", "%5D")


def inert(text: str) -> str:
    """Return text in which no service finds the beginning of a command."""
    return _BEGINS.sub(r"\g<0> ", visible(text))


def github(level: str, title: str, text: str) -> str:
    """Return a workflow command that annotates."""
    return f"::{level} title={github_property(title)}::{github_data(text)}"


def azure_pipelines(level: str, title: str, text: str) -> str:
    """Return a logging command that logs an issue; a notice is a plain line, because that service has none."""
    told = f"{azure_data(title)}: {azure_data(text)}"
    return told if level == "notice" else f"##vso[task.logissue type={azure_property(level)}]{told}"


SERVICES: Mapping[str, Callable[[str, str, str], str]] = {"github": github, "azure-pipelines": azure_pipelines}


def lines(notice: Notice, service: str) -> Iterator[str]:
    """Yield the lines for a job's log: what drifted, worst first, and what a reader must know."""
    write = SERVICES[service]
    if not notice.complete:
        yield write("warning", "lockdown", "Not everything could be read, judged or compared.")
    findings = notice.drift.findings if notice.drift is not None else ()
    told: Counter[str] = Counter()
    for found in findings:
        level = _LEVEL.get(found.severity, "notice")
        told[level] += 1
        if told[level] > MOST:
            continue
        turn = found.turns[0]
        rest = f" (and {words.number(len(found.turns) - 1, 'more change')})" if len(found.turns) > 1 else ""
        what = f"{shown(place(found.resource).path or found.resource)}: {shown(turn.what)} {shown(went(turn))}"
        text = "; ".join(filter(None, (what, shown(by(turn)))))
        yield write(level, f"Drift, {found.severity}", f"{text}{rest}")
    left_out = sum(max(0, count - MOST) for count in told.values())
    if left_out:
        yield write("warning", "lockdown", f"{words.number(left_out, 'more resource')} drifted: see the summary.")
    failures = sum(count for count in notice.run["failures"].values())
    if notice.drift is None and failures:
        yield write("error", "lockdown", notice.headline)
