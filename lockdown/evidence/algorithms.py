"""ES256 and PS256 by name. Which of them counts for a key is written beside the key, never in what it signed."""

from __future__ import annotations

from typing import Literal

from lockdown.evidence import es256, ps256

Algorithm = Literal["ES256", "PS256"]


def of(pem: str) -> Algorithm:
    """Return the algorithm of a public key.

    Raises:
        ValueError: it is neither a P-256 key nor an RSA key of at least 3072 bits, in PEM form.
    """
    try:
        es256.public_key(pem)
    except ValueError:
        try:
            ps256.public_key(pem)
        except ValueError as error:
            text = f"it is neither a P-256 key (ES256) nor an RSA key of at least {ps256.MIN_BITS} bits (PS256)"
            raise ValueError(text) from error
        return "PS256"
    return "ES256"


def key_id(algorithm: Algorithm, pem: str) -> str:
    """Return the SHA-256 of a public key's SubjectPublicKeyInfo DER, in hex.

    Raises:
        ValueError: the key is not one for this algorithm.
    """
    if algorithm == "ES256":
        return es256.key_id(es256.public_key(pem))
    return ps256.key_id(ps256.public_key(pem))


def public_pem(algorithm: Algorithm, pem: str) -> str:
    """Return a public key in the one form of its PEM.

    Raises:
        ValueError: the key is not one for this algorithm.
    """
    if algorithm == "ES256":
        return es256.public_pem(es256.public_key(pem))
    return ps256.public_pem(ps256.public_key(pem))


def verify(algorithm: Algorithm, pem: str, data: bytes, signature: bytes) -> bool:
    """Say whether ``signature`` is over ``data``, by the key in ``pem``."""
    if algorithm == "ES256":
        return es256.verify(es256.public_key(pem), data, signature)
    return ps256.verify(ps256.public_key(pem), data, signature)
