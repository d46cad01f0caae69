"""Two engines, the same verdicts: the snapshot's, and Azure Resource Graph's with the limits that Azure enforces."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from lockdown import config, record, run
from lockdown.cloud import collect
from lockdown.data import tree
from lockdown.errors import UsageError
from lockdown.evidence import keys
from lockdown.model import Scope
from lockdown.policy import questions
from lockdown.policy.boundary import names
from lockdown.policy.load import PolicySet, load
from lockdown.record import Record
from lockdown.replay import replay
from lockdown.sandbox.scenarios import build
from lockdown.sandbox.server import Sandbox
from lockdown.strict import canonical
from tests.conftest import clean
from tests.sandbox.arm_client import ArmClient

if TYPE_CHECKING:
    from tests.conftest import Lockdown

SCENARIOS: Mapping[str, Mapping[str, str]] = {
    "coa-stock": {},
    "coa-private": {},
    "hostile": {},
    "tenant": {"resources": "400", "subscriptions": "3"},
}
TENANT = "00000000-0000-0000-0000-000000000001"
MEMBER = "Microsoft.Management/managementGroups"
POLICY = """\
id: {name}
title: Subscriptions are counted
severity: low
applies_to: [Microsoft.Resources/subscriptions]
reads:
  resourcecontainers: [Microsoft.Resources/subscriptions]
controls: {{nist-800-53-r5: {{project: [SC-7]}}}}
rationale: It shows what an engine does.
remediation: {{text: Nothing., command: ''}}
azure_policy: []
"""
START = "resourcecontainers\n| where type =~ 'microsoft.resources/subscriptions'\n"
END = "\n| project id, part = {part}, verdict = 'pass', reason = 'Seen.', expected = '', observed = {observed}\n"


class Silent:
    def stage(self, text: str) -> None: ...

    def rows(self, table: str, arrived: int, total: int) -> None: ...


@dataclass(frozen=True)
class Both:
    """A run of each engine over the same environment."""

    here: Path
    there: Path
    folder: Path


def audited(sandbox: Sandbox, out: Path, engine: str, scope: Scope | None = None, **wanted: Any) -> Record:
    return finished(sandbox, out, engine, scope, **wanted).record


def finished(sandbox: Sandbox, out: Path, engine: str, scope: Scope | None = None, **wanted: Any) -> run.Finished:
    found = config.load(sandbox.config_file)
    environment = clean(sandbox.environment("auditor"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        asked = run.Wanted(
            scope=scope or found.scope,
            boundary=found.boundary,
            waivers=found.waivers,
            cloud=environment["LOCKDOWN_CLOUD"],
            authority=environment["AZURE_AUTHORITY_HOST"],
            out=out,
            engine=engine,
            **wanted,
        )
        return run.audit(asked, Silent())


def opened(directory: Path) -> Record:
    return record.read(directory / "results/results.json")


def results(found: Record) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(r["policy"], r["resource"].lower(), r["part"]): r for r in found.results()}


def judged_by(found: Record, engine: str) -> set[str]:
    return {policy["id"] for policy in found.policies if policy["engine"] == engine}


def policies_of(directory: Path) -> PolicySet:
    return load(directory / "policies", translate=False)


def posts(directory: Path) -> int:
    lines = (directory / "inputs/requests.jsonl").read_text("utf-8").splitlines()
    return sum(json.loads(line)["method"] == "POST" for line in lines)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Both]:
    """Audit a scenario with each engine, once."""

    @cache
    def made(scenario: str) -> Both:
        folder = tmp_path_factory.mktemp(scenario)
        keys.generate(folder / "keys")
        with Sandbox(scenario, options=SCENARIOS[scenario], quota=False) as sandbox:
            audited(sandbox, folder / "here", "snapshot")
            audited(sandbox, folder / "there", "resource-graph", key=f"file:{folder}/keys/private.pem")
            (folder / "lockdown.yaml").write_bytes(sandbox.config_file.read_bytes())
        return Both(folder / "here", folder / "there", folder)

    return made


@pytest.fixture(params=SCENARIOS)
def both(request: pytest.FixtureRequest, runs: Callable[[str], Both]) -> Both:
    return runs(request.param)


def test_both_engines_say_the_same_of_every_resource(both: Both) -> None:
    here, there = opened(both.here), opened(both.there)
    assert results(here) == results(there)
    assert [{**p, "engine": ""} for p in here.policies] == [{**p, "engine": ""} for p in there.policies]
    for told in ("outcome", "counts", "failures", "resources", "unreadable", "warnings"):
        assert here.run[told] == there.run[told]


def test_azure_judges_by_what_it_can_and_only_the_rest_is_copied(both: Both) -> None:
    policies = policies_of(both.there)
    expected = {policy.id for policy in questions.judged_there(policies, whole=True)}
    there = opened(both.there)
    assert judged_by(opened(both.here), "resource-graph") == set()
    assert judged_by(there, "resource-graph") == expected
    assert len(expected) > len(policies.policies) / 2
    needed = {t for p in policies.policies if p.id not in expected for types in p.reads.values() for t in types}
    copied = {
        json.loads(line)["type"].lower()
        for path in (both.there / "inputs/snapshot").glob("res*.jsonl")
        for line in path.read_bytes().splitlines()
    }
    assert copied <= needed | {"microsoft.resources/subscriptions"}


def test_requests_are_bounded_by_the_policies_and_not_by_the_resources(both: Both) -> None:
    policies = policies_of(both.there)
    asked = posts(both.there) - posts(both.here)
    assert asked <= min(len(questions.judged_there(policies, whole=True)), len(policies.policies) / 2)


def test_replay_takes_the_answers_and_says_of_which_policies(runs: Callable[[str], Both]) -> None:
    there = runs("hostile").there
    found = replay(there)
    assert found.differences == ()
    assert set(found.by_azure) == judged_by(opened(there), "resource-graph")


def test_the_record_follows_its_schema(both: Both) -> None:
    schema = json.loads((tree("reports") / "schemas/results-v1.json").read_text("utf-8"))
    jsonschema.validate(json.loads((both.there / "results/results.json").read_bytes()), schema)


def rewritten(directory: Path, rows: bytes, answered: list[dict[str, Any]]) -> Path:
    """Put other answers into a run, with the digest that they must have."""
    folder = directory / "inputs/answers"
    (folder / "rows.jsonl").write_bytes(rows)
    told = {"answered": answered, "rowsSha256": sha256(rows).hexdigest()}
    (folder / "queries.json").write_bytes(canonical(told) + b"\n")
    return directory


def answers_of(directory: Path) -> tuple[bytes, list[dict[str, Any]]]:
    folder = directory / "inputs/answers"
    return (folder / "rows.jsonl").read_bytes(), json.loads((folder / "queries.json").read_bytes())["answered"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A run of two policies of its own, which Azure judged."""
    policies = tree_of(tmp_path / "mine", {"plain": PLAIN, "whole": LIMITED})
    with Sandbox("empty", quota=False) as sandbox:
        audited(sandbox, tmp_path / "small", "resource-graph", policies=policies)
    return tmp_path / "small"


