"""lockdown drift."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockdown.cli import departures, options, output, visible
from lockdown.cli.audit import answer, exit_code, perform, summarise, wanted
from lockdown.errors import Exit

if TYPE_CHECKING:
    from lockdown.run import Finished, Wanted

_OF_ACCEPTANCE = frozenset(
    {"trust", "trust_fingerprint", "trust_state", "config_file", "cloud", "authority", "out", "key", "tsa"}
)

_ACCEPT = """\
  lockdown drift --baseline {baseline} \\
    --run {run} \\
    --accept ID --reason TEXT --key KEY --out NEW-BASELINE
  (report/report.html and results/drift.json have the ids)"""


@click.command()
@click.option(
    "--baseline",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="RUN",
    help="The run that was approved, a directory or a bundle; verified before it is used.",
)
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    metavar="ID",
    help="Make no run, but a new baseline in which this item of the drift of --run is accepted; may be given again. "
    "Or: all.",
)
@click.option("--run", "found", type=click.Path(path_type=Path, exists=True), help="With --accept: whose drift it is.")
@click.option("--reason", metavar="TEXT", help="With --accept: why. It is signed, and stands in the history.")
@click.option(
    "--environment",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The environment file that lockdown provision was given: tells what is no longer as it says.",
)
@options.scope
@click.pass_context
def command(
    ctx: click.Context,
    /,
    baseline: Path,
    accepted: tuple[str, ...],
    found: Path | None,
    reason: str | None,
    environment: Path | None,
    *,
    as_json: bool,
    quiet: bool,
    fail_on: str | None,
    **chosen: Any,  # noqa: ANN401
) -> int:
    """Say what changed since an approved run, who did it and when.

    Makes a new run with the comparison in results/drift.json. Exits 0 if nothing changed, 8 if something did, 5 if
    something could not be read; unchanged failures count only with --fail-on. What was accepted, and temporary access
    that is kept, does not count.
    """
    if accepted or found is not None or reason is not None:
        if not accepted or found is None or reason is None or not reason.strip():
            raise click.UsageError("To accept drift, give --accept, --run and --reason.")
        _refuse_others(ctx, {**chosen, "environment": environment})
        return _accept(baseline, found, accepted, reason, as_json=as_json, quiet=quiet, **chosen)
    asked = wanted(**chosen, baseline=baseline)
    looked = _looked(environment, asked)
    finished = perform(replace(asked, departures=looked), quiet=quiet)
    document = finished.document or {}
    if not quiet:
        from lockdown.report import drift_text

        summarise(finished.record, last=False)
        for line in drift_text.render(document):
            click.echo(line, err=True)
        _tell_next(finished, baseline)
    answer(finished, as_json=as_json)
    departures.check(looked)
    judged = exit_code(finished.record, fail_on)
    if judged is Exit.INCOMPLETE or not document["complete"]:
        return Exit.INCOMPLETE
    if not document["empty"]:
        return Exit.DRIFT
    return judged if fail_on else Exit.OK


def _tell_next(finished: Finished, baseline: Path) -> None:
    document = finished.document or {}
    click.echo(err=True)
    if not document["empty"]:
        output.next_step("undo it, or accept what was meant:")
        named = {"baseline": baseline, "run": finished.directory}
        shown = {name: visible(shlex.quote(str(path))) for name, path in named.items()}
        click.echo(_ACCEPT.format(**shown), err=True)
    elif not document["complete"]:
        output.next_step("let the auditor read what it could not, and compare again.")
    elif finished.record.run["counts"]["fail"]:
        output.next_step("nothing drifted; report/report.html has what fails as it did before.")
    else:
        output.next_step("nothing: it is as it was approved.")


def _looked(environment: Path | None, asked: Wanted) -> departures.Departures | None:
    """Return what looks at the environment file, if there is one."""
    if environment is None:
        return None
    if asked.snapshot is not None:
        raise click.UsageError("--environment asks Azure, --snapshot does without it: give one.")
    return departures.asked(environment, asked.scope.subscriptions, asked.cloud, asked.authority)


def _refuse_others(ctx: click.Context, chosen: dict[str, Any]) -> None:
    """Refuse options that are about making a run, where none is made."""
    for name in chosen.keys() - _OF_ACCEPTANCE:
        source = ctx.get_parameter_source(name)
        if source is click.core.ParameterSource.COMMANDLINE:
            option = next(param for param in ctx.command.params if param.name == name)
            raise click.UsageError(f"{option.opts[0]} is about a run, and --accept makes none.")


def _accept(
    baseline: Path,
    found: Path,
    accepted: tuple[str, ...],
    reason: str,
    *,
    as_json: bool,
    quiet: bool,
    **chosen: Any,  # noqa: ANN401
) -> int:
    from lockdown.history import accepting
    from lockdown.workplace import workplace

    configured = options.configuration(chosen["config_file"])
    key, tsa, out = chosen["key"] or configured.key, chosen["tsa"] or configured.tsa, chosen["out"]
    if key is None:
        raise click.UsageError("An acceptance is signed: give --key, or signing.key in lockdown.yaml.")
    if out is None:
        raise click.UsageError("Name the baseline to make with --out.")
    where = accepting.Where(configured.store, configured.retention_days, chosen["cloud"], chosen["authority"])
    with workplace(out) as work:
        made = accepting.make(
            accepting.Asked(
                baseline,
                found,
                accepted,
                reason,
                chosen["trust"],
                chosen["trust_fingerprint"],
                chosen["trust_state"],
            ),
            work,
            key,
            tsa,
            where,
        )
    if not quiet:
        for line in _told(made):
            click.echo(visible(line).replace("\n", "\\n"), err=True)
    if as_json:
        click.echo(json.dumps({"directory": str(out), "acceptance": made.plain(), "sha256": made.digest}))
    else:
        click.echo(str(out))
    return Exit.OK


def _told(made: Any) -> list[str]:  # noqa: ANN401 - imported when it is needed
    lines = [f"accepted   {item.id}  {item.what}" for item in made.acceptance.accepted]
    lines += [f"withdrawn  {item_id}" for item_id in made.acceptance.withdrawn]
    lines += [doubt for doubt in made.doubts if doubt]
    which = "the run itself is the new baseline" if made.replaced else "the rest of its drift still counts"
    return [*lines, f"Acceptance {made.acceptance.sequence}, {made.digest}: {which}."]
