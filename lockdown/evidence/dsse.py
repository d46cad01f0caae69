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
class Signature:
    """One signature of an envelope.

    Attributes:
        key_id: the SHA-256 that the file claims for the signing key.
        value: DER.
    """

    key_id: str
    value: bytes


@dataclass(frozen=True)
class Envelope:
    """What an envelope file holds. Nothing in it is proven until its signatures are.

    Attributes:
        payload: the signed bytes.
        signatures: at least one, in the order of key ids.
    """

    payload: bytes
    signatures: tuple[Signature, ...]
    payload_type: str = PAYLOAD_TYPE

    @property
    def message(self) -> bytes:
        """What the signatures are over."""
        return pae(self.payload_type, self.payload)

    @property
    def key_id(self) -> str:
        """The key that the first signature names; the envelopes of a run have no other."""
        return self.signatures[0].key_id

    @property
    def signature(self) -> bytes:
        """The first signature."""
        return self.signatures[0].value


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding, which binds the payload to its type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def wrap(payload: bytes, signer: Signer) -> bytes:
    """Return the envelope file for an in-toto statement signed by ``signer``."""
    return written(Envelope(payload, (Signature(signer.key_id, signer.sign(pae(PAYLOAD_TYPE, payload))),)))


def parse(data: bytes, *, name: str, payload_type: str = PAYLOAD_TYPE, most: int = 1) -> Envelope:
    """Return the envelope in a file; its signatures are not checked here.

    Args:
        data: the file.
        name: what messages call it.
        payload_type: the only one that is accepted.
        most: how many signatures it may have.

    Raises:
        TamperedError: the file differs in any byte from what ``written`` makes of the same content.
    """
    value = strict.loads(data, name=name)
    outer = _fields(value, {"payload", "payloadType", "signatures"}, name)
    if outer["payloadType"] != payload_type:
        raise TamperedError(f"{name} has another payload type than {payload_type}.")
    listed = outer["signatures"]
    if not isinstance(listed, list) or not 1 <= len(listed) <= most:
        expected = "exactly one signature" if most == 1 else f"one to {most} signatures"
        raise TamperedError(f"{name} does not have {expected}.")
    signatures = tuple(_signature(entry, name) for entry in listed)
    ids = [signature.key_id for signature in signatures]
    if sorted(set(ids)) != ids:
        raise TamperedError(f"{name} has two signatures by one key, or not in the order of key ids.")
    envelope = Envelope(_decoded(outer["payload"], name), signatures, payload_type)
    if written(envelope) != data:
        raise TamperedError(f"{name} is not in the one serialisation that lockdown writes.")
    return envelope


def written(envelope: Envelope) -> bytes:
    """Return the file for an envelope."""
    signatures = [
        {"keyid": signature.key_id, "sig": base64.b64encode(signature.value).decode()}
        for signature in envelope.signatures
    ]
    payload = base64.b64encode(envelope.payload).decode()
    return (
        strict.canonical({"payload": payload, "payloadType": envelope.payload_type, "signatures": signatures}) + b"\n"
    )


def _signature(entry: object, name: str) -> Signature:
    inner = _fields(entry, {"keyid", "sig"}, name)
    if not isinstance(inner["keyid"], str) or not _KEY_ID.fullmatch(inner["keyid"]):
        raise TamperedError(f"{name} has a key id that is not the SHA-256 of a key.")
    return Signature(inner["keyid"], _decoded(inner["sig"], name))


def _fields(value: object, names: set[str], name: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        raise TamperedError(f"{name} does not have exactly the fields {', '.join(sorted(names))}.")
    return value


def _decoded(text: object, name: str) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise TamperedError(f"{name} holds something that is not base64.") from error
