"""What lockdown handed over once is verified for ever, long after the key and the authority's certificate expired."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from sigstore_models.bundle.v1 import Bundle

from lockdown.cli import run as lockdown
from lockdown.errors import Exit, UntrustedError
from lockdown.evidence import dsse, root_file
from lockdown.evidence.archive import ArchiveFiles
from lockdown.evidence.files import BUNDLE, BUNDLE_TOKEN, RUN, RUN_TOKEN, MemoryFiles
from lockdown.evidence.ledger import Ledger
from lockdown.evidence.verify import Demands, Verification, verify
from lockdown.history import acceptance, baseline, proof
from lockdown.history.store import Folder
from tests.evidence.handmade import memory
from tests.evidence.test_seal import by_hand

GOLDEN = Path(__file__).parent / "golden"
ACCEPTED = GOLDEN / "accepted"
KEYS_UNTIL = 2027
"""The newest record of a history is vouched for by nobody once its key has expired."""
MADE = datetime(2026, 11, 24, 15, tzinfo=UTC)


def verified(trust: str, now: datetime, demands: Demands, golden: Path = GOLDEN) -> Verification:
    with (golden / "bundle.zip").open("rb", buffering=0) as file:
        return verify(ArchiveFiles(file), root_file.load(golden / trust), now=now, demands=demands)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    with zipfile.ZipFile(GOLDEN / "bundle.zip") as file:
        file.extractall(tmp_path / "run")
    return tmp_path / "run"


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


def test_the_commands_in_it_still_work(unpacked: Path) -> None:
    done = by_hand(unpacked, GOLDEN / "public.pem")
    assert done.stdout.splitlines().count("Verified OK") == 2
    failed = [line for line in done.stdout.splitlines() if line.endswith(": FAILED")]
    assert set(failed) <= {"Verification: FAILED"}, "no authority was named"


def test_openssl_verifies_its_timestamps_at_their_time(unpacked: Path) -> None:
    trusting = ["-CAfile", str(GOLDEN / "tsa-root.pem"), "-attime", str(int(MADE.timestamp()))]
    for token, name in ((RUN_TOKEN, RUN), (BUNDLE_TOKEN, BUNDLE)):
        (unpacked / "sig").write_bytes(dsse.parse((unpacked / name).read_bytes(), name=name).signature)
        command = ["openssl", "ts", "-verify", "-in", token, "-data", "sig", *trusting]
        done = subprocess.run(command, cwd=unpacked, capture_output=True, text=True, check=True)
        assert "Verification: OK" in done.stdout


def test_sigstores_own_models_read_what_the_manual_makes_of_it(unpacked: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/evidence.md").read_text()
    command = page.split("```bash\n")[1].split("```")[0]
    subprocess.run(["sh", "-c", command], cwd=unpacked, env={"PATH": "/usr/bin:/bin", "work": ".."}, check=True)
    bundle = Bundle.from_json((unpacked.parent / "bundle.sigstore.json").read_bytes())
    envelope = dsse.parse((unpacked / BUNDLE).read_bytes(), name=BUNDLE)
    material = bundle.verification_material
    assert bundle.dsse_envelope is not None
    assert bundle.dsse_envelope.payload_type == envelope.payload_type
    assert bundle.dsse_envelope.payload == envelope.payload
    assert bundle.dsse_envelope.signatures[0].sig == envelope.signature
    assert material.public_key is not None
    assert material.public_key.hint == envelope.key_id
    assert material.timestamp_verification_data is not None
    token = material.timestamp_verification_data.rfc3161_timestamps[0].signed_timestamp
    assert token == (unpacked / BUNDLE_TOKEN).read_bytes()


def test_bytes_of_every_file_count(unpacked: Path) -> None:
    """First, middle, last and fifty others of each; what the bytes of a token prove is told by test_timestamp."""
    files, root = memory(unpacked), root_file.load(GOLDEN / "trust-root.json")
    assert verify(MemoryFiles(files), root, now=MADE).exit_code is Exit.OK
    dice = Random(0)  # noqa: S311 - the same bytes every time
    for name, data in files.items():
        places = {0, len(data) // 2, len(data) - 1, *(dice.randrange(len(data)) for _ in range(50) if data)}
        for at in sorted(places) if data and name != BUNDLE_TOKEN else ():
            flipped = files | {name: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]}
            assert verify(MemoryFiles(flipped), root, now=MADE).exit_code is Exit.TAMPERED, (name, at)


def test_bytes_of_the_archive_count() -> None:
    data, root = (GOLDEN / "bundle.zip").read_bytes(), root_file.load(GOLDEN / "trust-root.json")
    for at in range(0, len(data), 41):
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert verify(ArchiveFiles(io.BytesIO(flipped)), root, now=MADE).exit_code is Exit.TAMPERED, at


# A baseline in which drift was accepted, countersigned, dated, with its history.


@pytest.mark.parametrize("year", [2026, 2027, 2050])
def test_an_accepted_baseline_verifies(year: int) -> None:
    now = datetime(year, 11, 24, 21, tzinfo=UTC)
    found = verified("trust-root.json", now, Demands(timestamp=True), ACCEPTED)
    assert (found.exit_code, found.lab) == (Exit.OK, False), found.checks
    assert {check.detail for check in found.checks if check.name == "signers"} == {"signed by 2 keys, 2 required"}
    with (ACCEPTED / "bundle.zip").open("rb", buffering=0) as file:
        (line,) = acceptance.read_lines(ArchiveFiles(file))
        assert found.payload is not None
        assert found.sealed is not None
        root, sealed_by = root_file.load(ACCEPTED / "trust-root.json"), found.sealed.key_id
        baseline.check([line], found.payload, sealed_by, root, now, found.sealed_at)
        if year > 2027:
            with pytest.raises(UntrustedError, match="expired"):
                baseline.check([line], found.payload, sealed_by, root, now)
    assert line.claim.reason == "Agreed in change 17."


def test_an_accepted_baseline_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    trust = ["--trust", str(ACCEPTED / "trust-root.json"), "--require-timestamp", "--replay"]
    history = ["--history", f"file:{ACCEPTED}/store"] if datetime.now(UTC).year < KEYS_UNTIL else []
    assert lockdown(["verify", str(ACCEPTED / "bundle.zip"), *trust, *history]) == Exit.OK
    shown = capsys.readouterr().out
    assert "1 acceptance of drift; the last, of 2026-11-24T20:09:22Z: Agreed in change 17." in shown
    assert not history or "records 1 and 2 are of this run; its archive is in the store, unchanged" in shown


def test_its_history_verifies() -> None:
    ledger, now = Ledger(), datetime(2026, 11, 24, 21, tzinfo=UTC)
    proof.prove(ledger, Folder(ACCEPTED / "store"), root_file.load(ACCEPTED / "trust-root.json"), now=now)
    assert ledger.exit_code == Exit.OK, ledger.checks


def test_it_serves_as_a_baseline(tmp_path: Path) -> None:
    with zipfile.ZipFile(ACCEPTED / "bundle.zip") as file:
        file.extractall(tmp_path / "run")
    given = ["--only-policies", str(tmp_path / "run/policies"), "--snapshot", str(tmp_path / "run"), "--quiet"]
    trust = ["--trust", str(ACCEPTED / "trust-root.json")]
    drifted = ["drift", "--baseline", str(ACCEPTED / "bundle.zip"), *given, *trust, "--out", str(tmp_path / "later")]
    assert lockdown(drifted) == Exit.DRIFT, "what was accepted is not there"
    (lapsed,) = json.loads((tmp_path / "later/results/drift.json").read_bytes())["lapsed"]
    assert lapsed["id"] == "a477716c52242136"
