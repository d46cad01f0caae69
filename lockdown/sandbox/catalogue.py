"""The resource providers that the sandbox says it has. Any type in a listed namespace is accepted.

Each namespace has the newest stable API version known to this project; any well-formed version is accepted.
"""

from typing import Any

from lockdown.sandbox import registrations
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.listing import page
from lockdown.sandbox.locations import regions

_TABLE = """
Microsoft.Advisor 2023-01-01 recommendations
Microsoft.AlertsManagement 2023-03-01 smartDetectorAlertRules actionRules
Microsoft.ApiManagement 2022-08-01 service
Microsoft.App 2024-03-01 containerApps managedEnvironments jobs
Microsoft.AppConfiguration 2023-03-01 configurationStores
Microsoft.Authorization 2022-04-01 roleAssignments roleDefinitions locks policyAssignments policyDefinitions
Microsoft.Automation 2023-11-01 automationAccounts
Microsoft.Batch 2024-07-01 batchAccounts batchAccounts/pools batchAccounts/applications
Microsoft.Cache 2023-08-01 redis
Microsoft.Cdn 2024-02-01 profiles
Microsoft.CognitiveServices 2024-10-01 accounts
Microsoft.Compute 2024-07-01 virtualMachines virtualMachines/extensions virtualMachines/runCommands \
virtualMachineScaleSets disks diskEncryptionSets snapshots images galleries availabilitySets
Microsoft.ContainerInstance 2023-05-01 containerGroups
Microsoft.ContainerRegistry 2023-07-01 registries registries/replications registries/webhooks
Microsoft.ContainerService 2024-09-01 managedClusters managedClusters/agentPools locations/kubernetesVersions
Microsoft.DBforMySQL 2023-12-30 flexibleServers flexibleServers/firewallRules
Microsoft.DBforPostgreSQL 2024-08-01 flexibleServers flexibleServers/firewallRules flexibleServers/databases
Microsoft.DataFactory 2018-06-01 factories
Microsoft.Databricks 2024-05-01 workspaces
Microsoft.DocumentDB 2024-11-15 databaseAccounts
Microsoft.EventGrid 2022-06-15 topics systemTopics domains
Microsoft.DevTestLab 2018-09-15 schedules labs
Microsoft.EventHub 2024-01-01 namespaces
Microsoft.Features 2021-07-01 features providers
Microsoft.HealthcareApis 2024-03-31 workspaces
Microsoft.Insights 2020-02-02 components diagnosticSettings actionGroups activityLogAlerts privateLinkScopes
Microsoft.KeyVault 2023-07-01 vaults managedHSMs vaults/keys vaults/secrets
Microsoft.Kusto 2023-08-15 clusters
Microsoft.Logic 2019-05-01 workflows
Microsoft.MachineLearningServices 2024-10-01 workspaces
Microsoft.Maintenance 2023-04-01 maintenanceConfigurations
Microsoft.ManagedIdentity 2023-01-31 userAssignedIdentities userAssignedIdentities/federatedIdentityCredentials
Microsoft.Management 2023-04-01 managementGroups
Microsoft.NetApp 2024-03-01 netAppAccounts
Microsoft.Network 2024-05-01 virtualNetworks virtualNetworks/subnets virtualNetworks/virtualNetworkPeerings \
networkSecurityGroups networkSecurityGroups/securityRules publicIPAddresses publicIPPrefixes networkInterfaces \
privateEndpoints privateEndpoints/privateDnsZoneGroups privateLinkServices routeTables natGateways azureFirewalls \
firewallPolicies bastionHosts loadBalancers applicationGateways virtualNetworkGateways networkWatchers \
networkWatchers/flowLogs networkSecurityPerimeters
Microsoft.Network 2024-06-01 privateDnsZones privateDnsZones/virtualNetworkLinks privateDnsZones/A
Microsoft.OperationalInsights 2023-09-01 workspaces
Microsoft.OperationsManagement 2015-11-01-preview solutions
Microsoft.PolicyInsights 2024-10-01 policyStates remediations
Microsoft.RecoveryServices 2024-10-01 vaults
Microsoft.ResourceGraph 2024-04-01 resources
Microsoft.Resources 2024-11-01 resourceGroups subscriptions deployments deploymentScripts tags
Microsoft.Search 2023-11-01 searchServices
Microsoft.Security 2024-01-01 pricings securityContacts assessments
Microsoft.ServiceBus 2022-10-01-preview namespaces
Microsoft.SignalRService 2024-03-01 signalR
Microsoft.Sql 2021-11-01 servers servers/databases managedInstances
Microsoft.Storage 2024-01-01 storageAccounts storageAccounts/blobServices storageAccounts/blobServices/containers \
storageAccounts/fileServices storageAccounts/privateEndpointConnections storageAccounts/managementPolicies
Microsoft.Synapse 2021-06-01 workspaces
Microsoft.Web 2024-04-01 sites serverFarms staticSites
"""


def _read() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for line in _TABLE.strip().splitlines():
        namespace, version, *types = line.split()
        found.setdefault(namespace.lower(), (namespace, []))[1].extend((type_, version) for type_ in types)
    return found


NAMESPACES = _read()
"""Lower-case namespace to its proper casing and its (type, newest version) pairs."""


def check_namespace(namespace: str) -> None:
    """Refuse a namespace that no provider has.

    Raises:
        ArmError: InvalidResourceNamespace.
    """
    if namespace.lower() not in NAMESPACES:
        raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")


def providers(call: Call, scope: str) -> Answer:
    """Answer GET on the providers of a subscription, or of the tenant."""
    call.demand("Microsoft.Resources/subscriptions/providers/read" if scope else "*/read", scope)
    return Answer(
        200, page(call, [_provider(call, scope, namespace) for namespace in NAMESPACES], lambda document: document)
    )


def provider(call: Call, scope: str, namespace: str) -> Answer:
    """Answer GET on one provider, and POST register or unregister."""
    action = call.path.rpartition("/")[2].lower() if call.method == "POST" else "read"
    verb = "read" if call.method == "GET" else f"{action}/action"
    call.demand(f"{namespace}/{verb}" if call.method == "POST" else "*/read", scope)
    check_namespace(namespace)
    if action == "register":
        registrations.register_provider(call, scope, NAMESPACES[namespace.lower()][0])
    if action == "unregister":
        raise ArmError(409, "CannotUnregisterResourceProvider", f"The provider '{namespace}' stays registered here.")
    return Answer(200, _provider(call, scope, namespace.lower()))


def _provider(call: Call, scope: str, key: str) -> dict[str, Any]:
    namespace, types = NAMESPACES[key]
    return {
        "id": f"{scope}/providers/{namespace}",
        "namespace": namespace,
        "registrationState": registrations.provider_state(call.state, call.settings, scope, namespace),
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [
            {
                "resourceType": type_,
                "locations": list(regions(call.settings.cloud).values()),
                "apiVersions": [version],
                "defaultApiVersion": version,
                "capabilities": "SupportsTags, SupportsLocation",
            }
            for type_, version in types
        ],
    }
