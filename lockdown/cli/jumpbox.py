"""The jumpbox of access ``jumpbox``: opened for a person at a terminal who says so, and removed before the audit.

Nothing that lockdown builds needs it, so that without a person it is never opened. It is removed when the person is
done, when its hours are over, after a failure and after Ctrl-C; a process that is killed leaves it to the next run,
and to its own shutdown.
"""

from __future__ import annotations

import select
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import click

from lockdown.errors import IncompleteError
from lockdown.provisioner import apply, blueprint, jumpbox, show
from lockdown.provisioner import plan as plans
from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.blueprint.jumpbox import USER
from lockdown.provisioner.environment import Access, Jumpbox
from lockdown.provisioner.graph import Blueprint, Resource, Step
from lockdown.provisioner.graph import blueprint as ordered
from lockdown.provisioner.outcome import Outcome, Silent
from lockdown.provisioner.site import Site

KNOWN_HOSTS = "known_hosts"
_THEME = "jumpbox"
_AGAIN = "Run the same command again: it removes what is left."


@dataclass(frozen=True)
class Visit:
    """One opening of the jumpbox.

    Attributes:
        caller: object id of whoever runs this; empty if the token does not say.
        say: tells a person.
        wait: waits for the person, at most so many seconds.
    """

    site: Site
    arm: Arm
    out: Path
    caller: str
    say: Callable[[Iterable[str]], None]
    wait: Callable[[float], None]


def offered(site: Site) -> Jumpbox | None:
    """Return the jumpbox that an environment lets people in by, or None."""
    return site.environment.jumpbox if site.environment.access is Access.JUMPBOX else None


def question(wanted: Jumpbox) -> str:
    """Return what a person is asked."""
    return f"\nOpen the jumpbox for {wanted.source}, for at most {wanted.hours} hours?"


def visit(asked: Visit, wanted: Jumpbox) -> None:
    """Open the jumpbox, wait for the person, and remove it.

    Raises:
        IncompleteError: it could not be opened, or something of it is left.
    """
    keys = jumpbox.new_keys()
    path = jumpbox.keep(keys, asked.out)
    machine = ""
    try:
        asked.say(["Opening the jumpbox"])
        _do(asked, held(blueprint.build(asked.site, keys.public)), "The jumpbox could not be opened")
        machine = jumpbox.identity_of(asked.arm, asked.site)
        line = jumpbox.known_host(asked.arm, asked.site)
        hosts = asked.out / KNOWN_HOSTS
        hosts.write_text(line + "\n", "utf-8")
        words = ["ssh", "-i", str(path), "-o", f"UserKnownHostsFile={hosts}", f"{USER}@{line.partition(' ')[0]}"]
        asked.say(["", f"  {shlex.join(words)}", "", "Press Enter when you are done: it is removed then."])
        asked.wait(wanted.hours * 3600.0)
    except RefusedError as error:
        raise IncompleteError(show.safe(f"The jumpbox could not be used: {error}"), _AGAIN) from error
    finally:
        _remove(asked, machine)


def held(found: Blueprint) -> Blueprint:
    """Return the jumpbox as what is to last, and what it needs."""
    wanted = {step.key for step in found if step.theme == _THEME}
    for step in reversed(tuple(found)):
        if step.key in wanted:
            wanted |= found.needs[step.key]
    return ordered(_lasting(step) for step in found if step.key in wanted)


def until_enter(seconds: float) -> None:
    """Wait until somebody presses Enter, at most so long."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    if ready:
        sys.stdin.readline()
    else:
        click.echo("The hours of the jumpbox are over.", err=True)


def _lasting(step: Step) -> Step:
    """Return a step that is not removed at the end; windows belong to steps that are not here."""
    return replace(step, windows=(), temporary=False) if isinstance(step, Resource) else step


def _remove(asked: Visit, machine: str) -> None:
    asked.say(["Removing the jumpbox"])
    _do(asked, blueprint.build(asked.site), "The jumpbox is not gone")
    left = jumpbox.remains(asked.arm, asked.site, machine, asked.caller)
    if left:
        text = "\n".join(show.outcome_lines(Outcome(left_open=left)))
        raise IncompleteError(f"The jumpbox is not wholly gone. {text}", _AGAIN)
    jumpbox.forget(asked.out)
    (asked.out / KNOWN_HOSTS).unlink(missing_ok=True)
    asked.say(["The jumpbox is gone, and so is its key."])


def _do(asked: Visit, wanted: Blueprint, otherwise: str) -> None:
    outcome = apply.apply(wanted, plans.make(wanted, asked.arm), asked.arm, Silent())
    if outcome.interrupted is not None:
        raise outcome.interrupted
    if not outcome.complete:
        raise IncompleteError(f"{otherwise}. " + "\n".join(show.outcome_lines(outcome)), _AGAIN)
