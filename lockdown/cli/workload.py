"""What ``lockdown provision`` says of the workload without touching the cluster: which release it runs."""

from __future__ import annotations

import json
from typing import Any

import click

from lockdown.errors import Exit, UsageError
from lockdown.provisioner import show
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.blueprint import cluster, ids, workload
from lockdown.provisioner.environment import RUNS, Environment, Workload
from lockdown.provisioner.graph import at
from lockdown.provisioner.site import Site

_WINDOW = "properties.apiServerAccessProfile.disableRunCommand"


def check(environment: Environment, *, adopt: bool, removing: bool) -> None:
    """Refuse what the file leaves nothing of.

    Raises:
        UsageError: the environment names no workload.
    """
    if (adopt or removing) and environment.workload is Workload.NONE:
        option = "--adopt" if adopt else "--remove-workload"
        raise UsageError(
            f"{option} is about a workload, and the environment has none.", "Say workload: cromwell in it."
        )


def status(site: Site, arm: Arm, *, as_json: bool) -> Exit:
    """Say which release the cluster runs, by its tag, and which one the file stands for.

    Raises:
        RefusedError: the cluster could not be read.
    """
    found = arm.get(ids.cluster(site), cluster.API_VERSION)
    told = _status(site, found.body if found.there else None)
    if as_json:
        click.echo(json.dumps(told, sort_keys=True))
    else:
        for line in _lines(told):
            click.echo(line)
    return Exit.OK if told["upToDate"] else Exit.DRIFT


def _status(site: Site, found: dict[str, Any] | None) -> dict[str, Any]:
    wanted = site.environment.workload
    release = workload.release(site) if wanted is not Workload.NONE else workload.REMOVED
    runs = at(found, f"tags.{workload.TAG}")
    idle = wanted is Workload.NONE and runs in (None, workload.REMOVED)
    given = site.environment.workload_images.given
    return {
        "environment": site.environment.environment,
        "workload": str(wanted),
        "cluster": ids.cluster(site),
        "clusterExists": found is not None,
        "powerState": at(found, "properties.powerState.code"),
        "runCommandOpen": found is not None and at(found, _WINDOW) is not True,
        "release": runs,
        "wantedRelease": None if wanted is Workload.NONE else release,
        "upToDate": found is not None and (idle or runs == release),
        "images": {key: given[key] for key in RUNS[wanted]},
    }


def _lines(told: dict[str, Any]) -> list[str]:
    if not told["clusterExists"]:
        return [f"{told['environment']}: there is no cluster yet"]
    lines = [
        f"{told['environment']}: workload {told['workload']}",
        f"  cluster   {told['cluster']} ({told['powerState'] or 'power state unknown'})",
        f"  runs      {show.safe(str(told['release'] or 'nothing that lockdown brought in'))}",
    ]
    if told["wantedRelease"]:
        same = "the same" if told["upToDate"] else "lockdown provision brings it in"
        lines.append(f"  the file  {told['wantedRelease']} ({same})")
    lines += [f"  image     {key}: {image}" for key, image in told["images"].items()]
    if told["runCommandOpen"]:
        lines.append("  run-command is open: lockdown provision closes it")
    return [*lines, "This is what Resource Manager shows. Whether the pods serve shows in the cluster alone."]
