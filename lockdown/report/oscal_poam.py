"""OSCAL plan of action and milestones: an item and a risk for each failure.

Due dates are those that FedRAMP's Rev. 5 baselines set in RA-5 d.: 30 days for high risk, 90 for moderate, 180 for low,
from the day of discovery. A record knows no earlier day than its own: discovery is when this run judged. A waiver is a
requested deviation with an end, and leaves the item open: approving it is not for a tool to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from lockdown.model import Severity
from lockdown.report import oscal, oscal_results, streamed
from lockdown.report.export import Export, Row, moment, paragraph
from lockdown.report.oscal import Json
from lockdown.report.streamed import Stream

DUE = {
    Severity.CRITICAL: timedelta(days=30),
    Severity.HIGH: timedelta(days=30),
    Severity.MEDIUM: timedelta(days=90),
    Severity.LOW: timedelta(days=180),
}
_OPEN = ("fail", "waived")


def absent(export: Export) -> str:
    """Return why there can be no such document; nothing if there can."""
    return "" if _failures(export.counts) else "nothing fails, and a plan of action without an item is not valid OSCAL"


def render(export: Export) -> Iterator[str]:
    """Yield the text of the document."""
    document = {
        "uuid": export.uuid("plan-of-action-and-milestones"),
        "metadata": oscal.metadata(export, "Plan of action and milestones"),
        "system-id": {"identifier-type": "http://datatracker.ietf.org/doc/html/rfc4122", "id": oscal.system(export)},
        "local-definitions": {
            "components": oscal.components(export),
            "inventory-items": Stream(oscal.inventory(export, _OPEN)),
            "assessment-assets": oscal.assets(export),
        },
        "observations": Stream(_each(export, _observations)),
        "risks": Stream(_each(export, _risks)),
        "poam-items": Stream(_each(export, _items)),
        "back-matter": oscal.back_matter(export, plan=""),
    }
    yield from streamed.render({"plan-of-action-and-milestones": document})


def counts(path: Path) -> dict[str, int]:
    """Return the number of failures, and of waived ones, in a document that ``render`` made; it holds no others.

    Raises:
        TamperedError: it is not such a document.
    """
    found = dict.fromkeys(_OPEN, 0)

    def take(key: str, item: Mapping[str, object]) -> None:
        if key == "poam-items":
            found[oscal_results.status(item, path)] += 1

    streamed.read(path, take)
    return found


def _failures(counts: Mapping[str, int]) -> int:
    return sum(counts[status] for status in _OPEN)


def _each(export: Export, make: Callable[[Export, Row], Iterator[Json]]) -> Iterator[Json]:
    return (made for row in export.rows() if row.status in _OPEN for made in make(export, row))


def _observations(export: Export, row: Row) -> Iterator[Json]:
    yield oscal.observation(export, row)
    if row.waiver:
        yield {
            "uuid": _waiver_id(export, row),
            "title": "Waiver",
            "description": oscal.markup(row.waiver.reason),
            "props": oscal.props(("waiver-owner", row.waiver.owner), ("waiver-expires", row.waiver.expires)),
            "methods": ["EXAMINE"],
            "types": ["risk-adjustment"],
            "origins": [oscal.origin(export)],
            "subjects": [oscal.subject(export, row)],
            "collected": moment(export.evaluated),
            "expires": _end(row.waiver.expires),
        }


def _risks(export: Export, row: Row) -> Iterator[Json]:
    due = moment(export.evaluated + DUE[row.severity])
    deadline = _end(row.waiver.expires) if row.waiver else due
    found: Json = {
        "uuid": _risk_id(export, row),
        "title": oscal.markup(row.policy.title),
        "description": oscal.markup(row.reason),
        "statement": oscal.rationale(row.policy),
        "props": [
            *oscal.row_props(row),
            *(oscal.prop("impacted-control-id", control) for control in oscal.control_ids(row.policy)),
            *oscal.props(("due", due)),
        ],
        "status": "deviation-requested" if row.waiver else "open",
        "origins": [oscal.origin(export)],
        "characterizations": [
            {
                "origin": oscal.origin(export),
                "facets": [
                    {
                        "name": "severity",
                        "system": "http://csrc.nist.gov/ns/oscal",
                        "value": row.severity.value,
                        "props": [{"name": "state", "value": "initial"}],
                    }
                ],
            }
        ],
        "deadline": deadline,
        "remediations": [_remediation(export, row, due)],
        "related-observations": [{"observation-uuid": uuid} for uuid in _observation_ids(export, row)],
    }
    if row.waiver:
        found["risk-log"] = {
            "entries": [
                {
                    "uuid": export.uuid("waived", *row.key),
                    "title": oscal.markup(f"Waived by {row.waiver.owner} until {row.waiver.expires}"),
                    "description": oscal.markup(row.waiver.reason),
                    "start": moment(export.evaluated),
                    "status-change": "deviation-requested",
                }
            ]
        }
    yield found


def _remediation(export: Export, row: Row, due: str) -> Json:
    text = " ".join(filter(None, (paragraph(row.policy.remediation), row.command)))
    return {
        "uuid": export.uuid("remediation", *row.key),
        "lifecycle": "recommendation",
        "title": "What the policy recommends",
        "description": oscal.markup(text or row.policy.title),
        "origins": [oscal.origin(export)],
        "tasks": [
            {
                "uuid": export.uuid("milestone", *row.key),
                "type": "milestone",
                "title": "Remediated by then",
                "timing": {"within-date-range": {"start": moment(export.evaluated), "end": due}},
            }
        ],
    }


def _items(export: Export, row: Row) -> Iterator[Json]:
    yield {
        "uuid": export.uuid("poam-item", *row.key),
        "title": oscal.markup(row.policy.title),
        "description": oscal.markup(f"{row.resource}: {row.reason}"),
        "props": oscal.row_props(row),
        "related-observations": [{"observation-uuid": uuid} for uuid in _observation_ids(export, row)],
        "related-risks": [{"risk-uuid": _risk_id(export, row)}],
    }


def _observation_ids(export: Export, row: Row) -> list[str]:
    return [oscal.observation_id(export, row), *([_waiver_id(export, row)] if row.waiver else [])]


def _waiver_id(export: Export, row: Row) -> str:
    return export.uuid("waiver", *row.key)


def _risk_id(export: Export, row: Row) -> str:
    return export.uuid("risk", *row.key)


def _end(day: str) -> str:
    """Return the last second of the last day on which a waiver holds."""
    return f"{day}T23:59:59Z"
