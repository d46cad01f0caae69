"""The data plane of Key Vault, as far as signing needs it: get a key, sign a digest.

Sources: the Key Vault REST reference (keys: get, sign; authentication; errors), "Azure RBAC for Key Vault data plane".
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockdown.sandbox import metadata
from lockdown.sandbox.identity import Identity
from lockdown.sandbox.state import Principal, State
from lockdown.sandbox.vault import Key, Vault, base64url

_VERSIONS = ("2025-07-01", "7.6", "7.5", "7.4", "7.3", "7.2", "7.1", "7.0", "2016-10-01")
_ALGORITHMS = ("ES256", "ES384", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
_KEYS = "Microsoft.KeyVault/vaults/keys"


@dataclass
class VaultError(Exception):
    """A refusal in Key Vault's form. ``inner`` is the code of ``innererror``."""

    status: int
    code: str
    message: str
    inner: str = ""


def routes(identity: Identity, state: State, vault: Vault) -> list[Route]:
    """Return the routes of the vault. They check tokens themselves: theirs are for another audience than ARM's."""
    plane = _Plane(identity, state, vault)
    return [
        Route("/keys/{name}", plane.get, methods=["GET"]),
        Route("/keys/{name}/{version}", plane.get, methods=["GET"]),
        Route("/keys/{name}/{version}/sign", plane.sign, methods=["POST"]),
        Route("/keys", plane.unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        Route("/keys/{rest:path}", plane.unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


class _Plane:
    def __init__(self, identity: Identity, state: State, vault: Vault) -> None:
        self.identity = identity
        self.state = state
        self.vault = vault

    async def get(self, request: Request) -> Response:
        try:
            self._admit(request, f"{_KEYS}/read")
            return self._answer(self._key(request).bundle(self.vault.url))
        except VaultError as error:
            return self._refuse(error)

    async def sign(self, request: Request) -> Response:
        try:
            self._admit(request, f"{_KEYS}/sign/action")
            key = self._key(request)
            algorithm, digest = _asked(await request.body(), key, self.vault.url)
            self._usable(key)
            kid = f"{self.vault.url}/keys/{key.name}/{key.version}"
            return self._answer({"kid": kid, "value": base64url(key.sign(algorithm, digest))})
        except VaultError as error:
            return self._refuse(error)

    async def unknown(self, request: Request) -> Response:
        try:
            self._admit(request, f"{_KEYS}/{request.method.lower()}")
        except VaultError as error:
            return self._refuse(error)
        message = f"Method {request.method} is not served at this path by the sandbox, which gets keys and signs."
        return self._refuse(VaultError(405, "MethodNotAllowed", message))

    def _admit(self, request: Request, action: str) -> None:
        caller = self._caller(request.headers.get("authorization", ""))
        version = request.query_params.get("api-version", "")
        if not version:
            raise VaultError(400, "BadParameter", "api-version must be specified")
        if version not in _VERSIONS:
            message = f"The specified version ({version}) is not recognized. Consider using the latest supported "
            raise VaultError(400, "BadParameter", f"{message}version ({_VERSIONS[0]}).")
        if not self.state.allows_data(caller, action, self.vault.resource_id):
            issuer = metadata.issuer(self.identity.url, self.identity.tenant, version=1)
            raise VaultError(
                403,
                "Forbidden",
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or "
                "role definitions were changed recently, please observe propagation time.\r\n"
                f"Caller: appid={caller.client_id};oid={caller.object_id};iss={issuer}\r\nAction: '{action}'\r\n"
                f"Resource: '{self.vault.resource_id.lower()}/keys/{request.path_params.get('name', '')}'\r\n"
                "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: sandbox\r\n",
                "ForbiddenByRbac",
            )

    def _caller(self, authorization: str) -> Principal:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise VaultError(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
        try:
            claims = self.identity.read(token.strip())
        except jwt.InvalidTokenError as error:
            message = "AKV10046: Unable to resolve the key used for signature validation."
            raise VaultError(401, "Unauthorized", message) from error
        expected = metadata.vault_audience(self.identity.url)
        if claims.get("aud") != expected:
            message = f"AKV10022: Invalid audience. Expected {expected}, found: {claims.get('aud')}."
            raise VaultError(401, "Unauthorized", message)
        now = self.identity.clock.clients().timestamp()
        if not claims.get("nbf", 0) - 300 <= now < claims.get("exp", 0):
            raise VaultError(401, "Unauthorized", "Error validating token: IDX10223: Lifetime validation failed.")
        application = self.identity.application(str(claims.get("appid", "")))
        if application is None or claims.get("tid") != self.identity.tenant:
            raise VaultError(401, "Unauthorized", "AKV10032: Invalid issuer.")
        return application.principal

    def _key(self, request: Request) -> Key:
        name, version = request.path_params["name"], request.path_params.get("version", "")
        key = self.vault.key(name, version)
        if key is None:
            shown = f"{name}/{version}" if version else name
            raise VaultError(404, "KeyNotFound", f"A key with (name/id) {shown} was not found in this key vault.")
        return key

    def _usable(self, key: Key) -> None:
        now = self.identity.clock.clients()
        if "sign" not in key.operations:
            raise VaultError(403, "Forbidden", "Operation sign is not permitted on this key.", "KeyOperationForbidden")
        if not key.enabled:
            raise VaultError(403, "Forbidden", "Operation sign is not allowed on a disabled key.", "KeyDisabled")
        if key.not_before is not None and now < key.not_before:
            message = "Operation sign is not allowed on a key that is not yet valid."
            raise VaultError(403, "Forbidden", message, "KeyNotYetValid")
        if key.expires is not None and now >= key.expires:
            raise VaultError(403, "Forbidden", "Operation sign is not allowed on an expired key.", "KeyExpired")

    def _answer(self, body: dict[str, Any]) -> Response:
        return JSONResponse(body, headers=_headers())

    def _refuse(self, error: VaultError) -> Response:
        told: dict[str, Any] = {"code": error.code, "message": error.message}
        if error.inner:
            told["innererror"] = {"code": error.inner}
        headers = _headers()
        if error.status == 401:  # noqa: PLR2004 - HTTP Unauthorized
            authority = f"{self.identity.url}/{self.identity.tenant}"
            resource = metadata.vault_audience(self.identity.url)
            headers["WWW-Authenticate"] = f'Bearer authorization="{authority}", resource="{resource}"'
        return JSONResponse({"error": told}, error.status, headers=headers)


def _headers() -> dict[str, str]:
    return {"Cache-Control": "no-cache", "Pragma": "no-cache", "x-ms-keyvault-service-version": "1.9.0.0"}


def _asked(body: bytes, key: Key, url: str) -> tuple[str, bytes]:
    try:
        value = json.loads(body)
        algorithm, text = value["alg"], value["value"]
        digest = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise VaultError(400, "BadParameter", "Property 'alg' or 'value' is missing or invalid.") from error
    if algorithm not in _ALGORITHMS:
        raise VaultError(400, "BadParameter", f"Property alg has invalid value {algorithm!a}.")
    if not key.fits(algorithm):
        raise VaultError(
            400,
            "BadParameter",
            f"Key and signing algorithm are incompatible. Key {url}/keys/{key.name}/{key.version} is of type "
            f"'{key.kind}', and algorithm '{algorithm}' cannot be used with it.",
        )
    expected = int(algorithm[2:]) // 8
    if len(digest) != expected:
        message = (
            f"Invalid length of 'value': {len(digest)} bytes. {algorithm} requires {expected} bytes, encoded with "
        )
        raise VaultError(400, "BadParameter", f"{message}base64url.")
    return algorithm, digest
