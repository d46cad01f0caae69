"""Both stores: files are created whole, once; what is not a store, or not readable, is told."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from lockdown.cloud import blob
from lockdown.errors import ToolError, UsageError
from lockdown.history.store import Folder, Store, open_store


def test_what_is_there_is_never_written_over(store: Store, tmp_path: Path) -> None:
    assert store.read("records/1", 100) is None
    assert store.names("records/") == []
    assert store.create("records/1", b"one")
    assert not store.create("records/1", b"two")
    large = tmp_path / "large"
    large.write_bytes(os.urandom(9 * 1024 * 1024))
    assert store.create("runs/1.zip", large)
    assert not store.create("runs/1.zip", b"small")
    assert store.read("records/1", 3) == b"one"
    assert store.read("runs/1.zip", 10 * 1024 * 1024) == large.read_bytes()
    assert store.digest("runs/1.zip") == sha256(large.read_bytes()).hexdigest()
    assert store.digest("runs/2.zip") is None
    assert store.names("records/") == ["records/1"]
    with pytest.raises(ToolError, match="longer than 2 bytes"):
        store.read("records/1", 2)


def test_one_of_many_who_come_at_once_creates(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: store.create("records/1", b"%d" % n), range(8)))
    assert made.count(True) == 1
    assert store.read("records/1", 10) == b"%d" % made.index(True)


def test_a_folder_shows_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path / "s")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ToolError, match="No space left"):
        folder.create("records/1", b"one")
    assert list((tmp_path / "s/records").iterdir()) == []


def test_a_folder_follows_no_link(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "records").mkdir()
    (tmp_path / "records/1").symlink_to(tmp_path / "secret")
    with pytest.raises(ToolError):
        folder.read("records/1", 10)
    assert not folder.create("records/1", b"one")
    (tmp_path / "records/2").mkdir()
    with pytest.raises(ToolError, match=r"not a plain file|Is a directory"):
        folder.read("records/2", 10)


def test_blobs_say_what_protects_them(container: str) -> None:
    assert "NO immutability policy" in open_store(container).protection()


def test_a_container_that_is_not_there(container: str) -> None:
    missing = open_store(container[:-1] + "zz")
    for attempt in (
        lambda: missing.names("records/"),
        lambda: missing.read("store.json", 9),
        lambda: missing.create("a", b""),
    ):
        with pytest.raises(UsageError, match="There is no container"):
            attempt()


def test_a_wrong_key_and_no_answer(container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "AAAA")
    with pytest.raises(ToolError, match="does not let this identity list"):
        open_store(container).names("records/")
    monkeypatch.setitem(blob._PATIENCE, "retry_total", 0)
    with pytest.raises(ToolError, match="cannot be reached"):
        open_store("http://127.0.0.1:9/evidence/container").names("records/")


def test_an_emulator_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_KEY", raising=False)
    with pytest.raises(UsageError, match="AZURE_STORAGE_KEY is not set"):
        open_store("http://127.0.0.1:10000/evidence/container")


@pytest.mark.parametrize(
    ("url", "cloud", "address"),
    [
        ("azblob://acct/runs", None, "https://acct.blob.core.windows.net/runs"),
        ("azblob://acct/runs", "AzureUSGovernment", "https://acct.blob.core.usgovcloudapi.net/runs"),
        ("https://acct.blob.core.windows.net/runs/", None, "https://acct.blob.core.windows.net/runs"),
        ("https://acct.z01.blob.storage.azure.net/runs", None, "https://acct.z01.blob.storage.azure.net/runs"),
        ("https://acct.blob.core.chinacloudapi.cn/runs", None, "https://acct.blob.core.chinacloudapi.cn/runs"),
    ],
)
def test_a_container_by_url(url: str, cloud: str | None, address: str) -> None:
    found = open_store(url, cloud=cloud)
    assert found.url == address
    assert isinstance(found, blob.Container)
    assert f"{found._client.primary_endpoint}" == address


@pytest.mark.parametrize(
    "url",
    [
        "store",
        "s3://bucket",
        "azblob://Account/container",
        "azblob://account",
        "http://acct.blob.core.windows.net/runs",
        "https://acct.blob.core.windows.net/runs?sv=1&sig=x",
        "https://acct.blob.core.windows.net",
        "https://blob.core.windows.net.evil.example/runs",
        "https://evilblob.core.windows.net/runs",
        "https://user@127.0.0.1/evidence/runs",
    ],
)
def test_what_is_no_store_gets_no_credential(url: str) -> None:
    with pytest.raises(UsageError):
        open_store(url)
