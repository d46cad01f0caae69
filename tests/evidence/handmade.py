"""A small run made by hand, as lockdown audit would leave it, and the keys that sign it."""

from __future__ import annotations

import io
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from lockdown import record
from lockdown.evidence import archive, es256, root_edit, root_file, trust
from lockdown.evidence.checks import policy_set_digest
from lockdown.evidence.dsse import wrap
from lockdown.evidence.files import MemoryFiles
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.ledger import Mark
from lockdown.evidence.verify import Verification, verify
from lockdown.strict import canonical, loads

MADE = datetime.now(UTC)
NOW = MADE + timedelta(hours=1)
"""When tests verify: after everything that they seal, however long the suite takes to get there."""
SUBSCRIPTION = "6c0d2a2e-3c1f-4a55-9a31-5f4a9d1f2b10"
TENANT = "0a6f1d3c-91b4-4d0e-8e66-1f0a7b3c5d21"
STORAGE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-coa/providers/Microsoft.Storage/storageAccounts/coadata"
PUBLIC_CLOUD = {
    "name": "AzureCloud",
    "resourceManager": "https://management.azure.com",
    "authority": "login.microsoftonline.com",
}
LOCAL_CLOUD = {"name": "127.0.0.1", "resourceManager": "https://127.0.0.1:8443", "authority": "127.0.0.1:8443"}
QUERY = "policies/public-network-access/storage-pna-disabled/query.kql"
QUERY_TEXT = b"resources\n| project id\n"
COUNTED = ("pass", "fail", "waived", "notApplicable", "unknown", "manual")

Json = dict[str, Any]


def counts(**stated: int) -> dict[str, int]:
    return dict.fromkeys(COUNTED, 0) | {key.rstrip("_"): number for key, number in stated.items()}


def policy(policy_id: str, verdict: str, **stated: int) -> Json:
    return {"id": policy_id, "verdict": verdict, "title": "Storage is closed", "counts": counts(**stated)}


def result(policy_id: str, verdict: str, **more: Any) -> Json:
    return {"policy": policy_id, "resource": STORAGE, "part": "", "verdict": verdict, "reason": "It is.", **more}


POLICIES = (
    policy("storage-pna-disabled", "fail", fail=1, waived=1, pass_=1),
    policy("vnet-no-public-ip", "notObserved"),
)
RESULTS = (
    result("storage-pna-disabled", "pass"),
    result("storage-pna-disabled", "fail", part="blob"),
    result(
        "storage-pna-disabled",
        "fail",
        part="file",
        waiver={"reason": "Migration.", "owner": "platform", "expires": "2026-03-01"},
    ),
)


def run_object(**changes: Any) -> Json:
    return {
        "runId": "2026-01-02T03-04-05Z-6c0d2a2e",
        "tool": {"name": "lockdown", "version": "0.1.0"},
        "startedAt": "2026-01-02T03:04:05Z",
        "finishedAt": "2026-01-02T03:05:00Z",
        "evaluatedAt": "2026-01-02T03:04:50Z",
        "source": "live",
        "cloud": PUBLIC_CLOUD,
        "tenant": TENANT,
        "scope": {
            "subscriptions": [{"id": SUBSCRIPTION, "name": "Genomics"}],
            "requested": {"subscriptions": [SUBSCRIPTION], "managementGroups": []},
        },
        "identity": "5b0c2a3e-7a51-4f0c-8d0b-2f6c1f5f9a10",
        "complete": True,
        "unreadable": [],
        "outcome": "nonCompliant",
        "counts": counts(fail=1, waived=1, pass_=1) | {"notObserved": 1},
        "policySet": {"digest": policy_set_digest({QUERY: sha256(QUERY_TEXT).hexdigest()}), "count": 2},
        "resources": {"total": 1, "byType": {"microsoft.storage/storageaccounts": 1}, "unjudged": []},
        "engine": {"name": "duckdb-kql", "version": "1.1.2"},
        "redactions": 0,
        "warnings": [],
        **changes,
    }


def write_run(
    directory: Path, *, policies: Iterable[Json] = POLICIES, results: Iterable[Json] = RESULTS, **changes: Any
) -> Path:
    """Make an unsealed run; ``changes`` are fields of its run object."""
    contents = {
        "report/report.html": b"<!doctype html><title>Report</title>\n",
        "inputs/scope.json": b"{}\n",
        "inputs/boundary.json": b"{}\n",
        "inputs/waivers.json": b"[]\n",
        "inputs/requests.jsonl": b'{"method":"POST","status":200}\n',
        "inputs/snapshot/resources.jsonl": canonical({"id": STORAGE}) + b"\n",
        QUERY: QUERY_TEXT,
    }
    for name, data in contents.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    (directory / "results").mkdir()
    record.write(directory / "results/results.json", run_object(**changes), policies, results)
    return directory


def memory(directory: Path) -> dict[str, bytes]:
    """Every file of a run by name."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def signer(key: ec.EllipticCurvePrivateKey | None = None) -> FileSigner:
    """A key that is nowhere on a disk."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    return FileSigner(Path("/nowhere/private.pem"), es256.key_id(key.public_key()), key)


def public_pem(of: FileSigner) -> str:
    return of.public_pem


def root(of: FileSigner, *, lab: bool = False, now: datetime = MADE) -> trust.TrustRoot:
    """A first trust root for the key of ``of``."""
    return trust.new_root(public_pem(of), lab=lab, now=now)


def signed_root(of: trust.TrustRoot, *by: FileSigner, threshold: int = 1) -> bytes:
    """The file of a trust root that ``by`` may change, signed by all of them."""
    keys = root_edit.root_keys(by, threshold)
    return root_file.signed(of.model_copy(update={"root": keys}), by)


def changed_root(original: trust.TrustRoot, **changes: Any) -> trust.TrustRoot:
    """A trust root with other fields; those of its one key begin with ``key_``."""
    value = loads(trust.written(original), name="trust root")
    for name, change in changes.items():
        if name.startswith("key_"):
            value["keys"][0][name.removeprefix("key_")] = change
        else:
            value[name] = change
    return trust.parse(canonical(value), name="trust root")


def check(contents: Mapping[str, bytes], accepted: trust.TrustRoot | None, **options: Any) -> Verification:
    """Verify a run held in memory."""
    return verify(MemoryFiles(contents), accepted, **{"now": NOW, **options})


def archived(contents: Mapping[str, bytes]) -> bytes:
    """The bundle of a run held in memory."""
    made = io.BytesIO()
    archive.write(MemoryFiles(contents), made)
    return made.getvalue()


def failures(found: Verification) -> list[str]:
    """The names of the checks that failed."""
    return [entry.name for entry in found.checks if entry.mark is Mark.FAILED]


def payload(envelope: bytes) -> bytes:
    """The signed bytes of an envelope."""
    return b64decode(loads(envelope, name="envelope")["payload"])


def resigned(envelope: bytes, by: FileSigner, **changes: Any) -> bytes:
    """An envelope with top-level fields of its statement changed, signed again."""
    return wrap(canonical(loads(payload(envelope), name="payload") | changes), by)
