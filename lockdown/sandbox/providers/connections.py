"""The connections that a service shows under ``privateEndpointConnections``: its side of private endpoints."""

import re

from lockdown.sandbox.arm_error import bad_request
from lockdown.sandbox.kind import Context, Kind
from lockdown.sandbox.state import Document

_DECISION = dict.fromkeys(("status", "description", "actionRequired", "actionsRequired"), str)
_SHAPE = {
    "privateEndpoint": {"id": str}, "privateLinkServiceConnectionState": _DECISION, "provisioningState": None,
    "groupIds": None, "groupId": None,
}  # fmt: skip
_COMPUTED = frozenset({"privateEndpoint", "provisioningState", "groupIds", "groupId"})


def kind(type_: str) -> Kind:
    """Return the kind of the connections of a service of this type: all that can be written is who is let in."""
    return Kind(
        f"{type_}/privateEndpointConnections", _SHAPE, computed=_COMPUTED, name=re.compile(r".+"),
        inline="privateEndpointConnections", tracked=False, prepare=_prepare,
    )  # fmt: skip


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    del context, previous
    state = document["properties"].get("privateLinkServiceConnectionState") or {}
    if state.get("status") not in ("Approved", "Rejected", "Pending", "Disconnected"):
        raise bad_request("The status of a connection is Approved, Rejected, Pending or Disconnected.", target="status")
