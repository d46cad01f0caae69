"""What a check of the preflight is given, and what it says.

A check is a generator of findings. Where Azure refuses to answer (RefusedError), the preflight makes that a finding
too: ``not checked``, never silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from lockdown.provisioner.answers import Found
from lockdown.provisioner.graph import Action, Blueprint, Body, Resource, Step
from lockdown.provisioner.site import Site


class Reads(Protocol):
    """The part of :class:`lockdown.provisioner.arm.Arm` that a check uses. Its questions (POST) change nothing."""

    def get(self, id: str, api_version: str) -> Found:  # noqa: A002 - ARM's word
        """Return what is at ``id``, or that nothing is."""

    def items(self, path: str, api_version: str, **query: str) -> Iterator[Body]:
        """Yield the items of a collection."""

    def post(self, path: str, api_version: str, body: Body) -> Body:
        """Ask a question that Azure wants as a POST."""


@dataclass(frozen=True)
class Finding:
    """Something to know before the first write.

    Attributes:
        check: the check's name, such as ``names``.
        what: a sentence for a person; it may quote text of Azure.
        fix: what to do about it.
        stops: whether nothing may be written; otherwise it is a warning.
    """

    check: str
    what: str
    fix: str = ""
    stops: bool = True


@dataclass(frozen=True)
class Case:
    """What is checked.

    Attributes:
        pending: keys of the steps that will be written or acted.
        created: those of them that do not exist yet.
        reads: asks Azure.
    """

    site: Site
    blueprint: Blueprint
    pending: frozenset[str]
    created: frozenset[str]
    reads: Reads

    @property
    def subscription(self) -> str:
        """The ARM path of the subscription."""
        return f"/subscriptions/{self.site.subscription}"

    @cached_property
    def writes(self) -> tuple[Step, ...]:
        """The steps that will be written or acted."""
        return tuple(step for step in self.blueprint if step.key in self.pending)

    def new(self, resource_type: str) -> Iterator[Resource]:
        """Yield the resources of a type that will be created."""
        for step in self.blueprint:
            if isinstance(step, Resource) and step.key in self.created and is_type(step, resource_type):
                yield step

    def all(self, resource_type: str) -> Iterator[Resource]:
        """Yield the resources of a type, there already or not."""
        return (s for s in self.blueprint if isinstance(s, Resource) and not s.brought and is_type(s, resource_type))

    def read(self, path: str, api_version: str) -> Body | None:
        """Return a document, or None where there is none.

        Raises:
            RefusedError: Azure does not say.
        """
        found = self.reads.get(path, api_version)
        return found.body if found.there else None


def resource_type(resource_id: str) -> str:
    """Return the type of an ARM id in lower case: ``microsoft.network/virtualnetworks``."""
    head, found, tail = resource_id.lower().rpartition("/providers/")
    if not found:
        return "microsoft.resources/subscriptions/resourcegroups" if "/resourcegroups/" in resource_id.lower() else ""
    namespace, *rest = tail.split("/")
    return "/".join((namespace, *rest[::2])) if head or rest else namespace


def is_type(step: Step, wanted: str) -> bool:
    """Say whether a step makes a resource of a type."""
    return isinstance(step, Resource) and resource_type(step.id) == wanted.lower()


def name_of(resource_id: str) -> str:
    """Return the last name of an ARM id."""
    return resource_id.rpartition("/")[2]


def place(path: str) -> str:
    """Return where an ARM path is, for a person: ids are long, and there is one subscription."""
    parts = path.strip("/").split("/")
    if len(parts) == 2:  # noqa: PLR2004 - subscriptions/ID
        return "the subscription"
    if len(parts) == 4:  # noqa: PLR2004 - and resourceGroups/NAME
        return f"the resource group {parts[3]}"
    return path


def namespaces(steps: Iterable[Step]) -> frozenset[str]:
    """Return the provider namespaces that steps write to, in lower case."""
    ids = (step.id for step in steps if isinstance(step, Resource))
    return frozenset(found for found in (resource_type(one).partition("/")[0] for one in ids) if found)


def number(value: Any) -> int | None:  # noqa: ANN401 - JSON
    """Return a whole number that Azure gave as a number or a text, or None."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def target(step: Step) -> str:
    """Return the ARM path that a step writes to."""
    return step.path if isinstance(step, Action) else step.id
