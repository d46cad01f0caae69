import gzip
import json
import re
import shutil
import subprocess
from base64 import b64decode, b64encode
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lockdown import topology
from lockdown.errors import TamperedError
from lockdown.evidence import keys, seal
from lockdown.record import Record
from lockdown.report import html, packed, view
from tests.evidence.handmade import write_run
from tests.report.conftest import MakeRecord
from tests.report.handmade import (
    FRAMEWORKS,
    GROUP,
    HOSTILE,
    KEY_ID,
    SUBSCRIPTION,
    TENANT,
    Json,
    envelope,
    policy,
    result,
    stock_policies,
    stock_results,
    write,
)

STORE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"


def page(made: Record) -> str:
    return html.render(made, envelope=envelope(), key_id=KEY_ID).decode()


def text(markup: str) -> str:
    """Return what a person reads of a piece of the page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def part(markup: str, identifier: str) -> str:
    """Return the section or article with this id."""
    found = re.search(rf'<(section|article) id="{identifier}".*?</\1>', markup, re.DOTALL)
    return found[0] if found else ""


def count(markup: str, word: str) -> int:
    found = re.search(rf'class="mark \w+">{word}</th><td>(?:<a [^>]*>)?([\d,]+)', markup)
    assert found, word
    return int(found[1].replace(",", ""))


def many(number: int, verdict: str) -> list[Json]:
    return [result("one", f"{STORE}/{verdict}{i:06}", verdict) for i in range(number)]


def test_the_head_of_the_page_says_what_a_reviewer_asks_first(stock: Record) -> None:
    head = text(page(stock).split("</header>", maxsplit=1)[0].split("</style>")[1])
    for said in (
        "genomics-research",
        "Not compliant",
        "6 results fail in 5 policies: 3 critical, 2 high, 1 medium. 1 failure is waived.",
        f"Subscription {SUBSCRIPTION}",
        f"Tenant {TENANT}",
        "AzureCloud https://management.azure.com",
        "Source Azure, read live",
        "Judged 2026-01-02 03:04:16 UTC",
        "Coverage complete: 9 resources, 8 policies",
        f"Signed by key {KEY_ID} Compare it with the one from your infosec team.",
    ):
        assert said in head


@pytest.mark.parametrize("signed", [True, False])
def test_the_counts_are_those_of_the_record(stock: Record, signed: bool) -> None:
    made = html.render(stock, envelope=envelope() if signed else None, key_id=KEY_ID if signed else None).decode()
    words = {
        "fail": "Fail",
        "unknown": "Unknown",
        "waived": "Waived",
        "manual": "Manual",
        "pass": "Pass",
        "notApplicable": "Not applicable",
        "notObserved": "Not observed",
    }
    assert {kind: count(made, word) for kind, word in words.items()} == stock.run["counts"]
    rows = {kind: part(made, kind).count("<tbody data-row") for kind in ("fail", "waived", "pass")}
    assert rows == {kind: stock.run["counts"][kind] for kind in rows}


def test_the_first_three_fixes_are_of_the_three_worst_policies_with_a_command_each(stock: Record) -> None:
    fixes = page(stock).split('<ol class="first">')[1].split("</ol>")[0].split("</li>")[:-1]
    assert [text(fix).split(" :")[0] for fix in fixes] == [
        "Critical Storage accounts refuse public network access",
        "Critical Virtual machines have no public IP address",
        "High Batch accounts are reached through an approved private endpoint",
    ]
    assert f"az storage account update --ids {STORE}/coalogs7f3a --public-network-access Disabled" in text(fixes[0])
    assert "coalogs7f3a and 1 more" in text(fixes[0])


def test_with_one_failing_policy_the_first_fixes_are_its_resources(make_record: MakeRecord) -> None:
    made = make_record([policy("one", "One")], many(5, "fail"))
    fixes = html.first_fixes(made, view.survey(made, limit=10))
    assert [fix.row["resource"][-1] for fix in fixes] == ["0", "1", "2"]


def test_failures_come_first_and_worst_first(stock: Record) -> None:
    made = page(stock)
    assert re.findall(r'<section id="(\w+)"', made) == [
        "fail",
        "waived",
        "notObserved",
        "pass",
        "controls",
        "resources",
        "scope",
        "verify",
    ]
    assert re.findall(r'<article id="fail-([a-z-]+)"', made) == [
        "storage-pna-disabled",
        "vm-no-public-ip",
        "batch-pe-account",
        "batch-pna-disabled",
        "law-pna-ingestion",
    ]


def test_a_failure_says_all_that_is_needed_to_judge_and_to_fix_it(stock: Record) -> None:
    article = text(part(page(stock), "fail-storage-pna-disabled"))
    for said in (
        "Critical Storage accounts refuse public network access",
        "Why it matters. Workflow inputs and outputs hold health data",
        "How to fix. Approve a private endpoint first",
        "NIST SP 800-53 Rev. 5 AC-4 (mapped by Microsoft) ; SC-7(5) (claimed by this project)",
        "FedRAMP Moderate (Rev. 5) AC-4 HIPAA Security Rule 164.312(a)(1) (claimed by this project)",
        "Storage accounts should disable public network access b2982f36-99f2-4db5-8eff-283140c09693",
        f"coastore7f3a {STORE}/coastore7f3a",
        "2 results; expected of each: Disabled",
        "absent (Enabled by default) Public network access is enabled.",
        f"az storage account update --ids {STORE}/coastore7f3a --public-network-access Disabled",
    ):
        assert said in article


def test_a_finding_says_what_a_baseline_keeps_of_its_controls(make_record: MakeRecord) -> None:
    def told(*ids: str) -> str:
        claims = [{"framework": "nist-800-53-r5", "id": i, "basis": "microsoft"} for i in ids]
        article = text(part(page(make_record([policy("one", "One", controls=claims)], many(1, "fail"))), "fail-one"))
        return article.split("(mapped by Microsoft) ")[1].split(" 1 result")[0]

    assert told("AC-4", "SC-8") == "FedRAMP Moderate (Rev. 5) the same"
    assert told("AC-4", "SC-7(5)", "SC-8") == "FedRAMP Moderate (Rev. 5) the same without SC-7(5)"
    assert told("AC-4", "SC-7(5)") == "FedRAMP Moderate (Rev. 5) AC-4"
    assert (
        "FedRAMP"
        not in page(make_record([policy("one", "One", controls=[])], many(1, "fail")))
        .split("</main>")[0]
        .split('id="controls"')[0]
    )


def test_many_failing_policies_begin_with_a_list_of_them(make_record: MakeRecord) -> None:
    def made(number: int) -> str:
        policies = [policy(f"p{i}", f"Policy {i}") for i in range(number)]
        return part(page(make_record(policies, [result(p["id"], f"{STORE}/a", "fail") for p in policies])), "fail")

    assert 'class="index"' not in made(html.MANY)
    listed = re.findall(r'<li>.*?<a href="#(fail-p\d+)">', made(html.MANY + 1))
    assert listed == re.findall(r'<article id="(fail-p\d+)">', made(html.MANY + 1))


def test_where_nothing_fails_or_passes_one_sentence_says_so(make_record: MakeRecord) -> None:
    made = page(make_record([policy("one", "One")], many(1, "pass")))
    assert '<p id="fail">No result fails.</p>' in made
    assert ">Failures<" not in made
    waived = {"reason": "Because.", "owner": "me", "expires": "2026-01-31"}
    made = page(make_record([policy("one", "One")], [result("one", f"{STORE}/a", "fail", waiver=waived)]))
    assert '<p id="fail">No result fails that is not waived.</p>' in made
    assert '<p id="pass">No result passes.</p>' in made
    assert ">Passes<" not in made


def test_a_waived_failure_names_who_accepted_it_why_and_until_when(stock: Record) -> None:
    section = text(part(page(stock), "waived"))
    assert "They are not passes." in section
    assert "Waived by platform@research.example until 2026-01-31 : Vault import runs" in section


def test_unknown_and_manual_have_sections_of_their_own(make_record: MakeRecord) -> None:
    made = page(
        make_record(
            [policy("one", "One"), policy("two", "Two", error="its query took longer than 30 seconds")],
            [
                result("one", f"{STORE}/a", "unknown", reason="The table was not read whole."),
                result("one", f"{STORE}/b", "manual", reason="No control plane shows it."),
            ],
            unreadable=[{"what": "subscription", "name": "s-2", "reason": "The caller may not read it."}],
        )
    )
    unknown, manual = text(part(made, "unknown")), text(part(made, "manual"))
    assert "Indeterminate" in made
    assert "The table was not read whole." in unknown
    assert "az storage" not in unknown
    assert "Two ( two ) could not be run: its query took longer than 30 seconds" in unknown
    assert f"az storage account update --ids {STORE}/b" in manual
    assert "s-2 subscription The caller may not read it." in text(part(made, "scope"))
    assert "Incomplete: not everything in scope could be read or judged." in text(made)


def test_a_policy_that_saw_nothing_is_no_pass(stock: Record) -> None:
    made = page(stock)
    assert "MySQL servers are reached through a private path mysql-private-path" in text(part(made, "notObserved"))
    assert "mysql-private-path" not in part(made, "pass")


@pytest.mark.parametrize(
    ("source", "said"),
    [("sandbox", "Sandbox: made against a simulated Azure."), ("file", "From a file: the resources were read from")],
)
def test_a_run_that_did_not_read_azure_says_so_on_top(make_record: MakeRecord, source: str, said: str) -> None:
    made = make_record(stock_policies(), stock_results(), source=source)
    assert said in text(page(made).split("<h1>")[0])


def test_a_partial_run_says_so_on_top(make_record: MakeRecord) -> None:
    made = page(make_record(stock_policies(), stock_results(), partial=True))
    assert "Partial: the run was interrupted" in text(made.split("<h1>")[0])
    assert "Coverage partial" in text(made)


def test_an_unsigned_page_is_loud_about_it(stock: Record) -> None:
    made = html.render(stock, envelope=None, key_id=None).decode()
    assert "Unsigned: nothing proves who made this report" in text(made.split("<h1>")[0])
    assert "Signed not signed" in text(made)
    assert "unsigned" in made.split("</style>")[0]
    assert "openssl" not in made


def test_a_signed_page_tells_the_digest_of_the_signed_record_and_never_calls_itself_trusted(stock: Record) -> None:
    made = page(stock)
    assert sha256(b'{"_type":"https://in-toto.io/Statement/v1"}').hexdigest() in text(part(made, "verify"))
    assert "This page proves nothing by itself" in made
    assert "openssl dgst -sha256 -verify public.pem" in made
    assert "trusted" not in text(made.split("</head>")[1]).lower()


@pytest.mark.skipif(not shutil.which("jq") or not shutil.which("openssl"), reason="needs jq and openssl")
def test_the_commands_on_the_page_check_a_sealed_run_and_notice_a_changed_byte(tmp_path: Path) -> None:
    keys.generate(tmp_path / "keys")
    signer = keys.load_signer(f"file:{tmp_path}/keys/private.pem")
    directory = write_run(tmp_path / "run")
    made = write(directory / "results/results.json", stock_policies(), stock_results())
    signed = seal.sign_run(directory, signer)
    report = directory / "report/report.html"
    report.parent.mkdir(exist_ok=True)
    report.write_bytes(html.render(made, envelope=signed, key_id=signer.key_id))
    seal.seal(directory, signer)
    block = unescape(re.findall("<pre>(.*?)</pre>", report.read_text(), re.DOTALL)[1])

    def check() -> subprocess.CompletedProcess[str]:
        script = block.replace("public.pem", f"{tmp_path}/keys/public.pem")
        return subprocess.run(["bash", "-ec", script], cwd=directory, capture_output=True, text=True, check=False)

    told = check()
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(signer.key_id)
    assert "Verified OK\nSHA256SUMS: OK\n" in told.stdout
    assert "results/results.json: OK\n" in told.stdout
    report.write_bytes(report.read_bytes().replace(b"Not compliant", b"Now compliant"))
    assert "report/report.html: FAILED" in check().stdout


def test_an_envelope_that_cannot_be_read_is_refused(stock: Record) -> None:
    for broken in (b"{}", b"not json", b'{"payload":"???"}', b'{"payload":1}', b"[]"):
        with pytest.raises(TamperedError, match=r"run\.dsse\.json"):
            html.render(stock, envelope=broken, key_id=KEY_ID)
    with pytest.raises(ValueError, match="belong together"):
        html.render(stock, envelope=envelope(), key_id=None)


def test_the_content_policy_allows_exactly_the_style_and_script_of_the_page(make_record: MakeRecord) -> None:
    made = page(make_record([policy("one", "One")], many(20, "fail")))
    policy_text = unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', made)[0])
    for element in ("style", "script"):
        (body,) = re.findall(rf"<{element}>(.*?)</{element}>", made, re.DOTALL)
        digest = b64encode(sha256(body.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy_text
    for rule in ("default-src 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"):
        assert rule in policy_text


def test_a_page_with_little_to_filter_has_no_script(stock: Record) -> None:
    made = page(stock)
    assert "<script" not in made
    assert "script-src &#39;none&#39;" in made


def test_nothing_is_loaded_and_every_link_leads_to_a_place_on_the_page(stock: Record) -> None:
    made = page(stock)
    assert not re.search(r"\s(src|srcset|action|data|poster|style|on\w+)=", made)
    assert not re.search(r"url\(|@import|<(link|iframe|img|object|embed|form|base)\b", made)
    targets = re.findall(r'href="([^"]*)"', made)
    identifiers = set(re.findall(r'\bid="([^"]*)"', made))
    assert targets
    assert {target[1:] for target in targets} <= identifiers
    assert all(target.startswith("#") for target in targets)


class Tags(HTMLParser):
    """Collects the elements of a page and complains of any that is not closed in order."""

    VOID = frozenset({"meta", "br", "input", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not any(name.startswith("on") or name in ("src", "style") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_hostile_texts_make_no_element_and_hide_nothing(hostile: Record) -> None:
    made = page(hostile)
    tags = Tags()
    tags.feed(made)
    assert tags.open == []
    assert tags.seen.isdisjoint({"img", "script"})
    assert not re.search("[\u200b\u202e\x00-\x09\x0b-\x1f\x7f]", made)
    for seen in ("\\u202e", "\\u200b", "\\x1b", "\\n", "\\x07"):
        assert f"<mark>{seen}" in made
    for name in ("markup", "closing", "style", "template", "quotes", "wide"):
        assert HOSTILE[name] in unescape(part(made, "fail"))


def test_a_hostile_name_gets_a_quoted_command_or_none(hostile: Record) -> None:
    section = text(part(page(hostile), "fail"))
    assert section.count("No command is offered: the resource id holds control characters") == 4
    assert "storageAccounts/a'\"'\"'b\"c`d$(id);e&f|g<h>i' --public-network-access Disabled" in section


def test_small_runs_make_small_pages(make_record: MakeRecord) -> None:
    framework = {**FRAMEWORKS[2], "controls": [{"id": "AC-4", "title": "Information Flow Enforcement"}]}
    small = make_record(stock_policies()[1:2], stock_results()[2:4], frameworks=[framework])
    assert len(page(small).encode()) <= 16 * 1024
    assert len(page(make_record([policy("one", "One")], many(300, "fail"))).encode()) <= 400 * 1024


def test_few_passes_stand_on_the_page_and_more_of_them_are_packed(make_record: MakeRecord) -> None:
    few = page(make_record([policy("one", "One")], many(html.MANY - 1, "pass")))
    assert part(few, "pass").count("<tbody data-row") == html.MANY - 1
    assert "<script" not in few
    made = page(
        make_record([policy("one", "One")], [*many(1, "fail"), *many(1_990, "pass"), *many(10, "notApplicable")])
    )
    passes = part(made, "pass")
    assert passes.count("<tbody data-row") == 0
    assert "Scripts are off, so the 2,000 rows of passes and not applicable are not listed here" in text(passes)
    assert "One 1,990 pass, 10 not applicable" in text(passes)
    assert part(made, "fail").count("<tbody data-row") == 1
    assert len(made.encode()) <= 200 * 1024


def test_a_page_holds_the_very_bytes_of_the_record(make_record: MakeRecord) -> None:
    made = make_record([policy("one", "One")], many(200, "pass"))
    held = json.loads(re.findall(r'id="record">(.*?)</script>', page(made))[0])
    assert gzip.decompress(b64decode(held["packed"])) == made.path.read_bytes()
    assert held["size"] == made.path.stat().st_size


def test_a_record_that_a_page_cannot_hold_is_left_out_and_the_page_says_so(
    make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "PACKED_UP_TO", 100)
    made = page(make_record([policy("one", "One")], [*many(20, "fail"), *many(20, "pass")]))
    assert "<script" not in made
    assert part(made, "fail").count("<tbody data-row") == 20
    assert "The 20 rows of passes and not applicable are in results/results.json only" in text(part(made, "pass"))
    monkeypatch.setattr(packed, "UNPACKED_UP_TO", 100)
    assert "<script" not in page(make_record([policy("one", "One")], many(20, "fail")))


def test_beyond_5000_rows_the_worst_stay_and_the_page_says_how_many_are_left_out(make_record: MakeRecord) -> None:
    made = page(make_record([policy("one", "One")], many(5_100, "fail")))
    failures = part(made, "fail")
    assert failures.count("<tbody data-row") == 5_000
    assert "5,000 of 5,100 results are listed, the most severe first. The other 100 are in the list that" in text(
        failures
    )
    assert "5,100 results, 5,000 of them listed here" in text(failures)


def test_the_same_failures_stand_by_resource_the_worst_first(stock: Record) -> None:
    shown = part(page(stock), "resources")
    assert [text(line) for line in re.findall("<summary>(.*?)</summary>", shown)][:4] == [
        "Critical jumpbox Microsoft.Compute/virtualMachines : 1 fail",
        "Critical coalogs7f3a Microsoft.Storage/storageAccounts : 1 fail",
        "Critical coastore7f3a Microsoft.Storage/storageAccounts : 1 fail",
        "High coabatch7f3a Microsoft.Batch/batchAccounts : 2 fail",
    ]
    assert 'href="#fail-batch-pna-disabled"' in shown
    assert "batchAccount" in text(shown)


def test_many_subscriptions_are_listed_whole_under_scope(make_record: MakeRecord) -> None:
    subscriptions = [{"id": f"id-{i}", "name": f"name-{i}"} for i in range(5)]
    made = page(
        make_record([policy("one", "One")], many(1, "pass"), scope={"subscriptions": subscriptions, "requested": {}})
    )
    assert "name-0 , name-1 , name-2 and 2 more" in text(made.split("<h1>")[1].split("</h1>")[0])
    assert all(f"name-{i} id-{i}" in text(part(made, "scope")) for i in range(5))


def test_a_subscription_is_called_by_its_name(make_record: MakeRecord) -> None:
    made = make_record([policy("one", "One")], [result("one", f"/subscriptions/{SUBSCRIPTION.upper()}", "fail")])
    assert f"genomics-research subscription /subscriptions/{SUBSCRIPTION.upper()}" in text(part(page(made), "fail"))


def test_a_run_that_saw_nothing_still_makes_a_page(make_record: MakeRecord) -> None:
    made = page(make_record([], [], scope={"subscriptions": [], "requested": {}}))
    assert "No result was recorded." in text(made)
    assert "No subscription" in text(made)


def test_the_map_stands_in_the_page_and_in_a_file_of_its_own(stock: Record) -> None:
    where = {
        "schema": topology.SCHEMA,
        "networks": [],
        "services": [],
        "addresses": [{"id": "/ip", "name": "ip", "address": "203.0.113.9", "holder": ""}],
        "omitted": {},
    }
    path = stock.path.with_name("topology.json")
    assert html.environment_map(stock) is None
    path.write_text(json.dumps(where))
    drawn = page(stock)
    alone = html.environment_map(stock, alone=True)
    path.write_text("{}")
    with pytest.raises(TamperedError, match=r"topology\.json"):
        html.environment_map(stock)
    assert '<section id="map">' in drawn
    assert "203.0.113.9 ip" in drawn
    assert alone is not None
    assert "<style>:root{" in alone
