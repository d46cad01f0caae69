"""Microsoft.Insights: action groups, and alerts on the activity log.

Source: azure-rest-api-specs, Microsoft.Insights (actionGroups 2023-01-01, activityLogAlerts 2020-10-01).
"""

import re
from typing import Any

from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind, require
from lockdown.sandbox.providers.bodies import at, fill
from lockdown.sandbox.state import Document

_GROUP = "Microsoft.Insights/actionGroups"
_ALERT = "Microsoft.Insights/activityLogAlerts"
_NAMED = {"name": str, "useCommonAlertSchema": bool}
_GROUP_SHAPE = {
    "groupShortName": str,
    "enabled": bool,
    "emailReceivers": [{**_NAMED, "emailAddress": str, "status": None}],
    "smsReceivers": [{"name": str, "countryCode": str, "phoneNumber": str, "status": None}],
    "voiceReceivers": [{"name": str, "countryCode": str, "phoneNumber": str}],
    "azureAppPushReceivers": [{"name": str, "emailAddress": str}],
    "armRoleReceivers": [{**_NAMED, "roleId": str}],
    "webhookReceivers": [
        {
            **_NAMED, "serviceUri": str, "useAadAuth": bool, "objectId": str, "identifierUri": str, "tenantId": str,
            "managedIdentity": str,
        }
    ],
    "logicAppReceivers": [{**_NAMED, "resourceId": str, "callbackUrl": str, "managedIdentity": str}],
    "itsmReceivers": [dict],
    "automationRunbookReceivers": [dict],
    "azureFunctionReceivers": [dict],
    "eventHubReceivers": [dict],
}  # fmt: skip
_LEAF = {"field": str, "equals": str, "containsAny": [str]}
_ALERT_SHAPE = {
    "scopes": [str],
    "condition": {"allOf": [{**_LEAF, "anyOf": [_LEAF]}]},
    "actions": {"actionGroups": [{"actionGroupId": str, "webhookProperties": dict, "actionProperties": dict}]},
    "enabled": bool,
    "description": str,
    "tenantScope": str,
}
_LONGEST_SHORT_NAME = 12
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_NAME = re.compile(r"[^<>%&:\\?/#*+\x00-\x1f]{1,260}")


def _prepare_group(context: Context, document: Document, previous: Document | None) -> None:
    del context
    properties = document["properties"]
    short = str(require(document, "groupShortName"))
    if len(short) > _LONGEST_SHORT_NAME:
        message = f"The short name '{short}' is longer than {_LONGEST_SHORT_NAME} characters."
        raise bad_request(message, target="properties.groupShortName")
    properties.setdefault("enabled", True)
    _check_names(properties)
    known = {item["name"]: item.get("status") for item in at(previous or {}, "properties.emailReceivers") or []}
    for receiver in properties.get("emailReceivers") or []:
        address = str(receiver.get("emailAddress") or "")
        if not _ADDRESS.fullmatch(address):
            raise bad_request(f"'{address}' is not an e-mail address.", target="properties.emailReceivers")
        receiver.setdefault("useCommonAlertSchema", False)
        receiver["status"] = known.get(receiver["name"]) or "Enabled"


def _check_names(properties: Document) -> None:
    seen: set[str] = set()
    for receivers in properties.values():
        for receiver in receivers if isinstance(receivers, list) else ():
            name = str(receiver.get("name") or "")
            if not name or name.lower() in seen:
                raise bad_request(f"Every receiver has a name of its own: '{name}'.", target="properties")
            seen.add(name.lower())


def _prepare_alert(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    properties = document["properties"]
    for scope in require(document, "scopes"):
        if not context.state.exists(str(scope)):
            raise ArmError(404, "ResourceNotFound", f"The scope '{scope}' of the alert was not found.")
    conditions: list[Any] = require(document, "condition", "allOf")
    if not any(str(item.get("field") or "").lower() == "category" for item in conditions):
        raise bad_request("The condition of an activity log alert names a category.", target="properties.condition")
    fill(properties, {"actions": {"actionGroups": []}, "enabled": True})
    for action in properties["actions"]["actionGroups"]:
        told = str(action.get("actionGroupId") or "")
        found = context.state.get(told)
        if found is None or str(found["type"]).lower() != _GROUP.lower():
            raise ArmError(404, "ResourceNotFound", f"The action group '{told}' of the alert was not found.")
        action.setdefault("webhookProperties", {})


KINDS = (
    Kind(_GROUP, _GROUP_SHAPE, name=_NAME, worldwide=True, prepare=_prepare_group),
    Kind(_ALERT, _ALERT_SHAPE, name=_NAME, worldwide=True, prepare=_prepare_alert),
)  # fmt: skip