def test_an_answer_that_was_changed_gives_another_record(small: Path) -> None:
    rows, answered = answers_of(small)
    assert replay(small).differences == ()
    (difference, *_) = replay(
        rewritten(small, rows.replace(b'"verdict":"pass"', b'"verdict":"fail"', 1), answered)
    ).differences
    assert " pass; replayed " in difference


def test_an_answer_to_another_query_is_none(small: Path) -> None:
    rows, answered = answers_of(small)
    answered[0]["query"] = answered[0]["query"].replace("Seen.", "Looked at.")
    found = replay(rewritten(small, rows, answered))
    assert found.by_azure == ("whole",)
    assert any("plain" in difference for difference in found.differences)


def test_rows_that_are_missing_or_too_many_are_noticed(small: Path) -> None:
    rows, answered = answers_of(small)
    lines = rows.splitlines(keepends=True)
    for changed in (
        lines[1:],
        [*lines, lines[-1]],
        [lines[0].replace(b"/subscriptions/", b"/subscriptions/f"), *lines[1:]],
    ):
        assert any(
            "unknown" in difference for difference in replay(rewritten(small, b"".join(changed), answered)).differences
        )


def test_rows_with_another_digest_are_refused(small: Path) -> None:
    (small / "inputs/answers/rows.jsonl").write_bytes(b"")
    with pytest.raises(UsageError, match="not what Azure answered"):
        replay(small)


def test_a_run_that_azure_judged_is_judged_again_as_a_snapshot_with_identical_results(
    runs: Callable[[str], Both], lockdown: Lockdown, tmp_path: Path
) -> None:
    stock = runs("coa-stock")
    there = stock.there
    ran = lockdown("audit", "--snapshot", there, "-c", stock.folder / "lockdown.yaml", "--out", tmp_path / "again")
    assert ran.code == 5, ran.err
    assert "Azure answered another query, place or time, and the snapshot was made without" in " ".join(ran.err.split())
    again = opened(tmp_path / "again")
    moments = {p.id for p in policies_of(there).policies if "now()" in p.query or "ago(" in p.query}
    assert judged_by(again, "resource-graph") == judged_by(opened(there), "resource-graph") - moments
    first = {key: r for key, r in results(opened(there)).items() if key[0] not in moments}
    assert {key: r for key, r in results(again).items() if key[0] not in moments} == first


