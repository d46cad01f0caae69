"""Application Insights components, and the Azure Monitor private link scopes that they and workspaces are members of.

Source: azure-rest-api-specs, Microsoft.Insights (components 2020-02-02, privateLinkScopes 2021-07-01-preview);
Microsoft Learn, "Design your Azure Private Link setup" (limits of a scope).
"""

import copy
import re
from uuid import uuid4

from lockdown.sandbox import defaults
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, require
from lockdown.sandbox.providers import connections
from lockdown.sandbox.providers.bodies import at, choose, fill, stamp
from lockdown.sandbox.providers.private_endpoints import reflect
from lockdown.sandbox.resource_id import parse
from lockdown.sandbox.state import Document, subscription_of

_COMPONENT = "microsoft.insights/components"
_SCOPE = "microsoft.insights/privateLinkScopes"
_SCOPED = f"{_SCOPE}/scopedResources"
_WORKSPACE = "microsoft.operationalinsights/workspaces"
_ACCESS = ("Enabled", "Disabled", "SecuredByPerimeter")
_COMPUTED = frozenset(
    {
        "ApplicationId", "AppId", "Name", "InstrumentationKey", "CreationDate", "TenantId", "HockeyAppToken",
        "provisioningState", "ConnectionString", "LaMigrationDate", "PrivateLinkScopedResources", "Ver",
    }
)  # fmt: skip
_SHAPE = {
    **dict.fromkeys(
        (
            "Application_Type", "Flow_Type", "Request_Source", "HockeyAppId", "WorkspaceResourceId", "IngestionMode",
            "publicNetworkAccessForIngestion", "publicNetworkAccessForQuery",
        ),
        str,
    ),
    **dict.fromkeys(
        ("DisableIpMasking", "ImmediatePurgeDataOn30Days", "DisableLocalAuth", "ForceCustomerStorageForProfiler"), bool
    ),
    "RetentionInDays": int,
    "SamplingPercentage": None,
    **dict.fromkeys(_COMPUTED),
}  # fmt: skip
_OPEN = {"publicNetworkAccessForIngestion": "Enabled", "publicNetworkAccessForQuery": "Enabled"}
_MEMBERS = {_WORKSPACE: ("privateLinkScopedResources", "resourceId", "scopeId"),
            _COMPONENT: ("PrivateLinkScopedResources", "ResourceId", "ScopeId")}  # fmt: skip
"""Type to the property by which a member shows its scopes, and the two names in it."""
_COLLECTION = "microsoft.insights/datacollectionendpoints"
_MOST_SCOPES = 100
_OWN_NAME = re.compile("/providers/microsoft.insights/", re.IGNORECASE)


def _spell(document: Document, type_: str) -> None:
    """Write type and id as this provider does, whatever the request's path did."""
    document["type"] = type_
    document["id"] = _OWN_NAME.sub("/providers/microsoft.insights/", str(document["id"]))


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    _spell(document, _COMPONENT)
    document.setdefault("kind", "web")
    choose(document, "Application_Type", "web", "other")
    choose(document, "publicNetworkAccessForIngestion", *_ACCESS)
    choose(document, "publicNetworkAccessForQuery", *_ACCESS)
    properties = document["properties"]
    workspace_id = str(require(document, "WorkspaceResourceId"))
    workspace = context.state.get(workspace_id)
    if workspace is None or str(workspace["type"]).lower() != _WORKSPACE:
        raise ArmError(
            400,
            "WorkspaceNotFound",
            f"The workspace '{workspace_id}' of the component was not found. Classic components are retired.",
            "properties.WorkspaceResourceId",
        )
    fill(properties, {**defaults.COMPONENT, **_OPEN})
    if previous is None:
        properties |= {
            "ApplicationId": document["name"],
            "AppId": str(uuid4()),
            "CreationDate": stamp(context),
            "TenantId": subscription_of(str(document["id"])),
            "Ver": "v2",
        }
    properties["provisioningState"] = "Succeeded"


def _prepare_scope(context: Context, document: Document, previous: Document | None) -> None:
    del context
    _spell(document, _SCOPE)
    for mode in ("ingestionAccessMode", "queryAccessMode"):
        require(document, "accessModeSettings", mode)
        choose(document, f"accessModeSettings.{mode}", "Open", "PrivateOnly")
    fill(document["properties"], {"accessModeSettings": {"exclusions": []}, "privateEndpointConnections": []})
    document["_scopeId"] = (previous or {}).get("_scopeId") or str(uuid4())
    document["properties"]["provisioningState"] = "Succeeded"


def _scope_applied(context: Context, document: Document, previous: Document | None) -> None:
    reflect(context, document, previous)


def _scope_removable(context: Context, document: Document) -> None:
    if at(document, "properties.privateEndpointConnections"):
        raise ArmError(
            409,
            "CannotDeleteResource",
            f"The private link scope '{document['name']}' has private endpoints; they have to go first.",
        )
    del context


