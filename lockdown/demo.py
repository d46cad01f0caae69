"""The story that ``lockdown demo`` tells, on a local Azure: nothing leaves this machine.

A stock Cromwell-on-Azure deployment fails; a closed one passes and is signed; somebody opens it; drift finds what, who
and when; the evidence verifies, and no longer does after one byte is flipped.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from lockdown import config, run
from lockdown.drift import Drift
from lockdown.errors import Exit, ToolError
from lockdown.evidence import keys, root_file, verify
from lockdown.evidence.files import DirectoryFiles
from lockdown.evidence.trust import TrustRoot
from lockdown.evidence.verify import Verification
from lockdown.record import Record
from lockdown.replay import replay
from lockdown.sandbox.server import Sandbox

FOLDER = Path("lockdown-demo")
_PATIENCE, _INTERVAL = 60.0, 0.2
_GROUP = "resourceGroups"
_NETWORK = "providers/Microsoft.Network"


class Teller(run.Watch, Protocol):
    """Tells the story to a person."""

    def chapter(self, number: int, title: str, text: str) -> None:
        """A new part of the story begins."""

    def say(self, text: str) -> None:
        """One more line."""

    def audited(self, record: Record) -> None:
        """A run was made."""

    def drifted(self, drift: Drift) -> None:
        """A comparison was made."""

    def verified(self, found: Verification) -> None:
        """Evidence was checked."""


@dataclass(frozen=True)
class Told:
    """Where everything is when the story ends."""

    stock: Path
    private: Path
    drift: Path
    trust: Path


def tell(teller: Teller, folder: Path = FOLDER) -> Told:
    """Tell the story, leaving its runs under ``folder``.

    Raises:
        ToolError: a chapter did not end as it must; the story would not be true.
    """
    place = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    told = Told(place / "stock", place / "private", place / "drift", place / "keys/trust-root.json")
    keys.generate(told.trust.parent)
    key = f"file:{told.trust.parent / 'private.pem'}"

    teller.chapter(1, "A stock deployment", "What the original deployer leaves in its private mode.")
    with Sandbox("coa-stock") as sandbox, _environment(sandbox.environment("auditor")):
        stock = run.audit(_wanted(sandbox, told.stock, key), teller)
    teller.audited(stock.record)
    _must(stock.record.run["outcome"] == "nonCompliant", "the stock deployment must not be compliant")

    teller.chapter(2, "The same environment, closed", "As lockdown provision leaves it.")
    with Sandbox("coa-private") as sandbox:
        with _environment(sandbox.environment("auditor")):
            private = run.audit(_wanted(sandbox, told.private, key), teller)
        teller.audited(private.record)
        _must(private.record.run["outcome"] == "compliant", "the closed environment must be compliant")

        teller.chapter(3, "Somebody opens it", "An operator is in a hurry.")
        for line in open_up(sandbox):
            teller.say(line)

        teller.chapter(4, "The nightly drift check", "What changed since the approved run, who did it, and when.")
        with _environment(sandbox.environment("auditor")):
            changed = run.audit(_wanted(sandbox, told.drift, key, told.private), teller)
    _must(changed.drift is not None and not changed.drift.is_empty, "the drift must be found")
    if changed.drift is not None:
        teller.drifted(changed.drift)

    teller.chapter(5, "The evidence", "Signed, verified offline, and judged again from the snapshot it holds.")
    root = root_file.load(told.trust)
    teller.verified(_verify(told.drift, root, Exit.OK))

    teller.chapter(6, "One byte flipped", "The first letter of one verdict is changed in a copy of the evidence.")
    forged = place / "forged"
    shutil.copytree(told.drift, forged)
    target = forged / "results/results.json"
    target.write_bytes(target.read_bytes().replace(b'"verdict":"fail"', b'"verdict":"gail"', 1))
    teller.verified(_verify(forged, root, Exit.TAMPERED))
    return told


def open_up(sandbox: Sandbox) -> Iterator[str]:
    """Do what a person in a hurry does, as the operator, over Azure Resource Manager."""
    arm = _Arm(sandbox, "operator")
    base = f"/subscriptions/{sandbox.subscription}"
    storage = min(arm.named(base, "Microsoft.Storage/storageAccounts"), key=lambda account: str(account["name"]))
    arm.call("PATCH", storage["id"], "2024-01-01", {"properties": {"publicNetworkAccess": "Enabled"}})
    yield f"The operator enables public network access on the storage account {storage['name']}."
    network = arm.named(base, "Microsoft.Network/virtualNetworks")[0]
    group = network["id"].split("/")[4]
    subnet = next(
        s["id"]
        for s in arm.call("GET", network["id"], "2024-05-01")["properties"]["subnets"]
        if not s["properties"].get("delegations") and not s["name"].startswith("Azure")
    )
    prefix = f"{base}/{_GROUP}/{group}/{_NETWORK}"
    place = {"location": storage["location"]}
    address = f"{prefix}/publicIPAddresses/debug-ip"
    arm.made(
        address,
        "2024-05-01",
        {**place, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}},
    )
    configuration = {
        "name": "ipconfig1",
        "properties": {
            "subnet": {"id": subnet},
            "publicIPAddress": {"id": address},
            "privateIPAllocationMethod": "Dynamic",
        },
    }
    arm.made(
        f"{prefix}/networkInterfaces/debug-nic",
        "2024-05-01",
        {**place, "properties": {"ipConfigurations": [configuration]}},
    )
    yield "The operator attaches the public IP debug-ip to the network interface debug-nic."


def _wanted(sandbox: Sandbox, out: Path, key: str, baseline: Path | None = None) -> run.Wanted:
    found = config.load(sandbox.config_file)
    environment = sandbox.environment("auditor")
    return run.Wanted(
        scope=found.scope,
        boundary=found.boundary,
        waivers=found.waivers,
        cloud=environment["LOCKDOWN_CLOUD"],
        authority=environment["AZURE_AUTHORITY_HOST"],
        out=out,
        key=key,
        baseline=baseline,
    )


def _verify(directory: Path, root: TrustRoot, expected: Exit) -> Verification:
    found = verify.verify(
        DirectoryFiles(directory.resolve()),
        root,
        now=datetime.now(UTC),
        allow_partial=False,
        replay=lambda _: replay(directory),
    )
    _must(found.exit_code == expected, f"verifying {directory} must exit {expected}, not {found.exit_code}")
    return found


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise ToolError(f"The story did not come true: {what}.", "This is a defect of lockdown; please report it.")


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Arm:
    def __init__(self, sandbox: Sandbox, principal: str) -> None:
        self._url = sandbox.url
        self._context = ssl.create_default_context(cafile=str(sandbox.ca_file))
        values = sandbox.environment(principal)
        form = {
            "grant_type": "client_credentials",
            "client_id": values["AZURE_CLIENT_ID"],
            "client_secret": values["AZURE_CLIENT_SECRET"],
            "scope": f"{sandbox.url}/.default",
        }
        answer = self._send(Request(f"{sandbox.url}/{sandbox.tenant}/oauth2/v2.0/token", urlencode(form).encode()))  # noqa: S310
        self._token = answer["access_token"]

    def call(self, method: str, path: str, version: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "User-Agent": "operator-script",
        }
        return self._send(
            Request(f"{self._url}{path}?api-version={version}", data, headers, method=method)  # noqa: S310 - https only
        )

    def made(self, path: str, version: str, body: object) -> None:
        """Make a resource, and wait until it is there: what refers to it is refused before."""
        found = self.call("PUT", path, version, body)
        until = time.monotonic() + _PATIENCE
        while found["properties"]["provisioningState"] != "Succeeded":
            _must(time.monotonic() < until, f"{path} must come into being within {_PATIENCE:.0f} s")
            time.sleep(_INTERVAL)
            found = self.call("GET", path, version)

    def named(self, base: str, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"{base}/resources", "2021-04-01")["value"]
        return [item for item in found if str(item["type"]).lower() == kind.lower()]

    def _send(self, request: Request) -> dict[str, Any]:
        with urlopen(request, context=self._context) as response:  # noqa: S310 - the sandbox's own https URL
            found: dict[str, Any] = json.loads(response.read() or b"{}")
            return found
