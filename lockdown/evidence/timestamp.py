"""RFC 3161 timestamps over signatures: somebody else's word on when a signature existed.

Only the hash of a signature leaves the machine. Whose word counts is written in the trust root; a token names nobody
whom a verifier would believe for its own sake.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from lockdown.errors import TamperedError, ToolError, UntrustedError, UsageError

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

    from rfc3161_client import TimeStampResponse

    from lockdown.evidence.trust import Tsa

SHA_256 = "2.16.840.1.101.3.4.2.1"
MAX_BYTES = 64 * 1024
TIMEOUT = 20
WAITS = (1, 4)
"""Seconds before the second and the third attempt."""
_GRANTED = 0
_VERSIONS = (3, 1)
"""Of the SignedData and of its one SignerInfo (RFC 3161, section 2.4.2; RFC 5652, section 5)."""

Stamper = Callable[[bytes], bytes]
"""Returns the token over some bytes."""


@dataclass(frozen=True)
class Authority:
    """A time-stamping authority that is asked over HTTP."""

    url: str

    def __call__(self, data: bytes) -> bytes:
        """Return a token over ``data``.

        Raises:
            ToolError: it does not answer, refuses, or answers something else than it was asked.
        """
        for wait in WAITS:
            try:
                return self._asked(data)
            except ToolError:
                time.sleep(wait)
        return self._asked(data)

    def _asked(self, data: bytes) -> bytes:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder  # noqa: PLC0415 - only who asks loads it

        builder = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
        request = builder.cert_request(cert_request=True).nonce(nonce=True).build()
        answer = self._sent(request.as_bytes())
        try:
            response = _decoded(answer, data, name=self.url)
        except TamperedError as error:
            raise ToolError(f"The time-stamping authority: {error.message}", "Check --tsa.") from error
        if response.tst_info.nonce != request.nonce:
            raise ToolError(f"The time-stamping authority {self.url} answered another request.", "Check --tsa.")
        return answer

    def _sent(self, body: bytes) -> bytes:
        from urllib.request import Request  # noqa: PLC0415 - only who asks loads it

        request = Request(self.url, body, {"Content-Type": "application/timestamp-query"})  # noqa: S310 - see authority
        try:
            with _opener().open(request, timeout=TIMEOUT) as response:
                answer: bytes = response.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise ToolError(
                f"The time-stamping authority {self.url} cannot be asked: {error}.", "Check --tsa, or try later."
            ) from error
        if len(answer) > MAX_BYTES:
            raise ToolError(f"The time-stamping authority {self.url} answered more than a token.", "Check --tsa.")
        return answer


class Dated(NamedTuple):
    """When a signature existed, and who says so."""

    at: datetime
    by: str


def authority(url: str) -> Authority:
    """Return the authority at a URL.

    Raises:
        UsageError: it is not an ``http`` or ``https`` URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.fragment:
        raise UsageError(f"{url!a} is not the URL of a time-stamping authority.", "Give --tsa an http or https URL.")
    return Authority(url)


def dated(token: bytes, signature: bytes, pinned: tuple[Tsa, ...], *, name: str) -> Dated:
    """Return when a signature existed, by the word of an authority that the trust root pins.

    Raises:
        TamperedError: it is not a token over this signature.
        UntrustedError: no pinned authority made it.
    """
    response = _decoded(token, signature, name=name)
    reasons = []
    for tsa in pinned:
        reason = _refused(response, sha256(signature).digest(), tsa)
        if reason is None:
            return Dated(response.tst_info.gen_time, tsa.subject or "the pinned certificate")
        reasons.append(reason)
    raise UntrustedError(f"{name} is by no time-stamping authority that the trust root pins: {reasons[0]}.")


def _refused(response: TimeStampResponse, digest: bytes, tsa: Tsa) -> str | None:
    """Return why a token is not by this authority; None if it is."""
    import warnings  # noqa: PLC0415 - only who has a token loads these

    from cryptography.utils import CryptographyDeprecationWarning  # noqa: PLC0415
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415
    from rfc3161_client import VerifierBuilder  # noqa: PLC0415

    verifier = VerifierBuilder(
        roots=[load_pem_x509_certificate(pem.encode()) for pem in tsa.roots],
        tsa_certificate=load_pem_x509_certificate(tsa.certificate.encode()) if tsa.certificate else None,
        common_name=tsa.subject,  # compared with the whole subject
    ).build()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)  # a certificate that is hardly one
            verifier.verify(response, digest)
    except Exception as error:  # the parsers of certificates raise many kinds; whatever it is, nothing was proven
        return str(error).strip().rstrip(".") or type(error).__name__
    return None


def _decoded(token: bytes, data: bytes, *, name: str) -> TimeStampResponse:
    """Return a token over the SHA-256 of ``data``; who made it is not checked here."""
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - only who has a token loads it

    if len(token) > MAX_BYTES:
        raise TamperedError(f"{name} is longer than the {MAX_BYTES} bytes that a token could need.")
    try:
        response = decode_timestamp_response(token)
        if response.status != _GRANTED:
            raise TamperedError(f"{name} is a refusal: {'; '.join(response.status_string) or response.status}.")
        imprint = response.tst_info.message_imprint
        written = response.as_bytes()
        versions = response.signed_data.version, *(signer.version for signer in response.signed_data.signer_infos)
    except ValueError as error:
        raise TamperedError(f"{name} is not an RFC 3161 answer: {error}.") from error
    if written != token:
        raise TamperedError(f"{name} is not in DER form.")
    if versions != _VERSIONS:
        raise TamperedError(f"{name} is not a token by one signer.")
    if imprint.hash_algorithm.dotted_string != SHA_256 or imprint.message != sha256(data).digest():
        raise TamperedError(f"{name} is a timestamp of something else.")
    return response


def _opener() -> OpenerDirector:
    # No handler for files or FTP, and none that follows a redirection to another host.
    from urllib import request  # noqa: PLC0415 - only who asks loads it

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener
