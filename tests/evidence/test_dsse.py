"""Envelopes: the DSSE specification's own vector, two other implementations, and every form but one refused."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.signer._key import SSlibKey

from lockdown.errors import TamperedError
from lockdown.evidence import es256
from lockdown.evidence.dsse import PAYLOAD_TYPE, pae, parse, wrap
from lockdown.evidence.keys import FileSigner
from lockdown.strict import canonical
from tests.evidence.handmade import public_pem

PAYLOAD = canonical({"_type": "https://in-toto.io/Statement/v1", "name": "\u00e9"})
VECTOR_TYPE, VECTOR_BODY = "http://example.com/HelloWorld", b"hello world"
VECTOR_X = 46950820868899156662930047687818585632848591499744589407958293238635476079160
VECTOR_Y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
VECTOR_SIGNATURE = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="


@pytest.fixture
def envelope(key: FileSigner) -> bytes:
    return wrap(PAYLOAD, key)


def test_the_encoding_is_that_of_the_specification() -> None:
    assert pae(VECTOR_TYPE, VECTOR_BODY) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_signature_of_the_specification_verifies() -> None:
    public = ec.EllipticCurvePublicNumbers(VECTOR_X, VECTOR_Y, ec.SECP256R1()).public_key()
    raw = base64.b64decode(VECTOR_SIGNATURE)
    signature = es256.low_s(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    assert es256.verify(public, pae(VECTOR_TYPE, VECTOR_BODY), signature)
    assert not es256.verify(public, pae(VECTOR_TYPE, b"hello worlD"), signature)


def test_lengths_are_counted_in_bytes() -> None:
    assert pae("\u00e9", "\u00e9\u00e9".encode()) == b"DSSEv1 2 \xc3\xa9 4 \xc3\xa9\xc3\xa9"


def test_an_envelope_is_read_back(envelope: bytes, key: FileSigner) -> None:
    read = parse(envelope, name="envelope")
    assert (read.payload, read.key_id) == (PAYLOAD, key.key_id)
    assert es256.verify(key._key.public_key(), read.message, read.signature)


def test_securesystemslib_verifies_it(envelope: bytes, key: FileSigner) -> None:
    theirs = TheirEnvelope.from_dict(json.loads(envelope))
    public = SSlibKey.from_crypto(key._key.public_key(), keyid=key.key_id, scheme="ecdsa-sha2-nistp256")
    assert theirs.payload == PAYLOAD
    assert list(theirs.verify([public], threshold=1)) == [key.key_id]


def test_openssl_verifies_it(envelope: bytes, key: FileSigner, tmp_path: Path) -> None:
    read = parse(envelope, name="envelope")
    for name, data in {"key": public_pem(key).encode(), "sig": read.signature, "signed": read.message}.items():
        (tmp_path / name).write_bytes(data)
    command = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "sig", "signed"]
    assert subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout == b"Verified OK\n"


def _changed(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def apply(envelope: bytes) -> bytes:
        value = json.loads(envelope)
        change(value)
        return canonical(value) + b"\n"

    return apply


def _padding_bits(envelope: bytes) -> bytes:
    value = json.loads(envelope)
    text = value["payload"].rstrip("=")
    assert text != value["payload"], "the payload must need padding"
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    value["payload"] = text[:-1] + alphabet[alphabet.index(text[-1]) + 1] + "=" * (-len(text) % 4)
    assert base64.b64decode(value["payload"]) == PAYLOAD, "a lax reader sees no difference"
    return canonical(value) + b"\n"


OTHER_FORMS: dict[str, Callable[[bytes], bytes]] = {
    "no newline at the end": lambda e: e[:-1],
    "two newlines at the end": lambda e: e + b"\n",
    "a space before": lambda e: b" " + e,
    "a byte order mark": lambda e: b"\xef\xbb\xbf" + e,
    "white space between": lambda e: e.replace(b":", b": ", 1),
    "other order of keys": lambda e: json.dumps(dict(reversed(json.loads(e).items()))).encode() + b"\n",
    "escaped letters": lambda e: e.replace(b"payloadType", b"payload\\u0054ype"),
    "a key twice": lambda e: e.replace(b'{"payload"', b'{"payload":"","payload"', 1),
    "a field more": _changed(lambda v: v.update(alg="none")),
    "a field less": _changed(lambda v: v.pop("payload")),
    "a field more in the signature": _changed(lambda v: v["signatures"][0].update(cert="")),
    "another payload type": _changed(lambda v: v.update(payloadType="application/json")),
    "the payload type in capitals": _changed(lambda v: v.update(payloadType=PAYLOAD_TYPE.upper())),
    "no signature": _changed(lambda v: v.update(signatures=[])),
    "the signature twice": _changed(lambda v: v["signatures"].append(v["signatures"][0])),
    "signatures not a list": _changed(lambda v: v.update(signatures=v["signatures"][0])),
    "a key id in capitals": _changed(lambda v: v["signatures"][0].update(keyid=v["signatures"][0]["keyid"].upper())),
    "a short key id": _changed(lambda v: v["signatures"][0].update(keyid="ab")),
    "a key id that is a number": _changed(lambda v: v["signatures"][0].update(keyid=7)),
    "a payload that is a number": _changed(lambda v: v.update(payload=7)),
    "a line break in the base64": _changed(lambda v: v.update(payload=v["payload"][:4] + "\n" + v["payload"][4:])),
    "junk in the base64": _changed(lambda v: v.update(payload="!" + v["payload"])),
    "base64 without padding": _changed(lambda v: v.update(payload=v["payload"].rstrip("="))),
    "other padding bits": _padding_bits,
    "a list": lambda e: b"[" + e[:-1] + b"]\n",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_every_other_form_is_refused(envelope: bytes, form: str) -> None:
    other = OTHER_FORMS[form](envelope)
    assert other != envelope
    with pytest.raises(TamperedError, match=r"^envelope "):
        parse(other, name="envelope")
