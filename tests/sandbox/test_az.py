"""The real az command against the sandbox."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockdown.sandbox.server import Sandbox

pytestmark = pytest.mark.az
CHECKOUT = Path(__file__).parents[2]
Az = Callable[..., Any]


def command() -> str:
    if os.environ.get("LOCKDOWN_TEST_NO_AZ") == "1":
        pytest.skip("LOCKDOWN_TEST_NO_AZ=1: the real az command was left out")
    named = os.environ.get("LOCKDOWN_TEST_AZ", "")
    for candidate in (named, str(CHECKOUT / ".az/bin/az")):
        found = shutil.which(candidate) if candidate else None
        if found:
            return found
    pytest.fail(
        "There is no az command: install azure-cli into .az (python -m venv .az && .az/bin/pip install azure-cli), "
        "or set LOCKDOWN_TEST_AZ to its path, or LOCKDOWN_TEST_NO_AZ=1 to leave this test out.",
        pytrace=False,
    )


@pytest.fixture
def az(tmp_path: Path) -> Az:
    program = command()

    def run(sandbox: Sandbox, *arguments: str) -> Any:
        environment = {
            **os.environ,
            **sandbox.environment(),
            "AZURE_CONFIG_DIR": str(tmp_path),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "AZURE_CORE_INSTANCE_DISCOVERY": "false",
            "AZURE_CORE_NO_COLOR": "1",
            "AZURE_CORE_OUTPUT": "json",
        }
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"az {arguments[:3]} failed: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def test_az_registers_signs_in_builds_and_lists(az: Az) -> None:
    with Sandbox("empty") as sandbox:
        az(sandbox, "cloud", "register", "-n", "lockdown-sandbox", "--endpoint-resource-manager", sandbox.url)
        az(sandbox, "cloud", "set", "-n", "lockdown-sandbox")
        owner = sandbox.environment()
        secret = owner["AZURE_CLIENT_SECRET"]
        who = ("-u", owner["AZURE_CLIENT_ID"], f"-p={secret}", "--tenant", owner["AZURE_TENANT_ID"])
        (account,) = az(sandbox, "login", "--service-principal", *who)
        assert account["id"] == sandbox.subscription

        group = az(sandbox, "group", "create", "-n", "rg", "-l", "westeurope")
        assert group["properties"]["provisioningState"] == "Succeeded"
        subnet = ("--address-prefix", "10.0.0.0/16", "--subnet-name", "one", "--subnet-prefix", "10.0.0.0/24")
        az(sandbox, "network", "vnet", "create", "-g", "rg", "-n", "net", *subnet)
        shown = az(sandbox, "network", "vnet", "show", "-g", "rg", "-n", "net")
        assert [found["name"] for found in shown["subnets"]] == ["one"]
        assert az(sandbox, "network", "vnet", "list", "-g", "rg") == [shown]
        made = az(sandbox, "storage", "account", "create", "-g", "rg", "-n", "azaccount1", "--sku", "Standard_LRS")
        assert made["provisioningState"] == "Succeeded"
        assert az(sandbox, "storage", "account", "show", "-g", "rg", "-n", "azaccount1")["id"] == made["id"]

        listed = az(sandbox, "resource", "list")
        assert {(found["name"], found["type"]) for found in listed} == {
            ("net", "Microsoft.Network/virtualNetworks"),
            ("azaccount1", "Microsoft.Storage/storageAccounts"),
            ("NetworkWatcher_westeurope", "Microsoft.Network/networkWatchers"),
        }
        assert {change.client for change in sandbox.state.changes()} == {"Azure CLI"}
