"""Around the jumpbox: whose key it is, whom one connects to, and that nothing of it stays."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from lockdown.errors import IncompleteError, ToolError
from lockdown.provisioner import apply, jumpbox, plan
from lockdown.provisioner.answers import Found, RefusedError
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.blueprint import build, chain, grounded
from lockdown.provisioner.blueprint.jumpbox import machine_id
from lockdown.provisioner.change import Verb
from lockdown.provisioner.graph import OWNER_TAG, Action, Blueprint, Body, Resource, blueprint, resolve
from lockdown.provisioner.outcome import Silent
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.provisioner.test_blueprint_network import site_of

HOST_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
MACHINE = "9f3fcaeb-e936-58f8-8c2f-81e5e87b502d"
DEPLOYER = "1b0f6b8e-0f47-4e4a-8f5c-0a2b5c0f7a55"


def told(text: str) -> Body:
    return {"value": [{"code": "ProvisioningState/succeeded", "message": text}]}


def shown(text: str) -> Body:
    return told(f"Enable succeeded: \n[stdout]\n{text}\n[stderr]\n")


class Answers:
    """Answers of Resource Manager: by path, an error where there is one; nothing is there otherwise."""

    def __init__(self, **given: Any) -> None:
        self.found: dict[str, Body] = given.get("found", {})
        self.listed: dict[str, list[Body]] = given.get("listed", {})
        self.refuses: str = given.get("refuses", "\0")

    def get(self, id: str, api_version: str) -> Found:  # noqa: A002
        assert api_version
        if self.refuses in id:
            raise RefusedError(403, "AuthorizationFailed", "no", "r", id)
        return Found(200, self.found[id]) if id in self.found else Found(404, {}, "ResourceNotFound")

    def items(self, path: str, api_version: str, **query: str) -> Iterator[Body]:
        assert api_version
        assert not query
        if self.refuses in path:
            raise RefusedError(403, "AuthorizationFailed", "no", "r", path)
        yield from self.listed.get(path, ())

    def post(self, path: str, api_version: str, body: Body) -> Body:
        assert path.endswith("/runCommand")
        assert api_version
        assert body["commandId"] == "RunShellScript"
        return shown(f"ssh-ed25519 {HOST_KEY} root@jumpbox")


@pytest.fixture
def site() -> Site:
    return site_of("jumpbox")


def test_each_run_has_keys_of_its_own_that_openssh_reads() -> None:
    one, other = jumpbox.new_keys(), jumpbox.new_keys()
    assert one.public != other.public
    private = load_ssh_private_key(one.private, None)
    assert private.public_key() == load_ssh_public_key(one.public.encode())
    assert "PRIVATE" not in repr(one)


def test_the_private_key_is_its_owners_alone_and_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    earlier = tmp_path / jumpbox.FILE
    earlier.write_bytes(b"earlier")
    earlier.chmod(0o644)
    keys = jumpbox.new_keys()
    path = jumpbox.keep(keys, tmp_path)
    assert path.read_bytes() == keys.private
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [jumpbox.FILE]
    jumpbox.forget(tmp_path)
    jumpbox.forget(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_link_in_the_place_of_the_key_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(b"")
    out = tmp_path / "out"
    out.mkdir()
    (out / jumpbox.FILE).symlink_to(target)
    jumpbox.keep(jumpbox.new_keys(), out)
    assert not target.read_bytes()
    assert not (out / jumpbox.FILE).is_symlink()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be written"):
        jumpbox.keep(jumpbox.new_keys(), tmp_path / "missing")


def test_the_host_key_is_known_before_anybody_connects(site: Site) -> None:
    address = site.in_network("Microsoft.Network/publicIPAddresses", "jumpbox")
    arm = Answers(found={address: {"properties": {"ipAddress": "203.0.113.9"}}})
    assert jumpbox.known_host(arm, site) == f"203.0.113.9 ssh-ed25519 {HOST_KEY}"


@pytest.mark.parametrize("address", [None, "", "203.0.113.9 evil", "*", "example.org", "203.0.113.9\n* ssh-rsa A"])
def test_what_is_no_address_gets_into_no_file_of_known_hosts(site: Site, address: str | None) -> None:
    place = site.in_network("Microsoft.Network/publicIPAddresses", "jumpbox")
    with pytest.raises(IncompleteError):
        jumpbox.known_host(Answers(found={place: {"properties": {"ipAddress": address}}}), site)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"value": None},
        {"value": []},
        {"value": ["text"]},
        told(""),
        told(f"ssh-ed25519 {HOST_KEY} root@jumpbox"),
        shown(""),
        shown("cat: /etc/ssh/ssh_host_ed25519_key.pub: No such file or directory"),
        shown(f"ssh-rsa {HOST_KEY} root@jumpbox"),
        shown(f"ssh-ed25519 {HOST_KEY} root@jumpbox\nssh-ed25519 {HOST_KEY} other"),
        shown(f"ssh-ed25519 {'A' * 68} root@jumpbox"),
        shown(f"ssh-ed25519 {HOST_KEY[:-4]} root@jumpbox"),
        shown(f"ssh-ed25519 {HOST_KEY} root@jump\x1bbox"),
    ],
)
def test_what_is_not_exactly_one_host_key_is_none(answer: Body) -> None:
    with pytest.raises(IncompleteError):
        jumpbox.host_key(answer)


def test_nothing_is_left(site: Site) -> None:
    assert jumpbox.remains(Answers(), site, MACHINE, DEPLOYER) == ()


def test_what_could_not_be_looked_for_may_be_left(site: Site) -> None:
    for part in ("/virtualMachines/", "/subnets/", "/sshPublicKeys", "/roleAssignments", "/A"):
        left = jumpbox.remains(Answers(refuses=part), site, MACHINE)
        assert left
        assert all("nobody knows" in item.cause and "AuthorizationFailed" in item.cause for item in left)


def test_keys_roles_and_names_that_stayed_are_told(site: Site) -> None:
    group, network = site.group_id, site.network_group_id

    def role(principal: str, guid: str, scope: str = "") -> Body:
        where = scope or f"{group.upper()}/providers/x"
        held = {"principalId": principal.upper(), "roleDefinitionId": f"/x/{guid}", "scope": where}
        return {"id": f"{guid}-{principal}", "properties": held}

    def name(address: str) -> Body:
        return {"id": address, "properties": {"aRecords": [{"ipv4Address": address}]}}

    reader, blobs = "acdd72a7-3385-48ef-bd42-f606fba81ae7", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    arm = Answers(
        listed={
            f"{network}/providers/Microsoft.Compute/sshPublicKeys": [
                {"id": "key-1", "name": "Jumpbox_key"},
                {"id": "key-2", "name": "of-others"},
            ],
            f"{group}/providers/Microsoft.Authorization/roleAssignments": [
                role(MACHINE, reader),
                role(DEPLOYER, reader),
                role(DEPLOYER, blobs),
                role(DEPLOYER, blobs, "/subscriptions/above"),
                role("", blobs),
                {"id": "empty"},
            ],
            f"{site.zone_id('privatelink.blob.core.windows.net')}/A": [
                name("10.1.3.4"),
                name("10.1.8.132"),
                name("not an address"),
                {"id": "empty", "properties": {"aRecords": None}},
            ],
        }
    )
    left = jumpbox.remains(arm, site, MACHINE, DEPLOYER)
    assert [item.id for item in left] == ["key-1", f"{reader}-{MACHINE}", f"{blobs}-{DEPLOYER}", "10.1.8.132"]
    assert "Storage Blob Data Contributor" in left[2].what


def made(arm: Arm, site: Site, public_key: str) -> Blueprint:
    """Make a jumpbox and what it needs."""
    steps = build(site, public_key, datetime.now(UTC))
    wanted: set[str] = set()
    left = [key for key in steps.steps if key.startswith("jumpbox/")]
    while left:
        key = left.pop()
        wanted.add(key)
        left += steps.needs[key] - wanted
    known: dict[str, Body] = {}
    for step in steps:
        if step.key not in wanted:
            continue
        if isinstance(step, Action):
            arm.post(step.path, step.api_version, step.body)
            while step.mark is None and not _done(arm, step):
                arm.wait(10)
        else:
            known[step.key] = arm.put(step.id, step.api_version, resolve(step.body, known))
    return steps


def test_it_is_found_known_and_removed_in_azure(sandbox: Sandbox, arm: Arm) -> None:
    site = site_of("jumpbox", subscription=sandbox.subscription)
    keys = jumpbox.new_keys()
    made(arm, site, keys.public)
    line = jumpbox.known_host(arm, site)
    assert line.split()[1] == "ssh-ed25519"
    machine = jumpbox.identity_of(arm, site)
    assert machine
    whole = {"virtual machine", "disk of the machine", "network interface", "public address", "subnet", "route table"}
    assert {item.what for item in jumpbox.remains(arm, site, machine)} >= whole
    text = str(arm.get(machine_id(site), "2026-04-01").body)
    assert keys.public in text
    assert keys.private.decode().splitlines()[1] not in text
    assert jumpbox.sweep(arm, site) == ()
    assert jumpbox.remains(arm, site, machine, DEPLOYER) == ()
    assert not jumpbox.identity_of(arm, site)
    assert arm.get(site.network_id, "2026-03-01").there
    assert jumpbox.sweep(arm, site) == ()


def test_what_is_not_ours_is_left_alone_and_told(sandbox: Sandbox, arm: Arm) -> None:
    site = site_of("jumpbox", subscription=sandbox.subscription)
    steps = made(arm, site, jumpbox.new_keys().public)
    machine = steps.steps["jumpbox/machine"]
    assert isinstance(machine, Resource)
    arm.patch(machine.id, machine.api_version, {"tags": {OWNER_TAG: "of-others"}})
    left = {item.key: item.cause for item in jumpbox.sweep(arm, site)}
    assert "of-others" in left["jumpbox/machine"]
    assert arm.get(machine.id, machine.api_version).there
    assert not arm.get(steps.steps["jumpbox/shutdown"].id, "2018-09-15").there  # type: ignore[union-attr]


def test_what_an_earlier_run_left_is_removed_by_the_next_that_needs_none(sandbox: Sandbox, arm: Arm) -> None:
    site = site_of("jumpbox", subscription=sandbox.subscription)
    made(arm, site, jumpbox.new_keys().public)
    steps = build(site)
    found = plan.make(steps, arm)
    verbs = {change.key: change.verb for change in found.changes if change.key.startswith("jumpbox/")}
    assert set(verbs.values()) == {Verb.REMOVE}
    outcome = apply.apply(steps, found, arm, Silent())
    assert not outcome.left_open
    assert not outcome.failed
    assert jumpbox.remains(arm, site) == ()


@pytest.mark.parametrize("shape", ["jumpbox", "hub with jumpbox", "jumpbox behind a gateway"])
def test_it_is_there_for_what_needs_it_and_gone_at_the_end_of_the_run(sandbox: Sandbox, arm: Arm, shape: str) -> None:
    site = site_of(shape, subscription=sandbox.subscription)
    inside = Resource(
        "work",
        "work",
        site.in_group("Microsoft.Network/networkSecurityGroups", "work"),
        "2026-03-01",
        {"location": site.location, "tags": site.tags, "properties": {"securityRules": []}},
        needs=("jumpbox/login", "jumpbox/shutdown"),
    )
    key = jumpbox.new_keys().public
    steps = blueprint(grounded([*chain(site, key, datetime.now(UTC)), inside]))
    outcome = apply.apply(steps, plan.make(steps, arm), arm, Silent())
    assert outcome.complete
    assert outcome.done.index("jumpbox/login") < outcome.done.index("work")
    assert jumpbox.remains(arm, site) == ()
    again = plan.make(blueprint(grounded([*chain(site, key), inside])), arm)
    assert not again.pending


def _done(arm: Arm, step: Action) -> bool:
    found: Any = arm.get(step.done.id, step.done.api_version).body
    for name in step.done.path.split("."):
        found = found.get(name, {})
    return bool(found == step.done.value)
