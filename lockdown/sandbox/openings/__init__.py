"""What of a set of documents accepts public traffic. Written from Azure's documentation, apart from every policy."""

from collections.abc import Iterable, Iterator, Mapping

from lockdown.sandbox.openings import network, nodes, services
from lockdown.sandbox.openings.rule import Documents, Opening, Rule, type_of
from lockdown.sandbox.state import Document

RULES: Mapping[str, Rule] = {**services.RULES, **network.RULES, **nodes.RULES}
"""Lower-case type to what is looked for in it; ``services.other`` is for every other type."""

_OTHER = Rule(services.other)


def openings(documents: Iterable[Document]) -> frozenset[Opening]:
    """Return every opening of a set of documents."""
    known = Documents()
    for document in documents:
        known.put(document)
    return frozenset(found for document in documents for found in of(document, known))


def of(document: Document, documents: Documents) -> Iterator[Opening]:
    """Yield the openings of one document among others."""
    yield from RULES.get(type_of(document), _OTHER).find(document, documents)


def affected(type_: str) -> frozenset[str]:
    """Return the types whose openings depend on documents of a type, all in lower case."""
    return frozenset(holder for holder, rule in RULES.items() if type_ in rule.beside)
