"""What a rule about openings is, and what it has to look at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lockdown.sandbox.state import Document


@dataclass(frozen=True)
class Opening:
    """One way in that a resource leaves open.

    Attributes:
        resource_id: as its document writes it; of a part of a document (a subnet), the part's own.
        why: a clause that says what is open, always the same for the same reason.
        bypass: whether it is no public traffic: a way in for services of Azure, or through Resource Manager.
    """

    resource_id: str
    why: str
    bypass: bool = False


class Documents:
    """Every document at one moment, by id and by type."""

    def __init__(self) -> None:
        self._by_id: dict[str, Document] = {}
        self._by_type: dict[str, dict[str, Document]] = {}

    def put(self, document: Document) -> None:
        """Take a document, in the place of the one with its id."""
        key = str(document["id"]).lower()
        self._by_id[key] = document
        self._by_type.setdefault(type_of(document), {})[key] = document

    def remove(self, resource_id: str) -> None:
        """Forget a document."""
        key = resource_id.lower()
        gone = self._by_id.pop(key, None)
        if gone is not None:
            del self._by_type[type_of(gone)][key]

    def __iter__(self) -> Iterator[Document]:
        return iter(list(self._by_id.values()))

    def get(self, resource_id: str) -> Document | None:
        """Return the document with this id, or None."""
        return self._by_id.get(resource_id.lower())

    def of_type(self, type_: str) -> list[Document]:
        """Return the documents of a type, which is given in lower case."""
        return list(self._by_type.get(type_, {}).values())

    def part(self, resource_id: str) -> Document:
        """Return the document with this id, or the part of one that has it, such as a subnet; {} if there is none."""
        whole = self.get(resource_id)
        if whole is not None:
            return whole
        parent = self.get(resource_id.rpartition("/")[0].rpartition("/")[0]) or {}
        for value in properties(parent).values():
            for item in listed(value):
                if str(item.get("id", "")).lower() == resource_id.lower():
                    return item
        return {}


Finder = Callable[[Document, Documents], Iterator[Opening]]


@dataclass(frozen=True)
class Rule:
    """What is looked for in the documents of one type.

    Attributes:
        find: the openings of a document.
        beside: lower-case types of other documents that its answer depends on.
    """

    find: Finder
    beside: frozenset[str] = frozenset()


def type_of(document: Document) -> str:
    """Return a document's type in lower case."""
    return str(document.get("type", "")).lower()


def properties(document: Document) -> Document:
    """Return a document's properties; {} where it has none."""
    return member(document, "properties")


def at(value: Any, path: str) -> Any:  # noqa: ANN401  # a JSON value
    """Return what stands at a dotted path, or None. Names compare without case, as Azure's do."""
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        if name in value:
            value = value[name]
        else:
            value = next((inner for key, inner in value.items() if key.lower() == name.lower()), None)
    return value


def member(value: Any, path: str) -> Document:  # noqa: ANN401  # a JSON value
    """Return the object at a dotted path; {} if there is none."""
    found = at(value, path)
    return found if isinstance(found, dict) else {}


def word(value: Any, path: str, absent: str) -> str:  # noqa: ANN401  # a JSON value
    """Return the word at a dotted path in lower case; ``absent`` is what Azure means where it is not given."""
    found = at(value, path)
    return str(found).lower() if found not in (None, "") else absent


def listed(value: Any) -> list[Document]:  # noqa: ANN401  # a JSON value
    """Return the objects of an array; none where it is not one."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
