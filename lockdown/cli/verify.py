"""lockdown verify: check the evidence of a run, offline."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockdown.cli import output, visible
from lockdown.errors import Exit

if TYPE_CHECKING:
    from lockdown.evidence.checks import Replayed
    from lockdown.evidence.files import Files
    from lockdown.evidence.ledger import Check
    from lockdown.evidence.verify import Verification

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHA_256 = re.compile(r"[0-9a-fA-F]{64}")
_UNITS = {"h": "hours", "d": "days"}
_COLUMN = 27
"""Where what a check found begins."""
_COLOURS = {"ok": "good", "failed": "bad", "skipped": "quiet"}
_NEXT = {
    0: "nothing is left to check.",
    3: "do not use it. Obtain it again from who made it, and tell them.",
    4: "obtain the trust root from the organisation that signs, apart from the run, and name it with --trust.",
    5: "ask for what is missing, or accept a partial run with --allow-partial.",
    6: "ask for a newer run, or for one with timestamps.",
    7: "the report says what fails and how to fix it: report/report.html.",
}
_MEANING = {
    3: "TAMPERED: it is not what was signed",
    4: "NOT TRUSTED: no key or source that is trusted stands behind it",
    5: "INCOMPLETE: genuine, but it does not cover its scope",
    6: "TOO OLD, or its time is not proven",
}
_LABORATORY = "This is a LABORATORY trust root: what it vouches for is not evidence of a real environment."


def _age(_ctx: click.Context, _option: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,5})([hd])", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not an age such as 36h or 7d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _guid(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _GUID.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not an id such as 00000000-0000-0000-0000-000000000000.")
    return value


def _guids(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        _guid(ctx, option, value)
    return values


def _digest(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _SHA_256.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not a SHA-256 of 64 hexadecimal digits.")
    return value


@click.command("verify")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--trust", metavar="FILE", type=click.Path(path_type=Path), help="The trust root; obtain it apart from RUN."
)
@click.option(
    "--trust-fingerprint",
    callback=_digest,
    metavar="HEX",
    help="The SHA-256 that the trust root must have (lockdown trust show).",
)
@click.option(
    "--trust-state",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Remember here the newest trust root and history seen, and refuse older ones.",
)
@click.option("--replay", is_flag=True, help="Also judge the snapshot again and compare the results.")
@click.option("--require-timestamp", is_flag=True, help="Refuse a run whose time no trusted timestamp proves.")
@click.option("--max-age", metavar="AGE", callback=_age, help="Refuse a run that began longer ago, such as 36h or 7d.")
@click.option(
    "--expect-subscription",
    "subscriptions",
    multiple=True,
    callback=_guids,
    metavar="ID",
    help="Refuse a run of other subscriptions; may be given again.",
)
@click.option("--expect-tenant", callback=_guid, metavar="ID", help="Refuse a run of another tenant.")
@click.option("--policies-digest", callback=_digest, metavar="HEX", help="Refuse a run judged by another policy set.")
@click.option("--require-compliant", is_flag=True, help="Exit 7 if the run is genuine and its outcome not compliant.")
@click.option(
    "--history", metavar="URL", help="Also prove the history in this evidence store, and this run's place in it."
)
@click.option("--allow-partial", is_flag=True, help="Accept a run that could not read everything in its scope.")
@output.json_option()
@click.option("--quiet", is_flag=True, help="Print only what failed, and the outcome.")
def command(
    run: Path,
    trust: Path | None,
    *,
    trust_fingerprint: str | None,
    trust_state: Path | None,
    replay: bool,
    require_timestamp: bool,
    max_age: timedelta | None,
    subscriptions: tuple[str, ...],
    expect_tenant: str | None,
    policies_digest: str | None,
    require_compliant: bool,
    history: str | None,
    allow_partial: bool,
    as_json: bool,
    quiet: bool,
) -> Exit:
    """Check that RUN, a directory or a bundle, is what a trusted key signed.

    Exits 0 if every check passed, 3 if something was changed, 4 if nobody who is trusted signed it (also without
    --trust), 6 if it is too old or its time not proven, 5 if it does not cover its scope, is not of the one expected or
    is missing from --history, and 7 with --require-compliant if it is genuine and not compliant.
    """
    from lockdown.evidence import opening
    from lockdown.evidence.verify import Demands, verify

    root = opening.trust_root(run, trust, trust_fingerprint, trust_state)
    with opening.opened(run) as files:
        found = verify(
            files,
            root,
            now=datetime.now(UTC),
            rollback_checked=trust_state is not None,
            allow_partial=allow_partial,
            demands=Demands(
                timestamp=require_timestamp,
                max_age=max_age,
                subscriptions=subscriptions,
                tenant=expect_tenant,
                policies_digest=policies_digest,
                compliant=require_compliant,
            ),
            formats=lambda counts, digests: _recounted(files, counts, digests),
            replay=(lambda digests: _again(files, digests)) if replay else None,
        )
        if found.accepted:
            from lockdown.history import beside

            found = beside.with_acceptances(found, files, root)
        if history is not None:
            from lockdown.history import beside

            found = beside.with_history(found, history, files, root, trust_state)
    if as_json:
        click.echo(json.dumps(_document(run, found), indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in lines(found, quiet=quiet, width=width):
            click.echo(line)
        if not quiet:
            output.next_step(_next(found, trust))
    return found.exit_code


def _recounted(files: Files, counts: Mapping[str, int], digests: Mapping[str, str]) -> Mapping[str, int]:
    from lockdown.evidence import opening
    from lockdown.report import formats

    with opening.copied(files, digests, ("results/",)) as folder:
        return formats.recount(folder / "results", counts)


def _again(files: Files, digests: Mapping[str, str]) -> Replayed:
    from lockdown.evidence import opening
    from lockdown.evidence.files import SIGNED_FOLDERS
    from lockdown.replay import replay

    with opening.copied(files, digests, SIGNED_FOLDERS) as folder:
        return replay(folder)


def _document(run: Path, found: Verification) -> dict[str, object]:
    return {
        "run": str(run),
        "verified": found.exit_code == 0,
        "exitCode": int(found.exit_code),
        "laboratory": found.lab,
        "keyId": found.key_id,
        "runId": found.run.run_id if found.run else None,
        "provenAt": found.proven_at,
        "outcome": found.run.outcome if found.run else None,
        "checks": [{"name": check.name, "mark": check.mark, "detail": check.detail} for check in found.checks],
    }


def _next(found: Verification, trust: Path | None) -> str:
    """Return what a person may do now."""
    if found.exit_code is Exit.UNTRUSTED and trust is not None:
        return "do not rely on it. Ask the organisation that signs whether this key, source and host are theirs."
    if found.exit_code is Exit.OK and any(check.name == "replay" and check.mark == "skipped" for check in found.checks):
        return "--replay judges the snapshot again, too."
    return _NEXT[found.exit_code]


def lines(found: Verification, *, quiet: bool = False, width: int | None = None) -> Iterator[str]:
    """Yield what a person is told of a verification, a line a check and then the outcome.

    With the ``width`` of a terminal, long lines are wrapped; without, each stays one, for other programs.
    """
    for check in found.checks:
        if not quiet or check.mark == "failed":
            yield from _lines(check, width)
    intact = any(check.name == "digests" and check.mark == "ok" for check in found.checks)
    if found.exit_code is Exit.UNTRUSTED and intact:
        yield from _wrapped("Its files are as listed in SHA256SUMS: it is intact, but anybody can have made it.", width)
    if found.lab:
        yield from _painted(_LABORATORY, "doubt", width)
    if found.exit_code in {Exit.OK, Exit.NOT_COMPLIANT} and found.run is not None:
        proven = f" by {found.proven_at}" if found.proven_at else ""
        outcome = f"run {_shown(found.run.run_id)} ({found.run.outcome}, source {found.run.source})"
        told = f"VERIFIED: {outcome}, signed{proven} with key {found.key_id}"
        if found.exit_code is Exit.NOT_COMPLIANT:
            yield from _painted(f"{told}. NOT COMPLIANT, which was demanded.", "bad", width)
        else:
            yield from _painted(told, "good", width)
    else:
        yield from _painted(f"NOT VERIFIED. {_MEANING[found.exit_code]}.", "bad", width)


def _lines(check: Check, width: int | None) -> Iterator[str]:
    mark, told = f"{check.mark:<8}", f"{check.mark:<8} {check.name:<17} {_shown(check.detail)}"
    indent = _COLUMN if width is not None and width >= 2 * _COLUMN else 2
    for number, line in enumerate(_wrapped(told, width, indent)):
        yield line if number else output.painted(mark, _COLOURS[check.mark]) + line.removeprefix(mark)


def _painted(text: str, role: str, width: int | None) -> Iterator[str]:
    return (output.painted(line, role) for line in _wrapped(text, width))


def _wrapped(text: str, width: int | None, indent: int = 0) -> list[str]:
    if width is None:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)


def _shown(text: str) -> str:
    return visible(text).replace("\n", "\\n")
