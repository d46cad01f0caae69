"""Around the jumpbox: the key pair of a run, the host key before anybody connects, and what is left afterwards."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lockdown.errors import IncompleteError, ToolError
from lockdown.provisioner.answers import Found, RefusedError, is_absent
from lockdown.provisioner.blueprint import jumpbox, zones
from lockdown.provisioner.blueprint.network import API_VERSION, JUMPBOX
from lockdown.provisioner.graph import Body, Resource, at
from lockdown.provisioner.judging import owner_of
from lockdown.provisioner.outcome import LeftOpen
from lockdown.provisioner.site import Site

FILE = "jumpbox-key"
_ROLES_VERSION = "2022-04-01"
_HOST_KEY = re.compile(r"ssh-ed25519 ([A-Za-z0-9+/]{68}=*)(?: [\x20-\x7e]{0,200})?")
_STDOUT = re.compile(r"\[stdout\]\n(.*?)\n?\[stderr\]", re.DOTALL)
_LENGTH = 51
"""Of an Ed25519 public key with its type, in SSH's encoding."""

_TYPE = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"
_DEPLOYERS = {
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b": "Azure Kubernetes Service RBAC Cluster Admin",
}
"""What the deployer of Cromwell on Azure gives to whoever runs it, and never takes back."""


class Reads(Protocol):
    """What is asked of Resource Manager here; ``lockdown.provisioner.arm.Arm`` does it."""

    def get(self, id: str, api_version: str) -> Found:  # noqa: A002 - ARM's word
        """Return what is at ``id``."""

    def items(self, path: str, api_version: str, **query: str) -> Iterator[Body]:
        """Yield the items of a collection."""

    def post(self, path: str, api_version: str, body: Body) -> Body:
        """Do an action, and return its answer."""


class Removes(Reads, Protocol):
    """What is asked of Resource Manager to remove something."""

    def delete(self, id: str, api_version: str) -> None:  # noqa: A002 - ARM's word
        """Remove a resource."""


@dataclass(frozen=True)
class KeyPair:
    """The keys of one run, in OpenSSH's form. The private one is in no log, no record and no document of Azure."""

    public: str
    private: bytes = field(repr=False)


