"""A run of any number of results, as lockdown audit leaves it before it is signed: ``python -m benchmarks.sealed``.

``make DIR RESULTS`` writes it, of the policies that ship; ``seal DIR KEY`` signs and seals it, in a process of its own
so that its memory can be measured. ``verify PATH TRUST`` prints the CPU time that verifying takes without the start.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lockdown import data, record
from lockdown.audit import COUNTED
from lockdown.evidence import keys, opening, root_file, seal
from lockdown.evidence.verify import verify
from lockdown.policy import load as policy_load
from lockdown.strict import canonical

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
_TIMES = 16
_MADE = "2026-01-02T03:04:05Z"
_RESULTS_OF_A_RESOURCE = 6
"""As many has the synthetic tenant of the other benchmarks."""


def make(directory: Path, results: int) -> None:
    """Write the run; every tenth result fails."""
    tree = data.tree("policies")
    found = policy_load.load(None, alone=False, translate=False)
    ids = sorted(policy.id for policy in found.policies)
    for name, content in found.files.items():
        path = directory / "policies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (directory / "inputs/snapshot").mkdir(parents=True)
    for name, content in (("scope", b"{}\n"), ("boundary", b"{}\n"), ("waivers", b"[]\n")):
        (directory / f"inputs/{name}.json").write_bytes(content)
    with (directory / "inputs/snapshot/resources.jsonl").open("wb") as file:
        for number in range(results // _RESULTS_OF_A_RESOURCE):
            file.write(canonical(_row(number)) + b"\n")
    (directory / "report").mkdir()
    (directory / "report/report.html").write_bytes(b"<!doctype html><title>Report</title>\n")
    (directory / "results").mkdir()
    per_policy = [len(range(number, results, len(ids))) for number in range(len(ids))]
    listed = list(_results(ids, per_policy))
    failing = [sum(item["verdict"] == "fail" for item in listed if item["policy"] == name) for name in ids]
    policies = [
        _policy(name, count - fails, fails) for name, count, fails in zip(ids, per_policy, failing, strict=True)
    ]
    run = _run(found.digest, len(ids), results - sum(failing), sum(failing))
    record.write(directory / "results/results.json", run, policies, listed)
    assert tree.is_dir()


def _row(number: int) -> dict[str, Any]:
    properties = {f"property{i}": f"value {i} of {number}" for i in range(30)}
    return {"id": _id(number), "name": f"store{number}", "properties": properties, "type": "a.b/c"}


def _id(number: int) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st{number:07d}"


def _results(ids: list[str], per_policy: list[int]) -> Iterator[dict[str, Any]]:
    for name, count in zip(ids, per_policy, strict=True):
        for number in range(count):
            yield {
                "policy": name,
                "resource": _id(number),
                "part": "",
                "verdict": "fail" if number % 10 == 0 else "pass",
                "severity": "high",
                "reason": "Public network access is Disabled, and the default action of the firewall is Deny.",
                "expected": "Disabled",
                "observed": "Disabled",
            }


def _policy(name: str, passes: int, fails: int) -> dict[str, Any]:
    verdict = "fail" if fails else "pass" if passes else "notObserved"
    counts = {**dict.fromkeys(COUNTED, 0), "pass": passes, "fail": fails}
    return {"id": name, "title": name, "verdict": verdict, "severity": "high", "counts": counts, "controls": []}


def _run(digest: str, policies: int, passes: int, fails: int) -> dict[str, Any]:
    return {
        "runId": "benchmark",
        "tool": {"name": "lockdown", "version": "0"},
        **dict.fromkeys(("startedAt", "finishedAt", "evaluatedAt"), _MADE),
        "source": "file",
        "cloud": {"name": "file", "resourceManager": "", "authority": ""},
        "tenant": "",
        "identity": "",
        "scope": {
            "subscriptions": [{"id": SUBSCRIPTION, "name": ""}],
            "requested": {"subscriptions": [], "managementGroups": []},
        },
        "complete": True,
        "unreadable": [],
        "outcome": "nonCompliant",
        "counts": {**dict.fromkeys((*COUNTED, "notObserved"), 0), "pass": passes, "fail": fails},
        "policySet": {"digest": digest, "count": policies},
        "resources": {"total": 0, "byType": {}, "unjudged": []},
        "warnings": [],
    }


def sealed(directory: Path, key: str) -> None:
    """Sign and seal it."""
    signer = keys.load_signer(key)
    seal.sign_run(directory, signer)
    seal.seal(directory, signer)


def verified(path: Path, trust: Path) -> float:
    """Verify it again and again in this process, and return the CPU time that one takes, in seconds."""
    accepted, took = root_file.load(trust), []
    for _ in range(_TIMES):
        began = time.process_time()
        with opening.opened(path) as files:
            found = verify(files, accepted, now=datetime.now(UTC))
        took.append(time.process_time() - began)
        assert found.exit_code == 0, found.checks
    return statistics.median(took[1:])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", directory, results]:
            make(Path(directory), int(results))
        case ["seal", directory, key]:
            sealed(Path(directory), key)
        case ["verify", path, trust]:
            print(verified(Path(path), Path(trust)))
        case _:
            sys.exit(__doc__)
