"""What a scenario is: the Azure that a sandbox starts with."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]
"""One ARM document: the body as a provider returns it; keys that start with ``_`` (``_apiVersion``) are never shown."""


@dataclass(frozen=True)
class Scenario:
    """An Azure to start with, and what an auditor must find in it.

    Attributes:
        subscriptions: id and display name of each; they have no document of their own in ``documents``.
        documents: resource groups, resources and child resources, parents first. It can be iterated more than once,
            gives equal documents each time, and for ``tenant`` makes them one at a time.
        config: the text of a lockdown.yaml with the scope and boundary of this environment.
        expected: policy id to the number of failing results, for scenarios with seeded faults; empty for the others.
    """

    subscriptions: tuple[tuple[str, str], ...]
    documents: Iterable[Document]
    config: str
    expected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Generated:
    """Documents that are made anew each time they are iterated, and never all held."""

    make: Callable[[], Iterator[Document]]

    def __iter__(self) -> Iterator[Document]:
        """Yield the documents from the first."""
        return self.make()
