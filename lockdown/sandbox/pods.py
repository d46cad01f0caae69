"""What becomes of pods that nobody runs: they come up if all that they refer to is there, and else say what is missing.

A pod needs its service account, ConfigMaps, Secrets, claims and images; the identity that its service account acts as
must trust this cluster, and may do in Azure what the pod is there for. A Job that holds all that is complete after a
while, and what it says that it makes (``lockdown/makes``) is there. What its program does is not run.
"""

import copy
import hashlib
import secrets
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lockdown.sandbox.admission import pod_template
from lockdown.sandbox.kubernetes_error import Object
from lockdown.sandbox.state import Document

if TYPE_CHECKING:
    from lockdown.sandbox.cluster_api import Cluster

_JOB_SECONDS = 15.0
_START_SECONDS = 30.0
_GIVES_UP = 600.0
_MAKES = "lockdown/makes"
_CLIENT = "azure.workload.identity/client-id"
_USES = "azure.workload.identity/use"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/"
_PULL = "Microsoft.ContainerRegistry/registries/pull/read"


@dataclass(frozen=True)
class Problem:
    """Why a pod does not come up.

    Attributes:
        reason: what its status shows: ``ContainerCreating``, ``ImagePullBackOff``, ``CrashLoopBackOff``, ...
        event: the reason of its event.
        log: what it printed.
    """

    reason: str
    event: str
    message: str
    log: str = ""


def shown(cluster: "Cluster") -> Iterator[Object]:
    """Yield the pods and events of all that was applied."""
    for owner in _owners(cluster):
        problem, name = problem_of(cluster, owner), _pod_name(owner)
        if problem is not None and problem.event == "FailedCreate":
            yield _event(owner["kind"], owner["metadata"], problem)
            continue
        pod = _pod(cluster, owner, name, problem)
        yield pod
        if problem is not None:
            yield _event("Pod", pod["metadata"], problem)


def with_status(cluster: "Cluster", each: Object) -> Object:
    """Return an object as it is shown: with its status, without what the sandbox notes for itself."""
    made = {key: value for key, value in copy.deepcopy(each).items() if not key.startswith("_")}
    if each["kind"] == "Job":
        made["status"] = _job_status(cluster, each)
    if each["kind"] == "Deployment":
        made["status"] = _deployment_status(cluster, each)
        made["spec"].setdefault("replicas", 1)
    if each["kind"] == "PersistentVolumeClaim":
        made["status"] = {"phase": "Bound"}
    return made


def made(cluster: "Cluster") -> Iterator[Object]:
    """Yield what complete Jobs say that they make: ``Secret/name:key,key``."""
    for owner in _owners(cluster):
        if owner["kind"] != "Job" or not _is_complete(cluster, owner):
            continue
        for text in str((owner["metadata"].get("annotations") or {}).get(_MAKES) or "").split():
            kind, _, rest = text.partition("/")
            name, _, keys = rest.partition(":")
            data = {key: b64encode(secrets.token_bytes(36)).decode() for key in keys.split(",") if key}
            metadata = {"name": name, "namespace": owner["metadata"]["namespace"]}
            yield {"apiVersion": "v1", "kind": kind, "metadata": metadata, "type": "Opaque", "data": data}


def logs(cluster: "Cluster", pod: str) -> str:
    """Return what a pod printed."""
    for owner in _owners(cluster):
        if _pod_name(owner) == pod:
            problem = problem_of(cluster, owner)
            return f"{problem.log}\n" if problem is not None and problem.log else ""
    return ""


