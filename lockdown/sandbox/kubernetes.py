"""The versions of Kubernetes that AKS offers."""

from typing import Any

from lockdown.sandbox.state import State

_PLANS = ("KubernetesOfficial", "AKSLongTermSupport")
_OFFERED = (
    ("1.32", False, _PLANS[1:]),
    ("1.33", False, _PLANS),
    ("1.34", True, _PLANS),
    ("1.35", False, _PLANS),
)


def offered(state: State, subscription: str, location: str) -> dict[str, Any]:
    """Return what AKS offers in a location: the properties of the scenario's document, or a fixed list."""
    at = f"/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}"
    document = state.get(f"{at}/kubernetesVersions/default") or {}
    return document.get("properties") or {"values": [_version(*line) for line in _OFFERED]}


def resolve(state: State, subscription: str, location: str, wanted: str, plan: str) -> tuple[str, str] | None:
    """Return the version (minor or patch, as asked for) and the patch that runs; None if it is not offered.

    Without a version asked for, it is the default one.
    """
    for value in offered(state, subscription, location)["values"]:
        patches = sorted(value["patchVersions"], key=lambda text: [int(part) for part in text.split(".")])
        minor = str(value["version"])
        if plan not in value["capabilities"]["supportPlan"]:
            continue
        if wanted in patches:
            return wanted, wanted
        if wanted == minor or (not wanted and value.get("isDefault")):
            return minor, patches[-1]
    return None


def _version(version: str, default: bool, plans: tuple[str, ...]) -> dict[str, object]:
    return {
        "version": version,
        "isDefault": default or None,
        "isPreview": None,
        "capabilities": {"supportPlan": list(plans)},
        "patchVersions": {f"{version}.{patch}": {"upgrades": []} for patch in (4, 5)},
    }
