"""Microsoft.Network/natGateways."""

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link
from lockdown.sandbox.providers.names import described, finish, link, member, reference
from lockdown.sandbox.state import Document

_SHAPE, _COMPUTED = described("NatGatewayPropertiesFormat")
_MINUTES = range(4, 121)
_SKUS = ("Standard", "StandardV2")


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    sku = document.setdefault("sku", {})
    sku.setdefault("name", "Standard")
    sku.setdefault("tier", "Regional")
    if sku["name"] not in _SKUS:
        raise ArmError(
            400, "NatGatewaySkuNotSupported", f"The SKU {sku['name']} of {document['id']} is not one of {_SKUS}."
        )
    properties = document["properties"]
    properties.setdefault("idleTimeoutInMinutes", 4)
    if properties["idleTimeoutInMinutes"] not in _MINUTES:
        raise ArmError(
            400,
            "InvalidIdleTimeout",
            f"The idle timeout {properties['idleTimeoutInMinutes']} of {document['id']} is not between 4 and 120.",
        )
    for item in properties.get("publicIpAddresses") or []:
        _check_address(document, member(context, document, reference(item)))
    finish(document, previous)


def _check_address(document: Document, address: Document) -> None:
    if (address.get("sku") or {}).get("name") not in _SKUS:
        raise ArmError(
            400,
            "NatGatewayCannotUseBasicPublicIp",
            f"NAT gateway {document['id']} needs Standard public IP addresses; {address['id']} is none.",
        )
    holder = (address.get("properties") or {}).get("ipConfiguration")
    if holder:
        raise ArmError(
            400,
            "PublicIPAddressInUse",
            f"Resource {document['id']} is referencing public IP address {address['id']} that is already allocated to "
            f"resource {holder.get('id', '')}.",
        )


def _links(document: Document) -> frozenset[Link]:
    found: set[Link] = set()
    for name, many in (("publicIpAddresses", False), ("publicIpPrefixes", False)):
        for item in document["properties"].get(name) or []:
            found |= link(item, "natGateway", str(document["id"]), many=many)
    return frozenset(found)


KINDS = (
    Kind(
        "Microsoft.Network/natGateways", _SHAPE, computed=_COMPUTED, patch="tags",
        create="async", update="async", delete="async", seconds=30, etag=True, prepare=_prepare, links=_links,
        in_use={
            "subnets": (
                "InUseNatGatewayCannotBeDeleted",
                "Nat Gateway {id} is in use and cannot be deleted: {by}.",
            )
        },
    ),
)  # fmt: skip
