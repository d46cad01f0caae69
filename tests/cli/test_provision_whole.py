"""Whole environments, as a person runs it: planned, built, audited with their waivers, compared, destroyed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from lockdown import config, record
from lockdown.data import tree
from lockdown.sandbox.server import Sandbox

if TYPE_CHECKING:
    from tests.conftest import Lockdown

SHIPPED = Path(str(tree("provision"))) / "environments"
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
        gone = lockdown("provision", file, "--destroy", "--yes", "--out", out, env=owner)
        assert gone.code == 0, gone.err
        assert lockdown("provision", file, "--destroy", "--plan", env=owner).code == 0
