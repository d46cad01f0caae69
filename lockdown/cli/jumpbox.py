"""The jumpbox of access ``jumpbox``: opened for a person at a terminal who says so, and removed before the audit.

Without a person it is opened only while steps work that need it, and nobody has its key. It is removed when the person
is done, when its hours are over, after a failure and after Ctrl-C; a process that is killed leaves it to the next run,
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
from lockdown.provisioner.change import Plan, Verb
from lockdown.provisioner.environment import Access, Jumpbox
from lockdown.provisioner.graph import Blueprint, Resource, Step
from lockdown.provisioner.graph import blueprint as ordered
from lockdown.provisioner.outcome import LeftOpen, Outcome, Silent
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


def unkept_key(site: Site) -> str | None:
    """Return the public key of a machine that is there for steps alone; nobody ever has the private one."""
    return jumpbox.new_keys().public if offered(site) else None


def unused(found: Blueprint, plan: Plan, site: Site, arm: Arm) -> Plan:
    """Return a plan that uses no jumpbox of an earlier run, whose key Azure lets nobody change: it is removed first.

    Raises:
        IncompleteError: it could not be removed.
    """
    if not any(change.theme == _THEME and change.key in plan.known for change in plan.changes):
        return plan
    if not show.opens_jumpbox(plan):
        return plan
    left = jumpbox.sweep(arm, site)
    if left:
        raise IncompleteError(_told("The jumpbox of an earlier run is not gone.", left), _AGAIN)
    return plans.make(found, arm)


def checked(outcome: Outcome, plan: Plan, site: Site, arm: Arm, out: Path, caller: str) -> Outcome:
    """Return an outcome with what is left of a jumpbox after a run that had to do with one; its key is removed."""
    concerned = any(change.theme == _THEME and change.verb is not Verb.LEAVE for change in plan.changes)
    if not concerned and not (offered(site) and (out / jumpbox.FILE).exists()):
        return outcome
    named = {(left.key, left.id) for left in outcome.left_open}
    left = [item for item in jumpbox.remains(arm, site, "", caller) if (item.key, item.id) not in named]
    if not left and not outcome.left_open:
        _forget(out)
    return replace(outcome, left_open=(*outcome.left_open, *left))


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
        _open(asked, keys.public)
        machine = jumpbox.identity_of(asked.arm, asked.site)
        line = jumpbox.known_host(asked.arm, asked.site)
        hosts = asked.out / KNOWN_HOSTS
        hosts.write_text(line + "\n", "utf-8")
        login = f"ssh -i {shlex.quote(str(path))} \\"
        known = f"  -o {shlex.quote(f'UserKnownHostsFile={hosts}')} \\"
        asked.say(["", f"  {login}", f"  {known}", f"    {USER}@{line.partition(' ')[0]}", ""])
        until = show.duration(wanted.hours * 3600)
        asked.say([f"Press Enter when you are done: it is removed then, and after {until} in any case."])
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


def _open(asked: Visit, key: str) -> None:
    """Make a machine with this key; what an earlier run left of one is removed first."""
    wanted = held(blueprint.build(asked.site, key))
    plan = unused(wanted, plans.make(wanted, asked.arm), asked.site, asked.arm)
    _do(asked, wanted, plan, "The jumpbox could not be opened")


def _remove(asked: Visit, machine: str) -> None:
    asked.say(["Removing the jumpbox"])
    wanted = blueprint.build(asked.site)
    _do(asked, wanted, plans.make(wanted, asked.arm), "The jumpbox is not gone")
    left = jumpbox.remains(asked.arm, asked.site, machine, asked.caller)
    if left:
        raise IncompleteError(_told("The jumpbox is not wholly gone.", left), _AGAIN)
    _forget(asked.out)
    asked.say(["The jumpbox is gone, and so is its key."])


def _told(what: str, left: tuple[LeftOpen, ...]) -> str:
    return "\n".join((what, *show.left_lines(left)))


def _forget(out: Path) -> None:
    jumpbox.forget(out)
    (out / KNOWN_HOSTS).unlink(missing_ok=True)


def _do(asked: Visit, wanted: Blueprint, plan: Plan, otherwise: str) -> None:
    outcome = apply.apply(wanted, plan, asked.arm, Silent())
    if outcome.interrupted is not None:
        raise outcome.interrupted
    if not outcome.complete:
        raise IncompleteError(f"{otherwise}. " + "\n".join(show.outcome_lines(outcome)), _AGAIN)
