"""Recordings: served as they were recorded, to a plain client and to an audit alike, within quotas if wanted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from benchmarks import exchanges, raw
from benchmarks.exchanges import Exchange
from benchmarks.multiply import multiply
from benchmarks.record import record
from lockdown import record as lockdown_record
from lockdown.sandbox.server import Sandbox

if TYPE_CHECKING:
    from tests.conftest import Lockdown  # type: ignore[import-not-found, unused-ignore]

TENANT = "7a1f2c52-43a6-4f0e-9c53-9d6f0b0a7d41"
ROOT = Path(__file__).parents[2]
GRAPH = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"
ONE = "/subscriptions/11111111-1111-4111-8111-111111111111"
OTHER = "/subscriptions/22222222-2222-4222-8222-222222222222"
SINCE = f"{ONE}/providers/Microsoft.Insights/eventtypes/management/values?$filter=eventTimestamp%20ge%20'{{}}'"
FROM = "https://127.0.0.1:1"
TURNED_AWAY = 429


def _page(query: str, status: int, headers: dict[str, str], answer: bytes) -> Exchange:
    return Exchange("POST", GRAPH, query.encode(), status, headers, answer)


PAGES = [
    _page('{"query":"resources"}', 200, {"x-ms-request-id": "1"}, b'{"count":2,"data":[{},{}],"$skipToken":"a"}'),
    _page('{"query":"resources","options":{"$skipToken":"a"}}', 200, {}, b'{"count":1,"data":[{}]}'),
    _page('{"query":"nowhere"}', 400, {}, b'{"error":{"code":"BadRequest"}}'),
    Exchange("GET", SINCE.format("2026-01-01T00:00:00.000000Z"), b"", 200, {}, b'{"value":[{}]}'),
    Exchange("GET", f"{ONE}/locks?api-version=1", b"", 200, {}, f'{{"nextLink":"{FROM}{ONE}/locks?more"}}'.encode()),
    Exchange("GET", f"{ONE}/locks?more", b"", 403, {}, b'{"error":{"code":"AuthorizationFailed"}}'),
]


@dataclass
class Served:
    """A server in a process of its own.

    Attributes:
        environment: what it printed first.
        arrived: what it printed last; empty while it serves.
    """

    environment: dict[str, str]
    arrived: dict[str, int] = field(default_factory=dict)


@contextmanager
def served(directory: Path, *options: str) -> Iterator[Served]:
    """Serve a recording."""
    command = [sys.executable, "-m", "benchmarks.pages", str(directory), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        server = Served(json.loads(process.stdout.readline()))
        try:
            yield server
        finally:
            process.terminate()
            server.arrived = json.loads(process.communicate()[0])


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    directory = tmp_path / "recording"
    with exchanges.Writer(directory, TENANT, "scope: {}\n", FROM) as writer:
        for page in PAGES:
            writer.add(page)
    return directory


def test_a_recording_is_read_as_it_was_written(recording: Path) -> None:
    assert list(exchanges.read(recording)) == PAGES


def test_links_lead_to_the_host_that_serves(recording: Path) -> None:
    found = [exchange.response for exchange in exchanges.read(recording, "https://127.0.0.1:22")]

    assert f'{{"nextLink":"https://127.0.0.1:22{ONE}/locks?more"}}'.encode() in found


def test_only_the_moments_in_the_address_of_a_get_do_not_count() -> None:
    first, second = (SINCE.format(f"2026-01-0{day}T11%3A22%3A33.000444Z") for day in (1, 2))

    assert exchanges.key("GET", first, b"") == exchanges.key("GET", second, b"")
    assert exchanges.key("GET", first, b"") != exchanges.key("GET", first + "&$top=1", b"")
    assert exchanges.key("POST", first, b"") != exchanges.key("POST", second, b"")


@pytest.mark.parametrize("parse", [True, False])
def test_a_plain_client_gets_everything(recording: Path, *, parse: bool) -> None:
    with served(recording) as server:
        took = raw.read(recording, server.environment, parse=parse)

    assert (took["queries"], took["reads"], took["rows"]) == (3, 3, 3 if parse else 0)
    assert server.arrived == {"requests": 7, "queries": 3, "reads": 3, "throttled": 0}


def test_each_answer_can_be_made_to_take_time(recording: Path) -> None:
    with served(recording, "--delay", "0.1") as server:
        assert raw.read(recording, server.environment, parse=False)["seconds"] >= 0.35


class Client:
    """Asks a server, with its token."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._url = environment["LOCKDOWN_CLOUD"]
        self.tenant = environment["AZURE_TENANT_ID"]
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = environment["REQUESTS_CA_BUNDLE"]
        form = {"client_secret": environment["AZURE_CLIENT_SECRET"]}
        token = self("POST", f"/{self.tenant}/oauth2/v2.0/token", form).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, target: str, data: object = None, **headers: str) -> requests.Response:
        return self._session.request(method, self._url + target, data=data, headers=headers)  # type: ignore[arg-type]


