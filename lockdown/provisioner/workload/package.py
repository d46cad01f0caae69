"""What is brought into the cluster: all manifests of a workload, and the digest that tells one from another. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lockdown.provisioner.environment import Workload
from lockdown.provisioner.workload import template
from lockdown.provisioner.workload.template import Manifest

NAMESPACE = "coa"
"""The Kubernetes namespace of Cromwell on Azure."""

PART_OF = "app.kubernetes.io/part-of"
SYSTEM = "cromwell-on-azure"
RELEASE = "lockdown/release"
_SETUP = tuple(
    f"manifests/setup/{name}.yaml"
    for name in (
        *("10-namespace", "20-accounts", "30-network", "40-files"),
        *("50-passwords", "60-database", "70-configuration"),
    )
)
_SERVICES = {
    Workload.TES_ONLY: ("20-tes",),
    Workload.CROMWELL: ("10-volumes", "20-tes", "30-cromwell", "40-triggerservice"),
}
_SETUP_TEXTS = (
    *("scripts/passwords.py", "scripts/entra.py", "scripts/blobs.py", "scripts/users.sql"),
    *("configuration/allowed-vm-sizes", "configuration/readme.txt", "configuration/roots.pem"),
)
_SETUP_MANIFESTS = ("50-passwords", "60-database", "70-configuration")
_CROMWELL_TEXTS = ("configuration/cromwell.conf", "configuration/roots.pem")


@dataclass(frozen=True)
class Package:
    """The manifests of a workload, in the order in which they are applied.

    Attributes:
        release: the digits that tell this package from any other of the environment.
        setup: the namespace, its rules, and the Jobs that make ready.
        services: what goes on running.
    """

    release: str
    setup: tuple[Manifest, ...] = field(repr=False)
    services: tuple[Manifest, ...] = field(repr=False)

    @property
    def jobs(self) -> tuple[str, ...]:
        """The names of the Jobs that make ready."""
        return tuple(each["metadata"]["name"] for each in self.setup if each["kind"] == "Job")

    @property
    def deployments(self) -> tuple[str, ...]:
        """The names of what goes on running."""
        return tuple(each["metadata"]["name"] for each in self.services if each["kind"] == "Deployment")


def package(workload: Workload, values: Mapping[str, str], release: str = "") -> Package:
    """Return what a workload is made of.

    Args:
        workload: tes-only or cromwell.
        values: of the placeholders. The release is the digest of the manifests as these values fill them in; as long
            as they hold references, it does not depend on what Azure draws by lot.
        release: the release that it is, where the values were resolved since.
    """
    filled = {**values, "setupDigest": values.get("setupDigest") or _setup_digest(values)}
    filled["cromwellDigest"] = values.get("cromwellDigest") or _texts(_CROMWELL_TEXTS, values)
    setup = [each for path in _SETUP for each in template.manifests(path, filled)]
    services = [
        each for name in _SERVICES[workload] for each in template.manifests(f"manifests/services/{name}.yaml", filled)
    ]
    found = release or template.digest(json.dumps([setup, services], sort_keys=True))
    return Package(found, tuple(_labelled(setup, found)), tuple(_labelled(services, found)))


def digests(values: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the configuration: like the release, they are made before references are resolved."""
    return {"setupDigest": _setup_digest(values), "cromwellDigest": _texts(_CROMWELL_TEXTS, values)}


def files(manifests: tuple[Manifest, ...]) -> dict[str, bytes]:
    """Return the manifests as files that kubectl applies in this order."""
    return {
        f"{number:02}-{each['kind'].lower()}-{each['metadata']['name']}.json": json.dumps(each, indent=1).encode()
        for number, each in enumerate(manifests, start=10)
    }


def _setup_digest(values: Mapping[str, str]) -> str:
    """Return the name of what makes ready: a Job never changes, so that a changed one has another name."""
    jobs = (
        json.dumps(each, sort_keys=True)
        for name in _SETUP_MANIFESTS
        for each in template.manifests(f"manifests/setup/{name}.yaml", {**values, "setupDigest": ""})
    )
    return template.digest(_texts(_SETUP_TEXTS, values), *jobs)


def _texts(paths: tuple[str, ...], values: Mapping[str, str]) -> str:
    return template.digest(*(template.text(path, values) for path in paths))


def _labelled(manifests: list[Manifest], release: str) -> Iterator[Manifest]:
    """Yield the manifests with what finds them again. Pods do not carry the release: it is no reason to restart."""
    for each in manifests:
        labels = {**(each["metadata"].get("labels") or {}), PART_OF: SYSTEM, RELEASE: release}
        made: Manifest = {**each, "metadata": {**each["metadata"], "labels": labels}}
        if "template" in (made.get("spec") or {}):
            pod = made["spec"]["template"]
            held = {**pod["metadata"], "labels": {**pod["metadata"]["labels"], PART_OF: SYSTEM}}
            made = {**made, "spec": {**made["spec"], "template": {**pod, "metadata": held}}}
        yield made
