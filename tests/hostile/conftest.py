"""A genuine run to attack, and whom its verifier trusts."""

from __future__ import annotations

import pytest

from lockdown.evidence.keys import FileSigner
from lockdown.evidence.seal import seal, sign_run
from lockdown.evidence.trust import TrustRoot
from tests.evidence.handmade import memory, root, signer, write_run


@pytest.fixture(scope="session")
def key() -> FileSigner:
    return signer()


@pytest.fixture(scope="session")
def trusted(key: FileSigner) -> TrustRoot:
    return root(key)


@pytest.fixture(scope="session")
def genuine(tmp_path_factory: pytest.TempPathFactory, key: FileSigner) -> dict[str, bytes]:
    directory = write_run(tmp_path_factory.mktemp("genuine") / "run-1")
    sign_run(directory, key)
    seal(directory, key)
    return memory(directory)
