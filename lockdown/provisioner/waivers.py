"""What an environment cannot hold: templates of waivers beside its file, made into waivers of one subscription.

``coa-private.yaml`` has ``coa-private.lockdown.yaml``. A template names its resource by the key of a step; the owner is
the environment's, and the last day follows from the day on which a person provisions. Without that file nothing is
waived: a failure is accepted by being written down, and in no other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from lockdown import yamlfile
from lockdown.config import LONGEST_WAIVER
from lockdown.errors import UsageError
from lockdown.model import Waiver
from lockdown.provisioner.graph import Blueprint, Resource, at
from lockdown.provisioner.site import Site

_SUBSCRIPTION = "subscription"
_Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Template(_Strict):
    """A waiver to be.

    Attributes:
        policy: the policy that fails.
        resource: the key of the step whose resource fails it, or ``subscription``.
        reason: why that is accepted.
        owner: who answers for it, where that is not the environment's owner.
        days: how long it holds.
        when: settings of the environment that it is for, by their dotted keys; others have no such waiver.
    """

    policy: _Filled
    resource: _Filled
    reason: _Filled
    owner: _Filled | None = None
    days: Annotated[int, Field(ge=1, le=LONGEST_WAIVER.days)] = 90
    when: dict[str, bool | str] = {}


class _File(_Strict):
    waivers: tuple[Template, ...]


def beside(environment: Path) -> Path:
    """Return where the templates of an environment file are."""
    return environment.with_name(f"{environment.stem}.lockdown.yaml")


def templates(path: Path) -> tuple[Template, ...]:
    """Read the templates; none where there is no such file.

    Raises:
        UsageError: it cannot be read or is wrong; the message names file, line and key of every error.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Make it readable, or remove it.") from error
    return yamlfile.load(str(path), data, _File).waivers


def made(
    path: Path,
    site: Site,
    blueprint: Blueprint,
    today: date,
    earlier: Mapping[tuple[str, str], date] | None = None,
) -> tuple[Waiver, ...]:
    """Return the waivers of an environment.

    Args:
        path: the file of the templates.
        site: the environment, whose settings say which of them apply, in its subscription.
        blueprint: says which resource a key is.
        today: the day from which they hold.
        earlier: last days that were decided before, by policy and resource id in lower case: they stay, so that
            provisioning again renews nothing.

    Raises:
        UsageError: a template names a step or a setting that the environment does not have.
    """
    return tuple(_made(path, site, blueprint, today, earlier or {}))


def _made(
    path: Path, site: Site, blueprint: Blueprint, today: date, earlier: Mapping[tuple[str, str], date]
) -> Iterator[Waiver]:
    environment, subscription = site.environment, site.subscription
    settings = environment.model_dump(mode="json", by_alias=True)
    for number, template in enumerate(templates(path)):
        where = f"{path}: waivers.{number}"
        if not _applies(template, settings, where):
            continue
        resource = _resource(template, blueprint, subscription, where)
        expires = earlier.get((template.policy, resource), today + timedelta(days=template.days))
        yield Waiver(template.policy, (resource,), template.reason, template.owner or environment.owner, expires)


def _resource(template: Template, blueprint: Blueprint, subscription: str, where: str) -> str:
    if template.resource == _SUBSCRIPTION:
        return f"/subscriptions/{subscription.lower()}"
    step = blueprint.steps.get(template.resource)
    if not isinstance(step, Resource):
        raise UsageError(
            f"{where}.resource: {template.resource!r} is no resource of this environment.",
            "Name one that lockdown provision --plan shows, or say with `when` which environments it is for.",
        )
    return step.id.lower()


def _applies(template: Template, settings: Mapping[str, Any], where: str) -> bool:
    for key, wanted in template.when.items():
        value = at(settings, key)
        if value is None or isinstance(value, dict | list):
            raise UsageError(f"{where}.when: {key!r} is no setting of an environment.", "See --schema.")
        if value != wanted:
            return False
    return True
