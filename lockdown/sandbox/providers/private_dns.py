"""Private DNS: zones, their links to virtual networks, and their record sets.

Source: Microsoft Learn, "Private DNS zone overview", "Private DNS records overview", and the codes that Azure answers.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from lockdown.sandbox import shapes
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, one_of, require
from lockdown.sandbox.providers.names import check_word, reference
from lockdown.sandbox.state import Document

ZONE = "Microsoft.Network/privateDnsZones"
_LINK = f"{ZONE}/virtualNetworkLinks"
_FILE = "private_dns"
_SLOTS = {
    "A": "aRecords", "AAAA": "aaaaRecords", "CNAME": "cnameRecord", "MX": "mxRecords", "PTR": "ptrRecords",
    "SOA": "soaRecord", "SRV": "srvRecords", "TXT": "txtRecords",
}  # fmt: skip
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_ZONE_NAME = re.compile(rf"{_LABEL}(\.{_LABEL}){{1,33}}")
_RECORD_NAME = re.compile(rf"@|\*|(\*\.)?{_LABEL}(\.{_LABEL})*")
_LIMITS = {
    "maxNumberOfRecordSets": 25000,
    "maxNumberOfVirtualNetworkLinks": 1000,
    "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
}
_COUNTS = ("numberOfRecordSets", "numberOfVirtualNetworkLinks", "numberOfVirtualNetworkLinksWithRegistration")
_START_OF_AUTHORITY = {
    "email": "azureprivatedns-host.microsoft.com", "expireTime": 2419200, "host": "azureprivatedns.net",
    "minimumTtl": 10, "refreshTime": 3600, "retryTime": 300, "serialNumber": 1,
}  # fmt: skip
_TTL = 3600
ENDPOINT_TTL = 10
"""The time to live of a record that a private endpoint keeps."""

ENDPOINT = "_endpoint"
"""The internal key by which a record says whose it is: the id of a private endpoint, in lower case."""


def _prepare_zone(context: Context, document: Document, previous: Document | None) -> None:
    del context
    properties = document["properties"]
    if previous is None:
        properties |= {**_LIMITS, **dict.fromkeys(_COUNTS, 0), "numberOfRecordSets": 1}
    properties["provisioningState"] = "Succeeded"


def _zone_applied(context: Context, document: Document, previous: Document | None) -> None:
    if previous is None:
        context.put(_record(document, "SOA", "@", {"ttl": _TTL, "soaRecord": dict(_START_OF_AUTHORITY)}))


def _zone_removable(context: Context, document: Document) -> None:
    if any(_is(found, _LINK) for found in context.state.below(str(document["id"]))):
        raise ArmError(409, "CannotDeleteResource", "Can not delete resource before nested resources are deleted.")


def _prepare_link(context: Context, document: Document, previous: Document | None) -> None:
    network = str(require(document, "virtualNetwork", "id"))
    properties = document["properties"]
    properties.setdefault("registrationEnabled", False)
    properties.setdefault("resolutionPolicy", "Default")
    one_of(document, "resolutionPolicy", ("Default", "NxDomainRedirect"))
    if previous is not None:
        known = reference(previous["properties"].get("virtualNetwork"))
        if known.lower() != network.lower():
            raise ArmError(400, "BadRequest", f"The virtual network of link '{document['name']}' cannot be changed.")
    elif context.state.get(network) is None:
        raise ArmError(
            404, "ParentResourceNotFound", f"The virtual network '{network}' of the link could not be found."
        )
    join = "Microsoft.Network/virtualNetworks/join/action"
    if not context.allows(join, network):
        raise ArmError(
            403,
            "LinkedAuthorizationFailed",
            f"The client has permission to perform the write on the link, but not '{join}' on the linked scope "
            f"'{network}'.",
        )
    _refuse_second_link(context, document, network)
    properties["provisioningState"] = "Succeeded"
    properties["virtualNetworkLinkState"] = "Completed"


def _refuse_second_link(context: Context, document: Document, network: str) -> None:
    zone = _zone_name(document)
    for other in _links_of(context, network):
        if str(other["id"]).lower() == str(document["id"]).lower():
            continue
        if _zone_name(other).lower() == zone.lower():
            raise ArmError(
                400,
                "BadRequest",
                "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link "
                f"virtual network with '{zone}' and '{_zone_name(other)}' zones.",
            )
        both = document["properties"]["registrationEnabled"] and other["properties"].get("registrationEnabled")
        if both:
            raise ArmError(
                409,
                "Conflict",
                f"The virtual network '{network}' already registers its machines in the zone '{_zone_name(other)}'. It "
                "can do so in one zone only.",
            )


def _link_applied(context: Context, document: Document, previous: Document | None) -> None:
    registers = int(bool(document["properties"].get("registrationEnabled")))
    registered = int(bool(previous and previous["properties"].get("registrationEnabled")))
    _count(
        context,
        document,
        numberOfVirtualNetworkLinks=int(previous is None),
        numberOfVirtualNetworkLinksWithRegistration=registers - registered,
    )


def _link_removed(context: Context, document: Document) -> None:
    registered = int(bool(document["properties"].get("registrationEnabled")))
    _count(
        context,
        document,
        numberOfVirtualNetworkLinks=-1,
        numberOfVirtualNetworkLinksWithRegistration=-registered,
    )


def unlink(context: Context, network: str) -> None:
    """Remove the links of a virtual network that is gone."""
    for document in _links_of(context, network):
        context.delete(document)
        _link_removed(context, document)


def _links_of(context: Context, network: str) -> list[Document]:
    return [
        document
        for document in context.state.documents()
        if _is(document, _LINK) and reference(document["properties"].get("virtualNetwork")).lower() == network.lower()
    ]


def _prepare_record(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    properties = document["properties"]
    kind = _record_type(document)
    slot = _SLOTS[kind]
    wrong = [name for name in _SLOTS.values() if name != slot and properties.get(name)]
    if wrong or (kind != "SOA" and not properties.get(slot)):
        raise ArmError(
            400, "BadRequest", f"The record set '{document['name']}' of type {kind} must have '{slot}' and no other."
        )
    if kind == "SOA" and document["name"] != "@":
        raise ArmError(400, "BadRequest", "The record set of type SOA must have the name '@'.")
    properties.setdefault("ttl", _TTL)
    properties["fqdn"] = _fqdn(document)
    properties["isAutoRegistered"] = False
    _refuse_alias_beside_others(context, document)
    _check_addresses(document, properties.get("aRecords") or [])


def _check_addresses(document: Document, records: Sequence[Mapping[str, Any]]) -> None:
    for record in records:
        parts = str(record.get("ipv4Address", "")).split(".")
        if len(parts) != 4 or not all(part.isdecimal() and int(part) < 256 for part in parts):  # noqa: PLR2004  # IPv4
            raise ArmError(
                400,
                "BadRequest",
                f"The value '{record.get('ipv4Address', '')}' of record set '{document['name']}' is not an IPv4 "
                "address.",
            )


def _refuse_alias_beside_others(context: Context, document: Document) -> None:
    zone = _zone_id(document)
    alias = _record_type(document) == "CNAME"
    for other in context.state.below(zone):
        if _is(other, _LINK) or str(other["name"]).lower() != str(document["name"]).lower():
            continue
        if (_record_type(other) == "CNAME") is not alias:
            raise ArmError(
                400,
                "BadRequest",
                f"A record set of type CNAME and another cannot have the same name '{document['name']}'.",
            )


def _record_applied(context: Context, document: Document, previous: Document | None) -> None:
    _count(context, document, numberOfRecordSets=int(previous is None))


def _record_removed(context: Context, document: Document) -> None:
    _count(context, document, numberOfRecordSets=-1)


def _record_removable(context: Context, document: Document) -> None:
    del context
    if _record_type(document) == "SOA":
        raise ArmError(400, "BadRequest", "The record set of type SOA goes with its zone.")


def keep_record(context: Context, zone: Document, name: str, addresses: Sequence[str], endpoint: Document) -> None:
    """Write the A record that a private endpoint keeps in a zone, over one of the same name."""
    guid = endpoint["properties"].get("resourceGuid", "")
    properties = {
        "ttl": ENDPOINT_TTL,
        "aRecords": [{"ipv4Address": address} for address in addresses],
        "metadata": {"creator": f"created by private endpoint {endpoint['name']} with resource guid {guid}"},
    }
    document = _record(zone, "A", name, properties)
    document[ENDPOINT] = str(endpoint["id"]).lower()
    previous = context.state.get(str(document["id"]))
    context.put(document)
    _record_applied(context, document, previous)


def drop_records(context: Context, endpoint: Document, keep: frozenset[str] = frozenset()) -> None:
    """Remove the records that a private endpoint has kept, but for those whose lower-case ids are in ``keep``."""
    guid = f"resource guid {endpoint['properties'].get('resourceGuid') or '-'}"
    for document in list(context.state.documents()):
        if not _is(document, f"{ZONE}/A") or str(document["id"]).lower() in keep:
            continue
        creator = str((document["properties"].get("metadata") or {}).get("creator", ""))
        if document.get(ENDPOINT) == str(endpoint["id"]).lower() or creator.endswith(guid):
            context.delete(document)
            _record_removed(context, document)


def is_record(type_: str) -> bool:
    """Tell whether a type is one of record sets."""
    holder, _, kind = type_.lower().rpartition("/")
    return holder == ZONE.lower() and kind.upper() in _SLOTS


def record_id(zone: Document, name: str) -> str:
    """Return the id of an A record of a zone."""
    return f"{zone['id']}/A/{name}"


def _record(zone: Document, kind: str, name: str, properties: Mapping[str, Any]) -> Document:
    document: Document = {
        "id": f"{zone['id']}/{kind}/{name}",
        "name": name,
        "type": f"{zone['type']}/{kind}",
        "properties": dict(properties),
        "_etag": str(uuid4()),
        "_apiVersion": zone.get("_apiVersion", ""),
    }
    document["properties"] |= {"fqdn": _fqdn(document), "isAutoRegistered": False}
    return document


def _count(context: Context, child: Document, **more: int) -> None:
    zone = context.state.get(_zone_id(child))
    changes = {name: number for name, number in more.items() if number}
    if zone is None or not changes:
        return
    for name, number in changes.items():
        zone["properties"][name] = max(0, int(zone["properties"].get(name) or 0) + number)
    context.put(zone)


def _record_type(document: Document) -> str:
    return check_word(document, "type", str(document["type"]).rpartition("/")[2], tuple(_SLOTS))


def _fqdn(document: Document) -> str:
    zone = _zone_name(document)
    return f"{zone}." if document["name"] == "@" else f"{document['name']}.{zone}."


def _zone_id(child: Document) -> str:
    return str(child["id"]).rsplit("/", 2)[0]


def _zone_name(child: Document) -> str:
    return _zone_id(child).rpartition("/")[2]


def _is(document: Document, type_: str) -> bool:
    return str(document.get("type", "")).lower() == type_.lower()


KINDS = (
    Kind(
        ZONE, shapes.shape(_FILE, "PrivateZoneProperties"), computed=shapes.computed(_FILE, "PrivateZoneProperties"),
        name=_ZONE_NAME, worldwide=True, create="async", update="async", delete="async", seconds=30, etag=True,
        prepare=_prepare_zone, applied=_zone_applied, removable=_zone_removable,
    ),
    Kind(
        _LINK, shapes.shape(_FILE, "VirtualNetworkLinkProperties"),
        computed=shapes.computed(_FILE, "VirtualNetworkLinkProperties"), worldwide=True,
        create="async", update="async", delete="async", seconds=45, etag=True,
        prepare=_prepare_link, applied=_link_applied, removed=_link_removed,
    ),
    *(
        Kind(
            f"{ZONE}/{kind}", shapes.shape(_FILE, "RecordSetProperties"),
            computed=shapes.computed(_FILE, "RecordSetProperties"), name=_RECORD_NAME, tracked=False, etag=True,
            prepare=_prepare_record, applied=_record_applied, removed=_record_removed, removable=_record_removable,
        )
        for kind in _SLOTS
    ),
)  # fmt: skip
