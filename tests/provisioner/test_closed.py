"""Closed from birth: at no moment of a run does anything of an environment accept public traffic.

The sandbox looks at everything after every write and every side effect, and remembers which request opened what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lockdown.provisioner import blueprint, jumpbox, plan
from lockdown.provisioner.apply import apply
from lockdown.provisioner.blueprint import chain, grounded, ids
from lockdown.provisioner.blueprint.jumpbox import address_id
from lockdown.provisioner.environment import load
from lockdown.provisioner.graph import Blueprint, Body, Resource, Step
from lockdown.provisioner.graph import blueprint as graph
from lockdown.provisioner.ledger import Entry
from lockdown.provisioner.outcome import Outcome, Silent
from lockdown.provisioner.site import Site
from lockdown.sandbox.exposure import Exposure
from lockdown.sandbox.openings import network, nodes, services
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import Killed, Transport, connect
from tests.provisioner.test_whole import build, site
from tests.workload import conftest

IMAGES = [f"docker.io/library/{name}:1@sha256:{name[0] * 64}" for name in ("alpine", "busybox", "cromwell")]
ENVIRONMENTS = [("coa-private", "public"), ("coa-hub-spoke", "public"), ("coa-private-gov", "us-government")]


def run(sandbox: Sandbox, steps: Blueprint, transport: Transport | None = None) -> Outcome:
    with connect(sandbox, transport=transport) as arm:
        return apply(steps, plan.make(steps, arm), arm, Silent())


def changed(sandbox: Sandbox, tmp_path: Path, old: str, new: str) -> Site:
    """Return coa-private with one line of its file changed."""
    text = Path("provision/environments/coa-private.yaml").read_text("utf-8")
    assert text.count(old) == 1
    file = tmp_path / "coa-private.yaml"
    file.write_text(text.replace(old, new), "utf-8")
    return Site(load(file), sandbox.subscription, sandbox.tenant)


def numbers(found: Exposure) -> tuple[int, int]:
    """The requests that opened it and closed it."""
    assert found.opened is not None
    assert found.closed is not None
    return found.opened.number, found.closed.number


@pytest.mark.parametrize(("name", "cloud"), ENVIRONMENTS)
def test_nothing_is_ever_open(name: str, cloud: str) -> None:
    entries: list[Entry] = []
    with Sandbox("empty", operation_seconds=0, cloud=cloud) as sandbox, connect(sandbox, entries.append) as arm:
        steps = blueprint.build(site(sandbox, name))
        outcome = apply(steps, plan.make(steps, arm), arm, Silent())
        assert outcome.complete, outcome
        assert sandbox.exposures == ()
        looked_at = {change.request for change in sandbox.state.changes()}
        written = {f"PUT {entry.path}" for entry in entries if entry.method == "PUT" and entry.status < 300}
        assert len(written) > 100
        assert written <= looked_at, "of every write that the log tells of, the sandbox saw what it did"


def test_what_passes_for_services_of_azure_is_what_needs_them(sandbox: Sandbox) -> None:
    assert build(sandbox).complete
    steps = blueprint.build(site(sandbox)).steps
    needed = {str(getattr(steps[key], "id", "")).lower() for key in ("vault", "logs")}
    lasting = {found.resource_id.lower() for found in sandbox.bypasses if found.closed is None}
    assert lasting == needed, "services fetch keys from the vault, and write logs"
    passing = {found.resource_id.lower() for found in sandbox.bypasses} - needed
    assert passing <= {str(getattr(steps["cluster"], "id", "")).lower()}, "commands in the cluster, until it is closed"


def test_the_registry_trusts_services_only_while_images_are_imported(sandbox: Sandbox, tmp_path: Path) -> None:
    wanted = changed(sandbox, tmp_path, "images: []", f"images: [{', '.join(IMAGES)}]")
    outcome = run(sandbox, blueprint.build(wanted))
    assert outcome.complete, outcome
    assert sandbox.exposures == ()
    passing = [found for found in sandbox.bypasses if "/registries/" in found.resource_id]
    assert len(passing) == 1
    opened, closed = numbers(passing[0])
    marked = [
        change.number
        for change in sandbox.state.changes()
        if change.resource_id == passing[0].resource_id and "lockdown-image-" in str((change.after or {}).get("tags"))
    ]
    made = next(change.number for change in sandbox.state.changes() if change.resource_id == passing[0].resource_id)
    assert made < opened < min(marked) <= closed, "trusted neither from birth nor after the last image"


def test_commands_run_in_the_cluster_only_while_a_workload_is_brought_in(sandbox: Sandbox) -> None:
    wanted = conftest.site(sandbox)
    outcome = conftest.build(sandbox, wanted)
    assert outcome.complete, outcome
    assert sandbox.exposures == ()
    cluster = sandbox.state.get(ids.cluster(wanted))
    assert cluster is not None
    assert cluster["_commands"], "those outside of these intervals are refused"
    passing = [found for found in sandbox.bypasses if found.resource_id == cluster["id"]]
    assert {found.why for found in passing} == {nodes.COMMAND}
    happened = [change for change in sandbox.state.changes() if change.resource_id == cluster["id"]]
    for found in passing:
        opened, closed = numbers(found)
        assert happened[0].number < opened < closed, "closed from birth, and again when it is done"


Spoil = Callable[[Body], Body]


def without(*names: str) -> Spoil:
    def spoiled(body: Body) -> Body:
        kept = {name: value for name, value in body["properties"].items() if name not in names}
        return {**body, "properties": kept}

    return spoiled


def way_out(body: Body) -> Body:
    subnets = [without("defaultOutboundAccess")(subnet) for subnet in body["properties"]["subnets"]]
    return {**body, "properties": {**body["properties"], "subnets": subnets}}


ACCESS = ("publicNetworkAccess", "networkAcls", "networkRuleSet")
TELEMETRY = ("publicNetworkAccessForIngestion", "publicNetworkAccessForQuery")
SPOILS: dict[str, tuple[Spoil, set[str]]] = {
    "storage": (without(*ACCESS), {services.OPEN}),
    "logs": (without(*ACCESS), {services.OPEN}),
    "vault": (without(*ACCESS), {services.OPEN}),
    "registry": (without("publicNetworkAccess", "networkRuleSet", "policies"), {services.OPEN}),
    "batch": (without("publicNetworkAccess"), {services.OPEN}),
    "workspace": (without(*TELEMETRY), {services.INGESTION, services.QUERY}),
    "insights": (without(*TELEMETRY), {services.INGESTION, services.QUERY}),
    "network": (way_out, {network.OUTBOUND}),
}


def test_what_is_written_open_first_and_closed_at_once_is_caught(sandbox: Sandbox) -> None:
    right = blueprint.build(site(sandbox))
    wrong = graph(spoiled(right))
    outcome = run(sandbox, wrong)
    assert set(SPOILS) <= set(outcome.done), outcome
    assert run(sandbox, right).complete
    for key, (_, why) in SPOILS.items():
        step = right.steps[key]
        assert isinstance(step, Resource)
        whole = f"{step.id}/".lower()
        found = [one for one in sandbox.exposures if f"{one.resource_id}/".lower().startswith(whole)]
        assert {one.why for one in found} == why, key
        for one in found:
            opened, closed = numbers(one)
            assert opened < closed
            assert one.opened is not None
            assert one.opened.request.lower() == f"put {step.id}".lower()


def spoiled(steps: Blueprint) -> list[Step]:
    return [
        replace(step, body=SPOILS[step.key][0](step.body))
        if isinstance(step, Resource) and step.key in SPOILS
        else step
        for step in steps
    ]


@pytest.mark.parametrize(("tenth", "after"), [(2, False), (4, True), (6, False), (8, True)])
def test_neither_is_anything_open_in_a_run_that_is_killed_or_in_the_one_that_finishes(
    sandbox: Sandbox, tenth: int, after: bool
) -> None:
    writes = len(blueprint.build(site(sandbox)).steps)
    died = build(sandbox, Transport(sandbox, dies_at=writes * tenth // 10, after=after))
    assert isinstance(died.interrupted, Killed)
    assert build(sandbox).complete
    assert sandbox.exposures == ()


class Mortal(Transport):
    """Dies when this is to be written."""

    def __init__(self, sandbox: Sandbox, at: str) -> None:
        super().__init__(sandbox)
        self._at = at

    def send(self, request: Any, **options: Any) -> Any:
        if request.method == "PUT" and self._at in request.url:
            self.dead = True
        return super().send(request, **options)


def with_jumpbox(sandbox: Sandbox, tmp_path: Path) -> tuple[Site, Blueprint]:
    """Return the environment, and its blueprint with a resource that somebody inside of the network has to be for."""
    wanted = changed(sandbox, tmp_path, "access: none", "access: jumpbox\njumpbox: {source: 8.8.8.8/32}\n#")
    inside = Resource(
        "work",
        "work",
        wanted.in_group("Microsoft.Network/networkSecurityGroups", "work"),
        "2026-03-01",
        {"location": wanted.location, "tags": wanted.tags, "properties": {"securityRules": []}},
        needs=("jumpbox/login", "jumpbox/shutdown"),
    )
    key = jumpbox.new_keys().public
    return wanted, graph(grounded([*chain(wanted, key, datetime.now(UTC)), inside]))


def test_of_a_jumpbox_its_address_alone_is_open_and_only_while_it_is_there(sandbox: Sandbox, tmp_path: Path) -> None:
    wanted, steps = with_jumpbox(sandbox, tmp_path)
    outcome = run(sandbox, steps)
    assert outcome.complete, outcome
    address = address_id(wanted).lower()
    assert {found.resource_id.lower() for found in sandbox.exposures} == {address}
    assert {found.why for found in sandbox.exposures} == {network.INTERFACE, network.ADMITTED}
    happened = [change for change in sandbox.state.changes() if change.resource_id.lower() == address]
    assert (happened[0].kind, happened[-1].kind) == ("Create", "Delete")
    for found in sandbox.exposures:
        opened, closed = numbers(found)
        assert happened[0].number < opened < closed <= happened[-1].number


def test_a_jumpbox_that_a_killed_run_left_is_open_until_the_next_run_removes_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    wanted, steps = with_jumpbox(sandbox, tmp_path)
    work = steps.steps["work"]
    assert isinstance(work, Resource)
    died = run(sandbox, steps, Mortal(sandbox, work.id))
    assert isinstance(died.interrupted, Killed)
    assert {found.closed for found in sandbox.exposures} == {None}
    assert run(sandbox, steps).complete
    assert {found.resource_id.lower() for found in sandbox.exposures} == {address_id(wanted).lower()}
    for found in sandbox.exposures:
        numbers(found)
