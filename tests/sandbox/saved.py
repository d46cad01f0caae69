"""The scenario ``coa-private``: what a provision of its environment leaves, and what people and workflows add to it.

``python -m tests.sandbox.saved`` provisions the shipped environment on an empty sandbox and writes the file that the
scenario loads. What Azure draws by lot (ids, versions, times) is drawn by place instead, so that the same environment
gives the same file: a change of the blueprint, or of what the sandbox makes of it, is a change that can be reviewed.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lockdown.data import tree
from lockdown.provisioner import blueprint, environment, output, plan, waivers
from lockdown.provisioner.apply import apply
from lockdown.provisioner.graph import Blueprint, Resource
from lockdown.provisioner.outcome import Silent
from lockdown.provisioner.site import Site
from lockdown.sandbox.registrations import FEATURE_TYPE
from lockdown.sandbox.scenarios.arm.access import role_assignment
from lockdown.sandbox.scenarios.arm.compute import disk, interface_of
from lockdown.sandbox.scenarios.arm.edge import load_balancer, private_frontend
from lockdown.sandbox.scenarios.arm.envelope import CREATED, Group, api_version, child
from lockdown.sandbox.scenarios.arm.platform import holds_identity
from lockdown.sandbox.scenarios.coa_private import FILE, SUBSCRIPTION, TENANT
from lockdown.sandbox.scenarios.identifiers import guid
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import connect

Document = dict[str, Any]

ENVIRONMENT = "coa-private"

_GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_LOT = re.compile(rf"{_GUID}|(?<![0-9a-f])[0-9a-f]{{32}}(?![0-9a-f])|(?<=-)[0-9a-f]{{8}}(?=[.\"/])", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|\+00:00)")
_ENDPOINTS = re.compile(r"(?<![\d.])10\.1\.3\.\d+(?![\d/])")
"""The addresses of the endpoints' subnet: endpoints are made side by side, and each takes the next."""

_OLD_KEYS = (
    "storage-sas-policy",
    "The account key is exchanged together with the cluster's volumes, which needs a day without workflows.",
    90,
)
"""What an environment that is older than its key policy allows fails; a new one does not."""


@dataclass(frozen=True)
class Provisioned:
    """What one run left.

    Attributes:
        tenant: the sandbox's.
        documents: everything in the subscription, in no order.
        config: boundary and waivers of its lockdown.yaml; each waiver says for how many days it holds.
    """

    tenant: str
    documents: Sequence[Document]
    config: Mapping[str, Any]


def provisioned() -> Provisioned:
    """Provision the environment, and use it."""
    # A path of the tree is one of the file system: the content is not packed.
    file = Path(str(tree("provision"))) / "environments" / f"{ENVIRONMENT}.yaml"
    with Sandbox("empty", options={"subscription": SUBSCRIPTION}, operation_seconds=0) as sandbox:
        site = Site(environment.load(file), sandbox.subscription, sandbox.tenant)
        made = blueprint.build(site)
        with connect(sandbox) as arm:
            outcome = apply(made, plan.make(made, arm), arm, Silent())
        if not outcome.complete:
            raise SystemExit(f"The environment could not be provisioned: {outcome}")
        sandbox.state.seed(list(_used(sandbox, site, made)))
        within = f"/subscriptions/{sandbox.subscription}/"
        documents = [copy.deepcopy(found) for found in sandbox.state.documents() if found["id"].startswith(within)]
        return Provisioned(sandbox.tenant, documents, _config(sandbox, site, made, file))


def text() -> str:
    """Return the file of the scenario."""
    one, other = provisioned(), provisioned()
    kept = set(_lots(one)) & set(_lots(other))
    content = {"config": one.config, "documents": _canonical(one, kept)}
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


# --- what Azure draws by lot -----------------------------------------------------------------------------------------


def _lots(run: Provisioned) -> Iterator[str]:
    for found in run.documents:
        yield from (lot.lower() for lot in _LOT.findall(_plain(run, found)))


