"""A server of recorded answers, for measuring clients: it does nothing but hand out bytes.

    python -m benchmarks.pages DIRECTORY [--port N] [--delay SECONDS] [--quota]

Every answer is in memory before the first request; a request costs one SHA-256 of what it asks. It also answers what a
client asks before: the cloud's metadata, the OpenID configuration and the token of one fixed client. The first line of
stdout is a JSON object with the environment in which a client uses it; it serves until SIGTERM, and then prints a
second one: how many requests arrived (``requests``), how many of them were pages of Resource Graph (``queries``) and
GETs of Azure Resource Manager (``reads``), and how many of both it refused for a quota (``throttled``). With
``--quota`` it refuses as Azure does.
"""

import argparse
import asyncio
import base64
import json
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs
from uuid import NAMESPACE_URL, uuid5

import trustme
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from benchmarks import exchanges
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.reads import Reads
from lockdown.sandbox.resource_graph import errors
from lockdown.sandbox.resource_graph.quota import Quota, headers

_HOST = "127.0.0.1"
GRAPH = "/providers/Microsoft.ResourceGraph/resources"
_SUBSCRIPTIONS = "/subscriptions/"
_REMAINING = "x-ms-ratelimit-remaining-subscription-reads"
_LIFETIME = 86400

Message = dict[str, Any]
Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Asked:
    """A request: a page of Resource Graph (POST) or a read of Azure Resource Manager (GET).

    Attributes:
        target: path and query as they were sent.
    """

    method: str
    target: str
    body: bytes = b""

    @property
    def subscription(self) -> str:
        """The id of the subscription that is read."""
        return self.target.removeprefix(_SUBSCRIPTIONS).partition("/")[0].partition("?")[0]


class Answers(Protocol):
    """Where the answers come from."""

    async def __call__(self, asked: Asked) -> Answer:
        """Return the answer to a request."""


class Recorded:
    """The answers of a recording, in memory, with links to ``url``."""

    def __init__(self, directory: Path, url: str) -> None:
        self._answers: dict[str, Answer] = {
            exchanges.key(found.method, found.target, found.request): (found.status, found.headers, found.response)
            for found in exchanges.read(directory, url)
        }

    async def __call__(self, asked: Asked) -> Answer:
        """Return the recorded answer, or 404 with the request that was never recorded."""
        found = self._answers.get(exchanges.key(asked.method, asked.target, asked.body))
        if found is not None:
            return found
        message = asked.body.decode("utf-8", "replace") or asked.target
        return _json({"error": {"code": "NotRecorded", "message": message}}, 404)


@dataclass
class Arrived:
    """What a server was asked so far.

    Attributes:
        requests: everything, with metadata and tokens.
        queries: pages of Resource Graph, with those that were refused.
        reads: GETs of Azure Resource Manager, with those that were refused.
        throttled: queries and reads that were refused for a quota.
    """

    requests: int = 0
    queries: int = 0
    reads: int = 0
    throttled: int = 0


class Metered:
    """Answers within Azure's quotas, with what is left of them in headers, and 429 beyond.

    15 queries in 5 seconds; for each subscription a bucket of 250 reads that gains 25 a second.
    """

    def __init__(self, answers: Answers, arrived: Arrived) -> None:
        self._answers = answers
        self._arrived = arrived
        self._queries = Quota(_now, enforced=True)
        self._reads = Reads(_now, enforced=True)

    async def __call__(self, asked: Asked) -> Answer:
        """Return the answer with what is left of the quota, or the refusal."""
        return await (self._page(asked) if asked.method == "POST" else self._read(asked))

    async def _page(self, asked: Asked) -> Answer:
        allowance = self._queries.take("")
        if allowance.allowed:
            return _with(await self._answers(asked), headers(allowance))
        refusal = errors.throttled(allowance.resets_after)
        return self._refusal(refusal.status, refusal.body(_now(), ""), {**headers(allowance), **refusal.headers})

    async def _read(self, asked: Asked) -> Answer:
        try:
            left = self._reads.take("", asked.subscription)
        except ArmError as refusal:
            return self._refusal(refusal.status, refusal.body(), refusal.headers)
        return _with(await self._answers(asked), {_REMAINING: str(left)})

    def _refusal(self, status: int, body: dict[str, Any], own: Mapping[str, str]) -> Answer:
        self._arrived.throttled += 1
        return _with(_json(body, status), own)


class Cloud:
    """An ASGI application: metadata and tokens of its own, everything else from ``answers``.

    Attributes:
        client: the application id of the one client.
        secret: its secret, new at each start.
        arrived: what it was asked so far.
    """

    def __init__(
        self, url: str, tenant: str, answers: Answers, *, delay: float = 0.0, arrived: Arrived | None = None
    ) -> None:
        self._url = url
        self._tenant = tenant
        self._answers = answers
        self._delay = delay
        self.arrived = arrived or Arrived()
        self.client = str(uuid5(NAMESPACE_URL, "urn:coa-lockdown:benchmarks:pages"))
        self.secret = secrets.token_urlsafe(24)
        self._token = _token(tenant, self.client, url)
        self._authorization = f"Bearer {self._token}".encode()
        self._fixed = {
            "/metadata/endpoints": _json(_metadata(url, tenant)),
            f"/{tenant}/v2.0/.well-known/openid-configuration": _json(_openid(url, tenant)),
        }

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        self.arrived.requests += 1
        body = await _body(receive)
        status, headers, content = await self._answer(scope, body)
        listed = [(name.encode(), value.encode()) for name, value in headers.items()]
        listed.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": listed})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Message, body: bytes) -> Answer:
        path, method = scope["path"], scope["method"]
        is_query, is_read = method == "POST" and path == GRAPH, method == "GET" and path.startswith(_SUBSCRIPTIONS)
        if is_query or is_read:
            if dict(scope["headers"]).get(b"authorization") != self._authorization:
                return _json({"error": {"code": "InvalidAuthenticationToken", "message": "Not the token."}}, 401)
            self.arrived.queries += is_query
            self.arrived.reads += is_read
            if self._delay:
                await asyncio.sleep(self._delay)
            return await self._answers(Asked(method, _target(scope), body))
        if method == "POST" and path == f"/{self._tenant}/oauth2/v2.0/token":
            return self._grant(body)
        if method == "GET" and path in self._fixed:
            return self._fixed[path]
        return _json({"error": {"code": "NotFound", "message": f"{method} {path}"}}, 404)

    def _grant(self, body: bytes) -> Answer:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if not secrets.compare_digest(form.get("client_secret", ""), self.secret):
            return _json({"error": "invalid_client", "error_description": "Not the secret."}, 401)
        return _json({"token_type": "Bearer", "expires_in": _LIFETIME, "access_token": self._token})


