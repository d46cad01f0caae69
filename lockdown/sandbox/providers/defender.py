"""Microsoft.Security: the plans of Defender for Cloud, and whom it tells.

Source: Microsoft Learn, "Pricings - Update" and "Security Contacts - Create".
"""

from typing import Any

from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, one_of, require
from lockdown.sandbox.scenarios.arm.defender import EXTENSIONS, PLANS, SUB_PLANS, images
from lockdown.sandbox.state import Document, subscription_of

_REGISTRY = "microsoft.containerregistry/registries"

_COMPUTED = frozenset(
    {
        "freeTrialRemainingTime", "enablementTime", "resourcesCoverageStatus", "inherited", "inheritedFrom",
        "deprecated", "replacedBy",
    }
)  # fmt: skip
_EXTENSION = {
    "name": str, "isEnabled": str, "additionalExtensionProperties": None, "operationStatus": None,
}  # fmt: skip
_PLAN = {
    "pricingTier": str, "subPlan": str, "enforce": str, "extensions": [_EXTENSION], **dict.fromkeys(_COMPUTED),
}  # fmt: skip
_CONTACT = {
    "emails": str, "phone": str, "isEnabled": bool, "notificationsByRole": {"state": str, "roles": [str]},
    "notificationsSources": [{"sourceType": str, "minimalSeverity": str, "minimalRiskLevel": str}],
}  # fmt: skip


def _prepare_plan(context: Context, document: Document, previous: Document | None) -> None:
    proper = {plan.lower(): plan for plan in PLANS}.get(str(document["name"]).lower())
    if proper is None:
        raise ArmError(400, "InvalidInput", f"There is no plan '{document['name']}'. Plans: {', '.join(PLANS)}.")
    document["name"] = proper
    document["id"] = str(document["id"]).rpartition("/")[0] + f"/{proper}"
    require(document, "pricingTier")
    one_of(document, "pricingTier", ("Free", "Standard"))
    properties = document["properties"]
    if properties["pricingTier"] == "Free":
        document["properties"] = {"pricingTier": "Free", "freeTrialRemainingTime": "P30D"}
        return
    known: dict[str, Any] = (previous or {}).get("properties") or {}
    if proper in SUB_PLANS:
        properties.setdefault("subPlan", known.get("subPlan", SUB_PLANS[proper]))
    elif properties.get("subPlan"):
        raise ArmError(400, "InvalidInput", f"The plan '{proper}' has no sub-plans.", "subPlan")
    given = {str(item.get("name")): item for item in properties.get("extensions") or ()}
    for name in given.keys() - set(EXTENSIONS.get(proper, ())):
        raise ArmError(400, "InvalidInput", f"The plan '{proper}' has no extension '{name}'.", "extensions")
    if proper in EXTENSIONS:
        properties["extensions"] = [
            {"isEnabled": "False", **given.get(name, {"isEnabled": "True"}), "name": name}
            for name in EXTENSIONS[proper]
        ]
    properties |= {
        "freeTrialRemainingTime": "PT0S",
        "enablementTime": known.get("enablementTime") or _now(context),
        "resourcesCoverageStatus": "FullyCovered",
        "inherited": "False",
    }


def _applied_plan(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    if document["name"] != "Containers" or document["properties"]["pricingTier"] != "Standard":
        return
    subscription = f"/subscriptions/{subscription_of(str(document['id']))}"
    for found in list(context.state.below(subscription)):
        if str(found.get("type", "")).lower() == _REGISTRY:
            assess(context, str(found["id"]))


def assess(context: Context, registry_id: str) -> None:
    """Say of a registry, once, that nothing was found in its images: in Azure within a day, here at once."""
    assessment = images(registry_id)
    if not context.state.exists(str(assessment["id"])):
        context.put(assessment)


def _prepare_contact(context: Context, document: Document, previous: Document | None) -> None:
    del context, previous
    if document["name"] != "default":
        raise bad_request("A security contact has the name 'default'.", target="name")
    require(document, "notificationsByRole")
    require(document, "notificationsSources")
    properties = document["properties"]
    properties.setdefault("emails", "")
    properties.setdefault("phone", "")
    properties.setdefault("isEnabled", True)


def _not_removable(context: Context, document: Document) -> None:
    del context
    raise ArmError(405, "MethodNotAllowed", f"The plan '{document['name']}' cannot be deleted; make it Free.")


def _now(context: Context) -> str:
    return context.state.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


KINDS = (
    Kind(
        "Microsoft.Security/pricings", _PLAN, computed=_COMPUTED, tracked=False, prepare=_prepare_plan,
        applied=_applied_plan, removable=_not_removable,
    ),
    Kind("Microsoft.Security/securityContacts", _CONTACT, tracked=False, prepare=_prepare_contact),
)  # fmt: skip
