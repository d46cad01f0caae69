"""lockdown history: the runs that were made, those that are missing, and how controls fared over time."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockdown.cli import options, visible
from lockdown.errors import Exit, UsageError

if TYPE_CHECKING:
    from lockdown.evidence.ledger import Ledger
    from lockdown.history.chain import Gap, Run
    from lockdown.history.records import Accepted, Link
    from lockdown.history.store import Store

_CADENCE = re.compile(r"([1-9][0-9]{0,3})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_SHOWN = 7


def _cadence(_ctx: click.Context, _option: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    found = _CADENCE.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not a time such as 12h, 1d or 1w.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.command("history")
@click.option("--store", metavar="URL", help="The evidence store. Default: evidence.store in lockdown.yaml.")
@click.option(
    "--cadence", metavar="TIME", callback=_cadence, help="How often a run is due, such as 1d: tells which are missing."
)
@click.option(
    "--trust", metavar="FILE", type=click.Path(path_type=Path), help="Check every signature against this trust root."
)
@click.option(
    "--against",
    multiple=True,
    metavar="RUN",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A run that carries a copy of the history: tells whether the store still agrees; may be given again.",
)
@click.option("--all", "everything", is_flag=True, help="List every run and every control.")
@options.config_option()
@click.option("--cloud", envvar="LOCKDOWN_CLOUD", show_envvar=True, metavar="NAME_OR_URL", help="As for audit.")
@click.option("--authority", envvar="AZURE_AUTHORITY_HOST", show_envvar=True, metavar="HOST", help="As for audit.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with every run, rate, gap and fork.")
def command(
    store: str | None,
    cadence: timedelta | None,
    trust: Path | None,
    against: tuple[Path, ...],
    *,
    everything: bool,
    config_file: Path | None,
    cloud: str | None,
    authority: str | None,
    as_json: bool,
) -> Exit:
    """Show the runs in the history, how controls fared, and what is missing.

    Exits 3 if a record was replaced, 4 if --trust does not trust a signature, 5 if records or due runs are missing or
    the history forks, else 0. A run that never ended is indeterminate.
    """
    from lockdown.evidence.ledger import Ledger
    from lockdown.history.store import open_store

    url = store or options.configuration(config_file).store
    if url is None:
        raise UsageError("No evidence store is named.", "Give --store, or evidence.store in lockdown.yaml.")
    now = datetime.now(UTC)
    ledger = Ledger()
    found = _examine(ledger, open_store(url, cloud=cloud, authority=authority), trust, against, cadence, now)
    if as_json:
        click.echo(json.dumps(_document(url, found, ledger, cadence, now), indent=2, sort_keys=True))
    else:
        _show(found, ledger, cadence, now, everything=everything)
    return ledger.exit_code


def _examine(
    ledger: Ledger,
    store: Store,
    trust: Path | None,
    against: tuple[Path, ...],
    cadence: timedelta | None,
    now: datetime,
) -> list[Link]:
    from lockdown.evidence import root_file
    from lockdown.evidence.files import DirectoryFiles
    from lockdown.history import proof

    root = root_file.read(trust).root if trust else None
    if root is not None:
        root.check_current(now)
    found = proof.prove(ledger, store, root, now=now, cadence=cadence, trusted=trust is not None)
    for run in against:
        ledger.attempt("history copy", proof.compare, found, DirectoryFiles(run.resolve()))
    return found


def _document(url: str, links: list[Link], ledger: Ledger, cadence: timedelta | None, now: datetime) -> dict[str, Any]:
    from lockdown.history import chain
    from lockdown.history.records import Accepted

    runs = chain.runs(links)
    gaps = chain.gaps(runs, cadence, now) if cadence else []
    return {
        "store": url,
        "exitCode": int(ledger.exit_code),
        "checks": [{"name": check.name, "mark": check.mark, "detail": check.detail} for check in ledger.checks],
        "head": {"sequence": links[-1].record.sequence, "sha256": links[-1].digest} if links else None,
        "runs": [_run(run) for run in runs],
        "accepted": [
            {
                "sequence": link.record.sequence,
                "at": link.record.at,
                "by": link.envelope.key_id,
                "acceptance": link.record.acceptance,
                "runPayload": link.record.run_payload,
                "reason": link.record.reason,
            }
            for link in links
            if isinstance(link.record, Accepted)
        ],
        "unfinished": [run.started.sequence for run in runs if run.ended is None],
        "gaps": [_gap(gap) for gap in gaps],
        "controls": [
            {
                "framework": framework,
                "id": control,
                "runs": [
                    dict(zip(("run", "pass", "fail", "waived", "other", "rate"), (n, *t, chain.rate(t)), strict=True))
                    for n, t in series
                ],
            }
            for (framework, control), series in chain.rates(runs).items()
        ],
    }


def _run(run: Run) -> dict[str, Any]:
    ended = run.ended
    return {
        "sequence": run.started.sequence,
        "runId": run.started.run_id,
        "scope": run.started.scope.model_dump(mode="json", by_alias=True),
        "startedAt": run.started.at,
        "endedAt": ended.at if ended else None,
        "outcome": run.outcome,
        "failure": ended.failure if ended else None,
        "runPayload": ended.run_payload if ended else None,
        "archive": ended.archive.name if ended and ended.archive else None,
        "counts": ended.counts if ended else {},
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {"scope": gap.scope.id, "after": gap.after, "before": gap.before, "missed": gap.missed}


def _show(links: list[Link], ledger: Ledger, cadence: timedelta | None, now: datetime, *, everything: bool) -> None:
    from lockdown.history import chain
    from lockdown.history.records import Accepted

    runs = chain.runs(links)
    shown = runs if everything else runs[-2 * _SHOWN :]
    if len(shown) < len(runs):
        click.echo(f"The last {len(shown)} of {len(runs)} runs; --all lists every one.")
    accepted = [link.record for link in links if isinstance(link.record, Accepted)]
    lines = {run.started.sequence: _line(run) for run in shown} | {
        record.sequence: _accepted(record) for record in accepted if not shown or record.sequence >= _first_of(shown)
    }
    for _, line in sorted(lines.items()):
        click.echo(line)
    for gap in chain.gaps(runs, cadence, now) if cadence else ():
        click.echo(f"MISSING   {gap.missed} due between {gap.after} and {gap.before}, scope {gap.scope.id[:8]}")
    _show_rates(runs, everything=everything)
    click.echo()
    for check in ledger.checks:
        click.echo(visible(f"{check.mark:<8} {check.name:<17} {check.detail}").replace("\n", "\\n"))


def _first_of(shown: list[Run]) -> int:
    """Return the number of the first record of some runs."""
    return shown[0].started.sequence


def _accepted(record: Accepted) -> str:
    line = f"{record.sequence:>6}  {record.at}  {record.scope.id[:8]}  {'accepted drift':<14} {record.reason}"
    return visible(line).replace("\n", "\\n")


def _line(run: Run) -> str:
    ended = run.ended
    if ended is None:
        told = "never ended: killed, or still under way"
    elif ended.failure:
        told = f"failed: {ended.failure}"
    else:
        told = ", ".join(f"{count} {verdict}" for verdict, count in ended.counts.items() if count)
    line = f"{run.started.sequence:>6}  {run.started.at}  {run.started.scope.id[:8]}  {run.outcome:<14} {told}"
    return visible(line).replace("\n", "\\n")


def _show_rates(runs: list[Run], *, everything: bool) -> None:
    from lockdown.history import chain

    proven = [run.started.sequence for run in runs if run.proven][-_SHOWN:]
    if not proven:
        return
    click.echo(f"\nShare of results that pass, by control, in run {', '.join(map(str, proven))}:")
    quiet = 0
    for (framework, control), series in chain.rates(runs).items():
        tallies = dict(series)
        told = [chain.rate(tallies[number]) if number in tallies else None for number in proven]
        if not everything and all(share in (None, 1.0) for share in told):
            quiet += 1
            continue
        cells = " ".join("    -" if share is None else f"{int(share * 100):>4}%" for share in told)
        click.echo(visible(f"  {framework} {control:<16} {cells}").replace("\n", "\\n"))
    if quiet:
        click.echo(f"  {quiet} other controls: all that was judged passed, or nothing was (--all lists them)")
