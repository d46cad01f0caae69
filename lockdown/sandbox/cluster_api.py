"""The API of a cluster: its objects, what it admits, and what comes of them.

Objects are checked against the schemas of the cluster's version (kubernetes-validate), and against what a closed
environment may hold at all (:mod:`lockdown.sandbox.admission`). Nothing runs: what becomes of a pod follows from what
it refers to (:mod:`lockdown.sandbox.pods`).
"""

import copy
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

import jsonschema
import kubernetes_validate

from lockdown.sandbox import admission, pods
from lockdown.sandbox.kind import Context
from lockdown.sandbox.kubernetes_error import KubernetesError, Object
from lockdown.sandbox.state import Document

__all__ = ["Cluster", "KubernetesError", "Object", "plural"]

_PLURALS = {
    "networkpolicy": "networkpolicies", "storageclass": "storageclasses", "ingress": "ingresses",
}  # fmt: skip
_CLUSTER_WIDE = frozenset(
    {"Namespace", "Node", "PersistentVolume", "StorageClass", "ClusterRole", "ClusterRoleBinding"}
)
_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_IMMUTABLE = {
    "Job": ("spec.template", "spec.selector"),
    "Deployment": ("spec.selector",),
    "PersistentVolumeClaim": ("spec",),
    "PersistentVolume": ("spec.csi",),
    "RoleBinding": ("roleRef",),
}


