"""Microsoft.Network/publicIPAddresses."""

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, one_of
from lockdown.sandbox.providers.names import REFERENCE, finish
from lockdown.sandbox.state import Document

_COMPUTED = frozenset({"ipConfiguration", "resourceGuid", "provisioningState", "upgradedToV2"})
ADDRESS = {
    "publicIPAllocationMethod": str, "publicIPAddressVersion": str,
    "dnsSettings": {"domainNameLabel": None, "domainNameLabelScope": None, "fqdn": None, "reverseFqdn": None},
    "ddosSettings": None, "ipTags": None, "ipAddress": None, "publicIPPrefix": REFERENCE,
    "idleTimeoutInMinutes": None, "servicePublicIPAddress": None, "natGateway": REFERENCE, "migrationPhase": None,
    "linkedPublicIPAddress": None, "deleteOption": None, **dict.fromkeys(_COMPUTED),
}  # fmt: skip
_DOCUMENTATION_RANGE = "203.0.113."


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    sku = document.setdefault("sku", {})
    sku.setdefault("name", "Standard")
    sku.setdefault("tier", "Regional")
    properties = document["properties"]
    properties.setdefault("publicIPAddressVersion", "IPv4")
    properties.setdefault("publicIPAllocationMethod", "Static" if sku["name"] == "Standard" else "Dynamic")
    properties.setdefault("idleTimeoutInMinutes", 4)
    properties.setdefault("ipTags", [])
    properties.setdefault("ddosSettings", {"protectionMode": "VirtualNetworkInherited"})
    one_of(document, "publicIPAllocationMethod", ("Static", "Dynamic"))
    one_of(document, "publicIPAddressVersion", ("IPv4", "IPv6"))
    if sku["name"] == "Standard" and properties["publicIPAllocationMethod"] != "Static":
        raise ArmError(
            400,
            "PublicIPAddressSkuNotCompatibleWithAllocationMethod",
            f"Standard sku publicIp {document['id']} must have AllocationMethod set to Static.",
        )
    known = ((previous or {}).get("properties") or {}).get("ipAddress")
    if properties["publicIPAllocationMethod"] == "Static":
        properties["ipAddress"] = known or _next_address(context)
    finish(document, previous)


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
        create="async", update="async", delete="async", etag=True, prepare=_prepare,
        in_use={
            "ipConfiguration": (
                "PublicIPAddressCannotBeDeleted",
                "Public IP address {id} can not be deleted since it is still allocated to resource {by}.",
            )
        },
    ),
)  # fmt: skip