def new_keys() -> KeyPair:
    """Return a new pair, of this run alone."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
    return KeyPair(public, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def keep(keys: KeyPair, out: Path) -> Path:
    """Write the private key to ``out``, for its owner alone, in the place of an earlier run's; return where it is.

    Raises:
        ToolError: it cannot be written.
    """
    path = out / FILE
    fresh = out / f".{FILE}-{token_hex(8)}"
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(keys.private)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise ToolError(f"{path} cannot be written: {error.strerror}.", "Name another folder with --out.") from error
    return path


def forget(out: Path) -> None:
    """Remove the private key: without the machine it opens nothing, and nobody should have to know that.

    Raises:
        ToolError: it cannot be removed.
    """
    try:
        (out / FILE).unlink(missing_ok=True)
    except OSError as error:
        raise ToolError(f"{out / FILE} cannot be removed: {error.strerror}.", "Remove it by hand.") from error


def known_host(arm: Reads, site: Site) -> str:
    """Return the line for known_hosts: the machine's address and its host key, read past the network.

    The key comes from the machine by way of Resource Manager, whose certificate is checked: nobody between here and
    the machine can put another in its place, so that SSH never has to trust what it is shown first.

    Raises:
        IncompleteError: Azure shows no address, or what the machine answers is no host key.
        RefusedError: Azure refused to say.
    """
    shown = str(at(arm.get(jumpbox.address_id(site), API_VERSION).body, "properties.ipAddress") or "")
    try:
        address = IPv4Address(shown)
    except AddressValueError as error:
        raise IncompleteError("The jumpbox has no public address yet.", "Run the same command again.") from error
    script = {"commandId": "RunShellScript", "script": ["cat /etc/ssh/ssh_host_ed25519_key.pub"]}
    answer = arm.post(f"{jumpbox.machine_id(site)}/runCommand", jumpbox.COMPUTE_VERSION, script)
    return f"{address} {host_key(answer)}"


def host_key(answer: Mapping[str, Any]) -> str:
    """Return the host key from what a run command answered: its type and itself, without comment.

    Raises:
        IncompleteError: it is not exactly one Ed25519 key.
    """
    told = next((str(item.get("message") or "") for item in answer.get("value") or () if isinstance(item, dict)), "")
    output = _STDOUT.search(told)
    found = _HOST_KEY.fullmatch(output[1].strip()) if output else None
    if found is None or not _is_key(found[1]):
        raise IncompleteError(
            "The jumpbox did not answer with its host key, so that nobody can know whom they connect to.",
            "Run the same command again; the jumpbox is removed meanwhile.",
        )
    return f"ssh-ed25519 {found[1]}"


def identity_of(arm: Reads, site: Site) -> str:
    """Return the object id of the machine's identity, or '' if there is none: for ``remains``, once it is gone.

    Raises:
        RefusedError: Azure refused to say.
    """
    return str(at(arm.get(jumpbox.machine_id(site), jumpbox.COMPUTE_VERSION).body, "identity.principalId") or "")


def sweep(arm: Removes, site: Site) -> tuple[LeftOpen, ...]:
    """Remove what an earlier run left of a jumpbox, and return what could not be removed.

    Azure lets nobody change the key of a machine: what was left is never used again. What is not this environment's
    is left alone and told.
    """
    left: list[LeftOpen] = []
    for step in reversed([step for step in jumpbox.steps(site) if isinstance(step, Resource)]):
        try:
            if not arm.get(step.id, step.api_version).there:
                continue
            owner = owner_of(arm.get(*_tagged(site, step)).body)
            if owner == site.environment.environment:
                arm.delete(step.id, step.api_version)
            else:
                left.append(LeftOpen(step.key, step.id, step.key, f"it is not ours: it belongs to {owner or 'nobody'}"))
        except RefusedError as error:
            left.append(LeftOpen(step.key, step.id, step.key, f"{error.code}: {error.message}"))
    return tuple(left)


def remains(arm: Reads, site: Site, machine: str = "", deployer: str = "") -> tuple[LeftOpen, ...]:
    """Return what is left of the jumpbox, or could not be looked for: nothing, if it is really gone.

    Args:
        arm: what is asked.
        site: the environment.
        machine: object id of the machine's identity, which must hold no role at all; empty if it was not seen.
        deployer: object id of whoever ran this, who must hold no role of a deployer; empty if it is not known.
    """
    return (
        *_left_things(arm, site),
        *_left_keys(arm, site),
        *_left_roles(arm, site, machine.lower(), deployer.lower()),
        *_left_names(arm, site),
    )


def _tagged(site: Site, step: Resource) -> tuple[str, str]:
    """Return id and API version of what says whose a step's resource is: itself, or what it is a part of."""
    if "location" in step.body:
        return step.id, step.api_version
    if step.key == "jumpbox/subnet":
        return site.hub_id, API_VERSION
    return jumpbox.machine_id(site), jumpbox.COMPUTE_VERSION


def _is_key(encoded: str) -> bool:
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    return len(decoded) == _LENGTH and decoded.startswith(_TYPE)


