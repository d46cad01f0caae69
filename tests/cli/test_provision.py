"""lockdown provision, as a person runs it: over a small environment, so that each mishap is one of its own."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from rich.cells import cell_len

from lockdown import cli, config, record
from lockdown.cli import provision as command
from lockdown.data import tree
from lockdown.errors import Exit
from lockdown.provisioner import blueprint as blueprints
from lockdown.provisioner import worker
from lockdown.provisioner.environment import load
from lockdown.provisioner.graph import Blueprint, Resource, blueprint, reference
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import connect

if TYPE_CHECKING:
    from tests.conftest import Lockdown

SHIPPED = Path(str(tree("provision"))) / "environments"
PRIVATE = SHIPPED / "coa-private.yaml"
MINE = "mine.yaml"
SOME = "00000000-0000-0000-0000-000000000000"
WRITES = ("PUT", "PATCH", "DELETE")
Run = Callable[..., int]


def small(site: Site, *_: object) -> Blueprint:
    """Return a group, a network and a closed account with its endpoint."""

    def made(key: str, theme: str, path: str, version: str, properties: dict[str, Any], **more: Any) -> Resource:
        body = {"location": site.location, "tags": site.tags, "properties": properties, **more}
        return Resource(key, theme, path, version, body, seconds=3, cost="by the GB" if key == "storage" else "")

    network = site.in_network("Microsoft.Network/virtualNetworks", "vnet-genomics")
    grouped = {"location": site.location, "tags": site.tags}
    closed = {"publicNetworkAccess": "Disabled", "allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_2"}
    link = {
        "name": "blob",
        "properties": {"privateLinkServiceId": reference("storage"), "groupIds": ["blob"]},
    }
    subnet = {"name": "pesubnet", "properties": {"addressPrefix": "10.1.3.0/24"}}
    return blueprint(
        [
            Resource("group", "groups", site.group_id, "2024-11-01", grouped),
            Resource("network-group", "groups", site.network_group_id, "2024-11-01", grouped),
            made(
                "network",
                "network",
                network,
                "2024-05-01",
                {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}, "subnets": [subnet]},
            ),
            made(
                "storage",
                "storage",
                site.in_group("Microsoft.Storage/storageAccounts", site.base),
                "2024-01-01",
                closed,
                sku={"name": "Standard_GRS"},
                kind="StorageV2",
            ),
            made(
                "endpoint/blob",
                "endpoints",
                site.in_network("Microsoft.Network/privateEndpoints", "pe-blob"),
                "2024-05-01",
                {"subnet": {"id": f"{reference('network')}/subnets/pesubnet"}, "privateLinkServiceConnections": [link]},
            ),
        ]
    )


def site(azure: Sandbox) -> Site:
    return Site(load(PRIVATE), azure.subscription, azure.tenant)


@pytest.fixture
def azure() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def provision(azure: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, with the small environment, and with no audit at its end."""
    run = here(azure, tmp_path, monkeypatch)
    monkeypatch.setattr(command, "_audit", unaudited)
    return run


def unaudited(*_: object) -> tuple[SimpleNamespace, Exit]:
    return SimpleNamespace(record=SimpleNamespace(run={"outcome": "compliant"})), Exit.OK


def here(azure: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(blueprints, "build", small)
    for name, value in azure.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    mine(tmp_path)

    def run(*arguments: str | Path) -> int:
        return cli.run(["provision", *map(str, arguments)])

    return run


def mine(folder: Path) -> None:
    """Copy the environment, with a waiver for what there is of it."""
    (folder / MINE).write_text(PRIVATE.read_text("utf-8"), "utf-8")
    waiver = {"policy": "storage-shared-key-disabled", "resource": "storage", "reason": "Cromwell has no other way."}
    (folder / "mine.lockdown.yaml").write_text(yaml.safe_dump({"waivers": [waiver]}), "utf-8")


def requests(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "requests.jsonl").read_text("utf-8").splitlines()]


def writes(out: Path) -> int:
    return sum(entry["method"] in WRITES for entry in requests(out))


