"""The API of the sandbox's clusters: what it admits, what it refuses, in kubectl's words, and what comes of pods."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from lockdown.provisioner.blueprint import workload_values
from lockdown.provisioner.environment import Workload
from lockdown.provisioner.workload import package as packages
from lockdown.provisioner.workload.command import SERVER, context
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import connect
from tests.workload.test_environments import on_paper

VERSION = "2026-08-01"
APPLY = "kubectl apply --server-side --force-conflicts --field-manager=lockdown --filename ."
ADMINISTRATOR = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"
IMAGE = "coa.azurecr.io/genomics/tes@sha256:" + "0" * 64


class Place:
    """A cluster, by its document alone."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        group = f"/subscriptions/{sandbox.subscription}/resourceGroups/coa"
        self.id = f"{group}/providers/Microsoft.ContainerService/managedClusters/coa"
        properties = {
            "provisioningState": "Succeeded",
            "currentKubernetesVersion": "1.34.4",
            "aadProfile": {"managed": True, "enableAzureRBAC": True},
            "agentPoolProfiles": [{"name": "nodepool1", "count": 2}],
        }
        sandbox.state.seed(
            [
                {"id": group, "name": "coa", "type": "Microsoft.Resources/resourceGroups", "location": "eastus",
                 "properties": {"provisioningState": "Succeeded"}},
                {"id": self.id, "name": "coa", "type": "Microsoft.ContainerService/managedClusters",
                 "location": "eastus", "properties": properties},
            ]
        )  # fmt: skip
        self.arm = connect(sandbox)
        self.caller = sandbox.environment("owner")["LOCKDOWN_SANDBOX_OBJECT_ID"]

    def grant(self) -> None:
        subscription = f"/subscriptions/{self.sandbox.subscription}"
        role = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{ADMINISTRATOR}"
        body = {"properties": {"roleDefinitionId": role, "principalId": self.caller}}
        self.arm.put(f"{self.id}/providers/Microsoft.Authorization/roleAssignments/{ADMINISTRATOR}", "2022-04-01", body)

    def run(self, command: str, *manifests: dict[str, Any], token: str | None = None) -> tuple[int, str]:
        files = {f"{number}.json": json.dumps(each).encode() for number, each in enumerate(manifests)}
        body = {
            "command": command,
            "context": context(files),
            "clusterToken": self.arm.token(SERVER) if token is None else token,
        }
        found = self.arm.post(f"{self.id}/runCommand", VERSION, body)["properties"]
        return found["exitCode"], found["logs"]


@pytest.fixture
def place() -> Iterator[Place]:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        found = Place(sandbox)
        found.grant()
        yield found


def namespace() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "coa"}}


def pod(**changes: Any) -> dict[str, Any]:
    container = {
        "name": "tes",
        "image": IMAGE,
        "resources": {"limits": {"memory": "1Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    outer = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [{**container, **changes.pop("container", {})}], "securityContext": outer, **changes}
    return {"metadata": {"labels": {"app": "tes"}}, "spec": spec}


def deployment(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "tes", "namespace": "coa"},
        "spec": {"selector": {"matchLabels": {"app": "tes"}}, "template": pod(**changes)},
    }


def service(**changes: Any) -> dict[str, Any]:
    spec = {"ports": [{"port": 80}], "selector": {"app": "tes"}, **changes}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "tes", "namespace": "coa"}, "spec": spec}


def test_what_is_admitted_is_applied_and_shown(place: Place) -> None:
    code, logs = place.run(APPLY, namespace(), deployment(), service())
    assert code == 0, logs
    assert "deployment.apps/tes serverside-applied" in logs
    code, logs = place.run("kubectl get deployments,services -n coa -o json")
    assert code == 0
    assert [each["kind"] for each in json.loads(logs)["items"]] == ["Deployment", "Service"]
    assert place.run("kubectl get nodes")[1].count("aks-nodepool1") == 2


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (service(type="LoadBalancer"), "it is public"),
        (service(type="NodePort"), "reachable at every node"),
        (service(externalIPs=["203.0.113.1"]), "externalIPs"),
        (deployment(hostNetwork=True), "hostNetwork=true"),
        (deployment(volumes=[{"name": "host", "hostPath": {"path": "/"}}]), "hostPath volume host"),
        (deployment(container={"ports": [{"containerPort": 80, "hostPort": 80}]}), "hostPort"),
        (deployment(container={"image": "coa.azurecr.io/genomics/tes:6.0.0"}), "not named by its digest"),
        (deployment(container={"securityContext": {"privileged": True}}), "privileged"),
        (deployment(container={"resources": {}}), "no resource limits"),
        (deployment(container={"env": [{"name": "DatabaseUserPassword", "value": "abc"}]}), "holds a secret"),
        (deployment(container={"args": ["--db=AccountKey=abc"]}), "looks like a secret"),
        (
            {
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "x", "namespace": "coa"}, "stringData": {"a": "b"},
            },
            "a Secret with its values in a manifest",
        ),
        (
            {
                "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                "metadata": {"name": "tes", "namespace": "coa"}, "spec": {},
            },
            "Ingress publishes a Service",
        ),
    ],
)  # fmt: skip
def test_what_is_exposed_or_secret_is_refused(place: Place, manifest: dict[str, Any], said: str) -> None:
    code, logs = place.run(APPLY, namespace(), manifest)
    assert code == 1
    assert "namespace/coa serverside-applied" in logs
    assert "Error from server (Forbidden)" in logs
    assert said in logs
    code, logs = place.run("kubectl get deployments,services,secrets,ingresses -n coa -o json")
    assert (code, json.loads(logs)["items"]) == (0, [])


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (deployment(container={"imagee": "x"}), "strict decoding error"),
        ({**service(), "apiVersion": "v2"}, 'no matches for kind "Service" in version "v2"'),
        (service(ports=[{"port": "eighty"}]), "cannot be handled as a Service"),
        ({**service(), "metadata": {"name": "tes", "namespace": "other"}}, 'namespaces "other" not found'),
    ],
)
def test_what_kubernetes_does_not_know_is_refused(place: Place, manifest: dict[str, Any], said: str) -> None:
    code, logs = place.run(APPLY, namespace(), manifest)
    assert code == 1
    assert said in logs


