"""The ways into an environment, as a person runs it: a private Bastion, and the jumpbox from its opening to its end."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from rich.cells import cell_len

from lockdown import record
from lockdown.data import tree
from lockdown.provisioner import jumpbox
from lockdown.provisioner.blueprint import jumpbox as made
from lockdown.provisioner.environment import load
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.conftest import clean
from tests.provisioner.azure import connect

if TYPE_CHECKING:
    from tests.conftest import Lockdown

SHIPPED = Path(str(tree("provision"))) / "environments"
SCALE = 2000.0
SOURCE = "20.50.1.7/32"
COMPUTE, NETWORK = "2026-04-01", "2024-05-01"
pytestmark = pytest.mark.xdist_group("provision-access")


def written(folder: Path, way: str, **more: Any) -> Path:
    """Write an environment with this way in, and its waivers."""
    text = yaml.safe_load((SHIPPED / "coa-private.yaml").read_text("utf-8"))
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump({**text, "access": way, **more}), "utf-8")
    (folder / "mine.lockdown.yaml").write_text((SHIPPED / "coa-private.lockdown.yaml").read_text("utf-8"), "utf-8")
    return file


@dataclass
class Terminal:
    """A command on a terminal of 80 columns."""

    leader: int
    running: subprocess.Popen[bytes]
    shown: str = field(default="")

    def until(self, text: str) -> None:
        """Read until a text is shown."""
        end = time.monotonic() + 240
        while text not in self.shown:
            assert time.monotonic() < end, f"never shown: {text!r} in\n{self.shown}"
            assert self._read(), f"ended before {text!r}:\n{self.shown}"

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self.leader, f"{text}\n".encode())

    def ended(self) -> int:
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        return self.running.wait(60)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.leader], [], [], 240)
        try:
            part = os.read(self.leader, 65536) if ready else b""
        except OSError:
            return False
        self.shown += part.decode("utf-8", "replace")
        return bool(part)


@contextmanager
def terminal(environment: Mapping[str, str], folder: Path, *arguments: str | Path) -> Iterator[Terminal]:
    leader, follower = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "lockdown", *map(str, arguments)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=folder,
        env={**clean(environment), "TERM": "dumb", "COLUMNS": "80", "LINES": "40"},
        start_new_session=True,
    )
    os.close(follower)
    try:
        yield Terminal(leader, running)
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        running.wait(30)
        os.close(leader)


@dataclass(frozen=True)
class Built:
    """An environment with access jumpbox that stands, without one now."""

    azure: Sandbox
    folder: Path
    file: Path
    site: Site

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def opened(self) -> Any:
        """Run the command on a terminal."""
        return terminal(self.azure.environment(), self.folder, "provision", self.file, "--out", self.out)

    def open(self, shown: Terminal) -> None:
        """Say yes to the jumpbox, and wait until it stands."""
        shown.until("Open the jumpbox for")
        shown.type("y")
        shown.until("Press Enter")

    def left(self) -> list[str]:
        """Return what is there of a jumpbox, by the list of what must be gone."""
        with connect(self.azure) as arm:
            return [f"{item.key}: {item.what}" for item in jumpbox.remains(arm, self.site)]

    def killed(self) -> None:
        """Leave a jumpbox behind: the process that opened it is killed."""
        with self.opened() as shown:
            self.open(shown)
            shown.running.send_signal(signal.SIGKILL)
            shown.running.wait(30)
        assert {"jumpbox/machine: virtual machine", "jumpbox/address: public address"} <= set(self.left())
        assert (self.out / jumpbox.FILE).is_file()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Build it as a job does: with --yes, and no terminal."""
    folder = tmp_path_factory.mktemp("access")
    file = written(folder, "jumpbox", jumpbox={"source": SOURCE, "hours": 2})
    with Sandbox("empty", time_scale=SCALE) as azure:
        done = run(azure, folder, "provision", file, "--yes", "--out", folder / "out")
        assert done.returncode == 0, done.stderr
        assert "The jumpbox stays closed" in done.stderr
        site = Site(load(file), azure.subscription, azure.tenant)
        yield Built(azure, folder, file, site)


