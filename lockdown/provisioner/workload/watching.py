"""What the cluster's own documents say of a release: whose it is, what is ready, and what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lockdown.provisioner.graph import at
from lockdown.provisioner.workload.package import PART_OF, SYSTEM

_HELM = "meta.helm.sh/release-name"
ORIGINAL = "io.kompose.service"
"""The label of everything that the original deployer's chart makes."""

_STUCK = frozenset(
    {
        *("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"),
        *("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"),
    }
)
_ARCHITECTURES = ("exec format error", "no match for platform", "no matching manifest")


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a pod: text of the cluster, hostile to terminals."""

    pod: str
    container: str
    reason: str
    message: str

    def __str__(self) -> str:
        """Return one line."""
        where = f"{self.pod} ({self.container})" if self.container else self.pod
        return f"{where}: {self.reason}{': ' if self.message else ''}{self.message}"


def items(document: Mapping[str, Any], kind: str = "") -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a list that kubectl printed, of one kind if it is named."""
    listed = document.get("items")
    for each in listed if isinstance(listed, list) else [document]:
        if isinstance(each, Mapping) and each.get("kind") and kind in ("", each["kind"]):
            yield each


def strangers(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what in the namespace is of another's release: the original deployer's chart, or anything not ours."""
    found = []
    for each in items(document):
        metadata = each.get("metadata") or {}
        labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
        if labels.get(PART_OF) == SYSTEM and _HELM not in notes:
            continue
        release = notes.get(_HELM) or ("the original deployer's chart" if ORIGINAL in labels else "")
        if release:
            found.append(f"{str(each.get('kind')).lower()}/{metadata.get('name')} ({release})")
    return tuple(sorted(found))


def unfinished(document: Mapping[str, Any], jobs: Iterable[str]) -> tuple[str, ...]:
    """Return the Jobs that are not complete."""
    there = {str(at(each, "metadata.name")): each for each in items(document, "Job")}
    return tuple(name for name in jobs if not _is_true(there.get(name, {}), "Complete"))


def broken(document: Mapping[str, Any], jobs: Iterable[str]) -> tuple[str, ...]:
    """Return those of these Jobs that have failed for good, each with why."""
    wanted = frozenset(jobs)
    return tuple(
        f"{at(each, 'metadata.name')}: {condition.get('reason')}: {condition.get('message')}"
        for each in items(document, "Job")
        if at(each, "metadata.name") in wanted
        for condition in _conditions(each)
        if condition.get("type") == "Failed" and condition.get("status") == "True"
    )


def unready(document: Mapping[str, Any], deployments: Iterable[str]) -> tuple[str, ...]:
    """Return the Deployments whose pods of the present template do not all serve."""
    there = {str(at(each, "metadata.name")): each for each in items(document, "Deployment")}
    return tuple(name for name in deployments if not _serves(there.get(name, {})))


def stalled(document: Mapping[str, Any], deployments: Iterable[str]) -> tuple[str, ...]:
    """Return those of these Deployments that Kubernetes has given up, or can make no pod for, each with why."""
    wanted = frozenset(deployments)
    wrong = {("Progressing", "False"), ("ReplicaFailure", "True")}
    return tuple(
        f"{at(each, 'metadata.name')}: {condition.get('reason')}: {condition.get('message')}"
        for each in items(document, "Deployment")
        if at(each, "metadata.name") in wanted
        for condition in _conditions(each)
        if (condition.get("type"), condition.get("status")) in wrong
    )


def troubles(document: Mapping[str, Any]) -> tuple[Trouble, ...]:
    """Return what is wrong with the pods."""
    found: list[Trouble] = []
    for pod in items(document, "Pod"):
        name, status = str(at(pod, "metadata.name")), pod.get("status") or {}
        for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            waiting = at(container, "state.waiting") or {}
            last = at(container, "lastState.terminated") or at(container, "state.terminated") or {}
            if waiting.get("reason") in _STUCK:
                message = str(last.get("message") or waiting.get("message") or "")
                found.append(Trouble(name, str(container.get("name")), str(waiting["reason"]), message))
        found.extend(
            Trouble(name, "", str(condition.get("reason")), str(condition.get("message") or ""))
            for condition in _conditions(pod)
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False"
        )
    return tuple(found)


def advice(text: str) -> str:
    """Return what a person can do about a trouble that is known, or ''."""
    lower = text.lower()
    if any(word in lower for word in _ARCHITECTURES):
        return "The image is of another architecture than the nodes: name one for linux/amd64."
    if "imagepull" in lower or "errimage" in lower:
        return "The nodes cannot pull the image: the registry has it not under this digest, or is not reached."
    if "password authentication failed" in lower or "no matching federated identity" in lower:
        return "The identity was refused; credentials reach everywhere within minutes: run the same command again."
    if "could not translate host name" in lower or "connection refused" in lower or "timeout expired" in lower:
        return "The database was not reached: is its server running, and its private DNS zone linked?"
    return ""


def _serves(deployment: Mapping[str, Any]) -> bool:
    wanted = at(deployment, "spec.replicas")
    status = deployment.get("status") or {}
    return (
        bool(deployment)
        and (status.get("observedGeneration") or 0) >= (at(deployment, "metadata.generation") or 0)
        and status.get("updatedReplicas") == wanted == status.get("availableReplicas")
        and status.get("replicas") == wanted
    )


def _is_true(document: Mapping[str, Any], kind: str) -> bool:
    return any(each.get("type") == kind and each.get("status") == "True" for each in _conditions(document))


def _conditions(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from at(document, "status.conditions") or ()
