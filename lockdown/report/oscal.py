"""What the OSCAL documents have in common: the assessed system, the tool, resources, observations, identifiers.

The identifier of an observation follows from the run and the key of its result, so that assessment results, a plan of
action and a second export of the same run speak of the same thing by the same name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lockdown.model import Control
from lockdown.report import words
from lockdown.report.export import NAMESPACE, Export, Row, Told, binary, lasting, line, moment, paragraph

VERSION = "1.2.1"
NIST = "nist-800-53-r5"
# What Markdown or OSCAL acts on; an underscore only at the edge of a word.
_MARKUP = re.compile(r"[\\`*\[\]<>~^{}!#|]|(?<![^\W_])_|_(?![^\W_])")
_TYPES = {
    "fail": "discovery",
    "waived": "discovery",
    "pass": "control-objective",
    "notApplicable": "control-objective",
}
_CONTROL = re.compile(r"([A-Z]{2}-[0-9]+)(?:\(([0-9]+)\))?")

Json = dict[str, Any]


def control_ids(policy: Told) -> tuple[str, ...]:
    """Return the NIST SP 800-53 Rev. 5 controls of a policy as OSCAL's catalog names them, such as ``sc-7.5``."""
    return tuple(dict.fromkeys(filter(None, map(control_id, policy.controls))))


def control_id(control: Control) -> str:
    """Return the id of a control in OSCAL's catalog of SP 800-53 Rev. 5; nothing if it is none of that."""
    match = _CONTROL.fullmatch(control.id) if control.framework == NIST else None
    return ".".join(filter(None, match.groups())).lower() if match else ""


def prop(name: str, value: str) -> Json:
    """Return a property in lockdown's own namespace."""
    return {"name": name, "ns": NAMESPACE, "value": line(value)}


def props(*pairs: tuple[str, str]) -> list[Json]:
    """Return properties, leaving out those without a value: OSCAL has no empty ones."""
    return [prop(name, value) for name, value in pairs if line(value)]


def value(text: str) -> str:
    """Return untrusted text as a plain string; it cannot be empty."""
    return line(text) or "(no text)"


def markup(text: str) -> str:
    """Return untrusted text for a title or description, which OSCAL reads as Markdown: all of it is text."""
    return _MARKUP.sub(r"\\\g<0>", value(text))


def metadata(export: Export, what: str) -> Json:
    """Return the metadata of a document."""
    names = words.listing([name or identifier for identifier, name in export.subscriptions.items()])
    told: Json = {"remarks": markup(" ".join(export.cautions))} if export.cautions else {}
    return {
        "title": markup(f"{what} of the Azure environment {names}" if names else what),
        "last-modified": moment(export.finished),
        "version": value(export.run_id),
        "oscal-version": VERSION,
        "props": props(
            ("run-id", export.run_id),
            ("outcome", export.outcome),
            ("source", export.source),
            ("complete", "yes" if export.complete else "no"),
            ("policy-set", export.policy_set),
            *((f"count-{status}", str(number)) for status, number in export.counts.items()),
        ),
        **told,
    }


def system(export: Export) -> str:
    """Return the identifier of the assessed system: its subscriptions, the same in every run."""
    return lasting("system", *sorted(export.subscriptions))


def components(export: Export) -> list[Json]:
    """Return the assessed system and, as parts of it, its subscriptions."""
    state = {"state": "operational"}
    scope = words.number(len(export.subscriptions), "Azure subscription")
    found: list[Json] = [
        {
            "uuid": system(export),
            "type": "this-system",
            "title": "The assessed environment",
            "description": f"{scope}, as far as lockdown was asked to look and could.",
            "status": state,
        }
    ]
    found.extend(
        {
            "uuid": _subscription(identifier),
            "type": "service",
            "title": markup(name or identifier),
            "description": markup(f"Azure subscription {identifier}."),
            "props": props(("subscription-id", identifier), ("tenant-id", export.tenant), ("cloud", export.cloud)),
            "status": state,
        }
        for identifier, name in export.subscriptions.items()
    )
    return found


