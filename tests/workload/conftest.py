"""Environments with a workload, and what the tests of it share."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import yaml

from lockdown.data import tree
from lockdown.provisioner import blueprint, environment, plan
from lockdown.provisioner.apply import apply
from lockdown.provisioner.graph import Blueprint
from lockdown.provisioner.outcome import Outcome, Silent, Watch
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import Transport, connect

_NAMES = {
    "cromwell": "docker.io/broadinstitute/cromwell:87",
    "tes": "docker.io/genomics/tes:6.0.0",
    "triggerService": "docker.io/genomics/triggerservice:6.0.0",
    "tools": "mcr.microsoft.com/azure-cli:2.70.0",
    "postgresClient": "docker.io/library/postgres:17",
}


def image(name: str) -> str:
    return f"{name}@sha256:{sha256(name.encode()).hexdigest()}"


IMAGES = {key: image(name) for key, name in _NAMES.items()}


def described(name: str = "coa-private", workload: str = "cromwell", **changes: Any) -> dict[str, Any]:
    """Return the environment file that ships under a name, with a workload."""
    text = (tree("provision") / "environments" / f"{name}.yaml").read_text(encoding="utf-8")
    return {**yaml.safe_load(text), "workload": workload, "workloadImages": IMAGES, **changes}


def site(sandbox: Sandbox, name: str = "coa-private", workload: str = "cromwell", **changes: Any) -> Site:
    wanted = environment.Environment.model_validate(described(name, workload, **changes))
    caller = sandbox.environment("owner")["LOCKDOWN_SANDBOX_OBJECT_ID"]
    return Site(wanted, sandbox.subscription, sandbox.tenant, caller=caller)


def build(
    sandbox: Sandbox, found: Site | Blueprint, transport: Transport | None = None, watch: Watch | None = None
) -> Outcome:
    wanted = found if isinstance(found, Blueprint) else blueprint.build(found)
    with connect(sandbox, transport=transport) as arm:
        return apply(wanted, plan.make(wanted, arm), arm, watch or Silent())


def adopting(found: Site) -> Site:
    return replace(found, adopt=True)


def removing(found: Site) -> Site:
    return replace(found, removing=True)
