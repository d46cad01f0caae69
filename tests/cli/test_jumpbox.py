"""The jumpbox of a provision run: opened for a person, known before anybody connects, gone whatever happens."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockdown import cli
from lockdown.cli import jumpbox
from lockdown.cli import provision as command
from lockdown.cli.building import building
from lockdown.data import tree
from lockdown.errors import IncompleteError
from lockdown.provisioner import apply, plan
from lockdown.provisioner import blueprint as blueprints
from lockdown.provisioner import jumpbox as remains
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.blueprint.jumpbox import machine_id
from lockdown.provisioner.change import Verb
from lockdown.provisioner.environment import Environment
from lockdown.provisioner.graph import Blueprint, Resource
from lockdown.provisioner.graph import blueprint as ordered
from lockdown.provisioner.outcome import Silent
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.cli.test_provision import unaudited
from tests.provisioner.azure import connect

BUILD = blueprints.build
COMPUTE = "2026-04-01"


@pytest.fixture
def azure() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def site(azure: Sandbox) -> Site:
    written = yaml.safe_load((tree("provision") / "environments/coa-private.yaml").read_text("utf-8"))
    wanted = {**written, "access": "jumpbox", "jumpbox": {"source": "20.50.1.7/32", "hours": 2}}
    return Site(Environment.model_validate(wanted), azure.subscription, azure.tenant)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave of the environment what the jumpbox needs."""

    def build(site: Site, key: str | None = None, now: Any = None) -> Blueprint:
        whole = BUILD(site, key, now)
        wanted = set(jumpbox.held(whole).steps)
        return ordered(step for step in whole if step.key in wanted)

    monkeypatch.setattr(blueprints, "build", build)


def visit(site: Site, arm: Arm, out: Path, said: list[str], wait: Callable[[float], None]) -> None:
    wanted = jumpbox.offered(site)
    assert wanted is not None
    jumpbox.visit(jumpbox.Visit(site, arm, out, "caller", said.extend, wait), wanted)


def test_it_is_there_while_the_person_is_and_then_gone_with_its_key(azure: Sandbox, site: Site, tmp_path: Path) -> None:
    said: list[str] = []
    seen: list[object] = []
    with connect(azure) as arm:

        def wait(seconds: float) -> None:
            seen.append(arm.get(machine_id(site), COMPUTE).there)
            seen.append(stat.S_IMODE((tmp_path / "jumpbox-key").stat().st_mode))
            seen.append((tmp_path / "known_hosts").read_text("utf-8").split()[1])
            seen.append(seconds)

        visit(site, arm, tmp_path, said, wait)
        assert seen == [True, 0o600, "ssh-ed25519", 7200.0]
        assert not arm.get(machine_id(site), COMPUTE).there
    assert list(tmp_path.iterdir()) == []
    assert any("UserKnownHostsFile=" in line for line in said)
    assert said[-1] == "The jumpbox is gone, and so is its key."


@pytest.mark.parametrize("how", [KeyboardInterrupt, RuntimeError])
def test_it_goes_whatever_happens_meanwhile(
    azure: Sandbox, site: Site, tmp_path: Path, how: type[BaseException]
) -> None:
    def wait(_: float) -> None:
        raise how

    with connect(azure) as arm:
        with pytest.raises(how):
            visit(site, arm, tmp_path, [], wait)
        assert not arm.get(machine_id(site), COMPUTE).there


def test_what_is_left_is_named(site: Site, tmp_path: Path) -> None:
    fault = "DELETE *virtualMachines* fail:409:Locked"
    with Sandbox("empty", operation_seconds=0, faults=(fault,)) as stuck, connect(stuck) as arm:
        here = Site(site.environment, stuck.subscription, stuck.tenant)
        with pytest.raises(IncompleteError, match="not gone") as caught:
            visit(here, arm, tmp_path, [], lambda _: None)
        assert "jumpbox/machine" in caught.value.message
        assert "it removes what is left" in caught.value.next_step
    assert (tmp_path / "jumpbox-key").is_file()


def inside(site: Site) -> Resource:
    """Return work within the network: it needs somebody to have logged in to the machine."""
    body = {"location": site.location, "tags": site.tags, "properties": {"securityRules": []}}
    where = site.in_group("Microsoft.Network/networkSecurityGroups", "work")
    needs = ("jumpbox/login", "jumpbox/shutdown", "group")
    return Resource("work", "work", where, "2026-03-01", body, needs=needs)


