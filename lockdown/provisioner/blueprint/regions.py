"""The names that service tags call regions by."""

from __future__ import annotations

_TAGS = {
    "australiasoutheast": "AustraliaSoutheast",
    "brazilsoutheast": "BrazilSE",
    "francecentral": "CentralFrance",
    "francesouth": "SouthFrance",
    "germanynorth": "GermanyN",
    "germanywestcentral": "GermanyWC",
    "norwayeast": "NorwayE",
    "norwaywest": "NorwayW",
    "southeastasia": "SoutheastAsia",
    "switzerlandnorth": "SwitzerlandN",
    "switzerlandwest": "SwitzerlandW",
}
"""Regions whose tag is not simply the words of their name."""

_WORDS = (
    *("australia", "brazil", "canada", "chile", "europe", "india", "indonesia", "israel", "italy", "japan", "jio"),
    *("korea", "malaysia", "mexico", "newzealand", "poland", "qatar", "southafrica", "spain", "sweden", "austria"),
    *("belgium", "denmark", "taiwan", "usgov", "usdod", "uae", "uk", "us", "asia", "arizona", "texas", "virginia"),
    *("central", "east", "north", "south", "west"),
)
_CAPITALS = {
    "usgov": "USGov",
    "usdod": "USDoD",
    "uae": "UAE",
    "uk": "UK",
    "us": "US",
    "newzealand": "NewZealand",
    "southafrica": "SouthAfrica",
}


def service_tag(service: str, location: str) -> str:
    """Return the tag of a service in a region (``Storage.EastUS``), or its worldwide one where the region is not known.

    The wider tag lets in no one: it only reaches the same service elsewhere.
    """
    region = _TAGS.get(location) or _spelt(location)
    return f"{service}.{region}" if region else service


def _spelt(location: str) -> str:
    """Return a region's name as its tag spells it: ``eastus2`` is EastUS2; empty where a part of it is not known."""
    rest, number = location.rstrip("0123456789"), location[len(location.rstrip("0123456789")) :]
    parts = []
    while rest:
        word = next((word for word in sorted(_WORDS, key=len, reverse=True) if rest.startswith(word)), "")
        if not word:
            return ""
        parts.append(_CAPITALS.get(word, word.capitalize()))
        rest = rest[len(word) :]
    return "".join(parts) + number