def _now() -> datetime:
    return datetime.now(UTC)


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _target(scope: Message) -> str:
    query = scope["query_string"].decode("latin-1")
    return str(scope["raw_path"].decode("latin-1")) + (f"?{query}" if query else "")


def _with(answer: Answer, more: Mapping[str, str]) -> Answer:
    status, own, content = answer
    return status, {**own, **more}, content


def _json(value: object, status: int = 200) -> Answer:
    return status, {"content-type": "application/json; charset=utf-8"}, json.dumps(value).encode()


def _metadata(url: str, tenant: str) -> dict[str, Any]:
    login = {"loginEndpoint": url, "audiences": [f"{url}/", url], "tenant": tenant, "identityProvider": "AAD"}
    return {"name": "benchmark", "resourceManager": url, "authentication": login}


def _openid(url: str, tenant: str) -> dict[str, Any]:
    return {
        "issuer": f"{url}/{tenant}/v2.0",
        "authorization_endpoint": f"{url}/{tenant}/oauth2/v2.0/authorize",
        "token_endpoint": f"{url}/{tenant}/oauth2/v2.0/token",
        "jwks_uri": f"{url}/{tenant}/discovery/v2.0/keys",
    }


def _token(tenant: str, client: str, url: str) -> str:
    """Return a token that names its holder; nothing here checks a signature, so it has none."""
    now = int(time.time())
    claims = {"tid": tenant, "oid": client, "appid": client, "aud": url, "iat": now, "exp": now + _LIFETIME}
    parts = ({"typ": "JWT", "alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def environment(cloud: Cloud, url: str, tenant: str, ca_file: Path, config: Path) -> dict[str, str]:
    """Return the environment in which lockdown, or any other client, uses ``cloud``."""
    return {
        "AZURE_TENANT_ID": tenant,
        "AZURE_CLIENT_ID": cloud.client,
        "AZURE_CLIENT_SECRET": cloud.secret,
        "AZURE_AUTHORITY_HOST": url,
        "LOCKDOWN_CLOUD": url,
        "LOCKDOWN_CONFIG": str(config),
        "REQUESTS_CA_BUNDLE": str(ca_file),
        "SSL_CERT_FILE": str(ca_file),
    }


class _Protocol(HttpToolsProtocol):
    """Does not wait for idle clients when the server stops."""

    def shutdown(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
        else:
            super().shutdown()


def server(application: Cloud, folder: Path) -> uvicorn.Server:
    """Return a server for ``application`` that is trusted by ``folder/ca.pem``, which is written here."""
    authority = trustme.CA(organization_name="lockdown benchmarks")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert(_HOST).private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return uvicorn.Server(
        uvicorn.Config(
            application,
            http=_Protocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            ssl_certfile=folder / "server.pem",
            timeout_keep_alive=120,
        )
    )


def listen(port: int = 0) -> tuple[socket.socket, str]:
    """Return a socket on loopback, already accepting connections, and its URL."""
    # Named TCP, asyncio switches Nagle's algorithm off; otherwise each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((_HOST, port))
    listener.listen()
    return listener, f"https://{_HOST}:{listener.getsockname()[1]}"


def main() -> None:
    """Serve a recording until SIGTERM."""
    parser = argparse.ArgumentParser(description="Serve recorded answers.")
    parser.add_argument("directory", type=Path, help="a recording of benchmarks.record")
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that each answer takes; 0 by default")
    parser.add_argument("--quota", action="store_true", help="refuse with 429 what is beyond Azure's quotas")
    asked = parser.parse_args()
    directory = asked.directory.resolve()
    tenant = (directory / "tenant").read_text("utf-8")
    listener, url = listen(asked.port)
    arrived = Arrived()
    recorded = Recorded(directory, url)
    answers = Metered(recorded, arrived) if asked.quota else recorded
    application = Cloud(url, tenant, answers, delay=asked.delay, arrived=arrived)
    # The server raises the signal again when it has stopped: as an exception, it lets the folder be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with tempfile.TemporaryDirectory(prefix="lockdown-pages-") as name:
        folder = Path(name)
        serving = server(application, folder)
        found = environment(application, url, tenant, folder / "ca.pem", directory / "lockdown.yaml")
        print(json.dumps(found), flush=True)
        with suppress(SystemExit):
            serving.run(sockets=[listener])
    print(json.dumps(asdict(arrived)), flush=True)


if __name__ == "__main__":
    main()