class Cluster:
    """One cluster of the sandbox, for one command.

    Attributes:
        context: what is touched.
        document: the cluster's, whose objects stand in ``_objects``.
    """

    def __init__(self, context: Context, document: Document) -> None:
        self.context = context
        self.document = copy.deepcopy(document)
        self._objects: dict[str, Object] = self.document.setdefault("_objects", {})

    @property
    def version(self) -> str:
        """The version of Kubernetes that runs."""
        return str(self.document["properties"].get("currentKubernetesVersion") or "1.34.4")

    def now(self) -> datetime:
        """Return the present."""
        return self.context.state.clock.now()

    def stored(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object that was applied, or None."""
        return self._objects.get(_key(kind, namespace, name))

    def objects(self, kinds: Iterable[str], namespace: str) -> Iterator[Object]:
        """Yield the objects of these kinds (``jobs``, ``pod``), in one namespace or ('') in all.

        Raises:
            KubernetesError: there is no such kind.
        """
        shown = [*self._objects.values(), *pods.shown(self), *self._nodes()]
        known = {plural(str(each["kind"])) for each in shown} | _KNOWN
        for kind in kinds:
            wanted = plural(kind)
            if wanted not in known:
                raise KubernetesError(f'error: the server doesn\'t have a resource type "{kind}"')
            for each in shown:
                if plural(str(each["kind"])) == wanted and self._is_in(each, namespace):
                    yield pods.with_status(self, each)

    def apply(self, wanted: Object) -> None:
        """Make or change an object.

        Raises:
            KubernetesError: it is not admitted.
        """
        kind, name = str(wanted["kind"]), str(wanted["metadata"]["name"])
        namespace = "" if kind in _CLUSTER_WIDE else str(wanted["metadata"].get("namespace") or "default")
        _check_schema(json.dumps(wanted, sort_keys=True), self.version)
        if namespace and namespace not in _NAMESPACES and self.stored("Namespace", "", namespace) is None:
            raise KubernetesError(f'Error from server (NotFound): namespaces "{namespace}" not found')
        admission.check(self.context, wanted)
        found = self.stored(kind, namespace, name)
        if found is not None:
            _check_fixed(found, wanted)
        now = self.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        before = (found or {}).get("metadata") or {"uid": str(uuid4()), "creationTimestamp": now, "generation": 0}
        same = found is not None and found.get("spec") == wanted.get("spec")
        metadata = {
            **wanted["metadata"],
            "uid": before["uid"],
            "creationTimestamp": before["creationTimestamp"],
            "generation": before["generation"] + (0 if same else 1),
        }
        made: Object = {**wanted, "metadata": metadata, "_changed": (found or {}).get("_changed") if same else now}
        self._objects[_key(kind, namespace, name)] = made

    def remove(self, each: Object) -> None:
        """Remove an object; with a namespace goes all that is in it."""
        namespace, name = str(each["metadata"].get("namespace") or ""), str(each["metadata"]["name"])
        self._objects.pop(_key(str(each["kind"]), namespace, name), None)
        if each["kind"] == "Namespace":
            for key, other in list(self._objects.items()):
                if other["metadata"].get("namespace") == name:
                    del self._objects[key]

    def settle(self) -> None:
        """Let come true what has come true meanwhile: a Secret that a Job made."""
        for each in pods.made(self):
            namespace, name = str(each["metadata"]["namespace"]), str(each["metadata"]["name"])
            self._objects.setdefault(_key(str(each["kind"]), namespace, name), each)

    def logs(self, pod: str) -> str:
        """Return what a pod printed."""
        return pods.logs(self, pod)

    def save(self) -> None:
        """Keep what has changed."""
        self.context.put(self.document)

    def _is_in(self, each: Object, namespace: str) -> bool:
        return not namespace or each["kind"] in _CLUSTER_WIDE or each["metadata"].get("namespace") == namespace

    def _nodes(self) -> Iterator[Object]:
        for pool in self.document["properties"].get("agentPoolProfiles") or ():
            for number in range(int(pool.get("count") or 0)):
                yield {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"aks-{pool['name']}-{number:06}"}}


_KNOWN = frozenset(
    {
        *("pods", "events", "secrets", "configmaps", "services", "serviceaccounts", "namespaces", "nodes"),
        *("persistentvolumes", "persistentvolumeclaims", "deployments", "jobs", "networkpolicies", "roles"),
        *("rolebindings", "clusterrolebindings", "ingresses", "statefulsets", "daemonsets", "cronjobs"),
    }
)


def plural(kind: str) -> str:
    """Return a kind as kubectl lists it: ``NetworkPolicy``, ``networkpolicies`` and ``pod`` alike."""
    name = kind.lower().partition(".")[0]
    if name in _PLURALS:
        return _PLURALS[name]
    return name if name.endswith("s") and name not in _PLURALS else f"{name}s"


def _key(kind: str, namespace: str, name: str) -> str:
    return f"{kind.lower()}/{namespace}/{name}"


@lru_cache(maxsize=512)
def _check_schema(text: str, version: str) -> None:
    document: dict[str, Any] = json.loads(text)
    name = document["metadata"]["name"]
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        raise KubernetesError(
            f'error: resource mapping not found for name: "{name}" from "{{file}}": no matches for kind '
            f'"{document["kind"]}" in version "{document["apiVersion"]}"'
        ) from error
    except jsonschema.ValidationError as error:
        where = ".".join(map(str, error.absolute_path))
        raise KubernetesError(
            f'Error from server (BadRequest): error when creating "{{file}}": {document["kind"]} in version '
            f'"{document["apiVersion"].rpartition("/")[2]}" cannot be handled as a {document["kind"]}: strict decoding '
            f"error: {where or 'the object'}: {error.message[:300]}"
        ) from error


def _check_fixed(found: Object, wanted: Object) -> None:
    kind, name = str(wanted["kind"]), wanted["metadata"]["name"]
    if kind == "ConfigMap" and found.get("immutable") and found.get("data") != wanted.get("data"):
        raise KubernetesError(
            f'The ConfigMap "{name}" is invalid: data: Forbidden: field is immutable when `immutable` is set'
        )
    for path in _IMMUTABLE.get(kind, ()):
        before, after = _at(found, path), _at(wanted, path)
        if before != after:
            raise KubernetesError(f'The {kind} "{name}" is invalid: {path}: Invalid value: field is immutable')


def _at(document: Object, path: str) -> Any:  # noqa: ANN401  # a JSON value
    value: Any = document
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value
