"""lockdown bundle: one file of a run, the same bytes everywhere, verified without being unpacked."""

from __future__ import annotations

import io
import json
import os
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from lockdown.cli import run as lockdown
from lockdown.errors import Exit, TamperedError, UsageError
from lockdown.evidence import archive
from lockdown.evidence.bundle import bundle
from lockdown.evidence.files import RUN, MemoryFiles
from lockdown.evidence.keys import FileSigner
from lockdown.evidence.seal import seal
from tests.evidence.handmade import archived, memory, payload, root, signed_root, signer, write_run

Captured = pytest.CaptureFixture[str]


def by_zipfile(contents: dict[str, bytes]) -> bytes:
    """The same archive as Python's own zipfile makes it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, contents[name])
    return made.getvalue()


def test_it_is_what_another_zip_library_makes_of_the_run(sealed: Path, tmp_path: Path) -> None:
    made = bundle(sealed, tmp_path / "bundle.zip")
    data = made.path.read_bytes()
    assert data == by_zipfile(memory(sealed)) == archived(memory(sealed))
    assert (made.sha256, made.size) == (sha256(data).hexdigest(), len(data))


def test_other_clocks_modes_and_orders_give_the_same_bytes(sealed: Path, tmp_path: Path) -> None:
    first = bundle(sealed, tmp_path / "first.zip").path.read_bytes()
    for number, path in enumerate(sorted(sealed.rglob("*"))):
        path.chmod(0o700)
        os.utime(path, (number, number))
    assert bundle(sealed, tmp_path / "second.zip").path.read_bytes() == first


def test_into_a_folder_it_has_a_name_of_its_own(sealed: Path, tmp_path: Path) -> None:
    identity = sha256(payload((sealed / RUN).read_bytes())).hexdigest()
    made = bundle(sealed, tmp_path)
    assert made.path == tmp_path / f"lockdown-6c0d2a2e-20260102T030500Z-{identity[:8]}.zip"


def test_it_verifies_as_it_is(sealed: Path, tmp_path: Path, key: FileSigner, capsys: Captured) -> None:
    trust_file = tmp_path / "trust-root.json"
    trust_file.write_bytes(signed_root(root(key), signer()))
    assert lockdown(["bundle", str(sealed), "--out", str(tmp_path / "b.zip"), "--json"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["sha256"] == sha256((tmp_path / "b.zip").read_bytes()).hexdigest()
    assert lockdown(["verify", told["bundle"], "--trust", str(trust_file)]) == Exit.OK
    as_bundle = capsys.readouterr().out
    assert lockdown(["verify", str(sealed), "--trust", str(trust_file)]) == Exit.OK
    assert capsys.readouterr().out == as_bundle
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip", "run-1", "trust-root.json"]


def test_unpacked_by_anything_it_is_the_run_again(sealed: Path, tmp_path: Path) -> None:
    bundle(sealed, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as file:
        assert file.testzip() is None
        file.extractall(tmp_path / "unpacked")
    assert memory(tmp_path / "unpacked") == memory(sealed)


def test_nothing_is_overwritten_and_nothing_goes_into_the_run(sealed: Path, tmp_path: Path) -> None:
    (tmp_path / "there.zip").symlink_to("nowhere")
    with pytest.raises(UsageError, match="exists already"):
        bundle(sealed, tmp_path / "there.zip")
    for inside in (sealed, sealed / "inputs", sealed / "b.zip"):
        with pytest.raises(UsageError, match="lies in the run"):
            bundle(sealed, inside)


def test_only_a_signed_run_that_is_intact_is_handed_over(sealed: Path, tmp_path: Path) -> None:
    unsigned = write_run(tmp_path / "unsigned")
    with pytest.raises(UsageError, match="never sealed"):
        bundle(unsigned, tmp_path / "b.zip")
    seal(unsigned, None)
    with pytest.raises(UsageError, match="not signed"):
        bundle(unsigned, tmp_path / "b.zip")
    (sealed / "inputs/scope.json").write_text("{ }\n")
    with pytest.raises(TamperedError, match=r"digests: inputs/scope\.json"):
        bundle(sealed, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_what_is_too_large_for_a_reader_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="files"):
        archive.write(MemoryFiles({str(number): b"" for number in range(archive.MAX_FILES + 1)}), io.BytesIO())
    monkeypatch.setattr(archive, "MAX_BYTES", 10)
    with pytest.raises(UsageError, match="larger"):
        archive.write(MemoryFiles({"a": b"123456", "b": b"123456"}), io.BytesIO())


@pytest.mark.parametrize("content", [b"", b"PK", b"hello", b"\0" * 100])
def test_another_file_is_wrong_usage(tmp_path: Path, content: bytes, capsys: Captured) -> None:
    (tmp_path / "file").write_bytes(content)
    assert lockdown(["verify", str(tmp_path / "file")]) == Exit.USAGE
    assert "is not a bundle" in capsys.readouterr().err
