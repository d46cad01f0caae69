"""Every number that a record states is counted again, and every line has its one form."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from lockdown import record
from lockdown.errors import TamperedError
from lockdown.evidence.recount import MAX_LINE, Recounted, recount
from tests.evidence.handmade import POLICIES, RESULTS, counts, policy, result, run_object


def written(tmp_path: Path, policies: Any = POLICIES, results: Any = RESULTS, **changes: Any) -> bytes:
    path = tmp_path / "results.json"
    record.write(path, run_object(**changes), policies, results)
    return path.read_bytes()


def again(data: bytes) -> Recounted:
    return recount(BytesIO(data))


def refused(data: bytes, says: str) -> None:
    with pytest.raises(TamperedError, match=says):
        again(data)


def test_what_the_record_writes_is_accepted(tmp_path: Path) -> None:
    data = written(tmp_path)
    found = again(data)
    assert found == Recounted(run_object(), sha256(data).hexdigest(), policies=2, results=3)


def test_a_record_of_nothing_is_genuine_but_never_compliant(tmp_path: Path) -> None:
    empty = {"counts": counts() | {"notObserved": 0}, "policySet": {"digest": "", "count": 0}}
    assert again(written(tmp_path, (), (), outcome="indeterminate", **empty)).policies == 0
    refused(written(tmp_path, (), (), outcome="compliant", **empty), "do not allow that")


@pytest.mark.parametrize("key", ["pass", "fail", "waived", "notApplicable", "unknown", "manual", "notObserved"])
def test_every_count_of_the_run_is_compared(tmp_path: Path, key: str) -> None:
    stated = run_object()["counts"]
    refused(written(tmp_path, counts=stated | {key: stated[key] + 1}), f"as {key} for the run")


def test_the_counts_of_each_policy_are_compared(tmp_path: Path) -> None:
    wrong = (policy("storage-pna-disabled", "fail", fail=1, waived=1, pass_=2), POLICIES[1])
    refused(written(tmp_path, wrong), "as pass for the policy storage-pna-disabled; its results give 1")


def test_a_waiver_that_has_expired_does_not_count(tmp_path: Path) -> None:
    late = {"evaluatedAt": "2026-03-02T00:00:00Z"}
    refused(written(tmp_path, **late), "states 1 as fail for the policy storage-pna-disabled; its results give 2")
    again(written(tmp_path, evaluatedAt="2026-03-01T23:59:59Z"))


def test_a_waiver_never_hides_anything_but_a_failure(tmp_path: Path) -> None:
    waiver = RESULTS[2]["waiver"]
    waived = (result("storage-pna-disabled", "unknown", waiver=waiver), *RESULTS[1:])
    refused(written(tmp_path, results=waived), "as pass|as unknown")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"outcome": "compliant"}, "states that the run is compliant"),
        ({"policySet": {"digest": "", "count": 3}}, "another number of policies"),
        ({"policySet": None}, "another number of policies"),
        ({"counts": None}, "does not state the counts"),
        ({"counts": {"pass": True}}, "does not state the counts"),
        ({"evaluatedAt": 7}, "evaluatedAt is missing"),
        ({"outcome": None}, "outcome is missing"),
    ],
)
def test_a_run_object_that_contradicts_its_results_is_refused(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    refused(written(tmp_path, **changes), says)


@pytest.mark.parametrize(
    "changes", [{"complete": False}, {"partial": True}, {"unreadable": [{"what": "subscription"}]}]
)
def test_a_run_that_did_not_see_everything_is_never_compliant(tmp_path: Path, changes: dict[str, Any]) -> None:
    clean = {
        "policies": (policy("storage-pna-disabled", "pass", pass_=1),),
        "results": (result("storage-pna-disabled", "pass"),),
        "counts": counts(pass_=1) | {"notObserved": 0},
        "policySet": {"digest": "", "count": 1},
        "outcome": "compliant",
    }
    again(written(tmp_path, **clean))
    refused(written(tmp_path, **clean | changes), "states that the run is compliant")


def test_a_policy_that_could_not_judge_makes_no_compliant_run(tmp_path: Path) -> None:
    broken = {
        "policies": (policy("storage-pna-disabled", "unknown"),),
        "results": (),
        "counts": counts() | {"notObserved": 0},
        "policySet": {"digest": "", "count": 1},
    }
    refused(written(tmp_path, outcome="compliant", **broken), "states that the run is compliant")
    refused(written(tmp_path, outcome="nonCompliant", **broken), "holds no failure")
    again(written(tmp_path, outcome="indeterminate", **broken))


@pytest.mark.parametrize("verdict", ["notObserved", "green", ""])
def test_a_result_has_a_verdict_of_a_result(tmp_path: Path, verdict: str) -> None:
    refused(written(tmp_path, results=(result("storage-pna-disabled", verdict),)), "unknown policy or verdict")


def test_a_result_belongs_to_a_policy_and_a_policy_is_there_once(tmp_path: Path) -> None:
    refused(written(tmp_path, results=(result("another", "pass"),)), "unknown policy or verdict")
    refused(written(tmp_path, (*POLICIES, POLICIES[0])), "has the policy 'storage-pna-disabled' twice")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"policies":[\n', b'{"policies": [\n'),
        (b'{"policies":[\n', b'{"policies":[\r\n'),
        (b'],"results":[\n', b'],"results":[ \n'),
        (b'],"results":[\n', b""),
        (b",\n", b"\n"),
        (b'}\n],"results"', b'},\n],"results"'),
        (b'{"counts"', b'{ "counts"'),
        (b'"schema":"', b'"schema": "'),
        (b'"id":"vnet', b'"id":"\\u0076net'),
        (b'"part":""', b'"part":"","part":""'),
        (b'],"run":{', b'],"run":{ '),
        (b'],"run":', b',"run":'),
    ],
)
def test_another_form_of_the_same_content_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    data = written(tmp_path)
    assert old in data
    refused(data.replace(old, new, 1), "is not a record that lockdown wrote|strict JSON")


def test_a_record_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path)
    for length in range(len(whole)):
        refused(whole[:length], "record that lockdown wrote|strict JSON")


def test_anything_after_the_record_is_refused(tmp_path: Path) -> None:
    refused(written(tmp_path) + b"\n", "its last line")
    refused(written(tmp_path) * 2, "its last line")


def test_a_line_too_long_to_hold_is_refused(tmp_path: Path) -> None:
    long = (policy("storage-pna-disabled", "pass") | {"title": "x" * MAX_LINE},)
    refused(written(tmp_path, long), "longer than")
