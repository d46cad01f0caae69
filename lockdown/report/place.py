"""Where a resource is, read from its Azure Resource Manager id, however odd that id is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Place:
    """The parts of a resource id that people use. What an id does not have is an empty string.

    Attributes:
        subscription: subscription id.
        group: resource group name.
        type: ARM type such as ``Microsoft.Batch/batchAccounts/pools``, or ``subscription`` or ``resource group``.
        name: the last segment, as ``az --name`` takes it.
        path: every name of the resource, such as ``account/pool``.
    """

    subscription: str
    group: str
    type: str
    name: str
    path: str


_NO_NAMES: Mapping[str, str] = MappingProxyType({})


def place(resource_id: str, subscriptions: Mapping[str, str] = _NO_NAMES) -> Place:
    """Return the place that ``resource_id`` names. Never fails: an id of another form is its own name.

    Args:
        resource_id: as Azure wrote it.
        subscriptions: lower-case subscription id to the name that people know, shown as the path of a subscription.
    """
    segments = resource_id.strip("/").split("/")
    lower = [segment.lower() for segment in segments]
    subscription = segments[1] if lower[0] == "subscriptions" and len(segments) > 1 else ""
    group = segments[3] if subscription and lower[2:3] == ["resourcegroups"] and len(segments) > 3 else ""  # noqa: PLR2004
    if "providers" in lower:
        start = len(lower) - lower[::-1].index("providers")
        names = segments[start + 2 :: 2]
        if names:
            return Place(
                subscription,
                group,
                "/".join([*segments[start : start + 2], *segments[start + 3 :: 2]]),
                segments[-1],
                "/".join(names),
            )
    if group and len(segments) == 4:  # noqa: PLR2004
        return Place(subscription, group, "resource group", group, group)
    if subscription and len(segments) == 2:  # noqa: PLR2004
        known = subscriptions.get(subscription.lower()) or subscription
        return Place(subscription, "", "subscription", subscription, known)
    return Place(subscription, group, "", segments[-1] or resource_id, segments[-1] or resource_id)