def problem_of(cluster: "Cluster", owner: Object) -> Problem | None:
    """Return what keeps the pod of an object from coming up, or None."""
    template = pod_template(owner) or {}
    namespace, spec = str(owner["metadata"]["namespace"]), template.get("spec") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    name = str(spec.get("serviceAccountName") or "default")
    account = cluster.stored("ServiceAccount", namespace, name)
    if account is None and name != "default":
        message = (
            f'pods is forbidden: error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        )
        return Problem("", "FailedCreate", message)
    found = _volumes(cluster, namespace, spec) or _images(cluster, spec) or _variables(cluster, namespace, spec)
    if found is None and str(labels.get(_USES)).lower() == "true":
        found = _identity(cluster, account or {}, spec)
    return found


def _volumes(cluster: "Cluster", namespace: str, spec: Mapping[str, Any]) -> Problem | None:
    for volume in spec.get("volumes") or ():
        for kind, key, slot in (("ConfigMap", "name", "configMap"), ("Secret", "secretName", "secret")):
            source = volume.get(slot)
            if not isinstance(source, dict):
                continue
            held = cluster.stored(kind, namespace, str(source.get(key)))
            missing = [
                item["key"] for item in source.get("items") or () if item["key"] not in ((held or {}).get("data") or {})
            ]
            if held is None or missing:
                what = (
                    f'{kind.lower()} "{source.get(key)}" not found'
                    if held is None
                    else f"references non-existent {kind.lower()} key: {missing[0]}"
                )
                return Problem(
                    "ContainerCreating",
                    "FailedMount",
                    f'MountVolume.SetUp failed for volume "{volume["name"]}": {what}',
                )
        claim = volume.get("persistentVolumeClaim")
        if isinstance(claim, dict):
            found = _claim(cluster, namespace, str(claim.get("claimName")))
            if found is not None:
                return found
    return None


def _claim(cluster: "Cluster", namespace: str, name: str) -> Problem | None:
    claim = cluster.stored("PersistentVolumeClaim", namespace, name)
    if claim is None:
        return Problem("", "Unschedulable", f'0/2 nodes are available: persistentvolumeclaim "{name}" not found.')
    volume_name = claim["spec"].get("volumeName")
    if not volume_name:
        return None
    volume = cluster.stored("PersistentVolume", "", str(volume_name))
    if volume is None:
        return Problem(
            "", "Unschedulable", f"0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims: {name}."
        )
    csi = volume["spec"].get("csi") or {}
    attributes = csi.get("volumeAttributes") or {}
    if attributes.get("AzureStorageAuthType") != "MSI":
        return None
    container = _container(cluster, str(attributes.get("storageAccount")), str(attributes.get("containerName")))
    client = str(attributes.get("AzureStorageIdentityClientID"))
    right = f"{_BLOBS}{'read' if csi.get('readOnly') else 'write'}"
    principal = _principal(cluster, client)
    if container is None or principal is None or not cluster.context.granted(principal, right, container, data=True):
        message = f'MountVolume.MountDevice failed for volume "{volume_name}": AuthorizationPermissionMismatch'
        return Problem("ContainerCreating", "FailedMount", message)
    return None


def _images(cluster: "Cluster", spec: Mapping[str, Any]) -> Problem | None:
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        image = str(container["image"])
        host, _, rest = image.partition("/")
        repository, _, digest = rest.partition("@")
        registry = next(
            (
                found
                for found in cluster.context.state.documents()
                if str(found["type"]).lower() == "microsoft.containerregistry/registries"
                and str((found.get("properties") or {}).get("loginServer")).lower() == host.lower()
            ),
            None,
        )
        pulling = f'Back-off pulling image "{image}": ErrImagePull: rpc error: code = '
        if registry is None:
            return Problem(
                "ImagePullBackOff", "Failed", f"{pulling}Unknown desc = dial tcp: lookup {host}: no such host"
            )
        closed = registry["properties"].get("publicNetworkAccess") == "Disabled"
        if closed and not _is_reached(registry):
            return Problem(
                "ImagePullBackOff", "Failed", f"{pulling}Unknown desc = 403 Forbidden: client is not allowed access"
            )
        kubelet = (cluster.document["properties"].get("identityProfile") or {}).get("kubeletidentity") or {}
        if not cluster.context.granted(str(kubelet.get("objectId")), _PULL, str(registry["id"])):
            return Problem(
                "ImagePullBackOff", "Failed", f"{pulling}Unknown desc = failed to authorize: 401 Unauthorized"
            )
        held = {name: value for name, value in dict(registry.get("_images") or {}).items() if value == digest}
        tags = [name.partition(":")[2] for name in held if name.partition(":")[0] == repository]
        if not tags:
            return Problem(
                "ImagePullBackOff", "Failed", f"{pulling}NotFound desc = failed to resolve reference: not found"
            )
        if all("arm64" in tag for tag in tags):
            log = f"exec {(container.get('command') or ['/entrypoint'])[0]}: exec format error"
            return Problem(
                "CrashLoopBackOff", "BackOff", f"Back-off restarting failed container {container['name']}", log
            )
    return None


def _is_reached(registry: Document) -> bool:
    """Tell whether a closed registry has a private endpoint that it approved."""
    return any(
        (each.get("properties") or {}).get("privateLinkServiceConnectionState", {}).get("status") == "Approved"
        for each in registry["properties"].get("privateEndpointConnections") or ()
    )


def _variables(cluster: "Cluster", namespace: str, spec: Mapping[str, Any]) -> Problem | None:
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            for kind, slot in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                name = (source.get(slot) or {}).get("name")
                if name and cluster.stored(kind, namespace, str(name)) is None:
                    return Problem("CreateContainerConfigError", "Failed", f'Error: {kind.lower()} "{name}" not found')
    return None


def _identity(cluster: "Cluster", account: Object, spec: Mapping[str, Any]) -> Problem | None:
    """Ask whether the pod can act as its identity, and whether that may do what the pod is there for."""
    metadata = account.get("metadata") or {}
    client = str((metadata.get("annotations") or {}).get(_CLIENT) or "")
    subject = f"system:serviceaccount:{metadata.get('namespace')}:{metadata.get('name')}"
    principal = _principal(cluster, client)
    if principal is None or not _trusts(cluster, client, subject):
        log = (
            "AADSTS700213: No matching federated identity record found for presented assertion subject "
            f"'{subject}'. Check your federated identity credential Subject, Audience and Issuer."
        )
        return _crash(log)
    variables = {
        str(each.get("name")): str(each.get("value") or "")
        for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
        for each in container.get("env") or ()
    }
    if "PGHOST" in variables:
        log = _database(cluster, variables["PGHOST"], variables.get("PGUSER", ""), principal)
        if log:
            return _crash(log)
    for pair in variables.get("BLOBS", "").split():
        container = _container(cluster, variables["BLOB_HOST"].partition(".")[0], pair.partition("/")[0])
        if container is None or not cluster.context.granted(principal, f"{_BLOBS}write", container, data=True):
            return _crash(f"urllib.error.HTTPError: HTTP Error 403: AuthorizationPermissionMismatch: {pair}")
    return None


def _database(cluster: "Cluster", host: str, user: str, principal: str) -> str:
    """Return what psql says, or '' if the identity administers the server."""
    for server in cluster.context.state.documents():
        if str((server.get("properties") or {}).get("fullyQualifiedDomainName")).lower() != host.lower():
            continue
        found = cluster.context.state.get(f"{server['id']}/administrators/{principal}")
        if found is not None and found["properties"].get("principalName") == user:
            return ""
        failed = f'FATAL:  password authentication failed for user "{user}"'
        return f'psql: error: connection to server at "{host}", port 5432 failed: {failed}'
    return f'psql: error: could not translate host name "{host}" to address: Name or service not known'


def _trusts(cluster: "Cluster", client: str, subject: str) -> bool:
    issuer = (cluster.document["properties"].get("oidcIssuerProfile") or {}).get("issuerURL")
    identity = _identity_document(cluster, client) or {"id": "/"}
    return any(
        (found.get("properties") or {}).get("issuer") == issuer and found["properties"].get("subject") == subject
        for found in cluster.context.state.below(str(identity["id"]))
    )


def _principal(cluster: "Cluster", client: str) -> str | None:
    found = _identity_document(cluster, client)
    return None if found is None else str(found["properties"]["principalId"])


def _identity_document(cluster: "Cluster", client: str) -> Document | None:
    return next(
        (
            found
            for found in cluster.context.state.documents()
            if str(found["type"]).lower() == "microsoft.managedidentity/userassignedidentities"
            and client
            and (found.get("properties") or {}).get("clientId") == client
        ),
        None,
    )


def _container(cluster: "Cluster", account: str, name: str) -> str | None:
    """Return the id of a blob container by its name, and that of its account."""
    end = f"/storageaccounts/{account}/blobservices/default/containers/{name}".lower()
    return next(
        (str(found["id"]) for found in cluster.context.state.documents() if str(found["id"]).lower().endswith(end)),
        None,
    )


def _crash(log: str) -> Problem:
    return Problem("CrashLoopBackOff", "BackOff", "Back-off restarting failed container", log)


def _owners(cluster: "Cluster") -> Iterator[Object]:
    for each in list(cluster.document["_objects"].values()):
        if each["kind"] in ("Deployment", "Job"):
            yield each


def _age(cluster: "Cluster", owner: Object) -> float:
    return (
        cluster.now() - datetime.strptime(owner["_changed"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    ).total_seconds()


def _is_complete(cluster: "Cluster", job: Object) -> bool:
    if job.get("_complete"):
        return True
    if problem_of(cluster, job) is None and _age(cluster, job) >= _JOB_SECONDS:
        job["_complete"] = True
    return bool(job.get("_complete"))


def _job_status(cluster: "Cluster", job: Object) -> Object:
    if _is_complete(cluster, job):
        return {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
    problem = problem_of(cluster, job)
    if problem is not None and problem.reason == "CrashLoopBackOff" and _age(cluster, job) >= _GIVES_UP:
        message = "Job has reached the specified backoff limit"
        failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": message}
        return {"failed": 1, "conditions": [failed]}
    return {"active": 1}


def _deployment_status(cluster: "Cluster", each: Object) -> Object:
    problem, wanted = problem_of(cluster, each), int(each["spec"].get("replicas", 1))
    ready = problem is None and _age(cluster, each) >= _START_SECONDS
    status: Object = {
        "observedGeneration": each["metadata"]["generation"],
        "replicas": wanted,
        "updatedReplicas": wanted,
    }
    if ready:
        status |= {"availableReplicas": wanted, "readyReplicas": wanted}
    conditions = [{"type": "Available", "status": "True" if ready else "False"}]
    if problem is not None and problem.event == "FailedCreate":
        status |= {"replicas": 0, "updatedReplicas": 0}
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": problem.message}
        conditions.append(failure)
    return {**status, "conditions": conditions}


def _pod(cluster: "Cluster", owner: Object, name: str, problem: Problem | None) -> Object:
    template = pod_template(owner) or {}
    metadata = {
        "name": name,
        "namespace": owner["metadata"]["namespace"],
        "labels": (template.get("metadata") or {}).get("labels") or {},
    }
    spec = copy.deepcopy(template.get("spec") or {})
    container = str(spec["containers"][0]["name"])
    status: Object = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}
    if problem is None and owner["kind"] == "Job" and _is_complete(cluster, owner):
        status |= {"phase": "Succeeded"}
    elif problem is None:
        ready = _age(cluster, owner) >= _START_SECONDS
        status |= {
            "phase": "Running",
            "containerStatuses": [{"name": container, "ready": ready, "state": {"running": {}}}],
        }
    elif problem.event == "Unschedulable":
        message = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": problem.message}
        status["conditions"] = [message]
    else:
        waiting: Object = {"reason": problem.reason, "message": problem.message}
        held: Object = {"name": container, "ready": False, "restartCount": 3, "state": {"waiting": waiting}}
        if problem.log:
            held["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error", "message": problem.log}}
        status["containerStatuses"] = [held]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def _event(kind: str, metadata: Mapping[str, Any], problem: Problem) -> Object:
    involved = {"kind": kind, "name": metadata["name"], "namespace": metadata["namespace"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{problem.event.lower()}", "namespace": metadata["namespace"]},
        "involvedObject": involved,
        "type": "Warning",
        "reason": problem.event,
        "message": problem.message,
    }


def _pod_name(owner: Object) -> str:
    digits = hashlib.sha256(f"{owner['metadata']['uid']}/{owner['metadata']['generation']}".encode()).hexdigest()
    middle = f"-{digits[:10]}" if owner["kind"] == "Deployment" else ""
    return f"{owner['metadata']['name']}{middle}-{digits[10:15]}"
