"""``coa-private`` is what a provision of its environment leaves: the file is true, and a sandbox holds what it says."""

from __future__ import annotations

import json
from pathlib import Path

from lockdown.data import tree
from lockdown.provisioner import blueprint, environment, plan
from lockdown.provisioner.plan import Verb
from lockdown.provisioner.site import Site
from lockdown.sandbox.scenarios.coa_private import FILE, SUBSCRIPTION, TENANT
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import connect
from tests.sandbox import saved


def test_the_file_is_what_a_provision_leaves() -> None:
    written, kept = saved.text(), FILE.read_text("utf-8")
    made, there = ({item["id"]: item for item in json.loads(text)["documents"]} for text in (written, kept))
    differing = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))

    assert not differing, "python -m tests.sandbox.saved writes the file anew: review what changed"
    assert written == kept


def test_a_sandbox_holds_what_the_file_says() -> None:
    with Sandbox("coa-private") as sandbox:
        text = FILE.read_text("utf-8").replace(TENANT, sandbox.tenant)
        held = {found["id"]: found for found in sandbox.state.documents() if SUBSCRIPTION in found["id"]}
    del held[f"/subscriptions/{SUBSCRIPTION}"]

    assert held == {found["id"]: found for found in json.loads(text)["documents"]}


def test_nothing_is_left_to_be_provisioned_in_it() -> None:
    # A path of the tree is one of the file system: the content is not packed.
    file = Path(str(tree("provision"))) / "environments" / f"{saved.ENVIRONMENT}.yaml"
    with Sandbox("coa-private") as sandbox, connect(sandbox) as arm:
        site = Site(environment.load(file), sandbox.subscription, sandbox.tenant)
        found = plan.make(blueprint.build(site), arm)

    assert [change for change in found.changes if change.verb is not Verb.LEAVE] == []
    assert len(found.changes) > 150


def test_nothing_of_one_run_is_in_the_file() -> None:
    text = FILE.read_text("utf-8")

    assert json.loads(text)["config"]["waivers"]
    for trace in ("127.0.0.1", "_etag", 'administratorLoginPassword": "'):
        assert trace not in text
