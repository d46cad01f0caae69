"""DSSE envelopes (github.com/secure-systems-lab/dsse, version 1.0) in one exact serialisation.

DSSE itself allows white space, other base64 alphabets and a free key id. An envelope here is a file of evidence, in
which no byte may change unnoticed, so ``parse`` accepts what ``wrap`` writes and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockdown import strict
from lockdown.errors import TamperedError

if TYPE_CHECKING:
    from lockdown.evidence.keys import Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_KEY_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Envelope:
    """What an envelope file holds. Nothing in it is proven until its signature is.

    Attributes:
        payload: the signed bytes, an in-toto statement.
        key_id: the SHA-256 that the file claims for the signing key.
        signature: DER.
    """

    payload: bytes
    key_id: str
    signature: bytes

    @property
    def message(self) -> bytes:
        """What the signature is over."""
        return pae(PAYLOAD_TYPE, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding, which binds the payload to its type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def wrap(payload: bytes, signer: Signer) -> bytes:
    """Return the envelope file for an in-toto statement signed by ``signer``."""
    signature = signer.sign(pae(PAYLOAD_TYPE, payload))
    return _written(Envelope(payload, signer.key_id, signature))


def parse(data: bytes, *, name: str) -> Envelope:
    """Return the envelope in a file; its signature is not checked here.

    Raises:
        TamperedError: the file differs in any byte from what ``wrap`` writes for the same content.
    """
    value = strict.loads(data, name=name)
    outer = _fields(value, {"payload", "payloadType", "signatures"}, name)
    if outer["payloadType"] != PAYLOAD_TYPE:
        raise TamperedError(f"{name} has another payload type than {PAYLOAD_TYPE}.")
    if not isinstance(outer["signatures"], list) or len(outer["signatures"]) != 1:
        raise TamperedError(f"{name} does not have exactly one signature.")
    inner = _fields(outer["signatures"][0], {"keyid", "sig"}, name)
    if not isinstance(inner["keyid"], str) or not _KEY_ID.fullmatch(inner["keyid"]):
        raise TamperedError(f"{name} has a key id that is not the SHA-256 of a key.")
    envelope = Envelope(_decoded(outer["payload"], name), inner["keyid"], _decoded(inner["sig"], name))
    if _written(envelope) != data:
        raise TamperedError(f"{name} is not in the one serialisation that lockdown writes.")
    return envelope


def _written(envelope: Envelope) -> bytes:
    signature = {"keyid": envelope.key_id, "sig": base64.b64encode(envelope.signature).decode()}
    return (
        strict.canonical(
            {
                "payload": base64.b64encode(envelope.payload).decode(),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [signature],
            }
        )
        + b"\n"
    )


def _fields(value: object, names: set[str], name: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        raise TamperedError(f"{name} does not have exactly the fields {', '.join(sorted(names))}.")
    return value


def _decoded(text: object, name: str) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise TamperedError(f"{name} holds something that is not base64.") from error
