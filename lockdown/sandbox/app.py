"""The one web application: metadata, identity, the vault, Resource Graph and ARM on one host."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, request_response

from lockdown.errors import ToolError
from lockdown.sandbox import arm, client, entra, key_vault, metadata, resource_graph
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.identity import Identity
from lockdown.sandbox.operations import Operations
from lockdown.sandbox.persistence import Keeper
from lockdown.sandbox.reads import Reads
from lockdown.sandbox.settings import Settings
from lockdown.sandbox.state import State, subscription_of
from lockdown.sandbox.vault import Vault

_TENANT_READS, _WRITES = 249, 199

_READING = ("GET", "HEAD")


def build(
    state: State, settings: Settings, identity: Identity, operations: Operations, keeper: Keeper, vault: Vault
) -> Starlette:
    """Return the application. It must stand behind ``gate.Gate``."""
    manager = _Manager(state, settings, operations, keeper)

    async def endpoints(request: Request) -> Response:
        try:
            version = request.query_params.get("api-version", "")
            return JSONResponse(metadata.endpoints(settings.url, state.tenant, version, settings.cloud))
        except ArmError as error:
            return JSONResponse(error.body(), error.status)

    application = Starlette(
        routes=[
            Route("/metadata/endpoints", endpoints),
            *entra.routes(identity),
            *key_vault.routes(identity, state, vault),
            *resource_graph.routes(state, settings),
        ]
    )
    # A route's pattern stops at a newline; whatever is asked of Resource Manager must reach it.
    application.router.default = request_response(manager.handle)
    application.router.redirect_slashes = False
    return application


class _Manager:
    """Turns a request into a ``Call``, and an ``Answer`` into a response."""

    def __init__(self, state: State, settings: Settings, operations: Operations, keeper: Keeper) -> None:
        self.state = state
        self.settings = settings
        self.operations = operations
        self.keeper = keeper
        self.reads = Reads(state.clock.now, enforced=settings.quota)

    async def handle(self, request: Request) -> Response:
        call = self._call(request, await request.body())
        left = _TENANT_READS
        try:
            subscription = subscription_of(call.path)
            if subscription and call.method in _READING:
                left = self.reads.take(call.principal.object_id, subscription)
            answer = arm.answer(call)
        except ArmError as error:
            answer = Answer(error.status, error.body(), error.headers)
        try:
            self.keeper.save()
        except ToolError as error:
            answer = Answer(500, ArmError(500, "InternalServerError", error.message).body())
        return self._response(call, answer, left)

    def _call(self, request: Request, body: bytes) -> Call:
        return Call(
            method=request.method,
            path="/" + request.scope["path"].strip("/"),
            query={name.lower(): value for name, value in request.query_params.items()},
            headers=dict(request.headers.items()),
            body=body,
            principal=request.state.principal,
            client=client.name(request.headers.get("user-agent", "")),
            correlation_id=request.state.correlation_id,
            state=self.state,
            settings=self.settings,
            operations=self.operations,
            number=request.state.number,
            failing=getattr(request.state, "failing", ""),
        )

    def _response(self, call: Call, answer: Answer, left: int) -> Response:
        headers = {"Cache-Control": "no-cache", "Pragma": "no-cache", **answer.headers}
        if call.method in _READING:
            scope = "subscription" if subscription_of(call.path) else "tenant"
            headers.setdefault(f"x-ms-ratelimit-remaining-{scope}-reads", str(left))
        else:
            kind = "deletes" if call.method == "DELETE" else "writes"
            headers[f"x-ms-ratelimit-remaining-subscription-{kind}"] = str(_WRITES)
        if answer.body is None:
            return Response(status_code=answer.status, headers=headers)
        return JSONResponse(answer.body, answer.status, headers=headers)
