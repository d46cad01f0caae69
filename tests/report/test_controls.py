"""The record by control: every count follows from the policies, and nothing is greener than what was seen."""

from __future__ import annotations

import random
import re
from collections import Counter
from html import unescape

import pytest

from lockdown.model import Policy
from lockdown.policy.assessed import by_control
from lockdown.policy.frameworks import as_recorded
from lockdown.policy.load import PolicySet, load
from lockdown.record import Record
from lockdown.report import controls, html, view, words
from tests.report.conftest import MakeRecord
from tests.report.handmade import GROUP, KEY_ID, Json, envelope, policy, result

WAIVER = {"reason": "Because.", "owner": "me", "expires": "2026-01-31"}
VERDICTS = ("fail", "unknown", "waived", "manual", "pass", "notApplicable")


def claim(control: str, basis: str = "project", framework: str = "nist-800-53-r5") -> Json:
    return {"framework": framework, "id": control, "basis": basis}


def found(policy_id: str, kind: str, number: int = 0) -> Json:
    waived = {"waiver": WAIVER} if kind == "waived" else {}
    return result(policy_id, f"{GROUP}/providers/A.B/c/r{number:03}", "fail" if waived else kind, **waived)


def section(made: Record) -> str:
    page = html.render(made, envelope=envelope(), key_id=KEY_ID).decode()
    match = re.search(r'<section id="controls">.*?</section>', page, re.DOTALL)
    return match[0] if match else ""


