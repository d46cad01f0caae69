"""What a killed run left open is closed by the next one, also where that one is refused or declined."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockdown import cli
from lockdown.cli import provision as command
from lockdown.data import tree
from lockdown.provisioner import blueprint as blueprints
from lockdown.provisioner.environment import load
from lockdown.provisioner.graph import Blueprint, Resource
from lockdown.provisioner.graph import blueprint as ordered
from lockdown.provisioner.plan import make
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.cli.test_provision import unaudited
from tests.provisioner.azure import connect

PRIVATE = Path(str(tree("provision"))) / "environments/coa-private.yaml"
BUILD = blueprints.build
IMAGE = f"docker.io/broadinstitute/cromwell:87@sha256:{'a' * 64}"
BYPASS = "networkRuleBypassOptions"
Run = Callable[..., int]


def part(site: Site, *wanted: str) -> Blueprint:
    """Return of an environment these steps, those of the registry, and all that they need."""
    whole = BUILD(site)
    keys = {key for key in whole.steps if key in wanted or key.startswith("image/")}
    for step in reversed(tuple(whole)):
        if step.key in keys:
            keys |= whole.needs[step.key]
    return ordered(step for step in whole if step.key in keys)


class Closing:
    """A registry and a cluster that stand, and the command."""

    def __init__(self, azure: Sandbox, folder: Path) -> None:
        self.azure = azure
        file = yaml.safe_load(PRIVATE.read_text("utf-8"))
        file |= {"keys": {"customerManaged": False}, "registry": {"images": [IMAGE]}}
        (folder / "mine.yaml").write_text(yaml.safe_dump(file), "utf-8")
        self.site = Site(load(folder / "mine.yaml"), azure.subscription, azure.tenant)
        self.steps: tuple[str, ...] = ("cluster",)

    def run(self, *arguments: str) -> int:
        return cli.run(["provision", "mine.yaml", "--out", "out", *arguments])

    def document(self, key: str) -> dict[str, Any]:
        step = BUILD(self.site).steps[key]
        assert isinstance(step, Resource)
        with connect(self.azure) as arm:
            return arm.get(step.id, step.api_version).body

    def write(self, key: str, **properties: Any) -> None:
        """Write a resource back with other properties."""
        step = BUILD(self.site).steps[key]
        assert isinstance(step, Resource)
        with connect(self.azure) as arm:
            found = arm.get(step.id, step.api_version).body
            arm.put(step.id, step.api_version, {**found, "properties": {**found["properties"], **properties}})

    def open(self, **more: Any) -> None:
        """Leave both windows open, as a killed run does."""
        self.write("registry", **{BYPASS: "AzureServices"}, **more)
        access = self.document("cluster")["properties"]["apiServerAccessProfile"]
        self.write("cluster", apiServerAccessProfile={**access, "disableRunCommand": False})
        assert self.opened() == ("AzureServices", False)

    def opened(self) -> tuple[str, bool]:
        cluster = self.document("cluster")["properties"]["apiServerAccessProfile"]
        return self.document("registry")["properties"][BYPASS], cluster["disableRunCommand"]


SHUT = ("None", True)


@pytest.fixture
def closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Closing]:
    with Sandbox("empty", operation_seconds=0, limits={"batch-accounts": 0}) as azure:
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        found = Closing(azure, tmp_path)
        monkeypatch.setattr(blueprints, "build", lambda site, *_: part(site, *found.steps))
        monkeypatch.setattr(command, "_audit", unaudited)
        assert found.run("--yes", "--quiet") == 0
        assert found.opened() == SHUT
        yield found


def test_a_run_that_is_refused_closes_what_was_left_open(
    closing: Closing, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    closing.open(adminUserEnabled=True)
    closing.steps = ("cluster", "batch")
    assert closing.run("--plan") == 8
    assert closing.opened() == ("AzureServices", False)
    capsys.readouterr()
    assert closing.run("--yes") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "Nothing was built. Closed, or removed, of an earlier run: registry, cluster." in told.replace(
        "cluster, registry", "registry, cluster"
    )
    assert "Batch accounts in eastus: 0 of 0 are in use" in told
    assert closing.opened() == SHUT
    entries = [json.loads(line) for line in (tmp_path / "out/requests.jsonl").read_text("utf-8").splitlines()]
    assert not any("batchAccounts" in entry["path"] for entry in entries if entry["method"] == "PUT")
    assert closing.run("--yes", "--quiet") == 2
    assert closing.opened() == SHUT


def test_so_does_one_that_finds_what_belongs_to_others(closing: Closing, capsys: pytest.CaptureFixture[str]) -> None:
    routes = BUILD(closing.site).steps["routes"]
    assert isinstance(routes, Resource)
    with connect(closing.azure) as arm:
        arm.patch(routes.id, routes.api_version, {"tags": {"lockdown-environment": "other"}})
    closing.open()
    capsys.readouterr()
    assert closing.run("--yes", "--json") == 2
    captured = capsys.readouterr()
    assert "routes: it is there and belongs to the environment other" in captured.err
    told = json.loads(captured.out)
    assert set(told["outcome"]["done"]) == {"registry", "cluster"}
    assert told["outcome"]["complete"] is True
    assert closing.opened() == SHUT


def test_what_cannot_be_closed_is_named_with_the_refusal(closing: Closing, capsys: pytest.CaptureFixture[str]) -> None:
    closing.open()
    closing.steps = ("cluster", "batch")
    closing.azure.fault("PUT *registries* fail:403:RequestDisallowedByPolicy")
    capsys.readouterr()
    assert closing.run("--yes") == 2
    err = capsys.readouterr().err
    assert "Left open, or left behind" in err
    assert f"registry: properties.{BYPASS} is open" in " ".join(err.split())
    assert closing.opened() == ("AzureServices", True)


def test_what_is_needed_again_is_closed_by_a_refusal_too(closing: Closing) -> None:
    """The import is to be done again: a run that goes on would leave the registry open until then."""
    closing.open()
    registry = BUILD(closing.site).steps["registry"]
    assert isinstance(registry, Resource)
    with connect(closing.azure) as arm:
        arm.patch(registry.id, registry.api_version, {"tags": closing.site.tags})
        found = make(part(closing.site, "cluster"), arm)
    assert [opening.key for opening in found.openings] == ["registry"]
    closing.steps = ("cluster", "batch")
    assert closing.run("--yes", "--quiet") == 2
    assert closing.opened() == SHUT


def test_who_says_no_is_told_what_stays_open(
    closing: Closing, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closing.open()
    monkeypatch.setattr(command, "_can_ask", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    capsys.readouterr()
    assert closing.run() == 8
    err = capsys.readouterr().err
    assert "Nothing was written." in err
    assert "Still open, or left behind, until you say yes" in err
    assert f"registry: properties.{BYPASS} is open" in " ".join(err.split())
    assert closing.opened() == ("AzureServices", False)
