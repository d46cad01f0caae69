"""Tenants, subscriptions, locations and resource groups."""

import copy
import re
from typing import Any
from uuid import uuid4

from lockdown.sandbox import envelope, policies
from lockdown.sandbox.arm_error import ArmError, group_not_found
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.listing import page, parse_filter
from lockdown.sandbox.locations import regions
from lockdown.sandbox.providers import kind_of
from lockdown.sandbox.resource_id import GROUP_TYPE, SUBSCRIPTION_TYPE, normal_location
from lockdown.sandbox.resources import check_locks, remove_document
from lockdown.sandbox.state import Document, visible

_GROUP = "Microsoft.Resources/subscriptions/resourceGroups"
_DELETE_SECONDS = 60.0
_GROUP_NAME = re.compile(r"[-\w._()]{1,90}(?<!\.)")
_GROUP_MEMBERS = frozenset({"id", "name", "type", "location", "tags", "managedBy", "properties"})


def subscription_document(tenant: str, subscription: str, name: str) -> Document:
    """Return the document of a subscription."""
    return {
        "id": f"/subscriptions/{subscription}",
        "type": SUBSCRIPTION_TYPE,
        "name": name,
        "subscriptionId": subscription,
        "tenantId": tenant,
        "displayName": name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    }


def tenants(call: Call) -> Answer:
    """Answer GET /tenants."""
    tenant = call.state.tenant
    shown = {"id": f"/tenants/{tenant}", "tenantId": tenant, "tenantCategory": "Home", "displayName": "Sandbox"}
    return Answer(200, {"value": [{**shown, "countryCode": "US", "domains": [], "tenantType": "AAD"}]})


def subscriptions(call: Call) -> Answer:
    """Answer GET /subscriptions: those in which the caller can read anything at the top."""
    found = [
        document
        for document in call.state.documents()
        if document.get("type") == SUBSCRIPTION_TYPE and _sees(call, str(document["id"]))
    ]
    answer = page(call, found, _subscription)
    return Answer(200, {**answer, "count": {"type": "Total", "value": len(found)}})


def subscription(call: Call, scope: str) -> Answer:
    """Answer GET on one subscription."""
    call.demand(f"{SUBSCRIPTION_TYPE}/read", scope)
    return Answer(200, _subscription(call.state.get(scope) or {}))


def locations(call: Call, scope: str) -> Answer:
    """Answer GET on the locations of a subscription."""
    call.demand("Microsoft.Resources/subscriptions/locations/read", scope)
    value = [
        {
            "id": f"{scope}/locations/{name}",
            "name": name,
            "type": "Region",
            "displayName": shown,
            "regionalDisplayName": shown,
            "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
        }
        for name, shown in regions(call.settings.cloud).items()
    ]
    return Answer(200, {"value": value})


def groups(call: Call, scope: str) -> Answer:
    """Answer GET on the resource groups of a subscription: those that the caller can read."""
    if not call.state.exists(scope) or not _sees(call, scope):
        call.demand(f"{_GROUP}/read", scope)
    test = parse_filter(call.query.get("$filter", ""))
    found = [
        document
        for document in call.state.below(scope)
        if str(document.get("type", "")).lower() == GROUP_TYPE.lower()
        and test(document)
        and call.state.can_read(call.principal, str(document["id"]))
    ]
    return Answer(200, page(call, found, lambda document: _group_view(call, document)))


def group(call: Call, scope: str, name: str) -> Answer:
    """Answer any method on one resource group."""
    verb = {"GET": "read", "HEAD": "read", "DELETE": "delete"}.get(call.method, "write")
    call.demand(f"{_GROUP}/{verb}", scope)
    document = call.state.get(scope)
    if call.method == "HEAD":
        return Answer(404 if document is None else 204)
    if call.method == "PUT":
        return _put_group(call, scope, name, document)
    if document is None:
        raise group_not_found(name)
    if call.method == "DELETE":
        return _delete_group(call, document)
    if call.method == "PATCH":
        body = call.document()
        _check_group_members(body)
        merged = copy.deepcopy(document) | {key: body[key] for key in ("tags", "managedBy") if key in body}
        call.state.put(merged, **call.who(f"{_GROUP}/write"))
        document = merged
    return Answer(200, _group_view(call, document))


def _put_group(call: Call, scope: str, name: str, previous: Document | None) -> Answer:
    body = call.document()
    _check_group_members(body)
    if not _GROUP_NAME.fullmatch(name):
        raise ArmError(
            400,
            "InvalidResourceGroup",
            f"The provided resource group name '{name}' has these invalid characters. The name can only be a letter, "
            "digit, '-', '.', '(', ')' or '_', at most 90 of them, and not end with a period.",
        )
    location = normal_location(str(body.get("location") or ""))
    if not location:
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    if location not in regions(call.settings.cloud):
        raise ArmError(
            400,
            "LocationNotAvailableForResourceGroup",
            f"The provided location '{location}' is not available for resource group. List of available regions is "
            f"'{','.join(regions(call.settings.cloud))}'.",
        )
    if previous and previous["location"] != location:
        raise ArmError(
            409,
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{location}'. The Resource group already exists in location "
            f"'{previous['location']}'.",
        )
    if call.operations.pending(scope) is not None:
        raise ArmError(409, "ResourceGroupBeingDeleted", f"The resource group '{name}' is in deprovisioning state.")
    document: Document = {
        "id": previous["id"] if previous else scope,
        "name": previous["name"] if previous else name,
        "type": GROUP_TYPE,
        "location": location,
    }
    document |= {key: body[key] for key in ("tags", "managedBy") if body.get(key) is not None}
    policies.check(call.state.documents(), call.state.get, {**document, "type": _GROUP})
    document["properties"] = {"provisioningState": "Succeeded"}
    document["_etag"] = str(uuid4())
    call.state.put(document, **call.who(f"{_GROUP}/write"))
    return Answer(200 if previous else 201, _group_view(call, document))


def _delete_group(call: Call, document: Document) -> Answer:
    context = call.context(f"{_GROUP}/delete")

    def remove() -> None:
        members = sorted(
            context.state.below(str(document["id"])), key=lambda found: len(str(found["id"])), reverse=True
        )
        for member in members:
            remove_document(context, kind_of(str(member["type"])), copy.deepcopy(member))
        context.state.delete(str(document["id"]), **context.who)

    if call.operations.pending(str(document["id"])) is not None:
        raise ArmError(
            409, "ResourceGroupBeingDeleted", f"The resource group '{document['name']}' is in deprovisioning state."
        )
    check_locks(call, str(document["id"]), "delete")
    if call.settings.instant:
        remove()
        return Answer(200)
    seconds = _DELETE_SECONDS if call.settings.typical else None
    started = call.operations.start(str(document["id"]), "Deleting", remove, seconds=seconds)
    scope = "/".join(str(document["id"]).split("/")[:3])
    location = f"{call.settings.url}{scope}/operationresults/{started.id}?api-version={call.version}"
    return Answer(202, headers={"Location": location, **call.operations.waiting(started)})


def _check_group_members(body: Document) -> None:
    envelope.check_members(body, _GROUP_MEMBERS, "ResourceGroupDefinition")


def _group_view(call: Call, document: Document) -> Document:
    return envelope.view(call, None, {**document, "type": GROUP_TYPE})


def _subscription(document: Document) -> Document:
    shown: dict[str, Any] = visible(document) or {}
    return {key: value for key, value in shown.items() if key not in ("name", "type")}


def _sees(call: Call, scope: str) -> bool:
    return call.state.sees_any(call.principal, scope)
