"""A run that is signed and sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockdown.evidence.keys import FileSigner
from lockdown.evidence.seal import seal, sign_run
from tests.evidence.handmade import signer, write_run


@pytest.fixture(scope="session")
def key() -> FileSigner:
    return signer()


@pytest.fixture
def sealed(tmp_path: Path, key: FileSigner) -> Path:
    directory = write_run(tmp_path / "run-1")
    sign_run(directory, key)
    seal(directory, key)
    return directory
