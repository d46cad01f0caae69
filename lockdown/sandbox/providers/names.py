"""Small things that all network providers share."""

import ipaddress
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from lockdown.sandbox import shapes
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Link, Shape
from lockdown.sandbox.links import find
from lockdown.sandbox.resource_id import normal_location
from lockdown.sandbox.state import Document

REFERENCE: Shape = {"id": str}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def described(model: str, *further: str) -> tuple[Shape, frozenset[str]]:
    """Return the shape of a model of Microsoft.Network and what only the service writes in it.

    ``further`` names properties that the service writes although no model has them.
    """
    written = shapes.computed("network", model) | frozenset(further)
    return {**shapes.shape("network", model), **dict.fromkeys(written)}, written


def reference(value: Any) -> str:  # noqa: ANN401  # a JSON value
    """Return the id in a reference object, or ''."""
    return str(value.get("id") or "") if isinstance(value, dict) else ""


def link(value: Any, slot: str, referrer: str, *, many: bool = True) -> set[Link]:  # noqa: ANN401  # a JSON value
    """Return the link that a reference object makes, as a set of none or one. Ids are lower-case."""
    holder = reference(value)
    return {Link(holder, slot, referrer, many)} if holder else set()


def complete_children(document: Document, name: str, type_: str, segment: str = "") -> list[Document]:
    """Give every sub-resource in ``properties.<name>`` its id, type and provisioning state; return them.

    What the service has written into one before has to be carried over by the caller. ``segment`` stands in their
    ids instead of ``name``, where the two differ.

    Raises:
        ArmError: a sub-resource without a name, or a name given twice.
    """
    children: list[Document] = document["properties"].get(name) or []
    seen: set[str] = set()
    for child in children:
        key = str(child.get("name") or "").lower()
        if not key:
            raise ArmError(400, "InvalidRequestFormat", f"A member of 'properties.{name}' has no name.", name)
        if key in seen:
            raise ArmError(
                400, "InvalidRequestFormat", f"The name '{child['name']}' is given twice in 'properties.{name}'.", name
            )
        seen.add(key)
        child["id"] = f"{document['id']}/{segment or name}/{child['name']}"
        child["type"] = type_
        child.pop("etag", None)
        properties = child.get("properties") or {}
        child["properties"] = {**properties, "provisioningState": "Succeeded"}
    return children


def children_by_name(document: Document | None, name: str) -> dict[str, Document]:
    """Return the sub-resources of a document by lower-case name."""
    listed = ((document or {}).get("properties") or {}).get(name) or []
    return {str(child.get("name", "")).lower(): child for child in listed}


def finish(document: Document, previous: Document | None) -> None:
    """Write what every network resource has: the guid that it gets once, and its state."""
    if previous is None:
        document["properties"]["resourceGuid"] = str(uuid4())
    document["properties"]["provisioningState"] = "Succeeded"


def default(document: Document, previous: Document | None, name: str, value: Any) -> None:  # noqa: ANN401  # JSON
    """Fill in a property that a resource shows only if it was made by an API version that has it."""
    if previous is None or name in previous["properties"]:
        document["properties"].setdefault(name, value)


def network(text: Any, code: str) -> Network:  # noqa: ANN401  # a JSON value
    """Return a CIDR prefix.

    Raises:
        ArmError: ``code``, when it is not one.
    """
    try:
        return ipaddress.ip_network(str(text))
    except ValueError as error:
        raise ArmError(400, code, f"The address prefix {text} is not a valid CIDR: {error}.") from error


def member(context: Context, document: Document, resource_id: str) -> Document:
    """Return what a document refers to.

    Raises:
        ArmError: InvalidResourceReference, when it is not there or is in another region.
    """
    found = find(context.state, resource_id)
    where = normal_location(str(found[0].get("location", ""))) if found else ""
    ours = normal_location(str(document.get("location", "")))
    if found is None or (where and ours and where != ours):
        raise ArmError(
            400,
            "InvalidResourceReference",
            f"Resource {resource_id} referenced by resource {document['id']} was not found. Please make sure that the "
            "referenced resource exists, and that both resources are in the same region.",
        )
    return found[1]


def refuse_if_busy(context: Context, resource_ids: Iterable[str]) -> None:
    """Refuse a change while one of these is being created, changed or deleted.

    Raises:
        ArmError: AnotherOperationInProgress.
    """
    for resource_id in resource_ids:
        pending = context.operations.pending(resource_id)
        if pending is not None:
            raise ArmError(
                409,
                "AnotherOperationInProgress",
                f"Another operation on this or dependent resource is in progress: '{pending.verb}' of "
                f"'{pending.resource_id}', operation {pending.id}.",
            )


def check_word(document: Document, path: str, value: Any, allowed: tuple[str, ...]) -> str:  # noqa: ANN401  # JSON
    """Return a word of an enumeration in its proper casing.

    Raises:
        ArmError: InvalidRequestFormat, when the enumeration does not have it.
    """
    proper = {word.lower(): word for word in allowed}.get(str(value).lower())
    if proper is None:
        raise ArmError(
            400,
            "InvalidRequestFormat",
            f"The value '{value}' of '{path}' of resource {document['id']} is not one of {', '.join(allowed)}.",
            path,
        )
    return proper
