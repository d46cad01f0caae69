"""A small made-up environment, a client of the sandbox for the provisioner, and a clock that nobody waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import requests
from azure.core.credentials import TokenCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential

from lockdown.model import Cloud
from lockdown.provisioner.arm import CONNECTIONS, Arm
from lockdown.provisioner.change import Verb
from lockdown.provisioner.graph import (
    OWNER_TAG,
    Action,
    Blueprint,
    Expected,
    Resource,
    Step,
    Window,
    blueprint,
    reference,
)
from lockdown.provisioner.ledger import Entry
from lockdown.sandbox.server import Sandbox

GROUPS, NETWORK, STORAGE = "2024-11-01", "2024-05-01", "2024-01-01"
REGISTRY, VAULT, LOCKS, IDENTITIES, ROLES = "2025-11-01", "2024-11-01", "2020-05-01", "2024-11-30", "2022-04-01"
PLACE = "westeurope"
WRITES = frozenset({"PUT", "PATCH", "POST", "DELETE"})


class Killed(BaseException):
    """The process ends here."""


class Transport(RequestsTransport):  # type: ignore[misc]  # azure-core exports it without its type
    """Sends to a sandbox, waits on the sandbox's clock, and can die at a write: before it is sent, or after."""

    def __init__(self, sandbox: Sandbox, *, dies_at: int = 0, after: bool = False) -> None:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(sandbox.ca_file)
        session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
        super().__init__(session=session, session_owner=True, use_env_settings=False, connection_verify=session.verify)
        self.sandbox = sandbox
        self.writes = 0
        self.dead = False
        self._dies_at = dies_at
        self._after = after
        self._lock = threading.Lock()

    def send(self, request: Any, **options: Any) -> Any:
        with self._lock:
            if self.dead:
                raise Killed
            mortal = request.method in WRITES
            self.writes += mortal
            if mortal and self.writes == self._dies_at:
                self.dead = True
                if not self._after:
                    raise Killed
        answer = super().send(request, **options)
        if self.dead:
            raise Killed
        return answer

    def sleep(self, duration: float) -> None:
        if self.dead:
            raise Killed
        self.sandbox.clock.skip(duration)


class Watched:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Verb | str]] = []
        self.left: list[float] = []

    def started(self, key: str, verb: Verb) -> None:
        self.told.append(("started", key, verb))

    def ended(self, key: str, verb: Verb, seconds: float) -> None:
        assert seconds >= 0
        self.told.append(("ended", key, verb))

    def failed(self, key: str, verb: Verb, seconds: float, cause: str) -> None:
        assert seconds >= 0
        assert cause
        self.told.append(("failed", key, verb))

    def waiting(self, key: str, why: str, seconds: float) -> None:
        assert seconds > 0
        self.told.append(("waiting", key, why))

    def remaining(self, seconds: float) -> None:
        self.left.append(seconds)


def cloud_of(sandbox: Sandbox) -> Cloud:
    return Cloud("sandbox", sandbox.url, sandbox.url.removeprefix("https://"), f"{sandbox.url}/", discovered=True)


def credential(sandbox: Sandbox, principal: str = "owner") -> TokenCredential:
    environment = sandbox.environment(principal)
    return ClientSecretCredential(
        environment["AZURE_TENANT_ID"],
        environment["AZURE_CLIENT_ID"],
        environment["AZURE_CLIENT_SECRET"],
        authority=sandbox.url,
        disable_instance_discovery=True,
        connection_verify=str(sandbox.ca_file),
    )


def connect(
    sandbox: Sandbox,
    log: Callable[[Entry], None] = lambda _: None,
    *,
    principal: str = "owner",
    transport: Transport | None = None,
    proof: TokenCredential | None = None,
) -> Arm:
    """``proof`` is a credential that was made before; tokens are kept in it."""
    sending = transport or Transport(sandbox)

    def now() -> float:
        return sandbox.clock.now().timestamp()

    proof = proof or credential(sandbox, principal)
    return Arm(cloud_of(sandbox), proof, log, sleep=sending.sleep, now=now, transport=sending)


def tags(**more: str) -> dict[str, str]:
    return {OWNER_TAG: "small", **more}


def group_id(sandbox: Sandbox, name: str = "small") -> str:
    return f"/subscriptions/{sandbox.subscription}/resourceGroups/{name}"


def within(sandbox: Sandbox, kind: str, *names: str) -> str:
    namespace, *types = kind.split("/")
    pairs = "/".join(f"{one}/{name}" for one, name in zip(types, names, strict=True))
    return f"{group_id(sandbox)}/providers/{namespace}/{pairs}"


