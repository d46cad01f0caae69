"""The trust root: which keys, sources and hosts a verifier accepts. It comes from elsewhere than any run."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Literal, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import load_pem_x509_certificate
from pydantic import Field, ValidationError, model_validator

from lockdown import strict
from lockdown.errors import TamperedError, UntrustedError
from lockdown.evidence import algorithms, wire
from lockdown.evidence.algorithms import Algorithm
from lockdown.evidence.dsse import Envelope
from lockdown.evidence.predicate import ACCEPTANCE, AUDIT_RUN, CUSTODY, EVIDENCE_BUNDLE, HISTORY_RECORD, AuditRun
from lockdown.evidence.times import Stamp, stamp
from lockdown.model import Source

MICROSOFT_HOSTS = (
    "login.chinacloudapi.cn",
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "management.azure.com",
    "management.chinacloudapi.cn",
    "management.usgovcloudapi.net",
)
"""Resource Manager and authority of AzureCloud, AzureUSGovernment and AzureChinaCloud."""

LIFETIME = timedelta(days=365)
ANY_HOST = "*"
MAX_BYTES = 1024 * 1024


class _Key(wire.Closed):
    keyid: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the SubjectPublicKeyInfo DER.")
    algorithm: Algorithm
    pem: str = Field(description="The public key, SubjectPublicKeyInfo PEM.")

    @model_validator(mode="after")
    def _named_by_its_digest(self) -> Self:
        if algorithms.key_id(self.algorithm, self.pem) != self.keyid:
            raise ValueError("keyid is not the SHA-256 of the key in pem")
        return self


class TrustedKey(_Key):
    """A public key and when it counts. The algorithm belongs to the key; nothing in an envelope chooses it."""

    not_before: Stamp
    not_after: Stamp
    revoked_at: Stamp | None = None
    reason: str | None = Field(default=None, description="Why it was revoked.")
    accepts: Literal[True] | None = Field(default=None, description="It may accept drift; no other key may.")
    custody_only: Literal[True] | None = Field(default=None, description="It signs hand-overs and nothing else.")

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.accepts and self.custody_only:
            raise ValueError("a key that signs hand-overs only cannot accept drift")
        return self


class RootKey(_Key):
    """A public key that signs trust roots, and never a run."""


class RootKeys(wire.Closed):
    """Who may change a trust root."""

    threshold: int = Field(ge=1, description="How many of the keys must sign.")
    keys: tuple[RootKey, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if len({key.keyid for key in self.keys}) != len(self.keys):
            raise ValueError("a key is listed twice")
        if self.threshold > len(self.keys):
            raise ValueError("the threshold is higher than the number of keys")
        return self

    def signers(self, envelope: Envelope) -> frozenset[str]:
        """Return the ids of those keys that signed an envelope."""
        known = {key.keyid: key for key in self.keys}
        return frozenset(
            signature.key_id
            for signature in envelope.signatures
            if (key := known.get(signature.key_id))
            and algorithms.verify(key.algorithm, key.pem, envelope.message, signature.value)
        )


class Tsa(wire.Closed):
    """A time-stamping authority (RFC 3161), pinned by more than who certified it."""

    roots: tuple[str, ...] = Field(min_length=1, description="Certificates that its chain may end in, PEM.")
    certificate: str | None = Field(default=None, description="Its own certificate, PEM.")
    subject: str | None = Field(default=None, min_length=1, description="The name in its certificate, as RFC 4514.")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.certificate is None and self.subject is None:
            raise ValueError("a time-stamping authority is pinned by its certificate or its subject")
        for pem in (*self.roots, *([self.certificate] if self.certificate else [])):
            try:
                load_pem_x509_certificate(pem.encode())
            except (ValueError, UnsupportedAlgorithm) as error:
                raise ValueError("it is not a certificate in PEM form") from error
        return self


class TrustRoot(wire.Closed):
    """What a verifier accepts."""

    version: int = Field(ge=1)
    expires: Stamp
    lab: bool = Field(description="For a laboratory: its word is not evidence of a real environment.")
    root: RootKeys | None = Field(default=None, description="Who signs trust roots; absent only in a laboratory's.")
    threshold: int = Field(ge=1, description="How many trusted keys must have signed what is handed over.")
    keys: tuple[TrustedKey, ...] = Field(min_length=1)
    sources: tuple[Source, ...] = Field(min_length=1)
    hosts: tuple[str, ...] = Field(description="Exact host names, with port where it is not 443; * only in a lab root.")
    predicate_types: tuple[str, ...] = Field(min_length=1)
    tsa: tuple[Tsa, ...] = Field(default=(), description="Whose timestamps count.")
    max_age_hours: int | None = Field(default=None, ge=1, description="How old a run may be when it is verified.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if ANY_HOST in self.hosts and not self.lab:
            raise ValueError("only a laboratory trust root may allow any host")
        if len({key.keyid for key in self.keys}) != len(self.keys):
            raise ValueError("a key is listed twice")
        if self.threshold > sum(not key.custody_only for key in self.keys):
            raise ValueError("the threshold is higher than the number of keys")
        if self.root and {key.keyid for key in self.root.keys} & {key.keyid for key in self.keys}:
            raise ValueError("a key that signs trust roots must not sign runs")
        return self

    def check_current(self, now: datetime) -> None:
        """Raise UntrustedError if the trust root itself has expired."""
        if stamp(now) > self.expires:
            raise UntrustedError(f"The trust root expired at {self.expires}.", "Obtain its next version.")

    def check_signature(
        self,
        envelope: Envelope,
        *,
        name: str,
        now: datetime,
        proven: datetime | None = None,
        custody: bool = False,
    ) -> TrustedKey:
        """Return the key that signed an envelope.

        ``proven`` is when the signature existed, by a trusted timestamp: then its key must have been good, and it does
        not matter what became of it. Without, nobody knows when it was made, so its key must be good at ``now``.
        ``custody`` says that it is of a hand-over, which keys may sign that may sign nothing else.

        Raises:
            TamperedError: a trusted key is named and did not sign this, or signed it and another is named.
            UntrustedError: no trusted key signed it, or its key is expired, not yet valid or revoked.
        """
        claimed = next((key for key in self.keys if key.keyid == envelope.key_id), None)
        signed = next((key for key in self.keys if _signed(key, envelope)), None)
        if signed is None and claimed is None:
            raise UntrustedError(f"{name} is signed by key {envelope.key_id}, which the trust root does not hold.")
        if signed is None or signed is not claimed:
            raise TamperedError(f"{name}: the signature is not by the key that it names, {envelope.key_id}.")
        if signed.custody_only and not custody:
            raise UntrustedError(f"{name} is signed by key {signed.keyid}, which signs hand-overs and nothing else.")
        _check_validity(signed, proven or now, proven=proven is not None)
        return signed

    def check_acceptance(self, envelope: Envelope, *, name: str, now: datetime, proven: datetime | None = None) -> None:
        """Raise UntrustedError unless a key that may accept drift signed an envelope; see ``check_signature``."""
        self.check_predicate(ACCEPTANCE)
        key = self.check_signature(envelope, name=name, now=now, proven=proven)
        if not key.accepts:
            raise UntrustedError(f"{name} is signed by key {key.keyid}, which may not accept drift.")

    def check_predicate(self, kind: str) -> None:
        """Raise UntrustedError unless the keys may make statements of this predicate type."""
        if kind not in self.predicate_types:
            raise UntrustedError(f"The trust root does not allow the predicate type {kind!a}.")

    def check_origin(self, run: AuditRun) -> None:
        """Raise UntrustedError unless source and hosts of a run are allowed."""
        if run.source not in self.sources:
            allowed = ", ".join(self.sources)
            raise UntrustedError(f"The run's source is {run.source}; the trust root allows {allowed}.")
        for host in (run.cloud.resource_manager, run.cloud.authority) if run.cloud else ():
            if host not in self.hosts and ANY_HOST not in self.hosts:
                raise UntrustedError(f"The run asked {host}, which is not a host that the trust root allows.")


def parse(data: bytes, *, name: str) -> TrustRoot:
    """Return the trust root in a document; who signed it is not checked here.

    Raises:
        UntrustedError: it is not a trust root, or contradicts itself; the message names ``name`` and the field.
    """
    try:
        value = strict.loads(data, name=name, max_bytes=MAX_BYTES)
        return TrustRoot.model_validate_json(strict.canonical(value))
    except TamperedError as error:
        raise UntrustedError(error.message, "Obtain the trust root again.") from error
    except ValidationError as error:
        raise UntrustedError(f"{name} is not a trust root: {wire.told(error)}.") from error


def new_root(public_key_pem: str, *, lab: bool, now: datetime) -> TrustRoot:
    """Return a first trust root for one key, good for a year.

    A laboratory's allows every source and any host, and lets its key accept drift; any other allows ``live`` on
    Microsoft's clouds only.

    Raises:
        ValueError: the key is not a public key in PEM form, P-256 or RSA of at least 3072 bits.
    """
    algorithm = algorithms.of(public_key_pem)
    key = TrustedKey(
        keyid=algorithms.key_id(algorithm, public_key_pem),
        algorithm=algorithm,
        pem=public_key_pem,
        not_before=stamp(now),
        not_after=stamp(now + LIFETIME),
        accepts=True if lab else None,
    )
    return TrustRoot(
        version=1,
        expires=stamp(now + LIFETIME),
        lab=lab,
        threshold=1,
        keys=(key,),
        sources=tuple(Source) if lab else (Source.LIVE,),
        hosts=(ANY_HOST,) if lab else MICROSOFT_HOSTS,
        predicate_types=(AUDIT_RUN, EVIDENCE_BUNDLE, HISTORY_RECORD, CUSTODY, *((ACCEPTANCE,) if lab else ())),
    )


def written(root: TrustRoot) -> bytes:
    """Return the file for an unsigned trust root, indented for people."""
    return (json.dumps(plain(root), indent=2, ensure_ascii=False) + "\n").encode()


def plain(root: TrustRoot) -> dict[str, Any]:
    """Return a trust root as JSON values, without what it does not use."""
    found = root.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: value for key, value in found.items() if value != [] or key != "tsa"}


def _signed(key: TrustedKey, envelope: Envelope) -> bool:
    return algorithms.verify(key.algorithm, key.pem, envelope.message, envelope.signature)


def _check_validity(key: TrustedKey, at: datetime, *, proven: bool) -> None:
    moment = stamp(at)
    if key.revoked_at is not None and not (proven and moment < key.revoked_at):
        older = "" if proven else "; nothing proves that it signed this before"
        reason = key.reason or "no reason is given"
        raise UntrustedError(f"Key {key.keyid} was revoked at {key.revoked_at} ({reason}){older}.")
    if moment < key.not_before:
        raise UntrustedError(f"Key {key.keyid} is not valid before {key.not_before}.")
    if moment > key.not_after:
        older = "" if proven else "; nothing proves that it signed this before"
        raise UntrustedError(f"Key {key.keyid} expired at {key.not_after}{older}.")
