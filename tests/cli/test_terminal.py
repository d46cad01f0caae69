"""What people and programs see: JSON from every command, colours, narrow windows, completion, the reference."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from shutil import which

import click
import pytest

from lockdown.cli import cli, reference
from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import keys
from lockdown.evidence.seal import seal, sign_run
from tests.conftest import clean
from tests.evidence.handmade import write_run
from tests.hostile.test_small_run import small_run

Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
LEAVES = dict(reference.leaves(cli, "lockdown"))
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m|\x1b\[1m|\x1b\[2m")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Path:
    """A folder with a signed run and the keys of a laboratory."""
    monkeypatch.chdir(tmp_path)
    keys.generate(Path("keys"))
    signer, run = keys.load_signer("file:keys/private.pem"), write_run(Path("run"))
    sign_run(run, signer)
    seal(run, signer)
    capsys.readouterr()
    return tmp_path


def on_a_terminal(
    *command: str, columns: int = 80, env: Mapping[str, str] | None = None, typed: bytes = b"", until: str = ""
) -> str:
    """Run a command on a terminal of its own and return all that it wrote there."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    own = {k: v for k, v in clean({"TERM": "xterm", "PATH": "/usr/bin:/bin"}).items() if k not in ("COLUMNS", "LINES")}
    running = subprocess.Popen(
        command,
        env={**own, **(env or {})},
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
    )
    os.close(end)
    written, ends = b"", time.monotonic() + 60
    os.write(terminal, typed)
    while time.monotonic() < ends and not (
        until and re.search(until, ESCAPES.sub("", written.decode(errors="replace")))
    ):
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        written += data
    if until:
        running.kill()
    running.wait()
    os.close(terminal)
    return written.decode(errors="replace")


# JSON.


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_every_command_has_json(name: str) -> None:
    assert any("--json" in option.opts for option in LEAVES[name].params)


def test_the_manual_names_every_command_that_writes_json() -> None:
    page = (ROOT / "docs/terminal.md").read_text("utf-8")
    assert [name for name in LEAVES if f"`{name.removeprefix('lockdown ')}`" not in page] == []


GIVEN = ["--root-key", "file:root/private.pem"]


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("keys generate --out other", {"algorithm", "keyId", "privateKey", "publicKey", "trustRoot"}),
        ("keys show file:keys/private.pem", {"algorithm", "keyId", "publicKey"}),
        ("countersign run --key file:root/private.pem", {"file", "keyId", "run"}),
        ("custody receive run --by A --from B --key file:keys/private.pem", {"handovers", "keyId", "run"}),
        ("custody show run", {"handovers", "run"}),
        ("bundle run --out run.zip", {"bundle", "bytes", "sha256"}),
        ("waivers template run", {"waivers"}),
        ("policies new own-one --theme own --type a.b/c --dir mine", {"files", "folder"}),
        ("policies catalogue", {"digest", "policies"}),
        ("completion bash", {"lines", "shell"}),
        (
            "trust init --public-key keys/public.pem --out t.json",
            {"file", "fingerprint", "version", "signaturesMissing"},
        ),
        ("trust show made.json", {"fingerprint", "signedBy", "trustRoot"}),
        ("trust sign made.json", {"file", "fingerprint", "version", "signaturesMissing"}),
        ("trust rotate made.json", {"file", "fingerprint", "version", "signaturesMissing"}),
        ("trust add-key made.json --public-key other.pem", {"file", "fingerprint", "version", "signaturesMissing"}),
        ("trust revoke made.json KEY --reason x", {"file", "fingerprint", "version", "signaturesMissing"}),
        (
            "verify run --trust keys/trust-root.json",
            {"run", "verified", "exitCode", "laboratory", "keyId", "runId", "provenAt", "outcome", "checks"},
        ),
    ],
)
def test_stdout_is_one_object(desk: Path, command: str, fields: set[str], capsys: Captured) -> None:
    for name in ("root", "third"):
        keys.generate(desk / name)
    (desk / "other.pem").write_bytes((desk / "third/public.pem").read_bytes())
    made = ["trust", "init", *GIVEN, "--public-key", "keys/public.pem", "--public-key", "other.pem"]
    if "add-key" in command:
        made = made[:-2]
    assert lockdown([*made, "--out", "made.json"]) == Exit.OK
    key_id = keys.load_signer("file:keys/private.pem").key_id
    words = command.replace("KEY ", f"{key_id} ").split()
    root = GIVEN if words[0] == "trust" and words[1] != "show" else []
    capsys.readouterr()
    assert lockdown([*words, *root, "--json"]) == Exit.OK, capsys.readouterr().err
    assert json.loads(capsys.readouterr().out).keys() == fields


