"""The regions that the sandbox has: short name to display name."""

from collections.abc import Mapping

LOCATIONS: Mapping[str, str] = {
    "australiaeast": "Australia East", "canadacentral": "Canada Central", "centralus": "Central US",
    "eastus": "East US", "eastus2": "East US 2", "germanywestcentral": "Germany West Central",
    "japaneast": "Japan East", "northeurope": "North Europe", "southcentralus": "South Central US",
    "swedencentral": "Sweden Central", "switzerlandnorth": "Switzerland North", "uksouth": "UK South",
    "westeurope": "West Europe", "westus": "West US", "westus2": "West US 2", "westus3": "West US 3",
    "usgovarizona": "USGov Arizona", "usgovvirginia": "USGov Virginia",
}  # fmt: skip
