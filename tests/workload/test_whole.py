"""A workload, whole: brought into an empty subscription, left alone, changed, taken out, finished after a kill."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from lockdown.provisioner import blueprint, plan
from lockdown.provisioner.blueprint import ids
from lockdown.provisioner.blueprint.workload import REMOVED, TAG
from lockdown.provisioner.change import Plan
from lockdown.provisioner.graph import Blueprint, Resource, Step, references
from lockdown.provisioner.graph import blueprint as ordered
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import Killed, Transport, Watched, connect
from tests.workload.conftest import IMAGES, adopting, build, image, removing, site

WINDOW = "disableRunCommand"
SERVED = {"deployment/coa/cromwell", "deployment/coa/tes", "deployment/coa/triggerservice"}


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[Sandbox, dict[str, Any]]]:
    """An environment that runs Cromwell, and all its documents."""
    with Sandbox("empty", operation_seconds=20) as sandbox:
        outcome = build(sandbox, site(sandbox))
        assert outcome.complete, outcome
        yield sandbox, {str(each["id"]): copy.deepcopy(each) for each in sandbox.state.documents()}


@pytest.fixture
def sandbox(built: tuple[Sandbox, dict[str, Any]]) -> Sandbox:
    """The same for each test: what the one before changed is put back."""
    sandbox, documents = built
    now = {str(each["id"]) for each in sandbox.state.documents()}
    for gone in now - documents.keys():
        sandbox.state._documents.pop(gone.lower(), None)
    sandbox.state.seed(copy.deepcopy(list(documents.values())))
    return sandbox


def cluster(sandbox: Sandbox) -> dict[str, Any]:
    found = sandbox.state.get(ids.cluster(site(sandbox)))
    assert found is not None
    return found


def objects(sandbox: Sandbox) -> dict[str, Any]:
    return dict(cluster(sandbox).get("_objects") or {})


def forget(sandbox: Sandbox, *, objects_too: bool = True) -> None:
    """Make the cluster one that nothing was brought into."""
    found = copy.deepcopy(cluster(sandbox))
    found["tags"].pop(TAG, None)
    if objects_too:
        found["_objects"] = {}
    sandbox.state.seed([found])


def planned(sandbox: Sandbox, wanted: Site) -> Plan:
    with connect(sandbox) as arm:
        return plan.make(blueprint.build(wanted), arm)


def around(wanted: Site) -> Blueprint:
    """Return the steps of the workload and what they refer to: the rest is there, and takes its time to be read."""
    found = {step.key: step for step in blueprint.chain(wanted)}
    ours = {key for key, step in found.items() if step.theme == "workload"} | {"cluster"}
    beside = frozenset().union(*(references(found[key].body) for key in ours)) - ours
    return ordered(
        [
            *(replace(found[key], needs=tuple(set(found[key].needs) & ours)) for key in ours),
            *(there(found[key]) for key in beside),
        ]
    )


def there(step: Step) -> Step:
    assert isinstance(step, Resource)
    return replace(step, body={}, needs=(), windows=(), brought=True)


def is_shut(sandbox: Sandbox) -> bool:
    """Tell whether nothing of the way in is left: the window, the caller's role, the credential of the setup."""
    wanted = site(sandbox)
    closed = cluster(sandbox)["properties"]["apiServerAccessProfile"][WINDOW] is True
    roles = [
        each
        for each in sandbox.state.below(ids.cluster(wanted))
        if each["type"].lower().endswith("roleassignments") and each["properties"]["principalId"] == wanted.caller
    ]
    return closed and not roles and not list(sandbox.state.below(ids.setup_identity(wanted)))


def test_cromwell_runs_in_the_sandbox_s_terms(sandbox: Sandbox) -> None:
    found = objects(sandbox)
    assert found.keys() >= SERVED
    assert {"secret/coa/cromwell-database", "secret/coa/tes-database", "secret/coa/database-verifiers"} <= found.keys()
    assert all(job.get("_complete") for key, job in found.items() if key.startswith("job/"))
    assert is_shut(sandbox)


def test_a_second_run_writes_nothing_and_opens_nothing(sandbox: Sandbox) -> None:
    transport = Transport(sandbox)
    before = len(cluster(sandbox)["_commands"])
    assert not planned(sandbox, site(sandbox)).pending
    assert build(sandbox, site(sandbox), transport).complete
    assert transport.writes == 0
    assert len(cluster(sandbox)["_commands"]) == before


