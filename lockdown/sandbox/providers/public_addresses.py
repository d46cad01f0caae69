"""Microsoft.Network/publicIPAddresses."""

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, one_of
from lockdown.sandbox.providers.names import described, finish, member
from lockdown.sandbox.state import Document

# The link of a NAT gateway is written from its own side alone.
ADDRESS, _COMPUTED = described("PublicIPAddressPropertiesFormat", "natGateway")
_SKUS = ("Basic", "Standard", "StandardV2")
_DDOS = {"protectionMode": "VirtualNetworkInherited"}
_TAKEN = (
    "PublicIPAddressCannotBeDeleted",
    "Public IP address {id} can not be deleted since it is still allocated to resource {by}.",
)
_DOCUMENTATION_RANGE = "203.0.113."


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    sku = document.setdefault("sku", {})
    sku.setdefault("name", "Standard")
    sku.setdefault("tier", "Regional")
    properties = document["properties"]
    properties.setdefault("publicIPAddressVersion", "IPv4")
    properties.setdefault("publicIPAllocationMethod", "Static" if sku["name"] != "Basic" else "Dynamic")
    properties.setdefault("idleTimeoutInMinutes", 4)
    properties.setdefault("ipTags", [])
    properties["ddosSettings"] = {**_DDOS, **(properties.get("ddosSettings") or {})}
    one_of(document, "publicIPAllocationMethod", ("Static", "Dynamic"))
    one_of(document, "publicIPAddressVersion", ("IPv4", "IPv6"))
    if sku["name"] not in _SKUS:
        raise ArmError(
            400, "InvalidPublicIPSku", f"The SKU {sku['name']} of {document['id']} is not one of {', '.join(_SKUS)}."
        )
    if sku["name"] != "Basic" and properties["publicIPAllocationMethod"] != "Static":
        raise ArmError(
            400,
            "PublicIPAddressSkuNotCompatibleWithAllocationMethod",
            f"Standard sku publicIp {document['id']} must have AllocationMethod set to Static.",
        )
    before = (previous or {}).get("sku", {}).get("name")
    if before not in (None, "Basic", sku["name"]):
        raise ArmError(
            400, "PublicIPAddressSkuCannotBeChanged", f"The SKU of {document['id']} is {before} and cannot be changed."
        )
    known = ((previous or {}).get("properties") or {}).get("ipAddress")
    if properties["publicIPAllocationMethod"] == "Static":
        properties["ipAddress"] = known or _next_address(context)
    finish(document, previous)


def check_static(context: Context, holder: Document, resource_id: str) -> None:
    """Refuse a public address that a firewall or a Bastion host cannot take.

    Raises:
        ArmError: it is not there, is not a static Standard one, or is held by a NAT gateway.
    """
    address = member(context, holder, resource_id)
    properties = address.get("properties") or {}
    if (address.get("sku") or {}).get("name") == "Basic" or properties.get("publicIPAllocationMethod") != "Static":
        raise ArmError(
            400,
            "PublicIPAddressSkuNotSupported",
            f"Resource {holder['id']} needs a public IP address of SKU Standard with static allocation; {resource_id} "
            "is none.",
        )
    if properties.get("natGateway"):
        raise ArmError(
            400,
            "PublicIPAddressInUse",
            f"Resource {holder['id']} is referencing public IP address {resource_id} that is already allocated to "
            f"resource {properties['natGateway'].get('id', '')}.",
        )


def _next_address(context: Context) -> str:
    taken = {
        (document.get("properties") or {}).get("ipAddress")
        for document in context.state.documents()
        if str(document.get("type", "")).lower() == "microsoft.network/publicipaddresses"
    }
    for number in range(1, 255):
        if f"{_DOCUMENTATION_RANGE}{number}" not in taken:
            return f"{_DOCUMENTATION_RANGE}{number}"
    raise ArmError(400, "PublicIPCountLimitReached", "Cannot create more than 254 public IP addresses in the sandbox.")


KINDS = (
    Kind(
        "Microsoft.Network/publicIPAddresses", ADDRESS, computed=_COMPUTED, patch="tags",
        create="async", update="async", delete="async", seconds=10, etag=True, prepare=_prepare,
        in_use={"ipConfiguration": _TAKEN, "natGateway": _TAKEN},
    ),
)  # fmt: skip