def _plain(run: Provisioned, document: Document) -> str:
    """Return a document as text, without what is new in every run and refers to nothing."""
    shown = {name: value for name, value in document.items() if name != "_etag"}
    if shown["type"] != FEATURE_TYPE:
        shown.setdefault("_apiVersion", api_version(shown["type"]))
    return _TIME.sub(CREATED, json.dumps(shown, sort_keys=True).replace(run.tenant, TENANT))


def _canonical(run: Provisioned, kept: set[str]) -> list[Document]:
    """Return the documents in the order of their ids, and what is not ``kept`` drawn by place."""

    def masked(value: Any) -> str:
        return _LOT.sub(
            lambda lot: lot[0] if lot[0].lower() in kept else "*", json.dumps(value, sort_keys=True).lower()
        )

    plain = [_ordered(json.loads(_plain(run, found)), masked) for found in run.documents]
    plain.sort(key=lambda found: (found["type"] != "Microsoft.Network/networkInterfaces", masked(found["id"])))
    drawn: dict[str, str] = {}
    taken: dict[str, None] = {}
    for found in plain:
        whole = json.dumps(found, sort_keys=True)
        taken |= dict.fromkeys(_ENDPOINTS.findall(whole))
        for number, lot in enumerate(_LOT.findall(whole)):
            if lot.lower() not in kept:
                drawn.setdefault(lot.lower(), _same_shape(lot, guid(ENVIRONMENT, masked(found["id"]), str(number))))
    in_order = sorted(taken, key=lambda address: int(address.rpartition(".")[2]))
    addresses = dict(zip(taken, in_order, strict=True))
    named = _LOT.sub(lambda lot: drawn.get(lot[0].lower(), lot[0]), json.dumps(plain))
    settled = json.loads(_ENDPOINTS.sub(lambda address: addresses[address[0]], named))
    return sorted((_ordered(found, json.dumps) for found in settled), key=lambda found: str(found["id"]).lower())


def _ordered(value: Any, key: Callable[[Any], str]) -> Any:
    """Put references in order: who referred first is a matter of chance."""
    if isinstance(value, dict):
        return {name: _ordered(inner, key) for name, inner in value.items()}
    if isinstance(value, list):
        items = [_ordered(item, key) for item in value]
        by_chance = all(isinstance(item, dict) and (item.keys() == {"id"} or _connects(item)) for item in items)
        return sorted(items, key=key) if by_chance else items
    return value


def _connects(item: Document) -> bool:
    return str(item.get("type", "")).lower().endswith("/privateendpointconnections")


def _same_shape(lot: str, new: str) -> str:
    return new if "-" in lot else new.replace("-", "")[: len(lot)]


# --- what people and workflows add -----------------------------------------------------------------------------------


def _used(sandbox: Sandbox, site: Site, made: Blueprint) -> Iterator[Document]:
    """Yield what no provision makes: the owners, a pool of TES, and what Kubernetes makes for Cromwell."""
    scope = f"/subscriptions/{site.subscription}"
    for owner in ("platform", "break-glass"):
        yield role_assignment(scope, "Owner", guid(owner, scope), "User")
    yield _pool(_of(sandbox, made, "batch"), site.subnet_id("batchsubnet"), _of(sandbox, made, "identity/nodes"))
    cluster, keys = _of(sandbox, made, "cluster"), _of(sandbox, made, "disks")
    group = Group(site.subscription, cluster["properties"]["nodeResourceGroup"], site.location)
    balancer = load_balancer(
        group,
        "kubernetes-internal",
        private_frontend(site.subnet_id("vmsubnet"), "10.1.0.200"),
        frontend_name="internal",
        pool="kubernetes",
        ports=(80,),
    )
    yield balancer
    pools = [{"id": pool["id"]} for pool in balancer["properties"]["backendAddressPools"]]
    machines = next(
        found for found in sandbox.state.below(group.id) if found["type"].endswith("/virtualMachineScaleSets")
    )
    machines = copy.deepcopy(machines)
    profile = machines["properties"]["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"]
    _balanced(profile[0]["properties"], pools)
    yield machines
    for number in (0, 1):
        interface = sandbox.state.get(interface_of(machines["id"], number))
        assert interface is not None
        _balanced(interface["properties"], pools)
        yield interface
    first = sandbox.state.get(f"{machines['id']}/virtualMachines/0")
    assert first is not None
    encryption = {"type": keys["properties"]["encryptionType"], "diskEncryptionSetId": keys["id"]}
    volume = disk(
        group, f"pvc-{guid(ENVIRONMENT, 'cromwell-tmp')}", 64, attached_to=first["id"], encryption=encryption
    )  # fmt: skip
    yield volume
    first["properties"]["storageProfile"]["dataDisks"] = [
        {"lun": 0, "createOption": "Attach", "managedDisk": {"id": volume["id"]}}
    ]
    yield first


