"""The keys of the sandbox's own vault: new at every start, and never handed out. No HTTP here: see ``key_vault``."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from lockdown.sandbox.clock import Clock

KEYS = ("evidence", "evidence-rsa")
"""The keys of every sandbox: P-256, and RSA of 3072 bits."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_CURVES: Mapping[str, Callable[[], ec.EllipticCurve]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}
_ELLIPTIC = {"ES256": "P-256", "ES384": "P-384"}
_HASHES: Mapping[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_RSA = ("PS256", "PS384", "PS512", "RS256", "RS384", "RS512")


@dataclass(frozen=True)
class Key:
    """One version of one key.

    Attributes:
        operations: what it may be used for, such as ``sign``.
    """

    name: str
    version: str
    private: PrivateKey = field(repr=False)
    created: datetime
    operations: tuple[str, ...] = ("sign", "verify")
    enabled: bool = True
    not_before: datetime | None = None
    expires: datetime | None = None

    @property
    def kind(self) -> str:
        """``EC`` or ``RSA``."""
        return "EC" if isinstance(self.private, ec.EllipticCurvePrivateKey) else "RSA"

    def fits(self, algorithm: str) -> bool:
        """Tell whether the key can sign with ``algorithm``."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            curve = _CURVES.get(_ELLIPTIC.get(algorithm, ""))
            return curve is not None and isinstance(self.private.curve, curve)  # type: ignore[arg-type]  # the classes
        return algorithm in _RSA

    def bundle(self, url: str) -> dict[str, Any]:
        """Return what the vault at ``url`` shows of it."""
        attributes: dict[str, Any] = {
            "enabled": self.enabled,
            "created": int(self.created.timestamp()),
            "updated": int(self.created.timestamp()),
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
            "exportable": False,
        }
        attributes |= {"nbf": int(self.not_before.timestamp())} if self.not_before else {}
        attributes |= {"exp": int(self.expires.timestamp())} if self.expires else {}
        return {
            "key": {
                "kid": f"{url}/keys/{self.name}/{self.version}",
                "key_ops": list(self.operations),
                **self._public(),
            },
            "attributes": attributes,
        }

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Return a signature over a digest, as Key Vault does: raw r and s for an elliptic curve."""
        hashed = utils.Prehashed(_HASHES[algorithm[2:]])
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            r, s = utils.decode_dss_signature(self.private.sign(digest, ec.ECDSA(hashed)))
            size = (self.private.key_size + 7) // 8
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if algorithm.startswith("PS"):
            form = padding.PSS(padding.MGF1(_HASHES[algorithm[2:]]), padding.PSS.DIGEST_LENGTH)
            return self.private.sign(digest, form, hashed)
        return self.private.sign(digest, padding.PKCS1v15(), hashed)

    def _public(self) -> dict[str, str]:
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            point = self.private.public_key().public_numbers()
            size = (self.private.key_size + 7) // 8
            curve = next(name for name, kind in _CURVES.items() if isinstance(self.private.curve, kind))  # type: ignore[arg-type]
            return {
                "kty": "EC",
                "crv": curve,
                "x": base64url(point.x.to_bytes(size, "big")),
                "y": base64url(point.y.to_bytes(size, "big")),
            }
        numbers = self.private.public_key().public_numbers()
        size = (self.private.key_size + 7) // 8
        return {
            "kty": "RSA",
            "n": base64url(numbers.n.to_bytes(size, "big")),
            "e": base64url(numbers.e.to_bytes(3, "big")),
        }


class Vault:
    """The vault that answers on the sandbox's host.

    Attributes:
        url: its base URL, that of the sandbox.
        resource_id: what role assignments on it name; it stands in no list of resources.
    """

    def __init__(self, url: str, subscription: str, clock: Clock) -> None:
        self.url = url
        self.resource_id = (
            f"/subscriptions/{subscription}/resourceGroups/lockdown-sandbox/providers/Microsoft.KeyVault/vaults/sandbox"
        )
        self._clock = clock
        self._keys: dict[str, list[Key]] = {}

    def add(
        self,
        name: str,
        *,
        curve: str = "",
        bits: int = 0,
        operations: tuple[str, ...] = ("sign", "verify"),
        enabled: bool = True,
        not_before: datetime | None = None,
        expires: datetime | None = None,
    ) -> str:
        """Make a new version of a key, on a ``curve`` or RSA of so many ``bits``; return its id."""
        private: PrivateKey = (
            ec.generate_private_key(_CURVES[curve]())
            if curve
            else rsa.generate_private_key(public_exponent=65537, key_size=bits)
        )
        made = Key(name, uuid4().hex, private, self._clock.clients(), operations, enabled, not_before, expires)
        self._keys.setdefault(name.lower(), []).append(made)
        return f"{self.url}/keys/{name}/{made.version}"

    def disable(self, name: str) -> None:
        """Disable every version of a key."""
        self._keys[name.lower()] = [replace(key, enabled=False) for key in self._keys[name.lower()]]

    def key(self, name: str, version: str = "") -> Key | None:
        """Return a version of a key, the latest if none is named, or None."""
        if name in KEYS and name not in self._keys:  # made when first asked for: 3072 bits take a while
            self.add(name, **({"curve": "P-256"} if name == KEYS[0] else {"bits": 3072}))
        versions = self._keys.get(name.lower(), [])
        return next((key for key in reversed(versions) if version.lower() in ("", key.version)), None)


def base64url(data: bytes) -> str:
    """Return ``data`` as JSON Web Keys write it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
