"""A running sandbox: one HTTPS server on loopback, in a thread of this process."""

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import trustme
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lockdown.errors import ToolError, UsageError
from lockdown.sandbox import app, clouds, exposure, faults, persistence, policies, scenarios
from lockdown.sandbox import limits as limits_of
from lockdown.sandbox.back_references import complete
from lockdown.sandbox.clock import Clock
from lockdown.sandbox.exposure import Exposure
from lockdown.sandbox.gate import TRANSPORT, Gate
from lockdown.sandbox.identity import Identity
from lockdown.sandbox.operations import Operations
from lockdown.sandbox.persistence import Keeper, Origin
from lockdown.sandbox.settings import Settings
from lockdown.sandbox.state import State
from lockdown.sandbox.tenancy import subscription_document
from lockdown.sandbox.vault import KEYS, Vault

_HOST = "127.0.0.1"
_GRACE = 2
_KEEP_ALIVE = 120
"""Seconds that an idle connection stays open: longer than any Retry-After, so that who waits finds it open."""
_PATIENCE = 30.0


class Sandbox:
    """A local Azure, started with ``with`` or ``start``, and gone after ``close``.

    Credentials and the certificate authority are new at every start. Its files lie in a folder that only the owner
    can read, and are gone with it; ``state_file`` alone stays.

    Attributes:
        state: everything that exists in it.
        clock: its time, which a test can advance.
        url: https://127.0.0.1:PORT: ARM, authority and metadata on one host.
        tenant: the tenant id.
        subscription: the id of the first subscription that can be read.
        ca_file: the PEM to trust.
        config_file: the scenario's lockdown.yaml.
    """

    def __init__(
        self,
        scenario: str = "empty",
        *,
        port: int = 0,
        deny: Iterable[str] = (),
        faults: Iterable[str] = (),
        lag: float = 0.0,
        quota: bool = True,
        state_file: Path | None = None,
        options: Mapping[str, str] | None = None,
        operation_seconds: float = 1.0,
        time_scale: float | None = None,
        limits: Mapping[str, int] | None = None,
        unregistered: Iterable[str] = (),
        replication_seconds: float = 0.0,
        cloud: str = "public",
        denied_types: Iterable[str] = (),
    ) -> None:
        """Prepare a sandbox; nothing listens yet.

        Args:
            scenario: one of ``scenarios.NAMES``.
            port: 0 for any free one.
            deny: subscriptions (id or name) that nobody can read.
            faults: as in ``faults.parse``.
            lag: seconds that Resource Graph is behind.
            quota: whether Resource Graph enforces its quota.
            state_file: where the state is kept across restarts.
            options: options of the scenario.
            operation_seconds: how long a long-running operation takes; 0 ends it within the request.
            time_scale: given, operations take as long as in Azure, ``operation_seconds`` is of no account, and so many
                seconds pass in the sandbox in one of the machine's; 1 and ``clock.skip`` make a simulated clock.
            limits: what a subscription may have of something, such as ``batch-accounts``.
            unregistered: namespaces of resource providers that are not registered.
            replication_seconds: how long Entra ID takes to tell Resource Manager of a new identity.
            cloud: what it is like: ``AzureCloud`` (or ``public``), ``AzureUSGovernment`` (or ``us-government``).
            denied_types: resource types that a policy assignment on every subscription refuses.

        Raises:
            UsageError: a name, fault or file that makes no sense.
        """
        self._faults = _parsed(faults)
        self.clock = Clock(1.0 if time_scale is None else time_scale)
        saved = persistence.read(state_file) if state_file else None
        origin, documents = _begin(scenario, dict(options or {}), saved)
        denied = _denied(deny, origin)
        self.state = State(
            origin.tenant, documents, changes=saved.changes if saved else (), denied=denied, clock=self.clock
        )
        self.tenant = origin.tenant
        readable = [subscription for subscription, _ in origin.subscriptions if subscription.lower() not in denied]
        self.subscription = (readable or [origin.subscriptions[0][0]])[0]
        self._origin = origin
        self._fresh = saved is None
        self._denied_types = limits_of.types(denied_types)
        self._port = port
        self._settings = Settings(
            lag=lag,
            quota=quota,
            operation_seconds=operation_seconds,
            typical=time_scale is not None,
            limits=limits_of.limits(limits or {}),
            unregistered=limits_of.namespaces(unregistered),
            replication_seconds=replication_seconds,
            cloud=clouds.resolve(cloud),
        )
        self._keeper = Keeper(state_file, origin, self.state)
        self._folder: Path | None = None
        self._server: uvicorn.Server | None = None

    def start(self) -> Self:
        """Listen.

        Raises:
            ToolError: the port is taken, or the server does not come up.
        """
        listener = _listen(self._port)
        self.url = f"https://{_HOST}:{listener.getsockname()[1]}"
        try:
            self._serve(listener, replace(self._settings, url=self.url))
        except BaseException:
            listener.close()
            self.close()
            raise
        return self

    def close(self) -> None:
        """Stop listening, end what is under way, keep the state, and remove the files."""
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join(_PATIENCE)
            self._server = None
            self.operations.settle(everything=True)
            self._keeper.save()
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def requests(self) -> int:
        """How many requests have arrived."""
        return self._gate.requests

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        """When what accepted public traffic, and which requests opened and closed it, in the order of opening."""
        return tuple(found for found in exposure.record(*self.state.history()) if not found.bypass)

    @property
    def bypasses(self) -> tuple[Exposure, ...]:
        """When what let services of Azure in, or took commands through Resource Manager, which is no public traffic."""
        return tuple(found for found in exposure.record(*self.state.history()) if found.bypass)

    def environment(self, principal: str = "owner") -> dict[str, str]:
        """Return the environment variables with which a program uses this sandbox as ``principal``."""
        application = self.identity.applications[principal]
        return {
            "AZURE_TENANT_ID": self.tenant,
            "AZURE_CLIENT_ID": application.principal.client_id,
            "AZURE_CLIENT_SECRET": application.secret,
            "AZURE_AUTHORITY_HOST": self.url,
            "AZURE_SUBSCRIPTION_ID": self.subscription,
            "LOCKDOWN_CLOUD": self.url,
            "LOCKDOWN_CONFIG": str(self.config_file),
            "LOCKDOWN_SANDBOX_KEY": self.signing_key(),
            "LOCKDOWN_SANDBOX_OBJECT_ID": application.principal.object_id,
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "SSL_CERT_FILE": str(self.ca_file),
        }

    def signing_key(self, name: str = KEYS[0]) -> str:
        """Return the id of a key of the sandbox's vault: ``evidence`` (P-256) or ``evidence-rsa`` (3072 bits).

        Whoever is to sign with it needs the role Key Vault Crypto User, as in Azure: owners do not have it.
        """
        key = self.vault.key(name)
        if key is None:
            raise UsageError(f"The sandbox's vault holds no key {name!r}.", f"It holds {' and '.join(KEYS)}.")
        return f"{self.url}/keys/{key.name}/{key.version}"

    def federated_token(self, principal: str = "owner") -> str:
        """Return the token that a workload of ``principal`` would present instead of a secret."""
        return self.identity.federated_token(principal)

    def fault(self, text: str) -> None:
        """Switch on one more fault, written as in ``faults.parse``."""
        self._faults.add(faults.parse(text))

    def _serve(self, listener: socket.socket, settings: Settings) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lockdown-sandbox-"))
        self.ca_file = self._folder / "ca.pem"
        self.config_file = self._folder / "lockdown.yaml"
        certificate = self._folder / "server.pem"
        authority = trustme.CA(organization_name="lockdown sandbox")
        persistence.write_private(self.ca_file, authority.cert_pem.bytes())
        issued = authority.issue_cert(_HOST, "localhost")
        persistence.write_private(certificate, issued.private_key_and_cert_chain_pem.bytes())
        persistence.write_private(self.config_file, self._origin.config.encode())
        self.identity = Identity(self.tenant, settings.url, self.clock)
        if self._fresh:
            self.state.seed(self.identity.assignments())
            if self._denied_types:
                denied = (policies.denying(found, self._denied_types) for found, _ in self._origin.subscriptions)
                self.state.seed(denied)
        self.operations = Operations(self.clock, settings.operation_seconds)
        self.vault = Vault(settings.url, self._origin.subscriptions[0][0], self.clock)
        application = app.build(self.state, settings, self.identity, self.operations, self._keeper, self.vault)
        earlier = max((change.number for change in self.state.changes()), default=0)
        self._gate = Gate(application, self.identity, self.operations, self._faults, earlier=earlier)
        self._keeper.save()
        self._run(listener, certificate)
        certificate.unlink()

    def _run(self, listener: socket.socket, certificate: Path) -> None:
        config = uvicorn.Config(
            self._gate,
            http=_Protocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_certfile=certificate,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="lockdown-sandbox", daemon=True
        )
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_PATIENCE * 100)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            waited.wait(0.01)
        raise ToolError("The sandbox did not start to listen.", "Try again, or with another --port.")


