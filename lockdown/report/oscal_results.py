"""OSCAL assessment results: an observation for each result, a finding for each policy and NIST control.

A finding is never about a control. It is about an objective that a policy adds to the control, defined in the same
document: ``not-satisfied`` if any result fails, waived or not; ``satisfied`` only if the policy passes in a run that
read everything. What was not judged (unknown, manual, not observed, not applicable) has observations and no finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import UUID

from lockdown.errors import TamperedError
from lockdown.model import Verdict
from lockdown.report import oscal, streamed, words
from lockdown.report.export import NAMESPACE, Export, Told, binary, moment, tally
from lockdown.report.oscal import Json
from lockdown.report.streamed import Stream


def absent(export: Export) -> str:
    """Return why there can be no such document; nothing if there can."""
    if not any(oscal.control_ids(policy) for policy in export.policies):
        return "no policy of the run speaks to a NIST SP 800-53 Rev. 5 control, and OSCAL results are about controls"
    return ""


def render(export: Export) -> Iterator[str]:
    """Yield the text of the document."""
    plan = export.uuid("assessment-plan")
    controls = sorted({control for policy in export.policies for control in oscal.control_ids(policy)})
    related: dict[str, bytearray] = {}
    result: Json = {
        "uuid": export.uuid("result"),
        "title": oscal.markup(f"Run {export.run_id}"),
        "description": _description(export),
        "start": moment(export.started),
        "end": moment(export.finished),
        "props": oscal.props(*(("unreadable", what) for what in export.unreadable)),
        "links": [{"href": f"#{export.uuid('record')}", "rel": "reference"}],
        "reviewed-controls": {
            "description": "What the policies of this run speak to, each control in part. None was assessed whole.",
            "control-selections": [{"include-controls": [{"control-id": control} for control in controls]}],
        },
        "observations": Stream(_observations(export, related)),
        "findings": _findings(export, related),
        "local-definitions": {
            "components": oscal.components(export),
            "inventory-items": Stream(oscal.inventory(export, tuple(export.counts))),
            "assessment-assets": oscal.assets(export),
        },
    }
    if not result["props"]:
        del result["props"]
    if not any(export.counts.values()):
        del result["observations"]
    if not any(_state(export, policy) and oscal.control_ids(policy) for policy in export.policies):
        del result["findings"]
    if not any(number for status, number in export.counts.items() if status != Verdict.NOT_OBSERVED):
        del result["local-definitions"]["inventory-items"]
    document = {
        "uuid": export.uuid("assessment-results"),
        "metadata": oscal.metadata(export, "Assessment results"),
        "import-ap": {"href": f"#{plan}"},
        "local-definitions": {"objectives-and-methods": _objectives(export)},
        "results": [result],
        "back-matter": oscal.back_matter(export, plan),
    }
    yield from streamed.render({"assessment-results": document})


def counts(path: Path) -> dict[str, int]:
    """Return the number of results by status in a document that ``render`` made.

    Raises:
        TamperedError: it is not such a document.
    """
    found = tally()

    def take(key: str, item: Mapping[str, object]) -> None:
        if key == "observations":
            found[status(item, path)] += 1

    streamed.read(path, take)
    return found


def status(item: Mapping[str, object], path: Path) -> str:
    """Return the status that an item has as a property.

    Raises:
        TamperedError: it has none, or one that does not exist.
    """
    given = item.get("props")
    for prop in given if isinstance(given, list) else ():
        if isinstance(prop, dict) and (prop.get("name"), prop.get("ns")) == ("status", NAMESPACE):
            value = prop.get("value")
            if value in tally():
                return str(value)
    raise TamperedError(f"{path.name} has an item without the status of a result.")


def _description(export: Export) -> str:
    told = [f"Outcome: {words.OUTCOME.get(export.outcome, oscal.markup(export.outcome)).lower()}."]
    if export.source in words.SOURCE:
        told.append(f"Read from: {words.SOURCE[export.source]}.")
    if not export.complete:
        told.append("Not everything in scope could be read or judged: no objective is called satisfied.")
    told.append(
        "Findings are about objectives of single policies. Whether a control is satisfied is for an assessor to say."
    )
    return " ".join(told)


def _observations(export: Export, related: dict[str, bytearray]) -> Iterator[Json]:
    """Yield the observation of every result, and note it under its policy in ``related``, in sixteen bytes."""
    for row in export.rows():
        related.setdefault(row.policy.id, bytearray()).extend(binary(oscal.observation_id(export, row)))
        yield oscal.observation(export, row)


def _state(export: Export, policy: Told) -> str:
    """Return the state of the policy's objective, or nothing where there is none to tell."""
    if policy.verdict is Verdict.FAIL:
        return "not-satisfied"
    return "satisfied" if policy.verdict is Verdict.PASS and export.complete and not policy.error else ""


def _findings(export: Export, related: Mapping[str, bytearray]) -> Iterator[Json]:
    for policy in export.policies:
        state = _state(export, policy)
        if not state:
            continue
        noted = related.get(policy.id, bytearray())
        for control in oscal.control_ids(policy):
            yield {
                "uuid": export.uuid("finding", policy.id, control),
                "title": oscal.markup(policy.title),
                "description": (
                    f"Results of the policy {policy.id}: {words.counts(policy.counts)}. This is about the objective "
                    f"that the policy adds to {control}, not about the control."
                ),
                "props": oscal.props(("policy", policy.id), ("severity", policy.severity.value)),
                "origins": [oscal.origin(export)],
                "target": {
                    "type": "objective-id",
                    "target-id": _objective(policy, control),
                    "title": oscal.markup(policy.title),
                    "status": {"state": state, "reason": "fail" if state == "not-satisfied" else "pass"},
                },
                "related-observations": Stream(_references(noted)),
            }


def _references(noted: bytearray) -> Iterator[Json]:
    for start in range(0, len(noted), 16):
        yield {"observation-uuid": str(UUID(bytes=bytes(noted[start : start + 16])))}


def _objectives(export: Export) -> list[Json]:
    """Return, by control, the objective that each policy adds to it."""
    found: dict[str, list[Json]] = {}
    for policy in export.policies:
        for control in oscal.control_ids(policy):
            found.setdefault(control, []).append(
                {
                    "id": _objective(policy, control),
                    "name": "assessment-objective",
                    "title": oscal.markup(policy.title),
                    "props": [
                        *oscal.props(("policy", policy.id)),
                        *(oscal.prop("basis", basis) for basis in _bases(policy, control)),
                    ],
                    "prose": oscal.rationale(policy),
                }
            )
    return [
        {
            "control-id": control,
            "description": "Objectives of lockdown's policies that speak to a part of this control.",
            "parts": parts,
        }
        for control, parts in sorted(found.items())
    ]


def _bases(policy: Told, control: str) -> list[str]:
    """Return who says that the policy speaks to the control."""
    return list(dict.fromkeys(c.basis for c in policy.controls if oscal.control_id(c) == control))


def _objective(policy: Told, control: str) -> str:
    return f"{control}_obj.{policy.id}"
