"""Waits until Azure Resource Graph shows how things are: it follows Resource Manager by seconds or by minutes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

from lockdown.provisioner.arm import Arm
from lockdown.provisioner.graph import OWNER_TAG, Blueprint, Resource, Step
from lockdown.provisioner.site import Site

_GRAPH, _VERSION = "/providers/Microsoft.ResourceGraph/resources", "2022-10-01"
_LONGEST, _PAUSE = 300.0, 5.0
_PAGE = 1000


def expected(blueprint: Blueprint, keys: Iterable[str]) -> frozenset[str]:
    """Return the ids, in lower case, that Resource Graph will show for what was made to last: those with our tag."""
    steps = (blueprint.steps.get(key) for key in keys)
    return frozenset(step.id.lower() for step in steps if _is_shown(step) and not step.temporary)


def passing(blueprint: Blueprint) -> frozenset[str]:
    """Return the ids, in lower case, of what is gone at the end of a run: an audit must not judge it any more."""
    return frozenset(step.id.lower() for step in blueprint if _is_shown(step) and step.temporary)


def settle(site: Site, arm: Arm, wanted: frozenset[str], gone: frozenset[str] = frozenset()) -> frozenset[str]:
    """Wait until Resource Graph shows every one of the wanted ids, and none of those that are gone.

    Returns those of which it still says otherwise after five minutes.

    Raises:
        RefusedError: Resource Graph does not answer.
    """
    until = arm.now() + _LONGEST
    while wanted or gone:
        shown = _shown(site, arm)
        late = (wanted - shown) | (gone & shown)
        if not late or arm.now() >= until:
            return late
        arm.wait(_PAUSE)
    return frozenset()


def _is_shown(step: Step | None) -> TypeGuard[Resource]:
    return isinstance(step, Resource) and OWNER_TAG in (step.body.get("tags") or {}) and "/providers/" in step.id


def _shown(site: Site, arm: Arm) -> frozenset[str]:
    # The name of an environment has letters, digits and hyphens only.
    name = site.environment.environment
    query = f"resources | where tostring(tags['{OWNER_TAG}']) == '{name}' | project id | order by id asc"
    ids: set[str] = set()
    token = ""
    while True:
        options = {"resultFormat": "objectArray", "$top": _PAGE} | ({"$skipToken": token} if token else {})
        body = {"subscriptions": [site.subscription], "query": query, "options": options}
        page = arm.post(_GRAPH, _VERSION, body)
        ids.update(str(row.get("id", "")).lower() for row in page.get("data") or ())
        token = str(page.get("$skipToken") or "")
        if not token:
            return frozenset(ids)
