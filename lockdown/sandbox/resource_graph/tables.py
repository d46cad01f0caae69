"""Which table of Resource Graph holds a document, if any does.

Source: Microsoft Learn, "Azure Resource Graph table and resource type reference" (2025). Tracked top-level types are in
``resources``, as is the list of child types below; everything else that is a child or an extension of a resource is in
no table: diagnostic settings, locks, blob services, containers, zone groups, firewall rules, subnets, security rules.
"""

from collections.abc import Mapping
from typing import Any

from lockdown.sandbox.resource_id import parse

_CHILDREN = {
    "resources": """
        microsoft.automation/automationaccounts/configurations microsoft.automation/automationaccounts/runbooks
        microsoft.app/managedenvironments/certificates microsoft.app/managedenvironments/managedcertificates
        microsoft.cdn/profiles/afdendpoints microsoft.cdn/profiles/endpoints
        microsoft.compute/galleries/applications microsoft.compute/galleries/applications/versions
        microsoft.compute/galleries/images microsoft.compute/galleries/images/versions
        microsoft.compute/hostgroups/hosts
        microsoft.compute/virtualmachines/extensions microsoft.compute/virtualmachines/runcommands
        microsoft.containerregistry/registries/agentpools microsoft.containerregistry/registries/buildtasks
        microsoft.containerregistry/registries/replications microsoft.containerregistry/registries/taskruns
        microsoft.containerregistry/registries/tasks microsoft.containerregistry/registries/webhooks
        microsoft.elasticsan/elasticsans/volumegroups microsoft.hybridcompute/machines/extensions
        microsoft.machinelearningservices/workspaces/batchendpoints
        microsoft.machinelearningservices/workspaces/onlineendpoints
        microsoft.netapp/netappaccounts/capacitypools microsoft.netapp/netappaccounts/capacitypools/volumes
        microsoft.netapp/netappaccounts/snapshotpolicies microsoft.network/dnsresolverpolicies/virtualnetworklinks
        microsoft.network/dnsresolvers/inboundendpoints microsoft.network/dnsresolvers/outboundendpoints
        microsoft.network/networkwatchers/connectionmonitors microsoft.network/networkwatchers/flowlogs
        microsoft.network/privatednszones/virtualnetworklinks microsoft.network/virtualhubs/bgpconnections
        microsoft.network/virtualhubs/ipconfigurations microsoft.sql/managedinstances/databases
        microsoft.sql/servers/databases microsoft.sql/servers/elasticpools microsoft.sql/servers/jobagents
        microsoft.synapse/workspaces/bigdatapools microsoft.synapse/workspaces/kustopools
        microsoft.synapse/workspaces/sqlpools microsoft.web/sites/certificates microsoft.web/sites/slots
    """,
    "appserviceresources": """
        microsoft.web/sites/config microsoft.web/sites/slots/config microsoft.web/sites/workflows
    """,
    "authorizationresources": """
        microsoft.authorization/classicadministrators microsoft.authorization/roleassignments
        microsoft.authorization/roledefinitions
    """,
    "batchresources": "microsoft.batch/batchaccounts/pools",
    "computeresources": """
        microsoft.compute/virtualmachinescalesets/virtualmachines
        microsoft.compute/virtualmachinescalesets/virtualmachines/networkinterfaces
        microsoft.compute/virtualmachinescalesets/virtualmachines/networkinterfaces/ipconfigurations/publicipaddresses
    """,
    "dnsresources": " ".join(
        f"microsoft.network/{zone}/{record}"
        for zone in ("dnszones", "privatednszones")
        for record in ("a", "aaaa", "cname", "mx", "ptr", "soa", "srv", "txt")
    ),
    "insightsresources": "microsoft.insights/datacollectionruleassociations",
    "kubernetesconfigurationresources": """
        microsoft.kubernetesconfiguration/extensions microsoft.kubernetesconfiguration/fluxconfigurations
    """,
    "networkresources": """
        microsoft.network/firewallpolicies/rulecollectiongroups
        microsoft.network/networksecurityperimeters/links microsoft.network/networksecurityperimeters/linkreferences
        microsoft.network/networksecurityperimeters/profiles
        microsoft.network/networksecurityperimeters/profiles/accessrules
        microsoft.network/networksecurityperimeters/resourceassociations
        microsoft.network/networkmanagers/connectivityconfigurations microsoft.network/networkmanagers/networkgroups
        microsoft.network/networkmanagers/securityadminconfigurations
        microsoft.network/networkmanagers/securityadminconfigurations/rulecollections
        microsoft.network/networkmanagers/securityadminconfigurations/rulecollections/rules
    """,
    "policyresources": """
        microsoft.authorization/policyassignments microsoft.authorization/policydefinitions
        microsoft.authorization/policyexemptions microsoft.authorization/policysetdefinitions
    """,
    "securityresources": "microsoft.security/assessments microsoft.security/pricings",
}
_TABLE_OF = {kind: table for table, kinds in _CHILDREN.items() for kind in kinds.split()}
_CONTAINERS = frozenset(
    {
        "microsoft.management/managementgroups",
        "microsoft.resources/subscriptions",
        "microsoft.resources/resourcegroups",
        "microsoft.resources/subscriptions/resourcegroups",
    }
)
_TOP_LEVEL = 2
CHANGES_OF = {
    "resources": "resourcechanges",
    "resourcecontainers": "resourcecontainerchanges",
    "networkresources": "networkresourcechanges",
}


def table_of(document: Mapping[str, Any]) -> str:
    """Return the table that holds a document, or '' when none does."""
    kind = str(document.get("type", "")).lower()
    if kind in _CONTAINERS:
        return "resourcecontainers"
    if kind in _TABLE_OF:
        return _TABLE_OF[kind]
    found = parse(str(document["id"]))
    tracked = (
        found is not None
        and len(kind.split("/")) == _TOP_LEVEL
        and "/providers/" not in found.scope.lower()
        and bool(document.get("location"))
    )
    return "resources" if tracked else ""
