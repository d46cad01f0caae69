"""What Azure Resource Manager may answer, and what becomes of it: never a crash, never a guess."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lockdown.cloud import arm, arm_rows
from lockdown.cloud.arm_plan import Parent, Read
from lockdown.cloud.arm_rows import Outcome
from lockdown.cloud.client import Client, NoAnswerError
from lockdown.errors import ToolError
from lockdown.model import ArmRead

BASE = "https://127.0.0.1:4443"
SERVER = "/subscriptions/S/resourceGroups/RG/providers/Microsoft.X/servers/One"
TARGET = f"{SERVER}/rules?api-version=2024-01-01"
RULES = ArmRead("microsoft.x/servers/rules", ("microsoft.x/servers",), "{parent}/rules", "2024-01-01")
ONE = ArmRead("microsoft.x/servers/rule", ("microsoft.x/servers",), "{parent}/rule", "2024-01-01", listed=False)
EVENTS = ArmRead(
    "microsoft.x/events",
    ("microsoft.x/servers",),
    "{parent}/events",
    "2015-04-01",
    whole=True,
    key="eventId",
    query={"$select": "caller,eventId"},
)
VERSIONS = ArmRead(
    "microsoft.x/versions", ("microsoft.x/servers",), "{parent}/v", "2024-01-01", listed=False, whole=True
)
RULE = {"id": f"{SERVER}/rules/a", "name": "a", "type": "Microsoft.X/servers/rules", "properties": {"open": True}}


class Azure:
    """Answers as it is told, in order; the last answer again and again."""

    base = BASE

    def __init__(self, *answers: tuple[int, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.logged: list[tuple[int, int]] = []

    def send(self, request: Any) -> tuple[Any, bytes]:
        assert request.method == "GET"
        self.asked.append(str(request.url))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return SimpleNamespace(status_code=status), body if isinstance(body, bytes) else json.dumps(body).encode()

    def log(self, response: Any, content: bytes, version: str, rows: int) -> None:  # noqa: ARG002
        self.logged.append((response.status_code, rows))

    def log_silence(self, request: Any, version: str) -> None:  # noqa: ARG002
        self.logged.append((0, 0))


def outcomes(azure: Azure, *reads: Read) -> list[Outcome]:
    return [outcome for _, outcome in arm.read(cast("Client", azure), reads)]


def outcome(azure: Azure, spec: ArmRead = RULES, target: str = TARGET) -> Outcome:
    (found,) = outcomes(azure, Read(spec, target, (Parent(SERVER),)))
    return found


def rows(azure: Azure, spec: ArmRead = RULES) -> list[dict[str, Any]]:
    return arm_rows.rows(spec, Parent(SERVER), outcome(azure, spec))


def test_items_carry_whose_they_are() -> None:
    (row,) = rows(Azure((200, {"value": [RULE | {"managedBy": "x", "etag": "y", "sku": {"name": "s"}}]})))
    assert row == {
        "id": f"{SERVER}/rules/a",
        "name": "a",
        "type": "microsoft.x/servers/rules",
        "subscriptionId": "s",
        "resourceGroup": "rg",
        "managedBy": SERVER.lower(),
        "apiVersion": "2024-01-01",
        "properties": {"open": True},
        "sku": {"name": "s"},
    }


def test_one_row_tells_what_came_of_reading() -> None:
    found = outcome(Azure((200, {"value": [RULE]})))
    row = arm_rows.read_row(RULES, Parent(SERVER), TARGET, found)
    assert (row["type"], row["name"], row["managedBy"]) == ("lockdown/reads", RULES.type, SERVER.lower())
    assert row["id"] == f"{SERVER}/providers/lockdown/reads/{RULES.type}"
    assert row["properties"] == {
        "status": 200, "count": 1, "apiVersion": "2024-01-01", "code": "", "message": "", "path": TARGET,
    }  # fmt: skip


def test_an_empty_list_was_read() -> None:
    found = outcome(Azure((200, {"value": []})))
    assert (found.status, found.items) == (200, {})


def test_a_bare_array_is_a_list_too() -> None:
    assert len(rows(Azure((200, [RULE])))) == 1


def test_pages_are_followed_on_the_same_host_and_an_item_on_two_of_them_is_one() -> None:
    link = f"HTTPS://127.0.0.1:4443{SERVER}/rules?api-version=2024-01-01&$skiptoken=x"
    other = RULE | {"id": f"{SERVER}/rules/B", "name": "B"}
    azure = Azure((200, {"value": [other, RULE], "nextLink": link}), (200, {"value": [RULE]}))
    assert [row["name"] for row in rows(azure)] == ["a", "B"]
    assert azure.asked == [BASE + TARGET, f"{BASE}{TARGET}&$skiptoken=x"]
    assert azure.logged == [(200, 2), (200, 1)]


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/x",
        "https://127.0.0.1:4443@elsewhere.example/x",
        "https://user@127.0.0.1:4443/x",
        "https://127.0.0.1:4443.elsewhere.example/x",
        "https://127.0.0.1:4444/x",
        "https://127.0.0.1/x",
        "http://127.0.0.1:4443/x",
        "//127.0.0.1:4443/x",
        "/x",
        "https://[bad/x",
        "https://127.0.0.1:99999/x",
        "https://127.0.0.1:4443\\@elsewhere.example/x",
        "javascript:1",
        BASE + TARGET,
    ],
)
def test_a_link_that_leads_elsewhere_or_in_circles_is_not_followed(link: str) -> None:
    azure = Azure((200, {"value": [RULE], "nextLink": link}))
    found = outcome(azure)
    assert (found.status, found.code, found.items) == (0, "LinkElsewhere", None)
    assert azure.asked == [BASE + TARGET]


def test_the_port_of_a_link_may_be_written_out() -> None:
    assert arm.here("https://management.azure.com", "https://management.azure.com:443/a?b") == "/a?b"
    assert arm.here("https://management.azure.com", "https://Management.Azure.com/a?b") == "/a?b"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b'{"value": null}',
        b'{"value": {}}',
        b'{"value": [1]}',
        b'{"value": [{}]}',
        b'{"value": [{"id": ""}]}',
        b'{"value": [{"id": "/"}]}',
        b'{"value": [{"id": 7}]}',
        b'{"value": [{"id": "/a", "properties": []}]}',
        b'{"value": [], "nextLink": 7}',
        b'{"value": [{"id": "/\\ud800"}]}',
        b"[" * 5000,
        b'{"value": [{"id": "/a", "properties": {"x": NaN}}]}',
    ],
)
def test_an_answer_of_another_form_is_no_empty_list(body: bytes) -> None:
    azure = Azure((200, body))
    found = outcome(azure)
    assert (found.status, found.code, found.items) == (0, "OddAnswer", None)
    assert azure.logged == [(200, 0)]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, {"error": {"code": "AuthorizationFailed", "message": "no"}}, "AuthorizationFailed"),
        (400, {"code": "BadRequest", "message": "no"}, "BadRequest"),
        (404, {"error": "gone"}, ""),
        (404, b"", ""),
        (500, b"<html>", ""),
        (409, [], ""),
        (403, {"error": {"code": None}}, "None"),
    ],
)
def test_a_refusal_keeps_its_status_and_code(status: int, body: Any, code: str) -> None:
    found = outcome(Azure((status, body)))
    assert (found.status, found.code, found.items) == (status, code, None)


def test_a_page_that_is_refused_takes_the_pages_before_with_it() -> None:
    link = f"{BASE}{TARGET}&$skiptoken=x"
    found = outcome(Azure((200, {"value": [RULE], "nextLink": link}), (403, {})))
    assert (found.status, found.items) == (403, None)


def test_a_message_has_its_limit() -> None:
    found = outcome(Azure((403, {"error": {"code": "A", "message": "x" * 5000}})))
    assert len(found.message) == arm_rows.LONGEST_MESSAGE + 1
    assert found.message.endswith("…")


def test_a_credential_that_is_refused_stops_everything() -> None:
    with pytest.raises(ToolError, match="Azure refused the credential: InvalidAuthenticationToken"):
        outcome(Azure((401, {"error": {"code": "InvalidAuthenticationToken", "message": "expired"}})))


def test_when_nothing_answers_any_more_the_rest_is_not_asked() -> None:
    azure = Azure(NoAnswerError("connection reset"))
    reads = [Read(RULES, f"{TARGET}&n={number}", (Parent(SERVER),)) for number in range(100)]
    found = outcomes(azure, *reads)
    assert {(item.status, item.code) for item in found} == {(0, "NoAnswer")}
    assert len(azure.asked) <= 2 * arm.THREADS
    assert "Not asked" in found[-1].message


def test_what_cannot_be_asked_is_not_asked() -> None:
    azure = Azure((200, {"value": []}))
    assert outcome(azure, target="").code == "NotAsked"
    assert azure.asked == []


def test_one_resource_is_its_own_answer() -> None:
    (row,) = rows(Azure((200, RULE | {"id": SERVER[1:] + "/rule"})), ONE)
    assert (row["id"], row["type"]) == (f"{SERVER}/rule", "microsoft.x/servers/rule")


def test_a_whole_answer_stands_under_properties_with_what_was_asked_for_alone() -> None:
    event = {"eventId": "E1", "caller": "someone", "claims": {"ipaddr": "192.0.2.1"}}
    (row,) = rows(Azure((200, {"value": [event]})), EVENTS)
    assert (row["id"], row["name"]) == (f"{SERVER}/providers/microsoft.x/events/E1", "E1")
    assert row["properties"] == {"eventId": "E1", "caller": "someone"}
    (versions,) = rows(Azure((200, {"values": [1]})), VERSIONS)
    assert versions["id"] == f"{SERVER}/providers/microsoft.x/versions/default"
    assert versions["properties"] == {"values": [1]}
    assert outcome(Azure((200, {"value": [{"caller": "x"}]})), EVENTS).code == "OddAnswer"


def test_failures_are_told_once_for_each_type_and_status() -> None:
    failures = arm.Failures()
    for number in range(3):
        failures.note(RULES, f"/p/{number}", Outcome(403, "AuthorizationFailed") if number else Outcome(200, items={}))
    failures.note(ONE, "/p/9", Outcome(0, "NoAnswer"))
    assert [(item.what, item.name, item.reason) for item in failures.unread()] == [
        ("armReads", ONE.type, "1 of 1: NoAnswer, such as /p/9."),
        ("armReads", RULES.type, "2 of 3: 403 AuthorizationFailed, such as /p/1."),
    ]
