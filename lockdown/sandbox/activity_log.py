"""The activity log of a subscription: what was done to resources, and by whom.

Events are written from what happened to the state; a scenario may hold more, as documents of the type
``Microsoft.Insights/eventtypes/values`` whose ``properties`` are the event.

Source: azure-rest-api-specs, Microsoft.Insights 2015-04-01 (activityLogs_API.json: the few forms of ``$filter``, the
names in ``$select``); Microsoft Learn, "Azure activity log event schema" and its retention of 90 days.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.listing import page
from lockdown.sandbox.resource_id import group_of
from lockdown.sandbox.state import Change, Document, subscription_of

TYPE = "Microsoft.Insights/eventtypes/values"
RETENTION = timedelta(days=90)

_CLAUSE = re.compile(r"(\w+)\s+(eq|ge|le)\s+'((?:[^']|'')*)'", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_CHOICES = frozenset({"resourcegroupname", "resourceuri", "resourceprovider", "correlationid"})
_NAMES = frozenset(
    {
        "authorization", "caller", "category", "claims", "correlationId", "description", "eventDataId", "eventName",
        "eventTimestamp", "httpRequest", "id", "level", "operationId", "operationName", "properties",
        "resourceGroupName", "resourceProviderName", "resourceId", "resourceType", "status", "submissionTimestamp",
        "subStatus", "subscriptionId", "tenantId",
    }
)  # fmt: skip
_NAMESPACE = UUID("9f0c7c53-6f7d-5c2a-8a1e-0d6a2a4f6b1d")
_TICKS_AT_EPOCH = 621_355_968_000_000_000


def events(call: Call, scope: str) -> Answer:
    """Answer GET on the events of a subscription.

    Raises:
        ArmError: the filter is not one of the few that are understood, or begins too long ago.
    """
    call.demand(f"{TYPE}/read", scope)
    since, until, choices = _filter(call)
    chosen = _select(call)
    found = [event for event in _events(call, scope) if _is_meant(event, since, until, choices)]
    answer = page(call, found, lambda event: {name: event[name] for name in event if not chosen or name in chosen})
    return Answer(200, answer)


def _filter(call: Call) -> tuple[datetime, datetime, Mapping[str, str]]:
    text = call.query.get("$filter", "")
    bounds: dict[str, datetime] = {}
    choices: dict[str, str] = {}
    for part in _AND.split(text.strip()):
        match = _CLAUSE.fullmatch(part.strip())
        name, sign, value = (match[1].lower(), match[2].lower(), match[3].replace("''", "'")) if match else ("", "", "")
        if name == "eventtimestamp" and sign in {"ge", "le"}:
            bounds[sign] = _moment(value)
        elif name in _CHOICES and sign == "eq":
            choices[name] = value.lower()
        else:
            raise _refused(f"The filter '{text}' is not supported.")
    now = call.state.clock.now()
    if "ge" not in bounds:
        raise _refused("The filter must name a start time: eventTimestamp ge '...'.")
    if bounds["ge"] < now - RETENTION:
        raise _refused("The start time cannot be more than 90 days in the past.")
    if len(choices) > 1:
        raise _refused(f"The filter '{text}' is not supported: it names more than one of what was done to.")
    return bounds["ge"], bounds.get("le", now), choices


def _select(call: Call) -> frozenset[str]:
    text = call.query.get("$select", "")
    chosen = frozenset(name.strip() for name in text.split(",") if name.strip())
    if unknown := sorted(chosen - _NAMES):
        raise _refused(f"The property '{unknown[0]}' in $select is not one of an event.")
    return chosen


def _events(call: Call, scope: str) -> Iterator[Document]:
    subscription = subscription_of(scope).lower()
    for change in call.state.changes():
        if subscription_of(change.resource_id).lower() == subscription:
            yield _event(change, call.state.tenant)
    for document in call.state.below(scope):
        if str(document.get("type", "")).lower() == TYPE.lower():
            yield {"id": document["id"], "eventDataId": document["name"], **(document.get("properties") or {})}


def _event(change: Change, tenant: str) -> Document:
    moment = change.time.astimezone(UTC)
    words = (change.resource_id.lower(), moment.isoformat(), change.correlation_id, change.operation)
    identity = str(uuid5(_NAMESPACE, "\n".join(words)))
    ticks = _TICKS_AT_EPOCH + int(moment.timestamp() * 10_000_000)
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"
    who = change.principal
    caller = who.name if who.kind == "User" else who.object_id
    namespace = change.operation.partition("/")[0]
    return {
        "id": f"{change.resource_id}/events/{identity}/ticks/{ticks}",
        "eventDataId": identity,
        "authorization": {"action": change.operation, "scope": change.resource_id},
        "caller": caller,
        "claims": {
            "appid": who.client_id,
            "name": who.name,
            "http://schemas.microsoft.com/identity/claims/tenantid": tenant,
        },
        "category": _word("Administrative"),
        "correlationId": change.correlation_id,
        "description": "",
        "eventName": _word("EndRequest"),
        "eventTimestamp": stamp,
        "httpRequest": {"clientRequestId": change.correlation_id, "clientIpAddress": "127.0.0.1"},
        "level": "Informational",
        "operationId": change.correlation_id,
        "operationName": _word(change.operation),
        "properties": {"eventCategory": "Administrative", "entity": change.resource_id},
        "resourceGroupName": group_of(change.resource_id),
        "resourceProviderName": _word(namespace),
        "resourceId": change.resource_id,
        "resourceType": _word(change.type),
        "status": _word("Succeeded"),
        "submissionTimestamp": stamp,
        "subStatus": _word(""),
        "subscriptionId": subscription_of(change.resource_id),
        "tenantId": tenant,
    }


def _is_meant(event: Document, since: datetime, until: datetime, choices: Mapping[str, str]) -> bool:
    happened = _moment(str(event.get("eventTimestamp") or ""))
    return since <= happened <= until and all(_value(event, name) == wanted for name, wanted in choices.items())


def _value(event: Document, choice: str) -> str:
    if choice == "resourceprovider":
        told = (event.get("resourceProviderName") or event.get("operationName") or {}).get("value")
        return str(told or "").partition("/")[0].lower()
    name = {"resourcegroupname": "resourceGroupName", "resourceuri": "resourceId", "correlationid": "correlationId"}
    return str(event.get(name[choice]) or "").lower()


def _word(value: str) -> dict[str, Any]:
    return {"value": value, "localizedValue": value}


def _moment(text: str) -> datetime:
    # Seven digits of a second are common here; Python reads six.
    shortened = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    try:
        found = datetime.fromisoformat(shortened)
    except ValueError:
        raise _refused(f"'{text}' is not a time.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _refused(message: str) -> ArmError:
    return ArmError(400, "BadRequest", message)
