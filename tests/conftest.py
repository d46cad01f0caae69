"""What many tests stand on: a local Azure for each scenario, and the command as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from lockdown.sandbox.server import Sandbox

# How long an example takes says something of the machine, and nothing of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

AZURE = ("AZURE_", "LOCKDOWN_", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "MSI_", "IDENTITY_")


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


Lockdown = Callable[..., Ran]


def clean(extra: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without anybody's Azure, plus ``extra``."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(AZURE)}
    return {**kept, **extra}


@pytest.fixture
def lockdown(tmp_path: Path) -> Lockdown:
    """Run ``lockdown`` in a process of its own, in an empty folder, and return what it came to."""

    def run(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "lockdown", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=clean(env or {}),
            timeout=300,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def stock() -> Iterator[Sandbox]:
    """A local Azure that holds what the original deployer leaves."""
    with Sandbox("coa-stock") as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def private() -> Iterator[Sandbox]:
    """A local Azure that holds the closed environment."""
    with Sandbox("coa-private") as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def stock_run(stock: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unsigned run over the stock deployment."""
    out = tmp_path_factory.mktemp("stock") / "run"
    subprocess.run(
        [sys.executable, "-m", "lockdown", "audit", "--quiet", "--out", str(out)],
        env=clean(stock.environment("auditor")),
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert (out / "results/results.json").is_file()
    return out
