"""The gate that every request passes: faults, request ids, tokens. Plain ASGI, so that nothing waits on it."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import UUID, uuid4

from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.faults import Fault, Faults
from lockdown.sandbox.identity import Identity
from lockdown.sandbox.operations import Operations

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TRANSPORT = "lockdown.transport"
"""The key of a scope's extensions under which the server gives the connection, to be closed by a fault."""
_OPEN = re.compile(
    r"/metadata/endpoints|/common/discovery/instance|/[^/]+/oauth2/(v2\.0/)?token|/[^/]+/discovery/(v2\.0/)?keys"
    r"|/[^/]+/(v2\.0/)?\.well-known/openid-configuration|/keys(/.*)?"
)


class Gate:
    """Lets a request through to ``app``.

    It sets ``state.principal``, ``state.correlation_id`` and ``state.number`` in the request's scope; requests are
    numbered on from ``earlier``, the last number of a state that was kept.
    """

    def __init__(
        self, app: App, identity: Identity, operations: Operations, faults: Faults, *, earlier: int = 0
    ) -> None:
        self.app = app
        self.identity = identity
        self.operations = operations
        self.faults = faults
        self.requests = 0
        self._earlier = earlier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        self.requests += 1
        scope.setdefault("state", {})["number"] = self._earlier + self.requests
        self.operations.settle()
        target = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
        fault = self.faults.take(scope["method"], target, self.identity.url + target)
        if fault is None:
            await self._admit(scope, receive, send)
        else:
            await self._fault(fault, scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _Headers(scope)
        state = scope.setdefault("state", {})
        state["correlation_id"] = headers.correlation_id
        if not is_open(scope["path"]):
            try:
                state["principal"] = self.identity.authenticate(headers.authorization)
            except ArmError as error:
                await respond(error, headers.sending(send))
                return
        await self.app(scope, receive, headers.sending(send))

    async def _fault(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.action:
            case "delay":
                await asyncio.sleep(fault.seconds)
                await self._admit(scope, receive, send)
            case "fail":
                error = ArmError(fault.status, fault.code, "This failure was asked for when the sandbox was started.")
                await respond(error, _Headers(scope).sending(send))
            case "throttle":
                await respond(_throttled(scope["path"], fault.seconds), _Headers(scope).sending(send))
            case "fail-operation":
                scope.setdefault("state", {})["failing"] = fault.code
                await self._admit(scope, receive, send)
            case "truncate":
                await self._admit(scope, receive, _truncating(scope, receive, send))
            case "drop-before":
                await _drop(scope, receive)
            case _:
                await self._admit(scope, receive, _swallow)
                await _drop(scope, receive)


class _Headers:
    """The headers of a request that the gate reads, and those of a response that it writes."""

    def __init__(self, scope: Scope) -> None:
        self.authorization = ""
        self.correlation_id = ""
        self.client_request_id = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.authorization = value.decode("latin-1")
            elif name == b"x-ms-correlation-request-id":
                self.correlation_id = _guid(value)
            elif name == b"x-ms-client-request-id":
                self.client_request_id = value
        self.request_id = str(uuid4())
        self.correlation_id = self.correlation_id or self.request_id

    def sending(self, send: Send) -> Send:
        """Return ``send`` that adds the request ids to the response."""

        async def start(message: Message) -> None:
            if message["type"] == "http.response.start":
                ids = self.correlation_id.encode()
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-ms-request-id", self.request_id.encode()),
                    (b"x-ms-correlation-request-id", ids),
                    (b"x-ms-routing-request-id", b"SANDBOX:" + ids),
                    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        return start


def is_open(path: str) -> bool:
    """Tell whether a path is answered without a token for ARM: a cloud's metadata, its identity service, the vault."""
    return _OPEN.fullmatch(path) is not None


async def respond(error: ArmError, send: Send) -> None:
    """Send a refusal."""
    body = json.dumps(error.body()).encode()
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _throttled(path: str, seconds: float) -> ArmError:
    retry = str(max(1, round(seconds)))
    if "microsoft.resourcegraph" in path.lower():
        headers = {
            "Retry-After": retry,
            "x-ms-user-quota-remaining": "0",
            "x-ms-user-quota-resets-after": _clock(seconds),
        }
        detail = (
            ("RateLimiting", "Client application has been throttled and should not attempt to repeat the request."),
        )
        return ArmError(429, "RateLimiting", "Too many requests. Please retry later.", details=detail, headers=headers)
    return ArmError(
        429,
        "SubscriptionRequestsThrottled",
        f"Number of requests for the subscription exceeded the limit. Please try again after '{retry}' seconds.",
        headers={"Retry-After": retry},
    )


def _clock(seconds: float) -> str:
    whole = max(1, round(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _truncating(scope: Scope, receive: Receive, send: Send) -> Send:
    start: list[Message] = []
    done: list[bool] = []

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
            return
        if done:
            return
        done.append(True)
        body = message.get("body", b"")
        await send(start[0])
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        scope["extensions"][TRANSPORT].close()
        await _gone(receive)

    return cut


async def _swallow(message: Message) -> None:
    del message


async def _drop(scope: Scope, receive: Receive) -> None:
    scope["extensions"][TRANSPORT].abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _guid(value: bytes) -> str:
    try:
        return str(UUID(value.decode("latin-1")))
    except ValueError:
        return ""
