"""What somebody might do to evidence, and the exit code and the check that answer each attempt."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lockdown.errors import Exit
from lockdown.evidence import sums
from lockdown.evidence.checks import Replayed
from lockdown.evidence.dsse import wrap
from lockdown.evidence.files import BUNDLE, MAX_SMALL, RESULTS, RUN, SUMS
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.predicate import AUDIT_RUN, EVIDENCE_BUNDLE
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.times import stamp
from lockdown.evidence.trust import TrustRoot
from lockdown.evidence.verify import Verification
from tests.evidence.handmade import (
    LOCAL_CLOUD,
    NOW,
    changed_root,
    check,
    failures,
    memory,
    payload,
    resigned,
    root,
    signer,
    write_run,
)

Contents = dict[str, bytes]
SCOPE = "inputs/scope.json"
BOUNDARY = "inputs/boundary.json"


@pytest.fixture
def make(tmp_path: Path, key: FileSigner) -> Callable[..., Contents]:
    """Another genuine run, by the same key unless told otherwise."""

    def made(by: FileSigner | None = None, **changes: Any) -> Contents:
        directory = write_run(tmp_path / f"run-{len(list(tmp_path.iterdir()))}", **changes)
        sign_run(directory, by or key)
        seal(directory, by or key)
        return memory(directory)

    return made


def without(contents: Contents, *names: str) -> Contents:
    return {name: data for name, data in contents.items() if name not in names}


def relisted(contents: Contents) -> Contents:
    """A run whose SHA256SUMS was made again, as an attacker would who cannot sign."""
    listed = {name: sha256(data).hexdigest() for name, data in contents.items() if name not in {SUMS, BUNDLE}}
    return contents | {SUMS: sums.written(listed)}


def resealed(contents: Contents, by: FileSigner) -> Contents:
    """A run listed and sealed again by somebody who can sign."""
    listed = relisted(contents)
    subject = [{"name": SUMS, "digest": {"sha256": sha256(listed[SUMS]).hexdigest()}}]
    run_payload = {"sha256": sha256(payload(listed[RUN])).hexdigest()}
    predicate = json.loads(payload(listed[BUNDLE]))["predicate"] | {"runPayload": run_payload}
    return listed | {BUNDLE: resigned(listed[BUNDLE], by, subject=subject, predicate=predicate)}


def expect(found: Verification, code: Exit, *checks: str) -> None:
    assert (found.exit_code, failures(found)) == (code, list(checks))


def test_a_genuine_run_is_verified(genuine: Contents, trusted: TrustRoot, key: FileSigner) -> None:
    found = check(genuine, trusted)
    assert (found.exit_code, failures(found), found.lab, found.key_id) == (Exit.OK, [], False, key.key_id)
    assert found.run is not None
    assert found.run.outcome == "nonCompliant"


# Files of a run that were changed, by somebody who cannot sign.


def test_each_file_removed(genuine: Contents, trusted: TrustRoot) -> None:
    for name in genuine:
        assert check(without(genuine, name), trusted).exit_code is Exit.TAMPERED, name
        relist = relisted(without(genuine, name))
        assert check(relist, trusted).exit_code is Exit.TAMPERED or name == SUMS, f"{name}, with SHA256SUMS made again"


def test_each_file_truncated_emptied_or_grown(genuine: Contents, trusted: TrustRoot) -> None:
    for name, data in genuine.items():
        for other in (data[:-1], data[1:], data[: len(data) // 2], b"", data + b"\n", data + b"\0", data + data):
            assert check(genuine | {name: other}, trusted).exit_code is Exit.TAMPERED, name


def test_each_file_renamed(genuine: Contents, trusted: TrustRoot) -> None:
    for name, data in genuine.items():
        for other in (name + "2", "results/" + name.split("/")[-1] + "x", "a"):
            assert check(without(genuine, name) | {other: data}, trusted).exit_code is Exit.TAMPERED, name


def test_each_two_files_swapped(genuine: Contents, trusted: TrustRoot) -> None:
    names = sorted(genuine)
    for one in names:
        for other in names:
            if genuine[one] != genuine[other]:
                swapped = genuine | {one: genuine[other], other: genuine[one]}
                assert check(swapped, trusted).exit_code is Exit.TAMPERED, (one, other)


@pytest.mark.parametrize(
    "name", ["results/extra.json", "extra", "seal/extra.json", "run/other.dsse.json", "policies/x/y/query.kql"]
)
def test_a_file_added(genuine: Contents, trusted: TrustRoot, name: str) -> None:
    assert check(genuine | {name: b""}, trusted).exit_code is Exit.TAMPERED
    assert check(relisted(genuine | {name: b""}), trusted).exit_code is Exit.TAMPERED


@pytest.mark.parametrize(
    "name", ["../x", "/x", "inputs//x", "inputs/./x", "X", "a b", "a\\b", "c:x", "\u202ex", "x\n", "", ".", "inputs/"]
)
def test_a_strange_name(genuine: Contents, trusted: TrustRoot, name: str) -> None:
    expect(
        check(genuine | {name: b""}, trusted),
        Exit.TAMPERED,
        "structure",
    )


def test_results_edited_and_listed_again(genuine: Contents, trusted: TrustRoot) -> None:
    edited = genuine[RESULTS].replace(b'"verdict":"fail"', b'"verdict":"pass"')
    expect(check(relisted(genuine | {RESULTS: edited}), trusted), Exit.TAMPERED, "seal", "subjects", "record")


def test_the_report_replaced_and_listed_again(genuine: Contents, trusted: TrustRoot) -> None:
    expect(check(relisted(genuine | {"report/report.html": b"All is well"}), trusted), Exit.TAMPERED, "seal")


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: list(reversed(lines)),
        lambda lines: [*lines, lines[-1]],
        lambda lines: lines[:-1],
        lambda lines: [line.replace("  ", " *") for line in lines],
        lambda lines: [line.upper() for line in lines],
        lambda lines: ["# a comment", *lines],
        lambda lines: [*lines, ""],
        lambda lines: [line + "\r" for line in lines],
        lambda lines: [*lines, "0" * 64 + "  ../../etc/passwd"],
    ],
)
def test_another_form_of_the_list(
    genuine: Contents, trusted: TrustRoot, change: Callable[[list[str]], list[str]]
) -> None:
    lines = change(genuine[SUMS].decode().splitlines())
    found = check(genuine | {SUMS: "".join(f"{line}\n" for line in lines).encode()}, trusted)
    assert found.exit_code is Exit.TAMPERED
    assert "digests" in failures(found)


@pytest.mark.parametrize("name", [RUN, BUNDLE, RESULTS])
@pytest.mark.parametrize("data", [b'"' + b'\\"' * 1_000_000, b"[" * 1_000_000, b'{"a":' * 1_000_000, b"9" * 1_000_000])
def test_a_file_made_to_be_slow_to_read(genuine: Contents, trusted: TrustRoot, name: str, data: bytes) -> None:
    assert check(relisted(genuine | {name: data}), trusted).exit_code is Exit.TAMPERED


@pytest.mark.parametrize("name", [RUN, BUNDLE, SUMS])
def test_a_file_made_to_fill_the_memory(genuine: Contents, trusted: TrustRoot, name: str) -> None:
    large = genuine | {name: bytes(MAX_SMALL + 1)}
    found = check(large, trusted)
    assert found.exit_code is Exit.TAMPERED
    assert any("longer than" in each.detail for each in found.checks)


# The signatures removed or replaced.


def test_a_run_that_nobody_signed(tmp_path: Path, trusted: TrustRoot) -> None:
    directory = write_run(tmp_path / "run-1")
    seal(directory, None)
    unsigned = memory(directory)
    expect(check(unsigned, trusted), Exit.UNTRUSTED, "run envelope", "bundle envelope")
    assert "not signed" in next(c.detail for c in check(unsigned, trusted).checks if c.name == "run envelope")
    changed = unsigned | {SCOPE: b"{ }\n"}
    expect(check(changed, trusted), Exit.TAMPERED, "run envelope", "bundle envelope", "digests")
    lying = relisted(unsigned | {RESULTS: unsigned[RESULTS].replace(b'"fail":1', b'"fail":0')})
    expect(check(lying, trusted), Exit.TAMPERED, "run envelope", "bundle envelope", "record")


def test_the_signatures_taken_away(genuine: Contents, trusted: TrustRoot) -> None:
    stripped = relisted(without(genuine, RUN, BUNDLE))
    expect(check(stripped, trusted), Exit.UNTRUSTED, "run envelope", "bundle envelope")


def test_everything_that_seals_taken_away(genuine: Contents, trusted: TrustRoot) -> None:
    expect(check(without(genuine, RUN, BUNDLE, SUMS), trusted), Exit.UNTRUSTED, "structure")


def test_without_a_trust_root_a_run_is_intact_and_not_trusted(genuine: Contents) -> None:
    expect(check(genuine, None), Exit.UNTRUSTED, "trust root")
    assert check(genuine | {SCOPE: b"{ }\n"}, None).exit_code is Exit.TAMPERED


def test_changed_and_signed_again_by_an_unknown_key(
    make: Callable[..., Contents], trusted: TrustRoot, genuine: Contents
) -> None:
    forged = make(by=signer())
    expect(check(forged, trusted), Exit.UNTRUSTED, "run signature", "bundle signature")
    inconsistent = forged | {SCOPE: b"{ }\n"}
    assert check(inconsistent, trusted).exit_code is Exit.TAMPERED
    assert check(genuine | {BUNDLE: forged[BUNDLE]}, trusted).exit_code is Exit.TAMPERED


def test_an_unknown_key_under_the_id_of_a_trusted_one(genuine: Contents, trusted: TrustRoot, key: FileSigner) -> None:
    impostor = FileSigner(Path("/nowhere"), key.key_id, signer()._key)
    forged = genuine | {BUNDLE: wrap(payload(genuine[BUNDLE]), impostor)}
    expect(check(forged, trusted), Exit.TAMPERED, "bundle signature")


def test_a_trusted_key_under_the_id_of_another(genuine: Contents, trusted: TrustRoot, key: FileSigner) -> None:
    mislabelled = FileSigner(Path("/nowhere"), signer().key_id, key._key)
    forged = genuine | {BUNDLE: wrap(payload(genuine[BUNDLE]), mislabelled)}
    expect(check(forged, trusted), Exit.TAMPERED, "bundle signature")


def test_the_payload_changed_under_the_old_signature(genuine: Contents, trusted: TrustRoot) -> None:
    value = json.loads(genuine[RUN])
    other = json.loads(resigned(genuine[RUN], signer(), predicate={}))
    value["payload"] = other["payload"]
    forged = json.dumps(value, separators=(",", ":"), sort_keys=True).encode() + b"\n"
    assert "run signature" in failures(check(relisted(genuine | {RUN: forged}), trusted))


# Two genuine runs of the same key, mixed.


def test_mixing_two_genuine_runs(genuine: Contents, trusted: TrustRoot, make: Callable[..., Contents]) -> None:
    other = make(runId="another run")
    assert check(other, trusted).exit_code is Exit.OK
    for name in genuine.keys() & other.keys():
        if genuine[name] != other[name]:
            for mixed in (genuine | {name: other[name]}, other | {name: genuine[name]}):
                assert check(mixed, trusted).exit_code is Exit.TAMPERED, name
    sealing = {RUN: other[RUN], BUNDLE: other[BUNDLE], SUMS: other[SUMS]}
    assert check(genuine | sealing, trusted).exit_code is Exit.TAMPERED
    expect(check(genuine | {BUNDLE: other[BUNDLE]}, trusted), Exit.TAMPERED, "seal")


def test_the_run_and_the_bundle_envelope_exchanged(genuine: Contents, trusted: TrustRoot) -> None:
    exchanged = genuine | {RUN: genuine[BUNDLE], BUNDLE: genuine[RUN]}
    found = check(exchanged, trusted)
    assert found.exit_code is Exit.TAMPERED
    assert {"run statement"} <= set(failures(found))


# A signer who does not keep to the form, or whose statement is not about these files.


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "run statement"),
        ({"predicateType": EVIDENCE_BUNDLE}, "run statement"),
        ({"predicateType": "urn:other"}, "run statement"),
        ({"subject": []}, "subjects"),
        ({"subject": [{"name": RESULTS, "digest": {"sha512": "00"}}]}, "run statement"),
        ({"subject": [{"name": RESULTS, "digest": {"sha256": "00"}}]}, "run statement"),
        ({"subject": [{"name": RESULTS, "digest": {"sha256": "ab" * 32, "md5": "00"}}]}, "run statement"),
        ({"subject": "everything"}, "run statement"),
        ({"predicate": []}, "run statement"),
        ({"predicate": {}}, "policies"),
        ({"surprise": 1}, "run statement"),
    ],
)
def test_a_signed_statement_of_another_shape(
    genuine: Contents, trusted: TrustRoot, key: FileSigner, changes: dict[str, Any], failed: str
) -> None:
    other = resealed(genuine | {RUN: resigned(genuine[RUN], key, **changes)}, key)
    found = check(other, trusted)
    assert found.exit_code is Exit.TAMPERED
    assert failures(found)[0] == failed


@pytest.mark.parametrize("number", [b"1e999", b"NaN", b"-Infinity", b"1.50", b"1E0", b"-0", b"00"])
def test_a_signed_number_that_readers_would_read_differently(
    genuine: Contents, trusted: TrustRoot, key: FileSigner, number: bytes
) -> None:
    odd = payload(genuine[BUNDLE]).replace(b'"predicate":{', b'"predicate":{"aNumber":' + number + b",")
    expect(check(genuine | {BUNDLE: wrap(odd, key)}, trusted), Exit.TAMPERED, "bundle statement")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outcome", "compliant"),
        ("runId", "another"),
        ("source", "sandbox"),
        ("finishedAt", "2026-01-02T04:00:00Z"),
        ("tool", {"name": "lockdown", "version": "9"}),
    ],
)
def test_a_signed_claim_that_its_record_does_not_bear_out(
    genuine: Contents, trusted: TrustRoot, key: FileSigner, field: str, value: object
) -> None:
    predicate = json.loads(payload(genuine[RUN]))["predicate"] | {field: value}
    found = check(resealed(genuine | {RUN: resigned(genuine[RUN], key, predicate=predicate)}, key), trusted)
    expect(found, Exit.TAMPERED, "claim")
    assert found.checks[[c.name for c in found.checks].index("claim")].detail.endswith(f"disagree on {field}.")


def test_a_field_that_a_later_version_adds_is_accepted(genuine: Contents, trusted: TrustRoot, key: FileSigner) -> None:
    predicate = json.loads(payload(genuine[RUN]))["predicate"] | {"chain": {"sequence": 7}}
    later = resealed(genuine | {RUN: resigned(genuine[RUN], key, predicate=predicate)}, key)
    assert check(later, trusted).exit_code is Exit.OK


def test_a_signed_policy_set_that_is_not_the_one_shipped(make: Callable[..., Contents], trusted: TrustRoot) -> None:
    expect(check(make(policySet={"digest": "ab" * 32, "count": 2}), trusted), Exit.TAMPERED, "policies")


def test_signed_counts_that_the_results_do_not_give(make: Callable[..., Contents], trusted: TrustRoot) -> None:
    counts = {"pass": 3, "fail": 0, "waived": 0, "notApplicable": 0, "unknown": 0, "manual": 0, "notObserved": 1}
    expect(check(make(counts=counts, outcome="compliant"), trusted), Exit.TAMPERED, "record")


# Genuine, but not what the verifier's organisation trusts.


def test_the_sandbox_under_a_root_for_live_runs(make: Callable[..., Contents], trusted: TrustRoot) -> None:
    expect(check(make(source="sandbox", cloud=LOCAL_CLOUD), trusted), Exit.UNTRUSTED, "origin")


def test_the_sandbox_that_says_it_is_live(make: Callable[..., Contents], trusted: TrustRoot) -> None:
    expect(check(make(cloud=LOCAL_CLOUD), trusted), Exit.UNTRUSTED, "origin")


def test_a_file_under_a_root_for_live_runs(make: Callable[..., Contents], trusted: TrustRoot) -> None:
    nowhere = {"name": "file", "resourceManager": "", "authority": ""}
    expect(check(make(source="file", cloud=nowhere, tenant=""), trusted), Exit.UNTRUSTED, "origin")


def test_a_live_run_names_the_hosts_that_it_asked(genuine: Contents, trusted: TrustRoot, key: FileSigner) -> None:
    predicate = json.loads(payload(genuine[RUN]))["predicate"] | {"cloud": None}
    nowhere = resealed(genuine | {RUN: resigned(genuine[RUN], key, predicate=predicate)}, key)
    assert check(nowhere, trusted).exit_code is Exit.TAMPERED


def test_a_laboratory_key_under_another_root(make: Callable[..., Contents], trusted: TrustRoot) -> None:
    laboratory = signer()
    run = make(by=laboratory, source="sandbox", cloud=LOCAL_CLOUD)
    found = check(run, root(laboratory, lab=True))
    assert (found.exit_code, found.lab) == (Exit.OK, True)
    expect(check(run, trusted), Exit.UNTRUSTED, "run signature", "bundle signature", "origin")


@pytest.mark.parametrize(
    "changes",
    [
        {"key_revokedAt": "2026-06-01T00:00:00Z", "key_reason": "The disk was lost."},
        {"key_notAfter": "2026-01-03T00:00:00Z"},
        {"key_notBefore": stamp(NOW + timedelta(days=1))},
    ],
    ids=["revoked", "expired", "not yet valid"],
)
def test_a_key_that_no_longer_counts(genuine: Contents, trusted: TrustRoot, changes: dict[str, str]) -> None:
    found = check(genuine, changed_root(trusted, **changes))
    expect(found, Exit.UNTRUSTED, "run signature", "bundle signature")


def test_an_expired_trust_root(genuine: Contents, trusted: TrustRoot) -> None:
    expect(check(genuine, trusted, now=NOW + timedelta(days=400)), Exit.UNTRUSTED, "trust root")


@pytest.mark.parametrize("kind", [AUDIT_RUN, EVIDENCE_BUNDLE])
def test_a_kind_of_statement_that_is_not_allowed(genuine: Contents, trusted: TrustRoot, kind: str) -> None:
    expect(check(genuine, changed_root(trusted, predicateTypes=[kind])), Exit.UNTRUSTED, "origin")


# Genuine, but not enough.


def test_a_run_from_the_future(genuine: Contents, key: FileSigner) -> None:
    early = root(key, now=NOW - timedelta(days=30))
    expect(check(genuine, early, now=NOW - timedelta(days=1)), Exit.STALE, "time")
    assert check(genuine, early, now=datetime.now(UTC) - timedelta(minutes=4)).exit_code is Exit.OK


def test_a_run_sealed_before_it_finished(make: Callable[..., Contents], trusted: TrustRoot) -> None:
    expect(check(make(finishedAt="2199-01-01T00:00:00Z"), trusted), Exit.STALE, "time")


@pytest.mark.parametrize(
    "changes",
    [
        {"complete": False, "unreadable": [{"what": "subscription", "name": "x", "reason": "Forbidden."}]},
        {"complete": False},
        {"partial": True},
    ],
)
def test_a_run_that_did_not_read_everything(
    make: Callable[..., Contents], trusted: TrustRoot, changes: dict[str, Any]
) -> None:
    run = make(outcome="indeterminate", **changes)
    expect(check(run, trusted), Exit.INCOMPLETE, "complete")
    assert check(run, trusted, allow_partial=True).exit_code is Exit.OK


def test_tampering_comes_before_trust_and_trust_before_the_rest(
    make: Callable[..., Contents], trusted: TrustRoot
) -> None:
    run = make(source="sandbox", cloud=LOCAL_CLOUD, complete=False, outcome="indeterminate")
    expect(check(run, trusted), Exit.UNTRUSTED, "origin", "complete")
    assert check(run | {SCOPE: b""}, trusted).exit_code is Exit.TAMPERED
    future = check(run, root(signer(), lab=True), now=NOW - timedelta(days=1))
    assert (future.exit_code, failures(future)[-2:]) == (Exit.UNTRUSTED, ["time", "complete"])


# Replay.


def test_replay_decides_too(genuine: Contents, trusted: TrustRoot) -> None:
    assert check(genuine, trusted, replay=lambda _: Replayed(())).exit_code is Exit.OK
    expect(check(genuine, trusted, replay=lambda _: Replayed(("one", "two"))), Exit.TAMPERED, "replay")


def test_a_run_that_is_not_intact_is_not_replayed(genuine: Contents, trusted: TrustRoot) -> None:
    def never(_: object) -> Replayed:
        raise AssertionError("queries of a changed run were run")

    expect(check(genuine | {SCOPE: b""}, trusted, replay=never), Exit.TAMPERED, "digests")