def _of(sandbox: Sandbox, made: Blueprint, key: str) -> Document:
    step = made.steps[key]
    assert isinstance(step, Resource)
    found = sandbox.state.get(step.id)
    assert found is not None, key
    return found


def _balanced(card: Document, pools: list[Document]) -> None:
    for configuration in card["ipConfigurations"]:
        configuration["properties"]["loadBalancerBackendAddressPools"] = pools


def _pool(account: Document, subnet: str, identity: Document) -> Document:
    """Return a pool as TES makes it for one task, without a public address: its node runs as ``identity``."""
    machine = {
        "imageReference": {
            "publisher": "microsoft-dsvm",
            "offer": "ubuntu-hpc",
            "sku": "2204",
            "version": "latest",
        },
        "nodeAgentSkuId": "batch.node.ubuntu 22.04",
        "diskEncryptionConfiguration": {"targets": ["OsDisk", "TemporaryDisk"]},
        "containerConfiguration": {"type": "DockerCompatible", "containerImageNames": [], "containerRegistries": []},
    }
    body = {
        "provisioningState": "Succeeded",
        "provisioningStateTransitionTime": CREATED,
        "creationTime": CREATED,
        "lastModified": CREATED,
        "allocationState": "Steady",
        "allocationStateTransitionTime": CREATED,
        "vmSize": "STANDARD_D2S_V3",
        "currentDedicatedNodes": 0,
        "currentLowPriorityNodes": 1,
        "interNodeCommunication": "Disabled",
        "taskSlotsPerNode": 1,
        "taskSchedulingPolicy": {"nodeFillType": "Spread"},
        "deploymentConfiguration": {"virtualMachineConfiguration": machine},
        "networkConfiguration": {
            "subnetId": subnet,
            "publicIPAddressConfiguration": {"provision": "NoPublicIPAddresses"},
            "dynamicVnetAssignmentScope": "none",
            "enableAcceleratedNetworking": False,
        },
        "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 0, "targetLowPriorityNodes": 1}},
    }
    pool = child(account, "pools", f"TES-{guid(ENVIRONMENT, 'pool')}", body)
    return pool | {"identity": holds_identity(identity)}


# --- what belongs to it, and what it cannot hold ---------------------------------------------------------------------


def _config(sandbox: Sandbox, site: Site, made: Blueprint, file: Path) -> Mapping[str, Any]:
    today = datetime.now(UTC).date()
    addresses = output.boundary(site, _of(sandbox, made, output.EGRESS)).egress_addresses
    accepted = [
        {
            "policy": waiver.policy,
            "resources": list(waiver.resources),
            "reason": waiver.reason,
            "owner": waiver.owner,
            "days": (waiver.expires - today).days,
        }
        for waiver in waivers.made(waivers.beside(file), site, made, today)
    ]
    policy, reason, days = _OLD_KEYS
    storage = _of(sandbox, made, "storage")["id"].lower()
    owner = site.environment.owner
    accepted.append({"policy": policy, "resources": [storage], "reason": reason, "owner": owner, "days": days})
    return {
        "virtualNetworks": list(dict.fromkeys((site.network_id, site.hub_id))),
        "egressAddresses": list(addresses),
        "waivers": accepted,
    }


def main() -> None:
    """Write the file."""
    FILE.write_text(text(), "utf-8")
    sys.stderr.write(f"{FILE} is written.\n")


if __name__ == "__main__":
    main()
