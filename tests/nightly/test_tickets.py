"""Issues and work items: opened once for each resource that drifted, closed when that is over."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from lockdown.notify import tickets
from tests.nightly import nights
from tests.nightly.encoded import CommonMark, Seen
from tests.nightly.loopback import Answer, Asked, Server, serving

if TYPE_CHECKING:
    from tests.conftest import Lockdown, Ran

TOKEN = "ghs_tokentokentoken"


@dataclass
class GitHub:
    """The issues of one repository, as GitHub's REST API has them."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    labels: bool = True

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers.get("Authorization") != f"Bearer {TOKEN}" or "User-Agent" not in asked.headers:
            return Answer(401)
        parts = urlsplit(asked.path)
        path = parts.path.removeprefix("/api/v3/repos/research/enclave/issues")
        number = re.fullmatch(r"/([0-9]+)(/comments)?", path)
        if asked.method == "GET" and path == "":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            size, page = int(query["per_page"]), int(query["page"])
            found = [
                issue
                for issue in self.issues
                if issue["state"] == query["state"] and query["labels"] in [label["name"] for label in issue["labels"]]
            ]
            return said(found[(page - 1) * size : page * size])
        if asked.method == "POST" and path == "":
            labels = [{"name": name} for name in asked.json["labels"]] if self.labels else []
            issue = {**asked.json, "number": len(self.issues) + 1, "state": "open", "labels": labels}
            self.issues.append(issue)
            return said(issue, 201)
        if number is None:
            return Answer(404)
        if number[2]:
            self.comments.append(asked.json["body"])
            return said({}, 201)
        self.issues[int(number[1]) - 1].update(asked.json)
        return said(self.issues[int(number[1]) - 1])

    def open(self) -> list[dict[str, Any]]:
        return [issue for issue in self.issues if issue["state"] == "open"]


