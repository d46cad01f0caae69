"""The subscription and its region: whether it can be built in at all, and whether the region has each service."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from lockdown.provisioner.checks import Case, Finding, namespaces, resource_type
from lockdown.provisioner.graph import Action, Resource, Step

SUBSCRIPTIONS, _PROVIDERS = "2022-12-01", "2021-04-01"
_REGISTER = re.compile(r"/providers/([^/]+)/register$")
_NOWHERE = "global"
_ALWAYS = frozenset({"microsoft.authorization", "microsoft.resources"})
"""Registered in every subscription from the first day on."""


def subscription(case: Case) -> Iterator[Finding]:
    """Yield a finding if the subscription takes no writes."""
    found = case.read(case.subscription, SUBSCRIPTIONS)
    if found is None:
        yield Finding(
            "subscription",
            f"There is no subscription {case.site.subscription} that the caller can see.",
            "Check the id, the tenant that the caller signed in to, and its roles.",
        )
        return
    state = found.get("state")
    if state != "Enabled":
        yield Finding("subscription", f"The subscription is {state or 'in no known state'}: Azure takes no writes.")


def location(case: Case) -> Iterator[Finding]:
    """Yield a finding if the cloud, or the subscription, does not have the region."""
    there = {
        str(item.get("name", "")): item for item in case.reads.items(f"{case.subscription}/locations", SUBSCRIPTIONS)
    }
    environment = case.site.environment
    for key, wanted in (("location", environment.location), ("pairedLocation", environment.paired_location)):
        if wanted is None or wanted in there:
            continue
        close = get_close_matches(wanted, there, n=3)
        yield Finding(
            "location",
            f"{key}: the subscription has no region {wanted}.",
            f"Did you mean {' or '.join(close)}?" if close else "az account list-locations shows those that it has.",
        )


def providers(case: Case) -> Iterator[Finding]:
    """Yield a finding for each resource provider that is not there, and one for all types that the region lacks."""
    registered = frozenset(filter(None, map(_registers, case.blueprint)))
    missing: dict[str, list[str]] = {}
    for namespace in sorted(namespaces(case.writes)):
        found = case.read(f"{case.subscription}/providers/{namespace}", _PROVIDERS)
        if found is None:
            yield Finding("providers", f"This cloud has no resource provider {namespace}.", "Choose another cloud.")
            continue
        state = found.get("registrationState")
        if state == "Unregistering":
            yield Finding("providers", f"{namespace} is being unregistered.", "Wait until it is, then start again.")
        elif state not in ("Registered", "Registering") and namespace not in registered | _ALWAYS:
            yield Finding(
                "providers",
                f"{namespace} is not registered.",
                f"az provider register --namespace {namespace} --subscription {case.site.subscription}",
            )
        for where, kind in _lacking(case, namespace, found):
            missing.setdefault(where, []).append(kind)
    for where, kinds in missing.items():
        yield Finding("providers", f"The region {where} does not have {', '.join(kinds)}.", "Choose another location.")


def _registers(step: Step) -> str:
    """Return the namespace that a step registers, or ''."""
    found = _REGISTER.search(step.path.lower()) if isinstance(step, Action) else None
    return found[1] if found else ""


def _lacking(case: Case, namespace: str, provider: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each region and type of a provider where something is to stand and cannot."""
    offered = {
        str(item.get("resourceType", "")).lower(): {_short(place) for place in item.get("locations") or ()}
        for item in provider.get("resourceTypes") or ()
    }
    told = set()
    for step in case.writes:
        if not isinstance(step, Resource) or not isinstance(step.body.get("location"), str):
            continue
        wanted, _, kind = resource_type(step.id).partition("/")
        where = _short(step.body["location"])
        regions = offered.get(kind)
        if wanted == namespace and regions and where not in (*regions, _NOWHERE) and (where, kind) not in told:
            told.add((where, kind))
            yield where, f"{wanted}/{kind}"


def _short(place: object) -> str:
    return str(place).replace(" ", "").lower()
