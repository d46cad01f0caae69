"""``lockdown policies``: list, show, test and lint what must hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lockdown.cli.completion import policy_ids
from lockdown.errors import Exit, UsageError

if TYPE_CHECKING:
    from lockdown.model import Policy
    from lockdown.policy.cases import CaseResult
    from lockdown.policy.load import PolicySet

Command = TypeVar("Command", bound=Callable[..., Any])


def _sets(command: Command) -> Command:
    """Add the options that say which policies are meant; they arrive as ``added`` and ``only``."""
    own = click.Path(path_type=Path)
    only = click.option("--only-policies", "only", type=own, metavar="DIR", help="Your policies, and no others.")
    added = click.option("--policies", "added", type=own, metavar="DIR", help="Your policies, beside those that ship.")
    return added(only(command))


_as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON (docs/policies.md) instead of text.")
_ids = click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=policy_ids)


@click.group(name="policies", help="List, show, test and lint the policies.")
def command() -> None:
    """Group the subcommands."""


@command.command(name="list")
@click.option("--theme", help="Only this theme, such as public-ip.")
@click.option(
    "--framework", help="By the controls of this framework, such as fedramp-moderate-r5, or the start of its id."
)
@_as_json
@_sets
def list_policies(theme: str | None, framework: str | None, as_json: bool, **sets: Path | None) -> None:
    """List the policies with the controls that they speak to, or the controls of a framework with their policies."""
    found = _load(**sets)
    framework_id = _framework(found, framework) if framework else None
    chosen = [policy for policy in found.policies if theme is None or policy.theme == theme]
    if theme and not chosen:
        themes = ", ".join(sorted({policy.theme for policy in found.policies}))
        raise UsageError(f"There is no theme {theme!r}.", f"Known: {themes}.")
    if framework_id:
        _list_by_control(found, chosen, framework_id, as_json=as_json)
    elif as_json:
        _write({"digest": found.digest, "policies": [_summary(p, _controls(found, p, None)) for p in chosen]})
    else:
        rows = [(p.id, p.theme, p.severity.value, p.title, _ids_of(_controls(found, p, None))) for p in chosen]
        _table(("id", "theme", "severity", "what must hold", "controls"), rows)


def _list_by_control(found: PolicySet, chosen: list[Policy], framework_id: str, *, as_json: bool) -> None:
    from lockdown.policy.assessed import by_control

    controls = by_control(chosen, framework_id, found.frameworks)
    if as_json:
        speaking = {policy.id: policy for control in controls for policy, _ in control.policies}
        listed = [
            {
                "id": control.id,
                "title": control.requirement.title,
                "implementation": control.requirement.implementation,
                "claimed": control.requirement.claimed,
                "policies": [{"id": policy.id, "basis": basis} for policy, basis in control.policies],
            }
            for control in controls
        ]
        policies = [_summary(p, _controls(found, p, framework_id)) for _, p in sorted(speaking.items())]
        _write({"digest": found.digest, "framework": framework_id, "controls": listed, "policies": policies})
        return
    rows = [
        (
            control.id,
            control.requirement.implementation,
            control.requirement.title,
            ", ".join(policy.id for policy, _ in control.policies) or "not assessed by lockdown",
        )
        for control in controls
    ]
    _table(("control", "implementation", "title", "policies"), rows)
    assessed = sum(1 for control in controls if control.policies)
    click.echo(
        f"{assessed} of {len(controls)} controls have a policy; the others are not assessed by lockdown.", err=True
    )


@command.command()
@click.argument("policy_id", metavar="ID")
@click.option("--theme", required=True, help="The folder that it belongs to, such as public-network-access.")
@click.option("--type", "kind", required=True, help="What it judges, such as Microsoft.Storage/storageAccounts.")
@click.option(
    "--dir", "root", type=click.Path(path_type=Path), default=Path("policies"), show_default=True, help="Your policies."
)
@_as_json
def new(policy_id: str, theme: str, kind: str, root: Path, as_json: bool) -> None:
    """Write a policy to start from: it loads, lints clean and passes its cases, about a property that you replace."""
    from lockdown.policy import scaffold

    folder = scaffold.write(root, theme, policy_id, kind)
    if as_json:
        _write({"folder": str(folder), "files": sorted(path.name for path in folder.iterdir())})
        return
    click.echo(str(folder))
    click.echo(f"Change its three files, then: lockdown policies test {policy_id} --policies {root}", err=True)


@command.command()
@_as_json
@_sets
def catalogue(as_json: bool, **sets: Path | None) -> None:
    """Write the catalogue page, in Markdown, to stdout; with --json, all that `show --json` says of each policy."""
    from lockdown.policy import catalogue as page

    if as_json:
        found = _load(**sets)
        _write({"digest": found.digest, "policies": [_detail(found, p, p.query) for p in found.policies]})
        return
    click.echo(page.render(_load(**sets)), nl=False)


@command.command()
@click.argument("policy_id", metavar="ID", shell_complete=policy_ids)
@click.option("--query", "only_query", is_flag=True, help="Only the query, as it can be pasted into the Azure portal.")
@click.option(
    "-c", "config", type=click.Path(path_type=Path), metavar="FILE", help="The lockdown.yaml whose boundary to fill in."
)
@_as_json
@_sets
def show(policy_id: str, only_query: bool, config: Path | None, as_json: bool, **sets: Path | None) -> None:
    """Show one policy."""
    from lockdown.policy import boundary

    found = _load(**sets)
    policy = found.get(policy_id)
    query = policy.query
    if config:
        from lockdown.config import load

        query = boundary.bind(query, load(config).boundary)
    if only_query:
        click.echo(query, nl=not query.endswith("\n"))
        if not config and (names := sorted(boundary.names(query))):
            named = ", ".join(f"boundary.{name}" for name in names)
            click.echo(f"The portal does not know {named}: add -c lockdown.yaml to fill it in.", err=True)
    elif as_json:
        _write(_detail(found, policy, query))
    else:
        _describe(found, policy, query)


@command.command()
@_ids
@_as_json
@_sets
def test(ids: Sequence[str], as_json: bool, **sets: Path | None) -> None:
    """Run the cases of all policies, or of those named. A case that fails exits 2."""
    from lockdown.policy import cases

    found = _load(**sets)
    results = []
    for policy, run in cases.run_all(_chosen(found, ids), root=found.name):
        results.append((policy, run))
        if not as_json:
            _show_cases(found, policy, run)
    failed = sum(not case.passed for _, run in results for case in run)
    total = sum(len(run) for _, run in results)
    if as_json:
        listed = [
            {"policy": c.policy, "case": c.name, "line": c.line, "passed": c.passed, "differences": list(c.differences)}
            for _, run in results
            for c in run
        ]
        _write({"cases": total, "failed": failed, "results": listed})
    else:
        click.echo(f"{len(results)} policies, {total} cases, {failed} failed.")
    _exit(failed)


@command.command()
@_ids
@click.option(
    "--require-kusto", is_flag=True, help="Fail unless Microsoft's parser runs; fetches it with npm if it is missing."
)
@_as_json
@_sets
def lint(ids: Sequence[str], require_kusto: bool, as_json: bool, **sets: Path | None) -> None:
    """Check all policies, or those named, for what loading does not refuse. A finding exits 2."""
    from lockdown.policy import kusto
    from lockdown.policy.lint import lint_all, runs_in

    found = _load(**sets)
    chosen = _chosen(found, ids)
    findings = lint_all(chosen)
    official = kusto.check(chosen, fetch=require_kusto)
    findings += official.findings
    if as_json:
        listed = [{"file": found.shown(f.file), "line": f.line, "rule": f.rule, "message": f.message} for f in findings]
        engines = {policy.id: sorted(runs_in(policy)) for policy in chosen}
        parser = {"ran": not official.reason, "queries": official.queries, "reason": official.reason}
        _write({"policies": len(chosen), "findings": listed, "microsoftParser": parser, "runsIn": engines})
    else:
        for finding in findings:
            click.echo(f"{found.shown(finding.file)}, line {finding.line}: {finding.rule}: {_plain(finding.message)}")
        click.echo(f"lockdown's rules: {len(chosen)} policies, {len(findings) - len(official.findings)} findings")
        click.echo(official.summary())
    _exit(len(findings))


def _show_cases(found: PolicySet, policy: Policy, run: Sequence[CaseResult]) -> None:
    passed = sum(case.passed for case in run)
    click.echo(f"{'ok  ' if passed == len(run) else 'FAIL'} {policy.id}: {passed} of {len(run)} cases")
    for case in (case for case in run if not case.passed):
        click.echo(
            f"     {found.shown(f'{policy.theme}/{policy.id}/cases.yaml')}, line {case.line}: {_plain(case.name)}"
        )
        for difference in case.differences:
            click.echo(f"       {_plain(difference)}")


def _exit(problems: int) -> None:
    if problems:
        raise click.exceptions.Exit(Exit.USAGE)


def _load(added: Path | None, only: Path | None) -> PolicySet:
    from lockdown.policy.load import load

    if added and only:
        raise UsageError(
            "--policies adds to lockdown's own policies, --only-policies does without.", "Give one of them."
        )
    return load(added or only, alone=not added, translate=False)


def _chosen(found: PolicySet, ids: Iterable[str]) -> list[Policy]:
    """Return the policies named; without a name those that a person added, or else all."""
    added = [
        policy for policy in found.policies if found.own and f"{policy.theme}/{policy.id}/policy.yaml" in found.own
    ]
    return [found.get(policy_id) for policy_id in dict.fromkeys(ids)] or added or list(found.policies)


def _framework(found: PolicySet, text: str) -> str:
    matching = [key for key in found.frameworks if key == text] or [k for k in found.frameworks if k.startswith(text)]
    if len(matching) != 1:
        problem = "is the start of several frameworks" if matching else "is not a framework"
        raise UsageError(f"{text!r} {problem}.", f"Known: {', '.join(found.frameworks)}.")
    return matching[0]


def _controls(found: PolicySet, policy: Policy, framework_id: str | None) -> list[dict[str, str]]:
    from lockdown.policy.frameworks import controls_of

    claimed = policy.controls if framework_id is None else controls_of(policy, framework_id, found.frameworks)
    return [{"framework": c.framework, "id": c.id, "basis": c.basis} for c in claimed]


def _ids_of(controls: Iterable[dict[str, str]]) -> str:
    return ", ".join(dict.fromkeys(control["id"] for control in controls))


def _summary(policy: Policy, controls: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "id": policy.id,
        "theme": policy.theme,
        "title": policy.title,
        "severity": policy.severity.value,
        "appliesTo": list(policy.applies_to),
        "controls": controls,
    }


def _detail(found: PolicySet, policy: Policy, query: str) -> dict[str, Any]:
    from lockdown.policy.lint import runs_in

    return {
        **_summary(policy, _controls(found, policy, None)),
        "reads": {table: list(types) for table, types in policy.reads.items()},
        "rationale": policy.rationale,
        "remediation": policy.remediation,
        "command": policy.command,
        "builtIns": [{"guid": b.guid, "name": b.name, "differs": b.differs} for b in policy.built_ins],
        "absentPasses": dict(policy.absent_passes),
        "runsIn": sorted(runs_in(policy)),
        "query": query,
    }


def _describe(found: PolicySet, policy: Policy, query: str) -> None:
    from lockdown.policy.frameworks import controls_of
    from lockdown.policy.lint import runs_in

    lines = [
        f"{policy.id} ({policy.severity.value}, {policy.theme})",
        f"  {policy.title}.",
        "",
        f"Why: {policy.rationale}",
        f"Fix: {policy.remediation}",
        *([f"     {policy.command}"] if policy.command else []),
        "",
        f"Judges: {', '.join(policy.applies_to)}",
        *(f"Reads {table}: {', '.join(types) or 'all rows'}" for table, types in policy.reads.items()),
        f"Runs in: {', '.join(sorted(runs_in(policy), reverse=True))}",
    ]
    for framework in found.frameworks.values():
        claims = controls_of(policy, framework.id, found.frameworks)
        if claims:
            lines.append(f"{framework.title}: " + ", ".join(f"{claim.id} ({claim.basis})" for claim in claims))
    for built_in in policy.built_ins:
        lines.append(f"Azure Policy {built_in.guid}: {built_in.name}")
        lines += [f"  Differs: {built_in.differs}"] if built_in.differs else []
    lines += [f"Absent passes: {path}: {reason}" for path, reason in policy.absent_passes.items()]
    click.echo("\n".join([*(_plain(line) for line in lines), "", query.rstrip()]))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; tab-separated lines, whole and unwrapped, in a pipe."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        for row in rows:
            click.echo("\t".join(_plain(cell) for cell in row))
        return
    table = Table(*headings, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(Text(_plain(cell)) for cell in row))
    console.print(table)


def _plain(text: str) -> str:
    """Texts of a policy set may be hostile: no control or direction character reaches the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _write(value: object) -> None:
    click.echo(json.dumps(value, indent=2))
