"""Audit a scenario in a sandbox whose quotas are off.

python -m benchmarks.sandboxed RUN [--scenario tenant] [--option resources=10000 ...]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lockdown.sandbox.server import Sandbox

_DONE = frozenset({0, 7})
"""Exit codes of an audit that read everything: compliant, and not compliant."""


def audit(run: Path, environment: Mapping[str, str]) -> None:
    """Make a run in ``environment``.

    Raises:
        SystemExit: the audit did not read everything.
    """
    command = [sys.executable, "-m", "lockdown", "audit", "--quiet", "--out", str(run)]
    audited = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if audited.returncode not in _DONE:
        raise SystemExit(f"The audit ended with {audited.returncode}: {audited.stderr}")


def arguments(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, dict[str, str]]:
    """Return what is asked, and the options of the scenario."""
    parser.add_argument("--scenario", default="tenant")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="an option of the scenario")
    asked = parser.parse_args()
    return asked, {name: value for name, _, value in (text.partition("=") for text in asked.option)}


def main() -> None:
    """Make a run."""
    parser = argparse.ArgumentParser(description="Audit a scenario in a sandbox.")
    parser.add_argument("run", type=Path, help="where to; it must not exist")
    asked, options = arguments(parser)
    with Sandbox(asked.scenario, options=options, quota=False) as sandbox:
        audit(asked.run, sandbox.environment("auditor"))


if __name__ == "__main__":
    main()
