"""Peerings of virtual networks: each is one side, and is connected once the other side is there.

Source: Microsoft Learn, "Create, change, or delete a virtual network peering" (states).
"""

from uuid import uuid4

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind
from lockdown.sandbox.providers.names import children_by_name, described, network, reference
from lockdown.sandbox.state import Document

TYPE = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings"
_SLOT = "virtualNetworkPeerings"
_SHAPE, _WRITTEN = described("VirtualNetworkPeeringPropertiesFormat")
_STATE = frozenset({"peeringState", "peeringSyncLevel", "remoteAddressSpace", "remoteVirtualNetworkAddressSpace"})
_DEFAULTS = {
    "allowVirtualNetworkAccess": True,
    "allowForwardedTraffic": False,
    "allowGatewayTransit": False,
    "useRemoteGateways": False,
    "doNotVerifyRemoteGateways": False,
    "peerCompleteVnets": True,
}


def prepare(context: Context, holder: Document, peerings: list[Document], previous: Document | None) -> None:
    """Fill in the peerings of a virtual network, and refuse those that cannot be."""
    before = children_by_name(previous, _SLOT)
    remotes: dict[str, str] = {}
    for peering in peerings:
        known = (before.get(str(peering["name"]).lower()) or {}).get("properties") or {}
        remote = reference(peering["properties"].get("remoteVirtualNetwork"))
        if remote.lower() in remotes:
            raise ArmError(
                400,
                "AnotherPeeringAlreadyReferencesRemoteVnet",
                f"Peering {peering['id']} cannot reference remote virtual network {remote}, because peering "
                f"{remotes[remote.lower()]} of the same virtual network already does.",
            )
        remotes[remote.lower()] = str(peering["id"])
        _prepare(context, holder, peering, known)


def _prepare(context: Context, holder: Document, peering: Document, known: Document) -> None:
    wanted = {name: value for name, value in peering["properties"].items() if name not in _STATE | _WRITTEN}
    remote_id = reference(wanted.get("remoteVirtualNetwork"))
    if not remote_id:
        raise ArmError(400, "InvalidRequestFormat", f"Peering {peering['id']} has no remote virtual network.")
    properties = peering["properties"] = {**_DEFAULTS, **wanted, "provisioningState": "Succeeded"}
    properties["resourceGuid"] = known.get("resourceGuid") or str(uuid4())
    same = reference(known.get("remoteVirtualNetwork")).lower() == remote_id.lower()
    if known and not same:
        raise ArmError(
            400,
            "ChangingRemoteVirtualNetworkNotAllowed",
            f"The remote virtual network of peering {peering['id']} cannot be changed.",
        )
    remote = context.state.get(remote_id)
    if remote is None:
        if not known:
            raise ArmError(
                400,
                "InvalidResourceReference",
                f"Resource {remote_id} referenced by resource {peering['id']} was not found.",
            )
        properties |= {name: known[name] for name in _STATE & known.keys()}
        return
    _refuse_overlap(holder, remote, peering)
    space = {"addressPrefixes": _space(remote)}
    properties |= {"remoteAddressSpace": space, "remoteVirtualNetworkAddressSpace": dict(space)}
    if known and known.get("peeringState") != "Disconnected":
        properties |= {name: known[name] for name in ("peeringState", "peeringSyncLevel") if name in known}
        return
    join = "Microsoft.Network/virtualNetworks/peer/action"
    if not context.allows(join, remote_id):
        raise ArmError(
            403,
            "LinkedAuthorizationFailed",
            f"The client has permission to perform the write on the peering, but not '{join}' on the linked scope "
            f"'{remote_id}'.",
        )
    back = _back(remote, holder)
    state = str((back or {}).get("properties", {}).get("peeringState", ""))
    if back is not None and state == "Disconnected":
        raise ArmError(
            400,
            "RemotePeeringIsDisconnected",
            f"Cannot create or update peering {peering['id']} because remote peering {back['id']} referencing parent "
            f"virtual network {holder['id']} is in Disconnected state. Update or re-create the remote peering to get "
            "it back to Initiated state.",
        )
    _set_state(properties, connected=back is not None)


def settle(context: Context, holder: Document, previous: Document | None) -> None:
    """Let the other sides see the peerings that a virtual network now has, and those that it no longer has."""
    after = children_by_name(holder, _SLOT)
    for peering in after.values():
        if peering["properties"].get("peeringState") == "Connected":
            _tell(context, peering, holder, "Connected")
    for name, peering in children_by_name(previous, _SLOT).items():
        if name not in after:
            _tell(context, peering, holder, "Disconnected")


def abandon(context: Context, holder: Document) -> None:
    """Let the other sides see that a virtual network is gone."""
    for peering in children_by_name(holder, _SLOT).values():
        _tell(context, peering, holder, "Disconnected")


def _tell(context: Context, peering: Document, holder: Document, state: str) -> None:
    remote = context.state.get(reference(peering["properties"].get("remoteVirtualNetwork")))
    back = _back(remote, holder) if remote else None
    if remote is None or back is None or back["properties"].get("peeringState") == state:
        return
    if state == "Connected":
        _set_state(back["properties"], connected=True)
    else:
        back["properties"] |= {"peeringState": state, "peeringSyncLevel": "RemoteNotInSync"}
    context.put(remote)


def _set_state(properties: Document, *, connected: bool) -> None:
    properties["peeringState"] = "Connected" if connected else "Initiated"
    properties["peeringSyncLevel"] = "FullyInSync" if connected else "RemoteNotInSync"


def _back(remote: Document, holder: Document) -> Document | None:
    """Return the peering of the other virtual network that leads here; it is inside the document that is given."""
    for peering in children_by_name(remote, _SLOT).values():
        to = reference((peering.get("properties") or {}).get("remoteVirtualNetwork"))
        if to.lower() == str(holder["id"]).lower():
            return peering
    return None


def _space(holder: Document) -> list[str]:
    return list(((holder.get("properties") or {}).get("addressSpace") or {}).get("addressPrefixes") or [])


def _refuse_overlap(holder: Document, remote: Document, peering: Document) -> None:
    ours = [network(text, "InvalidAddressPrefixFormat") for text in _space(holder)]
    theirs = [network(text, "InvalidAddressPrefixFormat") for text in _space(remote)]
    shared = [f"{one}, {other}" for one in ours for other in theirs if one.overlaps(other)]
    if shared:
        raise ArmError(
            400,
            "VnetAddressSpacesOverlap",
            f"Cannot create or update peering {peering['id']}. Virtual networks {holder['id']} and {remote['id']} "
            f"cannot be peered because their address spaces overlap. Overlapping address prefixes: {shared[0]}.",
        )


KIND = Kind(
    TYPE, _SHAPE, computed=_WRITTEN | {"peeringState", "peeringSyncLevel"}, inline=_SLOT, tracked=False,
    create="async", update="async", delete="async", seconds=15, etag=True,
)  # fmt: skip