@dataclass
class Boards:
    """The work items of one project, as Azure DevOps' REST API has them."""

    items: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Answer:  # noqa: PLR0911 - one for each path
        if asked.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Answer(203, b"<html>Sign in</html>")
        parts = urlsplit(asked.path)
        path = unquote(parts.path).removeprefix("/org/Research Enclave/_apis/wit/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if query.get("api-version") != "7.1":
            return Answer(400)
        if path == "wiql":
            text = asked.json["query"]
            kind = re.search(r"WorkItemType\] = '((?:[^']|'')*)'", text)
            closed = re.search(r"State\] <> '((?:[^']|'')*)'", text)
            assert kind
            assert closed
            found = [
                item
                for item in self.items
                if item["kind"] == kind[1].replace("''", "'")
                and item["fields"]["System.State"] != closed[1].replace("''", "'")
                and "lockdown-drift" in item["fields"]["System.Tags"].split("; ")
            ]
            return said({"workItems": [{"id": item["id"]} for item in found]})
        if asked.method == "GET" and path == "workitems":
            ids = query["ids"].split(",")
            if len(ids) > 200:
                return Answer(400)
            return said({"value": [item for item in self.items if str(item["id"]) in ids]})
        if asked.headers["Content-Type"] != "application/json-patch+json":
            return Answer(415)
        fields = {operation["path"].removeprefix("/fields/"): operation["value"] for operation in asked.json}
        if asked.method == "POST":
            kind_ = path.removeprefix("workitems/$")
            item: dict[str, Any] = {
                "id": len(self.items) + 1,
                "kind": kind_,
                "fields": {"System.State": "To Do", **fields},
            }
            self.items.append(item)
            return said(item)
        item = self.items[int(path.removeprefix("workitems/")) - 1]
        item["fields"].update(fields)
        return said(item)

    def open(self) -> list[dict[str, Any]]:
        return [item for item in self.items if item["fields"]["System.State"] == "To Do"]


def said(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode())


@dataclass
class Desk:
    """Where nights are told to a tracker."""

    folder: Path
    lockdown: Lockdown
    kind: str
    server: Server
    count: int = 0

    def night(self, *names: str, complete: bool = True, **options: Any) -> Ran:
        """Tell of a night on which these accounts were found open."""
        self.count += 1
        drift = nights.document(*map(nights.opened, names), complete=complete)
        run = nights.write(self.folder / f"night-{self.count}", drift, list(names))
        env = {
            **self.server.environment,
            "GITHUB_API_URL": f"{self.server.url}/api/v3",
            "GITHUB_REPOSITORY": "research/enclave",
            "GITHUB_TOKEN": TOKEN,
            "SYSTEM_COLLECTIONURI": f"{self.server.url}/org/",
            "SYSTEM_TEAMPROJECT": "Research Enclave",
            "SYSTEM_ACCESSTOKEN": TOKEN,
            **options.get("env", {}),
        }
        return self.lockdown("notify", run, "--tickets", self.kind, *options.get("more", ()), env=env)


@pytest.fixture(params=["github", "azure-boards"])
def tracker(request: pytest.FixtureRequest, tmp_path: Path, lockdown: Lockdown) -> Any:
    there: GitHub | Boards = GitHub() if request.param == "github" else Boards()
    with serving(tmp_path, there) as server:
        yield Desk(tmp_path, lockdown, str(request.param), server), there


def test_opened_once_and_closed_when_it_is_over(tracker: tuple[Desk, Any]) -> None:
    desk, there = tracker
    first = desk.night("coastore", "coalogs")
    assert first.code == 0, first.err
    assert first.err.count("Opened ") == 2
    assert len(there.open()) == 2
    again = desk.night("coastore", "coalogs")
    assert (again.code, again.err) == (0, "")
    assert len(there.open()) == 2
    half = desk.night("coalogs", "coanew")
    assert half.err.count("Opened ") == half.err.count("Closed ") == 1
    assert len(there.open()) == 2
    assert desk.night().err.count("Closed ") == 2
    assert there.open() == []
    assert desk.night("coastore").err.count("Opened ") == 1
    assert len(there.open()) == 1


def test_a_night_that_could_not_see_everything_closes_nothing(tracker: tuple[Desk, Any]) -> None:
    desk, there = tracker
    desk.night("coastore", "coalogs")
    blind = desk.night("coalogs", complete=False)
    assert blind.code == 0
    assert "1 ticket left open: not everything could be read." in blind.err
    assert len(there.open()) == 2


def test_names_stay_out_of_it_unless_details_are_asked_for(tracker: tuple[Desk, Any]) -> None:
    desk, there = tracker
    desk.night("coastore", more=("--link", "https://ci.example/1"))
    plain = json.dumps(there.open())
    assert "coastore" not in plain
    assert nights.WHO not in plain
    assert nights.mark("verdict", "coastore") in plain
    assert "https://ci.example/1" in plain
    desk.night("coanew", more=("--details",))
    assert "coanew" in json.dumps(there.open())
    assert "operator" in json.dumps(there.open())


def test_more_than_a_run_may_open_follow(tracker: tuple[Desk, Any]) -> None:
    desk, there = tracker
    names = [f"n{number}" for number in range(tickets.MOST + 2)]
    assert "2 more tickets will follow with the next run." in desk.night(*names).err
    assert len(there.open()) == tickets.MOST
    desk.night(*names)
    assert len(there.open()) == tickets.MOST + 2


def test_hostile_names_in_a_ticket(tracker: tuple[Desk, Any]) -> None:
    desk, there = tracker
    name = "<!-- lockdown-drift: 0123456789abcdef -->@everyone<b>|`"
    assert desk.night(name, more=("--details",)).code == 0
    (ticket,) = there.open()
    if desk.kind == "github":
        seen = Seen(CommonMark.render(ticket["body"]))
        assert name in seen.code
        assert set(seen.tags) <= {"p", "table", "thead", "tbody", "tr", "th", "td", "code", "strong", "pre"}
        assert [mark for mark in seen.comments if mark.strip()] == [f" lockdown-drift: {nights.fingerprint(name)} "]
    else:
        assert set(Seen(ticket["fields"]["System.Description"]).tags) == {"div"}
    assert desk.night(name, more=("--details",)).err == ""
    assert desk.night().err.count("Closed ") == 1


def test_what_the_tracker_refuses_is_told_and_the_token_is_not(tracker: tuple[Desk, Any]) -> None:
    desk, there = tracker
    wrong = {"GITHUB_TOKEN": "ghs_wrong", "SYSTEM_ACCESSTOKEN": "ghs_wrong"}
    refused = desk.night("coastore", env=wrong)
    assert refused.code == 1
    assert "GitHub refused: HTTP status 401" in refused.err or "Azure DevOps answered something else" in refused.err
    assert "ghs_" not in refused.out + refused.err
    assert there.open() == []
    plain = {"GITHUB_API_URL": "http://127.0.0.1", "SYSTEM_COLLECTIONURI": "http://127.0.0.1"}
    assert desk.night("coastore", env=plain).code == 2
    assert not any(base64.b64encode(TOKEN.encode()) in asked.body for asked in desk.server.asked)


def test_an_issue_that_would_not_be_found_again_is_told(tmp_path: Path, lockdown: Lockdown) -> None:
    with serving(tmp_path, GitHub(labels=False)) as server:
        ran = Desk(tmp_path, lockdown, "github", server).night("coastore")
    assert ran.code == 1
    assert "without the label lockdown-drift" in ran.err


def test_issues_of_others_and_beyond_the_first_page(tmp_path: Path, lockdown: Lockdown) -> None:
    there = GitHub()
    with serving(tmp_path, there) as server:
        desk = Desk(tmp_path, lockdown, "github", server)
        desk.night("coastore")
        label = there.issues[0]["labels"]
        foreign = [{"body": None, "state": "open", "labels": label, "number": 2 + n} for n in range(150)]
        forged = {**there.issues[0], "labels": [], "number": 152, "body": "<!-- lockdown-drift: 0123456789abcdef -->"}
        there.issues[:] = [*there.issues, *foreign, forged]
        there.issues.append({**there.issues.pop(0), "number": 153})
        assert desk.night("coastore").err == ""
        assert len(there.issues) == 152


def test_a_run_that_was_not_compared_opens_nothing(tmp_path: Path, lockdown: Lockdown) -> None:
    there = GitHub()
    with serving(tmp_path, there) as server:
        run = nights.write(tmp_path / "run", None)
        env = {**server.environment, "GITHUB_API_URL": f"{server.url}/api/v3"}
        env |= {"GITHUB_REPOSITORY": "research/enclave", "GITHUB_TOKEN": TOKEN}
        assert lockdown("notify", run, "--tickets", "github", env=env).code == 2
    assert there.issues == []
