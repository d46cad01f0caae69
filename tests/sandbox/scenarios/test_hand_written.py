"""What a provision leaves is what was written by hand, but for what is listed here, each with its reason."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lockdown.sandbox.back_references import complete
from lockdown.sandbox.scenarios import build
from tests.sandbox import saved

TENANT = "7a1f2c52-43a6-4f0e-9c53-9d6f0b0a7d41"
_MASKS = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b", "*"),
    (r"\d{4}-\d\d-\d\dt[0-9:.]+z", "TIME"),
    (r"(?<![a-z0-9])coa(2f19379a|b4d2cb1)", "BASE"),
    (r"(?<=base-)[0-9a-f]{8}\b", "*"),
    (r"(aks-nodepool1|aks-agentpool)-\d+", r"\1-*"),
    (r"\b10\.1\.3\.\d+\b(?!/)", "ADDRESS"),
    (r"203\.0\.113\.\d+", "PUBLIC"),
)

NAMES = {
    "/networkwatchers/networkwatcher_eastus/flowlogs/": "several environments can share a region's Network Watcher",
    "/subscriptions/*/providers/microsoft.insights/diagnosticsettings/": "a subscription can have several environments",
}
"""What the environment names differently."""

ONLY_PROVISIONED = {
    "/features/encryptionathost": "registered by the run",
    "/soa/@": "every zone has one",
    "/pe-vault/privatednszonegroups/default": "records written by hand go stale with the endpoint",
}
ONLY_BY_HAND = {
    "/locations/eastus/kubernetesversions/default": "the sandbox answers by itself what a region offers",
    "/flexibleservers/base-pg/configurations/": "as Azure makes them: read without being written",
}
PROPERTIES = {
    ".tags": "owned",
    "._apiVersion": "the version of the package that wrote it",
    "._endpoint": "the sandbox's own",
    "._scopeId": "the sandbox's own",
    "locks .properties.notes": "the owner of the environment is asked, not a team",
    "roleAssignments .properties.": "null where nothing was given, or left out: both are read as nothing",
    "batchAccounts .properties.encryption.keyVaultProperties.keyIdentifier": "without a version, it follows rotation",
    "virtualMachineScaleSets .sku.name": "the size of the environment's file",
    "managedClusters .properties.agentPoolProfiles[].vmSize": "the size of the environment's file",
    "flexibleServers .sku.": "the size of the environment's file",
    "managedClusters .properties.agentPoolProfiles[].currentOrchestratorVersion": "the version that the region offers",
    "managedClusters .properties.agentPoolProfiles[].orchestratorVersion": "the version that the region offers",
    "managedClusters .properties.currentKubernetesVersion": "the version that the region offers",
    "managedClusters .properties.kubernetesVersion": "the version that the region offers",
    "managedClusters .properties.networkProfile.": "by hand they lay within the network: services must overlap nothing",
    "azureFirewalls .properties.threatIntelMode": "the policy says Deny; the firewall's own is the default",
    "ruleCollectionGroups .properties.ruleCollections[].rules[].targetFqdns[]": "hosts of add-ons that the cluster has",
    "networkSecurityGroups .properties.securityRules[]": "hosts have no service tag: what is behind decides by name",
    "A .properties.metadata": "of the vault: written by its zone group",
    "A .properties.ttl": "of the vault: written by its zone group",
    "privateEndpoints .properties.customDnsConfigs": "of the vault: its zone group writes the record",
    "privateEndpoints .properties.ipVersionType": "shown by newer versions",
    "virtualNetworks .properties.privateEndpointVNetPolicies": "shown by newer versions",
    "virtualNetworks .properties.flowLogs[]": "its name",
    "virtualNetworks .properties.subnets[].properties.delegations[].properties.actions[]": "of the service",
    "virtualNetworks .properties.subnets[].properties.serviceAssociationLinks": "by hand the server was not shown",
    "virtualNetworks .properties.subnets[].properties.ipConfigurations": "by hand the nodes were not shown",
    "pricings .properties.extensions": "none, or left out: both are read as nothing",
}
"""Type and path of what differs, and why."""


def shown(text: str) -> str:
    for pattern, instead in _MASKS:
        text = re.sub(pattern, instead, text, flags=re.IGNORECASE)
    return text


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, f"{path}[]")
    else:
        yield shown(path), shown(str(value)).lower() if str(value).startswith("/") else shown(str(value))


def by_id(documents: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for document in documents:
        found.setdefault(shown(document["id"]).lower(), []).append(document)
    return found


def test_a_provision_reaches_what_was_written_by_hand() -> None:
    written = by_id(complete(build("coa-private", tenant=TENANT, options={}).documents))
    made = by_id(json.loads(saved.text().replace(saved.TENANT, TENANT))["documents"])
    unlike = {
        key for key in made.keys() - written.keys() if not any(name in key for name in {**NAMES, **ONLY_PROVISIONED})
    }
    unlike |= {
        key for key in written.keys() - made.keys() if not any(name in key for name in {**NAMES, **ONLY_BY_HAND})
    }
    for key in made.keys() & written.keys():
        one, other = (Counter(leaf for document in side[key] for leaf in leaves(document)) for side in (made, written))
        paths = {path for path, _ in (one - other) + (other - one)}
        kind = written[key][0]["type"].rpartition("/")[2]
        unlike |= {
            f"{key}: {kind} {path}"
            for path in paths
            if not any(f"{kind} {path}".startswith(known) or path.startswith(known) for known in PROPERTIES)
        }
    assert unlike == set()
    assert len(made.keys() & written.keys()) > 230
