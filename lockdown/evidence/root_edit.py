"""Making trust roots: the first version, and each next one. Nothing here signs, reads or writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from lockdown.errors import UntrustedError, UsageError
from lockdown.evidence import algorithms, trust
from lockdown.evidence.keys import Signer
from lockdown.evidence.predicate import ACCEPTANCE, CUSTODY
from lockdown.evidence.times import stamp
from lockdown.evidence.trust import LIFETIME, RootKey, RootKeys, TrustedKey, TrustRoot


def root_keys(signers: Sequence[Signer], threshold: int) -> RootKeys:
    """Return the root keys that ``signers`` hold.

    Raises:
        UsageError: one is given twice, or there are fewer than the threshold.
    """
    keys = (RootKey(keyid=signer.key_id, algorithm=signer.algorithm, pem=signer.public_pem) for signer in signers)
    try:
        return RootKeys(threshold=threshold, keys=tuple(sorted(keys, key=lambda key: key.keyid)))
    except ValidationError as error:
        raise UsageError(f"The root keys: {error.errors()[0]['msg']}.", "Check --root-key and --threshold.") from error


def trusted_key(
    pem: str,
    *,
    not_before: datetime,
    not_after: datetime | None = None,
    accepts: bool = False,
    custody_only: bool = False,
) -> TrustedKey:
    """Return the entry for a key that signs runs, and with ``accepts`` may accept drift; or hand-overs only.

    It counts for a year unless told otherwise.

    Raises:
        UsageError: it is not a public key in PEM form, P-256 or RSA of at least 3072 bits, or it would never count.
    """
    if not_after is not None and not_after <= not_before:
        raise UsageError("The key would end to count before it begins to.", "Check --not-before and --not-after.")
    try:
        algorithm = algorithms.of(pem)
    except ValueError as error:
        raise UsageError(f"The key cannot be trusted: {error}.", "Give the public key, as public.pem.") from error
    return TrustedKey(
        keyid=algorithms.key_id(algorithm, pem),
        algorithm=algorithm,
        pem=algorithms.public_pem(algorithm, pem),
        not_before=stamp(not_before),
        not_after=stamp(not_after or not_before + LIFETIME),
        accepts=True if accepts else None,
        custody_only=True if custody_only else None,
    )


def next_version(before: TrustRoot, /, **changes: Any) -> TrustRoot:  # noqa: ANN401 - any field
    """Return the next version of a trust root, with other fields.

    Raises:
        UsageError: the result would contradict itself.
    """
    return checked(before.model_copy(update={**changes, "version": before.version + 1}))


def checked(root: TrustRoot) -> TrustRoot:
    """Return a trust root once it is found to be one that a verifier reads.

    Raises:
        UsageError: it contradicts itself.
    """
    try:
        return trust.parse(trust.written(root), name="The new trust root")
    except UntrustedError as error:
        raise UsageError(error.message) from error


def with_key(root: TrustRoot, key: TrustedKey) -> TrustRoot:
    """Return the next version, which trusts one more key.

    Raises:
        UsageError: it is trusted already, or signs trust roots.
    """
    needed = [ACCEPTANCE] if key.accepts else [CUSTODY] if key.custody_only else []
    kinds = (*root.predicate_types, *(kind for kind in needed if kind not in root.predicate_types))
    return next_version(root, keys=(*root.keys, key), predicate_types=kinds)


def without_key(root: TrustRoot, key_id: str, *, at: datetime, reason: str) -> TrustRoot:
    """Return the next version, in which a key is revoked; what a trusted timestamp proves to be older stays good.

    Raises:
        UsageError: no key, or more than one, has an id that begins with ``key_id``; or it is revoked since earlier.
    """
    found = [key for key in root.keys if key.keyid.startswith(key_id)]
    if len(found) != 1:
        raise UsageError(
            f"{len(found)} keys of the trust root begin with {key_id!a}.", "lockdown trust show lists them."
        )
    key = found[0]
    if key.revoked_at is not None and key.revoked_at <= stamp(at):
        raise UsageError(f"Key {key.keyid} is revoked since {key.revoked_at}.", "Name an earlier moment with --at.")
    revoked = key.model_copy(update={"revoked_at": stamp(at), "reason": reason})
    return next_version(root, keys=tuple(revoked if each is key else each for each in root.keys))
