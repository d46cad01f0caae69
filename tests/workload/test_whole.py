"""A workload, whole: brought into an empty subscription, left alone, upgraded, taken out, finished after a kill."""

from __future__ import annotations

from lockdown.provisioner import blueprint, plan
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import Watched, connect
from tests.workload.conftest import build, site


def test_cromwell_is_brought_into_an_empty_subscription() -> None:
    with Sandbox("empty", operation_seconds=20) as sandbox:
        wanted, watched = site(sandbox), Watched()
        outcome = build(sandbox, wanted, watch=watched)
        assert outcome.complete, outcome
        with connect(sandbox) as arm:
            found = blueprint.build(wanted)
            left = plan.make(found, arm)
            assert not left.pending, [change for change in left.changes if change.verb != "leave"]
