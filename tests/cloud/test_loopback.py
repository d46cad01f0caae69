"""An audit of a local Azure contacts this machine and nothing else."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lockdown import config, run
from lockdown.sandbox.server import Sandbox


class Quiet:
    """Hears nothing."""

    def stage(self, text: str) -> None: ...

    def rows(self, table: str, arrived: int, total: int) -> None: ...


def test_nothing_but_loopback_is_contacted(stock: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def watched_connect(self: socket.socket, address: Any) -> None:
        asked.append(str(address[0]) if isinstance(address, tuple) else "local")
        connect(self, address)

    def watched_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(str(host))
        return lookup(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", watched_connect)
    monkeypatch.setattr(socket, "getaddrinfo", watched_lookup)
    for name, value in stock.environment("auditor").items():
        monkeypatch.setenv(name, value)
    found = config.load(stock.config_file)
    environment = stock.environment("auditor")
    wanted = run.Wanted(
        scope=found.scope,
        cloud=environment["LOCKDOWN_CLOUD"],
        authority=environment["AZURE_AUTHORITY_HOST"],
        out=tmp_path / "run",
    )
    run.audit(wanted, Quiet())
    assert asked
    assert [host for host in asked if host != "local" and not ip_address(host).is_loopback] == []
