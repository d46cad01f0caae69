"""The blueprint of an environment: one module for each theme, chained here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from lockdown.provisioner.blueprint import (
    access,
    bastion,
    batch,
    cluster,
    database,
    edge,
    endpoints,
    groups,
    guards,
    identity,
    jumpbox,
    keys,
    locks,
    monitor,
    network,
    providers,
    recorded,
    registry,
    routes,
    storage,
    told,
    workload,
    zones,
)
from lockdown.provisioner.graph import Blueprint, Resource, Step, blueprint
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
    database.steps,
    cluster.steps,
    endpoints.steps,
    access.steps,
    workload.steps,
    bastion.steps,
    recorded.steps,
    told.steps,
    locks.steps,
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
    return blueprint(grounded(chain(site, jumpbox_key, now)))


def chain(site: Site, jumpbox_key: str | None = None, now: datetime | None = None) -> Iterator[Step]:
    """Yield the steps of all themes, as they say of themselves what they need."""
    for theme in _THEMES:
        yield from theme(site)
    yield from jumpbox.steps(site, jumpbox_key, now)


def grounded(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield each step with the need of its namespace: nothing of one is made before the subscription is registered."""
    found = list(steps)
    keys = {step.key.lower(): step.key for step in found}
    for step in found:
        registration = keys.get(f"providers/{_namespace(step)}") if isinstance(step, Resource) else None
        if registration is None or (isinstance(step, Resource) and step.brought):
            yield step
        else:
            yield replace(step, needs=tuple(dict.fromkeys((*step.needs, registration))))


def _namespace(step: Resource) -> str:
    """Return the namespace of a resource in lower case; groups and subscriptions have none."""
    head, marker, rest = step.id.lower().rpartition("/providers/")
    return rest.partition("/")[0] if head and marker else ""
