"""What an environment file may say of a workload, and whole builds of others than the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lockdown.errors import UsageError
from lockdown.provisioner import blueprint, destroy, environment, plan
from lockdown.provisioner.blueprint import workload as workloads
from lockdown.provisioner.environment import Environment
from lockdown.provisioner.graph import Resource
from lockdown.provisioner.outcome import Silent
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import connect
from tests.workload.conftest import IMAGES, build, described, image, site

SOME = "00000000-0000-0000-0000-000000000000"


def on_paper(name: str = "coa-private", workload: str = "cromwell", **changes: Any) -> Site:
    return Site(Environment.model_validate(described(name, workload, **changes)), SOME, SOME, caller=SOME)


def test_without_images_a_workload_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = "\n".join(f"{key}: {value!r}" for key, value in described(workloadImages={}).items())
    file.write_text(text.replace("True", "true").replace("False", "false"), encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        environment.load(file)
    for key in IMAGES:
        assert f"workloadImages.{key}" in str(refused.value)
    assert "publishes no complete set" in str(refused.value)


def test_tes_alone_needs_neither_cromwell_nor_triggerservice() -> None:
    needed = {key: IMAGES[key] for key in ("tes", "tools", "postgresClient")}
    assert on_paper(workload="tes-only", workloadImages=needed).environment.images == tuple(needed.values())
    with pytest.raises(ValueError, match=r"workloadImages\.cromwell"):
        on_paper(workloadImages=needed)


@pytest.mark.parametrize("image", ["docker.io/library/postgres:17", "postgres@sha256:1", "$(id)@sha256:" + "0" * 64])
def test_an_image_is_named_by_registry_and_digest(image: str) -> None:
    with pytest.raises(ValueError, match="workloadImages"):
        on_paper(workloadImages={**IMAGES, "tools": image})


@pytest.mark.parametrize("size", ["Standard_D2s_v5\nroot", "${x}", "a" * 80, "%{file:scripts/users.sql}", ""])
def test_a_machine_size_is_a_name(size: str) -> None:
    with pytest.raises(ValueError, match="vmSizes"):
        on_paper(tasks={"vmSizes": [size]})


def test_without_a_workload_nothing_of_it_is_there() -> None:
    steps = blueprint.build(on_paper(workload="none")).steps
    assert not [key for key in steps if "workload" in key or "setup" in key or key.startswith("image/")]
    cluster = steps["cluster"]
    assert isinstance(cluster, Resource)
    assert cluster.windows[0].needed_by == ()


def test_run_command_is_open_for_the_workload_alone() -> None:
    cluster = blueprint.build(on_paper()).steps["cluster"]
    assert isinstance(cluster, Resource)
    assert cluster.windows[0].needed_by == (workloads.KEY,)


def roles(found: Site, who: str) -> set[tuple[str, str]]:
    return {
        (key.split("/")[2], key.split("/")[3]) for key in blueprint.build(found).steps if key.startswith(f"role/{who}/")
    }


def test_cluster_pods_and_tasks_are_three_and_each_may_do_little() -> None:
    found = on_paper()
    tasks, pods, cluster = (roles(found, who) for who in ("nodes", "workload", "identity"))
    writes = {scope for scope, role in tasks if role == "storage-blob-data-contributor"}
    assert writes == {"container-cromwell-executions", "container-tes-internal", "container-outputs"}
    assert tasks - {(scope, "storage-blob-data-contributor") for scope in writes} == {
        ("container-inputs", "storage-blob-data-reader")
    }
    assert {scope for scope, _ in pods} == {"storage", "batch", "batchsubnet", "nodes"}
    assert not {scope for scope, _ in cluster} & {"storage", "batch", "batchsubnet", "nodes", "insights"}
    assert "storage-account-key-operator-service-role" not in {role for _, role in tasks | pods | cluster}


def test_what_administers_is_there_for_the_step_alone() -> None:
    steps = blueprint.build(on_paper()).steps
    passing = {key for key, step in steps.items() if isinstance(step, Resource) and step.temporary}
    assert {"credential/setup", "role/caller/cluster/cluster-admin"} <= passing
    assert "credential" not in passing


def test_the_release_says_what_is_brought_in_and_nothing_else() -> None:
    same = workloads.release(on_paper())
    assert workloads.release(on_paper(owner="someone@else.example")) == same
    assert workloads.release(on_paper(workload="tes-only")) != same
    assert workloads.release(on_paper(tasks={"spotOnly": True})) != same
    other = {**IMAGES, "tes": IMAGES["tes"][:-1] + ("0" if IMAGES["tes"][-1] != "0" else "1")}
    assert workloads.release(on_paper(workloadImages=other)) != same


@pytest.mark.parametrize(
    ("name", "workload", "cloud"),
    [("coa-private-gov", "cromwell", "AzureUSGovernment"), ("coa-hub-spoke", "tes-only", "AzureCloud")],
)
def test_the_other_environments_run_a_workload_too(name: str, workload: str, cloud: str) -> None:
    with Sandbox("empty", operation_seconds=20, cloud=cloud) as sandbox:
        wanted = site(sandbox, name, workload)
        outcome = build(sandbox, wanted)
        assert outcome.complete, outcome
        with connect(sandbox) as arm:
            assert not plan.make(blueprint.build(wanted), arm).pending


def test_images_come_from_a_registry_of_one_s_own_by_its_id() -> None:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        group = f"/subscriptions/{sandbox.subscription}/resourceGroups/builds"
        source = f"{group}/providers/Microsoft.ContainerRegistry/registries/builds"
        built = image("builds.azurecr.io/genomics/tes:6.0.0")
        made = {"name": "builds", "type": "Microsoft.ContainerRegistry/registries", "location": "eastus"}
        held = {"genomics/tes:6.0.0": built.partition("@")[2]}
        sandbox.state.seed(
            [
                {"id": group, "name": "builds", "type": "Microsoft.Resources/resourceGroups", "location": "eastus"},
                {"id": source, **made, "properties": {"loginServer": "builds.azurecr.io"}, "_images": held},
            ]
        )
        images = {**IMAGES, "tes": built}
        refused = build(sandbox, site(sandbox, workload="tes-only", workloadImages=images))
        assert [failure.key for failure in refused.failed] == ["image/2"]
        assert "without credentials" in refused.failed[0].cause
        known = {"images": [], "sources": {"builds.azurecr.io": source}}
        assert build(sandbox, site(sandbox, workload="tes-only", workloadImages=images, registry=known)).complete


def test_all_of_it_is_destroyed() -> None:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        wanted = site(sandbox, workload="tes-only")
        assert build(sandbox, wanted).complete
        found = blueprint.build(wanted)
        with connect(sandbox) as arm:
            removals = destroy.plan(found, arm)
            assert {"identity/workload", "identity/setup", "cluster"} <= {going.key for going in removals.going}
            outcome = destroy.apply(found, removals, arm, Silent())
            assert outcome.complete, outcome
        left = [
            str(each["id"])
            for each in sandbox.state.documents()
            if "/resourcegroups/genomics" in str(each["id"]).lower()
        ]
        assert left == []
