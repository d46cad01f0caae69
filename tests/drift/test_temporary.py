"""Temporary access: announced, open, closed early, late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lockdown.drift import compare, temporary, to_json
from lockdown.drift.accepted import NOTHING, apply
from lockdown.model import TemporaryAccess
from tests.drift.handmade import GROUP, NIGHT_TWO, POLICY, STORE, change, result, row, side
from tests.drift.test_encode import VALIDATOR

JUMPBOX = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/jumpbox"
VM = "microsoft.compute/virtualmachines"
SHUT, OPEN = {"publicNetworkAccess": "Disabled"}, {"publicNetworkAccess": "Enabled"}
PATH = "properties.publicNetworkAccess"
Told = Callable[..., dict[str, Any]]


def access(resource: str = STORE, policy: str | None = POLICY, begins: str = "01T12", ends: str = "02T12") -> Any:
    begun, ended = (datetime.fromisoformat(f"2026-03-{text}:00:00+00:00") for text in (begins, ends))
    return TemporaryAccess(resource.lower(), policy, begun, ended, "Import of a run.", "platform@research.example")


def store(state: dict[str, str], verdict: str, **more: Any) -> dict[str, Any]:
    return {"rows": [row(properties=state)], "results": [result(verdict)], **more}


BEFORE, DURING = store(SHUT, "pass"), store(OPEN, "fail")


@pytest.fixture
def told(tmp_path: Path) -> Told:
    def compared(before: Any, after: Any, *announced: Any, changes: Any = (), at: str = NIGHT_TWO) -> dict[str, Any]:
        baseline, current = side(tmp_path / "one", **before), side(tmp_path / "two", **{"at": at, **after})
        document = apply(to_json(compare(baseline, current, changes)), NOTHING)
        found = temporary.apply(document, announced, baseline, current, datetime.fromisoformat(at))
        Draft202012Validator(VALIDATOR.schema).validate(found)
        return found

    return compared


def state(document: dict[str, Any]) -> str:
    (found,) = document["temporary"]
    return str(found["state"])


def test_what_is_open_as_announced_does_not_count(told: Told) -> None:
    found = told(BEFORE, DURING, access())
    assert (state(found), found["empty"]) == ("open", True)
    assert [item.get("path") or item["policy"] for item in found["temporary"][0]["items"]] == [POLICY, PATH]
    assert found["verdicts"] == found["properties"] == []
    assert found["counts"]["worse"] == found["counts"]["properties"] == 0
    assert found["temporary"][0]["severity"] == "informational"


def test_nothing_is_hidden_without_an_announcement(told: Told) -> None:
    found = told(BEFORE, DURING)
    assert (found["temporary"], found["empty"]) == ([], False)


def test_what_is_late_counts_with_the_severity_of_its_policy(told: Told) -> None:
    found = told(BEFORE, DURING, access(ends="02T01"))
    assert (state(found), found["temporary"][0]["severity"], found["empty"]) == ("late", "critical", False)
    assert found["temporary"][0]["items"] == []
    assert found["verdicts"]
    assert found["properties"]


def test_it_is_late_although_nothing_changed_since_the_baseline(told: Told) -> None:
    found = told(DURING, DURING, access(begins="01T00", ends="01T20"))
    assert (state(found), found["empty"]) == ("late", False)
    assert not any(found[section] for section in ("verdicts", "properties", "resources"))


def test_what_was_opened_before_it_was_announced_counts(told: Told) -> None:
    found = told(BEFORE, DURING, access(begins="02T10"))
    assert (state(found), found["empty"], bool(found["verdicts"])) == ("tooSoon", False, True)


def test_what_azure_dates_before_the_announcement_counts(told: Told) -> None:
    opened = change(paths={PATH: ("Disabled", "Enabled")}, at="2026-03-01T10:00:00Z")
    found = told(BEFORE, DURING, access(), changes=[opened])
    assert (state(found), found["empty"]) == ("open", False)
    assert found["properties"]


def test_early_closing_is_noted(told: Told) -> None:
    found = told(DURING, BEFORE, access(begins="01T00"))
    assert (state(found), found["empty"]) == ("closedEarly", True)


def test_opened_and_closed_between_two_nights_is_noted(told: Told) -> None:
    there_and_back = [
        change(paths={PATH: ("Disabled", "Enabled")}, at="2026-03-01T13:00:00Z"),
        change(paths={PATH: ("Enabled", "Disabled")}, at="2026-03-01T15:00:00Z"),
    ]
    found = told(BEFORE, BEFORE, access(), changes=there_and_back)
    assert (state(found), found["empty"], found["reverted"]) == ("closedEarly", True, [])


def test_closed_in_time_is_told(told: Told) -> None:
    closed = change(paths={PATH: ("Enabled", "Disabled")}, at="2026-03-01T14:00:00Z")
    found = told(DURING, BEFORE, access(begins="01T00", ends="01T15"), changes=[closed])
    assert (state(found), found["empty"]) == ("closed", True)


def test_closed_after_its_end_counts(told: Told) -> None:
    closed = change(paths={PATH: ("Enabled", "Disabled")}, at="2026-03-01T14:00:00Z")
    found = told(DURING, BEFORE, access(begins="01T00", ends="01T13"), changes=[closed])
    assert (state(found), found["empty"]) == ("closed", False)


def test_what_is_not_open_yet_is_told(told: Told) -> None:
    found = told(BEFORE, BEFORE, access())
    assert (state(found), found["empty"]) == ("notOpen", True)


def test_a_jumpbox_is_open_while_it_exists(told: Told) -> None:
    with_it = {"rows": [row(properties=SHUT), row(JUMPBOX, VM)], "results": [result("pass")]}
    policies = {"policies": {POLICY: "resources"}}
    found = told({**BEFORE, **policies}, {**with_it, **policies}, access(JUMPBOX, None))
    assert (state(found), found["empty"], found["resources"]) == ("open", True, [])
    assert [item["kind"] for item in found["temporary"][0]["items"]] == ["added"]


def test_a_late_jumpbox_has_a_high_severity(told: Told) -> None:
    with_it = {"rows": [row(JUMPBOX, VM)]}
    found = told(with_it, with_it, access(JUMPBOX, None, "01T00", "02T01"))
    assert (state(found), found["temporary"][0]["severity"]) == ("late", "high")


def test_a_failure_of_the_jumpbox_is_not_explained_by_its_being_there(told: Told) -> None:
    with_it = {"rows": [row(properties=SHUT), row(JUMPBOX, VM)], "results": [result("pass"), result("fail", JUMPBOX)]}
    found = told(BEFORE, with_it, access(JUMPBOX, None))
    assert (state(found), found["empty"]) == ("open", False)
    assert [item["resource"] for item in found["verdicts"]] == [JUMPBOX]


def test_other_properties_of_the_same_resource_count(told: Told) -> None:
    during = store({**OPEN, "minimumTlsVersion": "TLS1_0"}, "fail")
    before = store({**SHUT, "minimumTlsVersion": "TLS1_2"}, "pass")
    found = told(before, during, access())
    assert [item["path"] for item in found["properties"]] == ["properties.minimumTlsVersion"]
    assert (state(found), found["empty"]) == ("open", False)


@pytest.mark.parametrize(
    ("after", "announced"),
    [
        (store(SHUT, "unknown"), access()),
        ({"rows": [], "unreadable": [{"what": "table", "name": "resources", "reason": "No."}]}, access(JUMPBOX, None)),
        (BEFORE, access(policy="another")),
        (BEFORE, access(STORE.replace("00a/", "00c/"))),
    ],
)
def test_it_is_never_guessed_that_something_is_closed(told: Told, after: Any, announced: Any) -> None:
    found = told(BEFORE, after, announced)
    assert (state(found), found["complete"]) == ("unknown", False)
    assert found["temporary"][0]["items"] == []
