"""ECDSA over P-256 with SHA-256, and only one form of each signature.

ECDSA lets anybody turn a signature (r, s) into another valid one, (r, n - s), and lax DER adds more. Envelopes here
must not have two forms, so a signature counts only in strict DER and with the lower of the two s.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order n of P-256 (SP 800-186, section 3.2.1.3)."""

_ALGORITHM = ec.ECDSA(hashes.SHA256())


@lru_cache(maxsize=64)
def public_key(pem: str) -> ec.EllipticCurvePublicKey:
    """Return the key in a SubjectPublicKeyInfo PEM.

    Raises:
        ValueError: it is not one, or not a P-256 key.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("it is not a public key in PEM form") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("it is not a P-256 key (ES256)")  # noqa: TRY004 - the text is wrong, not its type
    return key


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo DER, in hex: what people compare and envelopes name."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def public_pem(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SubjectPublicKeyInfo PEM of a key."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode("ascii")


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """Return the one accepted form of a signature over ``data``: strict DER, low s."""
    return low_s(*decode_dss_signature(key.sign(data, _ALGORITHM)))


def low_s(r: int, s: int) -> bytes:
    """Return the pair as strict DER, with the lower of the two equivalent s."""
    return encode_dss_signature(r, min(s, ORDER - s))


def verify(key: ec.EllipticCurvePublicKey, data: bytes, signature: bytes) -> bool:
    """Say whether ``signature`` is over ``data``, by ``key``, and in its one accepted form."""
    try:
        r, s = decode_dss_signature(signature)
        if not (0 < r < ORDER and 0 < s < ORDER) or low_s(r, s) != signature:
            return False
        key.verify(signature, data, _ALGORITHM)
    except (ValueError, InvalidSignature):
        return False
    return True
