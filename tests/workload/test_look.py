"""What runs in a cluster, looked into from outside: by run-command, open for so long."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockdown import cli
from lockdown.errors import Exit
from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.blueprint import ids
from lockdown.provisioner.blueprint.workload import LOOKED, TAG
from lockdown.provisioner.workload.look import RULES, Row, judge, rows
from lockdown.sandbox.server import Sandbox
from tests.workload.conftest import build, described, site

Run = Callable[..., int]


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[Sandbox, dict[str, Any]]]:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        outcome = build(sandbox, site(sandbox))
        assert outcome.complete, outcome
        found = sandbox.state.get(ids.cluster(site(sandbox)))
        assert found is not None
        yield sandbox, copy.deepcopy(found)


@pytest.fixture
def azure(built: tuple[Sandbox, dict[str, Any]]) -> Sandbox:
    sandbox, document = built
    sandbox.state.seed([copy.deepcopy(document)])
    return sandbox


@pytest.fixture
def provision(azure: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name, value in azure.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "coa.yaml").write_text(yaml.safe_dump(described()), encoding="utf-8")
    return lambda *words: cli.run(["provision", "coa.yaml", *words])


def cluster(sandbox: Sandbox) -> dict[str, Any]:
    found = sandbox.state.get(ids.cluster(site(sandbox)))
    assert found is not None
    return found


def is_shut(sandbox: Sandbox) -> bool:
    wanted = site(sandbox)
    roles = [each for each in sandbox.state.below(ids.cluster(wanted)) if each["type"].endswith("roleAssignments")]
    given = [each for each in roles if each["properties"]["principalId"] == wanted.caller]
    return cluster(sandbox)["properties"]["apiServerAccessProfile"]["disableRunCommand"] is True and not given


def change(sandbox: Sandbox, **objects: dict[str, Any]) -> None:
    """Put objects into the cluster past its API, as somebody with a kubectl of his own would have."""
    found = copy.deepcopy(cluster(sandbox))
    for name, each in objects.items():
        found["_objects"][f"{each['kind'].lower()}/{each['metadata'].get('namespace', '')}/{name}"] = {
            **each, "_changed": "2026-01-01T00:00:00Z",
        }  # fmt: skip
    sandbox.state.seed([found])


def test_what_lockdown_brought_in_passes(provision: Run, azure: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    assert provision("--status", "--in-cluster", "--json") == Exit.OK
    judged = json.loads(capsys.readouterr().out)["inCluster"]
    assert {each["rule"] for each in judged} == set(RULES) - {"no-cluster-admin"}
    assert {each["verdict"] for each in judged} == {"pass"}
    assert len([each for each in judged if each["rule"] == "image-by-digest"]) == 6
    assert is_shut(azure)
    assert LOOKED in cluster(azure)["tags"]
    assert provision("--status") == Exit.OK
    assert provision("--plan") == Exit.OK


def chart() -> dict[str, Any]:
    """Return what the original deployer's chart makes of TES."""
    container = {
        "name": "tes",
        "image": "docker.io/genomics/tes:6.0.0",
        "env": [
            {"name": "TesPostgreSql__DatabaseUserPassword", "value": "hunter2-in-clear"},
            {"name": "Storage__DefaultAccountName", "value": "x"},
        ],
    }
    pod = {"metadata": {}, "spec": {"containers": [container], "hostNetwork": True}}
    held = {"replicas": 1, "template": pod}
    metadata = {"name": "chart", "namespace": "coa", "uid": "1", "generation": 1}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": held}


def test_what_the_original_left_weak_fails_and_no_secret_is_read(
    provision: Run, azure: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "open", "namespace": "default"}}
    change(azure, chart=chart(), open={**service, "spec": {"type": "LoadBalancer"}})
    assert provision("--status", "--in-cluster") == Exit.NOT_COMPLIANT
    said = capsys.readouterr()
    for what in (
        "named by a tag that can be moved: docker.io/genomics/tes:6.0.0",
        "TesPostgreSql__DatabaseUserPassword",
        "host network",
        "fail default/service/open: its load balancer is public",
    ):
        assert what in said.out
    assert "Storage__DefaultAccountName" not in said.out
    assert "hunter2" not in said.out + said.err
    assert is_shut(azure)


def test_a_cluster_that_differs_is_not_opened(provision: Run, azure: Sandbox) -> None:
    found = copy.deepcopy(cluster(azure))
    found["properties"]["agentPoolProfiles"][0]["count"] = 7
    azure.state.seed([found])
    before = len(found["_commands"])
    assert provision("--status", "--in-cluster") == Exit.USAGE
    assert len(cluster(azure)["_commands"]) == before


def test_run_command_that_is_refused_leaves_nothing_open(provision: Run, azure: Sandbox) -> None:
    azure.fault("POST *runcommand* fail:403:AuthorizationFailed 1")
    assert provision("--status", "--in-cluster") == Exit.INCOMPLETE
    assert is_shut(azure)


def test_status_reads_and_opens_nothing(provision: Run, azure: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(cluster(azure)["_commands"])
    assert provision("--status", "--json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["upToDate"] is True
    assert told["release"] == told["wantedRelease"] == cluster(azure)["tags"][TAG]
    assert told["runCommandOpen"] is False
    found = copy.deepcopy(cluster(azure))
    found["tags"][TAG] = "\x1b[31mother"
    azure.state.seed([found])
    assert provision("--status") == Exit.DRIFT
    assert "\x1b" not in capsys.readouterr().out
    assert len(cluster(azure)["_commands"]) == before


@pytest.mark.parametrize("words", [("--in-cluster",), ("--in-cluster", "--yes")])
def test_looking_is_part_of_the_status(provision: Run, words: tuple[str, ...]) -> None:
    assert provision(*words) == Exit.USAGE


@pytest.mark.parametrize("option", ["--adopt", "--remove-workload"])
def test_without_a_workload_there_is_nothing_to_adopt_or_take_out(provision: Run, option: str) -> None:
    Path("coa.yaml").write_text(yaml.safe_dump(described(workload="none")), encoding="utf-8")
    assert provision(option, "--yes") == Exit.USAGE


def test_without_a_policy_nothing_is_denied() -> None:
    head = ("KIND", "NAMESPACE", "NAME", "PODS", "TYPES", "IN", "OUT")
    half = dict(zip(head, ("NetworkPolicy", "coa", "half", "map[]", "Ingress", "<none>", "<none>"), strict=True))
    both = {**half, "TYPES": "Ingress,Egress"}
    cases: tuple[tuple[list[Row] | None, str], ...]
    cases = (([], "fail"), ([half], "fail"), ([both], "pass"), (None, "unknown"))
    for table, verdict in cases:
        judged = [each for each in judge({"policies": table}, "r") if each.rule == "default-deny"]
        assert [each.verdict for each in judged] == [verdict]


def test_what_the_cluster_did_not_say_is_unknown() -> None:
    assert {each.verdict for each in judge({}, "r")} == {"unknown"}


@pytest.mark.parametrize("text", ["", "error: something", "KIND   NAME\nPod"])
def test_what_is_no_table_is_an_error(text: str) -> None:
    with pytest.raises(RefusedError):
        rows(text)
