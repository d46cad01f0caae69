"""The other side of every reference in a set of documents, before anything has happened to them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lockdown.sandbox.kind import Link
from lockdown.sandbox.providers import kind_of
from lockdown.sandbox.state import Document


def complete(documents: Iterable[Document]) -> list[Document]:
    """Return the documents, each showing who refers to it, as it would had they been created one by one.

    What lives in its parent (a subnet) is kept there alone. What is given is not changed.
    """
    kept: dict[str, Document] = {}
    links: dict[str, list[Link]] = {}
    for document in documents:
        kind = kind_of(str(document.get("type", "")))
        if kind is not None and kind.inline:
            continue
        kept[str(document["id"]).lower()] = document
        for link in sorted(kind.links(document), key=lambda link: link.referrer) if kind is not None else ():
            links.setdefault(link.holder.lower(), []).append(link)
    for holder, shown in links.items():
        parent = holder.rpartition("/")[0].rpartition("/")[0]
        if holder in kept:
            kept[holder] = _shown(kept[holder], shown)
        elif parent in kept:
            kept[parent] = _shown_inside(kept[parent], holder, shown)
    return list(kept.values())


def _shown(part: Document, links: Sequence[Link]) -> Document:
    properties = dict(part.get("properties") or {})
    for link in links:
        if not link.many:
            properties[link.slot] = {"id": link.referrer}
    for slot in dict.fromkeys(link.slot for link in links if link.many):
        listed = list(properties.get(slot) or [])
        known = {str(item.get("id", "")).lower() for item in listed}
        wanted = (link.referrer for link in links if link.slot == slot)
        properties[slot] = [*listed, *({"id": referrer} for referrer in wanted if referrer.lower() not in known)]
    return {**part, "properties": properties}


def _shown_inside(parent: Document, holder: str, links: Sequence[Link]) -> Document:
    properties: Mapping[str, Any] = parent.get("properties") or {}
    changed = {
        name: [_shown(item, links) if _is(item, holder) else item for item in value]
        for name, value in properties.items()
        if isinstance(value, list) and any(_is(item, holder) for item in value)
    }
    return {**parent, "properties": {**properties, **changed}}


def _is(item: Any, resource_id: str) -> bool:  # noqa: ANN401  # a JSON value
    return isinstance(item, dict) and str(item.get("id", "")).lower() == resource_id
