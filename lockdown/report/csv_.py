"""CSV as RFC 4180 has it, for spreadsheets: one row for each result, every cell quoted, none of them a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from lockdown.errors import TamperedError
from lockdown.report.export import Export, Row, line, moment, paragraph, tally
from lockdown.report.streamed import MAX_LINE

COLUMNS = (
    "policy",
    "title",
    "theme",
    "severity",
    "status",
    "subscription",
    "resourceGroup",
    "type",
    "name",
    "part",
    "reason",
    "expected",
    "observed",
    "controls",
    "remediation",
    "command",
    "waiverReason",
    "waiverOwner",
    "waiverExpires",
    "resource",
    "runId",
    "evaluatedAt",
    "source",
)

# What a spreadsheet takes for the start of a formula, its full-width forms, and what may stand before it unseen.
_FORMULA = re.compile(r"[\s'\"]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def render(export: Export) -> Iterator[str]:
    """Yield the text of the file."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in export.rows():
        writer.writerow(map(cell, _cells(export, row)))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def cell(text: str) -> str:
    """Return untrusted text as a cell: what cannot be seen is an escape, what would be computed is text."""
    shown = line(text)
    return "'" + shown if _FORMULA.match(text) or _FORMULA.match(shown) else shown


def counts(path: Path) -> dict[str, int]:
    """Return the number of results by status in a file that ``render`` made.

    Raises:
        TamperedError: it is not such a file.
    """
    found = tally()
    csv.field_size_limit(MAX_LINE)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            if tuple(next(rows, ())) != COLUMNS:
                raise TamperedError(f"{path.name} does not have the columns that lockdown writes.")
            for row in rows:
                if len(row) != len(COLUMNS):
                    raise TamperedError(f"{path.name} has a row of {len(row)} cells; it has {len(COLUMNS)} columns.")
                found[row[COLUMNS.index("status")]] += 1
    except (csv.Error, UnicodeDecodeError, KeyError) as error:
        raise TamperedError(f"{path.name} is not a CSV file that lockdown wrote: {error}.") from error
    return found


def _cells(export: Export, row: Row) -> tuple[str, ...]:
    policy, waiver, where = row.policy, row.waiver, export.place(row)
    return (
        policy.id,
        policy.title,
        policy.theme,
        row.severity.value,
        row.status,
        where.subscription,
        where.group,
        where.type,
        where.path,
        row.part,
        row.reason,
        row.expected,
        row.observed,
        "; ".join(f"{control.framework} {control.id} ({control.basis})" for control in policy.controls),
        paragraph(policy.remediation),
        row.command,
        waiver.reason if waiver else "",
        waiver.owner if waiver else "",
        waiver.expires if waiver else "",
        row.resource,
        export.run_id,
        moment(export.evaluated),
        export.source,
    )
