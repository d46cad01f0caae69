"""Records made by hand: a stock Cromwell-on-Azure deployment, and one where every text is hostile."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lockdown import record
from lockdown.record import Record

SUBSCRIPTION = "6c0d2a2e-3c1f-4a55-9a31-5f4a9d1f2b10"
TENANT = "0a6f1d3c-91b4-4d0e-8e66-1f0a7b3c5d21"
KEY_ID = "3f786850e387550fdab836ed7e6dc881de23001b5c2a9d7c1f6b0a4e8d93c7f2"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-coa"
FRAMEWORKS = [
    {
        "id": "fedramp-moderate-r5",
        "title": "FedRAMP Moderate (Rev. 5)",
        "source": "The OSCAL profile.",
        "whole": True,
        "derivesFrom": "nist-800-53-r5",
        "controls": [{"id": "AC-4"}, {"id": "SC-8"}],
    },
    {
        "id": "hipaa",
        "title": "HIPAA Security Rule",
        "source": "45 CFR Part 164, Subpart C.",
        "whole": True,
        "controls": [
            {
                "id": "164.312(a)(1)",
                "title": "Access control",
                "implementation": "standard",
                "claimed": "It shows part.",
            },
            {"id": "164.312(e)(2)(ii)", "title": "Encryption", "implementation": "addressable"},
        ],
    },
    {
        "id": "nist-800-53-r5",
        "title": "NIST SP 800-53 Rev. 5",
        "source": "The publication.",
        "whole": False,
        "controls": [
            {"id": "AC-4", "title": "Information Flow Enforcement"},
            {"id": "SC-7(5)", "title": "Boundary Protection | Deny by Default", "claimed": "It decides what gets in."},
            {"id": "SC-8", "title": "Transmission Confidentiality and Integrity"},
        ],
    },
]
KINDS = ("pass", "fail", "waived", "notApplicable", "unknown", "manual")
ORDER = ("fail", "unknown", "manual", "pass", "notApplicable")

Json = dict[str, Any]


def policy(policy_id: str, title: str, **changes: Any) -> Json:
    return {
        "id": policy_id,
        "theme": "public-network-access",
        "title": title,
        "severity": "high",
        "appliesTo": ["microsoft.storage/storageaccounts"],
        "controls": [
            {"framework": "nist-800-53-r5", "id": "AC-4", "basis": "microsoft"},
            {"framework": "nist-800-53-r5", "id": "SC-7(5)", "basis": "project"},
            {"framework": "hipaa", "id": "164.312(a)(1)", "basis": "project"},
        ],
        "rationale": "Workflow inputs and outputs hold health data, and a public endpoint lets a leaked key read them.",
        "remediation": "Approve a private endpoint first, then close the public one.",
        "command": "az storage account update --ids {resource} --public-network-access Disabled",
        "builtIns": [],
        "engine": "snapshot",
        **changes,
    }


def result(policy_id: str, resource: str, verdict: str, **changes: Any) -> Json:
    return {
        "policy": policy_id,
        "resource": resource,
        "part": "",
        "verdict": verdict,
        "severity": "high",
        "reason": "Public network access is enabled." if verdict == "fail" else "Public network access is disabled.",
        "expected": "Disabled",
        "observed": "Enabled" if verdict == "fail" else "Disabled",
        **changes,
    }


def counted(results: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    found = Counter("waived" if r.get("waiver") else r["verdict"] for r in results)
    return {kind: found[kind] for kind in KINDS}


def finished(made: Json, results: list[Json]) -> Json:
    """Add to a policy what its results decide."""
    own = [r for r in results if r["policy"] == made["id"]]
    worst = next(
        (v for v in ORDER if any(r["verdict"] == v for r in own)), "unknown" if "error" in made else "notObserved"
    )
    return {**made, "verdict": worst, "counts": counted(own)}


def run_object(policies: list[Json], results: list[Json], **changes: Any) -> Json:
    counts = counted(results)
    doubtful = counts["unknown"] or any("error" in p for p in policies) or changes.get("unreadable")
    types = Counter(r["resource"].split("/providers/")[-1].rsplit("/", 1)[0].lower() for r in results)
    return {
        "runId": "20260102T030405Z-6c0d2a2e",
        "tool": {"name": "lockdown", "version": "0.1.0"},
        "startedAt": "2026-01-02T03:04:05Z",
        "finishedAt": "2026-01-02T03:04:17Z",
        "evaluatedAt": "2026-01-02T03:04:16Z",
        "source": "live",
        "cloud": {
            "name": "AzureCloud",
            "resourceManager": "https://management.azure.com",
            "authority": "login.microsoftonline.com",
        },
        "tenant": TENANT,
        "scope": {
            "subscriptions": [{"id": SUBSCRIPTION, "name": "genomics-research"}],
            "managementGroups": [],
            "requested": {"subscriptions": [SUBSCRIPTION], "managementGroups": []},
        },
        "complete": not doubtful,
        "unreadable": [],
        "outcome": "indeterminate" if doubtful else "nonCompliant" if counts["fail"] else "compliant",
        "counts": {**counts, "notObserved": sum(p["verdict"] == "notObserved" for p in policies)},
        "policySet": {
            "digest": "9b74c9897bac770ffc029102a200c5de6c3f5a2f1f1b7f7c2f3d4e5a6b7c8d9e",
            "count": len(policies),
        },
        "frameworks": FRAMEWORKS,
        "resources": {"total": sum(types.values()), "byType": dict(types), "unjudged": []},
        "engine": {"name": "duckdb", "version": "2.0.0"},
        "redactions": 0,
        "warnings": [],
        "partial": False,
        **changes,
    }


def write(path: Path, policies: list[Json], results: list[Json], **run: Any) -> Record:
    complete = [finished(p, results) for p in policies]
    record.write(path, run_object(complete, results, **run), complete, results)
    return record.read(path)


def envelope() -> bytes:
    """Return the form of a signed run; a report reads its payload and leaves the signature to ``lockdown verify``."""
    return json.dumps(
        {
            "payload": b64encode(b'{"_type":"https://in-toto.io/Statement/v1"}').decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"keyid": KEY_ID, "sig": b64encode(b"0" * 70).decode()}],
        }
    ).encode()


def stock_policies() -> list[Json]:
    vm = {"theme": "public-ip", "appliesTo": ["microsoft.compute/virtualmachines"], "severity": "critical"}
    batch = {"theme": "private-endpoint", "appliesTo": ["microsoft.batch/batchaccounts"]}
    built_in = {
        "guid": "b2982f36-99f2-4db5-8eff-283140c09693",
        "name": "Storage accounts should disable public network access",
        "differs": "",
    }
    return [
        policy(
            "vm-no-public-ip",
            "Virtual machines have no public IP address",
            rationale="A public address puts a host that can read every workflow within reach of the whole Internet.",
            remediation="Remove the address from the network interface; reach the host through Azure Bastion.",
            command="az network nic ip-config update --resource-group {resourceGroup} --nic-name {name}-nic "
            "--name ipconfig1 --remove publicIPAddress",
            **vm,
        ),
        policy(
            "storage-pna-disabled",
            "Storage accounts refuse public network access",
            severity="critical",
            builtIns=[built_in],
        ),
        policy(
            "batch-pe-account",
            "Batch accounts are reached through an approved private endpoint",
            rationale="TES calls the Batch account for every task; without an endpoint those calls cross the Internet.",
            remediation="Create a private endpoint for the sub-resource batchAccount and approve it.",
            command="az network private-endpoint create --name pe-{name} --resource-group {resourceGroup} "
            "--group-id batchAccount --private-connection-resource-id {resource} --vnet-name VNET --subnet SUBNET "
            "--connection-name {name}",
            **batch,
        ),
        policy(
            "batch-pna-disabled",
            "Batch accounts refuse public network access",
            command="az batch account set --name {name} --resource-group {resourceGroup}"
            " --public-network-access Disabled",
            appliesTo=["microsoft.batch/batchaccounts"],
        ),
        policy(
            "law-pna-ingestion",
            "Log Analytics workspaces refuse ingestion from public networks",
            severity="medium",
            appliesTo=["microsoft.operationalinsights/workspaces"],
            command="az monitor log-analytics workspace update --ids {resource} --ingestion-access Disabled",
        ),
        policy("kv-pna-disabled", "Key vaults refuse public network access", appliesTo=["microsoft.keyvault/vaults"]),
        policy("aks-private-cluster", "AKS clusters have a private API server", theme="private-endpoint"),
        policy("mysql-private-path", "MySQL servers are reached through a private path", theme="private-endpoint"),
    ]


def stock_results() -> list[Json]:
    storage = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
    batch = f"{GROUP}/providers/Microsoft.Batch/batchAccounts/coabatch7f3a"
    logs = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/coa-logs"
    waiver = {
        "reason": "Vault import runs until the end of the month.",
        "owner": "platform@research.example",
        "expires": "2026-01-31",
    }
    return [
        result(
            "vm-no-public-ip",
            f"{GROUP}/providers/Microsoft.Compute/virtualMachines/jumpbox",
            "fail",
            severity="critical",
            reason="Network interface jumpbox-nic has the public address 20.51.14.9.",
            expected="no public IP address",
            observed="20.51.14.9",
        ),
        result(
            "storage-pna-disabled",
            f"{storage}/coastore7f3a",
            "fail",
            severity="critical",
            observed="absent (Enabled by default)",
        ),
        result("storage-pna-disabled", f"{storage}/coalogs7f3a", "fail", severity="critical"),
        result("storage-pna-disabled", f"{storage}/coaclosed7f3a", "pass", severity="critical"),
        result(
            "batch-pe-account",
            batch,
            "fail",
            part="batchAccount",
            reason="No private endpoint connection of this account is approved for batchAccount.",
            expected="an approved connection",
            observed="none",
        ),
        result("batch-pna-disabled", batch, "fail"),
        result("law-pna-ingestion", logs, "fail", severity="medium"),
        result("kv-pna-disabled", f"{GROUP}/providers/Microsoft.KeyVault/vaults/coa-kv", "fail", waiver=waiver),
        result(
            "aks-private-cluster",
            f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/coa-aks",
            "pass",
            reason="The API server is private and has no public name.",
        ),
    ]


HOSTILE = {
    "markup": '"><img src=x onerror=alert(1)>',
    "closing": "</script><script>document.title='owned'</script>",
    "style": "</style><style>body{display:none}</style>",
    "template": "{{ run.runId }}{% raw %}",
    "override": "log\u202egpj.exe",
    "zero-width": "coa\u200bstore",
    "newline": "one\nERROR two",
    "terminal": "\x1b[2J\x1b]0;owned\x07",
    "quotes": "a'b\"c`d$(id);e&f|g<h>i",
    "wide": "検査済み",
}


def hostile_results() -> list[Json]:
    return [
        result(
            "storage-pna-disabled",
            f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}",
            "fail",
            part=name,
            severity="critical",
            reason=name,
            expected=name,
            observed=name,
        )
        for name in HOSTILE.values()
    ]


def hostile(path: Path) -> Record:
    texts = "".join(HOSTILE.values())
    hostile_policy = policy(
        "storage-pna-disabled",
        texts,
        severity="critical",
        theme=texts,
        rationale=texts,
        remediation=texts,
        controls=[{"framework": texts, "id": texts, "basis": basis} for basis in (texts, "project")],
        builtIns=[{"guid": texts, "name": texts, "differs": texts}],
        error=texts,
    )
    unseen = policy("unseen", texts, error=texts)
    return write(
        path,
        [hostile_policy, unseen],
        hostile_results(),
        runId=texts,
        tool={"name": texts, "version": texts},
        engine={"name": texts, "version": texts},
        cloud={"name": texts, "resourceManager": texts, "authority": texts},
        tenant=texts,
        identity=texts,
        startedAt=texts,
        finishedAt=texts,
        evaluatedAt=texts,
        scope={"subscriptions": [{"id": texts, "name": texts}], "managementGroups": [texts], "requested": {}},
        unreadable=[{"what": texts, "name": texts, "reason": texts}],
        resources={"total": 1, "byType": {texts: 1}, "unjudged": [texts]},
        policySet={"digest": texts, "count": 2},
        warnings=[texts],
        frameworks=[
            {
                "id": texts,
                "title": texts,
                "source": texts,
                "whole": False,
                "controls": [
                    {"id": texts, "title": texts, "implementation": texts, "claimed": texts},
                    {"id": texts + texts, "title": texts, "implementation": texts, "claimed": texts},
                ],
            }
        ],
    )
