import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lockdown import data, record
from lockdown.policy.frameworks import as_recorded
from lockdown.policy.load import load
from lockdown.record import Record

SCHEMA = json.loads((data.tree("reports") / "schemas" / "results-v1.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

Json = dict[str, Any]


def document(made: Record) -> Json:
    loaded: Json = json.loads(made.path.read_bytes())
    return loaded


def test_the_schema_is_a_schema_and_names_the_version_that_records_carry() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == record.SCHEMA


def test_records_are_valid(stock: Record) -> None:
    VALIDATOR.validate(document(stock))


def test_a_record_without_frameworks_is_valid_and_the_shipped_frameworks_are(stock: Record) -> None:
    made = document(stock)
    del made["run"]["frameworks"]
    VALIDATOR.validate(made)
    made["run"]["frameworks"] = as_recorded(load(translate=False).frameworks)
    VALIDATOR.validate(made)


def test_every_object_is_closed() -> None:
    def walk(node: object) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object" and "properties" in node:
                assert node["additionalProperties"] is False
                assert set(node.get("required", ())) <= set(node["properties"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(SCHEMA)


def waive_a_pass(made: Json) -> None:
    passing = next(r for r in made["results"] if r["verdict"] == "pass")
    passing["waiver"] = {"reason": "because", "owner": "somebody", "expires": "2026-01-31"}


BREAKS: dict[str, Callable[[Json], object]] = {
    "another version": lambda made: made.update(schema="urn:coa-lockdown:results:v2"),
    "no run": lambda made: made.pop("run"),
    "an unknown member of a result": lambda made: made["results"][0].update(note="x"),
    "an unknown member of the run": lambda made: made["run"].update(note="x"),
    "a verdict of a policy on a result": lambda made: made["results"][0].update(verdict="notObserved"),
    "a verdict that does not exist": lambda made: made["results"][0].update(verdict="skipped"),
    "a severity that does not exist": lambda made: made["results"][0].update(severity="informational"),
    "a result without resource": lambda made: made["results"][0].update(resource=""),
    "a waived pass": waive_a_pass,
    "a waiver without owner": lambda made: made["results"][7]["waiver"].pop("owner"),
    "a negative count": lambda made: made["run"]["counts"].update({"pass": -1}),
    "a count missing": lambda made: made["policies"][0]["counts"].pop("waived"),
    "local time": lambda made: made["run"].update(startedAt="2026-01-02T03:04:05+01:00"),
    "a basis that nobody stands for": lambda made: made["policies"][0]["controls"][0].update(basis="unknown"),
    "a control of a framework without title": lambda made: made["run"]["frameworks"][1]["controls"][0].pop("title"),
    "a baseline that titles controls": lambda made: made["run"]["frameworks"][0]["controls"][0].update(title="x"),
    "a framework that does not say whether it is whole": lambda made: made["run"]["frameworks"][0].pop("whole"),
    "an optional control": lambda made: made["run"]["frameworks"][1]["controls"][0].update(implementation="optional"),
    "an outcome that does not exist": lambda made: made["run"].update(outcome="ok"),
    "a short digest": lambda made: made["run"]["policySet"].update(digest="abc"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_anything_else_is_refused(stock: Record, name: str) -> None:
    made = document(stock)
    BREAKS[name](made)
    assert not VALIDATOR.is_valid(made)
