"""One encoder for each sink: a name from Azure is a name there, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.notify import azure_boards, job_log, markdown, notice, slack, teams, told, webhook
from lockdown.report import powershell, shell
from lockdown.report.visible import hidden, visible
from tests.nightly import nights
from tests.nightly.encoded import CommonMark, Seen
from tests.nightly.nights import HOSTILE, STORE
from tests.report.test_shell import HOSTILE_NAMES

ANY = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))


@pytest.fixture
def hostile(tmp_path: Path) -> notice.Notice:
    """A night on which every name, value and person attacks the reader."""
    opened = [nights.opened(name.replace("/", ""), name, name, name) for name in HOSTILE]
    return notice.read(nights.write(tmp_path / "run", nights.document(*opened), [n.replace("/", "") for n in HOSTILE]))


@given(ANY)
def test_markdown_shows_a_name_and_takes_nothing_from_it(name: str) -> None:
    page = CommonMark.render(f"| a | b |\n|---|---|\n| {markdown.code(name)} | end |\n")
    seen = Seen(page)
    assert [tag for tag in seen.tags if tag != "code"] == [
        "table",
        "thead",
        "tr",
        "th",
        "th",
        "tbody",
        "tr",
        "td",
        "td",
    ]
    assert seen.code == ([visible(name)] if name else [])
    assert not seen.comments
    source = markdown.code(name)
    assert not re.search(r"[@|`<>\\*_\[\]#:.!~]", source.replace("<code>", "").replace("</code>", "").replace("&#", ""))


@given(ANY)
def test_prose_of_policies_mentions_nobody(text: str) -> None:
    seen = Seen(CommonMark.render(markdown.text(f"x {text} x")))
    assert set(seen.tags) <= {"p"}
    assert set(seen.comments) <= {" "} | {""}
    assert "@" not in markdown.text(text)


@given(ANY)
def test_a_fence_holds_whatever_the_command(name: str) -> None:
    seen = Seen(CommonMark.render(markdown.fenced(f"az x --name '{name}'", "sh")))
    assert seen.tags == ["pre", "code"]
    assert seen.code == [f"az x --name '{visible(name)}'\n"]


def test_the_summary_of_a_hostile_night(hostile: notice.Notice) -> None:
    seen = Seen(CommonMark.render(markdown.summary(hostile)))
    assert set(seen.tags) == {"h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "strong", "pre"}
    assert not seen.links
    assert set(seen.comments) <= {"", " "}
    assert seen.tags.count("tr") == 1 + 2 * len(HOSTILE)
    assert any("\\u202e" in text for text in seen.code)


def test_the_summary_says_what_who_and_what_to_do(tmp_path: Path) -> None:
    run = nights.write(tmp_path / "run", nights.document(nights.opened("coastore")))
    seen = Seen(CommonMark.render(markdown.summary(notice.read(run))))
    assert {"coastore", f"{nights.WHO} (User), Azure Portal, Microsoft.Storage/storageAccounts/write"} <= set(seen.code)
    assert {"Disabled", "Enabled", nights.mark("verdict", "coastore"), "2026-01-01T10:00:00Z"} <= set(seen.code)
    fix = f"az storage account update --ids {STORE}/coastore --public-network-access Disabled\n"
    assert seen.code.count(fix) == 1
    assert "lockdown drift --baseline BASELINE" in " ".join(seen.code)


def test_the_summary_of_an_audit_says_what_fails(tmp_path: Path) -> None:
    text = markdown.summary(notice.read(nights.write(tmp_path / "run", None, source="sandbox")))
    assert "Failures: 1 critical." in text
    assert "Sandbox" in text
    assert "az storage account update --ids" in text


def github_reads(line: str) -> tuple[str, dict[str, str], str] | None:
    """Parse a line of a log as the runner of GitHub does: both forms of its commands."""
    found = re.match(r"^\s*::([a-z-]+)(?: ([^:]*(?::(?!:)[^:]*)*))?::(.*)$", line)
    if found is None:
        old = re.search(r"##\[([^\]]+)\](.*)", line)
        return (old[1], {}, old[2]) if old else None
    decoded = found[3].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    return found[1], dict(part.split("=", 1) for part in (found[2] or "").split(",") if part), decoded


@given(ANY, ANY)
def test_a_workflow_command_is_one_and_says_what_it_should(title: str, text: str) -> None:
    line = job_log.github("error", title, text)
    assert "\n" not in line
    assert "\r" not in line
    read = github_reads(line)
    assert read is not None
    command, properties, message = read
    assert command == "error"
    assert set(properties) == {"title"}
    assert message == job_log.inert(text)
    assert not re.search(r"##|::", message)


@given(ANY, ANY)
def test_a_logging_command_is_one_and_says_what_it_should(title: str, text: str) -> None:
    line = job_log.azure_pipelines("error", title, text)
    assert line.count("##") == 1
    assert line.startswith("##vso[task.logissue type=error]")
    assert "\n" not in line
    assert "\r" not in line
    message = line.partition("]")[2].replace("%0D", "\r").replace("%0A", "\n").replace("%AZP25", "%")
    assert message == f"{job_log.inert(title)}: {job_log.inert(text)}"
    assert "##" not in job_log.azure_pipelines("notice", title, text)


@pytest.mark.parametrize("service", job_log.SERVICES)
def test_the_log_of_a_hostile_night(hostile: notice.Notice, service: str) -> None:
    lines = list(job_log.lines(hostile, service))
    begin = {"github": "::", "azure-pipelines": "##vso[task.logissue"}[service]
    assert len(lines) == job_log.MOST + 1
    for line in lines:
        assert line.startswith(begin)
        assert not hidden(line)
        assert "##" not in line[2:]
        assert "::" not in re.sub(r"^::[a-z]+ title=[^:]*::", "", line)
    assert f"{len(HOSTILE) - job_log.MOST} more resources drifted" in lines[-1]


def strings(value: Any) -> list[tuple[str, str]]:
    """Return every text in a body, with the type of the object that holds it."""
    if isinstance(value, dict):
        kind = str(value.get("type", ""))
        own = [(kind, text) for text in value.values() if isinstance(text, str)]
        return own + [pair for item in value.values() if not isinstance(item, str) for pair in strings(item)]
    return [pair for item in value for pair in strings(item)] if isinstance(value, list) else []


def test_teams_reads_no_markup_in_a_hostile_night(hostile: notice.Notice) -> None:
    made = json.loads(webhook.message(hostile, "teams", details=True))
    (attachment,) = made["attachments"]
    card = attachment["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert "msteams" not in card
    shown = [(told.Stretch(told.shown(text)),) for text in HOSTILE]
    texts = [text for kind, text in strings(teams.message(shown)) if kind == "TextRun" and text != "TextRun"]
    assert [text.replace("{ {", "{{") for text in texts] == [visible(text) for text in HOSTILE]
    assert not any("{{" in text for text in texts)


def test_slack_reads_no_markup_in_a_hostile_night(hostile: notice.Notice) -> None:
    made = json.loads(webhook.message(hostile, "slack", details=True))
    assert {kind for kind, _ in strings(made["blocks"])} == {"rich_text", "rich_text_section", "text"}
    assert not re.search(r"[<>]", made["text"])
    assert (made["unfurl_links"], made["unfurl_media"]) == (False, False)
    shown = [(told.Stretch(told.shown(text)),) for text in HOSTILE]
    texts = [text for kind, text in strings(slack.message(shown, "x")) if kind == "text" and text not in {"text", "\n"}]
    assert texts == [visible(text) for text in HOSTILE]
    assert slack.encode("<!channel> & <@U1>") == "&lt;!channel&gt; &amp; &lt;@U1&gt;"


@given(st.lists(st.text(max_size=3000), max_size=30))
def test_a_message_never_grows_beyond_what_services_take(texts: list[str]) -> None:
    paragraphs = [(told.Stretch(told.shown(text)),) for text in texts]
    assert all(len(paragraph[0].text) <= 200 for paragraph in paragraphs)
    assert json.dumps(teams.message(paragraphs))
    assert json.dumps(slack.message(paragraphs, "x"))


def test_a_night_on_which_everything_drifted_fits_into_a_message(tmp_path: Path) -> None:
    names = [f"{'検' * 150}{number}" for number in range(60)]
    opened = [nights.opened(name, "検" * 500, "検" * 500, "検" * 500) for name in names]
    found = notice.read(nights.write(tmp_path / "run", nights.document(*opened), names))
    for shape in ("teams", "slack"):
        made = webhook.message(found, shape, details=True)
        assert len(made) <= 24 * 1024
        assert b"results/drift.json of the run has everything" in made


@pytest.mark.parametrize("shape", ["json", "teams", "slack"])
def test_without_details_nothing_but_counts_and_ids(hostile: notice.Notice, shape: Any) -> None:
    made = webhook.message(hostile, shape, details=False).decode()
    for private in ("attacker", "everyone", "channel", "Microsoft.Storage", "rg-coa", "Enabled", "Portal", "6c0d2a2e-"):
        assert private not in made
    assert hostile.drift is not None
    assert hostile.drift.findings[0].fingerprint in made
    assert hostile.drift.findings[0].turns[0].id in made


@given(ANY)
def test_html_of_a_work_item_shows_a_name_and_takes_nothing_from_it(name: str) -> None:
    seen = Seen(f"<code>{azure_boards.encode(name)}</code>")
    assert seen.tags == ["code"]
    assert "".join(seen.code) == visible(name)


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, *HOSTILE])
def test_powershell_is_given_a_plain_name_or_none(name: str) -> None:
    template = "az x --ids {resource} --name {name} --to pe-{name}"
    try:
        line = powershell.command(template, f"{STORE}/{name}")
    except shell.CommandRefusedError:
        return
    assert re.fullmatch(r"[A-Za-z0-9 ./_'-]+", line)
    assert " ".join(line.replace("'", "").split()) == " ".join(
        template.format(resource=f"{STORE}/{name}", name=name).split()
    )


def test_powershell_quotes_a_space_and_refuses_what_is_written_for_another_shell() -> None:
    assert powershell.command("az x --name {name}", f"{STORE}/a b") == "az x --name 'a b'"
    for template in ("az x --set a='[\"b\"]'", "az x | y", "az x $(y)", "az x --tags a={nobody}"):
        with pytest.raises(shell.CommandRefusedError):
            powershell.command(template, f"{STORE}/a")
