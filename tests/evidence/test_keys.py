"""Making a laboratory key, and loading a key by its URI."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lockdown.errors import ToolError, UsageError
from lockdown.evidence import es256, root_file
from lockdown.evidence.keys import generate, load_signer
from lockdown.evidence.seal import seal, sign_run
from lockdown.model import Source
from tests.evidence.handmade import write_run


@pytest.fixture
def made(tmp_path: Path) -> Path:
    generate(tmp_path / "keys")
    return tmp_path / "keys"


def test_it_makes_three_files_of_one_key(made: Path) -> None:
    signer = load_signer(f"file:{made}/private.pem")
    public = es256.public_key((made / "public.pem").read_text())
    assert sorted(path.name for path in made.iterdir()) == ["private.pem", "public.pem", "trust-root.json"]
    assert es256.verify(public, b"data", signer.sign(b"data"))
    assert signer.key_id == es256.key_id(public)
    assert [key.keyid for key in root_file.load(made / "trust-root.json").keys] == [signer.key_id]


def test_openssl_reads_the_key_and_agrees_on_its_id(made: Path) -> None:
    der = ["openssl", "pkey", "-in", "private.pem", "-pubout", "-outform", "DER"]
    public = subprocess.run(der, cwd=made, check=True, capture_output=True).stdout
    digest = subprocess.run(["sha256sum"], input=public, check=True, capture_output=True).stdout
    assert digest.decode().split()[0] == load_signer(f"file:{made}/private.pem").key_id


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_nobody_else_can_ever_read_the_private_key(tmp_path: Path) -> None:
    generate(tmp_path / "keys")
    assert (tmp_path / "keys/private.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_the_trust_root_is_a_laboratorys(made: Path) -> None:
    root = root_file.load(made / "trust-root.json")
    assert (root.lab, root.sources, root.hosts) == (True, tuple(Source), ("*",))
    root.check_current(datetime.now(UTC))


@pytest.mark.parametrize("name", ["private.pem", "public.pem", "trust-root.json"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(UsageError, match="exists already"):
        generate(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("inside", ["", "inputs", "inputs/keys"])
def test_a_run_gets_no_keys(tmp_path: Path, inside: str) -> None:
    run = write_run(tmp_path / "run-1")
    with pytest.raises(UsageError, match="is the directory of a run"):
        generate(run / inside)
    assert not list(run.rglob("*.pem"))


def test_nothing_is_left_behind_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolError, match="could not be written"):
        generate(tmp_path / "file/keys")


@pytest.mark.parametrize("uri", ["keys/private.pem", "azure:vault/key", "", "FILE:x", ":x"])
def test_an_unknown_scheme_names_the_known_ones(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_signer(uri)
    assert "Supported: file:" in caught.value.next_step


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_key_that_others_can_use_is_refused(made: Path, mode: int) -> None:
    (made / "private.pem").chmod(mode)
    with pytest.raises(UsageError, match="Other users can use the key file"):
        load_signer(f"file:{made}/private.pem")


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "no key",
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout,
        subprocess.run(
            [
                "openssl",
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-aes256",
                "-pass",
                "pass:x",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout,
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "ED25519"], check=True, capture_output=True, text=True
        ).stdout,
    ],
    ids=["empty", "text", "P-384", "encrypted", "Ed25519"],
)
def test_a_file_without_a_usable_key_is_refused(tmp_path: Path, pem: str) -> None:
    path = tmp_path / "private.pem"
    path.write_text(pem)
    path.chmod(0o600)
    with pytest.raises(UsageError) as caught:
        load_signer(f"file:{path}")
    assert caught.value.next_step == "lockdown keys generate makes one."


def test_a_missing_key_and_a_directory_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.pem", tmp_path):
        with pytest.raises(UsageError):
            load_signer(f"file:{path}")


def test_the_private_key_is_in_no_text_of_the_signer(made: Path) -> None:
    assert "PRIVATE" not in repr(load_signer(f"file:{made}/private.pem"))


def test_a_run_that_holds_its_private_key_is_not_signed_and_not_sealed(made: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run-1")
    outside = load_signer(f"file:{made}/private.pem")
    sign_run(run, outside)
    (made / "private.pem").rename(run / "inputs/private.pem")
    inside = load_signer(f"file:{run}/inputs/private.pem")
    with pytest.raises(UsageError, match="lies inside the run"):
        sign_run(run, inside)
    with pytest.raises(UsageError, match="lies inside the run"):
        seal(run, inside)
    (tmp_path / "link").symlink_to(run / "inputs")
    with pytest.raises(UsageError, match="lies inside the run"):
        seal(run, load_signer(f"file:{tmp_path}/link/private.pem"))
