"""Faults on purpose: how they are written, and what each does to a request."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from lockdown.errors import UsageError
from lockdown.sandbox.faults import Fault, Faults, parse
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient, error


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("GET * fail:503", Fault("GET", "*", "fail", status=503, code="InjectedFault")),
        ("put */x fail:409:Busy 2", Fault("PUT", "*/x", "fail", status=409, code="Busy", count=2)),
        ("* * delay:0.5", Fault("*", "*", "delay", seconds=0.5)),
        ("POST * throttle", Fault("POST", "*", "throttle", seconds=1.0)),
        ("POST * throttle:7 1", Fault("POST", "*", "throttle", seconds=7.0, count=1)),
        ("GET * truncate", Fault("GET", "*", "truncate")),
        ("GET * drop-before 3", Fault("GET", "*", "drop-before", count=3)),
        ("GET * drop-after", Fault("GET", "*", "drop-after")),
    ],
)
def test_how_a_fault_is_written(text: str, fault: Fault) -> None:
    assert parse(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GET *",
        "FETCH * truncate",
        "GET * explode",
        "GET * fail",
        "GET * fail:200",
        "GET * fail:1000",
        "GET * fail:500:a:b",
        "GET * fail:500:{}",
        "GET * delay",
        "GET * delay:-1",
        "GET * delay:1e9",
        "GET * delay:99999",
        "GET * throttle:soon",
        "GET * truncate:1",
        "GET * truncate 0",
        "GET * truncate -1",
        "GET * truncate one",
        "GET * truncate 1 2",
    ],
)
def test_a_fault_that_is_not_understood_says_how_to_write_it(text: str) -> None:
    with pytest.raises(UsageError, match=r"METHOD URL-GLOB ACTION \[COUNT\]") as caught:
        parse(text)
    assert "drop-before" in caught.value.next_step


@given(st.text())
def test_any_text_is_a_fault_or_a_usage_error(text: str) -> None:
    try:
        fault = parse(text)
    except UsageError:
        return
    assert fault.action in {"fail", "delay", "throttle", "truncate", "drop-before", "drop-after"}


def test_the_first_fault_that_matches_applies_as_often_as_it_says() -> None:
    once, always = parse("GET *vault* fail:500 1"), parse("* HTTPS://host/* fail:503")
    faults = Faults([once, always])
    taken = [faults.take("GET", "/Vault/a?x", "https://host/Vault/a?x") for _ in range(3)]
    assert taken == [once, always, always]
    assert Faults([once]).take("PUT", "/vault", "https://host/vault") is None


@pytest.fixture
def arm() -> Iterator[ArmClient]:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        client = ArmClient(sandbox)
        client.group("g")
        yield client
        client.close()


def made(arm: ArmClient) -> bool:
    return arm.sandbox.state.exists(f"{arm.base}/resourceGroups/new")


def make(arm: ArmClient) -> requests.Response:
    return arm.call("PUT", f"{arm.base}/resourceGroups/new", {"location": "westeurope"})


def test_fail_answers_in_the_place_of_the_server(arm: ArmClient) -> None:
    arm.sandbox.fault("PUT */resourceGroups/new* fail:409:Busy 1")
    assert error(make(arm)) == (409, "Busy")
    assert not made(arm)
    assert make(arm).status_code == 201


def test_a_token_can_fail_too(arm: ArmClient) -> None:
    arm.sandbox.fault("POST */oauth2/* fail:503 1")
    assert arm.token().status_code == 503
    assert arm.token().status_code == 200


def test_throttle_says_when_to_come_back(arm: ArmClient) -> None:
    arm.sandbox.fault("* * throttle:3 2")
    refused = make(arm)
    assert error(refused) == (429, "SubscriptionRequestsThrottled")
    assert refused.headers["Retry-After"] == "3"
    graph = "/providers/Microsoft.ResourceGraph/resources"
    refused = arm.call("POST", graph, {"query": "resources"}, version="2022-10-01")
    assert error(refused) == (429, "RateLimiting")
    assert refused.json()["error"]["details"][0]["code"] == "RateLimiting"
    assert (refused.headers["x-ms-user-quota-remaining"], refused.headers["x-ms-user-quota-resets-after"]) == (
        "0",
        "00:00:03",
    )


def test_delay_comes_before_the_answer(arm: ArmClient) -> None:
    arm.sandbox.fault("PUT * delay:0.3")
    started = time.monotonic()
    assert make(arm).status_code == 201
    assert time.monotonic() - started >= 0.3


def test_truncate_cuts_the_body_after_the_server_acted(arm: ArmClient) -> None:
    arm.sandbox.fault("PUT * truncate")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        make(arm)
    assert made(arm)


def test_drop_before_and_after_the_server_acted(arm: ArmClient) -> None:
    arm.sandbox.fault("PUT * drop-before 1")
    arm.sandbox.fault("PUT * drop-after 1")
    with pytest.raises(requests.exceptions.ConnectionError):
        make(arm)
    assert not made(arm)
    with pytest.raises(requests.exceptions.ConnectionError):
        make(arm)
    assert made(arm)
    assert make(arm).status_code == 200
