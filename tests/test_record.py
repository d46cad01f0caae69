"""results.json: streamed, and identical means equal policies and results."""

from pathlib import Path

import pytest

from lockdown import record
from lockdown.errors import UsageError
from lockdown.strict import canonical

POLICIES = [{"id": "a"}, {"id": "b"}]
RESULTS = [{"policy": "a", "resource": f'/x/"{n}"\n', "verdict": "pass"} for n in range(5)]


@pytest.mark.parametrize("results", [RESULTS, RESULTS[:1], []])
def test_a_record_reads_back_as_written(tmp_path: Path, results: list[dict[str, str]]) -> None:
    path = tmp_path / "results.json"
    digest = record.write(path, {"runId": "1"}, POLICIES, results)
    found = record.read(path)
    assert (list(found.policies), list(found.results()), found.run) == (POLICIES, results, {"runId": "1"})
    assert record.digest(found) == digest


def test_identity_is_policies_and_results_not_the_run(tmp_path: Path) -> None:
    one = record.write(tmp_path / "1", {"startedAt": "then"}, POLICIES, RESULTS)
    two = record.write(tmp_path / "2", {"startedAt": "now"}, iter(POLICIES), iter(RESULTS))
    three = record.write(tmp_path / "3", {"startedAt": "now"}, POLICIES, RESULTS[1:])
    assert one == two != three


@pytest.mark.parametrize("keep", [0, 10, 100, -1, -30])
def test_a_cut_record_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "results.json"
    record.write(path, {"runId": "1"}, POLICIES, RESULTS)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UsageError, match="not the record of a run"):
        record.read(path)


def test_results_are_written_as_everything_that_is_compared_is(tmp_path: Path) -> None:
    every = "".join(chr(point) for point in (*range(0xD800), *range(0xE000, 0x110000, 17)))
    result = {
        "resource": every,
        "policy": "a",
        "observed": "\u2028</script>\x7f",
        "waiver": {"reason": "z", "owner": "y"},
    }
    record.write(tmp_path / "results.json", {"runId": "1"}, POLICIES, [result])

    assert canonical(result) in (tmp_path / "results.json").read_bytes().split(b"\n")


@pytest.mark.parametrize("size", [1, (1 << 16) - 30, 1 << 16, 200_000])
def test_a_run_object_of_any_size_is_found_at_the_end(tmp_path: Path, size: int) -> None:
    record.write(tmp_path / "results.json", {"runId": "x" * size}, POLICIES, RESULTS)

    assert record.read(tmp_path / "results.json").run == {"runId": "x" * size}
