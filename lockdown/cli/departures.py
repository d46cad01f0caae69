"""What drift asks the provisioner: what of an environment is not as its environment file says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockdown.errors import UsageError

if TYPE_CHECKING:
    from lockdown.drift.blueprint import Departure
    from lockdown.provisioner.ledger import Entry


def asked(
    file: Path, subscriptions: tuple[str, ...], cloud: str | None, authority: str | None
) -> Callable[[], tuple[Departure, ...]]:
    """Return what reads the environment and plans; nothing is written.

    Raises:
        UsageError: the environment file is wrong, or the scope is not one subscription.
    """
    from lockdown.provisioner import environment, retired

    if len(subscriptions) != 1:
        raise click.UsageError("--environment is about one subscription: name it, and no other.")
    if not file.is_file():
        raise UsageError(f"There is no file {file}.", "Name the environment file that lockdown provision was given.")
    retired.refuse(file)
    wanted = environment.load(file)

    def found() -> tuple[Departure, ...]:
        from lockdown.cloud import credentials, endpoints
        from lockdown.drift.blueprint import Departure
        from lockdown.provisioner import blueprint, plan
        from lockdown.provisioner.arm import Arm
        from lockdown.provisioner.change import Verb
        from lockdown.provisioner.site import Site

        place = endpoints.resolve(cloud or str(wanted.cloud), authority)
        credential = credentials.credential(place)
        site = Site(wanted, subscriptions[0], credentials.identify(credential, place).tenant)
        with Arm(place, credential, _unlogged) as arm:
            planned = plan.make(blueprint.build(site), arm)
        return tuple(
            Departure(
                change.key,
                change.theme,
                change.id,
                str(change.verb),
                change.why,
                {each.path: (each.before, each.after) for each in change.differences},
            )
            for change in planned.changes
            if change.verb is not Verb.LEAVE
        )

    return found


def _unlogged(_entry: Entry) -> None:
    """Keep no log: the run keeps that of its own reads."""
