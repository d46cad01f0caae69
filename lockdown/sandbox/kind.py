"""How the sandbox treats one resource type: what it knows, beyond the envelope that every resource has."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.operations import Operations
from lockdown.sandbox.settings import Settings
from lockdown.sandbox.state import Authorship, Document, State

Shape = Mapping[str, Any]
"""The property names that a type has: each to None (any value), to str, bool, int or dict, to a Shape, or to a list of
one of these. A null in a request means that the property is not given."""


@dataclass(frozen=True)
class Context:
    """What a provider may touch while it works for one request.

    Attributes:
        state: everything that exists.
        who: the caller, for what changes as a side effect.
        settings: how the sandbox was started.
        operations: what is under way.
    """

    state: State
    who: Authorship
    settings: Settings
    operations: Operations

    def allows(self, operation: str, resource_id: str) -> bool:
        """Tell whether the caller may do ``operation`` there."""
        return self.state.allows(self.who["by"], operation, resource_id)

    def granted(self, object_id: str, operation: str, resource_id: str, *, data: bool = False) -> bool:
        """Tell whether a principal, such as a service's identity, may do ``operation`` there."""
        return self.state.granted(object_id, operation, resource_id, data=data)

    def limit(self, name: str, otherwise: int) -> int:
        """Return how many of something a subscription may have, by the option ``limits`` of the sandbox."""
        return self.settings.limits.get(name, otherwise)

    def put(self, document: Document) -> None:
        """Store a document that changes as a side effect; the operation names its own type."""
        self.state.put(document, **self._as(document, "write"))

    def delete(self, document: Document) -> None:
        """Remove a document that goes as a side effect."""
        self.state.delete(str(document["id"]), **self._as(document, "delete"))

    def _as(self, document: Document, verb: str) -> Authorship:
        return {**self.who, "operation": f"{document['type']}/{verb}"}


@dataclass(frozen=True)
class Link:
    """A reference that the referenced resource shows too.

    Attributes:
        holder: id of the referenced resource.
        slot: the property of the holder that shows it, such as ``networkInterfaces``.
        referrer: id that stands there.
        many: whether the slot is a list.
    """

    holder: str
    slot: str
    referrer: str
    many: bool = True


Action = Callable[[Context, Document, Document], tuple[int, Any]]
"""An action on a resource: (context, resource, request body) to (status, response body)."""


def _nothing(context: Context, document: Document, previous: Document | None) -> None:
    del context, document, previous


def _free(context: Context, document: Document) -> None:
    del context, document


def _no_links(document: Document) -> frozenset[Link]:
    del document
    return frozenset()


@dataclass(frozen=True)
class Kind:
    """One known resource type.

    Attributes:
        type: such as ``Microsoft.Network/virtualNetworks``.
        shape: its properties; others are refused.
        computed: properties that only the service writes; what a request says of them is ignored.
        name: what a name must match.
        inline: the property of the parent that holds resources of this type, or '' if each is its own document.
        flat: whether the parent shows each as one object, the name beside the properties, and without an id.
        tracked: whether it has a location and tags of its own.
        worldwide: whether it stands in no region: its location is ``global``.
        patch: ``merge``, or ``tags`` when nothing else can be patched.
        create, update, delete: how each goes: ``sync``, ``async`` (Azure-AsyncOperation) or ``location``.
        seconds: how long a create typically takes in Azure, if it is not ``sync``.
        update_seconds, delete_seconds: the same of an update (a third of a create unless said) and a delete (half).
        etag: whether the body shows an ETag.
        prepare: fills in what the service fills in and refuses what it refuses; changes the document it is given.
        applied: side effects on other documents once it is stored.
        removable: refuses a delete that Azure refuses.
        removed: side effects of its removal.
        failed: writes that its operation failed, where that is not in a document of its own.
        links: the references that others show.
        in_use: slot to the (code, message) that refuses a delete while the slot is taken; ``{id}``, ``{by}``.
        actions: POST actions by lower-case name.
        long_actions: those of them that are followed by ``Location``, and how long each typically takes.
    """

    type: str
    shape: Shape
    computed: frozenset[str] = frozenset()
    name: re.Pattern[str] = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?")
    inline: str = ""
    flat: bool = False
    tracked: bool = True
    worldwide: bool = False
    patch: str = "merge"
    create: str = "sync"
    update: str = "sync"
    delete: str = "sync"
    seconds: float = 10.0
    update_seconds: float | None = None
    delete_seconds: float | None = None
    etag: bool = False
    prepare: Callable[[Context, Document, Document | None], None] = _nothing
    applied: Callable[[Context, Document, Document | None], None] = _nothing
    removable: Callable[[Context, Document], None] = _free
    removed: Callable[[Context, Document], None] = _free
    failed: Callable[[Context, Document], None] | None = None
    links: Callable[[Document], frozenset[Link]] = _no_links
    in_use: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    long_actions: Mapping[str, float] = field(default_factory=dict)

    def duration(self, verb: str) -> float:
        """Return how long ``Creating``, ``Updating`` or ``Deleting`` typically takes in Azure."""
        if verb == "Creating":
            return self.seconds
        given, share = (self.update_seconds, 3) if verb == "Updating" else (self.delete_seconds, 2)
        return self.seconds / share if given is None else given


_WORDS = {str: "string", bool: "boolean", int: "integer", dict: "object"}


def check_shape(value: Any, shape: Any, path: str, type_: str) -> None:  # noqa: ANN401  # a JSON value
    """Refuse a property that the type does not have.

    Raises:
        ArmError: InvalidRequestContent, naming the property.
    """
    if shape is None:
        return
    if isinstance(shape, type):
        if not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
            raise bad_request(f"The property '{path}' of '{type_}' must be of type {_WORDS[shape]}.", target=path)
        return
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise bad_request(f"The property '{path}' of '{type_}' must be an array.", target=path)
        for index, item in enumerate(value):
            check_shape(item, shape[0], f"{path}[{index}]", type_)
        return
    _check_members(value, shape, path, type_)


def _check_members(value: Any, shape: Shape, path: str, type_: str) -> None:  # noqa: ANN401  # a JSON value
    if not isinstance(value, dict):
        raise bad_request(f"The property '{path}' of '{type_}' must be an object.", target=path)
    for name, inner in value.items():
        if name not in shape:
            raise bad_request(
                f"Could not find member '{name}' on object of type '{type_}'. Path '{path}.{name}'.", target=path
            )
        if inner is not None:
            check_shape(inner, shape[name], f"{path}.{name}", type_)


def without_nulls(value: Any) -> Any:  # noqa: ANN401  # a JSON value
    """Return a JSON value without the members that are null."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def require(document: Document, *path: str) -> Any:  # noqa: ANN401  # a JSON value
    """Return a property that must be there.

    Raises:
        ArmError: InvalidRequestContent, naming it.
    """
    value: Any = document.get("properties") or {}
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if value in (None, "", [], {}):
        dotted = ".".join(("properties", *path))
        raise ArmError(
            400,
            "InvalidRequestContent",
            f"The required property '{dotted}' of '{document['type']}' is missing.",
            dotted,
        )
    return value


def one_of(document: Document, name: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that an enumeration does not have, and write an accepted one in its proper casing.

    Raises:
        ArmError: InvalidRequestContent.
    """
    value = document["properties"].get(name)
    if value is None:
        return
    proper = {word.lower(): word for word in allowed}.get(str(value).lower())
    if proper is None:
        raise bad_request(
            f"The value '{value}' of 'properties.{name}' is not one of {', '.join(allowed)}.", target=name
        )
    document["properties"][name] = proper
