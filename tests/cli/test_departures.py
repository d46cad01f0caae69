"""drift --environment: what is not as the environment file says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from lockdown.data import tree
from lockdown.drift import blueprint, compare, to_json
from lockdown.drift.accepted import NOTHING, apply
from lockdown.drift.blueprint import Departure
from lockdown.report import drift_text
from lockdown.sandbox.server import Sandbox
from tests.drift.handmade import NIGHT_TWO, POLICY, STORE, result, row, side
from tests.drift.test_encode import VALIDATOR

if TYPE_CHECKING:
    from tests.conftest import Lockdown

FILE = Path(str(tree("provision"))) / "environments/coa-private.yaml"


@pytest.fixture(scope="module")
def empty() -> Iterator[Sandbox]:
    with Sandbox("empty") as azure:
        yield azure


def test_what_is_not_there_is_told_and_does_not_pass(empty: Sandbox, lockdown: Lockdown, tmp_path: Path) -> None:
    env, scope = empty.environment("auditor"), ("--subscription", empty.subscription)
    lockdown("audit", *scope, "--quiet", "--out", tmp_path / "approved", env=env)
    given = ("drift", *scope, "--baseline", tmp_path / "approved", "--environment", FILE)
    ran = lockdown(*given, "--out", tmp_path / "run", env=env)
    document = json.loads((tmp_path / "run/results/drift.json").read_bytes())
    VALIDATOR.validate(document)
    assert {item["kind"] for item in document["blueprint"]} >= {"create"}
    assert document["counts"]["blueprint"] == len(document["blueprint"]) > 10
    assert not document["empty"]
    assert ran.code in {5, 8}, ran.err
    assert "Not as the environment file says" in ran.err
    both = lockdown(*given, "--subscription", "00000000-0000-0000-0000-0000000000ff", env=env)
    assert both.code == 2
    assert "about one subscription" in both.err
    assert lockdown(*given[:-1], tmp_path / "none.yaml", env=env).code == 2
    snapshot = lockdown(*given, "--snapshot", tmp_path / "approved", env=env)
    assert snapshot.code == 2
    assert "--environment asks Azure" in snapshot.err


def test_a_departure_has_the_severity_of_what_it_feeds_and_shows_no_secret(tmp_path: Path) -> None:
    baseline = side(tmp_path / "one", rows=[row()], results=[result("fail")])
    current = side(tmp_path / "two", rows=[row()], results=[result("fail")], at=NIGHT_TWO)
    departures = [
        Departure(
            "store",
            "storage",
            STORE.upper(),
            "update",
            "",
            {
                "properties.publicNetworkAccess": ("Enabled", "Disabled"),
                "properties.password": ("hunter2 is secret!", None),
                "properties.flag": (True, False),
                "properties.rules": ([{"a": 1}], []),
            },
        ),
        Departure(
            "other", "storage", f"{STORE}2", "create", "\u202ehostile", {"properties.publicNetworkAccess": (1, 2)}
        ),
    ]
    document = blueprint.apply(apply(to_json(compare(baseline, current, ())), NOTHING), departures, current)
    Draft202012Validator(VALIDATOR.schema).validate(document)
    first, second = document["blueprint"]
    assert (first["severity"], second["severity"]) == ("critical", "informational")
    shown: dict[str, Any] = {each["path"]: (each["before"], each["after"]) for each in first["differences"]}
    assert shown == {
        "properties.flag": (True, False),
        "properties.password": (blueprint.HIDDEN, None),
        "properties.publicNetworkAccess": ("Enabled", "Disabled"),
        "properties.rules": (blueprint.HIDDEN, blueprint.HIDDEN),
    }
    assert document["empty"] is False
    lines = drift_text.render(document)
    assert all(line.isprintable() for line in lines)
    assert any("2 steps not as in the environment file" in line for line in lines)
    assert POLICY in current.policies


def test_an_environment_that_is_as_its_file_says_has_none(tmp_path: Path) -> None:
    baseline = side(tmp_path / "one", rows=[row()], results=[result("pass")])
    current = side(tmp_path / "two", rows=[row()], results=[result("pass")], at=NIGHT_TWO)
    document = blueprint.apply(apply(to_json(compare(baseline, current, ())), NOTHING), [], current)
    assert (document["blueprint"], document["empty"]) == ([], True)
