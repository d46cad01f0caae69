"""Signing with a key that never leaves Azure Key Vault or Managed HSM.

The digest is made here and signed there. A signature is checked with the public key before anybody sees it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization

from lockdown.errors import ToolError
from lockdown.evidence import algorithms, es256

if TYPE_CHECKING:
    from lockdown.cloud.key_vault import VaultKey
    from lockdown.evidence.algorithms import Algorithm

_COORDINATE = 32


@dataclass(frozen=True)
class VaultSigner:
    """A key of a vault.

    Attributes:
        key_id: the SHA-256 of the public key's SubjectPublicKeyInfo DER, in hex.
        public_pem: the public key, SubjectPublicKeyInfo PEM.
        address: the versioned id of the key in its vault.
    """

    key_id: str
    algorithm: Algorithm
    public_pem: str
    address: str
    _key: VaultKey = field(repr=False)

    @property
    def location(self) -> None:
        """No file: the private key is in the service."""

    def sign(self, data: bytes) -> bytes:
        """Return a signature over ``data`` in the one form that counts.

        Raises:
            ToolError: the service refused, did not answer, or answered with something else than a signature.
        """
        signature = self._key.sign(sha256(data).digest())
        if self.algorithm == "ES256":
            signature = _der(signature)
        if not algorithms.verify(self.algorithm, self.public_pem, data, signature):
            raise ToolError(
                f"What {self.address} returned is not a signature by that key.", "Nothing was signed. Try again."
            )
        return signature


def open_signer(url: str, cloud: str | None, authority: str | None) -> VaultSigner:
    """Return the signer for a versioned key id; LOCKDOWN_CLOUD and AZURE_AUTHORITY_HOST stand in for what is None.

    Raises:
        UsageError, ToolError: as ``lockdown.cloud.key_vault.open_key``.
    """
    from lockdown.cloud import key_vault  # noqa: PLC0415 - who signs with a file imports nothing of Azure

    cloud = cloud or os.environ.get("LOCKDOWN_CLOUD")
    found = key_vault.open_key(url, cloud, authority or os.environ.get("AZURE_AUTHORITY_HOST"))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = found.public.public_bytes(serialization.Encoding.PEM, form).decode()
    algorithm = algorithms.of(pem)
    return VaultSigner(algorithms.key_id(algorithm, pem), algorithm, pem, found.id, found)


def _der(raw: bytes) -> bytes:
    if len(raw) != 2 * _COORDINATE:
        raise ToolError(f"The vault returned {len(raw)} bytes instead of the {2 * _COORDINATE} of an ES256 signature.")
    return es256.low_s(int.from_bytes(raw[:_COORDINATE], "big"), int.from_bytes(raw[_COORDINATE:], "big"))
