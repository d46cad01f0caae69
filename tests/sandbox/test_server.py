"""A sandbox as a whole: its files, its lifetime, its state across restarts."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest
import requests

from lockdown.errors import ToolError, UsageError
from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_its_files_are_the_owners_alone_and_go_with_it() -> None:
    with Sandbox("coa-stock") as sandbox:
        folder = sandbox.ca_file.parent
        assert mode(folder) == 0o700
        assert {mode(path) for path in folder.iterdir()} == {0o600}
        assert sandbox.config_file.read_text(encoding="utf-8").startswith("scope:")
        kept = b"".join(path.read_bytes() for path in folder.iterdir())
        assert b"PRIVATE KEY" not in kept
        assert sandbox.environment()["AZURE_CLIENT_SECRET"].encode() not in kept
    assert not folder.exists()
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(sandbox.url, timeout=5)


def test_it_listens_on_loopback_alone(local_azure: Sandbox) -> None:
    port = int(local_azure.url.rpartition(":")[2])
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.2", port))


def test_a_port_that_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ToolError, match="cannot listen"):
            Sandbox("empty", port=other.getsockname()[1]).start()


def test_the_environment_names_the_principal(local_azure: Sandbox) -> None:
    owner, auditor = local_azure.environment(), local_azure.environment("auditor")
    assert set(owner) == {
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_AUTHORITY_HOST",
        "AZURE_SUBSCRIPTION_ID",
        "LOCKDOWN_CLOUD",
        "LOCKDOWN_CONFIG",
        "LOCKDOWN_SANDBOX_KEY",
        "LOCKDOWN_SANDBOX_OBJECT_ID",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    }
    assert owner["AZURE_CLIENT_ID"] != auditor["AZURE_CLIENT_ID"]
    assert owner["LOCKDOWN_CLOUD"] == auditor["LOCKDOWN_CLOUD"] == local_azure.url


def test_the_state_outlives_a_restart_and_credentials_do_not(tmp_path: Path) -> None:
    kept = tmp_path / "state"
    with Sandbox("coa-stock", state_file=kept) as first:
        client = ArmClient(first, "operator")
        client.group("kept")
        client.close()
        assert b"resourceGroups/kept" in kept.read_bytes()
        before, secret = first.environment(), first.environment()["AZURE_CLIENT_SECRET"]
        documents = list(first.state.documents())
    assert mode(kept) == 0o600
    assert secret.encode() not in kept.read_bytes()
    with Sandbox("coa-stock", state_file=kept) as second:
        assert list(second.state.documents()) == documents
        assert second.state.changes() == first.state.changes()
        assert second.tenant == first.tenant
        assert second.environment()["AZURE_CLIENT_SECRET"] != before["AZURE_CLIENT_SECRET"]
        client = ArmClient(second, "auditor")
        assert client.call("HEAD", f"{client.base}/resourceGroups/kept").status_code == 204
        client.close()


def test_what_was_under_way_at_the_end_is_done_when_it_comes_back(tmp_path: Path) -> None:
    kept = tmp_path / "state"
    with Sandbox("empty", state_file=kept, operation_seconds=600) as first:
        client = ArmClient(first)
        path = client.group("leaving")
        assert client.call("DELETE", path).status_code == 202
        client.close()
    with Sandbox("empty", state_file=kept) as second:
        assert not second.state.exists(path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "empty", "binary"])
def test_a_state_file_that_is_not_whole_is_refused_and_left_alone(tmp_path: Path, damage: str) -> None:
    kept = tmp_path / "state"
    with Sandbox("empty", state_file=kept):
        pass
    data = kept.read_bytes()
    kept.write_bytes(
        {
            "cut": data[:-20],
            "flipped": data.replace(b"Succeeded", b"succeeded").replace(b"Enabled", b"enabled"),
            "other": json.dumps({"format": "x"}).encode(),
            "empty": b"",
            "binary": b"\xff\x00",
        }[damage]
    )
    damaged = kept.read_bytes()
    with pytest.raises(UsageError, match="damaged"):
        Sandbox("empty", state_file=kept)
    assert kept.read_bytes() == damaged


def test_a_state_file_of_another_scenario_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "state"
    with Sandbox("empty", state_file=kept):
        pass
    with pytest.raises(UsageError, match="--scenario empty"):
        Sandbox("coa-stock", state_file=kept)
    with pytest.raises(UsageError, match="cannot be read"):
        Sandbox("empty", state_file=tmp_path)


def test_a_disk_that_refuses_is_an_error_of_the_request(tmp_path: Path) -> None:
    kept = tmp_path / "folder" / "state"
    kept.parent.mkdir()
    with Sandbox("empty", state_file=kept) as sandbox:
        kept.unlink()
        kept.parent.rmdir()
        client = ArmClient(sandbox)
        refused = client.call("PUT", f"{client.base}/resourceGroups/g", {"location": "westeurope"})
        assert refused.status_code == 500
        assert "could not be written" in refused.json()["error"]["message"]
        client.close()
        kept.parent.mkdir()


def test_a_subscription_to_deny_must_exist() -> None:
    with pytest.raises(UsageError, match="no subscription"):
        Sandbox("empty", deny=["other"])