def _scope_removed(context: Context, document: Document) -> None:
    """Members no longer show a scope that is gone; what named them went with it."""
    for member in list(context.state.documents()):
        if str(member.get("type", "")).lower() in _MEMBERS:
            _leave(context, copy.deepcopy(member), str(document["id"]))


def _prepare_scoped(context: Context, document: Document, previous: Document | None) -> None:
    _spell(document, _SCOPED)
    linked = str(require(document, "linkedResourceId"))
    member, target = context.state.get(linked), parse(linked)
    type_ = target.type.lower() if target is not None else ""
    if member is None or type_ not in (*_MEMBERS, _COLLECTION):
        raise ArmError(
            400,
            "InvalidLinkedResource",
            f"The linked resource '{linked}' was not found, or is none of workspace, component and data collection "
            "endpoint.",
            "properties.linkedResourceId",
        )
    known = str(at(previous or {}, "properties.linkedResourceId") or linked)
    if known.lower() != linked.lower():
        raise ArmError(409, "Conflict", f"The scoped resource '{document['name']}' is linked to '{known}' for good.")
    scope = str(document["id"]).rpartition("/scopedResources/")[0]
    for other in context.state.below(scope):
        is_other = str(other["id"]).lower() != str(document["id"]).lower()
        if is_other and str(at(other, "properties.linkedResourceId") or "").lower() == linked.lower():
            raise ArmError(409, "Conflict", f"'{linked}' is in the private link scope already, as '{other['name']}'.")
    if context.operations.pending(scope) is not None:
        raise ArmError(409, "Conflict", f"Another operation on the private link scope '{scope}' is in progress.")
    _check_room(context, member, type_, scope)
    document["properties"]["provisioningState"] = "Succeeded"


def _check_room(context: Context, member: Document, type_: str, scope: str) -> None:
    slot, resource, _ = _MEMBERS.get(type_, ("", "", ""))
    held = [item for item in at(member, f"properties.{slot}") or [] if str(item[resource]).lower() != scope.lower()]
    most = context.limit("private-link-scopes-of-one", _MOST_SCOPES)
    if len(held) >= most:
        raise ArmError(
            400, "LimitReached", f"'{member['id']}' is in {most} private link scopes, the most there can be."
        )


def _scoped_applied(context: Context, document: Document, previous: Document | None) -> None:
    del previous
    scope = context.state.get(str(document["id"]).rpartition("/scopedResources/")[0]) or {}
    member = context.state.get(str(document["properties"]["linkedResourceId"]))
    if member is None or str(member["type"]).lower() not in _MEMBERS:
        return
    slot, resource, number = _MEMBERS[str(member["type"]).lower()]
    listed = member["properties"].setdefault(slot, [])
    if all(str(item[resource]).lower() != str(scope["id"]).lower() for item in listed):
        listed.append({resource: scope["id"], number: scope.get("_scopeId") or str(uuid4())})
        context.put(member)


def _scoped_removed(context: Context, document: Document) -> None:
    member = context.state.get(str(document["properties"].get("linkedResourceId")))
    if member is not None and str(member["type"]).lower() in _MEMBERS:
        _leave(context, member, str(document["id"]).rpartition("/scopedResources/")[0])


def _leave(context: Context, member: Document, scope: str) -> None:
    slot, resource, _ = _MEMBERS[str(member["type"]).lower()]
    listed = member["properties"].get(slot) or []
    left = [item for item in listed if str(item.get(resource, "")).lower() != scope.lower()]
    if len(left) == len(listed):
        return
    member["properties"][slot] = left
    if not left:
        del member["properties"][slot]
    context.put(member)


_ANY_NAME = re.compile(r"[^%&\\?/<>#:\s]{1,255}")
KINDS = (
    Kind(_COMPONENT, _SHAPE, computed=_COMPUTED, name=_ANY_NAME, prepare=_prepare),
    Kind(
        _SCOPE,
        {
            "accessModeSettings": {"ingestionAccessMode": str, "queryAccessMode": str, "exclusions": [dict]},
            "privateEndpointConnections": None, "provisioningState": None,
        },
        computed=frozenset({"privateEndpointConnections", "provisioningState"}), name=_ANY_NAME, worldwide=True,
        delete="async", seconds=15, prepare=_prepare_scope, applied=_scope_applied, removable=_scope_removable,
        removed=_scope_removed,
    ),
    Kind(
        _SCOPED, {"linkedResourceId": str, "provisioningState": None, "kind": str, "subscriptionLocation": str},
        computed=frozenset({"provisioningState"}), name=_ANY_NAME, tracked=False, create="async", update="async",
        delete="async", seconds=20, prepare=_prepare_scoped, applied=_scoped_applied, removed=_scoped_removed,
    ),
    connections.kind(_SCOPE),
)  # fmt: skip
