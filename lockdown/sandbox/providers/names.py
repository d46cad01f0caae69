"""Small things that all network providers share."""

import ipaddress
from typing import Any
from uuid import uuid4

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Link, Shape
from lockdown.sandbox.state import Document

REFERENCE: Shape = {"id": str}
TAGGED: Shape = {"id": str, "name": str, "type": str, "etag": None, "location": None, "tags": None}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def child_shape(properties: Shape) -> list[Shape]:
    """Return the shape of an array of sub-resources with these properties."""
    return [{**TAGGED, "zones": None, "properties": properties}]


def reference(value: Any) -> str:  # noqa: ANN401  # a JSON value
    """Return the id in a reference object, or ''."""
    return str(value.get("id") or "") if isinstance(value, dict) else ""


def link(value: Any, slot: str, referrer: str, *, many: bool = True) -> set[Link]:  # noqa: ANN401  # a JSON value
    """Return the link that a reference object makes, as a set of none or one. Ids are lower-case."""
    holder = reference(value)
    return {Link(holder, slot, referrer, many)} if holder else set()


def complete_children(document: Document, name: str, type_: str) -> list[Document]:
    """Give every sub-resource in ``properties.<name>`` its id, type and provisioning state; return them.

    What the service has written into one before has to be carried over by the caller.

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
        child["id"] = f"{document['id']}/{name}/{child['name']}"
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


def network(text: Any, code: str) -> Network:  # noqa: ANN401  # a JSON value
    """Return a CIDR prefix.

    Raises:
        ArmError: ``code``, when it is not one.
    """
    try:
        return ipaddress.ip_network(str(text))
    except ValueError as error:
        raise ArmError(400, code, f"The address prefix {text} is not a valid CIDR: {error}.") from error