@pytest.mark.usefixtures("desk")
def test_what_is_for_people_and_for_programs_is_not_mixed(capsys: Captured) -> None:
    assert lockdown(["convert", "run", "--format", "csv", "--json"]) == Exit.USAGE
    assert "give --out" in capsys.readouterr().err
    assert lockdown(["waivers", "template", "run", "--json"]) == Exit.OK
    (waiver,) = json.loads(capsys.readouterr().out)["waivers"]
    assert (waiver["policy"], waiver["owner"]) == ("storage-pna-disabled", "")


def test_a_sandbox_says_where_it_is_and_no_secret(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lockdown", "sandbox", "start", "--env-file", "env", "--json"]
    running = subprocess.Popen(command, cwd=tmp_path, env=clean({}), stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        told = json.loads(running.stdout.readline())
        secret = re.search(r"AZURE_CLIENT_SECRET=(\S+)", (tmp_path / "env").read_text())
        assert secret is not None
        assert told.keys() == {"url", "scenario", "subscription", "envFile"}
        assert secret[1] not in json.dumps(told)
    finally:
        running.terminate()
        running.communicate()


def test_what_was_converted_is_told(tmp_path: Path, capsys: Captured) -> None:
    small_run(tmp_path)
    capsys.readouterr()
    run, out = str(tmp_path / "run"), tmp_path / "all"
    wanted = ["--format", "csv", "--format", "oscal-component", "--out", str(out)]
    assert lockdown(["convert", run, *wanted, "--json"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    files = {"csv": "results.csv", "oscal-component": "oscal-component-definition.json"}
    assert told == {"run": run, "written": {name: str(out / file) for name, file in files.items()}, "absent": {}}


# What comes next.


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        (["bundle", "run", "--out", "run.zip"], Exit.OK, "Next: hand it over, and the trust root by another way."),
        (["verify", "run"], Exit.UNTRUSTED, "Next: obtain the trust root from the organisation that signs"),
        (["verify", "run", "--trust", "keys/trust-root.json"], Exit.OK, "Next: --replay judges the snapshot again"),
        (["verify", "changed", "--trust", "keys/trust-root.json"], Exit.TAMPERED, "Next: do not use it."),
        (["verify", "run", "--trust", "other/trust-root.json"], Exit.UNTRUSTED, "Next: do not rely on it."),
    ],
)
def test_the_next_step_is_told(desk: Path, command: list[str], code: Exit, told: str, capsys: Captured) -> None:
    keys.generate(desk / "other")
    if "changed" in command:
        (desk / "run").rename(desk / "changed")
        (desk / "changed/report/report.html").write_text("Mine", "utf-8")
    capsys.readouterr()
    assert lockdown(command) == code
    shown = capsys.readouterr()
    assert told in shown.err
    assert "Next:" not in shown.out
    if command[0] == "verify":
        assert lockdown([*command, "--quiet"]) == code
        assert "Next:" not in capsys.readouterr().err


# Terminals.

VERIFY = (sys.executable, "-m", "lockdown", "verify", "run", "--trust", "keys/trust-root.json")


@pytest.mark.usefixtures("desk")
def test_colours_are_for_terminals_that_want_them() -> None:
    painted = on_a_terminal(*VERIFY)
    assert "\x1b[32m" in painted
    assert "\x1b[33m" not in painted, "yellow cannot be read on a light ground"
    for unwanted in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert not COLOURS.search(on_a_terminal(*VERIFY, env=unwanted))
    piped = subprocess.run(VERIFY, env=clean({}), capture_output=True, text=True, check=True)
    assert "\x1b" not in piped.stdout + piped.stderr
    assert all(line.startswith(("ok", "skipped", "This", "VERIFIED")) for line in piped.stdout.splitlines())


def lines_of(written: str) -> list[str]:
    return [line for line in re.split(r"[\r\n]+", ESCAPES.sub("", written)) if line]


@pytest.mark.usefixtures("desk")
def test_checks_are_wrapped_to_the_window() -> None:
    for columns in (40, 80):
        long = [line for line in lines_of(on_a_terminal(*VERIFY, columns=columns)) if len(line) > columns]
        assert all(re.search(r"^ *\S+$", line) for line in long), "only what is copied as a whole is not broken"


READING = """
import time
from lockdown.cli.progress import watch
with watch(quiet=False) as told:
    told.stage("Reading https://management.azure.com")
    for number in range(1, 12):
        told.rows("authorizationresources", number * 100_000, 1_160_000)
        told.rows("resourcecontainers", 5, 5)
        time.sleep(0.06)
    told.rows("authorizationresources", 1_160_000, 1_160_000)
    told.stage("Judging \\u202e policies")
    time.sleep(0.3)
"""


@pytest.mark.parametrize("columns", [24, 40, 80])
def test_progress_fits_the_window(columns: int) -> None:
    shown = lines_of(on_a_terminal(sys.executable, "-c", READING, columns=columns))
    assert max(map(len, shown)) <= columns
    assert any("author" in line and ("%" in line or columns >= 60) for line in shown)
    assert any("━" in line for line in shown) == (columns >= 60)
    assert "Judging \\u202e policies" in shown
    assert any(line.strip().startswith("2 tables, 1,160,005") for line in shown)


def test_progress_is_plain_lines_in_a_log() -> None:
    for env in ({}, {"NO_COLOR": "1"}):
        done = subprocess.run(
            [sys.executable, "-c", READING], env=clean(env), capture_output=True, text=True, check=True
        )
        assert done.stderr.splitlines() == [
            "Reading https://management.azure.com",
            "   resourcecontainers: 5 rows",
            "   authorizationresources: 1160000 rows",
            "Judging \\u202e policies",
        ]
    dumb = on_a_terminal(sys.executable, "-c", READING, env={"TERM": "dumb"})
    assert "\x1b" not in dumb
    assert "   authorizationresources: 1160000 rows" in dumb


# Completion.


COMPLETED = [
    ("lockdown veri", "lockdown verify "),
    ("lockdown trust ro", "lockdown trust rotate "),
    ("lockdown verify --require-t", "lockdown verify --require-timestamp "),
    ("lockdown audit --engine reso", "lockdown audit --engine resource-graph "),
    ("lockdown policies show storage-pna-di", "lockdown policies show storage-pna-disabled "),
    ("lockdown verify some-ru", "lockdown verify some-run.zip "),
]


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell that finds lockdown, in a folder with a bundle."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "some-run.zip").touch()
    (tmp_path / "bin/lockdown").write_text(f'#!/bin/sh\nexec {sys.executable} -m lockdown "$@"\n')
    (tmp_path / "bin/lockdown").chmod(0o755)
    return {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}


@pytest.mark.parametrize(("typed", "completed"), COMPLETED)
def test_bash_completes(tmp_path: Path, shell: dict[str, str], typed: str, completed: str) -> None:
    begin = f"cd {tmp_path}; source <(lockdown completion bash); PS1=\n"
    shown = on_a_terminal(
        *("bash", "--norc", "--noprofile", "-i"),
        columns=200,
        env=shell,
        typed=f"{begin}{typed}\t".encode(),
        until=re.escape(completed),
    )
    assert completed in ESCAPES.sub("", shown), shown


def test_zsh_completes(tmp_path: Path, shell: dict[str, str]) -> None:
    if not which("zsh"):
        pytest.skip("zsh is not installed")
    begin = f"cd {tmp_path}; autoload -Uz compinit; compinit -u; source <(lockdown completion zsh); PS1=\n"
    for typed, completed in COMPLETED[1:3]:
        shown = on_a_terminal(
            *("zsh", "-f", "-i"),
            columns=200,
            env=shell,
            typed=f"{begin}{typed}\t".encode(),
            until=re.escape(completed),
        )
        assert completed in ESCAPES.sub("", shown), shown


def test_fish_completes(tmp_path: Path, shell: dict[str, str]) -> None:
    if not which("fish"):
        pytest.skip("fish is not installed")
    asked = "; ".join(f'complete -C "{typed}"' for typed, _ in COMPLETED[:-1])
    command = ["fish", "--no-config", "-c", f"lockdown completion fish | source; {asked}"]
    done = subprocess.run(command, cwd=tmp_path, env=shell, capture_output=True, text=True, check=True)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [
        completed.split()[-1] for _, completed in COMPLETED[:-1]
    ]


def test_completing_commands_imports_none(tmp_path: Path) -> None:
    code = (
        "import click, sys\nfrom lockdown.cli import cli\n"
        "cli.shell_complete(click.Context(cli), 'v')\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not {name for name in done.stdout.split() if name.startswith("lockdown.cli.")}


# The reference.


def test_the_reference_is_made_of_the_commands() -> None:
    assert (ROOT / "docs/reference.md").read_text("utf-8") == reference.render(), "make reference"


def test_the_reference_says_what_help_says() -> None:
    page = (ROOT / "docs/reference.md").read_text("utf-8")
    for name, found in LEAVES.items():
        context = click.Context(found, info_name=name)
        for option in found.get_params(context):
            if isinstance(option, click.Option) and "--help" not in option.opts:
                assert option.help, f"{name} {option.opts[0]} has no help"
                assert option.opts[0] in page.split(f"\n## {name}\n")[1].split("\n## ")[0]
