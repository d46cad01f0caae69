"""Network Watchers, which Azure makes by itself for every region with a virtual network, and the flow logs in them."""

from collections.abc import Iterator
from uuid import uuid4

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.kind import Context, Kind, Link, require
from lockdown.sandbox.links import find, relink
from lockdown.sandbox.providers.names import check_word, described
from lockdown.sandbox.resource_id import GROUP_TYPE, normal_location
from lockdown.sandbox.state import Document, subscription_of

_WATCHER = "Microsoft.Network/networkWatchers"
_FLOW_LOG = f"{_WATCHER}/flowLogs"
_GROUP = "NetworkWatcherRG"
_TARGETS = ("virtualnetworks", "subnets", "networkinterfaces")
_INTERVALS = (10, 60)
_SHAPE, _WRITTEN = described("FlowLogPropertiesFormat")
_WATCHER_SHAPE, _WATCHER_WRITTEN = described("NetworkWatcherPropertiesFormat", "runningOperationIds")


def watch_region(context: Context, network: Document) -> None:
    """Make the Network Watcher of the region of a virtual network, if its subscription has none there."""
    subscription = f"/subscriptions/{subscription_of(str(network['id']))}"
    location = normal_location(str(network.get("location", "")))
    if any(normal_location(str(found.get("location", ""))) == location for found in _watchers(context, subscription)):
        return
    group = f"{subscription}/resourceGroups/{_GROUP}"
    if not context.state.exists(group):
        context.put(
            {
                "id": group,
                "name": _GROUP,
                "type": GROUP_TYPE,
                "location": location,
                "properties": {"provisioningState": "Succeeded"},
            }
        )
    name = f"NetworkWatcher_{location}"
    context.put(
        {
            "id": f"{group}/providers/{_WATCHER}/{name}",
            "name": name,
            "type": _WATCHER,
            "location": location,
            "properties": {"provisioningState": "Succeeded", "runningOperationIds": []},
            "_etag": str(uuid4()),
            "_apiVersion": network.get("_apiVersion", ""),
        }
    )


def forget(context: Context, target: str) -> None:
    """Remove the flow logs of a virtual network that is gone."""
    prefix = f"{target.lower()}/"
    for document in list(context.state.documents()):
        if str(document.get("type", "")).lower() != _FLOW_LOG.lower():
            continue
        logged = str(document["properties"].get("targetResourceId", "")).lower()
        if logged == target.lower() or logged.startswith(prefix):
            context.delete(document)


def _watchers(context: Context, subscription: str) -> Iterator[Document]:
    for document in context.state.below(subscription):
        if str(document.get("type", "")).lower() == _WATCHER.lower():
            yield document


def _prepare_watcher(context: Context, document: Document, previous: Document | None) -> None:
    location = normal_location(str(document["location"]))
    subscription = f"/subscriptions/{subscription_of(str(document['id']))}"
    for other in _watchers(context, subscription) if previous is None else ():
        if normal_location(str(other.get("location", ""))) == location:
            raise ArmError(
                400,
                "NetworkWatcherCountLimitReached",
                "Cannot create more than 1 network watchers for this subscription in this region: "
                f"{other['id']} is there.",
            )
    document["properties"] |= {"provisioningState": "Succeeded", "runningOperationIds": []}


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    target = str(require(document, "targetResourceId"))
    properties = document["properties"]
    found = find(context.state, target)
    kind = target.rsplit("/", 2)[-2].lower() if target.count("/") > 1 else ""
    if kind not in _TARGETS or found is None:
        code = "NsgFlowLogCreationBlocked" if kind == "networksecuritygroups" else "InvalidResourceReference"
        raise ArmError(
            400,
            code,
            f"The target {target} of flow log {document['id']} must be a virtual network, a subnet or a network "
            "interface that exists. Logs of network security groups can no longer be created.",
        )
    holder, part = found
    location = normal_location(str(document.get("location") or _watcher_location(context, document)))
    document["location"] = location
    if normal_location(str(holder.get("location", location))) != location:
        raise ArmError(
            400,
            "FlowLogTargetResourceInDifferentRegion",
            f"The target {target} and flow log {document['id']} must be in the same region.",
        )
    _refuse_second(context, document, target)
    _check_storage(context, document, location)
    if previous is None:
        properties["targetResourceGuid"] = (part.get("properties") or {}).get("resourceGuid", str(uuid4()))
    elif str(previous["properties"].get("targetResourceId", "")).lower() != target.lower():
        raise ArmError(400, "FlowLogTargetCannotBeChanged", f"The target of flow log {document['id']} is fixed.")
    properties.setdefault("enabled", True)
    properties["retentionPolicy"] = {"days": 0, "enabled": False, **(properties.get("retentionPolicy") or {})}
    properties["format"] = {"type": "JSON", "version": 2, **(properties.get("format") or {})}
    check_word(document, "properties.format.type", properties["format"]["type"], ("JSON",))
    _check_analytics(context, document)
    properties["provisioningState"] = "Succeeded"