def run(
    azure: Sandbox, folder: Path, *arguments: str | Path, principal: str = "owner"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lockdown", *map(str, arguments)],
        cwd=folder,
        env=clean(azure.environment(principal)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_private_bastion_is_built_compliant_and_goes_again(lockdown: Lockdown, tmp_path: Path) -> None:
    file, out = written(tmp_path, "bastion"), tmp_path / "out"
    with Sandbox("empty", time_scale=SCALE) as azure:
        owner = azure.environment()
        planned = lockdown("provision", file, "--plan", env=owner)
        assert planned.code == 8, planned.err
        assert "+ create  bastion" in planned.out
        assert "Bastion Premium, by the hour: bastion" in planned.out
        done = lockdown("provision", file, "--yes", "--out", out, "--json", env=owner)
        assert done.code == 0, done.err
        found = record.read(out / "baseline/results/results.json")
        assert found.run["outcome"] == "compliant"
        kinds = {row["policy"]: row["verdict"] for row in found.results() if "bastion" in row["policy"]}
        assert set(kinds.values()) <= {"pass", "manual", "notApplicable"}, kinds
        with connect(azure) as arm:
            site = Site(load(file), azure.subscription, azure.tenant)
            bastion = site.in_network("Microsoft.Network/bastionHosts", "bastion")
            assert arm.get(bastion, NETWORK).body["properties"]["enablePrivateOnlyBastion"] is True
        again = lockdown("provision", file, "--plan", env=owner)
        assert again.code == 0, again.out
        assert "Nothing to do" in again.out
        gone = lockdown("provision", file, "--destroy", "--yes", "--out", out, env=owner)
        assert gone.code == 0, gone.err
        with connect(azure) as arm:
            groups = {
                item["name"] for item in arm.items(f"/subscriptions/{azure.subscription}/resourceGroups", "2024-11-01")
            }
        assert groups <= {"NetworkWatcherRG"}


def test_in_a_job_it_stays_closed_and_the_plan_says_so(built: Built) -> None:
    assert built.left() == []
    planned = run(built.azure, built.folder, "provision", built.file, "--plan")
    assert planned.returncode == 0, planned.stdout
    assert "Nothing here needs it: it stays closed." in planned.stdout
    assert f"SSH from {SOURCE}" in planned.stdout
    assert max(map(cell_len, planned.stdout.splitlines())) <= 80
    told = json.loads(run(built.azure, built.folder, "provision", built.file, "--plan", "--json").stdout)
    assert told["opensJumpbox"] is False
    job = run(built.azure, built.folder, "provision", built.file, "--yes", "--out", built.out)
    assert job.returncode == 0, job.stderr
    assert "The jumpbox stays closed" in job.stderr
    assert built.left() == []


def test_a_person_opens_it_for_one_address_and_it_is_gone_before_the_audit(built: Built) -> None:
    with built.opened() as shown:
        built.open(shown)
        with connect(built.azure) as arm:
            address = arm.get(made.address_id(built.site), NETWORK).body
            guard = arm.get(made.guard_id(built.site), NETWORK).body
            machine = arm.get(made.machine_id(built.site), COMPUTE).body
        assert address["properties"]["ipAddress"] in shown.shown
        rules = [rule["properties"] for rule in guard["properties"]["securityRules"]]
        allowed = [rule for rule in rules if (rule["direction"], rule["access"]) == ("Inbound", "Allow")]
        assert [(rule["sourceAddressPrefix"], rule["destinationPortRange"]) for rule in allowed] == [(SOURCE, "22")]
        assert machine["tags"]["expires"].endswith("Z")
        assert machine["properties"]["osProfile"]["linuxConfiguration"]["disablePasswordAuthentication"] is True
        shown.type("")
        assert shown.ended() == 0, shown.shown
    assert "The jumpbox is gone, and so is its key." in shown.shown
    assert "--environment" in shown.shown
    assert built.left() == []
    assert not {jumpbox.FILE, "known_hosts"} & {path.name for path in built.out.iterdir()}


def test_ctrl_c_while_it_is_open_removes_it(built: Built) -> None:
    with built.opened() as shown:
        built.open(shown)
        shown.running.send_signal(signal.SIGINT)
        assert shown.ended() == 130, shown.shown
    assert built.left() == []


def test_a_failure_in_the_middle_removes_it(built: Built) -> None:
    built.azure.fault("PUT *extensions* fail:400:VMExtensionProvisioningError 1")
    with built.opened() as shown:
        shown.until("Open the jumpbox for")
        shown.type("y")
        assert shown.ended() == 5, shown.shown
    assert "The jumpbox could not be opened" in shown.shown
    assert "VMExtensionProvisioningError" in shown.shown
    assert built.left() == []


def test_what_a_killed_run_left_fails_audits_once_it_is_late_and_the_next_provision_removes_it(
    built: Built, tmp_path: Path
) -> None:
    built.killed()
    with connect(built.azure) as arm:
        machine = arm.get(made.machine_id(built.site), COMPUTE).body
        arm.patch(machine["id"], COMPUTE, {"tags": {**machine["tags"], "expires": "2020-01-01T00:00:00Z"}})
    audit = run(built.azure, built.folder, "audit", "-c", built.out / "lockdown.yaml", "--out", tmp_path / "run")
    assert audit.returncode == 7, audit.stderr
    late = [
        row["resource"].lower()
        for row in record.read(tmp_path / "run/results/results.json").results()
        if row["policy"] == "temporary-access-expired" and row["verdict"] == "fail"
    ]
    assert late == [made.machine_id(built.site).lower()]
    planned = run(built.azure, built.folder, "provision", built.file, "--plan")
    assert planned.returncode == 8
    assert "- remove  jumpbox/machine" in planned.stdout
    assert "An earlier run left one: it is removed." in planned.stdout
    done = run(built.azure, built.folder, "provision", built.file, "--yes", "--out", built.out)
    assert done.returncode == 0, done.stderr
    assert built.left() == []
    assert not (built.out / jumpbox.FILE).exists()


def test_what_a_killed_run_left_is_removed_by_the_next_drift(built: Built, tmp_path: Path) -> None:
    built.killed()
    nightly = ("drift", "-c", built.out / "lockdown.yaml", "--baseline", built.out / "baseline")
    drift = (*nightly, "--environment", built.file)
    reader = run(built.azure, built.folder, *drift, "--out", tmp_path / "0", principal="auditor")
    assert reader.returncode == 5, reader.stderr
    assert "A jumpbox was left, and could not be removed" in reader.stderr
    assert "jumpbox/machine" in reader.stderr
    assert "AuthorizationFailed" in reader.stderr
    found = run(built.azure, built.folder, *drift, "--out", tmp_path / "1")
    assert found.returncode == 8, found.stderr
    told = json.loads((tmp_path / "1/results/drift.json").read_bytes())["blueprint"]
    assert "jumpbox/machine" in {each["key"] for each in told}
    assert all(each["why"].endswith("it is removed now") for each in told)
    assert built.left() == []
    again = run(built.azure, built.folder, *drift, "--out", tmp_path / "2")
    assert again.returncode == 0, again.stderr


def test_one_that_cannot_be_removed_is_named_and_removed_later(built: Built) -> None:
    built.azure.fault("DELETE *virtualMachines/jumpbox* fail:409:ScopeLocked 2")
    with built.opened() as shown:
        built.open(shown)
        shown.type("")
        assert shown.ended() == 5, shown.shown
    assert "The jumpbox is not gone" in shown.shown
    assert "jumpbox/machine" in shown.shown
    assert "ScopeLocked" in shown.shown
    assert "jumpbox/machine: virtual machine" in built.left()
    stuck = run(built.azure, built.folder, "provision", built.file, "--yes", "--out", built.out)
    assert stuck.returncode == 5, stuck.stderr
    assert "Something is left open" in stuck.stderr
    assert "jumpbox/machine" in stuck.stderr
    assert (built.out / jumpbox.FILE).is_file()
    done = run(built.azure, built.folder, "provision", built.file, "--yes", "--out", built.out)
    assert done.returncode == 0, done.stderr
    assert built.left() == []
    assert not (built.out / jumpbox.FILE).exists()
