"""What a page holds for its own scripts: the bytes of the record, packed, and what they are checked by."""

from __future__ import annotations

import gzip
from base64 import b64decode, b64encode
from dataclasses import dataclass

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from lockdown import strict
from lockdown.record import Record

PACKED_UP_TO = 5 * 2**20
"""How many letters a packed record may have; a page of more would open badly."""
UNPACKED_UP_TO = 256 * 2**20
"""How many bytes a page unpacks at most; the same limit stands in reports/record.js."""


@dataclass(frozen=True)
class PublicKey:
    """The key that signed a run: its SubjectPublicKeyInfo as PEM, and how it signs (``ES256`` or ``PS256``)."""

    pem: str
    algorithm: str


def record(made: Record) -> Markup:
    """Return the bytes of a record, packed, as JSON for a page; nothing if it is larger than a page may hold.

    They are exactly those that were signed, so a page can compare the digest of what it unpacks.
    """
    size = made.path.stat().st_size
    if size > UNPACKED_UP_TO:
        return Markup("")
    packed = _packed(made.path.read_bytes())
    if len(packed) > PACKED_UP_TO:
        return Markup("")
    return htmlsafe_json_dumps({"packed": packed, "size": size})


def signed(envelope: bytes, key: PublicKey) -> Markup:
    """Return what a page checks its record by, as JSON: the signed statement, its signatures and the key.

    The statement is packed: it names every file of the run. What is signed are the bytes that a page unpacks.
    """
    parsed = strict.loads(envelope, name="run.dsse.json")
    payload = b64decode(parsed["payload"])
    held = {
        "payloadType": parsed["payloadType"],
        "signatures": parsed["signatures"],
        "packed": _packed(payload),
        "size": len(payload),
        "algorithm": key.algorithm,
        "key": "".join(key.pem.split("-----")[2].split()),
    }
    return htmlsafe_json_dumps(held)


def _packed(data: bytes) -> str:
    return b64encode(gzip.compress(data, mtime=0)).decode("ascii")
