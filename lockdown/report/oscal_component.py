"""OSCAL component definition: the types of resources of an environment, and the controls that their settings speak to.

For whoever writes the system security plan of an environment that is closed, such as one that lockdown built. A type
implements a part of a control only if every policy that speaks to the control and judges the type passes on all of its
resources, in a run that read everything. Where one does not, or could not judge, nothing is claimed of that control,
and the type says which policies stand in the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lockdown.errors import TamperedError
from lockdown.model import Verdict
from lockdown.report import oscal, streamed, words
from lockdown.report.export import STATUSES, Export, Told, lasting
from lockdown.report.oscal import Json
from lockdown.report.streamed import Stream

CATALOG = "https://raw.githubusercontent.com/usnistgov/oscal-content/main/nist.gov/SP800-53/rev5/json/NIST_SP-800-53_rev5_catalog.json"
_COUNTED = tuple(status for status in STATUSES if status != Verdict.NOT_OBSERVED)
_FINE = frozenset({Verdict.PASS.value, Verdict.NOT_APPLICABLE.value})
_PREFIX = "count-"
_NONE: Counter[str] = Counter()


@dataclass
class _Seen:
    """What was judged of one type: results by policy and status. ``name`` is the type as Azure first wrote it."""

    name: str
    results: dict[str, Counter[str]] = field(default_factory=dict)


def absent(export: Export) -> str:
    """Return why there can be no such document; nothing if there can."""
    if not any(export.counts[status] for status in _COUNTED):
        return "no resource was judged, and a component definition without a component says nothing"
    return ""


def render(export: Export) -> Iterator[str]:
    """Yield the text of the document."""
    seen = _seen(export)
    document = {
        "uuid": export.uuid("component-definition"),
        "metadata": oscal.metadata(export, "Components"),
        "components": Stream(_component(export, kind, seen[kind]) for kind in sorted(seen)),
        "back-matter": _back_matter(export),
    }
    yield from streamed.render({"component-definition": document})


def counts(path: Path) -> dict[str, int]:
    """Return the number of results by status in a document that ``render`` made; it holds no policies that saw nothing.

    Raises:
        TamperedError: it is not such a document.
    """
    found = dict.fromkeys(_COUNTED, 0)

    def take(key: str, item: Mapping[str, object]) -> None:
        if key != "components":
            return
        given = {str(p.get("name")): p.get("value") for p in _props(item)}
        for status in _COUNTED:
            value = given.get(f"{_PREFIX}{status}", "0")
            if not isinstance(value, str) or not value.isdecimal():
                raise TamperedError(f"{path.name} has a component whose {_PREFIX}{status} is not a number.")
            found[status] += int(value)

    streamed.read(path, take)
    return found


def _props(item: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    given = item.get("props")
    return (prop for prop in given if isinstance(prop, dict)) if isinstance(given, list) else iter(())


def _seen(export: Export) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    for row in export.rows():
        if row.status in _COUNTED:
            kind = export.place(row).type or "another resource"
            seen = found.setdefault(kind.lower(), _Seen(kind))
            seen.results.setdefault(row.policy.id, Counter())[row.status] += 1
    return found


def _component(export: Export, kind: str, seen: _Seen) -> Json:
    total: Counter[str] = Counter()
    for counted in seen.results.values():
        total.update(counted)
    policies = [policy for policy in export.policies if policy.id in seen.results or policy.error]
    holding, open_ = _controls(policies, seen)
    component: Json = {
        "uuid": lasting("component", *sorted(export.subscriptions), kind),
        "type": "service",
        "title": oscal.markup(seen.name),
        "description": f"The resources of this type in the assessed environment. Results: {_told(total)}.",
        "props": oscal.props(
            ("resource-type", kind), *((f"{_PREFIX}{status}", str(total[status])) for status in _COUNTED)
        ),
    }
    if not export.complete:
        component["remarks"] = "No control is claimed: not everything in scope could be read or judged."
    elif open_:
        standing = "; ".join(f"{control} ({', '.join(names)})" for control, names in sorted(open_.items()))
        component["remarks"] = oscal.markup(f"Nothing is claimed of controls whose policies do not hold: {standing}")
    if holding and export.complete:
        component["control-implementations"] = [
            {
                "uuid": export.uuid("control-implementation", kind),
                "source": f"#{lasting('catalog')}",
                "description": (
                    "Settings that lockdown's policies found on every resource of this type. Each speaks to a part of "
                    "the control; whether the control is satisfied is for an assessor to say."
                ),
                "implemented-requirements": [
                    _requirement(export, kind, control, told) for control, told in sorted(holding.items())
                ],
            }
        ]
    return component


def _controls(policies: list[Told], seen: _Seen) -> tuple[dict[str, list[Told]], dict[str, list[str]]]:
    """Return by control the policies that hold on all resources, and those that stand in the way of a claim."""
    holding: dict[str, list[Told]] = {}
    open_: dict[str, list[str]] = {}
    for policy in policies:
        counted = seen.results.get(policy.id, _NONE)
        for control in oscal.control_ids(policy):
            if policy.error or counted.keys() - _FINE:
                open_.setdefault(control, []).append(policy.id)
            elif counted[Verdict.PASS]:
                holding.setdefault(control, []).append(policy)
    return {control: told for control, told in holding.items() if control not in open_}, open_


def _requirement(export: Export, kind: str, control: str, policies: list[Told]) -> Json:
    titles = "; ".join(policy.title for policy in policies)
    return {
        "uuid": export.uuid("implemented-requirement", kind, control),
        "control-id": control,
        "description": oscal.markup(f"In part, by these settings: {titles}."),
        "props": oscal.props(*(("policy", policy.id) for policy in policies)),
    }


def _told(counted: Mapping[str, int]) -> str:
    return words.counts({status: counted.get(status, 0) for status in _COUNTED})


def _back_matter(export: Export) -> Json:
    catalog: Json = {
        "uuid": lasting("catalog"),
        "title": "NIST SP 800-53 Rev. 5",
        "description": "The catalog of the controls, as NIST publishes it in OSCAL.",
        "rlinks": [{"href": CATALOG, "media-type": "application/json"}],
    }
    return {"resources": [catalog, *oscal.back_matter(export, plan="")["resources"]]}
