"""lockdown audit, and what it shares with drift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockdown.cli import options, output
from lockdown.cli.progress import watch
from lockdown.errors import Exit
from lockdown.model import Outcome, Severity

if TYPE_CHECKING:
    from lockdown.record import Record
    from lockdown.run import Finished, Wanted


@click.command()
@options.scope
def command(as_json: bool, quiet: bool, fail_on: str | None, **chosen: Any) -> int:  # noqa: ANN401 - the scope options
    """Judge every resource in scope and write a signed report.

    Exits 0 if everything was read and nothing fails, 5 if something could not be read or judged, 7 if something fails.
    The last line of stdout is the run directory.
    """
    finished = perform(wanted(**chosen), quiet=quiet)
    if not quiet:
        summarise(finished.record)
    answer(finished, as_json=as_json)
    return exit_code(finished.record, fail_on)


def wanted(
    *,
    subscriptions: tuple[str, ...],
    management_groups: tuple[str, ...],
    snapshot: Path | None,
    trust: Path | None,
    trust_fingerprint: str | None,
    trust_state: Path | None,
    config_file: Path | None,
    cloud: str | None,
    authority: str | None,
    policies: Path | None,
    only_policies: Path | None,
    out: Path | None,
    key: str | None,
    tsa: str | None,
    engine: str,
    formats: tuple[str, ...] = (),
    baseline: Path | None = None,
) -> Wanted:
    """Return what a run is asked to do by the options of :func:`lockdown.cli.options.scope`."""
    from lockdown.history.records import RETENTION_DAYS
    from lockdown.run import Wanted

    if snapshot is not None and engine != "snapshot":
        raise click.UsageError("--engine resource-graph asks Azure, --snapshot does without it: give one.")
    if policies and only_policies:
        raise click.UsageError("--policies adds to lockdown's own policies, --only-policies does without: give one.")
    found = options.configuration(config_file)
    return Wanted(
        scope=options.chosen(found, subscriptions, management_groups),
        boundary=found.boundary,
        waivers=found.waivers,
        cloud=cloud,
        authority=authority,
        snapshot=snapshot,
        policies=policies or only_policies,
        shipped_too=policies is not None,
        out=out,
        key=key or found.key,
        tsa=tsa or found.tsa,
        baseline=baseline,
        trust=trust,
        trust_fingerprint=trust_fingerprint,
        trust_state=trust_state,
        temporary=found.temporary if baseline is not None else (),
        store=found.store,
        retention_days=found.retention_days or RETENTION_DAYS,
        engine=engine,
        formats=formats,
    )


def perform(asked: Wanted, *, quiet: bool) -> Finished:
    """Make the run, with progress on stderr unless ``quiet``."""
    from lockdown import run

    with watch(quiet=quiet) as watching:
        return run.audit(asked, watching)


def summarise(record: Record, *, last: bool = True) -> None:
    """Tell a person on stderr what the run found, and if that is the ``last`` that is told, what to do next."""
    from lockdown.report import text

    roles = {Outcome.COMPLIANT: "good", Outcome.NON_COMPLIANT: "bad", Outcome.INDETERMINATE: "doubt"}
    for number, line in enumerate(text.summary(record)):
        if number == 0:
            verdict, colon, rest = line.partition(":")
            click.echo(output.painted(verdict, roles[Outcome(record.run["outcome"])]) + colon + rest, err=True)
        elif line.startswith(output.NEXT):
            if not last:
                continue
            click.echo(output.painted(output.NEXT, "strong") + line.removeprefix(output.NEXT), err=True)
        else:
            click.echo(line, err=True)


def answer(finished: Finished, *, as_json: bool) -> None:
    """Print the run directory, or the run as one JSON object, on stdout."""
    if as_json:
        click.echo(json.dumps({"directory": str(finished.directory), "run": finished.record.run}, sort_keys=True))
    else:
        click.echo(str(finished.directory))


def exit_code(record: Record, fail_on: str | None) -> Exit:
    """Return the exit code that the outcome of a run asks for.

    Args:
        record: the run.
        fail_on: the lowest severity of a failure that counts; None counts every failure.
    """
    if record.run["outcome"] == Outcome.INDETERMINATE:
        return Exit.INCOMPLETE
    lowest = Severity(fail_on).rank if fail_on else Severity.LOW.rank
    counted = sum(n for severity, n in record.run["failures"].items() if Severity(severity).rank <= lowest)
    return Exit.NOT_COMPLIANT if counted else Exit.OK
