"""The blueprint of an environment: one module for each theme, chained here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from lockdown.provisioner.blueprint import (
    bastion,
    batch,
    edge,
    endpoints,
    groups,
    guards,
    identity,
    jumpbox,
    keys,
    monitor,
    network,
    providers,
    registry,
    routes,
    storage,
    zones,
)
from lockdown.provisioner.graph import Blueprint, Resource, Step, blueprint, references
from lockdown.provisioner.site import Site

_THEMES = (
    providers.steps,
    groups.steps,
    identity.steps,
    guards.steps,
    routes.steps,
    network.steps,
    edge.steps,
    zones.steps,
    keys.steps,
    storage.steps,
    monitor.steps,
    registry.steps,
    batch.steps,
    endpoints.steps,
    bastion.steps,
)


def build(site: Site, jumpbox_key: str | None = None, now: datetime | None = None) -> Blueprint:
    """Return everything that an environment is made of.

    Args:
        site: the environment, in its subscription.
        jumpbox_key: the public key of a jumpbox that this run makes, in OpenSSH's form; without it, a jumpbox is only
            looked for and removed.
        now: when the hours of the jumpbox begin; the present without it.

    Raises:
        UsageError: the environment brings along what it has no use for.
    """
    return blueprint(grounded(site, _complete(chain(site, jumpbox_key, now))))


def chain(site: Site, jumpbox_key: str | None = None, now: datetime | None = None) -> Iterator[Step]:
    """Yield the steps of all themes, as they say of themselves what they need."""
    for theme in _THEMES:
        yield from theme(site)
    yield from jumpbox.steps(site, jumpbox_key, now)


def _complete(steps: Iterable[Step]) -> list[Step]:
    """Return the steps whose needs are all there."""
    found = list(steps)
    while True:
        keys = {step.key for step in found}
        kept = [step for step in found if set(step.needs) | references(step.body) <= keys]
        kept = [
            replace(step, windows=tuple(w for w in step.windows if set(w.needed_by) <= keys))
            if isinstance(step, Resource)
            else step
            for step in kept
        ]
        if len(kept) == len(found):
            return kept
        found = kept


def grounded(site: Site, steps: Iterable[Step]) -> Iterator[Step]:
    """Yield each step with the need of what it stands in: its provider, its group, its parent."""
    found = list(steps)
    keys = {step.key.lower(): step.key for step in found}
    places = {step.id.lower(): step.key for step in found if isinstance(step, Resource)}
    places |= {site.network_group_id.lower(): groups.network_group(site), site.group_id.lower(): "group"}
    for step in found:
        under = _under(step, keys, places) - {step.key}
        is_whole = isinstance(step, Resource) and step.brought
        yield step if is_whole else replace(step, needs=tuple(dict.fromkeys((*step.needs, *sorted(under)))))


def _under(step: Step, keys: dict[str, str], places: dict[str, str]) -> set[str]:
    """Return the keys of what a step stands in; what is registered in the subscription stands in nothing."""
    path = (step.id if isinstance(step, Resource) else step.path).lower()
    parts = path.split("/")
    found = {places[above] for above in ("/".join(parts[:end]) for end in range(5, len(parts))) if above in places}
    if isinstance(step, Resource) and "/providers/" in path:
        namespace = path.rpartition("/providers/")[2].partition("/")[0]
        found |= {keys[key] for key in (f"providers/{namespace}",) if key in keys}
    return found
