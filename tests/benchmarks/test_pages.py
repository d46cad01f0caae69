"""Recorded pages: served as they were recorded, to a plain client and to an audit alike."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from benchmarks import exchanges, raw
from benchmarks.exchanges import Exchange
from benchmarks.record import record

if TYPE_CHECKING:
    from tests.conftest import Lockdown  # type: ignore[import-not-found, unused-ignore]

TENANT = "7a1f2c52-43a6-4f0e-9c53-9d6f0b0a7d41"
ROOT = Path(__file__).parents[2]
PAGES = [
    Exchange(b'{"query":"resources"}', 200, {"x-ms-request-id": "1"}, b'{"count":2,"data":[{},{}],"$skipToken":"a"}'),
    Exchange(b'{"query":"resources","options":{"$skipToken":"a"}}', 200, {}, b'{"count":1,"data":[{}]}'),
    Exchange(b'{"query":"nowhere"}', 400, {}, b'{"error":{"code":"BadRequest"}}'),
]


@contextmanager
def served(directory: Path, *options: str) -> Iterator[dict[str, str]]:
    """Serve a recording from a process of its own; yield the environment that it printed."""
    command = [sys.executable, "-m", "benchmarks.pages", str(directory), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    directory = tmp_path / "recording"
    exchanges.begin(directory, TENANT, "scope: {}\n")
    for page in PAGES:
        exchanges.add(directory, page)
    return directory


def test_a_recording_is_read_as_it_was_written(recording: Path) -> None:
    assert list(exchanges.read(recording)) == PAGES


def test_a_plain_client_gets_every_page(recording: Path) -> None:
    with served(recording) as environment:
        took = raw.page(recording, environment, parse=True)
        only_bytes = raw.page(recording, environment, parse=False)

    assert (took["requests"], took["rows"]) == (3, 3)
    assert took["bytes"] == only_bytes["bytes"] == sum(len(page.response) for page in PAGES)


def test_each_page_can_be_made_to_take_time(recording: Path) -> None:
    with served(recording, "--delay", "0.1") as environment:
        assert raw.page(recording, environment, parse=False)["seconds"] >= 0.25


Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(recording: Path) -> Iterator[tuple[Ask, dict[str, str]]]:
    with served(recording) as environment, requests.Session() as session:
        session.trust_env = False
        session.verify = environment["REQUESTS_CA_BUNDLE"]

        def post(path: str, data: object, **headers: str) -> requests.Response:
            return session.post(environment["LOCKDOWN_CLOUD"] + path, data=data, headers=headers)  # type: ignore[arg-type]

        yield post, environment


def test_a_wrong_secret_and_a_wrong_token_are_refused(ask: tuple[Ask, dict[str, str]]) -> None:
    post, environment = ask
    token = post(f"/{environment['AZURE_TENANT_ID']}/oauth2/v2.0/token", {"client_secret": "guess"})
    page = post("/providers/Microsoft.ResourceGraph/resources", PAGES[0].request, Authorization="Bearer guess")

    assert (token.status_code, page.status_code) == (401, 401)


def test_a_query_that_was_not_recorded_is_named(ask: tuple[Ask, dict[str, str]]) -> None:
    post, environment = ask
    form = {"client_secret": environment["AZURE_CLIENT_SECRET"]}
    token = post(f"/{environment['AZURE_TENANT_ID']}/oauth2/v2.0/token", form).json()["access_token"]
    page = post("/providers/Microsoft.ResourceGraph/resources", b'{"query":"other"}', Authorization=f"Bearer {token}")

    assert page.status_code == 404
    assert page.json()["error"] == {"code": "NotRecorded", "message": '{"query":"other"}'}


def test_an_audit_cannot_tell_a_recording_from_the_sandbox(tmp_path: Path, lockdown: Lockdown) -> None:
    record(tmp_path / "recording", "coa-stock", {})
    with served(tmp_path / "recording") as environment:
        ran = lockdown("audit", "--quiet", "--out", tmp_path / "run", env=environment)

    assert ran.code == 7, ran.err
    asked = (tmp_path / "run/inputs/requests.jsonl").read_text("utf-8").splitlines()
    assert len(asked) == len(list(exchanges.read(tmp_path / "recording")))
