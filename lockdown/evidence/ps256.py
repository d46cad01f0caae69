"""RSASSA-PSS with SHA-256, MGF1 over SHA-256 and a salt of 32 bytes (PS256), for keys of at least 3072 bits.

A signature of another salt length does not count, so that one key makes signatures of one form.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

MIN_BITS = 3072
_SALT = 32
_HASH = hashes.SHA256()
_FORM = padding.PSS(padding.MGF1(_HASH), _SALT)


@lru_cache(maxsize=64)
def public_key(pem: str) -> rsa.RSAPublicKey:
    """Return the key in a SubjectPublicKeyInfo PEM.

    Raises:
        ValueError: it is not one, or not an RSA key of at least 3072 bits.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except ValueError as error:
        raise ValueError("it is not a public key in PEM form") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_BITS:
        raise ValueError(f"it is not an RSA key of at least {MIN_BITS} bits (PS256)")
    return key


def key_id(key: rsa.RSAPublicKey) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo DER, in hex."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def public_pem(key: rsa.RSAPublicKey) -> str:
    """Return the SubjectPublicKeyInfo PEM of a key."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode("ascii")


def verify(key: rsa.RSAPublicKey, data: bytes, signature: bytes) -> bool:
    """Say whether ``signature`` is over ``data``, by ``key``."""
    if len(signature) != (key.key_size + 7) // 8:
        return False
    try:
        key.verify(signature, data, _FORM, _HASH)
    except InvalidSignature:
        return False
    return True
