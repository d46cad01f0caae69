"""What a terminal shows at the end of an audit: plain lines of at most 80 columns, safe for any terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

from rich.cells import cell_len, chop_cells, set_cell_size

from lockdown.model import Severity
from lockdown.record import Record
from lockdown.report import controls, view, words
from lockdown.report.place import place
from lockdown.report.view import Group, Survey
from lockdown.report.visible import prose, visible

WIDTH = 80
POLICIES = 3
DOUBTS = 10
_APART = ("fail", "unknown", "waived", "pass")
_WIDTHS = (5, 9, 8, 6, 7, 13)
_SHORT = {"resource": "ID", "name": "NAME", "resourceGroup": "GROUP", "subscription": "SUBSCRIPTION"}


def summary(record: Record) -> Iterator[str]:
    """Yield the lines: verdict, cautions, counts, controls, worst failures, what could not be read, next step.

    Lines that start a part begin in the first column, the rest is indented; the command line may colour them.

    Raises:
        TamperedError: the record states counts that its results do not have.
    """
    found = view.survey(record, limit=500)
    yield from _wrapped(f"{words.OUTCOME[record.run['outcome']].upper()}: {words.findings(record, found)}")
    for lead, text in words.cautions(record.run):
        yield from _wrapped(f"{lead}: {text}")
    yield ""
    yield from _counts(record, found)
    yield from _frameworks(record)
    yield from _failures(record, view.groups(record, found, "fail"))
    yield from _doubts(record, found)
    yield ""
    yield from _next(record, found)


def _counts(record: Record, found: Survey) -> Iterator[str]:
    severities = [severity.value for severity in Severity]
    yield _row("", [*severities, "total"])
    for kind in view.KINDS:
        if found.count(kind) or kind in ("fail", "unknown", "pass"):
            numbers = [found.count(kind, severity=severity) for severity in severities]
            yield _row(words.KIND[kind].lower(), [f"{number:,}" for number in (*numbers, found.count(kind))])
    if unseen := record.run["counts"]["notObserved"]:
        yield f"  {words.number(unseen, 'policy', 'policies')} saw no resource."


def _frameworks(record: Record) -> Iterator[str]:
    """Yield a line for each framework: how many controls are what at worst, and how many nothing speaks to."""
    found = controls.frameworks(record)
    if found:
        yield ""
        yield f"{'Controls, by their worst policy':<32}" + _cells([*_APART, "other", "not assessed"])
    for framework in found:
        numbers = framework.numbers()
        shown = [numbers.get(standing, 0) for standing in _APART]
        rest = [len(framework.assessed) - sum(shown), len(framework.silent)]
        name = _fitted(visible(prose(framework.title)), 30)
        yield "  " + set_cell_size(name, 30) + _cells([f"{number:,}" for number in (*shown, *rest)])


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))


def _row(title: str, cells: list[str]) -> str:
    return f"  {title:<15}" + "".join(f"{cell:>12}" for cell in cells)


def _failures(record: Record, groups: list[Group]) -> Iterator[str]:
    if not groups:
        return
    names = view.subscription_names(record)
    yield ""
    yield "Worst failures"
    for group in groups[:POLICIES]:
        yield from _wrapped(group.policy["title"], f"  {group.severity:<9} ", " " * 12)
        name = place(group.rows[0]["resource"], names).path if group.rows else ""
        others = f" and {group.total - 1:,} more" if group.total > 1 else ""
        if name:
            yield " " * 12 + _fitted(visible(name), WIDTH - 12 - len(others)) + others
        yield from _hint(group.policy["command"])
    if len(groups) > POLICIES:
        yield f"  and {words.number(len(groups) - POLICIES, 'more failing policy', 'more failing policies')}."
    yield "  The report has the command for each resource, with its id filled in."


def _doubts(record: Record, found: Survey) -> Iterator[str]:
    if not words.doubts(record):
        return
    yield ""
    yield "Could not be read or judged"
    errors = {policy["id"]: policy["error"] for policy in record.policies if "error" in policy}
    unknown = [row for row in found.rows["unknown"] if row["policy"] not in errors]
    lines = [f"{words.thing(item['what'])} {item['name']}: {item['reason']}" for item in record.run["unreadable"]]
    lines += [f"policy {policy}: {error}" for policy, error in errors.items()]
    names = view.subscription_names(record)
    lines += [f"{place(row['resource'], names).path} by {row['policy']}: {row['reason']}" for row in unknown]
    for line in lines[:DOUBTS]:
        yield from _wrapped(line, "  ", "    ")
    if more := len(lines) + found.left_out("unknown") - len(lines[:DOUBTS]):
        yield f"  and {more:,} more; the report lists them."


def _next(record: Record, found: Survey) -> Iterator[str]:
    if record.run["unreadable"]:
        yield "Next: let the auditor read what it could not, and audit again."
    elif words.doubts(record):
        yield "Next: remove the reasons above, and audit again."
    elif found.count("fail"):
        yield "Next: fix the worst, and audit again. All findings: report/report.html"
    else:
        yield "Next: hand report/report.html over together with its run directory."


def _hint(command: str) -> Iterator[str]:
    """Yield a policy's command with words for the values, in lines that continue as a shell's do."""
    named = re.sub(r"\{([A-Za-z]+)\}", lambda found: _SHORT.get(found[1], found[0]), command)
    lines = list(_wrapped(named, " " * 12 + "fix: ", " " * 17, WIDTH - 2))
    continued = "" if re.search(r"[\"'\\\\]", command) else " \\"
    yield from (line + continued for line in lines[:-1])
    yield from lines[-1:]


def _wrapped(text: str, first: str = "", rest: str = "  ", width: int = WIDTH) -> Iterator[str]:
    """Yield ``text`` in lines; those of wide characters are cut by the columns that they take."""
    safe = visible(prose(text))
    for line in textwrap.wrap(safe, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False):
        yield from chop_cells(line, width)


def _fitted(text: str, width: int = WIDTH) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 3).rstrip() + "..."
