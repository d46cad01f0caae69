"""What lockdown handed over once is verified for ever, long after the key and the authority's certificate expired."""

from __future__ import annotations

import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lockdown.cli import run as lockdown
from lockdown.errors import Exit
from lockdown.evidence import dsse, root_file
from lockdown.evidence.archive import ArchiveFiles
from lockdown.evidence.files import BUNDLE, BUNDLE_TOKEN, RUN, RUN_TOKEN
from lockdown.evidence.verify import Demands, Verification, verify
from tests.evidence.test_seal import by_hand

GOLDEN = Path(__file__).parent / "golden"
MADE = datetime(2026, 11, 24, 15, tzinfo=UTC)


def verified(trust: str, now: datetime, demands: Demands) -> Verification:
    with (GOLDEN / "bundle.zip").open("rb", buffering=0) as file:
        return verify(ArchiveFiles(file), root_file.load(GOLDEN / trust), now=now, demands=demands)


@pytest.mark.parametrize("year", [2026, 2027, 2033, 2050])
def test_it_verifies(year: int) -> None:
    found = verified("trust-root.json", MADE.replace(year=year), Demands(timestamp=True))
    assert (found.exit_code, found.lab) == (Exit.OK, False), found.checks


def test_on_the_command_line(tmp_path: Path) -> None:
    trust = str(GOLDEN / "trust-root.json")
    options = ["--require-timestamp", "--trust-state", str(tmp_path / "state.json")]
    fingerprint = root_file.read(GOLDEN / "trust-root.json").fingerprint
    bundle = str(GOLDEN / "bundle.zip")
    assert lockdown(["verify", bundle, "--trust", trust, "--trust-fingerprint", fingerprint, *options]) == Exit.OK
    assert lockdown(["verify", bundle, "--trust", trust, "--max-age", "1h"]) == Exit.STALE or datetime.now(UTC) < MADE


def test_under_the_trust_root_of_a_laboratory() -> None:
    found = verified("laboratory.json", MADE, Demands())
    assert (found.exit_code, found.lab) == (Exit.OK, True)
    late = verified("laboratory.json", MADE.replace(year=2028), Demands())
    assert late.exit_code is Exit.UNTRUSTED, "it pins no authority, and expired"


def test_the_commands_in_it_still_work(tmp_path: Path) -> None:
    with zipfile.ZipFile(GOLDEN / "bundle.zip") as file:
        file.extractall(tmp_path)
    done = by_hand(tmp_path, GOLDEN / "public.pem")
    assert done.stdout.splitlines().count("Verified OK") == 2
    failed = [line for line in done.stdout.splitlines() if line.endswith(": FAILED")]
    assert set(failed) <= {"Verification: FAILED"}, "no authority was named"


def test_openssl_verifies_its_timestamps_at_their_time(tmp_path: Path) -> None:
    with zipfile.ZipFile(GOLDEN / "bundle.zip") as file:
        file.extractall(tmp_path)
    trusting = ["-CAfile", str(GOLDEN / "tsa-root.pem"), "-attime", str(int(MADE.timestamp()))]
    for token, name in ((RUN_TOKEN, RUN), (BUNDLE_TOKEN, BUNDLE)):
        (tmp_path / "sig").write_bytes(dsse.parse((tmp_path / name).read_bytes(), name=name).signature)
        command = ["openssl", "ts", "-verify", "-in", token, "-data", "sig", *trusting]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "Verification: OK" in done.stdout
