"""The one pipeline: what it repeats, what it waits for, what it logs, and where it never goes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters
from azure.mgmt.network.models import Subnet, SubnetPropertiesFormat

from lockdown.errors import ToolError
from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.arm import Arm, StoppedError, _Transport
from lockdown.provisioner.graph import Resource
from lockdown.provisioner.ledger import Entry, Ledger
from lockdown.provisioner.pace import READS, WRITES, Pace, quota_of
from lockdown.provisioner.wire import wire
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import (
    GROUPS,
    NETWORK,
    PLACE,
    REGISTRY,
    STORAGE,
    Transport,
    address,
    connect,
    group_id,
    registry,
    steps,
    tags,
    within,
)

RULES = {"location": PLACE, "tags": tags(), "properties": {}}


@pytest.fixture
def entries() -> list[Entry]:
    return []


@pytest.fixture
def logged(sandbox: Sandbox, entries: list[Entry]) -> Iterator[Arm]:
    with connect(sandbox, entries.append) as found:
        found.put(group_id(sandbox), GROUPS, {"location": PLACE, "tags": tags()})
        entries.clear()
        yield found


def rules(sandbox: Sandbox, name: str = "one") -> str:
    return within(sandbox, "Microsoft.Network/networkSecurityGroups", name)


def test_what_is_not_there_is_no_error(sandbox: Sandbox, logged: Arm) -> None:
    found = logged.get(rules(sandbox), NETWORK)
    assert (found.there, found.status, found.body, found.code) == (False, 404, {}, "ResourceNotFound")
    assert not logged.get(f"{group_id(sandbox, 'none')}/providers/Microsoft.Network/x/y", NETWORK).there


def test_a_subscription_that_is_not_there_is_one(logged: Arm) -> None:
    with pytest.raises(RefusedError) as caught:
        logged.get("/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/x", GROUPS)
    assert (caught.value.status, caught.value.code) == (404, "SubscriptionNotFound")


def test_a_namespace_that_is_not_registered_holds_nothing(sandbox: Sandbox, logged: Arm) -> None:
    sandbox.fault("GET *networkSecurityGroups* fail:409:MissingSubscriptionRegistration")
    assert not logged.get(rules(sandbox), NETWORK).there


def test_a_refusal_names_status_code_request_and_resource(sandbox: Sandbox) -> None:
    with connect(sandbox, principal="auditor") as reader, pytest.raises(RefusedError) as caught:
        reader.put(group_id(sandbox), GROUPS, {"location": PLACE})
    error = caught.value
    assert (error.status, error.code, error.id) == (403, "AuthorizationFailed", group_id(sandbox))
    assert re.fullmatch(r"[0-9a-f-]{36}", error.request_id)
    assert "does not have authorization" in error.message


def test_a_write_returns_the_document_at_the_end_of_its_operation(sandbox: Sandbox, logged: Arm) -> None:
    made = logged.put(rules(sandbox), NETWORK, RULES)
    assert made["properties"]["provisioningState"] == "Succeeded"
    account = steps(sandbox)[3]
    held = logged.put(
        within(sandbox, "Microsoft.Storage/storageAccounts", f"x{sandbox.subscription[:8]}"), STORAGE, account.body
    )
    assert held["properties"]["primaryEndpoints"]["blob"].startswith("https://")
    logged.delete(rules(sandbox), NETWORK)
    assert not logged.get(rules(sandbox), NETWORK).there
    logged.delete(rules(sandbox), NETWORK)


def test_an_operation_that_fails_is_a_refusal(sandbox: Sandbox, logged: Arm) -> None:
    sandbox.fault("PUT *networkSecurityGroups* fail-operation:QuotaExceeded")
    with pytest.raises(RefusedError) as caught:
        logged.put(rules(sandbox), NETWORK, RULES)
    assert caught.value.code == "QuotaExceeded"
    assert "failed at its end" in caught.value.message


@pytest.mark.parametrize(
    "fault", ["fail:500 2", "fail:503 2", "throttle:3 2", "drop-before 2", "drop-after 2", "truncate 1"]
)
def test_what_is_the_same_when_it_is_sent_again_is_sent_again(
    sandbox: Sandbox, logged: Arm, entries: list[Entry], fault: str
) -> None:
    sandbox.fault(f"PUT *networkSecurityGroups* {fault}")
    try:
        logged.put(rules(sandbox), NETWORK, RULES)
    except RefusedError as error:
        assert error.code == "AnotherOperationInProgress"  # noqa: PT017 - the first was heard, and its answer was lost
    assert logged.get(rules(sandbox), NETWORK).there
    assert len([entry for entry in entries if entry.method == "PUT"]) > 1


@pytest.mark.parametrize("fault", ["fail:500", "fail:503", "drop-before", "drop-after"])
def test_an_action_is_never_repeated_by_itself(sandbox: Sandbox, logged: Arm, entries: list[Entry], fault: str) -> None:
    held, *_ = registry(sandbox)
    assert isinstance(held, Resource)
    logged.put(held.id, REGISTRY, held.body)
    sandbox.fault(f"POST *importImage* {fault}")
    with pytest.raises(RefusedError) as caught:
        logged.post(f"{held.id}/importImage", REGISTRY, {})
    assert caught.value.status in (0, 500, 503)
    assert len([entry for entry in entries if entry.method == "POST"]) == 1


def test_an_action_that_was_not_begun_is_repeated(sandbox: Sandbox, logged: Arm, entries: list[Entry]) -> None:
    sandbox.fault("POST */register* throttle:2 2")
    logged.post(f"/subscriptions/{sandbox.subscription}/providers/Microsoft.Batch/register", GROUPS, {})
    assert [entry.status for entry in entries] == [429, 429, 200]


def test_a_collection_is_read_to_its_end_and_never_from_elsewhere(
    sandbox: Sandbox, logged: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        logged.put(rules(sandbox, name), NETWORK, RULES)
    listed = list(logged.items(f"{group_id(sandbox)}/resources", "2021-04-01"))
    assert {item["name"] for item in listed} == {"a", "b", "c"}

    real, pages = Arm._send, []

    def paged(self: Arm, method: str, path: str, *rest: Any) -> Any:
        pages.append(path)
        found = real(self, method, path, *rest)
        if len(pages) == 1:
            found.body["nextLink"] = f"{self.base}{group_id(sandbox)}/resources?api-version=2021-04-01"
        elif len(pages) == 2:
            found.body["nextLink"] = "https://example.org/steal?api-version=1"
        return found

    monkeypatch.setattr(Arm, "_send", paged)
    with pytest.raises(RefusedError, match=r"links to https://example\.org/steal$"):
        list(logged.items(f"{group_id(sandbox)}/resources", "2021-04-01"))


def test_the_log_has_every_try_and_nothing_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    body = {"location": PLACE, "tags": {"password": "hunter2hunter2"}}
    sandbox.fault("PUT * fail:500 1")
    with Ledger(path) as ledger, connect(sandbox, ledger) as arm:
        arm.put(group_id(sandbox), GROUPS, body)
        with pytest.raises(RefusedError):
            arm.put(group_id(sandbox), GROUPS, {})
    text = path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["method"], line["status"], line["code"]) for line in lines] == [
        ("PUT", 500, "InjectedFault"),
        ("PUT", 201, ""),
        ("PUT", 400, lines[2]["code"]),
    ]
    assert lines[2]["code"]
    for line in lines:
        assert set(line) == {field.name for field in fields(Entry)}
        assert line["path"] == group_id(sandbox)
        assert line["api_version"] == GROUPS
        assert line["request_id"]
        assert line["seconds"] >= 0
    assert lines[1]["body_sha256"] == sha256(json.dumps(body).encode()).hexdigest()
    assert "hunter2" not in text
    assert "Bearer" not in text
    assert "eyJ" not in text
    assert "?" not in text


def test_a_request_without_an_answer_is_logged(sandbox: Sandbox, logged: Arm, entries: list[Entry]) -> None:
    sandbox.fault("GET *networkSecurityGroups* drop-before")
    with pytest.raises(RefusedError) as caught:
        logged.get(rules(sandbox), NETWORK)
    assert (caught.value.status, caught.value.code) == (0, "NoAnswer")
    assert {(entry.status, bool(entry.code)) for entry in entries} == {(0, True)}


def test_all_requests_of_a_run_have_one_correlation_id(sandbox: Sandbox, logged: Arm) -> None:
    logged.put(rules(sandbox), NETWORK, RULES)
    assert {change.correlation_id for change in sandbox.state.changes()[-1:]} == {logged.correlation}


def test_a_credential_that_is_refused_is_told(sandbox: Sandbox) -> None:
    sandbox.fault("POST */oauth2/* fail:401:unauthorized_client")
    with connect(sandbox) as arm, pytest.raises(ToolError, match="refused the credential"):
        arm.get(group_id(sandbox), GROUPS)


def test_waiting_ends_when_the_run_is_stopped(sandbox: Sandbox) -> None:
    stop, raised = Event(), Event()
    with connect(sandbox) as arm:
        arm._sleep = None

        def wait() -> None:
            with arm.until(stop):
                try:
                    arm.wait(600)
                except StoppedError:
                    raised.set()

        thread = Thread(target=wait)
        thread.start()
        stop.set()
        thread.join(5)
    assert raised.is_set()


def test_simulated_waiting_ends_too(sandbox: Sandbox) -> None:
    stop = Event()
    stop.set()
    with connect(sandbox) as arm:
        arm.wait(1)
        with arm.until(stop), pytest.raises(StoppedError):
            arm.wait(1)
        arm.wait(1)


def test_its_own_transport_waits_as_told() -> None:
    waited: list[float] = []
    transport = _Transport(waited.append)
    transport.sleep(7)
    assert waited == [7]
    assert transport.session is not None
    transport.close()


class Time:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.present = 1000.0
        self.waited: list[float] = []

    def now(self) -> float:
        return self.present

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.present += seconds


def test_writes_go_out_as_fast_as_their_bucket_fills() -> None:
    time = Time()
    pace = Pace(time.now, time.wait)
    for _ in range(200):
        pace.take("s", WRITES)
    assert time.waited == []
    for _ in range(20):
        pace.take("s", WRITES)
    assert sum(time.waited) == pytest.approx(2.0)
    pace.take("s", READS)
    pace.take("other", WRITES)
    assert sum(time.waited) == pytest.approx(2.0)


def test_what_azure_says_is_left_counts() -> None:
    time = Time()
    pace = Pace(time.now, time.wait)
    pace.learn("s", WRITES, 200, "1", None)
    for _ in range(3):
        pace.take("s", WRITES)
    assert sum(time.waited) == pytest.approx(0.2)
    pace.learn("s", WRITES, 200, "not a number", None)


def test_after_a_refusal_nothing_goes_out_for_as_long_as_azure_says() -> None:
    time = Time()
    pace = Pace(time.now, time.wait)
    pace.learn("s", READS, 429, "", 17.0)
    pace.take("s", WRITES)
    assert time.waited == [17.0]
    pace.take("other", WRITES)
    assert time.waited == [17.0]


def test_each_method_draws_from_its_bucket() -> None:
    names = {method: quota_of(method).name for method in ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")}
    assert names == {
        **dict.fromkeys(("GET", "HEAD"), "reads"),
        **dict.fromkeys(("PUT", "PATCH", "POST"), "writes"),
        "DELETE": "deletes",
    }


def test_models_of_both_generations_become_what_goes_over_the_wire() -> None:

    new = Subnet(
        name="a", properties=SubnetPropertiesFormat(address_prefix="10.0.0.0/24", default_outbound_access=False)
    )
    assert wire(new) == {"name": "a", "properties": {"addressPrefix": "10.0.0.0/24", "defaultOutboundAccess": False}}
    old = RoleAssignmentCreateParameters(role_definition_id="/r", principal_id="p", principal_type="ServicePrincipal")
    assert wire(old) == {
        "properties": {"roleDefinitionId": "/r", "principalId": "p", "principalType": "ServicePrincipal"}
    }


def test_the_transport_of_these_tests_counts_writes(sandbox: Sandbox) -> None:
    transport = Transport(sandbox)
    with connect(sandbox, transport=transport) as arm:
        arm.put(group_id(sandbox), GROUPS, {"location": PLACE})
        arm.get(address(sandbox).id, NETWORK)
    assert transport.writes == 1