def steps(sandbox: Sandbox) -> list[Step]:
    """A group, a security group, a network that needs it, an account, and a private endpoint that needs both."""
    rule = {
        "name": "DenyInternet",
        "properties": {
            "priority": 4096,
            "direction": "Inbound",
            "access": "Deny",
            "protocol": "*",
            "sourceAddressPrefix": "Internet",
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": "*",
        },
    }
    subnet = {
        "name": "pesubnet",
        "properties": {
            "addressPrefix": "10.1.3.0/24",
            "defaultOutboundAccess": False,
            "networkSecurityGroup": {"id": reference("nsg/pesubnet")},
            "privateEndpointNetworkPolicies": "Enabled",
        },
    }
    account = within(sandbox, "Microsoft.Storage/storageAccounts", f"small{sandbox.subscription[:8]}")
    connection = {
        "name": "blob",
        "properties": {"privateLinkServiceId": reference("storage"), "groupIds": ["blob"]},
    }
    return [
        Resource(
            "group", "groups", group_id(sandbox), GROUPS, {"location": PLACE, "tags": tags()},
        ),
        Resource(
            "nsg/pesubnet", "guards", within(sandbox, "Microsoft.Network/networkSecurityGroups", "pe"), NETWORK,
            {"location": PLACE, "tags": tags(), "properties": {"securityRules": [rule]}}, seconds=10,
        ),
        Resource(
            "network", "network", within(sandbox, "Microsoft.Network/virtualNetworks", "net"), NETWORK,
            {
                "location": PLACE,
                "tags": tags(),
                "properties": {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}, "subnets": [subnet]},
            },
            seconds=20,
        ),
        Resource(
            "storage", "storage", account, STORAGE,
            {
                "location": PLACE,
                "tags": tags(),
                "sku": {"name": "Standard_LRS"},
                "kind": "StorageV2",
                "properties": {
                    "publicNetworkAccess": "Disabled",
                    "allowBlobPublicAccess": False,
                    "networkAcls": {"bypass": "None", "defaultAction": "Deny", "ipRules": []},
                },
            },
            seconds=30, cost="storage, by the GB", fixed=frozenset({"kind", "location"}),
        ),
        Resource(
            "endpoint/blob", "endpoints", within(sandbox, "Microsoft.Network/privateEndpoints", "pe-blob"), NETWORK,
            {
                "location": PLACE,
                "tags": tags(),
                "properties": {
                    "subnet": {"id": f"{reference('network')}/subnets/pesubnet"},
                    "privateLinkServiceConnections": [connection],
                },
            },
            seconds=60,
        ),
    ]  # fmt: skip


def registry(sandbox: Sandbox, *images: str) -> list[Step]:
    """A closed registry with a window for what is imported into it, each image marked by a tag."""
    here = within(sandbox, "Microsoft.ContainerRegistry/registries", f"small{sandbox.subscription[:8]}")
    window = Window(
        "properties.networkRuleBypassOptions", "AzureServices", "None", tuple(f"image/{name}" for name in images),
        "Azure imports images",
    )  # fmt: skip
    body = {
        "location": PLACE,
        "tags": tags(),
        "sku": {"name": "Premium"},
        "properties": {
            "publicNetworkAccess": "Disabled",
            "networkRuleBypassOptions": "None",
            "adminUserEnabled": False,
            "networkRuleSet": {"defaultAction": "Deny"},
        },
    }
    holder = Resource(
        "registry", "registry", here, REGISTRY, body, seconds=60, windows=(window,) if images else (), needs=("group",)
    )
    return [holder, *(image(here, name) for name in images)]


def image(here: str, name: str) -> Action:
    source = {"registryUri": "docker.io", "sourceImage": f"library/{name}:1"}
    body = {"source": source, "targetTags": [f"library/{name}:1"], "mode": "NoForce"}
    mark = (f"image-{name}", "1")
    return Action(
        f"image/{name}", "registry", f"{here}/importImage", REGISTRY, body,
        Expected(here, REGISTRY, f"tags.{mark[0]}", mark[1]), mark=mark, needs=("registry",),
    )  # fmt: skip


def address(sandbox: Sandbox, key: str = "jumpbox/address", *, temporary: bool = True) -> Resource:
    body = {
        "location": PLACE,
        "tags": tags(),
        "sku": {"name": "Standard"},
        "properties": {"publicIPAllocationMethod": "Static"},
    }
    where = within(sandbox, "Microsoft.Network/publicIPAddresses", key.replace("/", "-"))
    return Resource(key, "jumpbox", where, NETWORK, body, temporary=temporary)


def vault(sandbox: Sandbox) -> Resource:
    body = {
        "location": PLACE,
        "tags": tags(),
        "properties": {
            "tenantId": sandbox.tenant,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
            "enablePurgeProtection": True,
            "softDeleteRetentionInDays": 90,
            "publicNetworkAccess": "Disabled",
            "networkAcls": {"defaultAction": "Deny", "bypass": "None"},
        },
    }
    where = within(sandbox, "Microsoft.KeyVault/vaults", f"small-{sandbox.subscription[:8]}")
    return Resource("vault", "keys", where, VAULT, body, seconds=60)


def lock(on: Resource) -> Resource:
    where = f"{on.id}/providers/Microsoft.Authorization/locks/keep"
    body = {"properties": {"level": "CanNotDelete", "notes": "lockdown"}}
    return Resource(f"lock/{on.key}", "locks", where, LOCKS, body, needs=(on.key,))


def identity(sandbox: Sandbox) -> Resource:
    where = within(sandbox, "Microsoft.ManagedIdentity/userAssignedIdentities", "pods")
    return Resource("identity", "identity", where, IDENTITIES, {"location": PLACE, "tags": tags()})


def role(sandbox: Sandbox, name: str = "5b0c6e4e-3a1f-4c0e-9d59-0d6f6a4b9a01") -> Resource:
    """The identity may read blobs of the account."""
    on = within(sandbox, "Microsoft.Storage/storageAccounts", f"small{sandbox.subscription[:8]}")
    definition = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    base = f"/subscriptions/{sandbox.subscription}/providers/Microsoft.Authorization"
    body = {
        "properties": {
            "principalId": reference("identity", "properties.principalId"),
            "principalType": "ServicePrincipal",
            "roleDefinitionId": f"{base}/roleDefinitions/{definition}",
        }
    }
    where = f"{on}/providers/Microsoft.Authorization/roleAssignments/{name}"
    return Resource("role/identity/storage/reader", "access", where, ROLES, body, needs=("storage",))


def small(sandbox: Sandbox, *more: Step) -> Blueprint:
    return blueprint([*steps(sandbox), *more])