def test_a_signed_run_is_verified_and_the_page_says_who_judged(runs: Callable[[str], Both], lockdown: Lockdown) -> None:
    stock = runs("coa-stock")
    verified = lockdown("verify", stock.there, "--trust", stock.folder / "keys/trust-root.json", "--replay")
    assert verified.code == 0, verified.out
    there = judged_by(opened(stock.there), "resource-graph")
    assert f"{len(there)} policies were judged by Azure and cannot be judged again here" in verified.out
    assert all(policy in verified.out for policy in there)
    page = (stock.there / "report/report.html").read_text("utf-8")
    assert f"Azure Resource Graph: {len(there)} policies" in page
    assert page.count("judged by Azure</small>") == len(there)


def tree_of(folder: Path, queries: Mapping[str, str]) -> Path:
    for name, query in queries.items():
        place = folder / "counting" / name
        place.mkdir(parents=True)
        (place / "policy.yaml").write_text(POLICY.format(name=name), "utf-8")
        (place / "query.kql").write_text(query, "utf-8")
        (place / "cases.yaml").write_text("[]\n", "utf-8")
    return folder


NUMBERS = f"dynamic([{', '.join(map(str, range(200)))}])"
EXPANDED = f"{START}| mv-expand number = {NUMBERS}" + END.format(part="tostring(number)", observed="''")
LIMITED = EXPANDED.replace(NUMBERS, f"{NUMBERS} limit 400")
JOIN = f"| join kind=leftouter (\n{START}| project name\n) on name\n"
JOINED = START + JOIN * 4 + END.format(part="''", observed="''").lstrip()
PLAIN = START + END.format(part="''", observed="''").lstrip()


def test_a_policy_that_azure_would_cut_or_refuse_stays(tmp_path: Path) -> None:
    policies = tree_of(tmp_path / "mine", {"cut": EXPANDED, "whole": LIMITED, "refused": JOINED, "plain": PLAIN})
    with Sandbox("empty", quota=False) as sandbox:
        made = audited(sandbox, tmp_path / "run", "resource-graph", policies=policies)
    assert judged_by(made, "resource-graph") == {"plain", "whole"}
    assert {p["id"]: p["counts"]["pass"] for p in made.policies} == {"cut": 200, "whole": 200, "refused": 1, "plain": 1}


def test_the_limits_are_azures_so_the_engines_can_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = {"cut": EXPANDED, "whole": LIMITED, "refused": JOINED, "plain": PLAIN}
    policies = tree_of(tmp_path / "mine", queries)
    monkeypatch.setattr(questions, "judged_there", lambda found, **_: found.policies)
    monkeypatch.setattr(questions, "batches", lambda asked: (tuple(asked),))
    with Sandbox("empty", quota=False) as sandbox:
        there = audited(sandbox, tmp_path / "there", "resource-graph", policies=policies)
        here = audited(sandbox, tmp_path / "here", "snapshot", policies=policies)
    by_policy = {p["id"]: p for p in there.policies}
    assert by_policy["cut"]["counts"]["pass"] == 128, "Azure cuts without a word"
    assert by_policy["whole"]["counts"]["pass"] == 200
    assert "DisallowedQuery" in by_policy["refused"]["error"]
    assert (by_policy["refused"]["verdict"], there.run["outcome"]) == ("unknown", "indeterminate")
    assert (by_policy["plain"]["verdict"], by_policy["plain"]["counts"]["pass"]) == ("pass", 1)
    assert {p["id"]: p["counts"]["pass"] for p in here.policies} == {"cut": 200, "whole": 200, "refused": 1, "plain": 1}


def chosen(folder: Path, *names: str) -> Path:
    for name in names:
        place = folder / name
        place.mkdir(parents=True)
        for part in ("policy.yaml", "query.kql", "cases.yaml"):
            (place / part).write_bytes((tree("policies") / name / part).read_bytes())
    return folder


def test_more_subscriptions_than_a_query_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "SUBSCRIPTIONS_A_QUERY", 2)
    alone = ("public-network-access/cosmos-pna-disabled", "public-network-access/kv-pna-disabled")
    comparing = ("public-ip/pip-none-in-scope", "private-endpoint/storage-pe-blob")
    policies = chosen(tmp_path / "mine", *alone, *comparing)
    with Sandbox("tenant", options=SCENARIOS["tenant"], quota=False) as sandbox:
        here = audited(sandbox, tmp_path / "here", "snapshot", policies=policies)
        there = audited(sandbox, tmp_path / "there", "resource-graph", policies=policies)
    assert results(here) == results(there)
    assert len({key[1].split("/")[2] for key in results(there)}) == 3
    assert judged_by(there, "resource-graph") == {"kv-pna-disabled"}, "the others look at more than one resource"


