"""What a verifier may demand beyond genuine evidence, and the exit code of each demand that is not met."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.times import stamp
from tests.evidence.handmade import (
    SUBSCRIPTION,
    TENANT,
    changed_root,
    check,
    failures,
    memory,
    policy,
    result,
    root,
    run_object,
    signed_root,
    signer,
    write_run,
)

Captured = pytest.CaptureFixture[str]
OTHER = "11111111-1111-1111-1111-111111111111"
EXPECTED = ("--expect-subscription", SUBSCRIPTION)
DIGEST = run_object()["policySet"]["digest"]
COMPLIANT: dict[str, Any] = {
    "policies": [policy("storage-pna-disabled", "pass", pass_=1), policy("vnet-no-public-ip", "notObserved")],
    "results": [result("storage-pna-disabled", "pass")],
    "outcome": "compliant",
    "counts": policy("x", "pass", pass_=1)["counts"] | {"notObserved": 1},
}


@pytest.fixture
def verify(tmp_path: Path, key: FileSigner) -> Callable[..., int]:
    """Make a run, with other fields where they are given, and verify it with options."""

    def verified(*options: str, **changes: Any) -> int:
        directory = write_run(tmp_path / f"run-{len(list(tmp_path.iterdir()))}", **changes)
        sign_run(directory, key)
        seal(directory, key)
        (tmp_path / "trust-root.json").write_bytes(signed_root(root(key), signer()))
        return lockdown(["verify", str(directory), "--trust", str(tmp_path / "trust-root.json"), *options])

    return verified


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (EXPECTED, Exit.OK, "that were expected"),
        (("--expect-subscription", SUBSCRIPTION.upper()), Exit.OK, "that were expected"),
        (("--expect-subscription", OTHER), Exit.INCOMPLETE, "was not expected"),
        ((*EXPECTED, "--expect-subscription", OTHER), Exit.INCOMPLETE, f"not of the subscription {OTHER}"),
        (("--expect-tenant", TENANT), Exit.OK, "that were expected"),
        (("--expect-tenant", OTHER), Exit.INCOMPLETE, f"not of {OTHER}"),
        (("--policies-digest", DIGEST), Exit.OK, "the policy set that was expected"),
        (("--policies-digest", "0" * 64), Exit.INCOMPLETE, "another policy set"),
        (("--require-timestamp",), Exit.STALE, "is absent"),
        (("--max-age", "36h"), Exit.STALE, "at most 36 h"),
        (("--max-age", "9000d"), Exit.OK, "h old"),
        (("--require-compliant",), Exit.NOT_COMPLIANT, "NOT COMPLIANT, which was demanded"),
        (("--require-compliant", "--max-age", "1h"), Exit.STALE, "NOT VERIFIED. TOO OLD"),
    ],
)
def test_each_demand(
    verify: Callable[..., int], capsys: Captured, options: tuple[str, ...], code: Exit, says: str
) -> None:
    assert verify(*options) == code
    assert says in capsys.readouterr().out


def test_a_compliant_run(verify: Callable[..., int], capsys: Captured) -> None:
    assert verify("--require-compliant", **COMPLIANT) == Exit.OK
    assert "VERIFIED: run" in capsys.readouterr().out


def test_what_could_not_be_judged_is_not_compliant(verify: Callable[..., int]) -> None:
    partial = {"complete": False, "outcome": "indeterminate"}
    assert verify("--require-compliant", **COMPLIANT | partial) == Exit.INCOMPLETE
    assert verify("--require-compliant", "--allow-partial", **COMPLIANT | partial) == Exit.INCOMPLETE


def test_a_run_of_more_than_was_expected(verify: Callable[..., int]) -> None:
    wide = run_object()["scope"] | {"subscriptions": [{"id": each, "name": ""} for each in (SUBSCRIPTION, OTHER)]}
    assert verify("--expect-subscription", SUBSCRIPTION, scope=wide) == Exit.INCOMPLETE
    assert verify("--expect-subscription", SUBSCRIPTION, "--expect-subscription", OTHER, scope=wide) == Exit.OK


def test_a_run_without_a_tenant_is_of_no_tenant(sealed: Path, key: FileSigner) -> None:
    assert check(memory(sealed), root(key)).exit_code is Exit.OK


@pytest.mark.parametrize(
    "options",
    [
        ("--expect-subscription", "genomics"),
        ("--expect-tenant", "example.org"),
        ("--policies-digest", "abc"),
        ("--trust-fingerprint", "abc"),
        ("--max-age", "0h"),
        ("--max-age", "1w"),
        ("--max-age", "-1h"),
    ],
)
def test_demands_that_make_no_sense(verify: Callable[..., int], options: tuple[str, ...]) -> None:
    assert verify(*options) == Exit.USAGE


def test_the_trust_root_may_limit_the_age_too(tmp_path: Path, key: FileSigner) -> None:
    began = stamp(datetime.now(UTC) - timedelta(hours=30))
    directory = write_run(tmp_path / "run-1", startedAt=began, finishedAt=stamp(datetime.now(UTC)))
    sign_run(directory, key)
    seal(directory, key)
    for hours, code in ((24, Exit.STALE), (48, Exit.OK)):
        found = check(memory(directory), changed_root(root(key), maxAgeHours=hours))
        assert (found.exit_code, failures(found)) == (code, ["age"] if code else [])


def test_demands_are_for_programs_too(verify: Callable[..., int], capsys: Captured) -> None:
    assert verify("--require-compliant", "--json") == Exit.NOT_COMPLIANT
    found = json.loads(capsys.readouterr().out)
    assert (found["verified"], found["exitCode"], found["provenAt"]) == (False, 7, None)
    assert [check["name"] for check in found["checks"] if check["mark"] == "failed"] == ["outcome"]