def test_a_wrong_secret_and_a_wrong_token_are_refused(recording: Path) -> None:
    with served(recording) as server:
        ask = Client(server.environment)
        token = ask("POST", f"/{ask.tenant}/oauth2/v2.0/token", {"client_secret": "guess"})
        page = ask("POST", GRAPH, PAGES[0].request, Authorization="Bearer guess")
        read = ask("GET", PAGES[4].target, Authorization="Bearer guess")

    assert (token.status_code, page.status_code, read.status_code) == (401, 401, 401)
    assert (server.arrived["queries"], server.arrived["reads"]) == (0, 0)


def test_what_was_not_recorded_is_named(recording: Path) -> None:
    with served(recording) as server:
        ask = Client(server.environment)
        page = ask("POST", GRAPH, b'{"query":"other"}')
        read = ask("GET", f"{OTHER}/locks")

    assert (page.status_code, read.status_code) == (404, 404)
    assert page.json()["error"] == {"code": "NotRecorded", "message": '{"query":"other"}'}
    assert read.json()["error"] == {"code": "NotRecorded", "message": f"{OTHER}/locks"}


def test_with_quotas_the_sixteenth_query_is_refused(recording: Path) -> None:
    with served(recording, "--quota") as server:
        ask = Client(server.environment)
        answers = [ask("POST", GRAPH, PAGES[0].request) for _ in range(16)]

    assert [answer.status_code for answer in answers] == [200] * 15 + [TURNED_AWAY]
    assert answers[0].headers["x-ms-user-quota-remaining"] == "14"
    assert (server.arrived["queries"], server.arrived["throttled"]) == (16, 1)


def test_with_quotas_each_subscription_has_a_bucket_of_reads(recording: Path) -> None:
    left = "x-ms-ratelimit-remaining-subscription-reads"
    with served(recording, "--quota") as server:
        ask = Client(server.environment)
        first = ask("GET", PAGES[4].target)
        refused = next(answer for _ in range(2_000) if (answer := ask("GET", PAGES[4].target)).status_code != 200)
        other = ask("GET", f"{OTHER}/locks")

    assert (first.headers[left], refused.headers[left], other.headers[left]) == ("249", "0", "249")
    assert (refused.status_code, refused.headers["Retry-After"]) == (TURNED_AWAY, "1")
    assert server.arrived["reads"] >= 250
    assert server.arrived["throttled"] == 1


def test_an_audit_cannot_tell_a_recording_from_the_sandbox(tmp_path: Path, lockdown: Lockdown) -> None:
    record(tmp_path / "recording", "coa-stock", {})
    with served(tmp_path / "recording") as server:
        ran = lockdown("audit", "--quiet", "--out", tmp_path / "run", env=server.environment)

    assert ran.code == 7, ran.err
    asked = (tmp_path / "run/inputs/requests.jsonl").read_text("utf-8").splitlines()
    assert len(asked) == len(list(exchanges.read(tmp_path / "recording")))
    assert server.arrived["queries"] + server.arrived["reads"] == len(asked)


def test_a_multiplied_snapshot_is_judged_as_often(tmp_path: Path, lockdown: Lockdown) -> None:
    with Sandbox("tenant", options={"resources": "60"}, quota=False) as sandbox:
        environment = sandbox.environment("auditor")
        assert lockdown("audit", "--quiet", "--out", tmp_path / "made", env=environment).code == 7
    runs = []
    for times in (1, 3):
        given, run = tmp_path / f"{times}", tmp_path / f"{times}-run"
        multiply(tmp_path / "made", given, times)
        assert lockdown("audit", "--quiet", "--snapshot", given, "--out", run).code == 7
        runs.append(lockdown_record.read(run / "results/results.json"))

    once, thrice = ({policy["id"]: policy["counts"] for policy in made.policies} for made in runs)
    # Zones of one name in several subscriptions are what this policy is about.
    once.pop("dns-no-duplicate-zones")
    thrice.pop("dns-no-duplicate-zones")
    assert thrice == {name: {kind: 3 * number for kind, number in counts.items()} for name, counts in once.items()}
    assert [made.run["resources"]["total"] for made in runs] == [60, 180]