def _left_things(arm: Reads, site: Site) -> Iterator[LeftOpen]:
    """Yield what is still there of the machine and of what was made for it; run commands are part of the machine."""
    compute = jumpbox.COMPUTE_VERSION
    things = [
        ("machine", "virtual machine", jumpbox.machine_id(site), compute),
        ("machine", "disk of the machine", jumpbox.disk_id(site), "2025-01-02"),
        ("interface", "network interface", jumpbox.interface_id(site), API_VERSION),
        ("address", "public address", jumpbox.address_id(site), API_VERSION),
        ("guard", "security group with its SSH rule", jumpbox.guard_id(site), API_VERSION),
    ]
    if jumpbox.stands_alone(site):
        things.append(("subnet", "subnet", site.subnet_id(JUMPBOX), API_VERSION))
        routes = site.in_network("Microsoft.Network/routeTables", jumpbox.NAME)
        things.append(("routes", "route table", routes, API_VERSION))
    for key, what, resource_id, version in things:
        try:
            there = arm.get(resource_id, version).there
        except RefusedError as error:
            yield _unread(key, resource_id, what, error)
            continue
        if there:
            yield LeftOpen(f"jumpbox/{key}", resource_id, what, "it is still there")


def _left_keys(arm: Reads, site: Site) -> Iterator[LeftOpen]:
    """Yield public keys that are kept as resources. A run makes none; people who help themselves do."""
    for group in dict.fromkeys((site.network_group_id, site.group_id)):
        path = f"{group}/providers/Microsoft.Compute/sshPublicKeys"
        try:
            for item in _listed(arm, path, jumpbox.COMPUTE_VERSION):
                if jumpbox.NAME in str(item.get("name")).lower():
                    yield LeftOpen("jumpbox/machine", str(item.get("id")), "public key", "it is still there")
        except RefusedError as error:
            yield _unread("machine", path, "public keys", error)


def _left_roles(arm: Reads, site: Site, machine: str, deployer: str) -> Iterator[LeftOpen]:
    for group in dict.fromkeys((site.network_group_id, site.group_id)):
        path = f"{group}/providers/Microsoft.Authorization/roleAssignments"
        try:
            for item in _listed(arm, path, _ROLES_VERSION):
                # The list names what is held above the group as well, which is not of this environment.
                if str(at(item, "properties.scope") or "").lower().startswith(group.lower()):
                    yield from _held(item, machine, deployer)
        except RefusedError as error:
            yield _unread("machine", path, "role assignments", error)


def _held(item: Body, machine: str, deployer: str) -> Iterator[LeftOpen]:
    principal = str(at(item, "properties.principalId") or "").lower()
    role = str(at(item, "properties.roleDefinitionId") or "").rpartition("/")[2].lower()
    named = _DEPLOYERS.get(role, role)
    if principal and principal == machine:
        yield LeftOpen("jumpbox/machine", str(item.get("id")), f"role {named} of the machine", "it is still held")
    elif principal and principal == deployer and role in _DEPLOYERS:
        yield LeftOpen("jumpbox/machine", str(item.get("id")), f"role {named} of the deployer", "it is still held")


def _left_names(arm: Reads, site: Site) -> Iterator[LeftOpen]:
    """Yield names that lead to the jumpbox's subnet: of a machine that registered itself, in spite of the links."""
    within = site.environment.network.subnets.jumpbox
    for zone in zones.names(site):
        path = f"{site.zone_id(zone)}/A"
        try:
            for item in _listed(arm, path, zones.API_VERSION):
                found = [str(record.get("ipv4Address")) for record in at(item, "properties.aRecords") or ()]
                if any(_is_in(address, within) for address in found):
                    yield LeftOpen("jumpbox/subnet", str(item.get("id")), "A record", f"it leads to {', '.join(found)}")
        except RefusedError as error:
            yield _unread("subnet", path, "A records", error)


def _listed(arm: Reads, path: str, api_version: str) -> Iterator[Body]:
    """Yield the items of a collection; where there is nothing that it could be of, there are none."""
    try:
        yield from arm.items(path, api_version)
    except RefusedError as error:
        if not is_absent(error):
            raise


def _is_in(address: str, subnet: IPv4Network) -> bool:
    try:
        return IPv4Address(address) in subnet
    except AddressValueError:
        return False


def _unread(key: str, where: str, what: str, error: RefusedError) -> LeftOpen:
    return LeftOpen(f"jumpbox/{key}", where, what, f"nobody knows whether any is left: {error.code}: {error.message}")
