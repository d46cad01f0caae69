"""The file of a trust root: a DSSE envelope signed by the keys that may change it, or a laboratory's bare document.

As in TUF, version n + 1 counts for whoever holds version n only if the threshold of n's root keys signed it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lockdown import strict
from lockdown.errors import TamperedError, UntrustedError, UsageError
from lockdown.evidence import dsse, trust
from lockdown.evidence.dsse import Envelope, Signature
from lockdown.evidence.trust import RootKeys, TrustRoot

if TYPE_CHECKING:
    from lockdown.evidence.keys import Signer

PAYLOAD_TYPE = "application/vnd.coa-lockdown.trust-root.v1+json"
MOST_SIGNATURES = 32


@dataclass(frozen=True)
class RootFile:
    """A trust root as it was handed over.

    Attributes:
        envelope: None for a bare document.
        fingerprint: SHA-256 in hex of what is signed, or of the bare document: what people compare.
    """

    root: TrustRoot
    envelope: Envelope | None
    fingerprint: str

    def missing(self, keys: RootKeys | None) -> int:
        """Return how many signatures by ``keys`` are missing."""
        if keys is None:
            return 0
        found = keys.signers(self.envelope) if self.envelope else frozenset()
        return max(0, keys.threshold - len(found))

    def check(self, fingerprint: str | None = None) -> None:
        """Raise UntrustedError unless those who may change this trust root signed it, and it is the expected one."""
        if fingerprint is not None and fingerprint.lower() != self.fingerprint:
            raise UntrustedError(f"The trust root has the fingerprint {self.fingerprint}, not the one that was given.")
        if self.envelope is None and not self.root.lab:
            raise UntrustedError("The trust root is not signed, and only a laboratory's may be so.")
        if self.envelope is not None and self.root.root is None:
            raise UntrustedError("The trust root is signed, and does not say by whom it must be.")
        if self.missing(self.root.root):
            raise UntrustedError(
                f"The trust root lacks {self.missing(self.root.root)} of the signatures that it requires.",
                "Obtain it again.",
            )


def load(path: Path) -> TrustRoot:
    """Return the trust root in a file, once it is found to be signed as it must be.

    Raises:
        UsageError: the file cannot be read.
        UntrustedError: it is not a trust root, contradicts itself, or lacks signatures.
    """
    found = read(path)
    found.check()
    return found.root


def read(path: Path) -> RootFile:
    """Return what a file holds; who signed it is not checked here.

    Raises:
        UsageError: the file cannot be read.
        UntrustedError: it is not a trust root, or contradicts itself.
    """
    try:
        with path.open("rb") as file:
            data = file.read(trust.MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"The trust root {path} cannot be read: {error.strerror}.", "Name another file.") from error
    return parse(data, name=str(path))


def parse(data: bytes, *, name: str) -> RootFile:
    """Return what the bytes of such a file hold.

    Raises:
        UntrustedError: it is not a trust root, or contradicts itself; the message names ``name``.
    """
    try:
        value = strict.loads(data, name=name, max_bytes=trust.MAX_BYTES)
        if not isinstance(value, dict) or "payloadType" not in value:
            return RootFile(trust.parse(data, name=name), None, sha256(data).hexdigest())
        envelope = dsse.parse(data, name=name, payload_type=PAYLOAD_TYPE, most=MOST_SIGNATURES)
        root = trust.parse(envelope.payload, name=name)
        if _payload(root) != envelope.payload:
            raise UntrustedError(f"{name} is not in the one serialisation that lockdown writes.")
    except TamperedError as error:
        raise UntrustedError(error.message, "Obtain the trust root again.") from error
    return RootFile(root, envelope, sha256(envelope.payload).hexdigest())


def signed(root: TrustRoot, signers: tuple[Signer, ...]) -> bytes:
    """Return the file for a trust root, signed by each of ``signers``."""
    return dsse.written(_with(Envelope(_payload(root), (), PAYLOAD_TYPE), signers))


def signed_too(found: RootFile, signers: tuple[Signer, ...]) -> bytes:
    """Return the file with the signatures of ``signers`` added.

    Raises:
        UsageError: it is a bare document.
    """
    if found.envelope is None:
        raise UsageError("This trust root is a laboratory's, which is not signed.", "lockdown trust init makes one.")
    return dsse.written(_with(found.envelope, signers))


def _with(envelope: Envelope, signers: tuple[Signer, ...]) -> Envelope:
    values = {signature.key_id: signature for signature in envelope.signatures}
    values |= {signer.key_id: Signature(signer.key_id, signer.sign(envelope.message)) for signer in signers}
    return Envelope(envelope.payload, tuple(values[key_id] for key_id in sorted(values)), envelope.payload_type)


def _payload(root: TrustRoot) -> bytes:
    return strict.canonical(trust.plain(root))
