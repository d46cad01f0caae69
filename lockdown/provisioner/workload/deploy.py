"""Brings a workload into the cluster, waits until it serves, and takes it out again.

Each step is one command of kubectl that bears being repeated, so that a run that was killed anywhere is finished by
the next. Nothing is decided in the cluster: what kubectl prints is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lockdown.provisioner.environment import Workload
from lockdown.provisioner.graph import Body, Hands
from lockdown.provisioner.workload import package as packages
from lockdown.provisioner.workload import watching
from lockdown.provisioner.workload.command import Ran, failed, run
from lockdown.provisioner.workload.package import NAMESPACE, PART_OF, RELEASE, SYSTEM, Package

_POLL = 20.0
_JOBS_TAKE = 2400.0
_ROLLOUT_TAKES = 3600.0
_PATIENCE = 300.0
"""Seconds that a pod may be in trouble: a role, a Secret or an image may be seconds behind."""

_TAIL = 25
_OURS = f"--namespace {NAMESPACE} --selector {PART_OF}={SYSTEM}"
_APPLY = "kubectl apply --server-side --force-conflicts --field-manager=lockdown --filename ."
_KINDS = "deployments,services,jobs,configmaps,serviceaccounts,networkpolicies,persistentvolumeclaims"
_PRUNED = "deployments,services,jobs,networkpolicies"


def install(body: Body, hands: Hands) -> None:
    """Bring a workload in; ``body`` says which, and holds the values of its templates.

    Raises:
        RefusedError: something stands in the way, or a pod does not come up; the message has its last words.
    """
    cluster, values = str(body["cluster"]), body["values"]
    package = packages.package(Workload(body["workload"]), values, str(body["release"]))
    _check_strangers(hands, cluster, adopt=bool(body["adopt"]))
    administrator = body["administrator"]
    hands.put(administrator["id"], administrator["apiVersion"], administrator["body"])
    # A Job that failed, or is of another release, would never run again.
    run(
        hands, cluster, f"kubectl delete jobs {_OURS} --field-selector status.successful=0 --ignore-not-found"
    ).checked()
    run(hands, cluster, _APPLY, packages.files(package.setup)).checked()
    _jobs(hands, cluster, package)
    run(hands, cluster, _APPLY, packages.files(package.services)).checked()
    _rollout(hands, cluster, package)
    run(
        hands,
        cluster,
        f"kubectl delete {_PRUNED} {_OURS},{RELEASE}!={package.release} --ignore-not-found",
    ).checked()


def remove(body: Body, hands: Hands) -> None:
    """Take the workload out. Volumes are let go, and what they held stays in the storage account.

    Raises:
        RefusedError: the cluster refused.
    """
    cluster = str(body["cluster"])
    run(hands, cluster, f"kubectl delete namespace {NAMESPACE} --ignore-not-found --wait=false").checked()
    run(hands, cluster, f"kubectl delete persistentvolumes --selector {PART_OF}={SYSTEM} --ignore-not-found").checked()


def _check_strangers(hands: Hands, cluster: str, *, adopt: bool) -> None:
    seen = run(hands, cluster, f"kubectl get {_KINDS} --namespace {NAMESPACE} --output json").checked()
    found = watching.strangers(seen.document())
    if not found:
        return
    if not adopt:
        raise failed(
            "ForeignRelease",
            f"the namespace {NAMESPACE} holds another's release, which is not overwritten: {', '.join(found)}. "
            "Look at it, then say --adopt to replace it; its databases and blobs stay.",
        )
    gone = f"--namespace {NAMESPACE} --selector {watching.ORIGINAL} --ignore-not-found"
    run(hands, cluster, f"kubectl delete deployments,services {gone}").checked()
    # With its record, Helm would bring the release back at the next upgrade.
    records = f"--namespace {NAMESPACE} --selector owner=helm --ignore-not-found"
    run(hands, cluster, f"kubectl delete secrets {records}").checked()


def _jobs(hands: Hands, cluster: str, package: Package) -> None:
    def judge(seen: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return watching.unfinished(seen, package.jobs), watching.broken(seen, package.jobs)

    _until(hands, cluster, "jobs,pods", judge, _JOBS_TAKE)


def _rollout(hands: Hands, cluster: str, package: Package) -> None:
    def judge(seen: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return watching.unready(seen, package.deployments), watching.stalled(seen, package.deployments)

    _until(hands, cluster, "deployments,pods", judge, _ROLLOUT_TAKES)


def _until(
    hands: Hands,
    cluster: str,
    kinds: str,
    judge: Callable[[Mapping[str, Any]], tuple[tuple[str, ...], tuple[str, ...]]],
    limit: float,
) -> None:
    """Look until nothing is open any more.

    Raises:
        RefusedError: something failed, a pod has been in trouble for too long, or the time is over.
    """
    began, troubled = hands.now(), None
    while True:
        seen = run(hands, cluster, f"kubectl get {kinds} {_OURS} --output json").checked().document()
        waiting, broken = judge(seen)
        if not waiting:
            return
        troubles = tuple(map(str, watching.troubles(seen)))
        troubled = (troubled or hands.now()) if troubles else None
        late = hands.now() - began > limit
        if broken or late or (troubled is not None and hands.now() - troubled > _PATIENCE):
            why = "; ".join((*broken, *troubles)) or f"not ready after {limit / 60:.0f} minutes: {', '.join(waiting)}"
            raise failed("NotReady", _told(hands, cluster, why, seen))
        note = f"; {troubles[0]}" if troubles else ""
        hands.wait(f"{', '.join(waiting)} {'is' if len(waiting) == 1 else 'are'} not ready{note}", _POLL)


def _told(hands: Hands, cluster: str, why: str, seen: Mapping[str, Any]) -> str:
    """Return what is wrong, with the last events and the last words of the pods that it is wrong with."""
    events = run(
        hands,
        cluster,
        f"kubectl get events --namespace {NAMESPACE} --field-selector type=Warning --sort-by=.lastTimestamp",
    )
    pods = [str(each["metadata"]["name"]) for each in watching.items(seen, "Pod") if _is_bad(each)]
    logs = [
        run(hands, cluster, f"kubectl logs {name} --namespace {NAMESPACE} --all-containers --tail={_TAIL}")
        for name in pods[:3]
    ]
    said = "\n".join([why, *_section("events", events), *(line for each in logs for line in _section("logs", each))])
    advice = watching.advice(said)
    return f"{said}\n{advice}" if advice else said


def _is_bad(pod: Mapping[str, Any]) -> bool:
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return False
    return not all(each.get("ready") for each in status.get("containerStatuses") or [{}])


def _section(name: str, ran: Ran) -> list[str]:
    lines = ran.logs.strip().splitlines()[-_TAIL:]
    return [f"  {name}: {ran.command.partition(' --')[0]}", *(f"    {line}" for line in lines)]
