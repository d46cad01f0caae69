"""Resource ids and ARM paths, taken apart."""

from dataclasses import dataclass

GROUP_TYPE = "Microsoft.Resources/resourceGroups"
SUBSCRIPTION_TYPE = "Microsoft.Resources/subscriptions"


@dataclass(frozen=True)
class ResourceId:
    """An ARM path that names a resource, a collection of resources, or an action on one.

    Attributes:
        scope: what stands before the last ``/providers/``: '', a subscription, a resource group or another resource.
        namespace: such as ``Microsoft.Network``; '' when no provider is named.
        types: the type segments, ``("virtualNetworks", "subnets")``.
        names: the name segments; one fewer than ``types`` when a collection (or an action) is named.
    """

    scope: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def type(self) -> str:
        """The full type, such as ``Microsoft.Network/virtualNetworks/subnets``."""
        return "/".join((self.namespace, *self.types))

    @property
    def is_collection(self) -> bool:
        """Whether the last segment is a type without a name."""
        return len(self.types) > len(self.names)

    @property
    def id(self) -> str:
        """The path itself, put together again."""
        pairs: list[str] = []
        for index, kind in enumerate(self.types):
            pairs.append(kind)
            if index < len(self.names):
                pairs.append(self.names[index])
        return "/".join((f"{self.scope}/providers/{self.namespace}", *pairs))

    @property
    def parent(self) -> "ResourceId | None":
        """The resource that this one (or this collection) is a child of, or None at the top."""
        depth = len(self.types) - 1
        return ResourceId(self.scope, self.namespace, self.types[:depth], self.names[:depth]) if depth else None

    @property
    def name(self) -> str:
        """The last name, or ''."""
        return self.names[-1] if self.names else ""


def parse(path: str) -> ResourceId | None:
    """Take apart a path with a provider in it. None when it names none, or has empty segments."""
    at = path.lower().rfind("/providers/")
    if at < 0:
        return None
    scope, rest = path[:at], path[at + len("/providers/") :]
    segments = rest.split("/")
    if not all(segments) or not all(scope.split("/")[1:]):
        return None
    namespace, *pairs = segments
    return ResourceId(scope, namespace, tuple(pairs[0::2]), tuple(pairs[1::2]))


def group_of(path: str) -> str:
    """Return the resource group's name as the path writes it, or ''."""
    return _after(path, "resourcegroups")


def group_id(path: str) -> str:
    """Return the id of the resource group that the path is in, or ''."""
    segments = path.split("/")
    return "/".join(segments[:5]) if group_of(path) else ""


def normal_location(location: str) -> str:
    """Return a location in its short form: ``West US`` is ``westus``."""
    return location.replace(" ", "").lower()


def _after(path: str, word: str) -> str:
    segments = path.split("/")
    inside = len(segments) > 4 and segments[1].lower() == "subscriptions" and segments[3].lower() == word  # noqa: PLR2004
    return segments[4] if inside else ""