def test_the_schema_needs_nothing_else(lockdown: Lockdown) -> None:
    ran = lockdown("provision", "--schema")
    assert ran.code == 0
    schema = json.loads(ran.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "resourceGroup" in schema["properties"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Name an environment file"),
        ((PRIVATE,), "Name the subscription"),
        ((PRIVATE, "--subscription", "x"), "is not a subscription id"),
        (
            ("none.yaml", "--subscription", SOME, "--plan"),
            "There is no file none.yaml",
        ),
        ((PRIVATE, "--subscription", SOME), "--yes"),
        (
            (
                PRIVATE,
                "--subscription",
                SOME,
                "--plan",
                "--cloud",
                "AzureUSGovernment",
            ),
            "is for AzureCloud, and --cloud",
        ),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(
    lockdown: Lockdown, arguments: tuple[Any, ...], told: str
) -> None:
    ran = lockdown("provision", *arguments)
    assert ran.code == 2
    assert told in ran.err
    assert ran.out == ""


def test_the_old_variant_is_told_where_and_why(lockdown: Lockdown, azure: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(PRIVATE.read_text("utf-8") + "variant: vm\n", "utf-8")
    ran = lockdown("provision", "old.yaml", "--yes", env=azure.environment())
    assert ran.code == 2
    assert "variant: Cromwell on Azure before 4.0, on one virtual machine, is audited and not provisioned" in ran.err
    assert "old.yaml, line" in ran.err


def test_a_plan_says_what_is_to_be_done_and_writes_nothing(
    provision: Run, azure: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(MINE, "--plan", "--out", "out") == 8
    out = capsys.readouterr().out
    assert "coa-private in eastus" in out
    assert "+ create  network" in out
    assert "by the GB: storage" in out
    assert max(map(cell_len, out.splitlines())) <= 80
    assert writes(tmp_path / "out") == 0
    assert provision(MINE, "--plan", "--json") == 8
    told = json.loads(capsys.readouterr().out)
    assert told["pending"] is True
    assert told["counts"] == {"create": 5}
    assert {change["key"] for change in told["changes"]} == set(small(site(azure)).steps)
    assert not (tmp_path / "lockdown-environments").exists()


def test_what_is_built_is_audited_with_the_waivers_of_its_file(
    azure: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provision = here(azure, tmp_path, monkeypatch)
    code = provision(MINE, "--yes", "--out", "out")
    assert code in (5, 7)  # a part of an environment is not compliant
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "out"
    out = tmp_path / "out"
    written = config.load(out / "lockdown.yaml")
    assert written.scope.subscriptions == (azure.subscription,)
    assert written.boundary.virtual_networks == (site(azure).network_id.lower(),)
    assert [(waiver.policy, waiver.resources[0].rpartition("/")[2]) for waiver in written.waivers] == [
        ("storage-shared-key-disabled", site(azure).base)
    ]
    (audit,) = (out / "audits").iterdir()
    found = record.read(audit / "results/results.json")
    waived = [row for row in found.results() if row["policy"] == "storage-shared-key-disabled"]
    assert [(row["verdict"], bool(row["waiver"])) for row in waived] == [("fail", True)]
    assert not (out / "baseline").exists()


def test_the_same_command_again_writes_nothing(
    provision: Run, azure: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(MINE, "--yes", "--out", "out") == 0
    assert writes(tmp_path / "out") == 5
    log = (tmp_path / "out/requests.jsonl").read_text("utf-8")
    assert "Bearer" not in log
    assert azure.environment()["AZURE_CLIENT_SECRET"] not in log
    assert "[5/5]" in capsys.readouterr().err
    assert provision(MINE, "--plan") == 0
    assert "Nothing to do, 5 steps unchanged" in capsys.readouterr().out
    assert provision(MINE, "--yes", "--quiet", "--json", "--out", "out") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out)["run"]["outcome"] == "compliant"
    assert writes(tmp_path / "out") == 5


def test_a_difference_is_shown_with_its_property_and_undone(
    provision: Run, azure: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(MINE, "--yes", "--quiet", "--out", "out") == 0
    account = small(site(azure)).steps["storage"]
    assert isinstance(account, Resource)
    opened = {**account.body, "properties": account.body["properties"] | {"publicNetworkAccess": "Enabled"}}
    with connect(azure) as arm:
        arm.put(account.id, account.api_version, opened)
    capsys.readouterr()
    assert provision(MINE, "--plan") == 8
    out = capsys.readouterr().out
    assert "~ update  storage" in out
    assert "properties.publicNetworkAccess:" in out
    assert '"Enabled" -> "Disabled"' in out


def test_what_is_not_ours_is_never_written_and_every_reason_is_told(
    provision: Run, azure: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = site(azure)
    group, account = small(here).steps["group"], small(here).steps["storage"]
    assert isinstance(group, Resource)
    assert isinstance(account, Resource)
    with connect(azure) as arm:
        arm.put(group.id, group.api_version, {"location": "eastus"})
        arm.put(account.id, account.api_version, {**account.body, "tags": {"owner": "somebody\u202e else"}})
    assert provision(MINE, "--yes", "--out", "out") == 2
    err = capsys.readouterr().err
    assert "Nothing was written. This stands in the way:" in err
    assert "storage:" in err
    assert "\u202e" not in err
    assert writes(tmp_path / "out") == 0


def test_a_failure_names_its_cause_and_request_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = "PUT *privateEndpoints* fail:400:NotToday 1"
    with Sandbox("empty", operation_seconds=0, faults=(fault,)) as azure:
        provision = here(azure, tmp_path, monkeypatch)
        assert provision(MINE, "--yes", "--out", "out") == 5
        err = capsys.readouterr().err
        assert "was not audited" in err
        assert "4 done, 1 failed, 0 not finished" in err
        assert "NotToday, request " in err
        assert "Run the same command again" in err
        assert not (tmp_path / "out/lockdown.yaml").exists()
        monkeypatch.setattr(command, "_audit", unaudited)
        assert provision(MINE, "--yes", "--out", "out") == 0
    assert sum(e["method"] == "PUT" and e["status"] < 300 for e in requests(tmp_path / "out")) == 5


def test_destroying_shows_what_goes_and_leaves_nothing(
    provision: Run, azure: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(MINE, "--destroy", "--yes") == 0
    assert provision(MINE, "--yes", "--quiet", "--out", "out") == 0
    capsys.readouterr()
    assert provision(MINE, "--destroy", "--plan") == 8
    shown = capsys.readouterr().out
    assert "- remove  storage" in shown
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert provision(MINE, "--destroy", "--plan", "--json") == 8
    assert {"storage", "group"} <= {going["key"] for going in json.loads(capsys.readouterr().out)["going"]}
    assert provision(MINE, "--destroy", "--yes", "--out", "out") == 0
    assert provision(MINE, "--destroy", "--plan") == 0
    assert "nothing of it is there" in capsys.readouterr().out
    with connect(azure) as arm:
        left = {
            group["name"] for group in arm.items(f"/subscriptions/{azure.subscription}/resourceGroups", "2024-11-01")
        }
    assert left <= {"NetworkWatcherRG"}  # Azure's own


def test_what_destroying_kept_is_told_with_its_reason(
    provision: Run, azure: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(MINE, "--yes", "--quiet", "--out", "out") == 0
    here = site(azure)
    theirs = here.in_group("Microsoft.Network/publicIPAddresses", "theirs")

    def answered(*_: object, **__: object) -> bool:
        """Answer yes, once somebody else has used the group."""
        with connect(azure) as arm:
            arm.put(theirs, "2024-05-01", {"location": "eastus", "sku": {"name": "Standard"}, "properties": {}})
        return True

    monkeypatch.setattr(command, "_can_ask", lambda: True)
    monkeypatch.setattr("click.confirm", answered)
    monkeypatch.setattr(worker, "LOOK", 0.01)
    capsys.readouterr()
    assert provision(MINE, "--destroy", "--json", "--out", "out") == 0
    captured = capsys.readouterr()
    assert "coa-private is gone, but for what was kept." in captured.err
    assert "group: it holds what is not ours: theirs" in captured.err
    told = json.loads(captured.out)
    assert [(kept["key"], kept["cause"]) for kept in told["outcome"]["kept"]] == [
        ("group", "it holds what is not ours: theirs")
    ]
    assert told["outcome"]["complete"] is True


def test_json_has_what_the_manual_says(provision: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The tables of docs/provision.md name every key, and no other."""
    capsys.readouterr()

    def keys(*arguments: str) -> set[str]:
        provision(MINE, *arguments, "--json", "--quiet", "--out", "out")
        found = json.loads(capsys.readouterr().out)
        return {*found, *(f"outcome.{key}" for key in found.get("outcome", ()))}

    def documented(title: str) -> set[str]:
        page = (Path(__file__).parents[2] / "docs/provision.md").read_text("utf-8")
        table = page.partition(f"#### {title}\n")[2].partition("\n#")[0]
        rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
        return {key.strip(" `") for row in rows for key in row.split(",")}

    planned, built, again = keys("--plan"), keys("--yes"), keys("--plan")
    assert planned == again == documented("A plan")
    assert built - planned == documented("A run")
    removals, removed = keys("--destroy", "--plan"), keys("--destroy", "--yes")
    assert removals == documented("What destroying goes through")
    assert removed - removals == {key for key in documented("A run") if key.startswith("outcome")}


def test_a_waiver_for_nothing_is_found_before_anything_is_built(
    provision: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(PRIVATE, "--yes", "--out", "out") == 2
    assert "'batch' is no resource of this environment" in capsys.readouterr().err
    assert requests(tmp_path / "out") == []


def test_a_person_is_shown_the_plan_and_asked(azure: Sandbox, tmp_path: Path) -> None:
    shown, code = on_terminal(azure, tmp_path, b"n\n", "provision", PRIVATE, "--out", "out")
    assert code == 8
    assert "Build this? [y/N]:" in shown
    assert "What costs money" in shown
    assert "Nothing was written." in shown
    assert writes(tmp_path / "out") == 0


def on_terminal(azure: Sandbox, folder: Path, typed: bytes, *arguments: str | Path) -> tuple[str, int]:
    """Run the command on a terminal of 80 columns; what is typed is typed when a question stands there."""
    leader, follower = pty.openpty()
    environment = {**os.environ, **azure.environment(), "TERM": "xterm", "COLUMNS": "80", "LINES": "40"}
    with subprocess.Popen(
        [sys.executable, "-m", "lockdown", *map(str, arguments)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=folder,
        env=environment,
    ) as running:
        os.close(follower)
        shown, until = b"", time.monotonic() + 120
        while time.monotonic() < until:
            ready, _, _ = select.select([leader], [], [], 1)
            try:
                part = os.read(leader, 65536) if ready else b""
            except OSError:
                break
            shown += part
            if typed and b"[y/N]:" in shown:
                os.write(leader, typed)
                typed = b""
        os.close(leader)
        return shown.decode("utf-8", "replace"), running.wait(30)
