"""What runs in a cluster, judged by what it may be in a closed environment; asked of the cluster itself.

Names, images and types are asked for, never a value of a variable or a Secret: what run-command prints stays in Azure
for a while. Judging is pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.graph import Hands
from lockdown.provisioner.workload.command import run
from lockdown.provisioner.workload.package import NAMESPACE

_POD = ".spec.template.spec"
_INTERNAL = r"service\.beta\.kubernetes\.io/azure-load-balancer-internal"
_NAMES = "KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name"
_QUESTIONS: Mapping[str, tuple[str, str]] = {
    "pods": (
        f"deployments,statefulsets,daemonsets,jobs --namespace {NAMESPACE}",
        ",".join(
            (
                f"IMAGES:{_POD}.containers[*].image",
                f"FIRST:{_POD}.initContainers[*].image",
                f"VARIABLES:{_POD}.containers[*].env[?(@.value)].name",
                f"HOST:{_POD}.hostNetwork",
                f"PRIVILEGED:{_POD}.containers[*].securityContext.privileged",
                f"PATHS:{_POD}.volumes[*].hostPath.path",
            )
        ),
    ),
    "services": (
        "services,ingresses --all-namespaces",
        rf"TYPE:.spec.type,INTERNAL:.metadata.annotations.{_INTERNAL},OUTSIDE:.spec.externalIPs[*]",
    ),
    "policies": (
        f"networkpolicies --namespace {NAMESPACE}",
        "PODS:.spec.podSelector,TYPES:.spec.policyTypes[*],IN:.spec.ingress[*],OUT:.spec.egress[*]",
    ),
    "bindings": ("clusterrolebindings", "ROLE:.roleRef.name,HOLDERS:.subjects[*].namespace"),
}
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_SECRET = re.compile(r"(?i)(password|passwd|secret|account_?key|sas_?token|pwd)$")
_NONE = "<none>"
_GAP = re.compile(r"\s{2,}")

Row = Mapping[str, str]


@dataclass(frozen=True)
class Judged:
    """What holds, or does not, of one object: ``pass``, ``fail``, or ``unknown`` if the cluster did not say."""

    rule: str
    verdict: str
    object: str
    reason: str


RULES: Mapping[str, str] = {
    "image-by-digest": "Images are named by digest",
    "image-from-registry": "Images come from the environment's registry",
    "no-host-access": "No pod shares the network, the files or the rights of its node",
    "no-secret-variable": "No variable of a container holds a secret",
    "no-public-service": "No Service and no Ingress is reachable from outside the network",
    "default-deny": "A NetworkPolicy denies what no other allows",
    "no-cluster-admin": "Nothing of the namespace administers the cluster",
}


def look(hands: Hands, cluster: str, registry: str) -> tuple[Judged, ...]:
    """Ask a cluster, and judge what it says. ``registry``: the host that images may come from.

    Raises:
        RefusedError: run-command is refused.
    """
    found: dict[str, list[Row] | None] = {}
    for name, (what, columns) in _QUESTIONS.items():
        command = f"kubectl get {what} --output 'custom-columns={_NAMES},{columns}'"
        ran = run(hands, cluster, command)
        found[name] = rows(ran.logs) if ran.exit_code == 0 else None
    return judge(found, registry)


def rows(text: str) -> list[Row]:
    """Return the table that kubectl printed, row by row, by its headings.

    Raises:
        RefusedError: it is no table.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    start = next((number for number, line in enumerate(lines) if line.startswith("KIND")), None)
    if start is None:
        raise RefusedError(400, "OutputUnreadable", f"kubectl printed no table: {text[:500]}", "", "")
    names = _GAP.split(lines[start].strip())
    cells = [_GAP.split(line.strip()) for line in lines[start + 1 :]]
    if any(len(row) != len(names) for row in cells):
        raise RefusedError(400, "OutputUnreadable", "kubectl printed rows of another width than its headings", "", "")
    return [dict(zip(names, row, strict=True)) for row in cells]


