"""Signing keys by URI, and the making of a first key for a laboratory.

A key in a file is for tests and laboratories: whoever can read the file can sign. Keys for real evidence belong in a
service that signs and never hands them out: Azure Key Vault or Managed HSM (``vault_signer``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lockdown.errors import ToolError, UsageError
from lockdown.evidence import es256, files, trust, vault_signer
from lockdown.evidence.algorithms import Algorithm

PRIVATE, PUBLIC, TRUST_ROOT = "private.pem", "public.pem", "trust-root.json"
_MAX_BYTES = 16 * 1024


class Signer(Protocol):
    """Something that signs with one key."""

    @property
    def key_id(self) -> str:
        """The SHA-256 of the public key's SubjectPublicKeyInfo DER, in hex."""

    @property
    def public_pem(self) -> str:
        """The public key, SubjectPublicKeyInfo PEM."""

    @property
    def algorithm(self) -> Algorithm:
        """How it signs. It belongs to the key."""

    @property
    def location(self) -> Path | None:
        """The file that the private key lies in; None for a key that never leaves a service."""

    def sign(self, data: bytes) -> bytes:
        """Return a signature over ``data``: strict DER and low s for ES256."""


@dataclass(frozen=True)
class FileSigner:
    """A private key read from a PEM file."""

    location: Path
    key_id: str
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def public_pem(self) -> str:
        """The public key, SubjectPublicKeyInfo PEM."""
        return es256.public_pem(self._key.public_key())

    @property
    def algorithm(self) -> Algorithm:
        """A key in a file is a P-256 key."""
        return "ES256"

    def sign(self, data: bytes) -> bytes:
        """Return a signature over ``data``: strict DER, low s."""
        return es256.sign(self._key, data)


def load_signer(uri: str, *, cloud: str | None = None, authority: str | None = None) -> Signer:
    """Return the signer that a key URI names: ``file:DIR/private.pem``, ``azurekv:https://HOST/keys/NAME/VERSION``.

    ``cloud`` and ``authority`` are those of the audit; a vault of Microsoft's needs neither.

    Raises:
        UsageError: the scheme is unknown; the key is missing, unusable or, if a file, readable by others.
        ToolError: a service with the key cannot be used: no credential, no right, no answer.
    """
    scheme, colon, rest = uri.partition(":")
    load = _SCHEMES.get(scheme) if colon else None
    if load is None:
        known = ", ".join(f"{name}:" for name in _SCHEMES)
        raise UsageError(
            f"The key {uri!a} is not a key URI of a known scheme.",
            f"Supported: {known}. For example file:keys/private.pem.",
        )
    return load(rest, cloud, authority)


def generate(directory: Path) -> None:
    """Make a laboratory key: private.pem (PKCS #8, mode 0600), public.pem and trust-root.json.

    Raises:
        UsageError: one of the three exists already, or the directory is (part of) a run.
        ToolError: they cannot be written. Nothing is left behind.
    """
    _refuse_run(directory)
    for name in (PRIVATE, PUBLIC, TRUST_ROOT):
        if os.path.lexists(directory / name):
            raise UsageError(
                f"{directory / name} exists already; a key is never overwritten.", "Name another directory."
            )
    key = ec.generate_private_key(ec.SECP256R1())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    contents = {
        PUBLIC: (public, 0o644),
        TRUST_ROOT: (trust.written(trust.new_root(public.decode(), lab=True, now=datetime.now(UTC))), 0o644),
        PRIVATE: (key.private_bytes(pem, pkcs8, serialization.NoEncryption()), 0o600),
    }
    made: list[Path] = []
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, (data, mode) in contents.items():
            _create(directory / name, data, mode, made)
        made.clear()
    except OSError as error:
        raise ToolError(f"The key could not be written to {directory}: {error.strerror}.") from error
    finally:
        for path in made:
            with suppress(OSError):
                path.unlink()


def refuse_inside(signer: Signer, directory: Path) -> None:
    """Raise UsageError if the private key of ``signer`` lies in ``directory``, where it would be handed over."""
    if signer.location is not None and signer.location.resolve().is_relative_to(directory.resolve()):
        raise UsageError(
            f"The private key {signer.location} lies inside the run {directory} and would be handed over with it.",
            "Move the key elsewhere, and replace it if anybody received the run.",
        )


def _from_file(path_text: str, _cloud: str | None, _authority: str | None) -> Signer:
    path = Path(path_text)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            data = file.read(_MAX_BYTES) if stat.S_ISREG(status.st_mode) else b""
    except OSError as error:
        raise UsageError(f"The key file {path} cannot be read: {error.strerror}.", "Check --key.") from error
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"Other users can use the key file {path}.", "Run chmod 600 on it, or make a new key.")
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{path} does not hold an unencrypted private key in PEM form.", "lockdown keys generate makes one."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UsageError(f"The key in {path} is not a P-256 key (ES256).", "lockdown keys generate makes one.")
    return FileSigner(path, es256.key_id(key.public_key()), key)


_SCHEMES: Mapping[str, Callable[[str, str | None, str | None], Signer]] = {
    "file": _from_file,
    "azurekv": vault_signer.open_signer,
}


def _refuse_run(directory: Path) -> None:
    inside = (parent for parent in directory.resolve().parents if (parent / files.RESULTS).exists())
    found = directory if (directory / files.SUMS).exists() or (directory / "results").exists() else next(inside, None)
    if found is not None:
        raise UsageError(f"{found} is the directory of a run; keys do not belong there.", "Name another directory.")


def _create(path: Path, data: bytes, mode: int, made: list[Path]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    made.append(path)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
