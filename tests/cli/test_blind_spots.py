"""What could not be looked at is never fine: each way of not looking makes a run indeterminate, or is refused."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lockdown import audit, config, record, run
from lockdown.data import tree
from lockdown.errors import UsageError
from lockdown.evidence.seal import seal
from lockdown.model import Policy, Scope
from lockdown.sandbox.server import Sandbox
from lockdown.snapshot.engine import CrowdedError, Engine

if TYPE_CHECKING:
    from tests.conftest import Lockdown

ELSEWHERE = "99999999-9999-9999-9999-999999999999"
ADDRESS = "public-ip/pip-none-in-scope"
VAULT = "public-network-access/kv-pna-disabled"


class Quiet:
    """Hears nothing."""

    def stage(self, text: str) -> None: ...

    def rows(self, table: str, arrived: int, total: int) -> None: ...


def policies(folder: Path, *chosen: str) -> Path:
    for name in chosen:
        target = folder / name
        target.mkdir(parents=True)
        for part in ("policy.yaml", "query.kql", "cases.yaml"):
            (target / part).write_bytes((tree("policies") / name / part).read_bytes())
    return folder


def told(directory: Path) -> dict[str, Any]:
    return dict(record.read(directory / "results/results.json").run)


def _group(name: str, subscription: str) -> list[dict[str, Any]]:
    group = f"/providers/Microsoft.Management/managementGroups/{name}"
    member = "Microsoft.Management/managementGroups/subscriptions"
    return [
        {"id": group, "name": name, "type": "Microsoft.Management/managementGroups", "properties": {}},
        {"id": f"{group}/subscriptions/{subscription}", "name": subscription, "type": member, "properties": {}},
    ]


def test_a_right_that_is_lost_while_reading_is_not_an_empty_subscription(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox("coa-stock") as sandbox:

        class Revoking(Quiet):
            def rows(self, table: str, arrived: int, total: int) -> None:  # noqa: ARG002 - the watch hears all three
                if table == "resourcecontainers":
                    sandbox.fault("POST *ResourceGraph* fail:403:AccessDenied")

        environment = sandbox.environment("auditor")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        wanted = run.Wanted(
            scope=config.load(sandbox.config_file).scope,
            cloud=environment["LOCKDOWN_CLOUD"],
            authority=environment["AZURE_AUTHORITY_HOST"],
            out=tmp_path / "run",
        )
        found = run.audit(wanted, Revoking()).record.run
    assert found["outcome"] == "indeterminate"
    assert {item["name"] for item in found["unreadable"]} >= {"resources"}


def test_a_management_group_that_is_not_there_does_not_hide(lockdown: Lockdown, tmp_path: Path) -> None:
    with Sandbox("coa-private") as sandbox:
        env = {k: v for k, v in sandbox.environment("auditor").items() if k != "LOCKDOWN_CONFIG"}
        sandbox.state.seed(_group("lab", sandbox.subscription))
        groups = ("--management-group", "lab", "--management-group", "nowhere")
        ran = lockdown("audit", *groups, "--out", tmp_path / "run", env=env)
    assert ran.code == 5, ran.err
    assert [(u["what"], u["name"]) for u in told(tmp_path / "run")["unreadable"]] == [("managementGroup", "nowhere")]


def test_a_run_that_saw_nothing_at_all_is_not_compliant(lockdown: Lockdown, tmp_path: Path) -> None:
    subscription = {
        "id": f"/subscriptions/{ELSEWHERE}",
        "type": "microsoft.resources/subscriptions",
        "subscriptionId": ELSEWHERE,
        "properties": {"state": "Enabled"},
    }
    (tmp_path / "snapshot.json").write_text(json.dumps([subscription]), "utf-8")
    only = policies(tmp_path / "policies", VAULT)
    ran = lockdown("audit", "--snapshot", "snapshot.json", "--only-policies", only, "--out", tmp_path / "run")
    assert ran.code == 5, ran.err
    assert told(tmp_path / "run")["outcome"] == "indeterminate"


def test_a_snapshot_without_a_subscription_that_was_asked_for_is_incomplete(stock_run: Path, tmp_path: Path) -> None:
    wanted = run.Wanted(scope=Scope((ELSEWHERE,)), snapshot=stock_run, out=tmp_path / "run")
    found = run.audit(wanted, Quiet()).record.run
    assert found["outcome"] == "indeterminate"
    assert [u["name"] for u in found["unreadable"]] == [ELSEWHERE]


def test_a_snapshot_is_a_file_whatever_it_says_of_itself(stock_run: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(stock_run, forged)
    scope = json.loads((forged / "inputs/scope.json").read_bytes())
    scope |= {"source": "live"}
    (forged / "inputs/scope.json").write_text(json.dumps(scope), "utf-8")
    seal(forged, None)
    run.audit(run.Wanted(snapshot=forged, out=tmp_path / "run"), Quiet())
    assert told(tmp_path / "run")["source"] == "file"


def test_a_type_that_a_snapshot_was_made_without_is_not_absent(tmp_path: Path, lockdown: Lockdown) -> None:
    with Sandbox("coa-stock") as sandbox:
        only = policies(tmp_path / "narrow", VAULT)
        made = lockdown(
            "audit", "--only-policies", only, "--out", tmp_path / "made", env=sandbox.environment("auditor")
        )
    assert made.code == 7, made.err
    wide = policies(tmp_path / "wide", VAULT, ADDRESS)
    run.audit(run.Wanted(snapshot=tmp_path / "made", policies=wide, out=tmp_path / "run"), Quiet())
    verdicts = {p["id"]: p["verdict"] for p in record.read(tmp_path / "run/results/results.json").policies}
    assert verdicts == {"kv-pna-disabled": "fail", "pip-none-in-scope": "unknown"}


def test_a_policy_that_asks_about_a_type_it_does_not_read_is_refused(stock_run: Path, tmp_path: Path) -> None:
    folder = policies(tmp_path / "mine", ADDRESS)
    written = folder / ADDRESS / "policy.yaml"
    text = written.read_text("utf-8")
    changed = text.replace("Microsoft.Network/publicIPAddresses", "Microsoft.Network/natGateways")
    assert changed != text
    written.write_text(changed, "utf-8")
    with pytest.raises(UsageError, match=r"query.kql, line \d+: .*publicipaddresses is not among the types"):
        run.audit(run.Wanted(snapshot=stock_run, policies=folder, out=tmp_path / "run"), Quiet())
    assert not (tmp_path / "run").exists()


def test_a_policy_that_found_no_memory_beside_others_is_judged_again_alone(
    stock_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, refused = audit._judge, set[str]()

    def crowded(engine: Engine, policy: Policy, *rest: Any) -> None:
        if policy.id == "storage-pna-disabled" and policy.id not in refused:
            refused.add(policy.id)
            raise CrowdedError("the query needs more memory than it may have")
        original(engine, policy, *rest)

    monkeypatch.setattr(audit, "_judge", crowded)
    made = run.audit(run.Wanted(snapshot=stock_run, out=tmp_path / "run"), Quiet())
    assert refused
    assert [policy["id"] for policy in made.record.policies if "error" in policy] == []


def test_a_query_without_room_says_so_and_ends() -> None:
    with Engine(memory_limit="30MB") as engine:
        engine.load_rows("resources", [{"id": f"/subscriptions/s/{n}", "name": "x" * 500} for n in range(2_000)])
        pairs = "resources | extend k = 1 | join kind=inner (resources | extend k = 1) on k"
        wide = f"{pairs} | summarize make_list(strcat(id, id1))"
        with pytest.raises(CrowdedError, match="more memory than it may have"):
            engine.run(wide, datetime.now(UTC))
