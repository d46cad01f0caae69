"""Provisioning a whole environment, beside the longest chain of what Azure takes: ``python -m benchmarks.provision``.

The sandbox's operations take as long as they typically do in Azure, on a clock that runs faster than the machine's; so
what lockdown itself takes counts that many times over. The length of the critical path is computed from how long the
sandbox worked on each step, and the order that the steps need: nothing could be faster. Planning and building are one
process, the sandbox another; a run that finds nothing to do is the whole command, from its start to its end.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from azure.identity import ClientSecretCredential

from benchmarks import measure
from lockdown.cloud import endpoints
from lockdown.data import tree
from lockdown.provisioner import environment, plan, schedule
from lockdown.provisioner.apply import apply
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.blueprint import build
from lockdown.provisioner.change import Verb
from lockdown.provisioner.graph import Action, Blueprint, Resource
from lockdown.provisioner.ledger import Entry
from lockdown.provisioner.outcome import Silent
from lockdown.provisioner.site import Site
from lockdown.provisioner.walk import Node
from lockdown.sandbox.operations import Operation
from lockdown.sandbox.server import Sandbox

_RUNS = 5
_WRITES = ("PUT", "PATCH", "POST", "DELETE")
_COLUMNS = ("environment", "steps", "resources", "requests", "reads", "polls", "writes", "took s", "path s", "ratio")
_WIDTHS = (13, 6, 10, 9, 6, 6, 6, 9, 9, 6)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.provision", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("environment", nargs="?", default="coa-private")
    parser.add_argument("--scale", type=float, default=10.0, help="seconds of the sandbox in one of the machine's")
    parser.add_argument("--build", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    file = tree("provision") / "environments" / f"{asked.environment}.yaml"
    if asked.build:
        print(json.dumps(_build(Path(str(file)))))
        return
    with Sandbox("empty", time_scale=asked.scale, unregistered={"*"}) as sandbox:
        _measured(sandbox, asked.environment, Path(str(file)), asked.scale)


def _measured(sandbox: Sandbox, name: str, file: Path, scale: float) -> None:
    chosen = {**os.environ, **sandbox.environment()}
    site = Site(environment.load(file), sandbox.subscription, sandbox.tenant)
    steps = build(site)
    child = [sys.executable, "-m", "benchmarks.provision", name, "--build"]
    built = json.loads(measure.run(child, chosen).said)
    path = _critical_path(steps, built["nodes"], sandbox.operations._all.values())  # noqa: SLF001 - it has no list
    count = Counter(built["requests"])
    resources = sum(isinstance(step, Resource) for step in steps)
    writes = sum(count[method] for method in _WRITES)
    took = (built["plan"] + built["apply"]) * scale
    print(_line(*_COLUMNS))
    print(
        _line(
            name, len(steps.steps), resources, sum(count.values()), count["GET"], count["poll"], writes,
            f"{took:.0f}", f"{path:.0f}", f"{took / path:.3f}",
        )
    )  # fmt: skip
    print(
        f"requests per resource: {sum(count.values()) / resources:.2f}; of the {took:.0f} s, {scale:g} in one of ours,"
        f" planning took {built['plan'] * scale:.0f} s; the plan had said {built['said']:.0f} s"
    )
    again = json.loads(measure.run(child, chosen).said)
    assert again["requests"].keys() <= {"GET"}, again
    before, runs = sandbox.requests, []
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "lockdown", "provision", str(file), "--plan", "--quiet", "--out", f"{out}/o"]
        runs = [measure.run(command, chosen) for _ in range(_RUNS)]
    used = measure.typical(runs)
    print(f"nothing to do: the provisioner reads {again['requests']['GET']} things in {again['plan']:.2f} s;")
    print(
        f"lockdown provision --plan: {used.wall:.2f} s, {used.cpu:.2f} s of CPU, {used.megabytes:.0f} MB,"
        f" {(sandbox.requests - before) / _RUNS:.0f} requests with those of the checks before a first write"
    )


def _build(file: Path) -> Mapping[str, Any]:
    """Plan and build in this process; return what it took."""
    entries: list[Entry] = []
    cloud = endpoints.resolve(os.environ["LOCKDOWN_CLOUD"], os.environ["AZURE_AUTHORITY_HOST"])
    credential = ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], os.environ["AZURE_CLIENT_SECRET"],
        authority=os.environ["AZURE_AUTHORITY_HOST"], disable_instance_discovery=True,
    )  # fmt: skip
    steps = build(Site(environment.load(file), os.environ["AZURE_SUBSCRIPTION_ID"], os.environ["AZURE_TENANT_ID"]))
    with Arm(cloud, credential, entries.append) as arm:
        began = time.monotonic()
        found = plan.make(steps, arm)
        planned = time.monotonic()
        outcome = apply(steps, found, arm, Silent())
        ended = time.monotonic()
    assert outcome.complete, outcome
    nodes = schedule.work(steps, {change.key: change for change in found.changes}, found.openings)
    return {
        "plan": planned - began,
        "apply": ended - planned,
        "said": found.seconds,
        "requests": Counter("poll" if _is_poll(entry) else entry.method for entry in entries),
        "nodes": [
            [node.name, node.key, node.verb.value, sorted(node.needs), sorted(node.after)] for node in nodes.values()
        ],
    }


def _is_poll(entry: Entry) -> bool:
    return "/operations/" in entry.path.lower() or "/operationresults/" in entry.path.lower()


def _critical_path(steps: Blueprint, nodes: list[list[Any]], operations: Iterable[Operation]) -> float:
    """Return the seconds of the longest chain, each node as long as the sandbox worked on it."""
    took: dict[tuple[str, bool], list[float]] = {}
    for operation in sorted(operations, key=lambda found: found.started):
        seconds = (operation.ends - operation.started).total_seconds()
        took.setdefault((operation.resource_id.lower(), bool(operation.verb)), []).append(seconds)
    found: dict[str, Node] = {}
    for name, key, verb, needs, after in nodes:
        node = Node(name, key, Verb(verb), "", frozenset(needs), frozenset(after))
        found[name] = replace(node, seconds=_worked(steps, node, took))
    return schedule.length(found)


def _worked(steps: Blueprint, node: Node, took: dict[tuple[str, bool], list[float]]) -> float:
    """Return how long the sandbox worked on a node; what it works on many times is in the order of the walk."""
    step = steps.steps[node.key]
    where = step.path.rpartition("/")[0] if isinstance(step, Action) else step.id
    left = took.get((where.lower(), isinstance(step, Resource)), [])
    return left.pop(0) if left else 0.0


def _line(*values: object) -> str:
    return " ".join(f"{value:>{width}}" for value, width in zip(values, _WIDTHS, strict=True)).rstrip()


if __name__ == "__main__":
    main()