def test_no_secret_is_in_what_is_sent_to_the_cluster(built: tuple[Sandbox, dict[str, Any]]) -> None:
    sandbox, _ = built
    values = [
        value
        for key, each in objects(sandbox).items()
        if key.startswith("secret/")
        for value in (each.get("data") or {}).values()
    ]
    assert values
    sent = str([(each["command"], each["context"]) for each in cluster(sandbox)["_commands"]])
    assert not [value for value in values if value in sent]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_that_was_killed_at_any_write_is_finished_by_the_next(sandbox: Sandbox, after: bool) -> None:
    wanted = around(site(sandbox))
    forget(sandbox)
    undisturbed = Transport(sandbox)
    assert build(sandbox, wanted, undisturbed).complete
    assert undisturbed.writes > 8
    for number in range(1, undisturbed.writes + 1):
        forget(sandbox)
        with suppress(Killed):
            build(sandbox, wanted, Transport(sandbox, dies_at=number, after=after))
        outcome = build(sandbox, wanted)
        assert outcome.complete, (number, outcome)
        assert objects(sandbox).keys() >= SERVED, number
        assert is_shut(sandbox), number
    assert not planned(sandbox, site(sandbox)).pending


def test_new_images_are_rolled_out_and_the_passwords_stay(sandbox: Sandbox) -> None:
    before = objects(sandbox)
    newer = {**IMAGES, "tes": image("docker.io/genomics/tes:6.1.0")}
    changed = site(sandbox, workloadImages=newer)
    pending = {change.key for change in planned(sandbox, changed).changes if change.verb != "leave"}
    assert {"workload", "image/2"} <= pending
    assert build(sandbox, changed).complete
    after = objects(sandbox)
    container = after["deployment/coa/tes"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"].endswith(newer["tes"].partition("@")[2])
    assert after["deployment/coa/cromwell"]["spec"] == before["deployment/coa/cromwell"]["spec"]
    assert after["secret/coa/tes-database"]["data"] == before["secret/coa/tes-database"]["data"]
    assert is_shut(sandbox)


def test_new_settings_are_rolled_out_and_what_was_before_can_be_gone_back_to(sandbox: Sandbox) -> None:
    before = objects(sandbox)
    changed = site(sandbox, tasks={"vmSizes": ["Standard_D2s_v5"], "spotOnly": True})
    assert build(sandbox, changed).complete
    after = objects(sandbox)
    configurations = {key for key in after if key.startswith("configmap/coa/cromwell-")}
    assert len(configurations) == 2
    assert {key for key in before if key.startswith("configmap/")} <= after.keys()
    jobs = {key for key in after if key.startswith("job/")}
    assert len(jobs) == 3
    assert not jobs & before.keys()


def test_tes_alone(sandbox: Sandbox) -> None:
    wanted = site(sandbox, workload="tes-only")
    assert build(sandbox, wanted).complete
    found = objects(sandbox)
    assert {key for key in found if key.startswith("deployment/")} == {"deployment/coa/tes"}
    assert {key for key in found if key.startswith("service/")} == {"service/coa/tes"}
    assert not planned(sandbox, wanted).pending


def test_the_workload_is_taken_out_and_data_stays(sandbox: Sandbox) -> None:
    assert build(sandbox, removing(site(sandbox))).complete
    assert not [key for key in objects(sandbox) if "/coa/" in key or key.startswith("persistentvolume/")]
    assert cluster(sandbox)["tags"][TAG] == REMOVED
    assert is_shut(sandbox)
    assert not planned(sandbox, removing(site(sandbox))).pending
    assert planned(sandbox, site(sandbox)).pending


def original(sandbox: Sandbox) -> None:
    """Put what the original deployer's chart makes into the cluster."""
    forget(sandbox)
    found = copy.deepcopy(cluster(sandbox))
    now = sandbox.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {
        "name": "tes",
        "namespace": "coa",
        "uid": "1",
        "generation": 1,
        "labels": {"io.kompose.service": "tes", "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "cromwellonazure"},
    }
    held = {"replicas": 1, "template": {"metadata": {}, "spec": {"containers": [{"name": "tes", "image": "a/tes:6"}]}}}
    chart = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": held, "_changed": now}
    record: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "sh.helm.release.v1.cromwellonazure.v1", "namespace": "coa", "labels": {"owner": "helm"}},
    }
    found["_objects"] = {"deployment/coa/tes": chart, f"secret/coa/{record['metadata']['name']}": record}
    sandbox.state.seed([found])


