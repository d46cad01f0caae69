"""Who is told of what: alerts on changes of what protects the environment, and Microsoft Defender for Cloud."""

from __future__ import annotations

from collections.abc import Iterator

from azure.mgmt.monitor.models import (
    ActionGroup,
    ActionGroupResource,
    ActionList,
    ActivityLogAlertResource,
    AlertRuleAllOfCondition,
    AlertRuleAnyOfOrLeafCondition,
    EmailReceiver,
)

from lockdown.provisioner.graph import Body, Resource, Step, reference
from lockdown.provisioner.site import Site
from lockdown.provisioner.wire import wire

_GROUPS_VERSION = "2023-01-01"
_ALERTS_VERSION = "2020-10-01"
_PLANS_VERSION = "2024-01-01"
_CONTACTS_VERSION = "2023-12-01-preview"
_THEME = "told"
_CHANGED = (
    *("Microsoft.Authorization/locks", "Microsoft.Authorization/policyAssignments"),
    *("Microsoft.Authorization/roleAssignments", "Microsoft.Insights/diagnosticSettings"),
    *("Microsoft.KeyVault/vaults", "Microsoft.Network/networkSecurityGroups"),
    *("Microsoft.Network/networkSecurityGroups/securityRules", "Microsoft.Network/publicIPAddresses"),
    *("Microsoft.Network/routeTables", "Microsoft.Network/routeTables/routes"),
    *("Microsoft.Security/policies", "Microsoft.Security/securitySolutions"),
)
"""The types whose changes and deletions somebody is told of."""

_PLANS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "VirtualMachines": (
        "P2",
        ("MdeDesignatedSubscription", "AgentlessVmScanning", "FileIntegrityMonitoring"),
        "by the machine and hour",
    ),
    "StorageAccounts": (
        "DefenderForStorageV2",
        ("OnUploadMalwareScanning", "SensitiveDataDiscovery"),
        "by the account and hour, and by the GB scanned",
    ),
    "KeyVaults": ("PerKeyVault", (), "by the vault and month"),
    "Arm": ("PerSubscription", (), "by the subscription and month"),
    "OpenSourceRelationalDatabases": ("", (), "by the server and hour"),
    "Containers": (
        "",
        ("ContainerRegistriesVulnerabilityAssessments", "ContainerSensor", "AgentlessDiscoveryForKubernetes"),
        "by the core and hour",
    ),
    "CloudPosture": ("", (), "by the resource and month"),
}
"""The plans of Defender for what the environment has: each plan's kind, extensions and cost."""


def steps(site: Site) -> Iterator[Step]:
    """Yield the alerts, the contact of the subscription, and the plans of Defender that watch the environment."""
    yield _group(site)
    for changed in _CHANGED:
        for verb in ("write", "delete"):
            yield _alert(site, f"{changed}/{verb}")
    yield _contact(site)
    for plan in _PLANS:
        yield _plan(site, plan)


def _group(site: Site) -> Resource:
    receiver = EmailReceiver(
        name="security", email_address=site.environment.monitoring.contact, use_common_alert_schema=True
    )
    group = ActionGroupResource(
        location="global", tags=site.tags, group_short_name="security", enabled=True, email_receivers=[receiver]
    )
    return Resource(
        "action-group",
        _THEME,
        site.in_group("Microsoft.Insights/actionGroups", "security"),
        _GROUPS_VERSION,
        wire(group),
        needs=("group",),
    )


def _alert(site: Site, operation: str) -> Resource:
    category = "Security" if operation.startswith("Microsoft.Security/") else "Administrative"
    alert = ActivityLogAlertResource(
        location="global",
        tags=site.tags,
        scopes=[f"/subscriptions/{site.subscription}"],
        condition=AlertRuleAllOfCondition(
            all_of=[
                AlertRuleAnyOfOrLeafCondition(field="category", equals=category),
                AlertRuleAnyOfOrLeafCondition(field="operationName", equals=operation),
            ]
        ),
        actions=ActionList(
            action_groups=[ActionGroup(action_group_id=reference("action-group"), webhook_properties={})]
        ),
        enabled=True,
        description=f"Tells of {operation}.",
    )
    name = operation.removeprefix("Microsoft.").replace("/", "-").lower()
    return Resource(
        f"alert/{name}",
        _THEME,
        site.in_group("Microsoft.Insights/activityLogAlerts", name),
        _ALERTS_VERSION,
        wire(alert),
        needs=("group",),
    )


def _contact(site: Site) -> Resource:
    properties: Body = {
        "emails": site.environment.monitoring.contact,
        "isEnabled": True,
        "notificationsByRole": {"state": "On", "roles": ["Owner"]},
        "notificationsSources": [
            {"sourceType": "Alert", "minimalSeverity": "Medium"},
            {"sourceType": "AttackPath", "minimalRiskLevel": "Critical"},
        ],
    }
    scope = f"/subscriptions/{site.subscription}/providers/Microsoft.Security/securityContacts/default"
    return Resource("contact", _THEME, scope, _CONTACTS_VERSION, {"properties": properties}, remove=False)


def _plan(site: Site, plan: str) -> Resource:
    kind, extensions, cost = _PLANS[plan]
    properties: Body = {"pricingTier": "Standard"}
    if kind:
        properties["subPlan"] = kind
    if extensions:
        properties["extensions"] = [{"name": name, "isEnabled": "True"} for name in extensions]
    return Resource(
        f"defender/{plan}",
        _THEME,
        f"/subscriptions/{site.subscription}/providers/Microsoft.Security/pricings/{plan}",
        _PLANS_VERSION,
        {"properties": properties},
        seconds=10,
        cost=f"{cost}, for the whole subscription",
        kept=frozenset({"properties.extensions"}),
        remove=False,
    )
