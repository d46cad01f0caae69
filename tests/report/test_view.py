import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from lockdown import record
from lockdown.errors import TamperedError
from lockdown.record import Record
from lockdown.report import view
from tests.report.conftest import MakeRecord
from tests.report.handmade import (
    GROUP,
    Json,
    counted,
    finished,
    policy,
    result,
    run_object,
    stock_policies,
    stock_results,
)


def many(number: int, verdict: str, **changes: Any) -> list[Json]:
    return [result("one", f"{GROUP}/providers/A.B/c/{verdict}{i:06}", verdict, **changes) for i in range(number)]


def test_every_result_is_counted_and_the_worst_come_first(stock: Record) -> None:
    found = view.survey(stock, limit=100)
    assert {kind: found.count(kind) for kind in view.KINDS} == {k: stock.run["counts"][k] for k in view.KINDS}
    assert found.count("fail", severity="critical") == 3
    assert [row["severity"] for row in found.rows["fail"]] == ["critical"] * 3 + ["high"] * 2 + ["medium"]
    assert found.rows["pass"] == ()


def test_a_small_record_is_held_whole(stock: Record) -> None:
    found = view.survey(stock, limit=1, everything_up_to=9)
    assert sum(map(len, found.rows.values())) == 9


def test_a_waived_failure_is_of_its_own_kind(stock: Record) -> None:
    found = view.survey(stock, limit=100)
    assert [row["policy"] for row in found.rows["waived"]] == ["kv-pna-disabled"]
    assert "kv-pna-disabled" not in {row["policy"] for row in found.rows["fail"]}


@pytest.mark.parametrize(
    ("verdicts", "standing"),
    [
        (["pass", "fail"], "fail"),
        (["waived", "unknown"], "unknown"),
        (["waived", "manual", "pass"], "waived"),
        (["manual", "pass"], "manual"),
        (["notApplicable", "pass"], "pass"),
        (["notApplicable"], "notApplicable"),
        ([], "notObserved"),
    ],
)
def test_a_policy_stands_as_its_worst_result(verdicts: list[str], standing: str) -> None:
    counts = {**counted(()), **dict.fromkeys(verdicts, 1)}
    assert view.standing({"counts": counts}) == standing


def test_a_policy_that_could_not_be_run_is_unknown_at_best() -> None:
    assert view.standing({"counts": {**counted(()), "pass": 1}, "error": "no"}) == "unknown"
    assert view.standing({"counts": {**counted(()), "fail": 1}, "error": "no"}) == "fail"


def test_groups_come_by_severity_and_then_by_number(stock: Record) -> None:
    groups = view.groups(stock, view.survey(stock, limit=100), "fail")
    assert [group.policy["id"] for group in groups] == [
        "storage-pna-disabled",
        "vm-no-public-ip",
        "batch-pe-account",
        "batch-pna-disabled",
        "law-pna-ingestion",
    ]


def test_when_rows_are_left_out_the_worst_stay_and_the_rest_is_counted(make_record: MakeRecord) -> None:
    made = make_record(
        [policy("one", "One")], many(40, "fail", severity="low") + many(3, "fail", severity="critical", part="x")
    )
    found = view.survey(made, limit=10)
    assert [row["severity"] for row in found.rows["fail"]] == ["critical"] * 3 + ["low"] * 7
    assert found.left_out("fail") == 33
    assert view.groups(made, found, "fail")[0].total == 43


def test_many_failures_do_not_crowd_out_what_is_unknown(make_record: MakeRecord) -> None:
    made = make_record([policy("one", "One")], many(50, "fail") + many(50, "unknown"))
    found = view.survey(made, limit=40)
    assert (len(found.rows["fail"]), len(found.rows["unknown"])) == (30, 10)


def test_a_policy_with_many_failures_does_not_hide_the_one_of_another(make_record: MakeRecord) -> None:
    made = make_record(
        [policy("one", "One"), policy("two", "Two")],
        [*many(20, "fail"), result("two", GROUP, "fail")],
    )
    groups = view.groups(made, view.survey(made, limit=8), "fail")
    assert [(group.policy["id"], group.total, len(group.rows)) for group in groups] == [("one", 20, 7), ("two", 1, 1)]


def test_a_policy_whose_rows_were_all_left_out_is_still_there(make_record: MakeRecord) -> None:
    made = make_record(
        [policy("one", "One"), policy("two", "Two")],
        [*many(20, "fail"), result("two", GROUP, "fail", severity="low")],
    )
    groups = view.groups(made, view.survey(made, limit=8), "fail")
    assert [(g.policy["id"], g.severity, g.total, len(g.rows)) for g in groups] == [
        ("one", "high", 20, 8),
        ("two", "low", 1, 0),
    ]


@pytest.mark.parametrize("where", ["run", "policy", "severity"])
def test_a_record_that_contradicts_itself_is_refused(tmp_path: Path, where: str) -> None:
    results = stock_results()
    policies = [finished(p, results) for p in stock_policies()]
    run = run_object(policies, results, failures={"critical": 3, "high": 2, "medium": 1})
    if where == "run":
        run["counts"]["fail"] -= 1
    elif where == "policy":
        policies[0]["counts"], policies[1]["counts"] = policies[1]["counts"], policies[0]["counts"]
    else:
        run["failures"] = {"low": 6}
    path = tmp_path / "results.json"
    record.write(path, run, policies, results)
    with pytest.raises(TamperedError, match="contradicts itself"):
        view.survey(record.read(path), limit=100)


def test_memory_does_not_grow_with_the_number_of_results(tmp_path: Path) -> None:
    def peak(number: int) -> int:
        results = (result("one", f"{GROUP}/providers/A.B/c/{i:06}", "fail") for i in range(number))
        made = {**policy("one", "One"), "verdict": "fail", "counts": {**counted(()), "fail": number}}
        path = tmp_path / "results.json"
        run = run_object([made], [])
        record.write(path, {**run, "counts": {**run["counts"], "fail": number}}, [made], results)
        tracemalloc.start()
        view.survey(record.read(path), limit=100)
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(10_000) < 1.5 * peak(1_000) + len(json.dumps(result("one", GROUP, "fail"))) * 100
