"""Microsoft.Insights/diagnosticSettings: which logs of a resource or a subscription go where.

Source: azure-rest-api-specs, Microsoft.Insights diagnosticSettings 2021-05-01-preview; Microsoft Learn, "Diagnostic
settings in Azure Monitor", "Supported log categories".
"""

import re
from collections.abc import Mapping
from typing import Any

from lockdown.sandbox.arm_error import ArmError, bad_request
from lockdown.sandbox.kind import Context, Kind
from lockdown.sandbox.links import find
from lockdown.sandbox.providers.bodies import fill
from lockdown.sandbox.resource_id import parse
from lockdown.sandbox.state import Document

_TYPE = "Microsoft.Insights/diagnosticSettings"
_KEPT = {"enabled": bool, "days": int}
_SHAPE = {
    **dict.fromkeys(
        (
            "storageAccountId", "workspaceId", "serviceBusRuleId", "eventHubAuthorizationRuleId", "eventHubName",
            "marketplacePartnerId", "logAnalyticsDestinationType",
        ),
        str,
    ),
    "logs": [{"category": str, "categoryGroup": str, "enabled": bool, "retentionPolicy": _KEPT}],
    "metrics": [{"category": str, "timeGrain": str, "enabled": bool, "retentionPolicy": _KEPT}],
}  # fmt: skip
_SINKS: Mapping[str, str] = {
    "workspaceId": "microsoft.operationalinsights/workspaces",
    "storageAccountId": "microsoft.storage/storageaccounts",
    "eventHubAuthorizationRuleId": "",
    "serviceBusRuleId": "",
    "marketplacePartnerId": "",
}
"""The property that names a destination, to its type; '' where nothing is known of it."""
_SILENT = (*_SINKS, "eventHubName", "logAnalyticsDestinationType")
_STORAGE = ("StorageRead", "StorageWrite", "StorageDelete")
_ACTIVITY = (
    "Administrative", "Security", "ServiceHealth", "Alert", "Recommendation", "Policy", "Autoscale", "ResourceHealth",
)  # fmt: skip
_CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "microsoft.resources/subscriptions": _ACTIVITY,
    "microsoft.batch/batchaccounts": ("ServiceLog", "ServiceLogs", "AuditLog"),
    "microsoft.containerregistry/registries": ("ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"),
    "microsoft.containerservice/managedclusters": (
        "kube-apiserver", "kube-audit", "kube-audit-admin", "kube-controller-manager", "kube-scheduler",
        "cluster-autoscaler", "cloud-controller-manager", "guard", "csi-azuredisk-controller",
        "csi-azurefile-controller", "csi-snapshot-controller", "karpenter-events",
    ),
    "microsoft.dbforpostgresql/flexibleservers": (
        "PostgreSQLLogs", "PostgreSQLFlexSessions", "PostgreSQLFlexQueryStoreRuntime",
        "PostgreSQLFlexQueryStoreWaitStats", "PostgreSQLFlexTableStats", "PostgreSQLFlexDatabaseXacts",
        "PostgreSQLFlexPGBouncer",
    ),
    "microsoft.keyvault/vaults": ("AuditEvent", "AzurePolicyEvaluationDetails"),
    "microsoft.network/azurefirewalls": (
        "AzureFirewallApplicationRule", "AzureFirewallNetworkRule", "AzureFirewallDnsProxy", "AZFWNetworkRule",
        "AZFWApplicationRule", "AZFWNatRule", "AZFWThreatIntel", "AZFWIdpsSignature", "AZFWDnsQuery",
        "AZFWFqdnResolveFailure", "AZFWFatFlow", "AZFWFlowTrace", "AZFWApplicationRuleAggregation",
        "AZFWNetworkRuleAggregation", "AZFWNatRuleAggregation", "AZFWDnsAdditional",
    ),
    "microsoft.network/bastionhosts": ("BastionAuditLogs",),
    "microsoft.network/networksecuritygroups": ("NetworkSecurityGroupEvent", "NetworkSecurityGroupRuleCounter"),
    "microsoft.operationalinsights/workspaces": ("Audit", "SummaryLogs", "Jobs"),
    "microsoft.storage/storageaccounts": (),
    **{
        f"microsoft.storage/storageaccounts/{service}": _STORAGE
        for service in ("blobservices", "fileservices", "queueservices", "tableservices")
    },
}  # fmt: skip
"""Type to the log categories that it has. A type that is not here may have any."""
_GROUPS = ("allLogs", "audit")
_MOST = 5


