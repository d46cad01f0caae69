"""Every byte of a small real run, flipped in turn, makes verify fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from lockdown import run
from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import keys, root_file, trust, verify
from lockdown.evidence.files import MemoryFiles

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
LIMIT = 32 * 1024
POLICY = """\
id: kv-pna-disabled
title: Key vaults refuse public network access
severity: critical
applies_to: [Microsoft.KeyVault/vaults]
reads: {resources: [Microsoft.KeyVault/vaults]}
controls:
  nist-800-53-r5: {project: [SC-7]}
rationale: Secrets must not be reachable from the Internet.
remediation:
  text: Disable public network access.
  command: az keyvault update --ids {resource} --public-network-access Disabled
azure_policy: []
absent_passes: {}
"""
QUERY = """\
resources
| where type == 'microsoft.keyvault/vaults'
| extend state = tostring(properties.publicNetworkAccess)
| extend verdict = iff(state =~ 'Disabled', 'pass', 'fail')
| project id, verdict, reason = strcat('Public network access is ', state, '.'), expected = 'Disabled', observed = state
"""
FRAMEWORK = """\
id: nist-800-53-r5
title: NIST SP 800-53 Rev. 5
source: NIST
controls:
  SC-7: Boundary Protection
"""


class Quiet:
    """Hears nothing."""

    def stage(self, text: str) -> None: ...

    def rows(self, table: str, arrived: int, total: int) -> None: ...


def small_run(folder: Path, tsa: str | None = None) -> tuple[dict[str, bytes], trust.TrustRoot]:
    policy = folder / "policies/public-network-access/kv-pna-disabled"
    policy.mkdir(parents=True)
    (policy / "policy.yaml").write_text(POLICY, "utf-8")
    (policy / "query.kql").write_text(QUERY, "utf-8")
    cases = "".join(
        f"- name: {state} {verdict}\n  tables:\n    resources:\n"
        f"      - {{id: {vault('v')}, type: microsoft.keyvault/vaults, properties: {{publicNetworkAccess: {state}}}}}\n"
        f"  expect:\n    - {{resource: {vault('v')}, part: '', verdict: {verdict}}}\n"
        for state, verdict in (("Disabled", "pass"), ("Enabled", "fail"))
    )
    (policy / "cases.yaml").write_text(cases, "utf-8")
    frameworks = folder / "policies/frameworks"
    frameworks.mkdir()
    (frameworks / "nist-800-53-r5.yaml").write_text(FRAMEWORK, "utf-8")
    path = (
        "paths:\n  - {path: properties.secret, reason: a secret}\nmarks:\n  - {pattern: AccountKey=, reason: a key}\n"
    )
    (folder / "policies/redaction.yaml").write_text(path, "utf-8")
    (folder / "policies/drift-noise.yaml").write_text("rules: []\n", "utf-8")
    (folder / "policies/arm-reads.yaml").write_text("reads: []\n", "utf-8")
    snapshot = folder / "snapshot.json"
    rows = [
        {"id": vault(n), "type": "microsoft.keyvault/vaults", "properties": {"publicNetworkAccess": state}}
        for n, state in (("open", "Enabled"), ("closed", "Disabled"))
    ]
    snapshot.write_text(json.dumps(rows), "utf-8")
    keys.generate(folder / "keys")
    wanted = run.Wanted(
        snapshot=snapshot,
        policies=folder / "policies",
        out=folder / "run",
        key=f"file:{folder}/keys/private.pem",
        tsa=tsa,
    )
    run.audit(wanted, Quiet())
    files = {str(p.relative_to(folder / "run")): p.read_bytes() for p in (folder / "run").rglob("*") if p.is_file()}
    return files, root_file.load(folder / "keys/trust-root.json")


def vault(name: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/{name}"


def test_it_is_handed_over_and_judged_again_from_the_bundle(tmp_path: Path) -> None:
    small_run(tmp_path)
    bundle, trusted = str(tmp_path / "bundle.zip"), str(tmp_path / "keys/trust-root.json")
    assert lockdown(["bundle", str(tmp_path / "run"), "--out", bundle]) == Exit.OK
    assert lockdown(["verify", bundle, "--trust", trusted, "--replay"]) == Exit.OK


def test_every_byte_counts(tmp_path: Path) -> None:
    files, root = small_run(tmp_path)
    sizes = {name: len(data) for name, data in files.items()}
    now = datetime.now(UTC)
    assert verify.verify(MemoryFiles(files), root, now=now).exit_code is Exit.OK
    assert sum(sizes.values()) <= LIMIT, sizes
    unnoticed = []
    for name, data in files.items():
        for at in range(len(data)):
            flipped = data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]
            if verify.verify(MemoryFiles({**files, name: flipped}), root, now=now).exit_code is Exit.OK:
                unnoticed.append((name, at))
    assert unnoticed == []
