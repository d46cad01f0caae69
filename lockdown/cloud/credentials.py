"""Who asks: a credential of the person or job that runs lockdown, for the authority of the chosen cloud.

Whoever reads an environment need not be whoever signs what was found: with LOCKDOWN_SIGNING_CLIENT_ID set, keys are
used, and evidence is stored, by an identity of their own; with LOCKDOWN_STORE_CLIENT_ID, evidence by one more.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import (
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from lockdown.errors import ToolError, UsageError
from lockdown.model import Cloud

_NEXT = "Run az login, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or use workload identity)."
SIGNING = "LOCKDOWN_SIGNING_"
STORE = "LOCKDOWN_STORE_"
SIGNING_NEXT = f"{_NEXT} For an identity that only signs: {SIGNING}CLIENT_ID."
_NAMES = ("TENANT_ID", "CLIENT_SECRET", "FEDERATED_TOKEN_FILE")


@dataclass(frozen=True)
class Identity:
    """Who a token was issued to. ``object_id`` is empty if the token does not say."""

    tenant: str
    object_id: str


def credential(cloud: Cloud) -> TokenCredential:
    """Return the default credential chain for ``cloud``.

    An authority that is not Microsoft's is not known to the public instance discovery, so that is not asked about it.
    """
    if cloud.discovered:
        return DefaultAzureCredential(authority=cloud.authority, disable_instance_discovery=True)
    return DefaultAzureCredential(authority=cloud.authority)


def signing_credential(cloud: Cloud, environment: Mapping[str, str] = os.environ) -> TokenCredential:
    """Return the credential that uses keys and stores evidence: that of the audit, or the signing identity's own.

    LOCKDOWN_SIGNING_CLIENT_ID names that identity. With LOCKDOWN_SIGNING_CLIENT_SECRET it is an application with a
    secret, with LOCKDOWN_SIGNING_FEDERATED_TOKEN_FILE a workload identity (both with LOCKDOWN_SIGNING_TENANT_ID, or
    else AZURE_TENANT_ID), with neither a user-assigned managed identity of this machine.

    Raises:
        UsageError: one of these is set and what belongs to it is not.
    """
    return _own(SIGNING, cloud, environment) or credential(cloud)


def storing_credential(cloud: Cloud, environment: Mapping[str, str] = os.environ) -> TokenCredential:
    """Return the credential that stores evidence: an identity of its own, named as that which signs, or the latter.

    Raises:
        UsageError: one of the LOCKDOWN_STORE_ variables is set and what belongs to it is not.
    """
    return _own(STORE, cloud, environment) or signing_credential(cloud, environment)


def _own(prefix: str, cloud: Cloud, environment: Mapping[str, str]) -> TokenCredential | None:
    client = environment.get(f"{prefix}CLIENT_ID", "")
    tenant, secret, token_file = (environment.get(prefix + name, "") for name in _NAMES)
    if not client:
        if tenant or secret or token_file:
            raise UsageError(f"{prefix}CLIENT_ID is not set, but another {prefix}... variable is.", "Set it too.")
        return None
    tenant = tenant or environment.get("AZURE_TENANT_ID", "")
    if (secret or token_file) and not tenant:
        raise UsageError(f"{prefix}TENANT_ID is not set, and neither is AZURE_TENANT_ID.", "Set one of them.")
    if secret and token_file:
        raise UsageError(f"{prefix}CLIENT_SECRET and {prefix}FEDERATED_TOKEN_FILE are both set.", "Set one of them.")
    if secret:
        return ClientSecretCredential(
            tenant, client, secret, authority=cloud.authority, disable_instance_discovery=cloud.discovered
        )
    if token_file:
        return WorkloadIdentityCredential(
            tenant_id=tenant,
            client_id=client,
            token_file_path=token_file,
            authority=cloud.authority,
            disable_instance_discovery=cloud.discovered,
        )
    return ManagedIdentityCredential(client_id=client)


def scope(cloud: Cloud) -> str:
    """Return the token scope of Azure Resource Manager in ``cloud``."""
    return f"{cloud.audience}/.default"


def identify(found: TokenCredential, cloud: Cloud) -> Identity:
    """Get a token, and say whose it is.

    The claims are read without checking the signature: they name the caller in the record and decide nothing.

    Raises:
        ToolError: no credential was accepted.
    """
    try:
        token = found.get_token(scope(cloud)).token
    except ClientAuthenticationError as error:
        raise ToolError(f"Azure accepted no credential: {_first_line(error)}", _NEXT) from error
    except AzureError as error:
        raise ToolError(f"{cloud.authority} cannot be reached: {_first_line(error)}", "Check the network.") from error
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError):
        claims = {}
    return Identity(str(claims.get("tid", "")), str(claims.get("oid", "")))


def _first_line(error: AzureError) -> str:
    lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
    told = [line for line in lines if "AADSTS" in line] or lines
    return told[0].split(" Trace ID:")[0] if told else type(error).__name__