def test_the_original_deployer_s_release_is_left_alone_unless_it_is_adopted(sandbox: Sandbox) -> None:
    original(sandbox)
    before = objects(sandbox)
    outcome = build(sandbox, site(sandbox))
    assert [failure.code for failure in outcome.failed] == ["ForeignRelease"]
    assert "deployment/tes (cromwellonazure)" in outcome.failed[0].cause
    assert "--adopt" in outcome.failed[0].cause
    assert objects(sandbox) == before
    assert is_shut(sandbox)
    assert build(sandbox, adopting(site(sandbox))).complete
    assert objects(sandbox).keys() >= SERVED
    assert not [key for key in objects(sandbox) if "helm" in key]
    assert not planned(sandbox, site(sandbox)).pending


def failing(sandbox: Sandbox, wanted: Site) -> str:
    outcome = build(sandbox, wanted)
    assert [failure.key for failure in outcome.failed] == ["workload"], outcome
    assert is_shut(sandbox)
    return f"{outcome.failed[0].code}: {outcome.failed[0].cause}"


def test_an_image_of_another_architecture(sandbox: Sandbox) -> None:
    other = site(sandbox, workloadImages={**IMAGES, "cromwell": image("docker.io/broadinstitute/cromwell:87-arm64")})
    said = failing(sandbox, other)
    assert "exec format error" in said
    assert "linux/amd64" in said
    assert "kubectl logs cromwell-" in said


def test_an_image_that_the_registry_lost(sandbox: Sandbox) -> None:
    forget(sandbox)
    registry = copy.deepcopy(sandbox.state.get(ids.registry(site(sandbox))))
    assert registry is not None
    registry["_images"] = {name: digest for name, digest in registry["_images"].items() if "tes" not in name}
    sandbox.state.seed([registry])
    said = failing(sandbox, site(sandbox))
    assert "ImagePullBackOff" in said
    assert "is not reached" in said


def test_a_registry_that_nothing_reaches(sandbox: Sandbox) -> None:
    forget(sandbox)
    registry = copy.deepcopy(sandbox.state.get(ids.registry(site(sandbox))))
    assert registry is not None
    for each in registry["properties"]["privateEndpointConnections"]:
        each["properties"]["privateLinkServiceConnectionState"]["status"] = "Rejected"
    sandbox.state.seed([registry])
    assert "403 Forbidden" in failing(sandbox, site(sandbox))


def test_a_database_that_is_not_ready(sandbox: Sandbox) -> None:
    forget(sandbox)
    database = copy.deepcopy(sandbox.state.get(ids.database(site(sandbox))))
    assert database is not None
    database["properties"]["fullyQualifiedDomainName"] = "elsewhere.postgres.database.azure.com"
    sandbox.state.seed([database])
    said = failing(sandbox, site(sandbox))
    assert "could not translate host name" in said
    assert "The database was not reached" in said


def test_progress_is_told_while_pods_come_up(sandbox: Sandbox) -> None:
    forget(sandbox)
    watched = Watched()
    assert build(sandbox, site(sandbox), watch=watched).complete
    told = [what for kind, key, what in watched.told if (kind, key) == ("waiting", "workload")]
    assert any("not ready" in str(what) for what in told)


@pytest.mark.parametrize("code", ["AuthorizationFailed", "RunCommandDisabled"])
def test_run_command_that_is_refused_is_a_failure_that_says_so(sandbox: Sandbox, code: str) -> None:
    forget(sandbox)
    sandbox.fault(f"POST *runcommand* fail:403:{code} 1")
    assert failing(sandbox, site(sandbox)).startswith(code)
    assert build(sandbox, site(sandbox)).complete


@pytest.mark.parametrize("fault", ["drop-before 1", "drop-after 2", "throttle:2 3", "fail:503 1", "truncate 1"])
def test_answers_that_are_lost_are_asked_for_again(sandbox: Sandbox, fault: str) -> None:
    forget(sandbox)
    sandbox.fault(f"POST *runcommand* {fault}")
    outcome = build(sandbox, site(sandbox))
    assert outcome.complete, outcome
    assert objects(sandbox).keys() >= SERVED
    assert is_shut(sandbox)


def test_a_command_that_times_out_is_a_failure_that_the_next_run_mends(sandbox: Sandbox) -> None:
    forget(sandbox)
    sandbox.fault("POST *runcommand* fail-operation:CommandTimeout 1")
    assert "CommandTimeout" in failing(sandbox, site(sandbox))
    assert build(sandbox, site(sandbox)).complete