def test_a_job_never_changes(place: Place) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "setup", "namespace": "coa"},
        "spec": {"template": pod(restartPolicy="Never")},
    }
    assert place.run(APPLY, namespace(), job)[0] == 0
    assert place.run(APPLY, job)[0] == 0
    changed = {**job, "spec": {"template": pod(restartPolicy="OnFailure")}}
    code, logs = place.run(APPLY, changed)
    assert code == 1
    assert 'The Job "setup" is invalid: spec.template' in logs


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"serviceAccountName": "nobody"}, 'serviceaccount "nobody" not found'),
        ({"volumes": [{"name": "v", "secret": {"secretName": "nothing"}}]}, 'secret "nothing" not found'),
        ({"volumes": [{"name": "v", "configMap": {"name": "nothing"}}]}, 'configmap "nothing" not found'),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "nothing"}}]}, '"nothing" not found'),
        ({}, "no such host"),
    ],
)
def test_a_pod_that_lacks_something_does_not_come_up_and_says_what(
    place: Place, changes: dict[str, Any], said: str
) -> None:
    assert place.run(APPLY, namespace(), deployment(**changes))[0] == 0
    place.sandbox.clock.skip(60)
    _, events = place.run("kubectl get events --namespace coa --field-selector type=Warning --sort-by=.lastTimestamp")
    assert said in events
    _, shown = place.run("kubectl get deployments -n coa -o json")
    assert "availableReplicas" not in json.loads(shown)["items"][0]["status"]


def test_the_caller_needs_a_token_for_the_cluster_and_a_role_in_it() -> None:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        place = Place(sandbox)
        code, logs = place.run("kubectl get nodes")
        assert (code, "does not have access to the resource in Azure" in logs) == (1, True)
        place.grant()
        assert place.run("kubectl get nodes")[0] == 0
        for token in ("", "nonsense", place.arm._credential.get_token(f"{sandbox.url}/.default").token):
            assert place.run("kubectl get nodes", token=token) == (
                1, "error: You must be logged in to the server (Unauthorized)\n",
            )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("helm upgrade x", 127, "helm: not found"),
        ("kubectl get pods; id", 1, 'resource type "pods;"'),
        ("kubectl exec tes", 1, 'unknown command "exec"'),
        ("kubectl get pods --as=root", 1, "unknown flag: --as"),
        ("kubectl get 'pods", 2, "Syntax error"),
        ("kubectl logs nothing -n coa", 1, "NotFound"),
        ("kubectl apply --filename .", 1, "does not exist"),
    ],
)
def test_nothing_but_kubectl_is_run(place: Place, command: str, code: int, said: str) -> None:
    found, logs = place.run(command)
    assert (found, said in logs) == (code, True), logs


def test_a_context_is_an_archive(place: Place) -> None:
    body = {"command": APPLY, "context": "bm90IGEgemlw", "clusterToken": place.arm.token(SERVER)}
    found = place.arm.post(f"{place.id}/runCommand", VERSION, body)["properties"]
    assert found["exitCode"] == 1
    assert "no zip archive" in found["logs"]


@pytest.mark.parametrize("version", ["1.32.4", "1.35.5"])
@pytest.mark.parametrize("workload", [Workload.TES_ONLY, Workload.CROMWELL])
def test_all_manifests_are_admitted_by_every_version_that_aks_offers(
    place: Place, workload: Workload, version: str
) -> None:
    document = place.sandbox.state.get(place.id)
    assert document is not None
    document["properties"]["currentKubernetesVersion"] = version
    place.sandbox.state.seed([document])
    found = packages.package(workload, workload_values.values(on_paper(workload=str(workload))))
    code, logs = place.run(APPLY, *found.setup, *found.services)
    assert code == 0, logs


def test_the_files_of_a_command_are_an_archive_that_is_the_same_each_time() -> None:
    found = packages.package(Workload.CROMWELL, workload_values.values(on_paper()))
    sent = context(packages.files(found.setup))
    assert sent == context(packages.files(found.setup))
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(sent))) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(found.setup)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine")
@pytest.mark.parametrize(
    "command",
    [
        "kubectl get deployments,services --namespace coa --output json",
        "kubectl delete jobs --namespace coa --selector a/b=c --field-selector status.successful=0 --ignore-not-found",
        "kubectl delete deployments --namespace coa --selector a/b=c,d/e!=f --ignore-not-found",
        "kubectl delete namespace coa --ignore-not-found --wait=false",
        "kubectl get events --namespace coa --field-selector type=Warning --sort-by=.lastTimestamp",
        "kubectl logs x --namespace coa --all-containers --tail=25",
        APPLY,
    ],
)
def test_the_real_kubectl_knows_what_it_is_told(command: str, tmp_path: Any) -> None:
    (tmp_path / "x.json").write_text(json.dumps(namespace()), encoding="utf-8")
    words = [*command.split(), "--server=http://127.0.0.1:1", "--request-timeout=2s"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "127.0.0.1:1" in done.stderr
    assert "unknown" not in done.stderr