@pytest.mark.parametrize("engine", ["snapshot", "resource-graph"])
def test_what_cannot_be_seen_is_unreadable_for_both_engines(tmp_path: Path, engine: str) -> None:
    options = {"resources": "60", "subscriptions": "2"}
    policies = chosen(tmp_path / "mine", "public-network-access/kv-pna-disabled", "public-ip/pip-none-in-scope")
    hidden = build("tenant", tenant=TENANT, options=options).subscriptions[1][1]
    with Sandbox("tenant", options=options, quota=False, deny=(hidden,)) as sandbox:
        made = audited(sandbox, tmp_path / "run", engine, policies=policies)
        unseen = config.load(sandbox.config_file).scope.subscriptions[1]
    assert [(item["what"], item["name"]) for item in made.run["unreadable"]] == [("subscription", unseen)]
    assert made.run["outcome"] == "indeterminate"
    assert not any(unseen in key[1] for key in results(made))


def test_a_management_group_is_asked_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "SUBSCRIPTIONS_A_QUERY", 1)
    policies = chosen(tmp_path / "mine", "public-network-access/kv-pna-disabled", "public-ip/pip-none-in-scope")
    with Sandbox("tenant", options=SCENARIOS["tenant"], quota=False) as sandbox:
        group = "/providers/Microsoft.Management/managementGroups/lab"
        members = [
            {"id": f"{group}/subscriptions/{name}", "name": name, "type": f"{MEMBER}/subscriptions", "properties": {}}
            for name in config.load(sandbox.config_file).scope.subscriptions
        ]
        sandbox.state.seed([{"id": group, "name": "lab", "type": MEMBER, "properties": {}}, *members])
        scope = Scope(management_groups=("lab",))
        here = audited(sandbox, tmp_path / "here", "snapshot", policies=policies, scope=scope)
        there = audited(sandbox, tmp_path / "there", "resource-graph", policies=policies, scope=scope)
    assert results(here) == results(there)
    assert judged_by(there, "resource-graph") == {"kv-pna-disabled", "pip-none-in-scope"}


def test_drift_compares_verdicts_of_either_engine_and_takes_what_was_not_copied_for_neither_gone_nor_new(
    tmp_path: Path,
) -> None:
    policies = chosen(tmp_path / "mine", "public-network-access/kv-pna-disabled", "public-ip/vm-no-public-ip")
    with Sandbox("coa-stock", quota=False) as sandbox:
        audited(sandbox, tmp_path / "1", "snapshot", policies=policies)
        vault = next(r["resource"] for r in opened(tmp_path / "1").results() if r["policy"] == "kv-pna-disabled")
        same = finished(sandbox, tmp_path / "2", "resource-graph", policies=policies, baseline=tmp_path / "1").drift
        closed = {"properties": {"publicNetworkAccess": "Disabled"}}
        client = ArmClient(sandbox, "operator")
        assert client.call("PATCH", vault, closed, version="2023-07-01").status_code == 200
        client.close()
        later = finished(sandbox, tmp_path / "3", "resource-graph", policies=policies, baseline=tmp_path / "2").drift
    assert same is not None
    assert (same.is_empty, same.complete) == (True, True)
    assert {item.kind for item in same.not_compared} == {"notCollected"}
    assert any("judged by another engine" in warning for warning in same.warnings)
    assert later is not None
    assert [(item.policy, item.direction) for item in later.verdicts] == [("kv-pna-disabled", "better")]
    assert later.verdicts[0].attribution.who
    assert not later.resources
    assert not later.not_compared


def test_answers_are_kept_without_secrets(tmp_path: Path) -> None:
    shown = START + END.format(part="''", observed="strcat('https://a.example/?s', 'ig=c2VjcmV0')").lstrip()
    policies = tree_of(tmp_path / "mine", {"shown": shown})
    with Sandbox("empty", quota=False) as sandbox:
        made = audited(sandbox, tmp_path / "run", "resource-graph", policies=policies)
    assert [r["observed"] for r in made.results()] == ["removed by lockdown"]
    assert made.run["redactions"] == 1
    assert not any(b"sig=c2VjcmV0" in path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())


def test_a_snapshot_is_judged_without_azure_alone(lockdown: Lockdown, tmp_path: Path) -> None:
    ran = lockdown("audit", "--engine", "resource-graph", "--snapshot", tmp_path)
    assert (ran.code, "give one" in ran.err) == (2, True)
    assert lockdown("audit", "--engine", "kusto").code == 2


def test_questions_are_texts_that_can_be_pasted(runs: Callable[[str], Both]) -> None:
    for told in answers_of(runs("coa-stock").there)[1]:
        assert names(told["query"]) == frozenset()
        assert told["error"] == ""