def judge(found: Mapping[str, list[Row] | None], registry: str) -> tuple[Judged, ...]:
    """Return what holds and what does not; an object that nothing is wrong with is told too."""
    judged: list[Judged] = []
    for name, rules in _JUDGES.items():
        table = found.get(name)
        for rule, wrong in rules.items():
            if table is None:
                judged.append(Judged(rule, "unknown", "", "the cluster did not say"))
            else:
                judged += _each(rule, table, lambda row, wrong=wrong: wrong(row, registry))  # type: ignore[misc]
    judged.append(_default_deny(found.get("policies")))
    return tuple(judged)


def _each(rule: str, table: Iterable[Row], wrong: Callable[[Row], str]) -> Iterator[Judged]:
    for row in table:
        reason = wrong(row)
        where = "/".join(part for part in (row["NAMESPACE"], row["KIND"].lower(), row["NAME"]) if part != _NONE)
        yield Judged(rule, "fail" if reason else "pass", where, reason or RULES[rule])


def _list(cell: str) -> list[str]:
    return [] if cell == _NONE else cell.split(",")


def _images(row: Row) -> list[str]:
    return [*_list(row["FIRST"]), *_list(row["IMAGES"])]


def _by_digest(row: Row, registry: str) -> str:
    del registry
    loose = [image for image in _images(row) if not _DIGEST.search(image)]
    return f"named by a tag that can be moved: {', '.join(loose)}" if loose else ""


def _from_registry(row: Row, registry: str) -> str:
    foreign = [image for image in _images(row) if image.partition("/")[0].lower() != registry.lower()]
    return f"not from {registry}: {', '.join(foreign)}" if foreign else ""


def _host(row: Row, registry: str) -> str:
    del registry
    wrong = {"host network": row["HOST"], "privileged": row["PRIVILEGED"]}
    found = [name for name, cell in wrong.items() if "true" in _list(cell)]
    found += [f"the node's {path}" for path in _list(row["PATHS"])]
    return ", ".join(found)


def _variables(row: Row, registry: str) -> str:
    del registry
    found = [name for name in _list(row["VARIABLES"]) if _SECRET.search(name)]
    return f"in clear, by their names: {', '.join(found)}" if found else ""


def _public(row: Row, registry: str) -> str:
    del registry
    if row["KIND"] == "Ingress":
        return "an Ingress publishes a Service"
    if row["OUTSIDE"] != _NONE:
        return f"it answers at {row['OUTSIDE']}"
    if row["TYPE"] == "NodePort":
        return "it is reachable at every node"
    return "its load balancer is public" if row["TYPE"] == "LoadBalancer" and row["INTERNAL"] != "true" else ""


def _administers(row: Row, registry: str) -> str:
    del registry
    held = row["ROLE"] == "cluster-admin" and NAMESPACE in _list(row["HOLDERS"])
    return f"an account of {NAMESPACE} administers the cluster" if held else ""


_JUDGES: Mapping[str, Mapping[str, Callable[[Row, str], str]]] = {
    "pods": {
        "image-by-digest": _by_digest,
        "image-from-registry": _from_registry,
        "no-host-access": _host,
        "no-secret-variable": _variables,
    },
    "services": {"no-public-service": _public},
    "bindings": {"no-cluster-admin": _administers},
}


def _default_deny(table: list[Row] | None) -> Judged:
    rule = "default-deny"
    if table is None:
        return Judged(rule, "unknown", NAMESPACE, "the cluster did not say")
    for row in table:
        both = {"Ingress", "Egress"} <= set(_list(row["TYPES"]))
        if both and row["PODS"] == "map[]" and row["IN"] == row["OUT"] == _NONE:
            return Judged(rule, "pass", f"{NAMESPACE}/networkpolicy/{row['NAME']}", RULES[rule])
    why = "no NetworkPolicy denies all pods both ways" if table else "there is no NetworkPolicy"
    return Judged(rule, "fail", NAMESPACE, why)
