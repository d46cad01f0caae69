"""Whatever of the sandbox is imported first can be."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["scenarios", "scenarios.coa_private", "providers", "providers.cluster_nodes", "app"]
)
def test_a_module_needs_no_other_before_it(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import lockdown.sandbox.{module}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
