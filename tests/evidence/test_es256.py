"""One accepted form of each signature, and keys of one kind."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from lockdown.evidence import es256

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key()
DATA = b"the run"


@given(st.binary(max_size=200))
def test_what_is_signed_verifies_and_has_the_lower_s(data: bytes) -> None:
    signature = es256.sign(KEY, data)
    assert es256.verify(PUBLIC, data, signature)
    assert decode_dss_signature(signature)[1] <= es256.ORDER // 2


def test_the_other_s_is_refused_although_it_is_valid_ecdsa() -> None:
    r, s = decode_dss_signature(es256.sign(KEY, DATA))
    other = encode_dss_signature(r, es256.ORDER - s)
    PUBLIC.verify(other, DATA, ec.ECDSA(hashes.SHA256()))
    assert not es256.verify(PUBLIC, DATA, other)


def test_lax_der_is_refused() -> None:
    signature = es256.sign(KEY, DATA)
    long_length = signature[:1] + b"\x81" + signature[1:]
    assert not es256.verify(PUBLIC, DATA, long_length)
    assert not es256.verify(PUBLIC, DATA, signature + b"\x00")
    assert not es256.verify(PUBLIC, DATA, signature[:-1])


@pytest.mark.parametrize(("r", "s"), [(0, 0), (0, 1), (1, 0), (es256.ORDER, 1), (1, es256.ORDER), (1, 1)])
def test_degenerate_pairs_are_refused(r: int, s: int) -> None:
    assert not es256.verify(PUBLIC, DATA, encode_dss_signature(r, s))


def test_other_data_and_another_key_are_refused() -> None:
    signature = es256.sign(KEY, DATA)
    assert not es256.verify(PUBLIC, DATA + b" ", signature)
    assert not es256.verify(ec.generate_private_key(ec.SECP256R1()).public_key(), DATA, signature)


@given(st.binary(max_size=80))
def test_anything_else_is_refused_without_a_crash(signature: bytes) -> None:
    assert not es256.verify(PUBLIC, DATA, signature)


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()])
def test_keys_of_another_kind_are_refused(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    with pytest.raises(ValueError, match="not a P-256 key"):
        es256.public_key(pem)


def test_text_that_is_no_key_is_refused() -> None:
    with pytest.raises(ValueError, match="not a public key in PEM form"):
        es256.public_key("-----BEGIN PUBLIC KEY-----\nnothing\n-----END PUBLIC KEY-----\n")
