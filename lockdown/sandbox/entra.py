"""Microsoft Entra's endpoints: tokens, OpenID configuration, keys, instance discovery.

Source of errors: "Microsoft Entra authentication and authorization error codes".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockdown.sandbox import metadata
from lockdown.sandbox.identity import ASSERTION_AUDIENCE, LIFETIME, Application, Identity

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AKS_SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The application that stands for the API of every AKS cluster with Entra ID."""

_ANY_TENANT = frozenset({"common", "organizations"})


@dataclass
class EntraError(Exception):
    """A refusal in Entra's form. ``number`` is the AADSTS code."""

    status: int
    error: str
    number: int
    message: str


def routes(identity: Identity) -> list[Route]:
    """Return the routes of the identity service."""
    endpoints = _Endpoints(identity)
    return [
        Route("/{tenant}/oauth2/v2.0/token", endpoints.token_v2, methods=["POST"]),
        Route("/{tenant}/oauth2/token", endpoints.token_v1, methods=["POST"]),
        Route("/{tenant}/v2.0/.well-known/openid-configuration", endpoints.configuration_v2),
        Route("/{tenant}/.well-known/openid-configuration", endpoints.configuration_v1),
        Route("/{tenant}/discovery/v2.0/keys", endpoints.keys),
        Route("/{tenant}/discovery/keys", endpoints.keys),
        Route("/common/discovery/instance", endpoints.instance),
    ]


class _Endpoints:
    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    async def token_v2(self, request: Request) -> Response:
        return await self._token(request, version=2)

    async def token_v1(self, request: Request) -> Response:
        return await self._token(request, version=1)

    async def _token(self, request: Request, *, version: int) -> Response:
        try:
            form = await _form(request)
            _check_tenant(self.identity, request)
            return _no_store(_issue(self.identity, form, version=version))
        except EntraError as refusal:
            return self._refuse(request, refusal)

    async def configuration_v2(self, request: Request) -> Response:
        return self._configuration(request, version=2)

    async def configuration_v1(self, request: Request) -> Response:
        return self._configuration(request, version=1)

    def _configuration(self, request: Request, *, version: int) -> Response:
        try:
            _check_tenant(self.identity, request)
        except EntraError as refusal:
            return self._refuse(request, refusal)
        return JSONResponse(
            metadata.openid_configuration(self.identity.url, self.identity.tenant, version=version),
            headers={"Access-Control-Allow-Origin": "*"},
        )

    async def keys(self, request: Request) -> Response:
        try:
            _check_tenant(self.identity, request)
        except EntraError as refusal:
            return self._refuse(request, refusal)
        return JSONResponse(self.identity.keys())

    async def instance(self, request: Request) -> Response:
        del request
        return JSONResponse(metadata.instance_discovery(self.identity.url, self.identity.tenant))

    def _refuse(self, request: Request, refusal: EntraError) -> Response:
        stamp = self.identity.clock.clients().strftime("%Y-%m-%d %H:%M:%SZ")
        trace = str(uuid4())
        correlation = request.headers.get("client-request-id") or str(uuid4())
        body = {
            "error": refusal.error,
            "error_description": f"AADSTS{refusal.number}: {refusal.message} "
            f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
            "error_codes": [refusal.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{self.identity.url}/error?code={refusal.number}",
        }
        return JSONResponse(body, refusal.status, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


async def _form(request: Request) -> dict[str, str]:
    body = (await request.body()).decode("utf-8", "replace")
    return dict(parse_qsl(body, keep_blank_values=True))


def _check_tenant(identity: Identity, request: Request) -> None:
    tenant = str(request.path_params.get("tenant", ""))
    if tenant.lower() != identity.tenant and tenant.lower() not in _ANY_TENANT:
        raise EntraError(
            400,
            "invalid_tenant" if request.method == "GET" else "invalid_request",
            90002,
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
            "the correct cloud.",
        )


def _issue(identity: Identity, form: Mapping[str, str], *, version: int) -> dict[str, Any]:
    grant = _required(form, "grant_type")
    if grant != "client_credentials":
        raise EntraError(
            400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'."
        )
    application = _client(identity, form)
    audience = _audience(identity, form, version=version)
    seconds = int(LIFETIME.total_seconds())
    answer: dict[str, Any] = {
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": identity.access_token(application.principal, audience, version=version),
    }
    if version == 1:
        now = int(identity.clock.clients().timestamp())
        answer = {key: str(value) for key, value in answer.items()}
        answer |= {"expires_on": str(now + seconds), "not_before": str(now), "resource": audience}
    return answer


def _client(identity: Identity, form: Mapping[str, str]) -> Application:
    client_id = _required(form, "client_id")
    application = identity.application(client_id)
    if application is None:
        raise EntraError(
            400,
            "unauthorized_client",
            700016,
            f"Application with identifier '{client_id}' was not found in the directory '{identity.tenant}'.",
        )
    if "client_assertion" in form:
        if form.get("client_assertion_type") != _ASSERTION_TYPE:
            raise EntraError(400, "invalid_request", 900144, "The request body must contain 'client_assertion_type'.")
        _check_assertion(identity, application, form["client_assertion"])
    elif "client_secret" not in form:
        raise EntraError(
            401,
            "invalid_client",
            7000218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )
    elif not identity.secret_matches(application, form["client_secret"]):
        raise EntraError(
            401,
            "invalid_client",
            7000215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{client_id}'.",
        )
    return application


def _check_assertion(identity: Identity, application: Application, assertion: str) -> None:
    try:
        claims = identity.read(assertion)
    except jwt.DecodeError as error:
        if isinstance(error, jwt.InvalidSignatureError):
            raise EntraError(401, "invalid_client", 50013, "Assertion failed signature validation.") from error
        raise EntraError(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from error
    except jwt.InvalidTokenError as error:
        raise EntraError(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from error
    expected = (
        (700211, "issuer", claims.get("iss"), identity.workload_issuer),
        (700212, "audience", claims.get("aud"), ASSERTION_AUDIENCE),
        (700213, "subject", claims.get("sub"), application.subject),
    )
    for number, word, presented, wanted in expected:
        if presented != wanted:
            raise EntraError(
                401,
                "invalid_client",
                number,
                f"No matching federated identity record found for presented assertion {word} '{presented}'.",
            )
    now = identity.clock.clients().timestamp()
    if not claims.get("nbf", 0) <= now < claims.get("exp", 0):
        raise EntraError(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")


def _audience(identity: Identity, form: Mapping[str, str], *, version: int) -> str:
    name = "resource" if version == 1 else "scope"
    wanted = _required(form, name)
    if version != 1:
        first, *others = wanted.split()
        if others or not first.endswith("/.default"):
            raise EntraError(
                400,
                "invalid_scope",
                1002012,
                f"The provided value for scope {wanted} is not valid. Client credential flows must have a scope value "
                "with /.default suffixed to the resource identifier (application ID URI).",
            )
        wanted = first.removesuffix("/.default")
    if wanted not in (*metadata.audiences(identity.url), metadata.vault_audience(identity.url), AKS_SERVER):
        raise EntraError(
            400,
            "invalid_resource",
            500011,
            f"The resource principal named {wanted} was not found in the tenant named {identity.tenant}.",
        )
    return wanted


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise EntraError(
            400, "invalid_request", 900144, f"The request body must contain the following parameter: '{name}'."
        )
    return value


def _no_store(answer: Mapping[str, Any]) -> JSONResponse:
    return JSONResponse(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})
