"""What a comparison finds, and what it says of what it cannot compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lockdown.drift import compare, noise, read_side
from lockdown.errors import UsageError
from tests.drift.handmade import (
    GROUP,
    NIGHT_TWO,
    OTHER,
    POLICIES,
    POLICY,
    QUERY,
    STORE,
    SUBSCRIPTION,
    change,
    result,
    row,
    side,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lockdown.drift.items import VerdictChange
    from tests.drift.conftest import Nights

CLOSED, OPEN = {"publicNetworkAccess": "Disabled"}, {"publicNetworkAccess": "Enabled"}
STRICTER: dict[str, Any] = {"policies": {POLICY: QUERY + "| extend stricter = true\n"}}
ELSEWHERE = f"/subscriptions/{OTHER}/resourceGroups/x/providers/Microsoft.Storage/storageAccounts/far"
OWNED = {"reason": "import", "owner": "platform@research.example", "expires": "2026-03-31"}


def run(verdict: str, **properties: Any) -> dict[str, Any]:
    return {"rows": [row(properties=properties or CLOSED)], "results": [result(verdict)]}


def scope(*subscriptions: str, requested: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "scope": {
            "subscriptions": [{"id": s, "name": s} for s in subscriptions],
            "requested": {"subscriptions": list(requested), "managementGroups": []},
        }
    }


def only(items: tuple[VerdictChange, ...]) -> VerdictChange:
    (item,) = items
    return item


def test_a_run_does_not_differ_from_itself(tmp_path: Path) -> None:
    one = side(tmp_path / "one", **run("fail"))
    drift = compare(one, one, [change(paths={"properties.etag": ("1", "2")})])
    assert drift.is_empty
    assert drift.complete
    assert drift.warnings == ()


def test_noise_between_two_nights_is_no_drift(nights: Nights) -> None:
    before = run("pass", etag="1", publicNetworkAccess="Disabled")
    after = run("pass", etag="2", publicNetworkAccess="Disabled")
    after["rows"][0]["id"] = STORE.upper()
    after["results"][0]["resource"] = STORE.lower()
    assert nights(before, after).is_empty


def test_an_opened_account_is_worse_and_shows_the_property(nights: Nights) -> None:
    drift = nights(run("pass"), run("fail", **OPEN))
    verdict = only(drift.verdicts)
    assert (verdict.direction, verdict.before, verdict.after) == ("worse", "pass", "fail")
    assert (verdict.severity, verdict.cause, verdict.title) == ("critical", "environment", f"{POLICY} holds")
    (opened,) = drift.properties
    assert (opened.resource, opened.path) == (STORE, "properties.publicNetworkAccess")
    assert (opened.before, opened.after) == ("Disabled", "Enabled")
    assert (opened.severity, opened.policies) == ("critical", (POLICY,))


@pytest.mark.parametrize("verdict", ["fail", "unknown"])
def test_what_fails_already_can_fail_for_more(nights: Nights, verdict: str) -> None:
    before, after = (
        {"rows": [row(properties={"publicNetworkAccess": state, "sku": state})], "results": [result(verdict)]}
        for state in ("SecuredByPerimeter", "Enabled")
    )
    found = nights(before, after)
    assert not found.verdicts
    assert {item.path: (item.severity, item.policies) for item in found.properties} == {
        "properties.publicNetworkAccess": ("critical", (POLICY,)),
        "properties.sku": ("informational", ()),
    }


def test_a_change_that_satisfies_its_policies_is_informational(nights: Nights) -> None:
    before, after = (
        {"rows": [row(properties={"publicNetworkAccess": state})], "results": [result("pass")]}
        for state in ("Disabled", "SecuredByPerimeter")
    )
    (changed,) = nights(before, after).properties
    assert (changed.severity, changed.policies) == ("informational", ())


def test_a_property_that_no_changed_policy_asks_about_is_informational(nights: Nights) -> None:
    drift = nights(run("pass"), run("fail", **OPEN, minimumTlsVersion="TLS1_0"))
    severities = {item.path: item.severity for item in drift.properties}
    assert severities == {
        "properties.publicNetworkAccess": "critical",
        "properties.minimumTlsVersion": "informational",
    }


@pytest.mark.parametrize(
    ("before", "after", "direction", "severity"),
    [
        ("fail", "pass", "better", "informational"),
        ("pass", "unknown", "worse", "critical"),
        ("unknown", "pass", "better", "informational"),
        ("unknown", "fail", "worse", "critical"),
        ("fail", "unknown", "changed", "informational"),
        ("pass", "notApplicable", "changed", "informational"),
        ("notApplicable", "fail", "worse", "critical"),
    ],
)
def test_which_way_a_verdict_went(nights: Nights, before: str, after: str, direction: str, severity: str) -> None:
    item = only(nights(run(before), run(after)).verdicts)
    assert (item.direction, item.severity) == (direction, severity)


def test_a_failure_that_became_more_severe_is_worse(nights: Nights) -> None:
    milder = {"rows": [row()], "results": [result("fail", severity="low")]}
    item = only(nights(milder, run("fail")).verdicts)
    assert (item.direction, item.before, item.after) == ("worse", "fail", "fail")


def test_results_of_parts_are_told_apart_and_their_casing_means_nothing(nights: Nights) -> None:
    before = {"rows": [row()], "results": [result("pass", part="blob"), result("pass", part="file")]}
    after = {"rows": [row()], "results": [result("fail", part="Blob"), result("pass", part="file")]}
    assert only(nights(before, after).verdicts).part == "Blob"


def test_a_resource_that_came_and_one_that_went(nights: Nights) -> None:
    new = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/new"
    drift = nights(run("pass"), {"rows": [row(new)], "results": [result("fail", new)]})
    assert [(item.kind, item.resource, item.severity) for item in drift.resources] == [
        ("removed", STORE, "informational"),
        ("added", new, "critical"),
    ]
    assert [(item.direction, item.before, item.after) for item in drift.verdicts] == [
        ("vanished", "pass", None),
        ("appeared", None, "fail"),
    ]


def test_change_records_on_disk_are_no_resources(nights: Nights) -> None:
    before = {**run("pass"), "tables": {"resourcechanges": []}}
    assert nights(before, {**run("pass"), "tables": {"resourcechanges": [change()]}}).is_empty


def test_a_property_that_is_new_with_the_api_version_says_so(nights: Nights) -> None:
    before, after = run("pass"), run("pass", **CLOSED, newThing="On")
    after["rows"][0]["apiVersion"] = "2025-06-01"
    (item,) = nights(before, after).properties
    assert "2024-01-01, now 2025-06-01" in item.note


def test_rules_can_be_given(nights: Nights) -> None:
    rules = noise.parse("n", b"rules: [{path: properties, kind: ignore, reason: only verdicts count here}]")
    assert nights(run("pass"), run("pass", **OPEN), rules=rules).is_empty


def test_the_rules_that_the_current_run_carries_hold(tmp_path: Path) -> None:
    baseline = side(tmp_path / "one", **run("pass"))
    side(tmp_path / "two", **run("pass", **OPEN), at=NIGHT_TWO)
    carried = tmp_path / "two/policies/drift-noise.yaml"
    carried.write_text("rules: [{path: properties, kind: ignore, reason: only verdicts count here}]", "utf-8")
    assert compare(baseline, read_side(tmp_path / "two"), []).is_empty
    assert not compare(baseline, read_side(tmp_path / "two"), [], rules=noise.shipped()).is_empty


class TestWaivers:
    @pytest.mark.parametrize(
        ("before", "after", "kind", "severity"),
        [
            (None, OWNED, "began", "informational"),
            (OWNED, None, "ended", "critical"),
            ({**OWNED, "expires": "2026-03-01"}, None, "expired", "critical"),
            ({**OWNED, "expires": "2026-03-01"}, {**OWNED, "expires": "2026-03-01"}, "expired", "critical"),
            (OWNED, {**OWNED, "expires": "2026-12-31"}, "changed", "informational"),
        ],
    )
    def test_a_waiver(self, nights: Nights, before: Any, after: Any, kind: str, severity: str) -> None:
        ours, theirs = run("fail"), run("fail")
        ours["results"][0] |= {"waiver": before} if before else {}
        theirs["results"][0] |= {"waiver": after} if after else {}
        (item,) = nights(ours, theirs).waivers
        assert (item.kind, item.severity) == (kind, severity)

    def test_one_that_holds_as_before_is_no_drift(self, nights: Nights) -> None:
        waived = {"rows": [row()], "results": [result("fail", waiver=OWNED)]}
        assert nights(waived, waived).is_empty

    def test_a_new_failure_shows_the_waiver_that_covers_it(self, nights: Nights) -> None:
        drift = nights(run("pass"), {"rows": [row()], "results": [result("fail", waiver=OWNED)]})
        assert only(drift.verdicts).waiver == OWNED
        assert drift.waivers == ()


class TestCauses:
    def test_the_policy_changed_and_the_environment_did_not(self, nights: Nights) -> None:
        drift = nights(run("pass"), {**run("fail"), **STRICTER})
        item = only(drift.verdicts)
        assert item.cause == "policy"
        assert "text of the policy changed" in item.attribution.unknown
        assert [(p.kind, p.policy) for p in drift.policies] == [("changed", POLICY)]

    def test_both_changed(self, nights: Nights) -> None:
        drift = nights(run("pass"), {**run("fail", **OPEN), **STRICTER}, [change()])
        assert only(drift.verdicts).cause == "policyAndEnvironment"
        assert only(drift.verdicts).attribution.who == "operator@research.example"

    def test_a_new_policy(self, nights: Nights) -> None:
        after = {**run("pass"), "policies": {**POLICIES, "another": QUERY}}
        after["results"] = [*after["results"], result("fail", policy="another")]
        drift = nights(run("pass"), after)
        assert (only(drift.verdicts).direction, only(drift.verdicts).cause) == ("appeared", "policy")
        assert [(p.kind, p.policy) for p in drift.policies] == [("added", "another")]

    def test_the_boundary_changed(self, nights: Nights) -> None:
        asking = {"policies": {POLICY: QUERY + "| where id in (boundary.subscriptions)\n"}}
        drift = nights({**run("pass"), **asking}, {**run("fail"), **asking, "boundary": b'{"subscriptions":[]}'})
        assert only(drift.verdicts).cause == "boundary"


class TestWhatCannotBeCompared:
    def test_an_unreadable_subscription_is_not_empty(self, nights: Nights) -> None:
        both = scope(SUBSCRIPTION, OTHER)
        before = {
            "rows": [row(properties=CLOSED), row(ELSEWHERE)],
            "results": [result("pass"), result("pass", ELSEWHERE)],
            **both,
        }
        lost = [{"what": "subscription", "name": OTHER.upper(), "reason": "No permission."}]
        drift = nights(before, {**run("pass"), **both, "unreadable": lost})
        assert drift.is_empty
        assert not drift.complete
        (item,) = drift.not_compared
        assert (item.kind, item.side, item.name, item.reason) == ("unreadable", "current", OTHER, "No permission.")
        assert (item.resources, item.results) == (1, 1)

    def test_what_the_baseline_could_not_read_is_not_new(self, nights: Nights) -> None:
        lost = [{"what": "subscription", "name": OTHER, "reason": "No permission."}]
        after = {
            "rows": [row(properties=CLOSED), row(ELSEWHERE)],
            "results": [result("pass"), result("fail", ELSEWHERE)],
        }
        drift = nights({**run("pass"), "unreadable": lost}, {**after, **scope(SUBSCRIPTION, OTHER)})
        assert drift.is_empty
        assert [(item.side, item.resources, item.results) for item in drift.not_compared] == [("baseline", 1, 1)]

    def test_an_unreadable_table_is_not_empty(self, nights: Nights) -> None:
        kept = row(f"{GROUP}/providers/A.b/c/d", "a.b/c")
        lost = [{"what": "table", "name": "networkresources", "reason": "Azure refused the query."}]
        drift = nights(
            {**run("pass"), "tables": {"networkresources": [kept]}},
            {**run("pass"), "tables": {"networkresources": []}, "unreadable": lost},
        )
        assert drift.is_empty
        assert [(item.name, item.resources) for item in drift.not_compared] == [("networkresources", 1)]

    def test_results_of_a_policy_that_could_not_run_did_not_vanish(self, nights: Nights) -> None:
        drift = nights(run("pass"), {"rows": [row(properties=CLOSED)], "errors": {POLICY: "out of memory"}})
        assert drift.is_empty
        assert "out of memory" in drift.not_compared[0].reason

    def test_a_stopped_run_proves_no_absence(self, nights: Nights) -> None:
        drift = nights(run("pass"), {"partial": True})
        assert drift.is_empty
        assert not drift.complete

    def test_a_subscription_that_was_not_asked_for_is_out_of_scope(self, nights: Nights) -> None:
        wide = {"rows": [row(properties=CLOSED), row(ELSEWHERE)], "results": [result("pass")]}
        drift = nights(
            {**wide, **scope(SUBSCRIPTION, OTHER, requested=(SUBSCRIPTION, OTHER))},
            {**run("pass"), **scope(SUBSCRIPTION, requested=(SUBSCRIPTION,))},
        )
        assert drift.is_empty
        assert drift.complete
        assert [(item.kind, item.name) for item in drift.not_compared] == [("scope", OTHER)]

    def test_a_subscription_that_was_asked_for_and_is_gone_is_no_removal(self, nights: Nights) -> None:
        wide = {"rows": [row(properties=CLOSED), row(ELSEWHERE)], "results": [result("pass")]}
        drift = nights({**wide, **scope(SUBSCRIPTION, OTHER)}, {**run("pass"), **scope(SUBSCRIPTION)})
        assert drift.is_empty
        assert not drift.complete

    def test_types_that_the_baseline_did_not_read_are_not_new(self, nights: Nights) -> None:
        unread = row(f"{GROUP}/providers/X.y/z/w", "x.y/z")
        drift = nights(run("pass"), {**run("pass"), "tables": {"networkresources": [unread]}})
        assert drift.is_empty
        assert drift.complete
        assert [(item.kind, item.name, item.resources) for item in drift.not_compared] == [("notCollected", "x.y/z", 1)]

    def test_what_only_azure_looked_at_is_not_gone(self, nights: Nights) -> None:
        drift = nights(run("pass"), {**run("fail"), "rows": [], "engine": "resource-graph"})
        assert [item.direction for item in drift.verdicts] == ["worse"]
        assert not drift.resources
        assert [(item.kind, item.side, item.resources) for item in drift.not_compared] == [
            ("notCollected", "current", 1)
        ]
        assert any("Azure judged by 1 policy: " in warning for warning in drift.warnings)
        assert any("1 policy was judged by another engine" in warning for warning in drift.warnings)


class TestWhatIsRefused:
    def test_scopes_that_do_not_overlap(self, nights: Nights) -> None:
        with pytest.raises(UsageError, match=f"Baseline: {SUBSCRIPTION}. Current run: {OTHER}"):
            nights(run("pass"), {**run("pass"), **scope(OTHER)})

    def test_another_tenant(self, nights: Nights) -> None:
        with pytest.raises(UsageError, match="of tenant t1, the current run of tenant t2"):
            nights({**run("pass"), "tenant": "t1"}, {**run("pass"), "tenant": "T2"})

    def test_a_record_of_an_older_form(self, tmp_path: Path) -> None:
        side(tmp_path / "old", **run("pass"))
        path = tmp_path / "old/results/results.json"
        path.write_bytes(path.read_bytes().replace(b"results:v1", b"results:v0"))
        with pytest.raises(UsageError, match="not the record of a run"):
            read_side(tmp_path / "old")

    def test_a_run_without_snapshot(self, tmp_path: Path) -> None:
        side(tmp_path / "run", **run("pass"))
        (tmp_path / "run/inputs/snapshot").rename(tmp_path / "elsewhere")
        with pytest.raises(UsageError, match="holds no inputs/snapshot"):
            read_side(tmp_path / "run")

    @pytest.mark.parametrize("line", [b"{", b"[]", b'"id"', b"{}", b'{"id": 1}', b""])
    def test_a_snapshot_that_is_broken(self, tmp_path: Path, line: bytes) -> None:
        one, two = side(tmp_path / "one", **run("pass")), side(tmp_path / "two", **run("pass"), at=NIGHT_TWO)
        with (two.snapshot / "resources.jsonl").open("ab") as file:
            file.write(line + b"\n")
        with pytest.raises(UsageError, match=r"resources.jsonl, line 2 is not a row with an id"):
            compare(one, two, [])

    def test_a_snapshot_with_a_resource_twice(self, nights: Nights) -> None:
        with pytest.raises(UsageError, match="holds a resource twice"):
            nights(run("pass"), {"rows": [row(), row(STORE.upper())]})

    def test_a_run_object_that_lacks_what_every_run_has(self, tmp_path: Path) -> None:
        one = side(tmp_path / "one", **run("pass"))
        path = tmp_path / "one/results/results.json"
        path.write_bytes(path.read_bytes().replace(b'"unreadable":', b'"unreadables":'))
        with pytest.raises(UsageError, match="lacks 'unreadable' in its run object"):
            compare(read_side(tmp_path / "one"), one, [])


def test_the_wrong_way_round_is_said(tmp_path: Path) -> None:
    one, two = side(tmp_path / "one", **run("pass")), side(tmp_path / "two", **run("fail"), at=NIGHT_TWO)
    drift = compare(two, one, [])
    assert "before the baseline" in drift.warnings[0]
    assert only(drift.verdicts).direction == "better"
    assert "older than the baseline" in only(drift.verdicts).attribution.unknown