def _watcher_location(context: Context, document: Document) -> str:
    watcher = context.state.get(str(document["id"]).rsplit("/", 2)[0]) or {}
    return str(watcher.get("location", ""))


def _refuse_second(context: Context, document: Document, target: str) -> None:
    for other in context.state.documents():
        same = str(other.get("type", "")).lower() == _FLOW_LOG.lower() and other["id"] != document["id"]
        if same and str(other["properties"].get("targetResourceId", "")).lower() == target.lower():
            raise ArmError(
                400,
                "FlowLogAlreadyExistsForTarget",
                f"The target {target} already has the flow log {other['id']}; it can have only one.",
            )


def _check_storage(context: Context, document: Document, location: str) -> None:
    storage = str(require(document, "storageId"))
    account = context.state.get(storage)
    if account is None:
        raise ArmError(400, "InvalidStorageId", f"The storage account {storage} of a flow log was not found.")
    if normal_location(str(account.get("location", ""))) != location:
        raise ArmError(
            400,
            "StorageAccountInDifferentRegion",
            f"The storage account {storage} must be in the region of the flow log, {location}.",
        )


def _check_analytics(context: Context, document: Document) -> None:
    given = (document["properties"].get("flowAnalyticsConfiguration") or {}).get(
        "networkWatcherFlowAnalyticsConfiguration"
    ) or {}
    if not given.get("enabled"):
        return
    workspace = context.state.get(str(given.get("workspaceResourceId", "")))
    if workspace is None:
        raise ArmError(
            400,
            "InvalidTAWorkspaceResourceId",
            f"The workspace {given.get('workspaceResourceId', '')} for traffic analytics was not found.",
        )
    region = normal_location(str(workspace.get("location", "")))
    if normal_location(str(given.get("workspaceRegion") or region)) != region:
        raise ArmError(
            400,
            "InvalidTAWorkspaceRegion",
            f"The specified region {given['workspaceRegion']} for workspace is invalid. Workspace {workspace['id']} "
            f"located in {region} region.",
        )
    known = str((workspace.get("properties") or {}).get("customerId", ""))
    if known and str(given.get("workspaceId") or known).lower() != known.lower():
        raise ArmError(
            400,
            "InvalidTAWorkspaceId",
            f"The workspace id {given['workspaceId']} is not that of workspace {workspace['id']}.",
        )
    given |= {"workspaceRegion": region, "workspaceId": known or given.get("workspaceId", "")}
    given.setdefault("trafficAnalyticsInterval", 60)
    if given["trafficAnalyticsInterval"] not in _INTERVALS:
        raise ArmError(
            400,
            "InvalidTrafficAnalyticsInterval",
            f"The interval {given['trafficAnalyticsInterval']} of traffic analytics is not one of 10 and 60 minutes.",
        )


def _links(document: Document) -> frozenset[Link]:
    target = str(document["properties"].get("targetResourceId") or "")
    shown = target.lower().rsplit("/", 2)[-2:-1] == ["virtualnetworks"]
    return frozenset({Link(target, "flowLogs", str(document["id"]))} if shown else ())


def _watcher_removed(context: Context, document: Document) -> None:
    for found in context.state.documents():
        logs = (found.get("properties") or {}).get("flowLogs") or []
        for log in logs:
            if str(log.get("id", "")).lower().startswith(f"{str(document['id']).lower()}/"):
                gone = {"id": log["id"], "properties": {"targetResourceId": found["id"]}}
                relink(context, _LOG_KIND, None, gone)


_LOG_KIND = Kind(
    _FLOW_LOG, _SHAPE, computed=_WRITTEN, tracked=False, create="async", update="async", delete="async", seconds=20,
    etag=True, prepare=_prepare, links=_links,
)  # fmt: skip
KINDS = (
    Kind(
        _WATCHER, _WATCHER_SHAPE, computed=_WATCHER_WRITTEN, patch="tags", delete="async", seconds=10, etag=True,
        prepare=_prepare_watcher, removed=_watcher_removed,
    ),
    _LOG_KIND,
)  # fmt: skip
