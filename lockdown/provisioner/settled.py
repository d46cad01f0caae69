"""Waits until Azure Resource Graph shows what was made: it follows Resource Manager by seconds or by minutes."""

from __future__ import annotations

from collections.abc import Iterable

from lockdown.provisioner.arm import Arm
from lockdown.provisioner.graph import OWNER_TAG, Blueprint, Resource
from lockdown.provisioner.site import Site

_GRAPH, _VERSION = "/providers/Microsoft.ResourceGraph/resources", "2022-10-01"
_LONGEST, _PAUSE = 300.0, 5.0
_PAGE = 1000


def expected(blueprint: Blueprint, keys: Iterable[str]) -> frozenset[str]:
    """Return the ids, in lower case, that Resource Graph will show for what was created: those that carry our tag."""
    steps = (blueprint.steps.get(key) for key in keys)
    return frozenset(
        step.id.lower()
        for step in steps
        if isinstance(step, Resource) and OWNER_TAG in (step.body.get("tags") or {}) and "/providers/" in step.id
    )


def settle(site: Site, arm: Arm, wanted: frozenset[str]) -> frozenset[str]:
    """Wait until Resource Graph shows every one of these ids; return those that it does not show after five minutes.

    Raises:
        RefusedError: Resource Graph does not answer.
    """
    until = arm.now() + _LONGEST
    missing = wanted
    while missing:
        missing = wanted - _shown(site, arm)
        if not missing or arm.now() >= until:
            break
        arm.wait(_PAUSE)
    return missing


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
