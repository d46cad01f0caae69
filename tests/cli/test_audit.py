"""lockdown audit, as a person runs it: what each environment and each mishap comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from lockdown import config, record
from lockdown.data import tree
from lockdown.sandbox.scenarios import build
from lockdown.sandbox.server import Sandbox

if TYPE_CHECKING:
    from tests.conftest import Lockdown

TENANT = "00000000-0000-0000-0000-000000000001"
EXPECTED = Path(__file__).parents[1] / "expected"


def results(run: Path) -> dict[tuple[str, str, str], str]:
    found = record.read(run / "results/results.json")
    return {(r["policy"], r["resource"].lower(), r["part"].lower()): r["verdict"] for r in found.results()}


def severities(run: Path) -> dict[tuple[str, str, str], str]:
    found = record.read(run / "results/results.json")
    return {(r["policy"], r["resource"].lower(), r["part"].lower()): r["severity"] for r in found.results()}


def written_down(scenario: str, subscription: str, policies: set[str]) -> tuple[list[dict[str, Any]], set[str]]:
    """Return the results that tests/expected writes down for these policies, and those that must see nothing."""
    files = [path for path in (EXPECTED / f"{scenario}.yaml",) if path.is_file()] + sorted(
        (EXPECTED / scenario).glob("*.yaml")
    )
    whole = [yaml.safe_load(path.read_text("utf-8").replace("{subscription}", subscription)) for path in files]
    written = [result for part in whole for result in part["results"] or () if result["policy"] in policies]
    unobserved = {policy for part in whole for policy in part.get("notObserved") or () if policy in policies}
    assert not unobserved & {result["policy"] for result in written}
    return written, unobserved


def test_a_stock_deployment_is_judged_exactly_as_written_down(
    stock: Sandbox, lockdown: Lockdown, tmp_path: Path
) -> None:
    ran = lockdown("audit", "--out", tmp_path / "run", env=stock.environment("auditor"))
    assert ran.code == 7, ran.err
    assert ran.out.splitlines()[-1] == str(tmp_path / "run")
    assert "NOT COMPLIANT" in ran.err
    seen = record.read(tmp_path / "run/results/results.json").policies
    written, unobserved = written_down("coa-stock", stock.subscription, {policy["id"] for policy in seen})
    expected = {(r["policy"], r["resource"].lower(), str(r.get("part", "")).lower()): r["verdict"] for r in written}
    assert results(tmp_path / "run") == expected
    assert {p["id"] for p in seen if p["verdict"] == "notObserved"} == unobserved
    worse = {
        (r["policy"], r["resource"].lower(), str(r["part"]).lower()): r["severity"] for r in written if "severity" in r
    }
    assert {key: severity for key, severity in severities(tmp_path / "run").items() if key in worse} == worse


def test_the_closed_environment_is_compliant(private: Sandbox, lockdown: Lockdown, tmp_path: Path) -> None:
    ran = lockdown("audit", "--out", tmp_path / "run", "--json", "--quiet", env=private.environment("auditor"))
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["run"]["outcome"], told["run"]["complete"], told["run"]["source"]) == ("compliant", True, "sandbox")
    found = record.read(tmp_path / "run/results/results.json")
    failing = [result for result in found.results() if result["verdict"] not in {"pass", "notApplicable", "manual"}]
    written, _ = written_down("coa-private", private.subscription, {policy["id"] for policy in found.policies})
    assert all(result["verdict"] == "fail" and result["waiver"] for result in failing)
    assert {(r["policy"], r["resource"].lower(), r["part"].lower()) for r in failing} == {
        (r["policy"], r["resource"].lower(), str(r["part"]).lower()) for r in written
    }


def test_live_offline_and_replayed_results_are_identical(stock: Sandbox, lockdown: Lockdown, tmp_path: Path) -> None:
    lockdown("keys", "generate", "--out", tmp_path / "keys")
    key = f"file:{tmp_path}/keys/private.pem"
    live = lockdown("audit", "--out", tmp_path / "live", "--key", key, env=stock.environment("auditor"))
    offline = lockdown(
        "audit", "--snapshot", tmp_path / "live", "--out", tmp_path / "offline", "-c", stock.config_file, "--key", key
    )
    assert live.code == offline.code == 7, live.err + offline.err
    digests = {record.digest(record.read(tmp_path / name / "results/results.json")) for name in ("live", "offline")}
    assert len(digests) == 1
    for name in ("live", "offline"):
        verified = lockdown("verify", tmp_path / name, "--trust", tmp_path / "keys/trust-root.json", "--replay")
        assert verified.code == 0, verified.out
        assert "LABORATORY" in verified.out


def test_the_output_of_az_graph_query_gives_the_same_verdicts(
    stock: Sandbox, lockdown: Lockdown, tmp_path: Path
) -> None:
    lockdown("audit", "--out", tmp_path / "live", env=stock.environment("auditor"))
    folder = tmp_path / "exported"
    folder.mkdir()
    for table in (tmp_path / "live/inputs/snapshot").glob("*.jsonl"):
        rows = [json.loads(line) for line in table.read_text("utf-8").splitlines()]
        (folder / f"{table.stem}.json").write_text(json.dumps({"count": len(rows), "data": rows, "skip_token": None}))
    ran = lockdown("audit", "--snapshot", folder, "-c", stock.config_file, "--out", tmp_path / "file")
    assert ran.code == 7, ran.err
    assert results(tmp_path / "file") == results(tmp_path / "live")


def test_one_unreadable_subscription_of_three_is_incomplete(lockdown: Lockdown, tmp_path: Path) -> None:
    options = {"resources": "60", "subscriptions": "3"}
    with Sandbox("tenant", options=options, deny=(_name(1, options),)) as sandbox:
        denied = config.load(sandbox.config_file).scope.subscriptions[1]
        ran = lockdown("audit", "--out", tmp_path / "run", env=sandbox.environment("auditor"))
    assert ran.code == 5, ran.err
    run = record.read(tmp_path / "run/results/results.json").run
    assert [(u["what"], u["name"]) for u in run["unreadable"]] == [("subscription", denied)]
    assert (run["outcome"], run["complete"]) == ("indeterminate", False)
    assert denied in (tmp_path / "run/report/report.html").read_text("utf-8")


def _name(number: int, options: dict[str, str]) -> str:
    return build("tenant", tenant=TENANT, options=options).subscriptions[number][1]


def test_the_record_follows_its_schema(stock: Sandbox, lockdown: Lockdown, tmp_path: Path) -> None:
    lockdown("audit", "--out", tmp_path / "run", env=stock.environment("auditor"))
    schema = json.loads((tree("reports") / "schemas/results-v1.json").read_text("utf-8"))
    jsonschema.validate(json.loads((tmp_path / "run/results/results.json").read_bytes()), schema)


def test_requests_are_pages_and_a_constant(lockdown: Lockdown, tmp_path: Path) -> None:
    with Sandbox("tenant", options={"resources": "2500", "subscriptions": "2"}, quota=False) as sandbox:
        ran = lockdown("audit", "--out", tmp_path / "run", env=sandbox.environment("auditor"))
    assert ran.code == 7, ran.err
    tables = {
        path.stem: path.read_text("utf-8").splitlines() for path in (tmp_path / "run/inputs/snapshot").glob("*.jsonl")
    }
    rows = {table: len(lines) for table, lines in tables.items()}
    requests = [json.loads(line) for line in (tmp_path / "run/inputs/requests.jsonl").read_text("utf-8").splitlines()]
    queries = [request for request in requests if "Microsoft.ResourceGraph" in request["path"]]
    assert rows["resources"] > 1000
    assert len(queries) <= sum(-(-rows[table] // 1000) or 1 for table in rows if table != "armresources") + 2
    reads = [row for row in map(json.loads, tables["armresources"]) if row["type"] == "lockdown/reads"]
    assert len(requests) - len(queries) <= len(reads) + rows["armresources"] // 100
    assert all(request["status"] == 200 for request in requests)


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        ("POST */oauth2/v2.0/token fail:401:invalid_client", 1, "accepted no credential"),
        ("POST *ResourceGraph* fail:401:ExpiredAuthenticationToken", 1, "refused the credential"),
        ("GET */metadata/endpoints* fail:500", 1, "not with the metadata of a cloud"),
    ],
)
def test_faults_that_stop_a_run(lockdown: Lockdown, tmp_path: Path, fault: str, code: int, told: str) -> None:
    with Sandbox("empty", faults=(fault,)) as sandbox:
        ran = lockdown("audit", "--out", tmp_path / "run", env=sandbox.environment("auditor"))
    assert (ran.code, told in ran.err, "Traceback" in ran.err) == (code, True, False), ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "fault",
    [
        "POST *ResourceGraph* throttle:1 2",
        "POST *ResourceGraph* fail:503 2",
        "POST *ResourceGraph* drop-before 1",
        "POST *ResourceGraph* drop-after 1",
        "POST *ResourceGraph* truncate 1",
    ],
)
def test_faults_that_pass_are_ridden_out(lockdown: Lockdown, tmp_path: Path, fault: str) -> None:
    with Sandbox("coa-private", faults=(fault,)) as sandbox:
        ran = lockdown("audit", "--out", tmp_path / "run", env=sandbox.environment("auditor"))
    assert ran.code == 0, ran.err


def test_a_table_that_cannot_be_read_makes_its_policies_unknown_and_the_others_go_on(
    lockdown: Lockdown, tmp_path: Path
) -> None:
    with Sandbox("coa-private") as sandbox:
        sandbox.fault("POST *ResourceGraph* fail:400:BadRequest 1")
        ran = lockdown("audit", "--out", tmp_path / "run", env=sandbox.environment("auditor"))
    assert ran.code == 5, ran.err
    run = record.read(tmp_path / "run/results/results.json").run
    assert run["unreadable"][0]["what"] == "table"
    assert run["outcome"] == "indeterminate"


def test_a_wrong_authority_is_refused_before_any_credential_is_used(lockdown: Lockdown, tmp_path: Path) -> None:
    with Sandbox("empty") as sandbox:
        env = {**sandbox.environment("auditor"), "AZURE_AUTHORITY_HOST": "login.example"}
        ran = lockdown("audit", "--out", tmp_path / "run", env=env)
        asked = sandbox.requests
    assert ran.code == 2
    assert "No credential was used" in ran.err
    assert asked == 1, "only the metadata was asked for"


@pytest.mark.parametrize(
    ("arguments", "env", "told"),
    [
        (["--subscription", "mine"], {}, "is not a subscription id"),
        (["--cloud", "AzureMoon"], {}, "not a cloud that lockdown knows"),
        (["--cloud", "https://127.0.0.1:1"], {}, "must be told who issues its tokens"),
        (["--cloud", "http://127.0.0.1:1", "--authority", "a.example"], {}, "is not the https URL"),
        (["--snapshot", "none.json"], {}, "does not exist"),
        (["-c", "none.yaml"], {}, "cannot be read"),
        (["--key", "file:none.pem"], {}, "none.pem"),
        (["--key", "vault:x"], {}, "file:"),
        ([], {"LOCKDOWN_CONFIG": "none.yaml"}, "cannot be read"),
    ],
)
def test_wrong_usage_exits_2_and_leaves_nothing(
    lockdown: Lockdown, tmp_path: Path, arguments: list[str], env: dict[str, str], told: str
) -> None:
    ran = lockdown("audit", *arguments, env=env)
    assert (ran.code, told in ran.err, "Traceback" in ran.err) == (2, True, False), ran.err
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_cloud_exits_1(lockdown: Lockdown) -> None:
    ran = lockdown("audit", "--cloud", "https://127.0.0.1:1", "--authority", "127.0.0.1:1")
    assert ran.code == 1
    assert "cannot be reached" in ran.err
    assert "Traceback" not in ran.err


def test_a_run_is_never_written_over(stock: Sandbox, lockdown: Lockdown, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine.txt").write_text("keep")
    ran = lockdown("audit", "--out", tmp_path / "run", env=stock.environment("auditor"))
    assert ran.code == 2
    assert "never written over" in ran.err
    assert (tmp_path / "run/mine.txt").read_text() == "keep"


def test_hostile_names_reach_neither_terminal_nor_page(lockdown: Lockdown, tmp_path: Path) -> None:
    with Sandbox("hostile") as sandbox:
        ran = lockdown("audit", "--out", tmp_path / "run", env=sandbox.environment("auditor"))
    assert ran.code in {5, 7}, ran.err
    assert not [c for c in ran.err + ran.out if c != "\n" and not c.isprintable()]
    page = (tmp_path / "run/report/report.html").read_text("utf-8")
    assert "<img" not in page
    assert "<script>alert" not in page
