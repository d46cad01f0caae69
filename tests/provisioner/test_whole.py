"""The environments that ship, whole: built, left alone, destroyed, and finished after a run that was killed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from lockdown.data import tree
from lockdown.provisioner import blueprint, destroy, environment, plan
from lockdown.provisioner.apply import apply
from lockdown.provisioner.graph import Blueprint
from lockdown.provisioner.ledger import Entry
from lockdown.provisioner.outcome import Outcome, Silent
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import WRITES, Killed, Transport, connect

GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
RANDOM = re.compile(
    rf"{GUID}|\d{{4}}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)|(?<=aks-nodepool1-)\d+|(?<=aks-agentpool-)\d+"
    r'|(?<=-)[0-9a-f]{8}(?=[."/])|[0-9a-f]{32}'
)
"""What Azure draws by lot: ids, times, the suffixes of a cluster's nodes and name, the versions of keys."""


def site(sandbox: Sandbox, name: str = "coa-private") -> Site:
    # A path of the tree is one of the file system: the content is not packed.
    file = tree("provision") / "environments" / f"{name}.yaml"
    return Site(environment.load(file), sandbox.subscription, sandbox.tenant)  # type: ignore[arg-type]


def build(sandbox: Sandbox, transport: Transport | None = None) -> Outcome:
    with connect(sandbox, transport=transport) as arm:
        found = blueprint.build(site(sandbox))
        return apply(found, plan.make(found, arm), arm, Silent())


def state(sandbox: Sandbox) -> dict[str, Any]:
    """Return all that exists, by id, without what differs from one run to another. Addresses are given as they come."""
    wanted = site(sandbox)
    text = json.dumps(
        {
            str(document["id"]).lower(): {name: value for name, value in document.items() if name[:1] != "_"}
            for document in sandbox.state.documents()
            if re.search("/resourcegroups/|/microsoft.security/|/features/", str(document["id"]).lower())
        },
        sort_keys=True,
        default=str,
    )
    for own, name in ((sandbox.subscription, "S"), (sandbox.tenant, "T"), (wanted.base, "B"), (sandbox.url, "U")):
        text = text.replace(own, name).replace(own.upper(), name)
    text = re.sub(r"\b10\.1\.\d+\.\d+\b(?!/)", "ADDRESS", RANDOM.sub("*", text))
    found: dict[str, Any] = json.loads(text)
    return {identifier: sorted(leaves(document)) for identifier, document in found.items()}


def leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, f"{path}[]")
    else:
        yield f"{path}={value}"


@pytest.fixture(scope="module")
def target() -> Iterator[tuple[dict[str, Any], int]]:
    """What an undisturbed run leaves, and how many writes it sends."""
    with Sandbox("empty", operation_seconds=20) as sandbox:
        transport = Transport(sandbox)
        outcome = build(sandbox, transport)
        assert outcome.complete, outcome
        yield state(sandbox), transport.writes


@pytest.mark.parametrize("name", ["coa-private", "coa-hub-spoke"])
def test_an_environment_is_built_then_left_alone_then_destroyed(sandbox: Sandbox, name: str) -> None:
    entries: list[Entry] = []
    with connect(sandbox, entries.append) as arm:
        found: Blueprint = blueprint.build(site(sandbox, name))
        outcome = apply(found, plan.make(found, arm), arm, Silent())
        assert outcome.complete, outcome
        entries.clear()
        again = plan.make(found, arm)
        assert not again.pending, [change for change in again.changes if change.verb is not plan.Verb.LEAVE]
        assert apply(found, again, arm, Silent()) == Outcome()
        assert not [entry for entry in entries if entry.method in WRITES]
        assert len(entries) <= len(found.steps)
        gone = destroy.apply(found, destroy.plan(found, arm), arm, Silent())
        assert gone.complete, gone
        assert destroy.plan(found, arm).going == ()
    left = {str(document["id"]) for document in sandbox.state.documents()}
    groups = {found.partition("/resourceGroups/")[2].partition("/")[0] for found in left}
    assert groups <= {"", "NetworkWatcherRG"}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("tenth", range(1, 10, 2))
def test_killed_at_a_write_the_next_run_finishes_the_same(
    sandbox: Sandbox, target: tuple[dict[str, Any], int], tenth: int, after: bool
) -> None:
    wanted, writes = target
    died = build(sandbox, Transport(sandbox, dies_at=writes * tenth // 10, after=after))
    assert isinstance(died.interrupted, Killed)
    outcome = build(sandbox)
    assert outcome.complete, outcome
    found = state(sandbox)
    assert found.keys() == wanted.keys()
    assert {key for key in wanted if found[key] != wanted[key]} == set()
    assert build(sandbox) == Outcome()
