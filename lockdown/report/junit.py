"""JUnit XML: a suite for each policy, a test case for each result.

A failure is a ``failure``; what could not be judged is an ``error``. Everything that is neither that nor a pass is
``skipped``, with the status as its type: a test report has no other word that is not green.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from lockdown.errors import TamperedError
from lockdown.report.export import Export, Row, Told, line, moment, paragraph, tally

_ELEMENT = {
    "fail": "failure",
    "unknown": "error",
    "waived": "skipped",
    "manual": "skipped",
    "notApplicable": "skipped",
    "notObserved": "skipped",
}
_SKIPPED = tuple(status for status, element in _ELEMENT.items() if element == "skipped")


def render(export: Export) -> Iterator[str]:
    """Yield the text of the file.

    Raises:
        TamperedError: the results of a policy do not stand together in the record.
    """
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f"<testsuites name={_quoted(export.tool)} {_numbers(export.counts)}>\n"
    waiting = {policy.id: policy for policy in export.policies}
    for name, rows in groupby(export.rows(), lambda row: row.policy.id):
        policy = waiting.pop(name, None)
        if policy is None:
            raise TamperedError(
                f"{export.record.path} is not a record as lockdown writes it: the results of {name} are apart."
            )
        yield from _suite(export, policy, rows)
    yield "</testsuites>\n"


def counts(path: Path) -> dict[str, int]:
    """Return the number of results by status in a file that ``render`` made.

    Raises:
        TamperedError: it is not such a file.
    """
    counting = _Counting(path.name)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = counting.doctype
    parser.StartElementHandler = counting.start
    parser.EndElementHandler = counting.end
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise TamperedError(f"{path.name} is not XML: {error}.") from error
    return counting.found


class _Counting:
    """Counts test cases by what they hold, and holds one of them."""

    def __init__(self, name: str) -> None:
        self.found = tally()
        self._name = name
        self._status = ""

    def doctype(self, *_declared: object) -> None:
        raise TamperedError(f"{self._name} declares a document type; lockdown writes none.")

    def start(self, element: str, attributes: Mapping[str, str]) -> None:
        if element == "testcase":
            self._status = "pass"
        elif element in _ELEMENT.values():
            status = attributes.get("type", "") if element == "skipped" else _unskipped(element)
            if status not in self.found or self._status != "pass":
                raise TamperedError(f"{self._name} has a test case of an unknown or double status.")
            self._status = status

    def end(self, element: str) -> None:
        if element == "testcase":
            self.found[self._status] += 1


def _unskipped(element: str) -> str:
    return next(status for status, name in _ELEMENT.items() if name == element)


def _suite(export: Export, policy: Told, rows: Iterator[Row]) -> Iterator[str]:
    unseen = policy.verdict == "notObserved"
    numbers = _numbers({**policy.counts, "notObserved": int(unseen)})
    yield f"<testsuite name={_quoted(policy.id)} {numbers} timestamp={_quoted(moment(export.evaluated))}>\n"
    yield _properties(
        {
            "title": policy.title,
            "severity": policy.severity.value,
            "controls": ", ".join(f"{control.framework} {control.id}" for control in policy.controls),
            "runId": export.run_id,
            "source": export.source,
        }
    )
    for row in rows:
        yield _case(row)
    yield "</testsuite>\n"


def _case(row: Row) -> str:
    name = " ".join(filter(None, (row.resource, row.part))) or "(no resource)"
    opening = f"<testcase classname={_quoted(f'{row.policy.theme}.{row.policy.id}')} name={_quoted(name)}"
    if row.status == "pass":
        return f"{opening}/>\n"
    element = _ELEMENT[row.status]
    kind = row.status if element == "skipped" else row.severity.value
    inner = escape("\n".join(f"{word}: {line(text)}" for word, text in _told(row) if text))
    reason = f"waived until {row.waiver.expires}: {row.waiver.reason}" if row.waiver else row.reason
    return f"{opening}>\n<{element} type={_quoted(kind)} message={_quoted(reason)}>{inner}</{element}>\n</testcase>\n"


def _told(row: Row) -> tuple[tuple[str, str], ...]:
    return (
        ("Reason", row.reason),
        ("Expected", row.expected),
        ("Observed", row.observed),
        ("Remediation", paragraph(row.policy.remediation) if row.status in {"fail", "waived", "manual"} else ""),
        ("Command", row.command),
        ("Waived by", row.waiver.owner if row.waiver else ""),
    )


def _numbers(counts: Mapping[str, int]) -> str:
    skipped = sum(counts[status] for status in _SKIPPED)
    total = sum(counts.values())
    return f'tests="{total}" failures="{counts["fail"]}" errors="{counts["unknown"]}" skipped="{skipped}"'


def _properties(values: Mapping[str, str]) -> str:
    inner = "".join(f"<property name={_quoted(name)} value={_quoted(value)}/>" for name, value in values.items())
    return f"<properties>{inner}</properties>\n"


def _quoted(text: str) -> str:
    return quoteattr(line(text))