@pytest.fixture
def job(
    azure: Sandbox, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[tuple[str, str]]]:
    """Run the command without a terminal, over the jumpbox and work that needs it; return what was written."""

    def build(place: Site, key: str | None = None, now: Any = None) -> Blueprint:
        whole = BUILD(place, key, now)
        wanted = {*jumpbox.held(whole).steps, "group"}
        return ordered([*(step for step in whole if step.key in wanted), inside(place)])

    monkeypatch.setattr(blueprints, "build", build)
    monkeypatch.setattr(command, "_audit", unaudited)
    monkeypatch.chdir(tmp_path)
    for name, value in azure.environment().items():
        monkeypatch.setenv(name, value)
    text = site.environment.model_dump_json(by_alias=True, exclude_none=True, exclude_unset=True)
    (tmp_path / "mine.yaml").write_text(text, "utf-8")

    def run(*arguments: str) -> list[tuple[str, str]]:
        assert cli.run(["provision", "mine.yaml", "--yes", "--out", "out", *arguments]) == 0
        lines = (tmp_path / "out/requests.jsonl").read_text("utf-8").splitlines()
        entries = [json.loads(line) for line in lines]
        return [(e["method"], e["path"].lower()) for e in entries if e["method"] in ("PUT", "DELETE")]

    return run


def test_a_job_opens_it_for_what_needs_it_and_removes_it(
    azure: Sandbox,
    site: Site,
    job: Callable[..., list[tuple[str, str]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["provision", "mine.yaml", "--plan"]) == 8
    assert "It is opened for the steps within the network, and removed" in " ".join(capsys.readouterr().out.split())
    written = job()
    machine = machine_id(site).lower()
    made, work = ("PUT", machine), ("PUT", inside(site).id.lower())
    assert written.index(made) < written.index(work) < written.index(("DELETE", machine))
    assert not (tmp_path / "out/jumpbox-key").exists()
    with connect(azure) as arm:
        assert remains.remains(arm, site) == ()
        assert arm.get(inside(site).id, "2026-03-01").there
    assert cli.run(["provision", "mine.yaml", "--plan"]) == 0


def test_a_job_never_uses_one_that_an_earlier_run_left(
    azure: Sandbox, site: Site, job: Callable[..., list[tuple[str, str]]]
) -> None:
    steps = jumpbox.held(BUILD(site, remains.new_keys().public))
    with connect(azure) as arm:
        assert apply.apply(steps, plan.make(steps, arm), arm, Silent()).complete
        left = arm.get(machine_id(site), COMPUTE).body["properties"]["vmId"]
    written = job()
    machine = machine_id(site).lower()
    assert written.index(("DELETE", machine)) < written.index(("PUT", machine))
    assert left
    with connect(azure) as arm:
        assert remains.remains(arm, site) == ()


def test_an_environment_without_one_offers_none(site: Site) -> None:
    closed = site.environment.model_copy(update={"access": "none", "jumpbox": None})
    assert jumpbox.offered(Site(closed, "s", "t")) is None


def test_progress_in_lines_counts_each_end_and_shows_no_hostile_text(capsys: pytest.CaptureFixture[str]) -> None:
    with building(2, lambda key: 600 if key == "cluster" else 5, quiet=False) as watch:
        watch.started("group", Verb.CREATE)
        watch.ended("group", Verb.CREATE, 2.0)
        watch.remaining(600)
        watch.started("cluster", Verb.CREATE)
        watch.waiting("cluster", "busy\x1b[2J", 10)
        watch.failed("cluster", Verb.CREATE, 61, "no\u202e room")
        watch.ended("registry", Verb.CLOSE, 1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("[1/2] create group: done in 2 s; ")
    assert lines[1] == "      create cluster: typically 10 min"
    assert lines[2] == "      cluster: tried again in 10 s: busy\\x1b[2J"
    assert lines[3] == "[2/2] create cluster: FAILED after 1 min: no\\u202e room"
    assert lines[4].startswith("[3/3] close registry: done in 1 s; ")


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with building(1, lambda _: 600, quiet=True) as watch:
        watch.started("group", Verb.CREATE)
        watch.failed("group", Verb.CREATE, 1, "no")
    assert capsys.readouterr().err == ""