def text(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def nist(made: Record) -> controls.Framework:
    (framework,) = [framework for framework in controls.frameworks(made) if framework.id == "nist-800-53-r5"]
    return framework


@pytest.mark.parametrize(
    ("kinds", "standing"),
    [
        (["pass", "fail"], "fail"),
        (["waived", "unknown"], "unknown"),
        (["pass", "waived"], "waived"),
        (["pass", "manual"], "manual"),
        (["pass", None], "pass"),
        ([None, "notApplicable"], "notApplicable"),
        ([None, None], "notObserved"),
    ],
)
def test_a_control_is_as_its_worst_policy(make_record: MakeRecord, kinds: list[str | None], standing: str) -> None:
    policies = [policy(f"p{i}", f"Policy {i}", controls=[claim("SC-8")]) for i in range(len(kinds))]
    made = make_record(policies, [found(f"p{i}", kind) for i, kind in enumerate(kinds) if kind])
    (control,) = nist(made).assessed
    assert (control.id, control.standing) == ("SC-8", standing)
    assert sum(control.policies().values()) == len(kinds)
    green = re.findall(r'<td class="mark pass">Pass</td>', section(made))
    boxes = re.findall(r'<a class="h0 pass"', section(made))
    assert len(green) == (standing == "pass")
    assert len(boxes) == (2 if standing == "pass" else 0)  # in NIST and in the baseline that keeps the control


def test_a_control_that_no_policy_speaks_to_is_not_assessed(make_record: MakeRecord) -> None:
    made = make_record([policy("one", "One", controls=[claim("AC-4")])], [found("one", "pass")])
    assert [control.id for control in nist(made).silent] == ["SC-7(5)", "SC-8"]
    shown = text(section(made))
    assert "NIST SP 800-53 Rev. 5 1 of 3 listed controls assessed: 1 pass; 2 not assessed by lockdown; others" in shown
    assert (
        "Not assessed by lockdown: SC-7(5) Deny by Default , SC-8 Transmission Confidentiality and Integrity" in shown
    )
    assert "FedRAMP Moderate (Rev. 5) 1 of 2 controls assessed: 1 pass; 1 not assessed by lockdown The OSCAL" in shown
    assert "HIPAA Security Rule 0 of 2 controls assessed: none; 2 not assessed by lockdown" in shown


def test_a_row_says_who_claims_it_and_how_far_the_projects_own_claim_goes(stock: Record) -> None:
    shown = text(section(stock))
    numbers = "5 fail, 1 waived, 1 pass, 1 not observed"
    assert f"SC-7(5) Deny by Default Fail It decides what gets in. {numbers} 8 claimed by this project" in shown
    assert "Claimed by this project Fail: vm-no-public-ip , storage-pna-disabled ," in shown
    assert f"AC-4 Information Flow Enforcement Fail {numbers} 8 mapped by Microsoft" in shown
    assert "164.312(a)(1) Access control ( standard ) Fail" in shown
    assert "164.312(e)(2)(ii) Encryption ( addressable )" in shown
    assert shown.count("Addressable: implementation, or a documented equivalent.") == 1


def test_reasoning_is_shown_only_where_the_project_itself_claims(make_record: MakeRecord) -> None:
    made = make_record([policy("one", "One", controls=[claim("SC-7(5)", "microsoft")])], [found("one", "pass")])
    assert "It decides what gets in." not in section(made)


def test_every_policy_leads_to_where_the_page_shows_it(make_record: MakeRecord) -> None:
    policies = [policy(kind.lower(), kind, controls=[claim("AC-4")]) for kind in (*VERDICTS, "nothing")]
    policies.append(policy("broken", "Broken", controls=[claim("AC-4")], error="no"))
    made = make_record(policies, [found(kind.lower(), kind) for kind in VERDICTS])
    page = html.render(made, envelope=envelope(), key_id=KEY_ID).decode()
    anchors = set(re.findall(r'\sid="([^"]*)"', page))
    targets = set(re.findall(r'<a href="#([^"]*)"', section(made)))
    assert set(re.findall(r'href="#(c[0-9-]+)"', section(made))) <= anchors
    assert targets == {
        "fail-fail",
        "unknown-unknown",
        "waived-waived",
        "manual-manual",
        "pass-pass",
        "pass-notapplicable",
        "notObserved-nothing",
        "unknown",
    }
    assert targets <= anchors


def test_a_box_of_the_heat_map_counts_by_word_and_sign_and_leads_to_its_group(stock: Record) -> None:
    shown = section(stock)
    boxes = re.findall(r'<a class="(h\d) (\w+)" href="#([^"]+)"(?: title="([^"]*)")?>(.*?)</a>', shown)
    told = {(text(inside), heat, standing): (anchor, title) for heat, standing, anchor, title, inside in boxes}
    anchor, title = told["SC-7(5) 5 1 1 1", "h2", "fail"]
    assert title == "Deny by Default: 5 fail, 1 waived, 1 pass, 1 not observed"
    assert re.search(rf'<tr id="{anchor}"><th scope="row"><b><bdi>SC-7\(5\)', shown)
    moderate = [group for group in boxes if text(group[4]).startswith("AC-4")]
    assert len(moderate) == 2
    assert len({anchor for _, _, anchor, _, _ in moderate}) == 1
    assert all('class="mark' in inside for *_, inside in boxes)


@pytest.mark.parametrize(
    ("control", "family"),
    [
        ("AC-2(1)", "AC"),
        ("164.312(a)(2)(iv)", "164.312"),
        ("01.c", "01"),
        ("0805.01m1Organizational.12-01.m", "01"),
        ("ours", ""),
    ],
)
def test_a_control_says_what_family_it_is_of(control: str, family: str) -> None:
    assert controls.family(control) == family


def test_in_government_the_page_says_that_the_mapping_is_another(make_record: MakeRecord) -> None:
    told = "The mapping is the one for Azure's commercial cloud"
    cloud = {"name": "AzureUSGovernment", "resourceManager": "https://x", "authority": "y"}
    policies, results = [policy("one", "One")], [found("one", "pass")]
    assert told in text(section(make_record(policies, results, cloud=cloud)))
    assert told not in text(section(make_record(policies, results)))


def test_a_record_that_lists_no_frameworks_has_no_such_section(make_record: MakeRecord) -> None:
    made = make_record([policy("one", "One")], [found("one", "pass")], frameworks=[])
    assert controls.frameworks(made) == []
    assert section(made) == ""


@pytest.mark.parametrize("seed", range(20))
def test_every_number_follows_from_the_results(make_record: MakeRecord, seed: int) -> None:
    """Counts of controls are derived here from results and claims alone, and must be those that are shown."""
    rng = random.Random(seed)  # noqa: S311 - a seed, not a secret
    ids = ["AC-4", "SC-7(5)", "SC-8"]
    policies = [
        policy(f"p{i}", f"Policy {i}", controls=[claim(c) for c in rng.sample(ids, rng.randrange(3))]) for i in range(6)
    ]
    results = [
        found(f"p{i}", rng.choice(VERDICTS), number) for i in range(6) for number in range(rng.choice((0, 0, 1, 3)))
    ]
    made = make_record(policies, results)
    kinds = {p["id"]: {view.kind(r) for r in results if r["policy"] == p["id"]} for p in policies}
    order = ("fail", "unknown", "waived", "manual", "pass", "notApplicable")
    expected: Counter[str] = Counter()
    for control in ids:
        speaking = [p["id"] for p in policies if claim(control) in p["controls"]]
        seen = set().union(*(kinds[p] for p in speaking))
        expected[next((k for k in order if k in seen), "notObserved") if speaking else "notAssessed"] += 1
    framework = nist(made)
    assert {**framework.numbers(), "notAssessed": len(framework.silent)} == {"notAssessed": 0, **expected}
    assert framework.total == 3
    shown = section(made).split("<details><summary><b>")[-1]
    rows = Counter(re.findall(r'</th><td class="mark (\w+)">', shown))
    assert rows == Counter(framework.numbers())
    assert words.standings(framework.numbers()) in text(shown)


def as_policy_object(found_policy: Policy) -> Json:
    claims = [{"framework": c.framework, "id": c.id, "basis": c.basis} for c in found_policy.controls]
    return policy(found_policy.id, found_policy.title, controls=claims)


def test_a_record_of_all_policies_is_grouped_as_the_policies_themselves_are(make_record: MakeRecord) -> None:
    shipped: PolicySet = load(translate=False)
    made = make_record([as_policy_object(p) for p in shipped.policies], [], frameworks=as_recorded(shipped.frameworks))
    listed = controls.frameworks(made)
    assert [framework.id for framework in listed] == list(shipped.frameworks)
    for framework in listed:
        expected = by_control(shipped.policies, framework.id, shipped.frameworks)
        assert {
            c.id: (c.title, c.implementation, [(claim.policy["id"], claim.basis) for claim in c.claims])
            for c in (*framework.assessed, *framework.silent)
        } == {
            c.id: (c.requirement.title, c.requirement.implementation, [(p.id, basis) for p, basis in c.policies])
            for c in expected
        }
        assert all(control.standing == "notObserved" for control in framework.assessed)
