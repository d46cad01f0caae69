"""A signing key, a trust root, an emulator of Blob Storage, and stores of both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient

from lockdown.evidence.keys import FileSigner
from lockdown.evidence.trust import TrustRoot
from lockdown.history.store import Folder, Store, open_store
from tests.evidence import handmade
from tests.history import azurite
from tests.history.azurite import ACCOUNT, Azurite


@pytest.fixture(scope="session")
def key() -> FileSigner:
    return handmade.signer()


@pytest.fixture(scope="session")
def root(key: FileSigner) -> TrustRoot:
    return handmade.root(key, lab=True)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Azurite]:
    with azurite.running() as found:
        yield found


@pytest.fixture
def container(emulator: Azurite, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new container."""
    name = f"evidence-{uuid4().hex[:8]}"
    with ContainerClient(emulator.url, name, credential=AzureNamedKeyCredential(ACCOUNT, emulator.key)) as client:
        client.create_container()
    monkeypatch.setenv("AZURE_STORAGE_KEY", emulator.key)
    return f"{emulator.url}/{name}"


@pytest.fixture(params=["folder", "blob"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Folder(tmp_path / "store")
    return open_store(request.getfixturevalue("container"))
