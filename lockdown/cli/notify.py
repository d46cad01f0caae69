"""lockdown notify: tell people and services about a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockdown.cli import output
from lockdown.errors import Exit, LockdownError, ToolError

if TYPE_CHECKING:
    from lockdown.notify.notice import Notice
    from lockdown.notify.tickets import Tracker
    from lockdown.notify.webhook import Shape


@click.command()
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--webhook-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Post to the https URL in this file. Default: the one in the environment variable LOCKDOWN_WEBHOOK, if any.",
)
@click.option(
    "--shape",
    type=click.Choice(["json", "teams", "slack"]),
    default="json",
    show_default=True,
    help="What is posted: the documented JSON, an Adaptive Card for Teams, blocks for Slack.",
)
@click.option(
    "--details", is_flag=True, help="Tell names, values and people to the webhook and in tickets; else counts and ids."
)
@click.option("--link", default="", metavar="URL", help="Where the job is that made the run (https).")
@click.option(
    "--summary", type=click.Path(path_type=Path), metavar="FILE", help="Append a summary in Markdown to this file."
)
@click.option(
    "--annotations",
    type=click.Choice(["github", "azure-pipelines"]),
    help="Print what drifted as lines that this service shows at the job.",
)
@click.option(
    "--code-scanning",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what fails as SARIF that GitHub's code scanning takes.",
)
@click.option(
    "--tickets",
    type=click.Choice(["github", "azure-boards"]),
    help="Open an issue or work item for each resource that drifted, once, and close it when that is over.",
)
@click.option("--work-item", default="Issue", show_default=True, help="The type of work items.")
@click.option("--closed-state", default="Done", show_default=True, help="The state of work items that are done.")
@click.option("--print", "printed", is_flag=True, help="Print what would be posted, and post nothing.")
@output.json_option("words on stderr")
def command(
    run: Path,
    webhook_file: Path | None,
    shape: str,
    link: str,
    summary: Path | None,
    annotations: str | None,
    code_scanning: Path | None,
    tickets: str | None,
    work_item: str,
    closed_state: str,
    *,
    details: bool,
    printed: bool,
    as_json: bool,
) -> int:
    """Tell people and services about RUN, a directory that audit or drift made.

    Nothing in RUN is changed, and how it ended is not judged again: exits 0 if everything was told, and 1 if something
    was not. One that cannot be told does not keep the others from being told.
    """
    from lockdown.notify import https, notice, webhook
    from lockdown.notify import tickets as ticketing

    if as_json and (printed or annotations):
        raise click.UsageError("--json, --print and --annotations all write to stdout: give one.")
    where = None if printed else webhook.url(webhook_file, os.environ)
    if not (where or printed or summary or annotations or code_scanning or tickets):
        raise click.UsageError("Whom to tell? Give --webhook-file, --summary, --annotations, --tickets or --print.")
    if link:
        https.checked(link, "--link")
    found = notice.read(run)
    tracker = _tracker(tickets, work_item, closed_state, link) if tickets else None
    steps: dict[str, Callable[[], Iterable[str]]] = {}
    if printed:
        steps["print"] = lambda: _print([webhook.message(found, _shape(shape), details=details, link=link).decode()])
    if summary is not None:
        steps["summary"] = lambda: _append(summary, found, link)
    if annotations is not None:
        steps["annotations"] = lambda: _annotate(found, annotations)
    if code_scanning is not None:
        steps["codeScanning"] = lambda: _code_scanning(found, code_scanning)
    if tracker is not None:
        steps["tickets"] = lambda: ticketing.settle(tracker, found, details=details)
    if where is not None:
        steps["webhook"] = lambda: _post(where, found, shape, details=details, link=link)
    return _all(steps, as_json=as_json)


def _all(steps: Mapping[str, Callable[[], Iterable[str]]], *, as_json: bool) -> int:
    """Do every step, whatever becomes of the others, and return the exit code of the first that failed."""
    from lockdown.cli import explain, visible

    code = Exit.OK
    told, not_told, said = [], [], []
    for name, step in steps.items():
        try:
            for line in step():
                said.append(line)
                if not as_json:
                    click.echo(line, err=True)
            told.append(name)
        except LockdownError as error:
            text, failed = explain(error)
            click.echo(visible(text), err=True)
            not_told.append({"to": name, "why": error.message})
            code = code or failed
    if code:
        click.echo("The run is as it was. Only this was not told.", err=True)
    if as_json:
        output.write({"told": told, "notTold": not_told, "said": said})
    return code


def _tracker(tickets: str, work_item: str, closed_state: str, link: str) -> Tracker:
    from lockdown.notify.azure_boards import AzureBoards
    from lockdown.notify.github_issues import GitHubIssues

    if tickets == "github":
        return GitHubIssues(os.environ, link)
    return AzureBoards(os.environ, work_item, closed_state, link)


def _print(lines: Iterable[str]) -> tuple[str, ...]:
    for line in lines:
        click.echo(line)
    return ()


def _append(file: Path, found: Notice, link: str) -> tuple[str, ...]:
    from lockdown.notify import markdown

    _write(file, markdown.summary(found, link), "a")
    return ()


def _annotate(found: Notice, service: str) -> tuple[str, ...]:
    from lockdown.notify import job_log

    return _print(job_log.lines(found, service))


def _code_scanning(found: Notice, file: Path) -> tuple[str, ...]:
    from lockdown.notify import code_scanning
    from lockdown.report import export

    document, left_out = code_scanning.document(export.read(found.record))
    _write(file, json.dumps(document) + "\n", "w")
    if not left_out:
        return ()
    return (f"{left_out:,} failures, the least severe, are not in {file}: code scanning shows no more.",)


def _post(where: str, found: Notice, shape: str, *, details: bool, link: str) -> tuple[str, ...]:
    from lockdown.notify import webhook

    webhook.post(where, webhook.message(found, _shape(shape), details=details, link=link))
    return ("The webhook was told.",)


def _write(file: Path, text: str, mode: str) -> None:
    try:
        with file.open(mode, encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise ToolError(f"{file} cannot be written: {error.strerror}.", "Name another file.") from error


def _shape(name: str) -> Shape:
    shapes: dict[str, Shape] = {"json": "json", "teams": "teams", "slack": "slack"}
    return shapes[name]
