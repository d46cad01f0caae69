"""Microsoft.Network/bastionHosts.

Source: Microsoft Learn, "About Azure Bastion configuration settings", "Working with NSG access and Azure Bastion".
"""

from collections.abc import Iterator
from uuid import uuid4

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link
from lockdown.sandbox.providers.names import check_word, complete_children, described, link, reference
from lockdown.sandbox.providers.public_addresses import check_static
from lockdown.sandbox.providers.reserved import check_reserved
from lockdown.sandbox.state import Document

_TYPE = "Microsoft.Network/bastionHosts"
_CONFIGURATIONS = "bastionHostIpConfigurations"
_SHAPE, _WRITTEN = described("BastionHostPropertiesFormat", "dnsName")
_SKUS = ("Developer", "Basic", "Standard", "Premium")
_OF_SKU = {
    "disableCopyPaste": "Standard", "enableFileCopy": "Standard", "enableIpConnect": "Standard",
    "enableShareableLink": "Standard", "enableTunneling": "Standard", "enableKerberos": "Basic",
    "enablePrivateOnlyBastion": "Premium", "enableSessionRecording": "Premium",
}  # fmt: skip
"""Each switch and the least SKU that has it."""

_NEEDED = (
    ("Inbound", "443", "GatewayManager", ""),
    ("Outbound", "22", "", "VirtualNetwork"),
    ("Outbound", "3389", "", "VirtualNetwork"),
    ("Outbound", "443", "", "AzureCloud"),
)
"""What a security group of its subnet must let through: direction, port, source tag, destination tag."""


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    sku = document.setdefault("sku", {})
    sku["name"] = check_word(document, "sku.name", sku.get("name") or "Standard", _SKUS)
    properties = document["properties"]
    properties.setdefault("scaleUnits", 2)
    for name, least in _OF_SKU.items():
        properties.setdefault(name, False)
        if properties[name] and _SKUS.index(sku["name"]) < _SKUS.index(least):
            raise ArmError(
                400,
                "BastionHostSkuNotSupported",
                f"'{name}' of Bastion host {document['id']} needs SKU {least}; it has {sku['name']}.",
            )
    if sku["name"] != "Developer":
        _place(context, document)
    if previous is None:
        properties["dnsName"] = f"bst-{uuid4()}.bastion.azure.com"
    elif _private(previous) is not _private(document):
        raise ArmError(
            400,
            "BastionHostPrivateOnlyCannotBeChanged",
            f"'enablePrivateOnlyBastion' of Bastion host {document['id']} cannot be changed.",
        )
    properties["provisioningState"] = "Succeeded"


def _private(document: Document) -> bool:
    return bool(document["properties"].get("enablePrivateOnlyBastion"))


def _place(context: Context, document: Document) -> None:
    configurations = complete_children(
        document, "ipConfigurations", f"{_TYPE}/{_CONFIGURATIONS}", segment=_CONFIGURATIONS
    )
    if len(configurations) != 1:
        raise ArmError(
            400,
            "BastionHostMustHaveOneIpConfiguration",
            f"Bastion host {document['id']} must have one IP configuration; it has {len(configurations)}.",
        )
    values = configurations[0]["properties"]
    values.setdefault("privateIPAllocationMethod", "Dynamic")
    subnet = check_reserved(context, document, reference(values.get("subnet")), "AzureBastionSubnet", "Azure Bastion")
    public = reference(values.get("publicIPAddress"))
    if bool(public) is _private(document):
        raise ArmError(
            400,
            "BastionHostPublicIpMismatch",
            f"Bastion host {document['id']} must have a public IP address unless it is private-only, and none if it "
            "is.",
        )
    if public:
        check_static(context, document, public)
    guard = context.state.get(reference(subnet["properties"].get("networkSecurityGroup")))
    if guard is not None:
        _check_guard(document, guard)


def _check_guard(document: Document, guard: Document) -> None:
    for direction, port, source, destination in _NEEDED:
        if not _lets_through(guard, direction, port, source, destination):
            raise ArmError(
                400,
                "NetworkSecurityGroupNotCompliantForAzureBastionSubnet",
                f"Network security group {guard['id']} does not have necessary rules for Azure Bastion Subnet of "
                f"{document['id']}: {direction} {port} {source or destination}.",
            )


def _lets_through(guard: Document, direction: str, port: str, source: str, destination: str) -> bool:
    rules = [rule["properties"] for rule in _rules(guard) if rule["properties"].get("direction") == direction]
    for rule in sorted(rules, key=lambda rule: int(rule.get("priority", 0))):
        if (
            _covers(rule, "destinationPortRange", port)
            and (not source or _covers(rule, "sourceAddressPrefix", source))
            and (not destination or _covers(rule, "destinationAddressPrefix", destination))
        ):
            return str(rule.get("access")) == "Allow"
    return False


def _rules(guard: Document) -> Iterator[Document]:
    properties = guard["properties"]
    yield from properties.get("securityRules") or []
    yield from properties.get("defaultSecurityRules") or []


def _covers(rule: Document, name: str, wanted: str) -> bool:
    several = f"{name}s" if name.endswith("Range") else f"{name}es"
    given = [str(rule.get(name) or ""), *map(str, rule.get(several) or [])]
    for text in given:
        low, dash, high = text.partition("-")
        if text == "*" or text.lower() == wanted.lower():
            return True
        numbers = dash and low.isdecimal() and high.isdecimal() and wanted.isdecimal()
        if numbers and int(low) <= int(wanted) <= int(high):
            return True
    return False


def _links(document: Document) -> frozenset[Link]:
    found: set[Link] = set()
    for configuration in document["properties"].get("ipConfigurations") or []:
        values = configuration.get("properties") or {}
        found |= link(values.get("subnet"), "ipConfigurations", str(configuration["id"]))
        found |= link(values.get("publicIPAddress"), "ipConfiguration", str(configuration["id"]), many=False)
    return frozenset(found)


KINDS = (
    Kind(
        _TYPE, _SHAPE, computed=_WRITTEN, patch="tags", create="async", update="async", delete="async", seconds=420,
        etag=True, prepare=_prepare, links=_links,
    ),
)  # fmt: skip
