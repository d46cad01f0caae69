"""Keys in Azure Key Vault and Managed HSM: read the public half of one, and have digests signed with it.

Two rights suffice, get and sign on keys; nothing is listed, and a signature is one call. A token is only ever obtained
for the service that the key's host belongs to.

Sources: "About keys" and the REST reference of Azure Key Vault; the sources of azure-keyvault-keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import KeyClient, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lockdown.cloud import credentials, endpoints
from lockdown.errors import ToolError, UsageError
from lockdown.model import Cloud

SUFFIXES: Mapping[str, str] = {
    "vault.azure.net": "AzureCloud",
    "managedhsm.azure.net": "AzureCloud",
    "vault.usgovcloudapi.net": "AzureUSGovernment",
    "managedhsm.usgovcloudapi.net": "AzureUSGovernment",
    "vault.azure.cn": "AzureChinaCloud",
    "managedhsm.azure.cn": "AzureChinaCloud",
}
"""The cloud that a host belongs to, by the end of its name."""

MIN_RSA_BITS = 3072

_KEY = re.compile(r"/keys/(?P<name>[0-9A-Za-z-]{1,127})(/(?P<version>[0-9a-f]{32}))?/?")
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?")
_EXAMPLE = "Example: azurekv:https://VAULT.vault.azure.net/keys/NAME/VERSION"
_ROLE = "Key Vault Crypto User on the key (in Managed HSM: Managed HSM Crypto User)"
_PATIENCE = {"retry_total": 3, "connection_timeout": 10, "read_timeout": 30, "permit_redirects": False}


@dataclass(frozen=True)
class Place:
    """Where a key is.

    Attributes:
        vault: base URL.
        cloud: the cloud that it belongs to.
        microsoft: whether the host is one of Microsoft's.
    """

    vault: str
    name: str
    version: str
    cloud: Cloud
    microsoft: bool

    @property
    def id(self) -> str:
        """The versioned key id."""
        return f"{self.vault}/keys/{self.name}/{self.version}"


@dataclass(frozen=True)
class VaultKey:
    """A key that can be used now.

    Attributes:
        algorithm: ES256 or PS256: what this key is for.
    """

    id: str
    algorithm: str
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    _client: CryptographyClient = field(repr=False)

    def sign(self, digest: bytes) -> bytes:
        """Have a SHA-256 signed: r and s, 32 bytes each, for ES256; the signature for PS256.

        Raises:
            ToolError: the service refused, or did not answer.
        """
        try:
            return self._client.sign(SignatureAlgorithm(self.algorithm), digest).signature
        except (AzureError, ValueError) as error:
            raise _told(error, self.id, "sign with") from error


def open_key(url: str, cloud: str | None, authority: str | None) -> VaultKey:
    """Return the key with a versioned id.

    ``cloud`` and ``authority`` are needed only for a host that is not Microsoft's.

    Raises:
        UsageError: the id is wrong; there is no such key; it is disabled, expired or of a kind that is not used here.
        ToolError: no credential, no right, no answer.
    """
    place = locate(url, cloud, authority)
    credential = credentials.signing_credential(place.cloud)
    if not place.microsoft:
        credential = _ForOneHost(credential, urlsplit(place.vault).netloc)
    options: dict[str, Any] = {**_PATIENCE, "verify_challenge_resource": place.microsoft}
    try:
        with KeyClient(place.vault, credential, **options) as client:
            found = client.get_key(place.name, place.version)
    except (AzureError, ValueError) as error:
        raise _told(error, place.id, "read") from error
    _usable(found, place.id, datetime.now(UTC))
    algorithm, public = _public(found, place.id)
    return VaultKey(place.id, algorithm, public, CryptographyClient(found, credential, **options))


def locate(url: str, cloud: str | None, authority: str | None) -> Place:
    """Return where a key is, by its id.

    Raises:
        UsageError: it is no versioned key id of a host that lockdown knows, or of the cloud that it was told of.
    """
    parts = urlsplit(url)
    host, key = parts.netloc.lower(), _KEY.fullmatch(parts.path)
    if parts.scheme != "https" or parts.query or parts.fragment or not _HOST.fullmatch(host) or key is None:
        raise UsageError(f"{url!a} is not the id of a key in a vault.", _EXAMPLE)
    if not key["version"]:
        raise UsageError(
            f"{url!a} names no version of the key: what signed must stay known when the key is rotated.",
            f"az keyvault key show --id {url} --query key.kid shows the versioned id.",
        )
    known = next((name for suffix, name in SUFFIXES.items() if host.endswith("." + suffix)), None)
    if known is not None:
        return Place(f"https://{host}", key["name"], key["version"], endpoints.BUILT_IN[known], microsoft=True)
    if cloud is not None and "://" in cloud and urlsplit(cloud).netloc.lower() == host:
        return Place(
            f"https://{host}", key["name"], key["version"], endpoints.resolve(cloud, authority), microsoft=False
        )
    raise UsageError(
        f"{host} is not a host of Key Vault or Managed HSM that lockdown knows, so no credential is shown to it.",
        f"Known: {', '.join(f'*.{suffix}' for suffix in SUFFIXES)}; the sandbox's vault with --cloud URL.",
    )


class _ForOneHost:
    """Gives out tokens for the host that is asked and for no other, whatever the host itself asks for."""

    def __init__(self, credential: TokenCredential, host: str) -> None:
        self._credential = credential
        self._host = host

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - the protocol of azure-core
        """Return a token for ``scopes``, if they are of the host."""
        if any(urlsplit(scope).netloc.lower() != self._host for scope in scopes):
            raise ClientAuthenticationError(f"{self._host} asked for a token for {', '.join(scopes)}.")
        return self._credential.get_token(*scopes, **options)


def _usable(key: KeyVaultKey, shown: str, now: datetime) -> None:
    properties = key.properties
    if not properties.enabled:
        raise UsageError(f"The key {shown} is disabled.", "Enable it, or sign with another key.")
    if properties.not_before is not None and now < properties.not_before:
        raise UsageError(f"The key {shown} is not valid before {properties.not_before:%Y-%m-%d %H:%M} UTC.")
    if properties.expires_on is not None and now >= properties.expires_on:
        raise UsageError(
            f"The key {shown} expired at {properties.expires_on:%Y-%m-%d %H:%M} UTC.", "Sign with a newer version."
        )
    if key.key_operations and "sign" not in key.key_operations:
        raise UsageError(f"The key {shown} is not for signing.", "Sign with a key whose operations include sign.")


def _public(key: KeyVaultKey, shown: str) -> tuple[str, ec.EllipticCurvePublicKey | rsa.RSAPublicKey]:
    jwk: Any = key.key  # its attributes are made at run time
    kind, curve = (str(getattr(value, "value", value)) for value in (jwk.kty, jwk.crv))  # enums, where they are known
    try:
        match kind.removesuffix("-HSM"):
            case "EC" if curve == "P-256":
                point = ec.EllipticCurvePublicNumbers(_number(jwk.x), _number(jwk.y), ec.SECP256R1())
                return "ES256", point.public_key()
            case "EC":
                what = f"on the curve {curve}"
            case "RSA":
                numbers = rsa.RSAPublicNumbers(_number(jwk.e), _number(jwk.n))
                if numbers.n.bit_length() >= MIN_RSA_BITS:
                    return "PS256", numbers.public_key()
                what = f"RSA of {numbers.n.bit_length()} bits"
            case other:
                what = f"of the kind {other}"
    except ValueError as error:
        raise ToolError(f"The service shows no public key for {shown}: {error}.") from error
    raise UsageError(
        f"The key {shown} is {what}.", f"Sign with a P-256 key (ES256), or RSA of {MIN_RSA_BITS} bits or more (PS256)."
    )


def _number(data: bytes | None) -> int:
    return int.from_bytes(data or b"", "big")


def _told(error: Exception, shown: str, verb: str) -> UsageError | ToolError:
    if isinstance(error, ResourceNotFoundError):
        return UsageError(f"There is no key {shown}.", "Check its name and version in --key or signing.key.")
    if isinstance(error, ClientAuthenticationError):
        return ToolError(
            f"No credential was accepted to {verb} {shown}: {_first_line(error)}", credentials.SIGNING_NEXT
        )
    if isinstance(error, HttpResponseError) and error.status_code == 403:  # noqa: PLR2004 - HTTP Forbidden
        return ToolError(
            f"Key Vault does not let this identity {verb} {shown}: {_first_line(error)}",
            f"Give it the role {_ROLE}; check the vault's firewall, and whether the key is enabled.",
        )
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return ToolError(f"Key Vault answered {error.status_code} to {verb} {shown}: {_first_line(error)}")
    return ToolError(
        f"Key Vault cannot be reached to {verb} {shown}: {_first_line(error)}",
        "Check the network, the name resolution of the private endpoint, and the CA.",
    )


def _first_line(error: Exception) -> str:
    told = str(getattr(error, "message", None) or error).strip().splitlines()
    return told[0].strip() if told else type(error).__name__
