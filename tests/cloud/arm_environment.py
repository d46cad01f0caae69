"""A small Azure with one of everything that is read from Azure Resource Manager, and a policy set that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lockdown.data import tree

Document = dict[str, Any]

VAULTS, ACCOUNTS = "Microsoft.KeyVault/vaults", "Microsoft.Storage/storageAccounts"
SUBSCRIPTIONS = "Microsoft.Resources/subscriptions"
SPECS: tuple[dict[str, Any], ...] = tuple(yaml.safe_load((tree("policies") / "arm-reads.yaml").read_bytes())["reads"])
DIAGNOSTICS = "microsoft.insights/diagnosticsettings"
SECRET = "az storage blob upload --account-key very-secret"
_DOCUMENT_OF_VERSIONS = "/providers/Microsoft.ContainerService/locations/eastus/kubernetesVersions/default"


def documents(subscription: str) -> list[Document]:
    """Return resources with children and extensions of every type in arm-reads.yaml."""
    scope = f"/subscriptions/{subscription}"
    group = f"{scope}/resourceGroups/Lab"
    vault, account = f"{group}/providers/{VAULTS}/kv-one", f"{group}/providers/{ACCOUNTS}/stone"
    server = f"{group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg"
    mysql = f"{group}/providers/Microsoft.DBforMySQL/flexibleServers/my"
    machine = f"{group}/providers/Microsoft.Compute/virtualMachines/vm"
    scopes = f"{group}/providers/Microsoft.Insights/privateLinkScopes/ampls"
    endpoint = f"{group}/providers/Microsoft.Network/privateEndpoints/pe"
    identity = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uami"
    workspace = f"{group}/providers/Microsoft.OperationalInsights/workspaces/law"
    cluster = f"{group}/providers/Microsoft.ContainerService/managedClusters"
    setting = "providers/Microsoft.Insights/diagnosticSettings/on"
    return [
        {"id": group, "name": "Lab", "type": "Microsoft.Resources/resourceGroups", "location": "eastus"},
        made(vault),
        made(f"{group}/providers/{VAULTS}/kv-two"),
        made(account, primaryEndpoints=dict.fromkeys(("blob", "file", "queue", "table"), "https://x/")),
        made(server),
        made(mysql),
        made(machine),
        made(scopes),
        made(endpoint),
        made(identity),
        made(workspace),
        made(f"{cluster}/aks-a"),
        made(f"{cluster}/aks-b"),
        part(f"{vault}/{setting}"),
        part(f"{account}/blobServices/default/{setting}"),
        part(f"{scope}/{setting}"),
        part(f"{scope}/providers/Microsoft.Authorization/locks/everything", level="CanNotDelete"),
        part(f"{vault}/providers/Microsoft.Authorization/locks/this", level="ReadOnly"),
        part(f"{account}/blobServices/default/containers/inputs"),
        part(f"{endpoint}/privateDnsZoneGroups/default"),
        part(f"{server}/firewallRules/all"),
        part(f"{server}/configurations/require_secure_transport", value="ON"),
        part(f"{server}/administrators/someone"),
        part(f"{mysql}/configurations/require_secure_transport", value="ON"),
        part(f"{identity}/federatedIdentityCredentials/pod"),
        part(f"{scopes}/scopedResources/law"),
        part(f"{workspace}/tables/AzureActivity"),
        part(f"{machine}/runCommands/set-up", source={"script": SECRET}),
        part(f"{scope}/providers/Microsoft.Security/securityContacts/default", emails="security@example.org"),
        part(f"{group}/providers/Microsoft.Security/locations/eastus/jitNetworkAccessPolicies/default"),
        part(f"{scope}{_DOCUMENT_OF_VERSIONS}", values=[{"version": "1.33"}]),
    ]


def made(resource: str, **properties: object) -> Document:
    """Return a resource that has a place."""
    return {**part(resource, **properties), "location": "eastus"}


def part(resource: str, **properties: object) -> Document:
    """Return a child or an extension."""
    namespace, *rest = resource.rpartition("/providers/")[2].split("/")
    kind = "/".join((namespace, *rest[::2]))
    return {"id": resource, "name": rest[-1], "type": kind, "properties": dict(properties)}


def parents(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the types that the policy of the set reads these items of."""
    if spec["of"] == "applies_to":
        return VAULTS, ACCOUNTS, SUBSCRIPTIONS
    return (SUBSCRIPTIONS,) if spec["of"] == "subscription" else (str(spec["of"]),)


def policy_id(kind: str) -> str:
    """Return the id of the policy that reads items of a type."""
    return "reads-" + kind.lower().replace("microsoft.", "").replace("/", "-")


def policies(root: Path, *types: str, suffix: str = "") -> Path:
    """Write a set of one policy for each item type (all, if none is named): ``pass`` where it was read."""
    for spec in SPECS:
        if types and spec["type"].lower() not in types:
            continue
        kinds = parents(spec)
        reads: dict[str, list[str]] = {}
        for kind in kinds:
            reads.setdefault("resourcecontainers" if kind == SUBSCRIPTIONS else "resources", []).append(kind)
        name = policy_id(spec["type"]) + suffix
        folder = root / "arm" / name
        folder.mkdir(parents=True)
        written = {
            "id": name,
            "title": "It can be read",
            "severity": "low",
            "applies_to": list(kinds),
            "reads": {**reads, "armresources": [spec["type"], "lockdown/reads"]},
            "controls": {"nist-800-53-r5": {"project": ["AC-4"]}},
            "rationale": "Only a test asks this.",
            "remediation": {"text": "None."},
            "azure_policy": [],
        }
        (folder / "policy.yaml").write_text(yaml.safe_dump(written), "utf-8")
        (folder / "query.kql").write_text(_query(spec["type"].lower(), reads), "utf-8")
        (folder / "cases.yaml").write_text("- {name: nothing, tables: {}, expect: []}\n", "utf-8")
    return root


def _query(kind: str, reads: Mapping[str, list[str]]) -> str:
    legs = [
        f"{table} | where type in~ ({', '.join(repr(item.lower()) for item in kinds)})"
        for table, kinds in reads.items()
    ]
    first, rest = legs[0], "".join(f"| union ({leg})\n" for leg in legs[1:])
    return f"""{first}
{rest}| extend key = iff(type == '{ACCOUNTS.lower()}' and '{kind}' == '{DIAGNOSTICS}',
    strcat(tolower(id), '/blobservices/default'), tolower(id))
| join kind=leftouter (
    armresources
    | where type == 'lockdown/reads' and name == '{kind}'
    | project key = managedBy, status = toint(properties.status)
  ) on key
| join kind=leftouter (
    armresources | where type == '{kind}' | summarize number = count() by key = managedBy
  ) on key
| extend shown = tostring(status), items = tostring(number)
| project id, verdict = iff(status == 200, 'pass', 'unknown'), reason = strcat('Status ', shown, '.'),
    expected = '200', observed = strcat(items, ' items')
"""
