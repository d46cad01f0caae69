"""The regions that a sandbox has, by the cloud that it is like: short name to display name."""

from collections.abc import Mapping

_PUBLIC: Mapping[str, str] = {
    "australiaeast": "Australia East", "canadacentral": "Canada Central", "centralus": "Central US",
    "eastus": "East US", "eastus2": "East US 2", "germanywestcentral": "Germany West Central",
    "japaneast": "Japan East", "northeurope": "North Europe", "southcentralus": "South Central US",
    "swedencentral": "Sweden Central", "switzerlandnorth": "Switzerland North", "uksouth": "UK South",
    "westeurope": "West Europe", "westus": "West US", "westus2": "West US 2", "westus3": "West US 3",
}  # fmt: skip
_GOVERNMENT: Mapping[str, str] = {
    "usgovarizona": "USGov Arizona", "usgovtexas": "USGov Texas", "usgovvirginia": "USGov Virginia",
}  # fmt: skip


def regions(cloud: str) -> Mapping[str, str]:
    """Return the regions of a cloud (``Settings.cloud``)."""
    return _GOVERNMENT if cloud == "us-government" else _PUBLIC
