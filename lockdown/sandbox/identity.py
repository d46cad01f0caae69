"""Who there is, their credentials, and the tokens they hold. No HTTP here: see ``entra`` for the endpoints."""

import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from lockdown.sandbox import metadata, roles
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.clock import Clock
from lockdown.sandbox.state import Document, Principal

LIFETIME = timedelta(hours=1)
ASSERTION_AUDIENCE = "api://AzureADTokenExchange"
ROLES: Mapping[str, str] = {"owner": roles.OWNER, "auditor": roles.READER, "operator": roles.CONTRIBUTOR}
"""The principals of every sandbox, and the role each holds on the whole tenant."""


@dataclass(frozen=True)
class Application:
    """A principal with its secret, and the subject of the workload that may act as it."""

    principal: Principal
    secret: str
    subject: str


class Identity:
    """The identity service of one tenant: new keys, client ids and secrets each time one is made.

    Object ids are the same in every sandbox of a tenant, so that role assignments outlive a restart.
    """

    def __init__(self, tenant: str, url: str, clock: Clock) -> None:
        self.tenant = tenant
        self.url = url
        self.clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = secrets.token_urlsafe(16)
        self.applications = {name: _application(tenant, name) for name in ROLES}
        self._by_client = {app.principal.client_id: app for app in self.applications.values()}

    def application(self, client_id: str) -> Application | None:
        """Return the application with this client id, or None."""
        return self._by_client.get(client_id.lower())

    def secret_matches(self, application: Application, secret: str) -> bool:
        """Compare a client secret in constant time."""
        return hmac.compare_digest(application.secret.encode(), secret.encode())

    def access_token(self, principal: Principal, audience: str, *, version: int) -> str:
        """Return a signed access token for ``audience``."""
        now = self.clock.clients()
        claims = {
            "aud": audience,
            "iss": metadata.issuer(self.url, self.tenant, version=1),
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "appid": principal.client_id,
            "appidacr": "1",
            "idp": metadata.issuer(self.url, self.tenant, version=1),
            "idtyp": "app",
            "oid": principal.object_id,
            "sub": principal.object_id,
            "tid": self.tenant,
            "uti": secrets.token_urlsafe(16),
            "ver": f"{version}.0",
        }
        return self.sign(claims)

    def federated_token(self, name: str) -> str:
        """Return the token that a workload of the principal ``name`` would present (workload identity)."""
        now = self.clock.clients()
        return self.sign(
            {
                "iss": self.workload_issuer,
                "sub": self.applications[name].subject,
                "aud": ASSERTION_AUDIENCE,
                "iat": now,
                "nbf": now,
                "exp": now + LIFETIME,
                "jti": str(uuid4()),
            }
        )

    @property
    def workload_issuer(self) -> str:
        """The issuer that federated credentials trust."""
        return f"{self.url}/workload"

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Sign claims as this tenant does."""
        return jwt.encode(dict(claims), self._key, algorithm="RS256", headers={"kid": self._key_id})

    def read(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that this tenant signed. Times and audience are not judged here.

        Raises:
            jwt.InvalidTokenError: the token is malformed or the signature is not this tenant's.
        """
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        claims: dict[str, Any] = jwt.decode(token, self._key.public_key(), algorithms=["RS256"], options=options)
        return claims

    def keys(self) -> dict[str, Any]:
        """Return the JSON Web Key Set."""
        numbers = self._key.public_key().public_numbers()
        return {
            "keys": [
                {
                    "kty": "RSA",
                    "use": "sig",
                    "alg": "RS256",
                    "kid": self._key_id,
                    "n": _base64url(numbers.n),
                    "e": _base64url(numbers.e),
                }
            ]
        }

    def authenticate(self, authorization: str) -> Principal:
        """Return who holds the bearer token in an Authorization header.

        Raises:
            ArmError: 401, as ARM says it: missing, malformed, expired, or for another audience or tenant.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise self._refuse("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        try:
            claims = self.read(token.strip())
        except jwt.InvalidTokenError as error:
            raise self._refuse("InvalidAuthenticationToken", "The access token is invalid.") from error
        now = self.clock.clients().timestamp()
        if claims.get("exp", 0) <= now:
            raise self._refuse("ExpiredAuthenticationToken", "The access token expiry UTC time is in the past.")
        if claims.get("nbf", 0) > now + 300:
            raise self._refuse("InvalidAuthenticationToken", "The access token is not yet valid.")
        allowed = metadata.audiences(self.url)
        if claims.get("aud") not in allowed:
            raise self._refuse(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{claims.get('aud')}'. "
                f"It should exactly match with one of the allowed audiences {', '.join(map(repr, allowed))}.",
            )
        if claims.get("tid") != self.tenant:
            raise self._refuse(
                "InvalidAuthenticationTokenTenant",
                f"The access token is from the wrong issuer '{claims.get('iss')}'. It must match the tenant "
                f"'{metadata.issuer(self.url, self.tenant, version=1)}' associated with this subscription.",
            )
        application = self.application(str(claims.get("appid", "")))
        if application is None:
            raise self._refuse("InvalidAuthenticationToken", "The access token is of an application that is gone.")
        return application.principal

    def assignments(self) -> list[Document]:
        """Return the role assignments of the principals: each holds its role on the whole tenant."""
        return [_assignment(self.tenant, name, self.applications[name].principal) for name in ROLES]

    def _refuse(self, code: str, message: str) -> ArmError:
        challenge = (
            f'Bearer authorization_uri="{self.url}/{self.tenant}", error="invalid_token", error_description="{message}"'
        )
        return ArmError(401, code, message, headers={"WWW-Authenticate": challenge})


def _application(tenant: str, name: str) -> Application:
    object_id = str(uuid5(NAMESPACE_URL, f"urn:coa-lockdown:sandbox:{tenant}:{name}"))
    principal = Principal(object_id, str(uuid4()), name, "ServicePrincipal")
    return Application(principal, secrets.token_urlsafe(32), f"system:serviceaccount:lockdown:{name}")


def _assignment(tenant: str, name: str, principal: Principal) -> Document:
    guid = str(uuid5(NAMESPACE_URL, f"urn:coa-lockdown:sandbox:{tenant}:{name}:assignment"))
    return {
        "id": f"/providers/Microsoft.Authorization/roleAssignments/{guid}",
        "name": guid,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{ROLES[name]}",
            "principalId": principal.object_id,
            "principalType": principal.kind,
            "scope": "/",
        },
    }


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()
