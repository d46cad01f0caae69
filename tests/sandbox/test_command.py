"""lockdown sandbox start, as a process."""

from __future__ import annotations

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

LOCKDOWN = (sys.executable, "-c", "from lockdown.cli import main; main()", "sandbox", "start")
SKU = {"sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command until it listens; give it and the URL that it printed."""
    process = subprocess.Popen([*LOCKDOWN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def exports(path: Path) -> dict[str, str]:
    words = [shlex.split(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(word[0] == "export" and len(word) == 2 for word in words)
    return dict(word[1].split("=", 1) for word in words)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_runs_until_it_is_told_to_stop(tmp_path: Path, number: int, code: int) -> None:
    file = tmp_path / "it's here.env"
    with started("--env-file", str(file)) as (process, url):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        values = exports(file)
        assert values["LOCKDOWN_CLOUD"] == url
        answer = requests.get(
            f"{url}/metadata/endpoints?api-version=2022-09-01", verify=values["REQUESTS_CA_BUNDLE"], timeout=10
        )
        assert answer.json()["authentication"]["loginEndpoint"] == values["AZURE_AUTHORITY_HOST"]
        process.send_signal(number)
        _out, told = process.communicate(timeout=20)
        assert process.returncode == code
        assert "Traceback" not in told
        assert values["AZURE_CLIENT_SECRET"] not in told
        for line in (
            f". {shlex.quote(str(file))}",
            "lockdown audit",
            "az cloud register",
            "disable_instance_discovery",
        ):
            assert line in told
        assert not file.exists()
        assert not Path(values["LOCKDOWN_CONFIG"]).parent.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--scenario", "nope"], "no scenario 'nope'"),
        (["--fault", "GET *"], "METHOD URL-GLOB ACTION"),
        (["--deny", "nope"], "no subscription 'nope'"),
        (["--option", "size"], "NAME=VALUE"),
        (["--option", "a=1", "--option", "a=2"], "given twice"),
        (["--option", "a=1"], "no option 'a'"),
        (["--port", "65536"], "not in the range"),
        (["--lag", "-1"], "not in the range"),
        (["--state", "README.md"], "damaged"),
        (["--cloud", "AzureChinaCloud"], "AzureChinaCloud"),
        (["--time-scale", "60", "--operation-seconds", "0"], "exclude each other"),
        (["--time-scale", "0"], "not in the range"),
        (["--limit", "cores"], "NAME=NUMBER"),
        (["--limit", "cores=-1"], "NAME=NUMBER"),
        (["--limit", "cores=1", "--limit", "cores=2"], "given twice"),
        (["--limit", "coers=1"], "no limit 'coers'"),
        (["--unregistered", "Microsoft.Nope"], "no resource provider"),
        (["--deny-type", "Microsoft.Storage"], "no resource type"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_starts(tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "README.md").write_text("not a state\n", encoding="utf-8")
    done = subprocess.run(
        [*LOCKDOWN, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_subscription_of_another_cloud_that_lacks_and_refuses_things(tmp_path: Path) -> None:
    file, record = tmp_path / "env", tmp_path / "exposures.json"
    with started(
        *("--env-file", str(file), "--exposures", str(record), "--cloud", "azureusgovernment"),
        *("--operation-seconds", "0", "--limit", "batch-accounts=0", "--unregistered", "Microsoft.KeyVault"),
        *("--deny-type", "Microsoft.Network/natGateways", "--replication", "60"),
    ) as (process, url):
        arm = Person(url, exports(file))
        group = f"/subscriptions/{arm.subscription}/resourceGroups/g"
        assert arm.put(group, None).status_code == 201
        account = arm.put(f"{group}/providers/Microsoft.Storage/storageAccounts/opened", {}, **SKU)
        assert account.json()["properties"]["primaryEndpoints"]["blob"] == "https://opened.blob.core.usgovcloudapi.net/"
        for type_, code in (
            ("Microsoft.Batch/batchAccounts", "BatchAccountQuotaReached"),
            ("Microsoft.KeyVault/vaults", "MissingSubscriptionRegistration"),
            ("Microsoft.Network/natGateways", "RequestDisallowedByPolicy"),
        ):
            assert arm.put(f"{group}/providers/{type_}/refused", {}).json()["error"]["code"] == code
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    told = json.loads(record.read_text("utf-8"))
    (found,) = told["exposures"]
    assert found["resource"].endswith("/storageAccounts/opened")
    assert found["opened"]["request"].startswith("PUT /subscriptions/")
    assert found["closed"] is None
    assert [one["resource"] for one in told["bypasses"]] == [found["resource"]]


class Person:
    """Somebody with curl."""

    def __init__(self, url: str, values: dict[str, str]) -> None:
        self.url, self.subscription = url, values["AZURE_SUBSCRIPTION_ID"]
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = values["REQUESTS_CA_BUNDLE"]
        form = {"grant_type": "client_credentials", "scope": f"{url}//.default"}
        form |= {"client_id": values["AZURE_CLIENT_ID"], "client_secret": values["AZURE_CLIENT_SECRET"]}
        token = self.session.post(f"{url}/{values['AZURE_TENANT_ID']}/oauth2/v2.0/token", data=form).json()
        self.session.headers["Authorization"] = f"Bearer {token['access_token']}"

    def put(self, path: str, properties: dict[str, Any] | None, **members: Any) -> requests.Response:
        body = {"location": "usgovvirginia", **members, **({} if properties is None else {"properties": properties})}
        return self.session.put(f"{self.url}{path}?api-version=2024-11-01", json=body, timeout=10)


def test_an_env_file_that_cannot_be_written(tmp_path: Path) -> None:
    done = subprocess.run(
        [*LOCKDOWN, "--env-file", str(tmp_path / "no/file")], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "could not be written" in done.stderr
