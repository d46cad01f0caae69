"""References that both sides show: a subnet lists the interfaces in it, a public IP names what holds it.

A child that lives in its parent (a subnet in its virtual network) is found and changed there.
"""

import copy
from typing import Any

from lockdown.sandbox import implied
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link
from lockdown.sandbox.state import Document, State


def find(state: State, resource_id: str) -> tuple[Document, Document] | None:
    """Return (the stored document, the part of it with this id), both inside one copy; or None."""
    document = state.get(resource_id) or implied.document(state, resource_id)
    if document is not None:
        return document, document
    parent_id = resource_id.rpartition("/")[0].rpartition("/")[0]
    parent = state.get(parent_id) if parent_id else None
    if parent is None:
        return None
    for value in (parent.get("properties") or {}).values():
        for item in value if isinstance(value, list) else ():
            if isinstance(item, dict) and str(item.get("id", "")).lower() == resource_id.lower():
                return parent, item
    return None


def check(context: Context, kind: Kind, document: Document) -> None:
    """Refuse a reference to what is not there, and a second holder of what only one can hold.

    Raises:
        ArmError: InvalidResourceReference, ReferencedResourceNotProvisioned while the other is being created or
            changed, or the code of a taken public IP address.
    """
    for link in kind.links(document):
        found = find(context.state, link.holder)
        if found is None:
            raise ArmError(
                400,
                "InvalidResourceReference",
                f"Resource {link.holder} referenced by resource {document['id']} was not found. Please make sure that "
                "the referenced resource exists, and that both resources are in the same region.",
            )
        pending = context.operations.pending(str(found[0]["id"]))
        if pending is not None and pending.resource_id.lower() != str(document["id"]).lower():
            raise ArmError(
                409,
                "ReferencedResourceNotProvisioned",
                f"Cannot proceed with operation because resource {link.holder} used by resource {document['id']} is "
                f"not in Succeeded state. Resource is in {pending.verb} state.",
            )
        taken = (found[1].get("properties") or {}).get(link.slot)
        if not link.many and taken and not _same(taken, link.referrer):
            raise ArmError(
                400,
                "PublicIPAddressInUse",
                f"Resource {link.referrer} is referencing public IP address {link.holder} that is already allocated "
                f"to resource {taken['id']}.",
            )


def relink(context: Context, kind: Kind, document: Document | None, previous: Document | None) -> None:
    """Make the other sides show what changed from ``previous`` to ``document``."""
    before = kind.links(previous) if previous else frozenset()
    after = kind.links(document) if document else frozenset()
    changed = [(link, False) for link in before - after] + [(link, True) for link in after]
    for link, present in changed:
        found = find(context.state, link.holder)
        if found is None:
            continue
        holder, part = found
        original = copy.deepcopy(holder)
        _set(part.setdefault("properties", {}), link, present=present)
        if holder != original:
            context.put(holder)


def refuse_if_used(kind: Kind, part: Document) -> None:
    """Refuse to remove what others refer to.

    Raises:
        ArmError: the code that the type has for it.
    """
    for slot, (code, message) in kind.in_use.items():
        holders: Any = (part.get("properties") or {}).get(slot)
        if holders:
            by = holders[0] if isinstance(holders, list) else holders
            raise ArmError(400, code, message.format(id=part["id"], name=part["name"], by=by.get("id", "")))


def _set(properties: dict[str, Any], link: Link, *, present: bool) -> None:
    if not link.many:
        if present:
            properties[link.slot] = {"id": link.referrer}
        else:
            properties.pop(link.slot, None)
        return
    listed = [item for item in properties.get(link.slot) or [] if not _same(item, link.referrer)]
    if present:
        listed = properties.get(link.slot) or []
        if not any(_same(item, link.referrer) for item in listed):
            listed = [*listed, {"id": link.referrer}]
    if listed:
        properties[link.slot] = listed
    else:
        properties.pop(link.slot, None)


def _same(item: Any, resource_id: str) -> bool:  # noqa: ANN401  # a JSON value
    return isinstance(item, dict) and str(item.get("id", "")).lower() == resource_id.lower()
