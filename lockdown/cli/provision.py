"""lockdown provision."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockdown import config
from lockdown.errors import Exit, IncompleteError, UsageError

if TYPE_CHECKING:
    from lockdown.model import Cloud, Waiver
    from lockdown.provisioner.arm import Arm
    from lockdown.provisioner.environment import Environment
    from lockdown.provisioner.graph import Blueprint
    from lockdown.provisioner.outcome import Outcome
    from lockdown.provisioner.plan import Plan
    from lockdown.provisioner.preflight import Preflight
    from lockdown.provisioner.site import Site
    from lockdown.run import Finished

ENVIRONMENTS = Path("lockdown-environments")
_YES = "Look at it with --plan, then give --yes: there is no terminal to ask on."


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    file: Path
    subscription: str
    yes: bool
    plan: bool
    out: Path | None
    as_json: bool
    cloud: str | None
    authority: str | None
    key: str | None
    quiet: bool
    status: bool = False
    adopt: bool = False
    remove_workload: bool = False
    in_cluster: bool = False


@dataclass(frozen=True)
class _Work:
    """What is worked on."""

    asked: Asked
    site: Site
    blueprint: Blueprint
    arm: Arm
    out: Path
    caller: str

    def say(self, lines: Iterable[str]) -> None:
        """Tell a person on stderr."""
        if not self.asked.quiet:
            for line in lines:
                click.echo(line, err=True)


@click.command()
@click.argument("environment", type=click.Path(path_type=Path), required=False)
@click.option(
    "--subscription",
    envvar="AZURE_SUBSCRIPTION_ID",
    show_envvar=True,
    metavar="ID",
    help="The subscription to build in; it belongs to the environment alone.",
)
@click.option("--plan", is_flag=True, help="Say what is to be done, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before anything is written or removed.")
@click.option("--destroy", is_flag=True, help="Remove the environment: what is tagged as its own, and nothing else.")
@click.option("--status", is_flag=True, help="Say which release of the workload the cluster runs, and write nothing.")
@click.option(
    "--in-cluster",
    is_flag=True,
    help="With --status: judge what runs in the cluster, too; its run-command is open for so long.",
)
@click.option("--adopt", is_flag=True, help="Replace what the original deployer released into the cluster.")
@click.option("--remove-workload", is_flag=True, help="Take the workload out of the cluster; data stays.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of environment files.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where lockdown.yaml, the request log and the baseline go. Default: lockdown-environments/<environment>.",
)
@click.option(
    "--cloud",
    envvar="LOCKDOWN_CLOUD",
    show_envvar=True,
    metavar="NAME_OR_URL",
    help="Default: the cloud that the environment names. Or the URL of any Resource Manager.",
)
@click.option(
    "--authority",
    envvar="AZURE_AUTHORITY_HOST",
    show_envvar=True,
    metavar="HOST",
    help="Who issues tokens for a cloud given by URL.",
)
@click.option("--key", metavar="URI", help="Sign the baseline with this key: azurekv:<versioned key id> or file:<PEM>.")
@click.option("--quiet", is_flag=True, help="No plan, progress or summary on stderr.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(environment: Path | None, destroy: bool, schema: bool, subscription: str | None, **chosen: Any) -> int:  # noqa: ANN401
    """Build a private Cromwell on Azure, closed from the first request on, and audit it.

    ENVIRONMENT is a file such as those in provision/environments/. The same command goes on where it was interrupted,
    and writes nothing when nothing is to do. Exits 0 if what was built is compliant, 2 if something stands in the way,
    5 if something is unfinished or left open, 7 if it is not compliant; --plan exits 8 if something is to do.
    """
    if schema:
        from lockdown.provisioner import environment as environments

        click.echo(json.dumps(environments.schema(), indent=2))
        return Exit.OK
    if environment is None:
        raise click.UsageError("Name an environment file, such as provision/environments/coa-private.yaml.")
    if subscription is None:
        raise click.UsageError("Name the subscription: --subscription ID, or AZURE_SUBSCRIPTION_ID.")
    try:
        asked = Asked(environment, config.subscription_id(subscription), **chosen)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--subscription") from error
    if asked.in_cluster and not asked.status:
        raise click.UsageError("--in-cluster goes with --status.")
    if asked.status:
        return _status(asked)
    if not (asked.yes or asked.plan or _can_ask()):
        raise UsageError("Nothing was written: nobody said that it shall be.", _YES)
    return _destroy(asked) if destroy else _build(asked)


def _status(asked: Asked) -> int:
    from lockdown.cli import workload

    if asked.in_cluster:
        with _work(asked, _environment(asked)) as work:
            return workload.in_cluster(work.site, work.arm, as_json=asked.as_json, say=work.say)
    with _work(replace(asked, plan=True), _environment(asked)) as work:
        return workload.status(work.site, work.arm, as_json=asked.as_json)


def _build(asked: Asked) -> int:
    from lockdown.provisioner import plan as plans
    from lockdown.provisioner import preflight, show

    found = _environment(asked)
    _check_key(asked, found)
    with _work(asked, found) as work:
        accepted = _waivers(work)
        work.say(["Reading what exists"])
        preflight.reach(work.site, work.arm)
        plan = plans.make(work.blueprint, work.arm)
        checked = preflight.check(work.site, work.blueprint, plan, work.arm)
        if asked.plan:
            lines = (*show.plan_lines(work.site, plan, checked), *show.plan_next(plan, checked))
            _show(work, show.plan_json(work.site, plan, checked), lines)
            return Exit.DRIFT if plan.pending else Exit.OK
        _refuse(work, plan, checked)
        work.say(show.plan_lines(work.site, plan, checked))
        if plan.pending and not asked.yes and not click.confirm("\nBuild this?", err=True):
            return _declined(work, plan, checked)
        return _apply(work, plan, checked, accepted)


def _apply(work: _Work, plan: Plan, checked: Preflight, accepted: tuple[Waiver, ...]) -> int:
    from lockdown.cli import jumpbox
    from lockdown.provisioner import preflight, show

    plan = jumpbox.unused(work.blueprint, plan, work.site, work.arm)
    outcome = jumpbox.checked(_applied(work, plan), plan, work.site, work.arm, work.out, work.caller)
    told = {**show.plan_json(work.site, plan, checked), "outcome": show.outcome_json(outcome)}
    _unfinished(work, outcome, told)
    _visit(work)
    if plan.pending:
        work.say(show.finding_lines(preflight.afterwards(work.site, work.blueprint, work.arm)))
    finished, code = _audit(work, outcome, accepted)
    if work.asked.as_json:
        click.echo(json.dumps({**told, "directory": str(work.out), "run": finished.record.run}, sort_keys=True))
    else:
        click.echo(str(work.out))
    return code


def _applied(work: _Work, plan: Plan) -> Outcome:
    """Do what a plan says, and tell how far it is."""
    from lockdown.cli.building import building
    from lockdown.provisioner import apply
    from lockdown.provisioner.outcome import Outcome

    if not plan.pending:
        return Outcome()
    typical = {change.key: change.seconds for change in plan.changes}
    with building(_count(plan, work.blueprint), lambda key: typical.get(key, 0), quiet=work.asked.quiet) as watch:
        return apply.apply(work.blueprint, plan, work.arm, watch)


def _visit(work: _Work) -> None:
    """Open the jumpbox, where there is one and a person at a terminal wants it; it is gone before the audit."""
    from lockdown.cli import jumpbox

    wanted = jumpbox.offered(work.site)
    if wanted is None:
        return
    if work.asked.yes or not _can_ask():
        work.say(["The jumpbox stays closed: it is opened for a person at a terminal, who is asked (without --yes)."])
    elif click.confirm(jumpbox.question(wanted), err=True):
        asked = jumpbox.Visit(work.site, work.arm, work.out, work.caller, work.say, jumpbox.until_enter)
        jumpbox.visit(asked, wanted)


def _unfinished(work: _Work, outcome: Outcome, told: dict[str, Any]) -> None:
    """Say how things stand if not everything was done.

    Raises:
        IncompleteError: something failed, was not begun, or is left open.
        BaseException: what interrupted the run.
    """
    from lockdown.provisioner import show

    if outcome.complete:
        return
    if work.asked.as_json:
        click.echo(json.dumps({**told, "directory": str(work.out)}, sort_keys=True))
    text = "\n".join(show.outcome_lines(outcome))
    step = "Run the same command again: it goes on where this one ended."
    if outcome.interrupted is not None:
        click.echo(f"{text}\n{step}", err=True)
        raise outcome.interrupted
    what = "The environment is not finished" if outcome.failed or outcome.not_started else "Something is left open"
    raise IncompleteError(f"{what}, and was not audited. {text}", step)


def _audit(work: _Work, outcome: Outcome, accepted: tuple[Waiver, ...]) -> tuple[Finished, Exit]:
    """Audit what was built with the waivers of the environment, and make a compliant run the baseline."""
    from lockdown import run
    from lockdown.cli.audit import exit_code, summarise
    from lockdown.cli.progress import watch
    from lockdown.provisioner import output, waivers
    from lockdown.provisioner.graph import Resource

    egress = work.blueprint.steps.get(output.EGRESS)
    document = work.arm.get(egress.id, egress.api_version).body if isinstance(egress, Resource) else None
    boundary = output.boundary(work.site, document)
    written = output.write_config(work.out, work.site, boundary, accepted)
    if not waivers.beside(work.asked.file).is_file():
        work.say([f"Nothing is waived: there is no {waivers.beside(work.asked.file)}."])
    _settle(work, outcome)
    directory = work.out / output.AUDITS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    wanted = run.Wanted(
        scope=output.scope(work.site),
        boundary=boundary,
        waivers=accepted,
        cloud=_cloud_of(work.asked, work.site.environment),
        authority=work.asked.authority,
        out=directory,
        key=work.asked.key,
    )
    with watch(quiet=work.asked.quiet) as watching:
        finished = run.audit(wanted, watching)
    if not work.asked.quiet:
        summarise(finished.record)
    code = exit_code(finished.record, None)
    if code is Exit.OK:
        finished = replace(finished, directory=output.approve(work.out, finished.directory))
        given = [f"-c {_quoted(written)}", f"--baseline {_quoted(finished.directory)}"]
        given.append(f"--environment {_quoted(work.asked.file)}")
        work.say(["", "From now on, every night:", "  " + " \\\n    ".join(("lockdown drift", *given))])
    return finished, code


def _waivers(work: _Work) -> tuple[Waiver, ...]:
    """Return the waivers; what is wrong with them is to be found before an hour of building, not after."""
    from lockdown.provisioner import output, waivers

    today, decided = datetime.now(UTC).date(), output.decided(work.out)
    return waivers.made(waivers.beside(work.asked.file), work.site, work.blueprint, today, decided)


def _settle(work: _Work, outcome: Outcome) -> None:
    from lockdown.provisioner import settled, show
    from lockdown.provisioner.answers import RefusedError

    wanted, gone = settled.expected(work.blueprint, outcome.done), settled.passing(work.blueprint)
    if not wanted and not gone:
        return
    if wanted:
        work.say(["Waiting until Azure Resource Graph shows what was built"])
    try:
        late = settled.settle(work.site, work.arm, wanted, gone)
    except RefusedError as error:
        work.say([show.safe(f"Resource Graph does not say: {error}")])
        return
    if late:
        work.say([f"Resource Graph is behind with {len(late)} resources; what is judged may be old."])


def _destroy(asked: Asked) -> int:
    from lockdown.cli.building import building
    from lockdown.provisioner import destroy, preflight, show

    with _work(asked, _environment(asked)) as work:
        work.say(["Reading what exists"])
        preflight.reach(work.site, work.arm)
        removals = destroy.plan(work.blueprint, work.arm)
        told = show.removals_json(work.site, removals)
        if asked.plan:
            _show(work, told, (*show.removal_lines(work.site, removals), *show.removal_next(removals)))
            return Exit.DRIFT if removals.going else Exit.OK
        work.say(show.removal_lines(work.site, removals))
        if not removals.going:
            if asked.as_json:
                click.echo(json.dumps(told, sort_keys=True))
            return Exit.OK
        question = f"\nRemove {work.site.environment.environment} for good?"
        if not asked.yes and not click.confirm(question, err=True):
            work.say(["Nothing was removed."])
            if asked.as_json:
                click.echo(json.dumps(told, sort_keys=True))
            return Exit.DRIFT
        typical = {going.key: going.seconds for going in removals.going}
        with building(len(removals.nodes), lambda key: typical.get(key, 0), quiet=asked.quiet) as watch:
            outcome = destroy.apply(work.blueprint, removals, work.arm, watch)
        if asked.as_json:
            click.echo(json.dumps({**told, "outcome": show.outcome_json(outcome)}, sort_keys=True))
        text = "\n".join(show.outcome_lines(outcome))
        if outcome.interrupted is not None:
            click.echo(f"{text}\nRun the same command again: it goes on where this one ended.", err=True)
            raise outcome.interrupted
        if not outcome.complete:
            raise IncompleteError(f"Not everything is gone. {text}", "Run the same command again.")
        stays = ", but for what was kept." if outcome.kept else "."
        work.say([*show.kept_lines(outcome), f"{work.site.environment.environment} is gone{stays}"])
        return Exit.OK


def _environment(asked: Asked) -> Environment:
    from lockdown.data import tree
    from lockdown.provisioner import environment, retired

    if not asked.file.exists():
        shipped = f"{tree('provision')}/environments"
        raise UsageError(f"There is no file {asked.file}.", f"Copy one of those that ship with lockdown: {shipped}")
    retired.refuse(asked.file)
    return environment.load(asked.file)


@contextmanager
def _work(asked: Asked, environment: Environment) -> Iterator[_Work]:
    """Open what a run works with. Without --out, a plan leaves nothing on the disk."""
    from lockdown.cli import jumpbox, workload
    from lockdown.cloud import credentials, endpoints
    from lockdown.provisioner import blueprint, output
    from lockdown.provisioner.arm import Arm
    from lockdown.provisioner.ledger import Entry, Ledger
    from lockdown.provisioner.site import Site

    workload.check(environment, adopt=asked.adopt, removing=asked.remove_workload)
    cloud: Cloud = endpoints.resolve(_cloud_of(asked, environment), asked.authority)
    credential = credentials.credential(cloud)
    identity = credentials.identify(credential, cloud)
    site = Site(
        environment,
        asked.subscription,
        identity.tenant,
        caller=identity.object_id,
        adopt=asked.adopt,
        removing=asked.remove_workload,
    )
    out = asked.out or ENVIRONMENTS / environment.environment

    def unlogged(_entry: Entry) -> None:
        """Keep no log: nothing is written."""

    key = jumpbox.unkept_key(site)
    if asked.plan and asked.out is None:
        with Arm(cloud, credential, unlogged) as arm:
            yield _Work(asked, site, blueprint.build(site, key), arm, out, identity.object_id)
    else:
        output.prepare(out)
        with Ledger(out / output.REQUESTS) as ledger, Arm(cloud, credential, ledger) as arm:
            yield _Work(asked, site, blueprint.build(site, key), arm, out, identity.object_id)


def _cloud_of(asked: Asked, environment: Environment) -> str:
    """Return the cloud to build in: the environment's, or the URL of one that stands for it."""
    named = str(environment.cloud)
    if asked.cloud is None or asked.cloud.lower() == named.lower():
        return named
    if "://" in asked.cloud:
        return asked.cloud
    raise UsageError(
        f"{asked.file} is for {named}, and --cloud (LOCKDOWN_CLOUD) says {asked.cloud}.", "Change one of the two."
    )


