"""A small policy set of one policy, to be spoilt by each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

FOLDER = "public-network-access/storage-closed"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
STORAGE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts"

POLICY = """\
id: storage-closed
title: Storage accounts refuse public network access
severity: critical
applies_to: [Microsoft.Storage/storageAccounts]
reads:
  resources: [Microsoft.Storage/storageAccounts]
controls:
  nist: {microsoft: [AC-4], project: [SC-7]}
rationale: Data is in it.
remediation:
  text: Disable it.
  command: az storage account update --ids {resource} --public-network-access Disabled
azure_policy: []
"""

QUERY = """\
resources
| where type =~ 'microsoft.storage/storageaccounts'
| extend access = tostring(properties.publicNetworkAccess)
| project
    id,
    verdict = iff(access =~ 'Disabled', 'pass', 'fail'),
    reason = iff(access =~ 'Disabled', 'It is closed.', 'It is open.'),
    expected = 'Disabled',
    observed = access
"""

CASES = f"""\
- name: closed
  tables:
    resources:
      - {{id: {STORAGE}/a, type: Microsoft.Storage/storageAccounts, properties: {{publicNetworkAccess: Disabled}}}}
  expect:
    - {{resource: {STORAGE}/A, verdict: pass, reason: closed}}
- name: absent means open
  tables:
    resources:
      - {{id: {STORAGE}/a, type: Microsoft.Storage/storageAccounts, properties: {{}}}}
  expect:
    - {{resource: {STORAGE}/a, verdict: fail}}
"""

NIST = """\
id: nist
title: NIST
source: SP 800-53
controls:
  AC-4: Information Flow Enforcement
  SC-7: Boundary Protection
"""

BASELINE = """\
id: baseline
title: A baseline
source: A profile of NIST
derives_from: nist
controls: [SC-7]
"""

HIPAA = """\
id: hipaa
title: HIPAA
source: 45 CFR 164
controls:
  164.312(e)(2)(ii): {title: Encryption, implementation: addressable}
"""

ARM_READS = """\
reads:
  - type: Microsoft.Insights/diagnosticSettings
    of: applies_to
    path: "{parent}/providers/Microsoft.Insights/diagnosticSettings"
    form: list
    api_version: "2021-05-01-preview"
    children:
      Microsoft.Storage/storageAccounts:
        - {path: blobServices/default, needs: properties.primaryEndpoints.blob}
  - type: Microsoft.Authorization/locks
    of: subscription
    path: "{parent}/providers/Microsoft.Authorization/locks"
    form: list
    api_version: "2020-05-01"
"""

REDACTION = """\
paths:
  - {path: properties.Secret.*.value, types: [Microsoft.Web/sites], reason: It is one.}
marks:
  - {pattern: AccountKey=, reason: It looks like one.}
"""

Spoil = Callable[..., Path]
