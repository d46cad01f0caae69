"""lockdown sandbox start, as a process."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

LOCKDOWN = (sys.executable, "-c", "from lockdown.cli import main; main()", "sandbox", "start")


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command until it listens; give it and the URL that it printed."""
    process = subprocess.Popen([*LOCKDOWN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def exports(path: Path) -> dict[str, str]:
    words = [shlex.split(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(word[0] == "export" and len(word) == 2 for word in words)
    return dict(word[1].split("=", 1) for word in words)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_runs_until_it_is_told_to_stop(tmp_path: Path, number: int, code: int) -> None:
    file = tmp_path / "it's here.env"
    with started("--env-file", str(file)) as (process, url):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        values = exports(file)
        assert values["LOCKDOWN_CLOUD"] == url
        answer = requests.get(
            f"{url}/metadata/endpoints?api-version=2022-09-01", verify=values["REQUESTS_CA_BUNDLE"], timeout=10
        )
        assert answer.json()["authentication"]["loginEndpoint"] == values["AZURE_AUTHORITY_HOST"]
        process.send_signal(number)
        _out, told = process.communicate(timeout=20)
        assert process.returncode == code
        assert "Traceback" not in told
        assert values["AZURE_CLIENT_SECRET"] not in told
        for line in (
            f". {shlex.quote(str(file))}",
            "lockdown audit",
            "az cloud register",
            "disable_instance_discovery",
        ):
            assert line in told
        assert not file.exists()
        assert not Path(values["LOCKDOWN_CONFIG"]).parent.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--scenario", "nope"], "no scenario 'nope'"),
        (["--fault", "GET *"], "METHOD URL-GLOB ACTION"),
        (["--deny", "nope"], "no subscription 'nope'"),
        (["--option", "size"], "NAME=VALUE"),
        (["--option", "a=1", "--option", "a=2"], "given twice"),
        (["--option", "a=1"], "no option 'a'"),
        (["--port", "65536"], "not in the range"),
        (["--lag", "-1"], "not in the range"),
        (["--state", "README.md"], "damaged"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_starts(tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "README.md").write_text("not a state\n", encoding="utf-8")
    done = subprocess.run(
        [*LOCKDOWN, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_env_file_that_cannot_be_written(tmp_path: Path) -> None:
    done = subprocess.run(
        [*LOCKDOWN, "--env-file", str(tmp_path / "no/file")], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "could not be written" in done.stderr
