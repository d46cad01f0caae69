"""Runs on a disk: links, special files, and names that only a disk can hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lockdown.errors import Exit, TamperedError, UsageError
from lockdown.evidence.files import RESULTS, RUN, DirectoryFiles, read
from lockdown.evidence.trust import TrustRoot
from lockdown.evidence.verify import Verification, verify
from tests.evidence.handmade import NOW, failures


@pytest.fixture
def directory(genuine: dict[str, bytes], tmp_path: Path) -> Path:
    for name, data in genuine.items():
        (tmp_path / "run-1" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run-1" / name).write_bytes(data)
    return tmp_path / "run-1"


def on_disk(directory: Path, trusted: TrustRoot) -> Verification:
    return verify(DirectoryFiles(directory), trusted, now=NOW)


def test_a_genuine_run(directory: Path, trusted: TrustRoot) -> None:
    assert on_disk(directory, trusted).exit_code is Exit.OK


def refused(directory: Path, trusted: TrustRoot) -> None:
    found = on_disk(directory, trusted)
    assert (found.exit_code, failures(found)[0]) == (Exit.TAMPERED, "structure")


def test_a_link_in_place_of_a_file_although_its_content_is_right(directory: Path, trusted: TrustRoot) -> None:
    moved = directory.parent / "results.json"
    (directory / RESULTS).rename(moved)
    (directory / RESULTS).symlink_to(moved)
    refused(directory, trusted)


def test_a_link_in_place_of_a_folder(directory: Path, trusted: TrustRoot) -> None:
    (directory / "inputs").rename(directory.parent / "inputs")
    (directory / "inputs").symlink_to(directory.parent / "inputs")
    refused(directory, trusted)


def test_a_link_to_nowhere_and_a_link_added(directory: Path, trusted: TrustRoot) -> None:
    (directory / "inputs/link").symlink_to("/nowhere")
    refused(directory, trusted)


def test_a_pipe_is_refused_and_never_waited_for(directory: Path, trusted: TrustRoot) -> None:
    (directory / RESULTS).unlink()
    os.mkfifo(directory / RESULTS)
    refused(directory, trusted)


@pytest.mark.parametrize("name", [b"\xff", b"a\nb", "\u202egpj.json".encode(), b"Results.json", b"a b", b"\x1b[2J"])
def test_a_name_that_a_run_cannot_have(directory: Path, trusted: TrustRoot, name: bytes) -> None:
    (directory / "results" / os.fsdecode(name)).write_bytes(b"")
    refused(directory, trusted)
    assert on_disk(directory, trusted).checks[0].detail.isprintable()


def test_a_folder_swapped_for_a_link_after_the_names_were_read(directory: Path) -> None:
    files = DirectoryFiles(directory)
    assert RUN in set(files.names())
    (directory / "run").rename(directory.parent / "run")
    (directory / "run").symlink_to(directory.parent / "run")
    with pytest.raises(TamperedError, match="changed while the run was being read"):
        read(files, RUN)


def test_a_file_that_went_away_or_became_a_folder(directory: Path) -> None:
    files = DirectoryFiles(directory)
    (directory / RUN).unlink()
    with pytest.raises(TamperedError, match="changed while the run was being read"):
        read(files, RUN)
    (directory / RUN).mkdir()
    with pytest.raises(TamperedError, match="changed while the run was being read"):
        read(files, RUN)


def test_a_file_that_became_a_pipe(directory: Path) -> None:
    (directory / RUN).unlink()
    os.mkfifo(directory / RUN)
    assert read(DirectoryFiles(directory), RUN) == b""


def test_something_else_is_no_run(tmp_path: Path, trusted: TrustRoot) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UsageError, match="not the directory of a run"):
        on_disk(tmp_path, trusted)
