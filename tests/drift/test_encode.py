"""Drift as JSON: its schema, its order, its ids."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from lockdown import data
from lockdown.drift import to_json
from lockdown.strict import canonical, loads
from tests.drift.handmade import GROUP, POLICIES, POLICY, QUERY, SUBSCRIPTION, change, result, row

if TYPE_CHECKING:
    from tests.drift.conftest import Nights

VALIDATOR = Draft202012Validator(json.loads((data.tree("reports") / "schemas/drift-v1.json").read_bytes()))
WAIVER = {"reason": "import", "owner": "platform@research.example", "expires": "2026-03-31"}
NEW = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/new"
OLD = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/old"


def everything(nights: Nights) -> dict[str, Any]:
    before = {
        "rows": [row(properties={"a": 1, "b": "x"}), row(OLD)],
        "results": [result("pass"), result("fail", OLD, waiver=WAIVER), result("fail", part="w", waiver=WAIVER)],
    }
    after = {
        "rows": [row(properties={"a": 0.5, "b": "x"}), row(NEW)],
        "results": [result("fail", waiver=WAIVER), result("fail", NEW), result("fail", part="w")],
        "policies": {**POLICIES, "another": QUERY},
        "unreadable": [{"what": "table", "name": "networkresources", "reason": "Refused."}],
    }
    records = [
        {},
        change(paths={"properties.a": ("1", "0.5")}),
        change(paths={"properties.b": ("x", "Why")}, at="2026-03-01T10:00:00Z"),
        change(paths={"properties.b": ("Why", "x")}, at="2026-03-01T11:00:00Z"),
    ]
    return to_json(nights(before, after, records))


def test_it_is_what_the_schema_says(nights: Nights) -> None:
    document = everything(nights)
    VALIDATOR.check_schema(VALIDATOR.schema)
    VALIDATOR.validate(document)
    for section in (
        "verdicts",
        "resources",
        "properties",
        "waivers",
        "policies",
        "reverted",
        "notCompared",
        "warnings",
    ):
        assert document[section], section
    assert document["empty"] is False
    assert document["complete"] is False


def test_it_survives_the_strict_loader_and_holds_no_fractions(nights: Nights) -> None:
    document = everything(nights)
    assert loads(canonical(document), name="drift.json") == document
    (changed,) = document["properties"]
    assert (changed["before"], changed["after"]) == (1, "0.5")


def test_counts_are_those_of_the_lists(nights: Nights) -> None:
    document = everything(nights)
    counts = document["counts"]
    assert sum(counts[way] for way in ("worse", "better", "changed", "appeared", "vanished")) == len(
        document["verdicts"]
    )
    assert counts["added"] + counts["removed"] == len(document["resources"])
    for section in ("properties", "waivers", "policies", "reverted"):
        assert counts[section] == len(document[section])


def test_ids_are_unique(nights: Nights) -> None:
    document = everything(nights)
    items = [item for value in document.values() if isinstance(value, list) for item in value if isinstance(item, dict)]
    ids = [item["id"] for item in items if "id" in item]
    assert len(set(ids)) == len(ids) > 5


def test_no_drift_is_a_document_too(nights: Nights) -> None:
    night = {"rows": [row()], "results": [result("pass")]}
    document: dict[str, Any] = to_json(nights(night, night))
    VALIDATOR.validate(document)
    assert document["empty"] is True
    assert document["baseline"]["policySet"] == document["current"]["policySet"]
    assert SUBSCRIPTION not in json.dumps(document)
    assert POLICY in document["baseline"]["policySet"]
