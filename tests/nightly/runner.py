"""A small runner of GitHub Actions: runs the `run:` scripts of our composite action as GitHub's runner would.

What is not ours (checkout, artefacts, code scanning) is not run; artefacts are folders that are copied from job to job.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import AZURE

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / ".github/actions/lockdown"
OURS = "OWNER/lockdown/.github/actions/lockdown@COMMIT"
_CHOICE = re.compile(
    r"\$\{\{ (?P<left>[a-z.-]+) == '(?P<right>[a-z]+)' && '(?P<yes>[a-z-]*)' \|\| '(?P<no>[a-z-]*)' \}\}"
)
_VALUE = re.compile(r"\$\{\{ ([A-Za-z_.-]+) \}\}")


@dataclass
class Job:
    """What one job left behind."""

    code: int
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


@dataclass
class Runner:
    """One repository and what its settings say.

    Attributes:
        workspace: what is checked out.
        settings: values of expressions such as ``vars.LOCKDOWN_STORE``.
        environment: what every job has besides.
    """

    workspace: Path
    settings: Mapping[str, str]
    environment: Mapping[str, str]
    count: int = 0

    def job(self, job: Mapping[str, Any], environment: Mapping[str, str]) -> Job:
        """Run our steps of a job; like the real one, stop at a failure, save for what runs always."""
        done = Job(0)
        for step in job["steps"]:
            if step.get("uses") != OURS:
                continue
            if done.code and step.get("if") != "always()":
                continue
            given = {name: self._evaluated(str(value), {}) for name, value in step["with"].items()}
            self._action(given, environment, done)
        return done

    def _action(self, given: Mapping[str, str], environment: Mapping[str, str], done: Job) -> None:
        action = yaml.safe_load((ACTION / "action.yml").read_bytes())
        unknown = given.keys() - action["inputs"].keys()
        assert not unknown, unknown
        inputs = {name: str(of.get("default", "")) for name, of in action["inputs"].items()} | {
            name: value.lower() if value in {"True", "False"} else value for name, value in given.items()
        }
        for step in action["runs"]["steps"]:
            condition = step.get("if", f"inputs.step == '{inputs['step']}'")
            if condition != f"inputs.step == '{inputs['step']}'":
                continue
            env = {name: self._evaluated(value, inputs) for name, value in step.get("env", {}).items()}
            self._step(step["run"], {**environment, **env}, done)
            if done.code:
                return

    def _step(self, script: str, environment: Mapping[str, str], done: Job) -> None:
        self.count += 1
        place = self.workspace.parent / f"step-{self.count}"
        place.mkdir()
        files = {name: place / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        temporary = self.workspace.parent / "temporary"
        temporary.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(AZURE)}
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.workspace,
            env={
                **kept,
                **self.environment,
                **environment,
                **{name: str(path) for name, path in files.items()},
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": str(ACTION),
                "RUNNER_TEMP": str(temporary),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=500,
            check=False,
        )
        done.code = done.code or ran.returncode
        done.log += ran.stdout
        if files["GITHUB_OUTPUT"].is_file():
            lines = files["GITHUB_OUTPUT"].read_text("utf-8").splitlines()
            done.outputs |= dict(line.split("=", 1) for line in lines)
        if files["GITHUB_STEP_SUMMARY"].is_file():
            done.summary += files["GITHUB_STEP_SUMMARY"].read_text("utf-8")

    def _evaluated(self, text: str, inputs: Mapping[str, str]) -> str:
        known = {**self.settings, **{f"inputs.{name}": value for name, value in inputs.items()}}
        text = _CHOICE.sub(lambda found: found["yes"] if known[found["left"]] == found["right"] else found["no"], text)
        return _VALUE.sub(lambda found: known[found[1]], text)


def shim(folder: Path) -> Path:
    """Make a folder with the ``lockdown`` of this checkout, as a machine has one that installed it."""
    folder.mkdir()
    command = folder / "lockdown"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m lockdown "$@"\n', "utf-8")
    command.chmod(0o755)
    return folder


def copied(source: Path, target: Path) -> None:
    """Hand an artefact over."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
