"""What no object of a closed environment may be: reachable from outside, more than a pod, or a holder of secrets.

Part of it is what Pod Security and the Azure Policy add-on refuse in Azure; all of it is refused here, and named.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lockdown.sandbox.kind import Context
from lockdown.sandbox.kubernetes_error import KubernetesError, Object

_INTERNAL = "service.beta.kubernetes.io/azure-load-balancer-internal"
_SECRET_NAME = re.compile(r"(?i)(password|passwd|secret|account_?key|sas_?token)$")
_SECRET_TEXT = re.compile(
    r"(?i)AccountKey=|SharedAccessSignature=|\bsig=[A-Za-z0-9%]{20}|-----BEGIN (RSA |EC )?PRIVATE KEY-----"
    r"|password[\"']?\s*=\s*[\"']?[A-Za-z0-9/+_-]{8,}"
)
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})


def check(context: Context, wanted: Object) -> None:
    """Refuse what may not be.

    Raises:
        KubernetesError: naming everything that is wrong.
    """
    del context
    wrong = [*_exposed(wanted), *_secrets(wanted)]
    template = pod_template(wanted)
    if template is not None:
        wrong += _pod(template.get("spec") or {})
    if wrong:
        raise KubernetesError(
            'Error from server (Forbidden): error when creating "{file}": admission webhook '
            f'"validation.gatekeeper.sh" denied the request: {wanted["kind"]} {wanted["metadata"]["name"]}: '
            + "; ".join(wrong)
        )


def pod_template(each: Object) -> Object | None:
    """Return the pod that an object makes, or None."""
    spec = each.get("spec") or {}
    if each["kind"] == "Pod":
        return each
    if each["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    found = spec.get("template")
    return found if isinstance(found, dict) else None


def _exposed(wanted: Object) -> Iterator[str]:
    kind, spec = wanted["kind"], wanted.get("spec") or {}
    if kind == "Service":
        if spec.get("type") == "NodePort":
            yield "a Service of type NodePort is reachable at every node"
        if spec.get("type") == "LoadBalancer":
            inside = str((wanted["metadata"].get("annotations") or {}).get(_INTERNAL)).lower() == "true"
            yield "a Service of type LoadBalancer is not for a closed environment" + (
                "" if inside else ": it is public"
            )
        if spec.get("externalIPs"):
            yield "a Service with externalIPs answers at addresses that are not the cluster's"
    if kind in ("Ingress", "Gateway", "HTTPRoute"):
        yield f"{kind} publishes a Service"


def _pod(spec: Mapping[str, Any]) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"host namespaces ({name}=true)"
    for volume in spec.get("volumes") or ():
        if "hostPath" in volume:
            yield f"hostPath volume {volume.get('name')}"
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for what in _container(container, spec.get("securityContext") or {}):
            yield f"container {container.get('name')}: {what}"


def _container(container: Mapping[str, Any], outer: Mapping[str, Any]) -> Iterator[str]:
    inner = container.get("securityContext") or {}
    capabilities = inner.get("capabilities") or {}
    added = _CAPABILITIES.issuperset(capabilities.get("add") or ())
    wrong = {
        "hostPort": any(port.get("hostPort") for port in container.get("ports") or ()),
        "privileged": bool(inner.get("privileged")),
        "allowPrivilegeEscalation != false": inner.get("allowPrivilegeEscalation") is not False,
        "runAsNonRoot != true": not inner.get("runAsNonRoot", outer.get("runAsNonRoot")),
        "unrestricted capabilities": "ALL" not in (capabilities.get("drop") or ()) or not added,
        "no seccompProfile": not (inner.get("seccompProfile") or outer.get("seccompProfile")),
        "no resource limits": not (container.get("resources") or {}).get("limits"),
        f"the image {container.get('image')} is not named by its digest": not _DIGEST.search(
            str(container.get("image"))
        ),
    }
    yield from (what for what, found in wrong.items() if found)


def _secrets(wanted: Object) -> Iterator[str]:
    if wanted["kind"] == "Secret" and (wanted.get("data") or wanted.get("stringData")):
        yield "a Secret with its values in a manifest"
    template = pod_template(wanted) or {}
    spec = template.get("spec") or {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for variable in container.get("env") or ():
            if variable.get("value") and _SECRET_NAME.search(str(variable.get("name"))):
                yield f"container {container.get('name')}: the variable {variable['name']} holds a secret"
    for text in _texts(wanted):
        found = _SECRET_TEXT.search(text)
        if found:
            yield f"a text that looks like a secret: {found[0][:20]}..."


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  # a JSON value
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