def assets(export: Export) -> Json:
    """Return the tool that assessed."""
    return {
        "components": [
            {
                "uuid": _tool(export),
                "type": "software",
                "title": markup(export.tool),
                "description": "Judges the configuration of Azure resources by policies, without changing anything.",
                "props": [{"name": "version", "value": value(export.version)}],
                "status": {"state": "operational"},
            }
        ],
        "assessment-platforms": [
            {"uuid": lasting("platform", export.version), "uses-components": [{"component-uuid": _tool(export)}]}
        ],
    }


def origin(export: Export) -> Json:
    """Return who observed: the tool."""
    return {"actors": [{"type": "tool", "actor-uuid": _tool(export)}]}


def inventory(export: Export, statuses: Sequence[str]) -> Iterator[Json]:
    """Yield each resource with a result of ``statuses``, once.

    Sixteen bytes a resource are held, to tell which were given already.
    """
    given: set[bytes] = set()
    for row in export.rows():
        if not row.resource or row.status not in statuses:
            continue
        identifier = _resource(row.resource)
        if binary(identifier) in given:
            continue
        given.add(binary(identifier))
        where = export.place(row)
        known = where.subscription.lower() in export.subscriptions
        yield {
            "uuid": identifier,
            "description": markup(row.resource),
            "props": [
                {"name": "asset-id", "value": value(row.resource)},
                *props(("resource-type", where.type), ("resource-group", where.group)),
            ],
            "implemented-components": [
                {"component-uuid": _subscription(where.subscription.lower()) if known else system(export)}
            ],
        }


def observation_id(export: Export, row: Row) -> str:
    """Return the identifier of the observation of a result."""
    return export.uuid("observation", *row.key)


def observation(export: Export, row: Row) -> Json:
    """Return what was observed of one resource, whatever came of it."""
    return {
        "uuid": observation_id(export, row),
        "title": markup(row.policy.title),
        "description": markup(row.reason),
        "props": row_props(row),
        "methods": ["EXAMINE"],  # settings are read; nothing is exercised
        "types": [_TYPES.get(row.status, "not-assessed")],
        "origins": [origin(export)],
        "subjects": [subject(export, row)],
        "collected": moment(export.evaluated),
    }


def row_props(row: Row) -> list[Json]:
    """Return what a result is, as properties."""
    return props(
        ("policy", row.policy.id),
        ("status", row.status),
        ("severity", row.severity.value),
        ("part", row.part),
        ("expected", row.expected),
        ("observed", row.observed),
        ("fingerprint", row.fingerprint),
    )


def subject(export: Export, row: Row) -> Json:
    """Return what a result is about: a resource, or the whole system where none was seen."""
    if not row.resource:
        return {"subject-uuid": system(export), "type": "component"}
    return {"subject-uuid": _resource(row.resource), "type": "inventory-item", "title": markup(row.resource)}


def back_matter(export: Export, plan: str) -> Json:
    """Return what the document refers to: the record that it was rendered from and, if ``plan`` names one, the plan."""
    record: Json = {
        "uuid": export.uuid("record"),
        "title": "The record of the run",
        "description": "results/results.json of the run: the signed record that this document is a rendering of.",
        "rlinks": [
            {
                "href": "results.json",
                "media-type": "application/json",
                "hashes": [{"algorithm": "SHA-256", "value": export.digest}],
            }
        ],
    }
    if not plan:
        return {"resources": [record]}
    described: Json = {
        "uuid": plan,
        "title": "What was assessed, and how",
        "description": (
            "There is no OSCAL assessment plan. The plan is the policy set of the run, in its folder policies/: what "
            "must hold, for which types of resources, and the query that judges them. Every resource of these types "
            "that could be read was judged; nothing was sampled."
        ),
        "props": props(("policy-set", export.policy_set)),
    }
    return {"resources": [described, record]}


def rationale(policy: Told) -> str:
    """Return why a policy matters; it cannot be empty."""
    return markup(paragraph(policy.rationale) or policy.title)


def _tool(export: Export) -> str:
    return lasting("tool", export.version)


def _subscription(identifier: str) -> str:
    return lasting("subscription", identifier)


def _resource(identifier: str) -> str:
    return lasting("resource", identifier.lower())