class _Protocol(HttpToolsProtocol):
    """Gives the connection to the faults that close it, and does not wait for idle clients when the server stops."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]  # not an ASGI extension

    def shutdown(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
        else:
            super().shutdown()


def _parsed(texts: Iterable[str]) -> faults.Faults:
    return faults.Faults([faults.parse(text) for text in texts])


def _begin(
    name: str, options: dict[str, str], saved: persistence.Saved | None
) -> tuple[Origin, Iterable[dict[str, object]]]:
    if saved is not None:
        if (saved.origin.scenario, dict(saved.origin.options)) != (name, options):
            given = "".join(f" --option {key}={value}" for key, value in saved.origin.options.items())
            raise UsageError(
                f"The state file was made with --scenario {saved.origin.scenario}{given}, not with what is asked now.",
                "Start with that, or name another file with --state.",
            )
        return saved.origin, saved.documents
    tenant = str(uuid4())
    scenario = scenarios.build(name, tenant=tenant, options=options)
    origin = Origin(name, options, tenant, tuple(scenario.subscriptions), scenario.config)

    def documents() -> Iterable[dict[str, object]]:
        yield from (subscription_document(tenant, *pair) for pair in scenario.subscriptions)
        yield from complete(scenario.documents)

    return origin, documents()


def _denied(wanted: Iterable[str], origin: Origin) -> frozenset[str]:
    known = {name.lower(): subscription.lower() for subscription, name in origin.subscriptions}
    known |= {subscription.lower(): subscription.lower() for subscription, _ in origin.subscriptions}
    found = set()
    for text in wanted:
        if text.lower() not in known:
            raise UsageError(
                f"There is no subscription {text!r} to deny in the scenario {origin.scenario!r}.",
                "Its subscriptions: "
                + ", ".join(f"{subscription} ({name})" for subscription, name in origin.subscriptions),
            )
        found.add(known[text.lower()])
    return frozenset(found)


def _listen(port: int) -> socket.socket:
    # Named TCP, asyncio switches Nagle's algorithm off; otherwise each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ToolError(
            f"The sandbox cannot listen on {_HOST}:{port}: {error.strerror}.",
            "Choose another --port; 0 takes a free one.",
        ) from error
    return listener
