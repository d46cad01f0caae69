"""Whole environments, as a person runs it: planned, built, audited with their waivers, compared, destroyed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from lockdown import config, record
from lockdown.data import tree
from lockdown.sandbox.server import Sandbox
from tests.conftest import clean
from tests.provisioner.azure import connect

if TYPE_CHECKING:
    from tests.conftest import Lockdown

SHIPPED = Path(str(tree("provision"))) / "environments"
POLICIES = "2023-04-01"
SCALE = 2000.0
"""Seconds that pass in the sandbox in one of the machine's."""


@pytest.mark.parametrize(
    ("name", "cloud"),
    [("coa-private", "public"), ("coa-hub-spoke", "public"), ("coa-private-gov", "us-government")],
)
def test_an_environment_that_ships_is_built_compliant_and_goes_again(
    lockdown: Lockdown, tmp_path: Path, name: str, cloud: str
) -> None:
    file, out = SHIPPED / f"{name}.yaml", tmp_path / "out"
    with Sandbox("empty", time_scale=SCALE, cloud=cloud) as azure:
        owner = azure.environment()
        planned = lockdown("provision", file, "--plan", env=owner)
        assert planned.code == 8, planned.err
        assert max(map(cell_len, planned.out.splitlines())) <= 80
        assert "not checked" not in planned.out
        keys = lockdown("keys", "generate", "--out", tmp_path / "keys")
        assert keys.code == 0, keys.err
        key = next((tmp_path / "keys").glob("*.pem"))
        built = lockdown("provision", file, "--yes", "--out", out, "--key", f"file:{key}", env=owner)
        assert built.code == 0, built.err
        assert built.out.splitlines()[-1] == str(out)
        found = record.read(out / "baseline/results/results.json")
        assert found.run["outcome"] == "compliant"
        waived = {row["policy"] for row in found.results() if row["verdict"] == "fail"}
        assert waived == {waiver.policy for waiver in config.load(out / "lockdown.yaml").waivers}
        again = lockdown("provision", file, "--plan", "--json", env=owner)
        assert again.code == 0, again.out
        assert set(json.loads(again.out)["counts"]) == {"leave"}
        drift = lockdown(
            *("drift", "-c", out / "lockdown.yaml", "--baseline", out / "baseline", "--out", tmp_path / "drift"),
            env=azure.environment("auditor"),
        )
        assert drift.code == 0, drift.err
        assert "is not signed" not in drift.err
        gone = lockdown("provision", file, "--destroy", "--yes", "--out", out, env=owner)
        assert gone.code == 0, gone.err
        assert lockdown("provision", file, "--destroy", "--plan", env=owner).code == 0


def test_an_assignment_of_azure_policy_that_will_refuse_stops_everything(lockdown: Lockdown, tmp_path: Path) -> None:
    rule = {"if": {"field": "type", "equals": "Microsoft.Storage/storageAccounts"}, "then": {"effect": "deny"}}
    with Sandbox("empty", operation_seconds=0) as azure:
        policies = f"/subscriptions/{azure.subscription}/providers/Microsoft.Authorization"
        definition = f"{policies}/policyDefinitions/none"
        with connect(azure) as arm:
            arm.put(
                definition,
                POLICIES,
                {"properties": {"policyType": "Custom", "mode": "All", "displayName": "None", "policyRule": rule}},
            )
            arm.put(
                f"{policies}/policyAssignments/none",
                POLICIES,
                {"properties": {"displayName": "No accounts here", "policyDefinitionId": definition}},
            )
        ran = lockdown("provision", SHIPPED / "coa-private.yaml", "--yes", "--out", tmp_path, env=azure.environment())
    assert ran.code == 2
    assert "The policy assignment 'No accounts here' will refuse storage, logs." in ran.err
    methods = {json.loads(line)["method"] for line in (tmp_path / "requests.jsonl").read_text("utf-8").splitlines()}
    assert methods <= {"GET", "POST"}


def test_an_interrupted_run_says_how_things_stand(tmp_path: Path) -> None:
    with Sandbox("empty", time_scale=60) as azure:
        running = subprocess.Popen(
            [sys.executable, "-m", "lockdown", "provision", str(SHIPPED / "coa-private.yaml"), "--yes"],
            env=clean(azure.environment()),
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        assert running.stderr is not None
        seen = ""
        while "create firewall: typically" not in seen:
            seen += running.stderr.readline()
        running.send_signal(signal.SIGINT)
        _, rest = running.communicate(timeout=60)
    assert running.returncode == 130, rest
    assert "Traceback" not in rest
    done, _, unfinished = rest.rpartition("Not finished")
    assert "network-group" in done.rpartition("\nDone\n")[2]
    assert "cluster" in unfinished
    assert "Run the same command again: it goes on where this one ended." in rest
