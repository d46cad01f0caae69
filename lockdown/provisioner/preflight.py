"""Everything that can be known before the first write, reported together.

Each check asks Azure on its own, several at a time; what one cannot read is a warning that says so. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lockdown.errors import ToolError, UsageError
from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.checks import Case, Finding, Reads
from lockdown.provisioner.checks.capacity import batch, cluster, cores, database, machines
from lockdown.provisioner.checks.denials import denials
from lockdown.provisioner.checks.examples import examples
from lockdown.provisioner.checks.guards import locks, network
from lockdown.provisioner.checks.names import names
from lockdown.provisioner.checks.region import SUBSCRIPTIONS, location, providers, subscription
from lockdown.provisioner.checks.rights import rights
from lockdown.provisioner.graph import Blueprint
from lockdown.provisioner.plan import Plan, Verb
from lockdown.provisioner.site import Site

_AT_A_TIME = 8
_FORBIDDEN, _ABSENT = (401, 403), 404
_WRITING = frozenset({Verb.CREATE, Verb.UPDATE, Verb.ACT})

CHECKS: tuple[tuple[str, Callable[[Case], Iterator[Finding]]], ...] = (
    ("the subscription", subscription),
    ("the region", location),
    ("the resource providers", providers),
    ("what the caller may do", rights),
    ("names", names),
    ("sizes and quotas of machines", machines),
    ("quotas of Batch", batch),
    ("what PostgreSQL offers", database),
    ("versions of Kubernetes", cluster),
    ("the existing network", network),
    ("locks", locks),
    ("policy assignments", denials),
    ("what the file still has of its example", examples),
)
"""In the order in which their findings are told, each with what it is about."""

STANDING: tuple[tuple[str, Callable[[Case], Iterator[Finding]]], ...] = (("pools and cores of Batch", cores),)
"""About what is there: asked although nothing is to do, and again when everything is done."""


@dataclass(frozen=True)
class Preflight:
    """What was found, the worst first."""

    problems: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


def reach(site: Site, reads: Reads) -> None:
    """Ask for the subscription, before everything in it is asked for.

    Raises:
        UsageError: the caller cannot see it.
        ToolError: nothing answers, or no credential was accepted.
    """
    try:
        status = reads.get(f"/subscriptions/{site.subscription}", SUBSCRIPTIONS).status
    except RefusedError as error:
        if error.status == 0:
            raise ToolError(f"Azure does not answer: {error.message}", "Look at the network, and try again.") from error
        if error.status not in (*_FORBIDDEN, _ABSENT):
            raise
        status = error.status
    if status == _ABSENT:
        raise UsageError(
            f"There is no subscription {site.subscription} that the caller can see in the tenant {site.tenant}.",
            "Check the id, the tenant that the caller signed in to (az account show), and its roles.",
        )
    if status in _FORBIDDEN:
        raise UsageError(
            f"The caller may not even read the subscription {site.subscription}.",
            "Give it Owner there, or Contributor and User Access Administrator.",
        )


def check(site: Site, blueprint: Blueprint, plan: Plan, reads: Reads) -> Preflight:
    """Return what stands in the way of a plan; in that of one that does nothing, nothing can be.

    Raises:
        ToolError: no credential was accepted.
    """
    pending = frozenset(change.key for change in plan.changes if change.verb in _WRITING)
    created = frozenset(change.key for change in plan.changes if change.verb is Verb.CREATE)
    checks = (*CHECKS, *STANDING) if pending else STANDING
    return _found(Case(site, blueprint, pending, created, reads), checks)


def afterwards(site: Site, blueprint: Blueprint, reads: Reads) -> Preflight:
    """Return what is worth a look once everything is built.

    Raises:
        ToolError: no credential was accepted.
    """
    return _found(Case(site, blueprint, frozenset(), frozenset(), reads), STANDING)


def _found(case: Case, checks: tuple[tuple[str, Callable[[Case], Iterator[Finding]]], ...]) -> Preflight:
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        found = [finding for one in threads.map(lambda check: _checked(case, *check), checks) for finding in one]
    return Preflight(tuple(f for f in found if f.stops), tuple(f for f in found if not f.stops))


def _checked(case: Case, what: str, ask: Callable[[Case], Iterator[Finding]]) -> list[Finding]:
    found: list[Finding] = []
    try:
        found += ask(case)
    except RefusedError as error:
        found.append(Finding(ask.__name__, f"not checked: {what}: {_why(error)}", stops=False))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # Azure's answer was of another shape than documented: that must not end the run, nor look like a pass.
        said = f"Azure's answer could not be read ({type(error).__name__}: {error})"
        found.append(Finding(ask.__name__, f"not checked: {what}: {said}", stops=False))
    return found


def _why(error: RefusedError) -> str:
    if error.status == 0:
        return f"no answer ({error.message})"
    return f"{error.id.partition('?')[0]} answered {error.status} ({error.code})"
