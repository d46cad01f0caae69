"""What drift asks the provisioner: what of an environment is not as its environment file says.

One thing is not only told: a jumpbox that an earlier run left is removed. It is a door, and nobody may be coming back
to close it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockdown.errors import IncompleteError, UsageError

if TYPE_CHECKING:
    from lockdown.drift.blueprint import Departure
    from lockdown.provisioner.arm import Arm
    from lockdown.provisioner.change import Change
    from lockdown.provisioner.environment import Environment
    from lockdown.provisioner.ledger import Entry
    from lockdown.provisioner.outcome import LeftOpen
    from lockdown.provisioner.site import Site


@dataclass
class Departures:
    """Reads the environment and plans, when it is called.

    Attributes:
        left: what of a jumpbox was found and could not be removed.
    """

    environment: Environment
    subscription: str
    cloud: str | None
    authority: str | None
    left: tuple[LeftOpen, ...] = field(default=(), init=False)

    def __call__(self) -> tuple[Departure, ...]:
        """Return what the provisioner would do, and remove a jumpbox that was left."""
        from lockdown.cloud import credentials, endpoints
        from lockdown.drift.blueprint import Departure
        from lockdown.provisioner import blueprint, plan
        from lockdown.provisioner.arm import Arm
        from lockdown.provisioner.change import Verb
        from lockdown.provisioner.site import Site

        place = endpoints.resolve(self.cloud or str(self.environment.cloud), self.authority)
        credential = credentials.credential(place)
        site = Site(self.environment, self.subscription, credentials.identify(credential, place).tenant)
        with Arm(place, credential, _unlogged) as arm:
            planned = plan.make(blueprint.build(site), arm)
            whys = self._removed([change for change in planned.changes if change.verb is Verb.REMOVE], site, arm)
        return tuple(
            Departure(
                change.key,
                change.theme,
                change.id,
                str(change.verb),
                whys.get(change.key, change.why),
                {each.path: (each.before, each.after) for each in change.differences},
            )
            for change in planned.changes
            if change.verb is not Verb.LEAVE
        )

    def _removed(self, found: list[Change], site: Site, arm: Arm) -> dict[str, str]:
        """Remove what is left of a jumpbox, and return what to say of each part of it, by key."""
        from lockdown.provisioner import jumpbox

        if not found:
            return {}
        tried = jumpbox.sweep(arm, site)
        named = {left.id for left in tried}
        self.left = (*tried, *(left for left in jumpbox.remains(arm, site) if left.id not in named))
        stuck = {left.key: left.cause for left in self.left}
        return {
            change.key: f"{change.why}; it could not be removed: {stuck[change.key]}"
            if change.key in stuck
            else f"{change.why}; it is removed now"
            for change in found
        }


def check(looked: Departures | None) -> None:
    """Say so if a jumpbox is left.

    Raises:
        IncompleteError: it is, and could not be removed.
    """
    if looked is not None and looked.left:
        from lockdown.provisioner import show

        text = "\n".join(show.left_lines(looked.left))
        raise IncompleteError(
            f"A jumpbox was left, and could not be removed:\n{text}",
            "Run lockdown provision with that environment file, or this with the right to remove it.",
        )


def asked(file: Path, subscriptions: tuple[str, ...], cloud: str | None, authority: str | None) -> Departures:
    """Return what reads the environment and plans.

    Raises:
        UsageError: the environment file is wrong, or the scope is not one subscription.
    """
    from lockdown.provisioner import environment, retired

    if len(subscriptions) != 1:
        raise click.UsageError("--environment is about one subscription: name it, and no other.")
    if not file.is_file():
        raise UsageError(f"There is no file {file}.", "Name the environment file that lockdown provision was given.")
    retired.refuse(file)
    return Departures(environment.load(file), subscriptions[0], cloud, authority)


def _unlogged(_entry: Entry) -> None:
    """Keep no log: the run keeps that of its own reads."""
