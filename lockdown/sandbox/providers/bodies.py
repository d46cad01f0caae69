"""Small things that the providers of services share: reading and completing the body of a resource."""

import copy
from collections.abc import Mapping
from typing import Any

from lockdown.sandbox import clouds, shapes
from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Shape
from lockdown.sandbox.state import Document

_OF = {
    "postgres": "postgresqlServerEndpoint",
    "registry": "acrLoginServer",
    "storage": "storage",
    "vault": "keyVaultDns",
}


def suffix(context: Context, service: str) -> str:
    """Return what the public names of a service end with in this cloud."""
    cloud = context.settings.cloud
    return clouds.BATCH[cloud] if service == "batch" else clouds.SUFFIXES[cloud][_OF[service]]


def described(file: str, model: str, written: str = "", **further: Any) -> tuple[Shape, frozenset[str]]:  # noqa: ANN401
    """Return the shape of a model and what only the service writes in it.

    Args:
        file: where the shapes of the service are.
        model: what a reader gets.
        written: what a client sends, where that is a model of its own.
        further: members that are more than, or other than, what the models say.
    """
    sent: Shape = shapes.shape(file, written) if written else {}
    shape = {**shapes.shape(file, model), **sent, **further}
    return shape, shapes.computed(file, model) - set(sent)


def stamp(context: Context) -> str:
    """Return the time as providers write it."""
    return context.state.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def fill(target: Document, defaults: Mapping[str, Any]) -> None:
    """Add the members that are not given; an object that is given is completed likewise."""
    for name, value in defaults.items():
        if isinstance(value, Mapping) and isinstance(target.get(name), dict):
            fill(target[name], value)
        else:
            target.setdefault(name, copy.deepcopy(value))


def at(properties: Any, path: str) -> Any:  # noqa: ANN401  # a JSON value
    """Return what is at a dotted path, or None."""
    for name in path.split("."):
        properties = properties.get(name) if isinstance(properties, dict) else None
    return properties


def keep(document: Document, previous: Document | None, *paths: str) -> None:
    """Put what only the service writes, below the first level, as it was: whatever a request says of it is ignored."""
    for path in paths:
        parent, _, name = path.rpartition(".")
        holder = at(document["properties"], parent)
        if not isinstance(holder, dict):
            continue
        holder.pop(name, None)
        known = at((previous or {}).get("properties") or {}, path)
        if known is not None:
            holder[name] = copy.deepcopy(known)


def choose(document: Document, path: str, *allowed: str) -> None:
    """Refuse a word that an enumeration does not have, and write an accepted one in its proper casing.

    Raises:
        ArmError: InvalidRequestContent.
    """
    parent, _, name = path.rpartition(".")
    holder = at(document["properties"], parent) if parent else document["properties"]
    if not isinstance(holder, dict) or holder.get(name) is None:
        return
    proper = {word.lower(): word for word in allowed}.get(str(holder[name]).lower())
    if proper is None:
        message = f"The value '{holder[name]}' of 'properties.{path}' is not one of {', '.join(allowed)}."
        raise bad_request(message, target=f"properties.{path}")
    holder[name] = proper


def check_fixed(document: Document, previous: Document | None, code: str, *paths: str) -> None:
    """Refuse a change of what is chosen once, and keep it where the request is silent about it.

    Raises:
        ArmError: ``code``.
    """
    for path in paths if previous is not None else ():
        known, wanted = at((previous or {}).get("properties") or {}, path), at(document["properties"], path)
        if wanted is None or _same(wanted, known):
            _put(document["properties"], path, known)
            continue
        raise ArmError(
            409, code, f"The property '{path}' of '{document['name']}' cannot be changed once it has been set.", path
        )


def of_the_same_name(context: Context, document: Document) -> bool:
    """Tell whether another resource of this type, anywhere, has this name."""
    name, type_, own = (str(document[key]).lower() for key in ("name", "type", "id"))
    return any(
        str(found.get("name", "")).lower() == name
        and str(found.get("type", "")).lower() == type_
        and str(found["id"]).lower() != own
        for found in context.state.documents()
    )


def principals(document: Document) -> list[str]:
    """Return the object ids of every identity that a resource has."""
    identity = document.get("identity") or {}
    assigned = (identity.get("userAssignedIdentities") or {}).values()
    found = [identity.get("principalId"), *(value.get("principalId") for value in assigned)]
    return [str(principal) for principal in found if principal]


def assigned(document: Document, resource_id: str) -> Document | None:
    """Return the ids of a user-assigned identity of a resource, or None if it does not have that identity."""
    held = (document.get("identity") or {}).get("userAssignedIdentities") or {}
    return next((value for key, value in held.items() if key.lower() == resource_id.lower()), None)


def _put(properties: Document, path: str, value: Any) -> None:  # noqa: ANN401  # a JSON value
    if value is None:
        return
    *parents, name = path.split(".")
    for parent in parents:
        properties = properties.setdefault(parent, {})
    properties[name] = copy.deepcopy(value)


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401  # JSON values
    return (str(one).lower() == str(other).lower()) if isinstance(one, str) else bool(one == other)
