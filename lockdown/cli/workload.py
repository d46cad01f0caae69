"""What ``lockdown provision`` says of the workload without touching the cluster: which release it runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click

from lockdown.errors import Exit, IncompleteError, UsageError
from lockdown.provisioner import apply, blueprint, show
from lockdown.provisioner import plan as plans
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.blueprint import cluster, ids, workload
from lockdown.provisioner.change import Plan, Verb
from lockdown.provisioner.environment import RUNS, Environment, Workload
from lockdown.provisioner.graph import Blueprint, Body, Hands, Resource, Step, Window, at
from lockdown.provisioner.graph import blueprint as ordered
from lockdown.provisioner.outcome import Silent
from lockdown.provisioner.site import Site
from lockdown.provisioner.workload.look import RULES, Judged, look

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


def in_cluster(site: Site, arm: Arm, *, as_json: bool, say: Callable[[Iterable[str]], None]) -> Exit:
    """Look into the cluster, and judge what runs there.

    Its run-command is open for so long, and the caller administers it; both end with the look.

    Raises:
        UsageError: the cluster is not as the environment says: opening it would change it.
        IncompleteError: it could not be looked into, or something was left open.
    """
    found: list[Judged] = []
    registry = f"{ids.registry(site).rpartition('/')[2].lower()}.{site.suffixes.registry}"

    def asked(body: Body, hands: Hands) -> None:
        found[:] = look(hands, str(body["cluster"]), registry)

    wanted = _looking(site, workload.looking(site, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", asked))
    plan = plans.make(wanted, arm)
    _check_unchanged(plan)
    say(["Looking into the cluster: run-command is open for so long"])
    outcome = apply.apply(wanted, _only(plan, {workload.LOOK, workload.administration(site).key}), arm, Silent())
    if not outcome.complete:
        text = "\n".join(show.outcome_lines(outcome))
        if outcome.interrupted is not None:
            click.echo(text, err=True)
            raise outcome.interrupted
        raise IncompleteError(
            f"The cluster was not looked into, or is left open. {text}", "Run the same command again."
        )
    _tell(found, as_json=as_json)
    verdicts = {judged.verdict for judged in found}
    return Exit.INCOMPLETE if "unknown" in verdicts else Exit.NOT_COMPLIANT if "fail" in verdicts else Exit.OK


def _looking(site: Site, action: Step) -> Blueprint:
    """Return the blueprint with the look in place of the workload."""
    steps = {step.key: step for step in blueprint.chain(site) if step.key not in (workload.KEY, "credential/setup")}
    steps |= {action.key: action, **{step.key: step for step in (workload.administration(site),)}}
    held = steps["cluster"]
    if isinstance(held, Resource):
        steps["cluster"] = replace(held, windows=tuple(_for_the_look(window) for window in held.windows))
    return ordered(blueprint.grounded(steps.values()))


def _for_the_look(window: Window) -> Window:
    return replace(window, needed_by=(workload.LOOK,))


def _check_unchanged(plan: Plan) -> None:
    changes = {change.key: change for change in plan.changes}
    if changes["cluster"].verb not in (Verb.LEAVE, Verb.CLOSE):
        raise UsageError(
            f"The cluster is not as the environment says ({changes['cluster'].verb}): opening it would change it.",
            "Run lockdown provision first.",
        )


def _only(plan: Plan, keys: set[str]) -> Plan:
    """Return a plan of which only these steps are done."""
    idle = (change if change.key in keys else replace(change, verb=Verb.LEAVE, seconds=0) for change in plan.changes)
    openings = tuple(opening for opening in plan.openings if keys & set(opening.needed_by))
    return replace(plan, changes=tuple(idle), openings=openings)


def _tell(found: list[Judged], *, as_json: bool) -> None:
    if as_json:
        told = [{"rule": j.rule, "verdict": j.verdict, "object": j.object, "reason": j.reason} for j in found]
        click.echo(json.dumps({"inCluster": told}, sort_keys=True))
        return
    for rule, title in RULES.items():
        ours = [judged for judged in found if judged.rule == rule]
        counts = Counter(judged.verdict for judged in ours)
        click.echo(
            f"{title}: {', '.join(f'{count} {verdict}' for verdict, count in sorted(counts.items())) or 'nothing'}"
        )
        for judged in ours:
            if judged.verdict != "pass":
                click.echo(f"  {judged.verdict} {show.safe(judged.object)}: {show.safe(judged.reason)}")