def _check_key(asked: Asked, environment: Environment) -> None:
    """Find a wrong key before an hour of building, not after."""
    if asked.key is not None and not asked.plan:
        from lockdown.evidence import keys

        keys.load_signer(asked.key, cloud=_cloud_of(asked, environment), authority=asked.authority)


def _declined(work: _Work, plan: Plan, checked: Preflight) -> Exit:
    """Say that nothing was written, and what is open or left meanwhile."""
    from lockdown.provisioner import leftovers, show

    work.say(["Nothing was written."])
    left = leftovers.still_open(work.blueprint, plan)
    if left:
        work.say(["", "Still open, or left behind, until you say yes", *show.left_lines(left)])
    if work.asked.as_json:
        click.echo(json.dumps(show.plan_json(work.site, plan, checked), sort_keys=True))
    return Exit.DRIFT


def _refuse(work: _Work, plan: Plan, checked: Preflight) -> None:
    """Refuse a plan that cannot be done. What an earlier run left open is closed all the same.

    Raises:
        UsageError: something stands in the way; every reason is in the message.
        BaseException: what interrupted the closing.
    """
    from lockdown.provisioner import leftovers, show

    if not plan.blocked and not checked.problems:
        return
    closing = leftovers.only(work.blueprint, plan)
    work.say(show.finding_lines(replace(checked, problems=())))
    if closing.pending:
        work.say(["", "Closing what an earlier run left open"])
    outcome = _applied(work, closing)
    if work.asked.as_json:
        told = show.plan_json(work.site, plan, checked)
        told |= {"outcome": show.outcome_json(outcome)} if closing.pending else {}
        click.echo(json.dumps(told, sort_keys=True))
    text = "\n".join(show.outcome_lines(outcome)) if closing.pending and not outcome.complete else ""
    if outcome.interrupted is not None:
        click.echo(text, err=True)
        raise outcome.interrupted
    said = "Nothing was built." if closing.pending else "Nothing was written."
    if outcome.done:
        said += f" Closed, or removed, of an earlier run: {show.safe(', '.join(outcome.done))}."
    reasons = "\n".join(show.blocked_lines(plan, checked))
    left = f"\n{text}" if text else ""
    raise UsageError(f"{said} This stands in the way:\n{reasons}{left}", "Change that, then start again.")


def _show(work: _Work, as_json: dict[str, Any], lines: Iterable[str]) -> None:
    if work.asked.as_json:
        click.echo(json.dumps(as_json, sort_keys=True))
    else:
        for line in lines:
            click.echo(line)


def _count(plan: Plan, blueprint: Blueprint) -> int:
    """Return how many steps end: what is opened is closed too, and what is there for a while is removed."""
    from lockdown.provisioner.change import IDLE, Verb

    begun = [change for change in plan.changes if change.verb not in IDLE]
    again = [c for c in begun if c.verb is not Verb.REMOVE and getattr(blueprint.steps[c.key], "temporary", False)]
    return len(begun) + len(again) + 2 * len(plan.openings)


def _quoted(path: Path) -> str:
    """Return a path as a shell and a terminal take it."""
    from lockdown.report.visible import visible

    return visible(shlex.quote(str(path)))


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