def _prepare(context: Context, document: Document, previous: Document | None) -> None:
    target = parse(str(document["id"]))
    scope = target.scope if target is not None else ""
    inner = parse(scope)
    type_ = inner.type.lower() if inner is not None else "microsoft.resources/subscriptions"
    if find(context.state, scope) is None:
        raise ArmError(404, "ResourceNotFound", f"The resource '{scope}' of the diagnostic setting was not found.")
    _check_sinks(context, document)
    properties = document["properties"]
    entries = [*(properties.get("logs") or []), *(properties.get("metrics") or [])]
    if not entries:
        raise bad_request("A diagnostic setting needs at least one log or metric.", target="properties.logs")
    for entry in properties.get("logs") or []:
        _check_log(entry, type_)
    _check_others(context, document, scope, new=previous is None)
    _complete(properties, whole=inner is None)


def _check_sinks(context: Context, document: Document) -> None:
    given = {name: str(document["properties"][name]) for name in _SINKS if document["properties"].get(name)}
    if not given:
        raise bad_request("At least one data sink needs to be specified.", target="properties")
    for name, resource_id in given.items():
        found, type_ = context.state.get(resource_id), _SINKS[name]
        if type_ and (found is None or str(found["type"]).lower() != type_):
            raise ArmError(
                400,
                "ResourceNotFound",
                f"The data sink '{resource_id}' of the diagnostic setting was not found.",
                f"properties.{name}",
            )


def _check_log(entry: Document, type_: str) -> None:
    category, group = entry.get("category"), entry.get("categoryGroup")
    if bool(category) == bool(group):
        raise bad_request("A log has either a category or a category group.", target="properties.logs")
    known = _CATEGORIES.get(type_)
    if group and str(group).lower() not in {name.lower() for name in _GROUPS}:
        raise ArmError(400, "BadRequest", f"Category group '{group}' is not supported.")
    if category and known is not None:
        proper = {name.lower(): name for name in known}.get(str(category).lower())
        if proper is None:
            raise ArmError(400, "BadRequest", f"Category '{category}' is not supported.")
        entry["category"] = proper


def _check_others(context: Context, document: Document, scope: str, *, new: bool) -> None:
    """Refuse a sixth setting, and a second one that sends the same category to the same place."""
    own = str(document["id"]).lower()
    others = [
        found
        for found in context.state.below(scope)
        if str(found.get("type", "")).lower() == _TYPE.lower()
        and str(found["id"]).lower() != own
        and str(found["id"]).lower().startswith(f"{scope}/providers/microsoft.insights/diagnosticsettings/".lower())
    ]
    if new and len(others) >= _MOST:
        raise ArmError(400, "BadRequest", f"A resource has at most {_MOST} diagnostic settings.")
    wanted = _sent(document)
    for other in others:
        for sink, category in sorted(wanted & _sent(other)):
            raise ArmError(
                409,
                "Conflict",
                f"Data sink '{sink}' is already used in diagnostic setting '{other['name']}' for category "
                f"'{category}'. Data sinks can't be reused in different settings on the same category for the same "
                "resource.",
            )


def _sent(document: Document) -> set[tuple[str, str]]:
    properties = document["properties"]
    sinks = [str(properties[name]).lower() for name in _SINKS if properties.get(name)]
    sent = [
        str(entry.get("category") or entry.get("categoryGroup"))
        for entry in (*(properties.get("logs") or []), *(properties.get("metrics") or []))
        if entry.get("enabled")
    ]
    return {(sink, category) for sink in sinks for category in sent}


def _complete(properties: Document, *, whole: bool) -> None:
    """Write what Azure answers; the logs of a subscription (``whole``) have no retention of their own."""
    kept: dict[str, Any] = {} if whole else {"retentionPolicy": {"enabled": False, "days": 0}}
    for name in _SILENT:
        properties.setdefault(name, None)
    properties.setdefault("metrics", [])
    properties.setdefault("logs", [])
    for log in properties["logs"]:
        log.setdefault("category", None)
        log.setdefault("categoryGroup", None)
        fill(log, {"enabled": False, **kept})
    for metric in properties["metrics"]:
        fill(metric, {"enabled": False, **kept})


KINDS = (
    Kind(_TYPE, _SHAPE, tracked=False, name=re.compile(r"[^*<>%&:\\?+/]{1,260}"), prepare=_prepare),
)  # fmt: skip
